"""Time, and who does what when: people, the gateway, servers, and the operators that watch."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any

from cutover.api.status import Status
from cutover.decide.decision import Said
from cutover.decide.observation import ResultsSeen
from cutover.decide.route import RuleWeights
from tests.fakes.golden import FakeEndpoints
from tests.fakes.process import Look, Process, Turn
from tests.fakes.rollouts import FakeRollouts
from tests.fakes.route import FakeRoute
from tests.fakes.sides import FakeSides
from tests.fakes.workload import FakeWorkload

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
TURN = timedelta(milliseconds=20)
"""How long one turn takes."""
GATEWAY = timedelta(milliseconds=300)
"""How long the gateway takes to read a change of the route."""
LIVELOCK = 30
"""Turns in a row, each asking for the next at once, after which nothing is being waited for."""
Deed = Callable[["World"], object]
Watcher = Callable[["World"], object]


class LivelockError(AssertionError):
    """Turn after turn at the same instant, and nothing comes of it."""


class Running:
    """A process, and when it looks next; None: only when woken."""

    def __init__(self, process: Process, due: datetime | None) -> None:
        self.process = process
        self.due = due
        self.in_a_row = 0
        self.crash_after: int | None = None
        """Kill it at this point (counted from 0) of its next turn."""
        self.suspended: Turn | None = None


class World:
    """Everything there is, moved on from one event to the next."""

    def __init__(
        self,
        spec: dict[str, Any],
        *,
        rate: float = 20.0,
        rules: Iterable[RuleWeights] = (RuleWeights(0, 1, 0),),
        start: datetime = START,
    ) -> None:
        self.now = self.start = start
        self.rollouts = FakeRollouts(spec)
        self.route = FakeRoute(tuple(rules))
        self.sides = FakeSides(start, rate=rate)
        self.endpoints = FakeEndpoints()
        self.results: dict[str, ResultsSeen] = {}
        """By gate: what both sides' evaluations wrote, or why it cannot be read."""
        self.workload = FakeWorkload(self.sides.source)
        self.owner_alive: bool | None = None
        """Of a rollout that holds a foreign claim."""
        self.events: list[tuple[datetime, Said]] = []
        self.acting: Look | None = None
        """What the operator's newest write to the route came from."""
        self.turns = 0
        self.taken_at = start
        """When the gateway last took other weights."""
        self.watchers: list[Watcher] = []
        """Called after every turn and after every deed."""
        self.epoch = 0
        self.running: list[Running] = []
        self._deeds: list[tuple[datetime, int, Deed]] = []
        self._numbers = count()
        self._gateway_at: datetime | None = None
        self.lead()

    # --- what is going on -----------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """As stored."""
        return Status.model_validate(self.rollouts.status)

    @property
    def step(self) -> int:
        """Index of the stored step; -1 before the first."""
        step: dict[str, int] = self.rollouts.status.get("step") or {}
        return step.get("index", -1)

    @property
    def since_start(self) -> timedelta:
        return self.now - self.start

    @property
    def process(self) -> Process:
        """The newest operator."""
        return self.running[-1].process

    def said(self, said: Said) -> None:
        self.events.append((self.now, said))

    # --- operators ------------------------------------------------------------------------------

    def lead(self, *, skew: timedelta = timedelta(0), after: timedelta = timedelta(0)) -> Process:
        """A new leader begins, with an epoch of its own."""
        stored = self.rollouts.status.get("leaderEpoch") or 0
        self.epoch = 1 + max(self.epoch, stored)
        process = Process(self, self.epoch, skew=skew)
        self.running.append(Running(process, self.now + after))
        return process

    def kill(self, process: Process | None = None) -> None:
        """End it here and now; what it remembers is lost."""
        doomed = process or self.process
        self.running = [one for one in self.running if one.process is not doomed]

    def restart(self, *, skew: timedelta | None = None, after: timedelta = timedelta(0)) -> None:
        """Kill the operator; a new one leads ``after``."""
        kept = skew if skew is not None else (self.process.skew if self.running else timedelta(0))
        self.running.clear()
        self.lead(skew=kept, after=after)

    def crash_in_next_turn(self, point: int, *, after: timedelta = timedelta(seconds=1)) -> None:
        """Kill the operator at a point inside its next turn; a new one leads ``after``."""
        if self.running:
            self.running[-1].crash_after = point
            self._down_for = after

    def suspend_next_turn(self) -> None:
        """Let the operator hang in its next turn, between its decision and what comes of it."""
        self.running[-1].crash_after = -1

    def resume_turn(self, running: Running) -> None:
        """Let a turn that hangs go on: whatever it has in mind it does now."""
        assert running.suspended is not None
        turn, running.suspended = running.suspended, None
        running.process.run(turn)
        self._after()

    def wake(self) -> None:
        """Somebody changed the rollout or the route: the watches tell."""
        for one in self.running:
            if one.suspended is None:
                one.due = self.now if one.due is None else min(one.due, self.now)

    # --- time -----------------------------------------------------------------------------------

    def at(self, offset: timedelta | float, deed: Deed) -> None:
        """Let something happen, that long (seconds or a timedelta) after the start."""
        length = offset if isinstance(offset, timedelta) else timedelta(seconds=offset)
        heappush(self._deeds, (self.start + length, next(self._numbers), deed))

    def run(self, length: timedelta | float, *, until: Callable[[], bool] | None = None) -> None:
        """Move on for that long, or until something is so."""
        span = length if isinstance(length, timedelta) else timedelta(seconds=length)
        end = self.now + span
        while until is None or not until():
            moment = self._next_moment()
            if moment is None or moment > end:
                self._pass(end)
                return
            self._pass(moment)
            self._happen()

    def do(self, deed: Deed) -> None:
        """Do something now and let the watches tell of it."""
        self._pass(self.now + timedelta(milliseconds=1))
        deed(self)
        self._after()
        self._gateway_notices()
        self.wake()

    def _next_moment(self) -> datetime | None:
        moments = [one.due for one in self.running if one.due is not None]
        if self._deeds:
            moments.append(self._deeds[0][0])
        if self._gateway_at is not None:
            moments.append(self._gateway_at)
        return max(self.now, min(moments)) if moments else None

    def _pass(self, moment: datetime) -> None:
        self.sides.pass_time(moment, self.route.delivered_share, self.route.delivered_mirror)
        self.now = max(self.now, moment)

    def _happen(self) -> None:
        if self._deeds and self._deeds[0][0] <= self.now:
            self.do(heappop(self._deeds)[2])
            return
        if self._gateway_at is not None and self._gateway_at <= self.now:
            self._gateway_at = None
            if self.route.gateway_reads():
                self.taken_at = self.now
                if self.route.delivery_seconds:
                    self._caches_keep(self.route.rules)
                self.wake()
            return
        due = [one for one in self.running if one.due is not None and one.due <= self.now]
        self._turn(min(due, key=lambda one: one.due or self.now))

    def _caches_keep(self, rules: tuple[RuleWeights, ...]) -> None:
        when = self.since_start + timedelta(seconds=self.route.delivery_seconds)
        self.at(when, lambda world: world.route.caches_forget(rules))

    def _gateway_notices(self) -> None:
        waits = self.route.observed != self.route.generation and not self.route.gateway_stuck
        if waits and self._gateway_at is None:
            self._gateway_at = self.now + GATEWAY

    # --- turns ----------------------------------------------------------------------------------

    def _turn(self, running: Running) -> None:
        self.turns += 1
        turn = running.process.turn()
        if running.crash_after is not None:
            self._cut_short(running, turn)
        else:
            delay = running.process.run(turn)
            self._schedule(running, delay)
        self._gateway_notices()
        self._after()

    def _cut_short(self, running: Running, turn: Turn) -> None:
        point, running.crash_after = running.crash_after or 0, None
        if point < 0 and next(turn, None) is not None:
            running.suspended, running.due = turn, None
            return
        for _ in range(point + 1):
            if next(turn, None) is None:
                break
        self.restart(after=self._down_for)

    _down_for = timedelta(seconds=1)

    def _schedule(self, running: Running, delay: timedelta | None) -> None:
        """When it looks next; a hundred turns without a pause are a fault."""
        at_once = delay is not None and delay < 2 * TURN
        running.in_a_row = running.in_a_row + 1 if at_once else 0
        if running.in_a_row > LIVELOCK:
            look = running.process.looks[-1]
            raise LivelockError(f"{LIVELOCK} turns in a row: {look.decision.action}")
        running.due = None if delay is None else self.now + TURN + delay

    def _after(self) -> None:
        for watcher in self.watchers:
            watcher(self)
