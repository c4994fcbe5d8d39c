"""MigrationRollouts on the operator's own cluster: read, write the status, hold the finalizer."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutover.api import FINALIZER, GROUP, PLURAL, VERSION
from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.connection import JSON_PATCH, Connection
from cutover.clusters.events import Events
from cutover.ports import Conflict, Notice, NotWritten, Object, WriteResult, Written

MANAGER = {"fieldManager": "cutover"}
_BASE = f"/apis/{GROUP}/{VERSION}"
_LIST_DEADLINE = 15.0


class ApiRollouts:
    """`ports.Rollouts` on an API server."""

    def __init__(self, own: Connection, events: Events, namespaces: Sequence[str] = ()) -> None:
        self._own = own
        self._events = events
        self._namespaces = tuple(namespaces)
        self._read: dict[tuple[str, str], Ok] = {}
        """As last read: most looks find the same again, which is not worth understanding again."""

    async def get(self, namespace: str, name: str) -> Object | NotWritten | None:
        """Read one afresh; None: it does not exist; NotWritten: the API server did not answer."""
        before = self._read.pop((namespace, name), None)
        answer = await self._own.get_again(_path(namespace, name), before)
        if isinstance(answer, Ok):
            answer.body["metadata"].pop("managedFields", None)  # half of what would be kept of it
            self._read[namespace, name] = answer
            return answer.body
        if answer.reason is Reason.NOT_FOUND and answer.from_api_server:
            return None
        if answer.reason is Reason.NOT_FOUND:  # no Status: the path is unknown, not the object
            return NotWritten(str(Reason.UNREACHABLE), f"no MigrationRollouts: {answer.message}")
        return NotWritten(str(answer.reason), answer.message)

    async def write_status(self, rollout: Object, status: Mapping[str, Any]) -> WriteResult:
        """Replace the status whole, demanding the resourceVersion of ``rollout``."""
        operations = [_pin(rollout), {"op": "add", "path": "/status", "value": status}]
        return await self._patch(rollout, operations, "/status")

    async def set_finalizer(self, rollout: Object, *, present: bool) -> WriteResult:
        """Add or remove our finalizer, demanding the resourceVersion of ``rollout``."""
        metadata = rollout["metadata"]
        held = list(metadata.get("finalizers") or ())
        if (FINALIZER in held) == present:
            return Written(metadata["resourceVersion"])
        wanted = [*held, FINALIZER] if present else [each for each in held if each != FINALIZER]
        operations = [_pin(rollout), {"op": "add", "path": "/metadata/finalizers", "value": wanted}]
        return await self._patch(rollout, operations)

    async def post(self, rollout: Object, notice: Notice) -> None:
        """Post an Event; failing is logged and nothing else."""
        await self._events.post(rollout, notice)

    async def largest_epoch(self) -> int | Failed:
        """Return the largest ``status.leaderEpoch`` of all rollouts watched; 0 where there is none."""
        paths = [f"{_BASE}/namespaces/{each}/{PLURAL}" for each in self._namespaces]
        largest = 0
        for path in paths or [f"{_BASE}/{PLURAL}"]:
            answer = await self._own.list_all(path, deadline=_LIST_DEADLINE)
            if isinstance(answer, Failed):
                return answer
            largest = max(largest, *(_epoch(each) for each in answer.body["items"]), 0)
        return largest

    async def _patch(
        self, rollout: Object, operations: list[dict[str, Any]], subresource: str = ""
    ) -> WriteResult:
        metadata = rollout["metadata"]
        path = _path(metadata["namespace"], metadata["name"]) + subresource
        return _written(await self._own.patch(path, operations, JSON_PATCH, MANAGER))


def _written(answer: Answer) -> WriteResult:
    match answer:
        case Ok(body):
            return Written(body["metadata"]["resourceVersion"])
        case Failed(reason=Reason.CONFLICT):
            return Conflict(answer.message)
        case Failed(reason=Reason.NOT_FOUND):
            return NotWritten("Gone", answer.message)
        case Failed(reason=Reason.UNREACHABLE | Reason.FORBIDDEN | Reason.UNAUTHORISED):
            return NotWritten(str(answer.reason), answer.message)
        case Failed():
            return NotWritten(str(Reason.REFUSED), answer.message)


def _path(namespace: str, name: str) -> str:
    return f"{_BASE}/namespaces/{namespace}/{PLURAL}/{name}"


def _pin(rollout: Object) -> dict[str, Any]:
    """Make the API server answer 409 when the object is no longer the one that was read."""
    version = rollout["metadata"]["resourceVersion"]
    return {"op": "replace", "path": "/metadata/resourceVersion", "value": version}


def _epoch(rollout: Mapping[str, Any]) -> int:
    epoch = (rollout.get("status") or {}).get("leaderEpoch")
    return epoch if isinstance(epoch, int) else 0
