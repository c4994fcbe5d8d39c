"""One turn of one rollout: observe; decide; act; report.

Nothing here chooses. A rollback that was decided is latched in memory before the first write, so
that a turn that breaks off anywhere is followed by one that goes on with it.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Protocol

from cutover.act.route import act, lost_race, went_wrong
from cutover.act.source import act_on_source
from cutover.api.status import Phase
from cutover.decide.aligning import align
from cutover.decide.decision import Decision, Hold, RollBack, StartSource, StopSource
from cutover.decide.observation import Identity, Observation, Refusal
from cutover.decide.rollout import decide
from cutover.observe.memory import Memory
from cutover.observe.past import forget
from cutover.observe.replaying import forget_replays
from cutover.observe.results import forget_results
from cutover.observe.values import forget_values
from cutover.observe.world import Known, end_beside, end_inspection, observe, take_apart_once
from cutover.observe.world import Object as Rollout
from cutover.ports import (
    Adapters,
    Conflict,
    Leadership,
    NotWritten,
    Object,
    Rollouts,
    WriteResult,
    Written,
)
from cutover.report import Reporter

log = logging.getLogger(__name__)

Key = tuple[str, str]
AT_ONCE = 0.0
OUT_OF_REACH = 1.0
"""Seconds until the rollouts' own API server is asked again."""
ROLLBACK_AGAIN = 0.25
AFTERWARDS = 0.5
"""A rollback that is on the route is tidied up behind others that are not yet."""
MANY, AFTER_MANY = 8, 10.0
"""From so many rollbacks at a time on even the record waits, so many seconds."""
NO_LONGER = 0.5
"""Seconds a rollback waits for the rollout itself; then it goes on from what was read before."""


class Undisturbed(Protocol):
    """Protects writes that have begun from being cut short by a wake."""

    def acting(self, key: Key) -> AbstractContextManager[None]:
        """Let what happens inside come to its end."""


class Reconciler:
    """Looks after every rollout, one turn at a time."""

    def __init__(
        self,
        *,
        rollouts: Rollouts,
        adapters: Adapters,
        leadership: Leadership,
        reporter: Reporter,
        known: Known,
        undisturbed: Undisturbed,
        cluster_identity: "ClusterIdentity",
    ) -> None:
        self._rollouts = rollouts
        self._adapters = adapters
        self._leadership = leadership
        self._reporter = reporter
        self._known = known
        self._undisturbed = undisturbed
        self._cluster_identity = cluster_identity
        self._memories: dict[Key, Memory] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Take one turn; return the seconds until the next, None: only a change brings it back."""
        memory = self._memories.setdefault(key, Memory())
        rollout = await self._read(key, memory)
        if isinstance(rollout, NotWritten):
            if memory.latched is None:
                log.warning("The rollout cannot be read: %s", rollout.message)
                return OUT_OF_REACH
            rollout = memory.rollout
        if rollout is None:
            self._forget(key)
            return None
        cluster = await self._cluster_identity()
        if isinstance(cluster, NotWritten):
            return OUT_OF_REACH
        return await self._turn(key, rollout, cluster, memory)

    async def _read(self, key: Key, memory: Memory) -> Object | NotWritten | None:
        """Read the rollout afresh; a rollback under way does not wait for an API server that hangs."""
        if memory.latched is None:
            return await self._rollouts.get(*key)
        try:
            async with asyncio.timeout(NO_LONGER):
                return await self._rollouts.get(*key)
        except TimeoutError:
            return NotWritten("Unreachable", f"the rollout was not read within {NO_LONGER} s")

    async def _turn(
        self, key: Key, rollout: Mapping[str, Any], cluster: str, memory: Memory
    ) -> float | None:
        thing = take_apart_once(rollout, self._known, memory)
        memory.rollout = thing.raw
        seen, want = await observe(
            thing, self._identity(thing, cluster), memory, self._adapters, self._rollouts
        )
        decision = decide(seen)
        self._latch(memory, seen, decision)
        with self._undisturbed.acting(key):
            result = await self._act(thing, seen, decision)
            memory.trouble, memory.raced = went_wrong(result), lost_race(decision.action, result)
            if (pause := self._room_for_others(decision, result)) is not None:
                return pause
            written = await self._reporter.report(thing, seen, decision, memory)
        if want.windows:
            self._reporter.looked(key, seen.now, self._adapters.now())
        return self._next(seen, decision, result, written, memory)

    async def _act(
        self, thing: Rollout, seen: Observation, decision: Decision
    ) -> WriteResult | None:
        plan = decision.status.plan
        if plan is None or isinstance(decision.action, Hold):
            return None
        holder = f"{thing.namespace}/{thing.name}"
        action = decision.action
        if isinstance(action, StopSource | StartSource):
            workload = await self._adapters.source_workload(plan, thing.namespace, holder)
            if isinstance(workload, Refusal):
                return NotWritten(workload.reason, workload.message)
            return await act_on_source(action, workload, seen.workload, self._leadership)
        router = await self._adapters.router(plan, thing.namespace, holder)
        if isinstance(router, Refusal):
            return NotWritten(router.reason, router.message)
        return await act(action, router, seen.route, self._leadership)

    def _room_for_others(self, decision: Decision, result: WriteResult | None) -> float | None:
        """Let the other rollouts' routes be put back before this one's status is written.

        The rollback is latched, so the next turn goes on with it. Were the process to die before, the
        next leader would find a target without traffic and leave it there.
        """
        if not isinstance(decision.action, RollBack) or not isinstance(result, Written):
            return None
        rolling = sum(one.latched is not None for one in self._memories.values())
        return None if rolling < MANY else AFTER_MANY

    def _latch(self, memory: Memory, seen: Observation, decision: Decision) -> None:
        """Remember a rollback before anything is written; let go of it once it is done."""
        status = decision.status
        if status.phase is Phase.ROLLING_BACK and memory.latched is None:
            rollback = status.rollback
            reason = rollback.reason if rollback else "RollingBack"
            memory.latched = (reason, rollback.message if rollback else "")
            memory.latched_at = seen.now
        elif isinstance(decision.action, RollBack) and memory.latched is None:
            memory.latched = (decision.action.reason, decision.action.message)
            memory.latched_at = seen.now

    def _next(
        self,
        seen: Observation,
        decision: Decision,
        result: WriteResult | None,
        written: WriteResult | None,
        memory: Memory,
    ) -> float | None:
        if memory.latched is not None and decision.status.phase is Phase.ROLLED_BACK:
            memory.latched = None if written is None or not _failed(written) else memory.latched
        rolling = isinstance(decision.action, RollBack)
        if rolling and _failed(result):
            return ROLLBACK_AGAIN
        if rolling and isinstance(result, Written) and isinstance(written, Written):
            return AFTERWARDS
        if isinstance(result, Conflict) or isinstance(written, Conflict):
            return AT_ONCE
        if _failed(result) or _failed(written):
            return ROLLBACK_AGAIN if memory.latched is not None else OUT_OF_REACH
        plan = decision.status.plan
        return _seconds(align(decision.look_again, seen, plan, self._adapters.now()))

    def _identity(self, thing: Rollout, cluster: str) -> Identity:
        return Identity(
            cluster=cluster,
            namespace=thing.namespace,
            name=thing.name,
            uid=str(thing.raw["metadata"]["uid"]),
            epoch=self._leadership.epoch,
            operator_version=self._known.operator_version,
        )

    def _forget(self, key: Key) -> None:
        memory = self._memories.pop(key, None)
        if memory is not None:
            forget(memory)
            forget_replays(memory)
            end_beside(memory)
            end_inspection(memory)
            forget_results(memory)
            forget_values(memory)
        self._adapters.release("/".join(key))
        self._reporter.forget(key)


class ClusterIdentity(Protocol):
    """Tells our own cluster from every other."""

    async def __call__(self) -> str | NotWritten:
        """The identity, or why it cannot be told."""


def _failed(result: WriteResult | None) -> bool:
    return isinstance(result, NotWritten)


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else max(0.0, length.total_seconds())
