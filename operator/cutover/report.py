"""Write down what was decided: finalizer, status, Events, metrics. In that order, and nothing is chosen."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from cutover.api.status import Phase, Status
from cutover.decide.decision import Decision
from cutover.decide.observation import Observation
from cutover.decide.publishing import worth_writing
from cutover.errors import LeadershipLost
from cutover.observe.memory import Memory
from cutover.observe.world import Object
from cutover.ports import Leadership, Notice, Rollouts, WriteResult, Written

log = logging.getLogger(__name__)

Key = tuple[str, str]


class Gauges(Protocol):
    """The operator's own metrics, as far as rollouts show in them."""

    def publish(self, key: Key, status: Status) -> None:
        """Show a rollout as its status has it."""

    def forget(self, key: Key) -> None:
        """Show it no more."""

    def looked(self, key: Key, seconds: float) -> None:
        """One look ended now."""

    def rolled_back(self, reason: str) -> None:
        """A rollback was decided."""

    def restored(self, seconds: float) -> None:
        """The weights were back so long after the cause was seen."""

    def left_behind(self, key: Key, route: str, weight: float) -> None:
        """A rollout was let go with weight on the target."""


class Reporter:
    """Writes to the rollouts' own API server and to the metrics."""

    def __init__(self, rollouts: Rollouts, leadership: Leadership, gauges: Gauges) -> None:
        self._rollouts = rollouts
        self._leadership = leadership
        self._gauges = gauges

    async def report(
        self, thing: Object, seen: Observation, decision: Decision, memory: Memory
    ) -> WriteResult | None:
        """Return the first write that did not succeed, or the last one; None: nothing was due."""
        if not self._leadership.may_write():
            raise LeadershipLost("the Lease has run out: nothing is written any more")
        key = (thing.namespace, thing.name)
        rollout: Mapping[str, Any] = thing.raw
        result: WriteResult | None = None
        if decision.finalizer is True and not thing.commands.has_finalizer:
            result = await self._rollouts.set_finalizer(rollout, present=True)
            if not isinstance(result, Written):
                return result
            rollout = _at(rollout, result.resource_version)
        stored = thing.status
        if worth_writing(stored, decision.status, seen.now, memory.last_written):
            result = await self._rollouts.write_status(rollout, _on_wire(decision.status))
            if not isinstance(result, Written):
                return result
            rollout = _at(rollout, result.resource_version)
            memory.last_written = seen.now
        self._gauges.publish(key, decision.status)
        await self._say(thing, seen, decision, key)
        if decision.finalizer is False and thing.commands.has_finalizer:
            result = await self._rollouts.set_finalizer(rollout, present=False)
        return result

    async def _say(self, thing: Object, seen: Observation, decision: Decision, key: Key) -> None:
        status = decision.status
        before = thing.status.phase
        if status.phase is Phase.ROLLING_BACK and before is not Phase.ROLLING_BACK:
            self._gauges.rolled_back(status.rollback.reason if status.rollback else "RollingBack")
        rollback = status.rollback
        if status.phase is Phase.ROLLED_BACK and before is not Phase.ROLLED_BACK and rollback:
            self._gauges.restored((seen.now - rollback.decided_at).total_seconds())
        for one in decision.said:
            log.log(
                logging.WARNING if one.warning else logging.INFO, "%s: %s", one.reason, one.message
            )
            if one.reason == "TrafficLeftBehind" and status.plan is not None:
                route = status.plan.traffic.route.name
                self._gauges.left_behind(key, route, status.weights.declared or 0.0)
            notice = Notice(reason=one.reason, message=one.message[:1024], warning=one.warning)
            await self._rollouts.post(thing.raw, notice)

    def looked(self, key: Key, began: datetime, ended: datetime) -> None:
        """Count a look."""
        self._gauges.looked(key, (ended - began).total_seconds())

    def forget(self, key: Key) -> None:
        """Show a rollout no more."""
        self._gauges.forget(key)


def _at(rollout: Mapping[str, Any], resource_version: str) -> Mapping[str, Any]:
    metadata = {**rollout["metadata"], "resourceVersion": resource_version}
    return {**rollout, "metadata": metadata}


def _on_wire(status: Status) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
