"""Who looks at which rollout, and for how long? Runs what the queue says is due.

One rollout is reconciled by one task at a time. A run that hangs holds nobody else up: slots are
kept free for urgent and for regular work alike, and where urgent work still finds none, the longest
run makes room. Nor does it hold up its own abort: a wake cuts it short and it starts afresh. Both
are safe because a reconcile may be cut between any two awaits, and is not while it writes.
"""

import asyncio
import contextlib
import logging
import math
from typing import Protocol

from cutover.errors import LeadershipLost
from cutover.logs import about
from cutover.queue import LANES, Key, Lane, Queue
from cutover.telemetry import Telemetry

log = logging.getLogger(__name__)

PATIENCE = 1.0
"""How long a run may go on although somebody waits for it; doubles with each cut in a row."""
LONGEST_RUN = 60.0
"""A backstop only: every port has a deadline of its own."""
HEARTBEAT = 5.0
"""The loop turns at least this often."""
STUCK = 30.0
"""So much longer than the backstop only a run can last that ignores its cancellation."""


class Reconciler(Protocol):
    """Observe; decide; act; report."""

    async def reconcile(self, key: Key) -> float | None:
        """Take one look; return the seconds until the next one, None: forget the rollout."""


class Dispatcher:
    """Runs due keys, at most ``slots`` at once, each lane at most ``slots − reserved``."""

    def __init__(
        self,
        queue: Queue,
        reconciler: Reconciler,
        telemetry: Telemetry,
        *,
        slots: int = 48,
        reserved: int = 16,
    ) -> None:
        if not 0 < reserved < slots:
            raise ValueError("reserved slots must leave slots to share")
        self._queue = queue
        self._reconciler = reconciler
        self._telemetry = telemetry
        self._slots = slots
        self._lane_limit = slots - reserved
        self._runs: dict[Key, _Run] = {}
        self._changed = asyncio.Event()
        self._open = True
        self._turned_at = queue.clock()
        queue.changed = self._changed.set

    async def run(self) -> None:
        """Run what is due until cancelled."""
        try:
            while True:
                self._changed.clear()
                pause = self.turn()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._changed.wait()
        finally:
            self._open = False
            for run in self._runs.values():
                run.task.cancel()

    def turn(self) -> float:
        """Start what is due, stop what is overdue; return the seconds until the next turn."""
        self._turned_at = now = self._queue.clock()
        for lane in LANES:
            while self._has_slot(lane) and (key := self._queue.take(lane)) is not None:
                self._start(key, lane)
        moments = [now + HEARTBEAT]
        lanes = tuple(lane for lane in LANES if self._has_slot(lane))
        if (due := self._queue.next_due(lanes)) is not None:
            moments.append(due)
        for key, run in self._runs.items():
            moments.append(self._stop_overdue(key, run, now))
        moments.append(self._make_room(now))
        return max(0.0, min(moments) - now)

    async def stop(self, grace: float) -> None:
        """Start nothing more; let what runs finish within ``grace`` seconds, then cancel it."""
        self._open = False
        tasks = {run.task for run in self._runs.values()}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1.0)

    def problem(self) -> str | None:
        """Say in a sentence why this process no longer works; None while it does."""
        now = self._queue.clock()
        if self._open and now - self._turned_at > HEARTBEAT + STUCK:
            return f"no rollout was picked for {now - self._turned_at:.0f} s"
        for key, run in self._runs.items():
            if now - run.started > LONGEST_RUN + STUCK:
                return (
                    f"the run of {'/'.join(key)} ignores its end, {now - run.started:.0f} s so far"
                )
        return None

    # --- inside ---------------------------------------------------------------------------------

    def _has_slot(self, lane: Lane) -> bool:
        in_lane = sum(run.lane is lane for run in self._runs.values())
        return self._open and len(self._runs) < self._slots and in_lane < self._lane_limit

    def _start(self, key: Key, lane: Lane) -> None:
        task = asyncio.create_task(self._reconcile(key), name=f"reconcile {'/'.join(key)}")
        self._runs[key] = _Run(task, lane, self._queue.clock())
        # A callback and no `finally`: a task that is cancelled before its first step runs none.
        task.add_done_callback(lambda done: self._ended(key, done))

    async def _reconcile(self, key: Key) -> float | None:
        with about(rollout="/".join(key)):
            return await self._reconciler.reconcile(key)

    def _stop_overdue(self, key: Key, run: "_Run", now: float) -> float:
        """Cancel a run that a wake cuts short or that passed the backstop; return when to ask again."""
        if run.reason is not None:
            return now + HEARTBEAT
        backstop = run.started + LONGEST_RUN
        ends = self._queue.patience_ends(key, PATIENCE) if self._queue.is_woken(key) else None
        if now >= backstop:
            self._cancel(run, "overdue", now)
        elif ends is not None and now >= ends:
            self._cancel(run, "cut", now)
        else:
            return backstop if ends is None else min(backstop, ends)
        return now + HEARTBEAT

    def _cancel(self, run: "_Run", reason: str, now: float) -> None:
        run.reason, run.cancelled_at = reason, now
        run.task.cancel()

    def _make_room(self, now: float) -> float:
        """Cut a run for urgent work that waits for a slot, one at a time; return when to ask again."""
        due = self._queue.next_due((Lane.URGENT,))
        if due is None or due > now or self._has_slot(Lane.URGENT):
            return now + HEARTBEAT
        if any(now - run.cancelled_at < PATIENCE for run in self._runs.values()):
            return now + PATIENCE
        is_full = len(self._runs) >= self._slots
        ends = {
            key: moment
            for key, run in self._runs.items()
            if run.reason is None
            and (is_full or run.lane is Lane.URGENT)
            and (moment := self._queue.patience_ends(key, PATIENCE)) is not None
        }
        if not ends:
            return now + HEARTBEAT
        first = min(ends, key=lambda key: ends[key])
        if ends[first] > now:
            return ends[first]
        self._cancel(self._runs[first], "cut", now)
        return now + PATIENCE

    def _ended(self, key: Key, task: asyncio.Task[float | None]) -> None:
        """Put the key back where it belongs; the one place where any failure is taken as it comes.

        A fault of ours in one rollout must not end the watch over the others: the key is tried
        again, later each time, and the metric and the log say so.
        """
        run = self._runs.pop(key)
        if task.cancelled():
            outcome = run.reason or "stopped"
            if outcome == "cut":
                self._queue.cut(key)
            elif outcome == "overdue":
                self._failed(key, f"took longer than {LONGEST_RUN:.0f} s", None)
            else:
                self._queue.give_back(key)
        elif (fault := task.exception()) is not None:
            outcome = "failed"
            if isinstance(fault, LeadershipLost):
                self._failed(key, f"stopped: {fault}", None)
            else:
                self._failed(key, f"broke with {type(fault).__name__}", fault)
        else:
            outcome = "done"
            self._queue.finish(key, task.result())
        self._telemetry.reconciled(outcome, self._queue.clock() - run.started)
        self._changed.set()

    def _failed(self, key: Key, what: str, fault: BaseException | None) -> None:
        backoff = self._queue.fail(key)
        with about(rollout="/".join(key)):
            log.error("The run %s; next try in %.1f s", what, backoff, exc_info=fault)


class _Run:
    """One reconcile under way."""

    __slots__ = ("cancelled_at", "lane", "reason", "started", "task")

    def __init__(self, task: asyncio.Task[float | None], lane: Lane, started: float) -> None:
        self.task = task
        self.lane = lane
        self.started = started
        self.reason: str | None = None
        """Why we cancelled it."""
        self.cancelled_at = -math.inf
