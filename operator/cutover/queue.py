# ruff: noqa: A005 - always imported as cutover.queue
"""When is which rollout looked at again? A keyed delay queue; no tasks and no waiting in here.

A known rollout is always either waiting with a due time or running; only a run that says "forget"
ends that. So no key can be lost: not by a failure, a cancellation or a wake at the wrong moment.
Whoever runs the rollouts is in ``dispatcher``.
"""

import heapq
import itertools
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

Key = tuple[str, str]
"""Namespace and name of a rollout."""

RESYNC = 600.0
"""Every known rollout is looked at this often, whatever was asked for."""
URGENT_BELOW = 0.5
"""Whoever asks to be back sooner than this is rolling back."""
FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 30.0
FLOOR = 1.0
"""After a failed run not even a wake brings the key back sooner, nor a failed key's own backoff."""


class Lane(IntEnum):
    """Where a key waits. A flood in one lane cannot use up the other's slots."""

    URGENT = 0
    """Somebody changed something, or traffic is being put back."""
    REGULAR = 1


LANES = tuple(Lane)


@dataclass(slots=True)
class _Entry:
    """One known rollout."""

    due: float | None = None
    """None only while it runs and nothing was asked for since."""
    lane: Lane = Lane.REGULAR
    ticket: int = 0
    """Which heap item is the valid one."""
    running_since: float | None = None
    woken: bool = False
    """A wake came while it ran."""
    acting: int = 0
    failures: int = 0
    floor: float = -math.inf
    cuts: int = 0


class Queue:
    """Keys by due time. Earlier wins, one run per key at a time, the clock is given."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = lambda: random.uniform(0.7, 1.3),  # noqa: S311 - no secret
    ) -> None:
        self.clock = clock
        self.changed: Callable[[], None] = lambda: None
        """Called after each change that may make a key due sooner."""
        self._jitter = jitter
        self._entries: dict[Key, _Entry] = {}
        self._heaps: dict[Lane, list[tuple[float, int, Key]]] = {lane: [] for lane in LANES}
        self._tickets = itertools.count(1)

    # --- what anybody may ask for ---------------------------------------------------------------

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Look at it in ``delay`` seconds, unless it is due earlier."""
        self._ask(key, self.clock() + _bounded(delay), Lane.REGULAR)
        self.changed()

    def wake(self, key: Key) -> None:
        """Look at it now; if it is being looked at, once more afterwards."""
        self._ask(key, self.clock(), Lane.URGENT)
        entry = self._entries[key]
        entry.woken = entry.running_since is not None
        self.changed()

    @contextmanager
    def acting(self, key: Key) -> Iterator[None]:
        """Let no wake cut short what happens inside: a write once begun is finished."""
        entry = self._entries.get(key) or _Entry()
        entry.acting += 1
        try:
            yield
        finally:
            entry.acting -= 1

    # --- what the dispatcher does ---------------------------------------------------------------

    def take(self, lane: Lane) -> Key | None:
        """Take the longest due key of a lane; it runs until one of the four ends below."""
        now = self.clock()
        head = self._head(lane)
        if head is None or head[0] > now:
            return None
        _, _, key = heapq.heappop(self._heaps[lane])
        entry = self._entries[key]
        entry.due, entry.lane, entry.ticket = None, Lane.REGULAR, 0
        entry.running_since, entry.woken = now, False
        return key

    def finish(self, key: Key, delay: float | None) -> None:
        """End a run that did its work; None forgets the key unless it was asked for meanwhile."""
        entry = self._stopped(key)
        entry.failures, entry.cuts, entry.floor = 0, 0, -math.inf
        if delay is not None:
            lane = Lane.URGENT if delay < URGENT_BELOW else Lane.REGULAR
            self._ask(key, self.clock() + _bounded(delay), lane)
        self._settle(key, entry)

    def fail(self, key: Key) -> float:
        """End a run that broke; return the seconds until the next try."""
        entry, now = self._stopped(key), self.clock()
        doubled = FIRST_BACKOFF * 2.0 ** min(entry.failures, 16)
        backoff = min(LONGEST_BACKOFF, doubled * self._jitter())
        entry.failures += 1
        entry.floor = now + min(backoff, FLOOR)
        self._ask(key, now + backoff, Lane.REGULAR)
        self._settle(key, entry)
        return backoff

    def cut(self, key: Key) -> None:
        """End a run that made room, for its own wake or for another key: it starts afresh."""
        lane = Lane.URGENT if self._entries[key].woken else Lane.REGULAR
        entry = self._stopped(key)
        entry.cuts += 1
        self._ask(key, self.clock(), lane)
        self._settle(key, entry)

    def give_back(self, key: Key) -> None:
        """End a run that was cancelled for no reason of its own."""
        entry = self._stopped(key)
        self._ask(key, self.clock(), Lane.URGENT)
        self._settle(key, entry)

    # --- what is known --------------------------------------------------------------------------

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def depth(self) -> int:
        """How many keys are due and not running."""
        now = self.clock()
        return sum(entry.due is not None and entry.due <= now for entry in self._waiting())

    @property
    def failing(self) -> int:
        """How many keys broke at their last run."""
        return sum(entry.failures > 0 for entry in self._entries.values())

    @property
    def oldest_due(self) -> float:
        """For how many seconds the longest waiting key has been due."""
        due = self.next_due()
        return 0.0 if due is None else max(0.0, self.clock() - due)

    def next_due(self, lanes: tuple[Lane, ...] = LANES) -> float | None:
        """When the next waiting key is due, by the clock."""
        heads = [head for lane in lanes if (head := self._head(lane)) is not None]
        return min(heads)[0] if heads else None

    def is_woken(self, key: Key) -> bool:
        """Whether somebody waits for this run to end."""
        return self._entries[key].woken

    def patience_ends(self, key: Key, patience: float) -> float | None:
        """When a run may be made to make room; None while it is acting.

        Patience doubles with each cut in a row, so that a run which is long but honest gets through.
        """
        entry = self._entries[key]
        if entry.running_since is None or entry.acting:
            return None
        return entry.running_since + patience * 2.0 ** min(entry.cuts, 16)

    # --- inside ---------------------------------------------------------------------------------

    def _waiting(self) -> Iterator[_Entry]:
        return (entry for entry in self._entries.values() if entry.running_since is None)

    def _ask(self, key: Key, due: float, lane: Lane) -> None:
        entry = self._entries.setdefault(key, _Entry())
        due = max(due, entry.floor)
        before = entry.due, entry.lane
        if entry.due is None:
            entry.due, entry.lane = due, lane
        else:
            entry.due, entry.lane = min(entry.due, due), min(entry.lane, lane)
        if entry.running_since is None and (entry.due, entry.lane) != before:
            self._push(key, entry)

    def _push(self, key: Key, entry: _Entry) -> None:
        if entry.due is not None:
            entry.ticket = next(self._tickets)
            heapq.heappush(self._heaps[entry.lane], (entry.due, entry.ticket, key))

    def _head(self, lane: Lane) -> tuple[float, int, Key] | None:
        """The earliest valid item of a lane; items that were overtaken are dropped on the way."""
        heap = self._heaps[lane]
        while heap:
            entry = self._entries.get(heap[0][2])
            if entry is not None and entry.ticket == heap[0][1]:
                return heap[0]
            heapq.heappop(heap)
        return None

    def _stopped(self, key: Key) -> _Entry:
        entry = self._entries[key]
        if entry.running_since is None:
            raise RuntimeError(f"{key} is not running")
        entry.acting, entry.woken = 0, False
        return entry

    def _settle(self, key: Key, entry: _Entry) -> None:
        """Line the key up again, or forget it."""
        entry.running_since = None
        if entry.due is None:
            del self._entries[key]
            return
        entry.due = max(entry.due, entry.floor)
        self._push(key, entry)
        self.changed()


def _bounded(delay: float) -> float:
    """Between now and the resync; NaN is now."""
    return min(delay, RESYNC) if delay > 0 else 0.0
