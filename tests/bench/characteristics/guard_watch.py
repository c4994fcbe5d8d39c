"""The operator's guards, asked where they could possibly fire.

They look every few seconds at windows that slide. Here a look's traffic is even within itself, so that a
window over whole looks shows the most that any sliding one does.
"""

from dataclasses import dataclass

import numpy as np

from cutover.judge.evidence import Count, Reference
from cutover.judge.guards import (
    ENOUGH,
    ERROR_BURST,
    LATENCY_BURST,
    WindowCounts,
    error_burst,
    guard_windows,
    latency_burst,
)
from tests.bench.characteristics.traffic import Bools, Ints, Looks
from tests.bench.characteristics.worlds import GATES, LATENCY_GATES, LOOK_SECONDS

SCRAPE = 7.5
WINDOWS = guard_windows(SCRAPE)
LENGTHS = tuple(int(seconds // LOOK_SECONDS) for seconds in WINDOWS)
"""In looks."""
TAIL = max(LENGTHS)


@dataclass(frozen=True)
class Windows:
    """Sums over each trailing window at each look. Axes: plan, look, window[, gate]."""

    source: Ints
    target: Ints
    source_bad: Ints
    target_bad: Ints


class GuardWatch:
    """Watches many plans; remembers each plan's last looks, since windows reach back over the raise."""

    def __init__(self, plans: int) -> None:
        self._tails = [
            np.zeros((plans, TAIL, *more), np.int64) for more in ((), (), (GATES,), (GATES,))
        ]
        self._now: list[Ints] = []

    def step(
        self, looks: Looks, plans: Ints, references: list[list[Reference | None]]
    ) -> list[tuple[int, str] | None]:
        """The first look (from 0, ``settle`` included) at which a guard fires, and whose metric it watches."""
        parts = (looks.source, looks.target, looks.source_bad, looks.target_bad)
        self._now = [
            np.concatenate([tail[plans], part], axis=1)
            for tail, part in zip(self._tails, parts, strict=True)
        ]
        windows = Windows(*(_trailing(part) for part in self._now))
        suspects = _suspects(windows)
        return [_first(windows, suspects, at, row) for at, row in enumerate(references)]

    def end(self, plans: Ints, used: list[int]) -> None:
        """Keep the last looks of each plan's step, of which ``used`` looks were lived through."""
        for tail, now in zip(self._tails, self._now, strict=True):
            for at, (plan, looks) in enumerate(zip(plans, used, strict=True)):
                tail[plan] = now[at, looks : looks + TAIL]


def _trailing(part: Ints) -> Ints:
    """Sums over the windows that end at each look after the tail."""
    total = np.concatenate([np.zeros_like(part[:, :1]), part.cumsum(axis=1)], axis=1)
    ends = total[:, TAIL + 1 :]
    count = ends.shape[1]
    sums = [ends - total[:, TAIL + 1 - length : TAIL + 1 - length + count] for length in LENGTHS]
    return np.stack(sums, axis=2)


def _suspects(windows: Windows) -> Bools:
    """Plan × look: whether any window shows a share at which a guard might fire."""
    enough = windows.target >= ENOUGH
    limits = np.array([LATENCY_BURST] * LATENCY_GATES + [ERROR_BURST])
    over = windows.target_bad >= limits * np.maximum(windows.target, 1)[..., None]
    return np.asarray((over & enough[..., None]).any(axis=(2, 3)))


def _first(
    windows: Windows, suspects: Bools, plan: int, references: list[Reference | None]
) -> tuple[int, str] | None:
    for look in np.flatnonzero(suspects[plan]):
        counted = [_counts(windows, plan, int(look), gate) for gate in range(GATES)]
        if error_burst(counted[-1]):
            return int(look), "errors"
        for gate in range(LATENCY_GATES):
            frozen = references[gate]
            share = frozen.share if frozen else None
            if latency_burst(
                counted[gate], gate="latency", edge_seconds=1.0, reference_share=share
            ):
                return int(look), "latency"
    return None


def _counts(windows: Windows, plan: int, look: int, gate: int) -> list[WindowCounts]:
    at = plan, look
    return [
        WindowCounts(
            seconds,
            Count(float(windows.source[at][i]), float(windows.source_bad[at][i, gate])),
            Count(float(windows.target[at][i]), float(windows.target_bad[at][i, gate])),
        )
        for i, seconds in enumerate(WINDOWS)
    ]
