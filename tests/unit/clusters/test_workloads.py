"""How many replicas are ready, by the object's own words; what it does not say is never zero."""

from typing import Any

import pytest
from aiohttp import web

from cutover.api.sides import Workload
from cutover.clusters.workloads import read_replicas, tell_replicas
from cutover.decide.observation import Replicas
from cutover.decide.readings import Gap, Missing
from tests.unit.clusters.conftest import Server

DEPLOYMENT = Workload(api_version="apps/v1", kind="Deployment", name="chat")
SERVICE = Workload(api_version="serving.kserve.io/v1beta1", kind="InferenceService", name="chat")
LLM = Workload(api_version="serving.kserve.io/v1alpha1", kind="LLMInferenceService", name="chat")
APPS = "/apis/apps/v1/namespaces/inference/deployments"
KSERVE = "/apis/serving.kserve.io/v1beta1/namespaces/inference/inferenceservices/chat"


def conditions(**states: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": state} for kind, state in states.items()]}


LOADED = {"modelStatus": {"copies": {"totalCopies": 3, "failedCopies": 0}}}


@pytest.mark.parametrize(
    ("workload", "spec", "status", "expected"),
    [
        (DEPLOYMENT, {"replicas": 4}, {"observedGeneration": 1, "readyReplicas": 3}, (3, 4, False)),
        (DEPLOYMENT, {"replicas": 4}, {"observedGeneration": 1}, (0, 4, False)),
        (DEPLOYMENT, {"replicas": 0}, {"observedGeneration": 2}, (0, 0, False)),
        (DEPLOYMENT, {}, {"observedGeneration": 1, "readyReplicas": 1}, (1, 1, False)),
        (DEPLOYMENT, {"replicas": 4}, {}, None),
        (SERVICE, {}, conditions(PredictorReady="True") | LOADED, (3, 3, True)),
        (SERVICE, {}, conditions(PredictorReady="True"), (1, None, True)),
        (SERVICE, {}, conditions(PredictorReady="False") | LOADED, None),
        (SERVICE, {}, conditions(PredictorReady="Unknown"), None),
        (SERVICE, {}, conditions(PredictorReady="False", Stopped="True"), (0, 0, False)),
        (SERVICE, {}, {}, None),
        (LLM, {}, conditions(MainWorkloadReady="True", WorkloadsReady="False"), (1, None, True)),
        (LLM, {}, conditions(MainWorkloadReady="False"), None),
        (LLM, {"replicas": 0}, conditions(Stopped="True"), (0, 0, False)),
        (
            LLM,
            {"replicas": 2},
            {"conditions": [{"type": "MainWorkloadReady", "status": "False", "reason": "Stopped"}]},
            (0, 0, False),
        ),
        (LLM, {}, {"conditions": "nonsense"}, None),
    ],
)
def test_what_a_status_says(
    workload: Workload, spec: Any, status: Any, expected: tuple[int, int | None, bool] | None
) -> None:
    found = tell_replicas(workload, {"spec": spec, "status": status})
    if expected is None:
        assert isinstance(found, Gap)
        assert found.missing is Missing.NO_DATA
        assert found.message.startswith(f"{workload.kind} chat: ")
    else:
        ready, desired, at_least = expected
        assert found == Replicas(ready, desired, at_least=at_least)


async def test_a_kserve_service_is_counted_by_the_deployment_that_kserve_made(
    server: Server,
) -> None:
    made = {"spec": {"replicas": 2}, "status": {"observedGeneration": 1}}
    server.answers = {
        f"{APPS}/chat-predictor": made,
        KSERVE: {"status": conditions(PredictorReady="True")},
    }
    assert await read_replicas(server.connection(), SERVICE, "inference") == Replicas(0, 2)
    del server.answers[f"{APPS}/chat-predictor"]
    found = await read_replicas(server.connection(), SERVICE, "inference")
    assert found == Replicas(1, at_least=True)


@pytest.mark.parametrize(
    ("status", "missing"),
    [
        (403, Missing.UNAUTHORISED),
        (401, Missing.UNAUTHORISED),
        (404, Missing.NO_SERIES),
        (500, Missing.UNREACHABLE),
    ],
)
async def test_what_cannot_be_read_is_a_gap(status: int, missing: Missing, server: Server) -> None:
    body = {"kind": "Status", "code": status, "message": "no"}
    server.answers = {f"{APPS}/chat": lambda _: web.json_response(body, status=status)}
    found = await read_replicas(server.connection(), DEPLOYMENT, "inference")
    assert isinstance(found, Gap)
    assert found.missing is missing
    if status == 404:
        assert "there is no Deployment inference/chat (apps/v1)" in found.message
