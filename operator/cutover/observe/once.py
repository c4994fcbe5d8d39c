"""One look at everything, for a person who waits: what Preflight sees, within a few seconds, whatever hangs.

Nothing is decided, claimed or written. What does not answer in time is missing with its reason, as for
the operator, and does not keep anything else from being told.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from cutover.api.clusters import ClusterRef
from cutover.api.sides import Side
from cutover.api.status import Plan
from cutover.decide.asking import Asking
from cutover.decide.observation import Identity, Observation, Probe, Refusal, Replicas, SideReach
from cutover.decide.past import PastQuestion
from cutover.decide.readings import Gap, Missing, Reading, Value
from cutover.decide.route import Route, RouteSeen, RouteUnreadable
from cutover.judge.evidence import Count
from cutover.observe.memory import Memory
from cutover.observe.world import Object, end_beside, end_inspection, observe
from cutover.ports import (
    Adapters,
    Inspector,
    Metrics,
    NotWritten,
    Replayer,
    Rollouts,
    RouteChange,
    Router,
    SourceWorkload,
    WriteResult,
)

T = TypeVar("T")


async def look_once(
    thing: Object, identity: Identity, adapters: Adapters, rollouts: Rollouts, *, seconds: float
) -> Observation:
    """Look as Preflight does, and give what is asked beside the look the same time to answer."""
    memory = Memory()
    hurried = Hurried(adapters, asyncio.get_running_loop().time() + seconds)
    try:
        seen, _ = await observe(thing, identity, memory, hurried, rollouts)
        return await _with_answers(seen, memory, hurried)
    finally:
        end_beside(memory)
        end_inspection(memory)


async def _with_answers(seen: Observation, memory: Memory, hurried: "Hurried") -> Observation:
    beside, inspection, plan = memory.beside, memory.inspection, seen.draft
    waits = [one.settle(hurried.left) for one in (beside, inspection) if one is not None]
    await asyncio.gather(*waits)
    if beside is not None and isinstance(plan, Plan):
        health = beside.seen(seen.source, seen.target, plan, hurried.now())
        seen = replace(seen, health=health)
    if inspection is not None:
        seen = replace(seen, surroundings=inspection.seen())
    return seen


class Hurried:
    """`ports.Adapters` that answer until a given moment (of the event loop's clock), and then with a gap."""

    def __init__(self, adapters: Adapters, ends: float) -> None:
        self._adapters = adapters
        self._ends = ends

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self._ends - asyncio.get_running_loop().time())

    async def until(self, asked: Awaitable[T], otherwise: T) -> T:
        """Wait for an answer as long as there is time."""
        try:
            async with asyncio.timeout_at(self._ends):
                return await asked
        except TimeoutError:
            return otherwise

    def now(self) -> datetime:
        """The time in UTC."""
        return self._adapters.now()

    async def router(self, plan: Plan, namespace: str, holder: str) -> Router | Refusal:
        """The plan's route."""
        late = Refusal("Unreachable", "the route's cluster did not answer in time")
        found = await self.until(self._adapters.router(plan, namespace, holder), late)
        return found if isinstance(found, Refusal) else _HurriedRouter(found, self)

    def metrics(self, plan: Plan, namespace: str, holder: str) -> tuple[Metrics, Metrics]:
        """The source's and the target's metrics."""
        source, target = self._adapters.metrics(plan, namespace, holder)
        return _HurriedMetrics(source, self), _HurriedMetrics(target, self)

    def replayer(self, plan: Plan, namespace: str, asking: Asking) -> Replayer:
        """Both sides' endpoints."""
        return self._adapters.replayer(plan, namespace, asking)

    async def source_workload(
        self, plan: Plan, namespace: str, holder: str
    ) -> SourceWorkload | Refusal:
        """Never asked for in one look: only a completed rollout scales anything."""
        late = Refusal("Unreachable", "the source's cluster did not answer in time")
        return await self.until(self._adapters.source_workload(plan, namespace, holder), late)

    async def config_map(
        self, ref: ClusterRef, name: str, namespace: str, holder: str
    ) -> Mapping[str, str] | Gap:
        """Read a ConfigMap's data."""
        return await self.until(
            self._adapters.config_map(ref, name, namespace, holder), _gap(f"ConfigMap {name}")
        )

    async def reach(self, ref: ClusterRef, namespace: str, holder: str) -> SideReach:
        """Whether a cluster's API server answers."""
        late = SideReach(False, "Unreachable", "its API server did not answer in time")
        return await self.until(self._adapters.reach(ref, namespace, holder), late)

    async def replicas(self, side: Side, namespace: str, holder: str) -> Replicas | Gap:
        """How many replicas of a side's workload are ready."""
        late = _gap("its API server")
        return await self.until(self._adapters.replicas(side, namespace, holder), late)

    def inspector(self, plan: Plan, namespace: str, holder: str) -> Inspector:
        """What preflight asks of this plan; each topic has a deadline of its own."""
        return self._adapters.inspector(plan, namespace, holder)

    async def probe(self, plan: Plan, namespace: str, *, deadline: float) -> Probe:
        """Ask the target's endpoint for its health, once."""
        return await self._adapters.probe(plan, namespace, deadline=min(deadline, self.left))

    def release(self, holder: str) -> None:
        """Close what nobody else uses."""
        self._adapters.release(holder)


class _HurriedRouter:
    """A route that is looked at and never written."""

    def __init__(self, router: Router, hurried: Hurried) -> None:
        self._router = router
        self._hurried = hurried

    async def look(self, *, deadline: float = 5.0, insist: bool = False) -> Route:
        late = RouteUnreadable("Unreachable", "the route's cluster did not answer in time")
        left = min(deadline, self._hurried.left)
        return await self._hurried.until(self._router.look(deadline=left, insist=insist), late)

    async def write(
        self,
        seen: RouteSeen,  # noqa: ARG002 - a port
        change: RouteChange,  # noqa: ARG002 - a port
        *,
        deadline: float = 5.0,  # noqa: ARG002 - a port
    ) -> WriteResult:
        return NotWritten("Refused", "whoever only looks changes nothing")

    def expressible(self, seen: RouteSeen, weights: Sequence[int]) -> str | None:
        return self._router.expressible(seen, weights)

    async def mirrorable(
        self, seen: RouteSeen, percents: Sequence[int], *, deadline: float = 5.0
    ) -> str | None:
        left = min(deadline, self._hurried.left)
        asked = self._router.mirrorable(seen, percents, deadline=left)
        return await self._hurried.until(asked, None)


class _HurriedMetrics:
    def __init__(self, metrics: Metrics, hurried: Hurried) -> None:
        self._metrics = metrics
        self._hurried = hurried

    async def look(
        self, windows: Sequence[float], *, full: bool = True, long: float | None = None
    ) -> Reading:
        asked = self._metrics.look(windows, full=full, long=long)
        return await self._hurried.until(asked, _gap("its Prometheus"))

    async def values(self, seconds: float) -> Mapping[str, Value]:
        nothing: Mapping[str, Value] = {}
        return await self._hurried.until(self._metrics.values(seconds), nothing)

    async def history(self, question: PastQuestion) -> Mapping[str, Sequence[Count] | Gap] | Gap:  # noqa: ARG002 - a port
        """The past is no check, and takes long."""
        return Gap(Missing.NO_DATA, "was not asked for")


def _gap(who: str) -> Gap:
    return Gap(Missing.UNREACHABLE, f"{who} did not answer in time")
