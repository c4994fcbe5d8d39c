"""What is written to scale a workload to zero and back, in which order, and what is refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from cutover.api import SCALED_DOWN
from cutover.api.sides import Workload
from cutover.clusters.scaling import PAUSED, STOP, ScalableWorkload, Twin, from_text, to_text
from cutover.decide.observation import Mark, WorkloadSeen
from cutover.decide.readings import Gap
from cutover.ports import Conflict, NotWritten, Written
from tests.unit.clusters.conftest import Server

DEPLOYMENT = Workload(api_version="apps/v1", kind="Deployment", name="chat")
SERVICE = Workload(api_version="serving.kserve.io/v1beta1", kind="InferenceService", name="chat")
AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
MARK = Mark("inference/llama", "u-1", AT, 4)
CHAT = "/apis/apps/v1/namespaces/inference/deployments/chat"
KSERVE = "/apis/serving.kserve.io/v1beta1/namespaces/inference/inferenceservices/chat"
HPAS = "/apis/autoscaling/v2/namespaces/inference/horizontalpodautoscalers"
OBJECTS = "/apis/keda.sh/v1alpha1/namespaces/inference/scaledobjects"


def deployment(replicas: int = 4, uid: str = "d-1", **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "chat", "uid": uid, "resourceVersion": "7", **meta},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 1, "readyReplicas": replicas},
    }


def scaler(kind: str = "Deployment", name: str = "chat", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "scaler", "resourceVersion": "3", **more.pop("metadata", {})},
        "spec": {"scaleTargetRef": {"kind": kind, "name": name}, **more},
    }


def stage(server: Server, found: dict[str, Any], *, hpas: Any = (), objects: Any = None) -> None:
    server.answers = {CHAT: found, HPAS: {"items": list(hpas)}}
    if objects is not None:
        server.answers[OBJECTS] = {"items": list(objects)}
        server.answers[f"{OBJECTS}/scaler"] = scaler()


async def looked(server: Server, workload: Workload = DEPLOYMENT) -> WorkloadSeen:
    seen = await ScalableWorkload(server.connection(), "inference", workload).look()
    assert isinstance(seen, WorkloadSeen)
    return seen


def written(server: Server) -> list[tuple[str, Any]]:
    pairs = zip(server.asked, server.bodies, strict=True)
    return [(one.path, body) for one, body in pairs if one.method == "PATCH"]


async def test_a_deployment_gets_no_replicas_and_the_note_of_them_in_one_write(
    server: Server,
) -> None:
    stage(server, deployment(), objects=None)
    scalable = ScalableWorkload(server.connection(), "inference", DEPLOYMENT)
    seen = await scalable.look()
    assert isinstance(seen, WorkloadSeen)
    assert (seen.stopped, seen.replicas, seen.ready) == (False, 4, 4)
    assert isinstance(await scalable.stop(seen, MARK), Written)
    [(path, body)] = written(server)
    note = json.loads(body["metadata"]["annotations"][SCALED_DOWN])
    assert (path, body["spec"], body["metadata"]["resourceVersion"]) == (CHAT, {"replicas": 0}, "7")
    assert note["replicas"] == 4
    assert (note["by"], note["uid"]) == ("inference/llama", "u-1")
    assert server.asked[-1].query["fieldManager"] == "cutover"


async def test_what_scales_it_up_again_is_paused_first(server: Server) -> None:
    stage(server, deployment(), objects=[scaler(), scaler(name="another")])
    scalable = ScalableWorkload(server.connection(), "inference", DEPLOYMENT)
    seen = await scalable.look()
    assert isinstance(seen, WorkloadSeen)
    assert [one.kind for one in seen.autoscalers] == ["ScaledObject"]
    await scalable.stop(seen, MARK)
    assert [path for path, _ in written(server)] == [f"{OBJECTS}/scaler", CHAT]
    assert written(server)[0][1]["metadata"]["annotations"][PAUSED] == "0"


async def test_what_was_brought_down_comes_back_as_it_was(server: Server) -> None:
    text = to_text(MARK)
    paused = {"annotations": {PAUSED: "0", SCALED_DOWN: text}}
    stage(
        server,
        deployment(0, annotations={SCALED_DOWN: text}),
        objects=[scaler(metadata=paused)],
    )
    scalable = ScalableWorkload(server.connection(), "inference", DEPLOYMENT)
    seen = await scalable.look()
    assert isinstance(seen, WorkloadSeen)
    assert isinstance(await scalable.start(seen, "u-1"), Written)
    (first, body), (second, more) = written(server)
    assert (first, second) == (CHAT, f"{OBJECTS}/scaler")
    assert (body["spec"], body["metadata"]["annotations"]) == ({"replicas": 4}, {SCALED_DOWN: None})
    assert more["metadata"]["annotations"] == {PAUSED: None, SCALED_DOWN: None}


async def test_what_somebody_has_scaled_since_keeps_their_number(server: Server) -> None:
    stage(server, deployment(2, annotations={SCALED_DOWN: to_text(MARK)}))
    scalable = ScalableWorkload(server.connection(), "inference", DEPLOYMENT)
    seen = await scalable.look()
    assert isinstance(seen, WorkloadSeen)
    await scalable.start(seen, "u-1")
    assert "spec" not in written(server)[0][1]


async def test_another_rollouts_note_is_left_alone(server: Server) -> None:
    stage(server, deployment(0, annotations={SCALED_DOWN: to_text(MARK)}))
    scalable = ScalableWorkload(server.connection(), "inference", DEPLOYMENT)
    seen = await scalable.look()
    assert isinstance(seen, WorkloadSeen)
    await scalable.start(seen, "u-2")
    assert not written(server)


async def test_kserves_services_are_stopped_by_their_own_annotation(server: Server) -> None:
    found = {"metadata": {"uid": "i", "resourceVersion": "9", "annotations": {STOP: "false"}}}
    server.answers = {KSERVE: found}
    scalable = ScalableWorkload(server.connection(), "inference", SERVICE)
    seen = await scalable.look()
    assert isinstance(seen, WorkloadSeen)
    await scalable.stop(seen, Mark("inference/llama", "u-1", AT, None, seen.before))
    body = written(server)[0][1]
    assert body["metadata"]["annotations"][STOP] == "true"
    assert "spec" not in body
    found["metadata"]["annotations"] = body["metadata"]["annotations"]
    seen = await looked(server, SERVICE)
    assert seen.stopped
    await scalable.start(seen, "u-1")
    assert written(server)[1][1]["metadata"]["annotations"] == {STOP: "false", SCALED_DOWN: None}


@pytest.mark.parametrize(("least", "holds"), [(None, True), (1, True), (3, True), (0, False)])
async def test_an_autoscaler_leaves_zero_alone_unless_it_may_start_from_it(
    least: int | None, holds: bool, server: Server
) -> None:
    spec: dict[str, Any] = {} if least is None else {"minReplicas": least}
    stage(server, deployment(), hpas=[scaler(**spec)])
    [found] = (await looked(server)).autoscalers
    assert (found.kind, found.holds) == ("HorizontalPodAutoscaler", holds)


async def test_kedas_own_autoscaler_is_its_scaled_objects(server: Server) -> None:
    made = {"ownerReferences": [{"kind": "ScaledObject", "name": "scaler", "controller": True}]}
    stage(server, deployment(), hpas=[scaler(metadata=made)])
    assert (await looked(server)).autoscalers == ()


async def test_a_workload_that_something_else_made_says_so(server: Server) -> None:
    owner = [{"kind": "InferenceService", "name": "chat", "controller": True}]
    stage(server, deployment(ownerReferences=owner))
    assert (await looked(server)).owner == "InferenceService chat"


@pytest.mark.parametrize(("uid", "is_target"), [("d-1", True), ("d-2", False)])
async def test_two_names_of_one_object_are_seen(uid: str, is_target: bool, server: Server) -> None:
    stage(server, deployment())
    other = Server(url=f"{server.url}/far")
    server.answers[f"/far{CHAT}"] = deployment(uid=uid)
    twin = Twin(other.connection(), "inference")
    seen = await ScalableWorkload(server.connection(), "inference", DEPLOYMENT, twin).look()
    await other.pools[0].close()
    assert isinstance(seen, WorkloadSeen)
    assert seen.is_target is is_target


async def test_autoscalers_that_may_not_be_listed_are_not_taken_for_none(server: Server) -> None:
    stage(server, deployment())
    server.answers[HPAS] = lambda _: web.json_response({"kind": "Status"}, status=403)
    seen = await ScalableWorkload(server.connection(), "inference", DEPLOYMENT).look()
    assert isinstance(seen, Gap)
    assert "forbids GET" in seen.message


@pytest.mark.parametrize(("status", "result"), [(409, Conflict), (403, NotWritten)])
async def test_a_write_that_does_not_fit_is_not_forced(
    status: int, result: type, server: Server
) -> None:
    stage(server, deployment())
    scalable = ScalableWorkload(server.connection(), "inference", DEPLOYMENT)
    seen = await scalable.look()
    assert isinstance(seen, WorkloadSeen)
    server.answers[CHAT] = lambda _: web.json_response({"kind": "Status"}, status=status)
    assert isinstance(await scalable.stop(seen, MARK), result)


@pytest.mark.parametrize("text", [None, "", "{}", "4", "x" * 2000, '{"by":"a","uid":"b"}'])
def test_what_is_no_note_says_nothing(text: str | None) -> None:
    assert from_text(text) is None
