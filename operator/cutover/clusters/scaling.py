"""Scaling a workload to zero and back, so that what was there before is written on it.

A Deployment or StatefulSet gets ``spec.replicas: 0``. A HorizontalPodAutoscaler leaves a target of no
replicas alone (ScalingActive=False, ScalingDisabled) unless its own minReplicas is 0. KEDA would scale
up again, so its ScaledObject is paused first, by ``autoscaling.keda.sh/paused-replicas: "0"``. KServe's
kinds are stopped by ``serving.kserve.io/stop: "true"`` (KServe 0.16 or later, LLMInferenceService 0.17), which takes their own
autoscalers along.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutover.api import SCALED_DOWN
from cutover.api.clusters import ClusterRef
from cutover.api.sides import Workload
from cutover.api.status import Plan
from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.connection import MERGE_PATCH, Connection
from cutover.clusters.workloads import not_read, tell_replicas, workload_path
from cutover.decide.observation import Autoscaler, Mark, Refusal, Replicas, WorkloadSeen
from cutover.decide.readings import Gap
from cutover.ports import Conflict, NotWritten, WriteResult, Written

MANAGER: Final = {"fieldManager": "cutover"}
STOP: Final = "serving.kserve.io/stop"
PAUSED: Final = "autoscaling.keda.sh/paused-replicas"
STOPPED_BY_ANNOTATION: Final = frozenset({"InferenceService", "LLMInferenceService"})
SCALED_OBJECT: Final = "ScaledObject"
MAX_TEXT: Final = 1024

Json = Mapping[str, Any]
Connect = Callable[[ClusterRef], Awaitable[Connection | Refusal]]


class _MarkText(BaseModel):
    """The annotation `cutover.dev/scaled-down`, as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    by: Annotated[str, Field(max_length=320)]
    uid: Annotated[str, Field(max_length=64)]
    at: datetime
    replicas: Annotated[int, Field(ge=0)] | None = None
    before: Annotated[str, Field(max_length=64)] | None = None


@dataclass(frozen=True, slots=True)
class Twin:
    """Where the target's workload of the same kind and name is."""

    connection: Connection
    namespace: str


class ScalableWorkload:
    """`ports.SourceWorkload` over a cluster's API server."""

    def __init__(
        self, connection: Connection, namespace: str, workload: Workload, twin: Twin | None = None
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._workload = workload
        self._twin = twin

    async def look(self) -> WorkloadSeen | Gap:
        """Read the workload and what else sets its replicas."""
        answer = await self._connection.get(self._path)
        if isinstance(answer, Failed):
            return not_read(answer, self._workload, self._namespace)
        is_target = await self._is_target(answer.body)
        autoscalers = await read_autoscalers(self._connection, self._workload, self._namespace)
        if isinstance(is_target, Gap):
            return is_target
        if isinstance(autoscalers, Gap):
            return autoscalers
        return replace(
            _seen(self._workload, answer.body), is_target=is_target, autoscalers=autoscalers
        )

    async def stop(self, seen: WorkloadSeen, mark: Mark) -> WriteResult:
        """Scale it to zero, autoscalers first; only if it is as it was seen."""
        result: WriteResult = Written(seen.resource_version)
        for one in seen.autoscalers:
            if one.kind == SCALED_OBJECT and not one.holds:
                text = to_text(replace(mark, before=one.before))
                result = await self._annotate(one, {PAUSED: "0", SCALED_DOWN: text})
                if not isinstance(result, Written):
                    return result
        if seen.stopped:
            return result
        if self._workload.kind in STOPPED_BY_ANNOTATION:
            text = to_text(replace(mark, replicas=None))
            return await self._write(seen, {STOP: "true", SCALED_DOWN: text}, None)
        return await self._write(seen, {SCALED_DOWN: to_text(replace(mark, before=None))}, 0)

    async def start(self, seen: WorkloadSeen, uid: str) -> WriteResult:
        """Undo what the marks of that rollout say; what somebody else has scaled since stays."""
        ours = [one for one in seen.autoscalers if one.mark is not None and one.mark.uid == uid]
        own = seen.mark if seen.mark is not None and seen.mark.uid == uid else None
        mark = own or next((one.mark for one in ours), None)
        result: WriteResult = Written(seen.resource_version)
        if self._workload.kind in STOPPED_BY_ANNOTATION:
            if own is not None:
                result = await self._write(seen, {STOP: own.before, SCALED_DOWN: None}, None)
        elif mark is not None:
            result = await self._write(
                seen, {SCALED_DOWN: None}, mark.replicas if seen.stopped else None
            )
        for one in ours:
            if not isinstance(result, Written):
                return result
            before = one.mark.before if one.mark is not None else None
            result = await self._annotate(one, {PAUSED: before, SCALED_DOWN: None})
        return result

    # --- inside ---------------------------------------------------------------------------------

    @property
    def _path(self) -> str:
        return workload_path(self._workload, self._namespace)

    async def _is_target(self, body: Json) -> bool | Gap:
        """Whether the target's workload of the same name is this very object, by its uid."""
        if self._twin is None:
            return False
        path = workload_path(self._workload, self._twin.namespace)
        answer = await self._twin.connection.get(path)
        if isinstance(answer, Failed):
            absent = answer.reason is Reason.NOT_FOUND and answer.from_api_server
            return False if absent else not_read(answer, self._workload, self._twin.namespace)
        same: bool = answer.body["metadata"].get("uid") == body["metadata"].get("uid")
        return same

    async def _write(
        self, seen: WorkloadSeen, annotations: Mapping[str, str | None], replicas: int | None
    ) -> WriteResult:
        """Annotate and scale in one write: there is no moment at which only one of them is there."""
        meta = {"resourceVersion": seen.resource_version, "annotations": annotations}
        body: dict[str, Any] = {"metadata": meta}
        if replicas is not None:
            body["spec"] = {"replicas": replicas}
        return _written(await self._connection.patch(self._path, body, MERGE_PATCH, MANAGER))

    async def _annotate(
        self, one: Autoscaler, annotations: Mapping[str, str | None]
    ) -> WriteResult:
        path = f"{_SCALED_OBJECTS.format(self._namespace)}/{one.name}"
        meta = {"resourceVersion": one.resource_version, "annotations": annotations}
        return _written(
            await self._connection.patch(path, {"metadata": meta}, MERGE_PATCH, MANAGER)
        )


_HPAS: Final = "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers"
_SCALED_OBJECTS: Final = "/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects"


async def source_workload(
    plan: Plan, namespace: str, connect: Connect
) -> ScalableWorkload | Refusal:
    """The source's workload of a plan, and where the target's of the same name would be."""
    source, target = plan.source, plan.target
    assert source.workload is not None  # noqa: S101 - scaled only where one is named
    connection = await connect(source.cluster)
    if isinstance(connection, Refusal):
        return connection
    place = source.cluster.namespace or namespace
    twin = None
    if target.workload == source.workload:
        far = await connect(target.cluster)
        if isinstance(far, Refusal):
            return far
        twin = Twin(far, target.cluster.namespace or namespace)
    return ScalableWorkload(connection, place, source.workload, twin)


async def read_autoscalers(
    connection: Connection, workload: Workload, namespace: str
) -> tuple[Autoscaler, ...] | Gap:
    """List what else sets the workload's replicas; KServe's kinds take their own along."""
    if workload.kind in STOPPED_BY_ANNOTATION:
        return ()
    found: list[Autoscaler] = []
    for path, read in ((_HPAS, _hpa), (_SCALED_OBJECTS, _scaled_object)):
        answer = await connection.list_all(path.format(namespace))
        if isinstance(answer, Failed) and answer.reason is Reason.NOT_FOUND:
            continue  # KEDA is not installed
        if isinstance(answer, Failed):
            return not_read(answer, workload, namespace)
        found += [read(one) for one in answer.body["items"] if _scales(one, workload)]
    return tuple(found)


def _scales(autoscaler: Json, workload: Workload) -> bool:
    if any(one.get("kind") == SCALED_OBJECT for one in _owners(autoscaler)):
        return False  # KEDA's own, which goes while the ScaledObject is paused
    ref = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    group = str(ref.get("apiVersion") or "apps/v1").partition("/")[0]
    mine = (workload.api_version.partition("/")[0], workload.kind, workload.name)
    return (group, ref.get("kind") or "Deployment", ref.get("name")) == mine


# --- what an object says ------------------------------------------------------------------------


def _seen(workload: Workload, body: Json) -> WorkloadSeen:
    meta = body["metadata"]
    told = tell_replicas(workload, body)
    ready = told.ready if isinstance(told, Replicas) else None
    owner = next((one for one in _owners(body) if one.get("controller")), None)
    by = f"{owner.get('kind')} {owner.get('name')}" if owner else ""
    version, mark = meta["resourceVersion"], from_text(_annotations(body).get(SCALED_DOWN))
    if workload.kind in STOPPED_BY_ANNOTATION:
        before = _annotations(body).get(STOP)
        stopped = (before or "").lower() == "true"
        return WorkloadSeen(version, stopped, ready=ready, mark=mark, before=before, owner=by)
    replicas = (body.get("spec") or {}).get("replicas", 1)
    return WorkloadSeen(version, replicas == 0, replicas, ready, mark, owner=by)


def _hpa(body: Json) -> Autoscaler:
    least = (body.get("spec") or {}).get("minReplicas", 1)
    return Autoscaler("HorizontalPodAutoscaler", body["metadata"]["name"], holds=least != 0)


def _scaled_object(body: Json) -> Autoscaler:
    meta, annotations = body["metadata"], _annotations(body)
    before = annotations.get(PAUSED)
    mark = from_text(annotations.get(SCALED_DOWN))
    return Autoscaler(
        SCALED_OBJECT, meta["name"], before == "0", meta["resourceVersion"], mark, before
    )


def _owners(body: Json) -> list[Json]:
    found = body["metadata"].get("ownerReferences")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _annotations(body: Json) -> Mapping[str, str]:
    found = body["metadata"].get("annotations")
    return found if isinstance(found, Mapping) else {}


def to_text(mark: Mark) -> str:
    """Write a mark as compact JSON."""
    return _MarkText(
        by=mark.by, uid=mark.uid, at=mark.at, replicas=mark.replicas, before=mark.before
    ).model_dump_json(exclude_none=True)


def from_text(text: str | None) -> Mark | None:
    """Read the annotation; what is no mark of ours says nothing."""
    if text is None or len(text) > MAX_TEXT:
        return None
    try:
        read = _MarkText.model_validate_json(text)
    except ValidationError:
        return None
    return Mark(read.by, read.uid, read.at, read.replicas, read.before)


def _written(answer: Answer) -> WriteResult:
    match answer:
        case Ok(body):
            return Written(body["metadata"]["resourceVersion"])
        case Failed(reason=Reason.CONFLICT):
            return Conflict("somebody changed the source's workload since it was looked at")
        case Failed(reason=reason, message=message):
            return NotWritten(str(reason), message)
