"""How many replicas of a workload are ready, by its own status: Deployment, StatefulSet and KServe's two.

What a status does not say is a gap, never zero: a controller that has not looked yet, or a kind that
counts no replicas.
"""

from collections.abc import Mapping
from typing import Any, Final

from cutover.api.sides import Workload
from cutover.clusters.answers import Failed, Reason
from cutover.clusters.connection import Connection
from cutover.decide.observation import Replicas
from cutover.decide.readings import Gap, Missing

PLURALS: Final = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "InferenceService": "inferenceservices",
    "LLMInferenceService": "llminferenceservices",
}
_MISSING: Final = {
    Reason.FORBIDDEN: Missing.UNAUTHORISED,
    Reason.UNAUTHORISED: Missing.UNAUTHORISED,
    Reason.NOT_FOUND: Missing.NO_SERIES,
}
Json = Mapping[str, Any]


_DEPLOYED_AS: Final = {"InferenceService": "-predictor", "LLMInferenceService": "-kserve"}
"""What KServe appends to a name for the Deployment of the model server, where it makes one: its own
statuses count no ready replicas."""


def deployed_as(workload: Workload) -> Workload | None:
    """The Deployment that KServe makes for one of its own kinds; None: it is none of them."""
    suffix = _DEPLOYED_AS.get(workload.kind)
    if suffix is None:
        return None
    return Workload(api_version="apps/v1", kind="Deployment", name=f"{workload.name}{suffix}"[:253])


def workload_path(workload: Workload, namespace: str) -> str:
    """Where its API server has it."""
    plural = PLURALS.get(workload.kind, workload.kind.lower())
    return f"/apis/{workload.api_version}/namespaces/{namespace}/{plural}/{workload.name}"


async def read_replicas(
    connection: Connection, workload: Workload, namespace: str
) -> Replicas | Gap:
    """Read one workload; of KServe's, first the Deployment that it made, if there is one."""
    made = deployed_as(workload)
    if made is not None:
        found = await _read(connection, made, namespace)
        if isinstance(found, Replicas):
            return found
    return await _read(connection, workload, namespace)


async def _read(connection: Connection, workload: Workload, namespace: str) -> Replicas | Gap:
    if workload.kind not in PLURALS:
        return Gap(Missing.NO_SERIES, f"a {workload.kind} tells no ready replicas")
    answer = await connection.get(workload_path(workload, namespace))
    if isinstance(answer, Failed):
        return not_read(answer, workload, namespace)
    return tell_replicas(workload, answer.body)


def not_read(failed: Failed, workload: Workload, namespace: str) -> Gap:
    """Say why a workload could not be read."""
    missing = _MISSING.get(failed.reason, Missing.UNREACHABLE)
    if failed.reason is Reason.NOT_FOUND:
        return Gap(
            missing,
            f"there is no {workload.kind} {namespace}/{workload.name} ({workload.api_version}):"
            " correct the name, or create it",
        )
    return Gap(missing, failed.message)


def tell_replicas(workload: Workload, body: Json) -> Replicas | Gap:
    """What an object's status says."""
    status = body.get("status")
    status = status if isinstance(status, Mapping) else {}
    spec = body.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    match workload.kind:
        case "InferenceService":
            return _inference_service(workload, status)
        case "LLMInferenceService":
            return _llm_inference_service(workload, status)
        case _:
            return _counted(workload, spec, status)


def _counted(workload: Workload, spec: Json, status: Json) -> Replicas | Gap:
    """Deployment and StatefulSet: readyReplicas is left out when it is 0."""
    if status.get("observedGeneration") is None:
        return Gap(
            Missing.NO_DATA, f"{workload.kind} {workload.name}: its controller has not looked yet"
        )
    desired = spec.get("replicas", 1)
    return Replicas(_number(status.get("readyReplicas")) or 0, _number(desired))


def _inference_service(workload: Workload, status: Json) -> Replicas | Gap:
    """KServe v1beta1 without a Deployment (Knative): conditions, and how many copies were loaded.

    PredictorReady is False already when a new revision fails while the old one serves: that is no zero.
    """
    if _condition(status, "Stopped") == "True":
        return Replicas(0, 0)
    if _condition(status, "PredictorReady") == "True":
        model = status.get("modelStatus")
        copies = model.get("copies") if isinstance(model, Mapping) else None
        total = _number(copies.get("totalCopies")) if isinstance(copies, Mapping) else None
        return Replicas(max(1, total or 1), total, at_least=True)
    return _unsaid(workload, status, "PredictorReady")


def _llm_inference_service(workload: Workload, status: Json) -> Replicas | Gap:
    """KServe's LLMInferenceService without a Deployment (several nodes): conditions and no count.

    One that was stopped says so as the reason for which its workload is not ready.
    """
    if _condition(status, "Stopped") == "True" or _is_stopped(status):
        return Replicas(0, 0)
    if _condition(status, "MainWorkloadReady", "WorkloadsReady") == "True":
        return Replicas(1, at_least=True)
    return _unsaid(workload, status, "MainWorkloadReady")


def _is_stopped(status: Json) -> bool:
    found = status.get("conditions")
    return any(
        one.get("type") == "MainWorkloadReady"
        and one.get("status") == "False"
        and one.get("reason") == "Stopped"
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, Mapping)
    )


def _unsaid(workload: Workload, status: Json, condition: str) -> Gap:
    state = _condition(status, condition) or "not reported"
    return Gap(
        Missing.NO_DATA,
        f"{workload.kind} {workload.name}: {condition} is {state}, which does not say how many replicas"
        " are ready",
    )


def _condition(status: Json, *types: str) -> str:
    """The status of the first of these conditions that is there."""
    found = status.get("conditions")
    known = {
        str(one.get("type")): str(one.get("status"))
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, Mapping)
    }
    return next((known[one] for one in types if one in known), "")


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
