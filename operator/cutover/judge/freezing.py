"""A distribution small enough for the status, and back: at most 40 cells and one for the rest."""

from collections.abc import Sequence
from itertools import accumulate
from math import inf

from cutover.api.evidence import MAX_CELLS
from cutover.judge.distribution import Classes
from cutover.judge.histogram import Buckets

LONGEST_NAME = 128
OTHERS = "(others)"
"""The class that holds all classes beyond the most frequent ones."""


def frozen_cells(found: Buckets | Classes) -> tuple[list[float], list[str], list[float]]:
    """Return finite edges, names of classes (one of the two is empty), and counts by cell, the rest last."""
    if isinstance(found, Classes):
        return _classes(found)
    edges = _edges(found)
    kept = found.on([*edges, inf])
    counts = [
        high - low for low, high in zip((0.0, *kept.cumulative), kept.cumulative, strict=False)
    ]
    return edges, [], [round(one, 3) for one in counts]


def thawed(
    edges: Sequence[float], classes: Sequence[str], counts: Sequence[float]
) -> Buckets | Classes | None:
    """Read what :func:`frozen_cells` wrote; None where it does not fit together."""
    names = edges or classes
    if len(counts) != len(names) + 1:
        return None
    if edges:
        return Buckets((*edges, inf), tuple(accumulate(counts)))
    return Classes(dict(zip((*classes, OTHERS), counts, strict=True)))


def folded(found: Classes, frozen: Classes) -> Classes:
    """Count what a frozen distribution does not name to its rest."""
    counts = dict.fromkeys(frozen.counts, 0.0)
    for name, n in found.counts.items():
        to = name if name in counts else OTHERS
        counts[to] = counts.get(to, 0.0) + n
    return Classes(counts)


def _edges(found: Buckets) -> list[float]:
    """The finite edges; of more than 40 the one that parts the least is left out, again and again."""
    edges, cumulative = list(found.edges[:-1]), list(found.cumulative[:-1])
    while len(edges) > MAX_CELLS:
        around = [0.0, *cumulative, found.total]
        least = min(range(len(edges)), key=lambda i: around[i + 2] - around[i])
        del edges[least], cumulative[least]
    return edges


def _classes(found: Classes) -> tuple[list[float], list[str], list[float]]:
    """The most frequent classes by name; one whose name is too long for the status counts to the rest."""
    fitting = {name: n for name, n in found.counts.items() if len(name) <= LONGEST_NAME}
    kept = sorted(fitting, key=lambda name: (-fitting[name], name))[:MAX_CELLS]
    rest = found.total - sum(fitting[name] for name in kept)
    return [], kept, [round(one, 3) for one in (*(fitting[name] for name in kept), max(0.0, rest))]
