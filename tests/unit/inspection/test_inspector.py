"""Preflight asks for the permission to pause exactly those of KEDA's objects that a run would pause."""

from typing import Any, cast

import pytest
from aiohttp import web

from cutover.api.clusters import ClusterRef
from cutover.clusters.connection import Connection
from cutover.clusters.scaling import PAUSED
from cutover.decide.surroundings import Rights
from cutover.inspection.inspector import PlanInspector
from cutover.inspection.rights import REVIEWS
from cutover.replay.replayer import Replays
from tests.unit.clusters.conftest import Server, server
from tests.unit.clusters.test_scaling import HPAS, OBJECTS, scaler
from tests.unit.inspection.test_rights import plan

__all__ = ["server"]


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
    listed: list[Any] | None, asked: list[str], server: Server
) -> None:
    forbidden = lambda _: web.json_response({"kind": "Status"}, status=403)  # noqa: E731
    server.answers = {
        HPAS: {"items": []},
        OBJECTS: forbidden if listed is None else {"items": listed},
        REVIEWS: {"status": {"allowed": True}},
    }

    async def connect(_: ClusterRef) -> Connection:
        return server.connection()

    wish = plan(afterCompletion={"source": "ScaleToZero"})
    inspector = PlanInspector(wish, "inference", connect, cast("Replays", None))
    assert isinstance(await inspector.rights(), Rights)
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
