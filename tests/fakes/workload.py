"""The source's workload, as far as scaling it down and back needs it."""

from dataclasses import dataclass, replace

from cutover.decide.observation import Autoscaler, Mark, WorkloadSeen
from cutover.decide.readings import Gap
from cutover.ports import Conflict, NotWritten, WriteResult, Written
from tests.fakes.sides import Server


@dataclass
class FakeWorkload:
    """A Deployment; the server's ready replicas follow it at once."""

    server: Server
    mark: Mark | None = None
    scaler: Autoscaler | None = None
    """A ScaledObject, if there is one."""
    owner: str = ""
    is_target: bool = False
    unreadable: Gap | None = None
    unwritable: str = ""
    stops: int = 0
    """How often it was scaled to zero."""
    version: int = 1

    @property
    def replicas(self) -> int:
        """How many there are to be."""
        return self.server.replicas if isinstance(self.server.replicas, int) else 4

    def scale(self, replicas: int) -> None:
        """Somebody scales it."""
        self.server.replicas = replicas
        self.version += 1

    async def look(self) -> WorkloadSeen | Gap:
        if self.unreadable is not None:
            return self.unreadable
        return WorkloadSeen(
            str(self.version),
            self.replicas == 0,
            self.replicas,
            self.replicas,
            self.mark,
            owner=self.owner,
            is_target=self.is_target,
            autoscalers=() if self.scaler is None else (self.scaler,),
        )

    async def stop(self, seen: WorkloadSeen, mark: Mark) -> WriteResult:
        refused = self._refused(seen)
        if refused is not None:
            return refused
        if self.scaler is not None:
            self.scaler = replace(self.scaler, holds=True, mark=mark)
        if not seen.stopped:
            self.mark = mark
            self.stops += 1
            self.scale(0)
        return Written(str(self.version))

    async def start(self, seen: WorkloadSeen, uid: str) -> WriteResult:
        refused = self._refused(seen)
        if refused is not None:
            return refused
        mark = self.mark or (self.scaler.mark if self.scaler else None)
        assert mark is not None
        assert mark.uid == uid
        if seen.stopped:
            self.scale(mark.replicas or 0)
        self.mark = None
        if self.scaler is not None:
            self.scaler = replace(self.scaler, holds=False, mark=None)
        return Written(str(self.version))

    def _refused(self, seen: WorkloadSeen) -> WriteResult | None:
        if self.unwritable:
            return NotWritten("Forbidden", self.unwritable)
        if seen.resource_version != str(self.version):
            return Conflict("somebody changed the source's workload")
        return None
