"""Preflight asks for the permission to pause exactly those of KEDA's objects that a run would pause."""

from typing import Any, cast

import pytest
from aiohttp import web

from cutover.api.clusters import ClusterRef
from cutover.clusters.connection import Connection
from cutover.clusters.scaling import PAUSED
from cutover.decide.surroundings import Ending, Rights
from cutover.inspection import inspector, rights
from cutover.inspection.inspector import PlanInspector
from cutover.inspection.rights import REVIEWS
from cutover.replay.replayer import Replays
from tests.unit.clusters.conftest import Server, server
from tests.unit.clusters.test_scaling import HPAS, OBJECTS, scaler
from tests.unit.inspection.test_rights import plan

__all__ = ["server"]


LLAMA = "/apis/apps/v1/namespaces/inference/deployments/llama"


def named(name: str, **annotations: str) -> dict[str, Any]:
    return scaler(name="llama", metadata={"name": name, "annotations": annotations})


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ([named("busy"), named("resting", **{PAUSED: "0"}), scaler(name="another")], ["busy"]),
        ([], []),
        (None, [""]),
    ],
)
async def test_what_would_be_paused_is_asked_for(
    listed: list[Any] | None,
    asked: list[str],
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rights, "DEADLINE", 60.0)
    monkeypatch.setattr(inspector, "A_MOMENT", 60.0)
    forbidden = lambda _: web.json_response({"kind": "Status"}, status=403)  # noqa: E731
    server.answers = {
        HPAS: {"items": []},
        LLAMA: {"metadata": {"uid": "d", "resourceVersion": "7"}, "spec": {"replicas": 2}},
        OBJECTS: forbidden if listed is None else {"items": listed},
        REVIEWS: {"status": {"allowed": True}},
    }

    async def connect(_: ClusterRef) -> Connection:
        return server.connection()

    wish = plan(afterCompletion={"source": "ScaleToZero"})
    asking = PlanInspector(wish, "inference", connect, cast("Replays", None))
    assert isinstance(await asking.rights(), Rights)
    reviews = [
        body["spec"]["resourceAttributes"]
        for one, body in zip(server.asked, server.bodies, strict=True)
        if one.path == REVIEWS
    ]
    patched = [
        one.get("name", "")
        for one in reviews
        if (one["verb"], one["resource"]) == ("patch", "scaledobjects")
    ]
    assert patched == asked


@pytest.mark.parametrize(
    ("owned", "kept"),
    [((), None), (({"kind": "InferenceService", "name": "chat", "controller": True},), "belongs")],
)
async def test_what_would_keep_the_source_is_found(
    owned: tuple[Any, ...], kept: str | None, server: Server
) -> None:
    meta = {"uid": "d", "resourceVersion": "7", "ownerReferences": list(owned)}
    server.answers = {
        HPAS: {"items": []},
        OBJECTS: {"items": [named("busy"), named("resting", **{PAUSED: "0"})]},
        LLAMA: {"metadata": meta, "spec": {"replicas": 2}},
    }

    async def connect(_: ClusterRef) -> Connection:
        return server.connection()

    wish = plan(afterCompletion={"source": "ScaleToZero"})
    found = await PlanInspector(wish, "inference", connect, cast("Replays", None)).ending()
    assert isinstance(found, Ending), found
    assert found.paused == ("ScaledObject busy",)
    assert (kept or "") in (found.kept or "")
    assert (found.kept is None) is (kept is None)
