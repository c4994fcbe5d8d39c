"""What is asked beside the metrics: replicas, probes of the target's endpoint, its warm-up.

Each question is a task that outlives the turn that began it, with a deadline of its own. A look takes
the answers that are there and never waits for one, so that a cluster or an endpoint that hangs delays
no look, no guard and no rollback. When a rollback is due nothing of it is wanted, and all is broken off.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Any, Final, Generic, TypeVar

from cutover.api.capacity import WarmUp
from cutover.api.facts import Streak
from cutover.api.golden import Dataset, GoldenProtocol
from cutover.api.quantities import parse_duration
from cutover.api.status import Plan, Status
from cutover.decide.asking import Asking
from cutover.decide.health import STALE_AFTER, Streaks, lasting, recent_loads
from cutover.decide.looking import Wanted
from cutover.decide.observation import (
    Health,
    Load,
    Outcome,
    Probe,
    Probes,
    Refusal,
    Replicas,
    Warmed,
)
from cutover.decide.publishing import NUMBERS_EVERY
from cutover.decide.readings import Gap, Missing, Reading
from cutover.judge.golden import Item, Unanswered
from cutover.ports import Adapters, Replayer

log = logging.getLogger(__name__)

PROBE_DEADLINE: Final = 2.0
"""Seconds for one probe; never longer than until the next one is due."""
ON_TIME: Final = 0.9
"""A question this part of its interval after the one before is on time: looks come a little early."""
WARM_UP_AT_A_TIME: Final = 4
WARM_UP_DEADLINE: Final = 120.0
"""Seconds for one request: the first ones compile."""
MOST_WARM_UPS: Final = 1000
GIVE_UP: Final = 5
"""Warm-up requests that fail, after which no more are sent."""
FAULT: Final = "a fault of the operator: see its log"

T = TypeVar("T")


@dataclass(slots=True)
class Question(Generic[T]):
    """Something that is asked again and again, one at a time."""

    task: asyncio.Task[T] | None = None
    asked_at: datetime | None = None

    def is_due(self, now: datetime, every: timedelta) -> bool:
        """Whether it is to be asked again."""
        if self.task is not None:
            return False
        asked = self.asked_at
        return asked is None or not timedelta(0) <= now - asked < ON_TIME * every

    def ask(self, question: Coroutine[Any, Any, T], now: datetime, name: str) -> None:
        """Ask it in the background."""
        self.task, self.asked_at = asyncio.create_task(question, name=name), now

    def answer(self, fault: T) -> T | None:
        """Take the answer once; None: there is none yet. Our own faults are logged, and said by ``fault``."""
        task = self.task
        if task is None or not task.done():
            return None
        self.task = None
        if task.cancelled():
            return None
        error = task.exception()
        if error is None:
            return task.result()
        log.error("%s failed", task.get_name(), exc_info=error)
        return fault

    def cancel(self) -> None:
        """Break it off."""
        if self.task is not None:
            self.task.cancel()
            self.task = None


class Beside:
    """Of one rollout: what is being asked, and what was answered last."""

    def __init__(self, about: object, status: Status, now: datetime) -> None:
        self.about = about
        self._probe: Question[Probe] = Question()
        self._replicas: dict[str, Question[Replicas | Gap]] = {
            "source": Question(),
            "target": Question(),
        }
        self._warm_up: Question[Warmed] = Question()
        self._found: dict[str, Replicas | Gap] = {}
        self._probes = resumed(status, now)
        self._loads: tuple[Load, ...] = ()
        self._streaks: Streaks = (
            going_on(status.queue, status, now),
            going_on(status.kv_cache, status, now),
        )

    def ask(self, thing: "Asked", want: Wanted, now: datetime) -> None:
        """Begin what is due."""
        plan, every = thing.plan, want.health
        if every is None:
            return
        self._harvest()
        slow = max(every, parse_duration(plan.analysis.interval))
        for name, side, often in (("source", plan.source, slow), ("target", plan.target, every)):
            if side.workload is not None and self._replicas[name].is_due(now, often):
                asked = thing.adapters.replicas(side, thing.namespace, thing.holder)
                self._replicas[name].ask(asked, now, f"replicas of the {name}")
        if plan.target.endpoint is not None and self._probe.is_due(now, every):
            deadline = min(PROBE_DEADLINE, every.total_seconds())
            probe = thing.adapters.probe(plan, thing.namespace, deadline=deadline)
            self._probe.ask(probe, now, "probe of the target")
        self._attend_warm_up(thing, want, now)

    def seen(
        self, source: Reading | None, target: Reading | None, plan: Plan, now: datetime
    ) -> Health:
        """Take what has been answered by now, and go on with what the look at the target shows."""
        self._streaks = lasting(self._streaks, target, plan, now)
        self._loads = recent_loads(self._loads, source, target, now)
        warmed = self._warm_up.answer(Warmed(0, 1, FAULT))
        self._harvest()
        return Health(
            source_replicas=self._found.get("source"),
            target_replicas=self._found.get("target"),
            probes=self._probes,
            warmed=warmed,
            queue=self._streaks[0],
            kv_cache=self._streaks[1],
            loads=self._loads,
        )

    async def settle(self, seconds: float) -> None:
        """Wait until every question is answered, and no longer than that."""
        asked: tuple[Question[Any], ...] = (self._probe, *self._replicas.values())
        tasks = [one.task for one in asked if one.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def cancel(self) -> None:
        """Break everything off."""
        self._probe.cancel()
        self._warm_up.cancel()
        for question in self._replicas.values():
            question.cancel()

    def _harvest(self) -> None:
        for name, question in self._replicas.items():
            found = question.answer(Gap(Missing.INVALID_QUERY, FAULT))
            if isinstance(found, Replicas):
                self._found[name] = Replicas(
                    found.ready, found.desired, question.asked_at, found.at_least
                )
            elif found is not None:
                self._found[name] = found
        probe = self._probe.answer(Probe(Outcome.UNSENT, FAULT))
        if probe is not None and self._probe.asked_at is not None:
            self._probes = counted(self._probes, probe, self._probe.asked_at)

    def _attend_warm_up(self, thing: "Asked", want: Wanted, now: datetime) -> None:
        warm_up = thing.plan.warm_up
        if not want.warm_up or warm_up is None:
            self._warm_up.cancel()
        elif self._warm_up.task is None:
            found = self._found.get("target")
            ready = found.ready if isinstance(found, Replicas) else 1
            number = min(MOST_WARM_UPS, warm_up.requests * max(1, ready))
            replayer = thing.adapters.replayer(thing.plan, thing.namespace, _asking(warm_up))
            self._warm_up.ask(_warm(replayer, warm_up, number), now, "warm-up of the target")


@dataclass(frozen=True, slots=True)
class Asked:
    """Of which rollout, and through what."""

    plan: Plan
    namespace: str
    holder: str
    adapters: Adapters

    @property
    def about(self) -> object:
        """When it is another, what is known counts for nothing."""
        source, target = self.plan.source, self.plan.target
        workloads = (source.cluster, source.workload, target.cluster, target.workload)
        return (self.plan.attempt, *workloads, target.endpoint)


# --- what lasts ---------------------------------------------------------------------------------


def going_on(stored: Streak | None, status: Status, now: datetime) -> Streak | None:
    """Go on with a streak of the process before, if it was seen to last a short while ago.

    The status tells it a minute late at most while nothing pauses it.
    """
    late = timedelta(0) if status.pause else NUMBERS_EVERY
    if stored is None or abs(now - stored.seen_at) > STALE_AFTER + late:
        return None
    return Streak(since=stored.since, seen_at=now)


# --- probes -------------------------------------------------------------------------------------


def resumed(status: Status, now: datetime) -> Probes:
    """Go on with the streak that the status holds: a restart within it takes nothing from it.

    What was so longer ago than looks of the guards would let pass may have been mended and broken again.
    """
    known = status.probes
    if known is None or known.at is None or abs(now - known.at) > STALE_AFTER:
        return Probes()
    return Probes(failures=known.failures, at=known.at, message=known.message)


def counted(before: Probes, probe: Probe, at: datetime) -> Probes:
    """Go on with a streak: only what the server itself did ends it or goes on with it."""
    match probe.outcome:
        case Outcome.ANSWERED:
            return Probes(at=at)
        case Outcome.FAILED:
            return Probes(before.failures + 1, at, probe.message)
        case Outcome.UNSENT:
            return Probes(before.failures, before.at, before.message, unsent=probe.message)


# --- warm-up ------------------------------------------------------------------------------------

_HELLO: Final = {
    GoldenProtocol.OPENAI_CHAT: b'{"messages":[{"role":"user","content":"Hello"}],"max_tokens":16}',
    GoldenProtocol.OPENAI_COMPLETIONS: b'{"prompt":"Hello","max_tokens":16}',
    GoldenProtocol.OPENAI_EMBEDDINGS: b'{"input":"Hello"}',
}


def _asking(warm_up: WarmUp) -> Asking:
    return Asking(
        dataset=warm_up.dataset or Dataset(),
        protocol=warm_up.protocol,
        logprobs=False,
        rate=50.0,
        concurrency=WARM_UP_AT_A_TIME,
        deadline=WARM_UP_DEADLINE,
    )


async def _warm(replayer: Replayer, warm_up: WarmUp, number: int) -> Warmed:
    """Send so many requests to the target and forget the answers; after a few failures no more."""
    async with replayer.turn():
        if warm_up.dataset is None:
            items: tuple[Item, ...] = (Item("warm-up", 1, _HELLO[warm_up.protocol]),)
        else:
            golden = await replayer.golden_set()
            if isinstance(golden, Refusal):
                return Warmed(0, 1, f"spec.warmUp.dataset: {golden.message}")
            items = golden.items
        return await _send(replayer, list(islice(cycle(items), number)))


async def _send(replayer: Replayer, items: list[Item]) -> Warmed:
    left, sent, failures = iter(items), 0, list[str]()

    async def one_after_the_other() -> None:
        nonlocal sent
        for item in left:
            if len(failures) >= GIVE_UP:
                return
            sent += 1
            answer = await replayer.ask("target", item)
            if isinstance(answer, Unanswered):
                failures.append(answer.message)

    async with asyncio.TaskGroup() as group:
        for _ in range(WARM_UP_AT_A_TIME):
            group.create_task(one_after_the_other())
    return Warmed(sent, len(failures), failures[-1] if failures else "")
