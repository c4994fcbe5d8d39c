"""How far the source's bad requests have come in bursts: the within-look correlation of its past."""

from collections.abc import Iterable
from dataclasses import dataclass

from cutover.judge.evidence import Count, SideSums, correlation

FEWEST_LOOKS = 30
"""Looks below which the estimate is mostly chance: two looks that differ by luck would stop a rollout."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """What a past shows."""

    correlation: float | None
    """Within-look correlation r of bad requests, 0-1; None: too few looks to tell."""
    looks: int
    """Looks that held a request."""


def clustering(looks: Iterable[Count]) -> Clustering:
    """Estimate r over looks of equal length."""
    sums = SideSums()
    for look in looks:
        sums = sums.add(look)
    seen = int(sums.looks)
    return Clustering(correlation(sums) if seen >= FEWEST_LOOKS else None, seen)
