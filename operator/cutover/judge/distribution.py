"""Two sides' distributions over the same cells: from buckets, from counts by class, from raw samples.

A cell is a stretch of an ordered quantity, or a class that has no order. Counts are floats: they come from
``increase()``, or are numbers of raw samples.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf, isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutover.judge.histogram import Buckets, aligned

Array = NDArray[np.float64]

EXPECTED = 5.0
"""Fewest expected in each cell on each side: the usual rule for χ² tests (Cochran 1954)."""
MOST_CELLS = 10
"""Cells of an ordered quantity: more would need more requests for the same proof."""
EXACT = 20_000
"""Raw samples, both sides together, up to which every distinct value is a cell of its own."""
GRID = 4096
"""Cells of equal width that more raw samples than that are sorted into."""
_SKIMMED = 1 << 14
"""Samples of each side by which the grid is laid."""
_FINE = 100
"""Cells of a finer quantity than that are first brought to about so many of equal weight."""
_CHUNK = 1 << 15
"""Samples at a time: so many stay in the processor's cache."""


class Scale(StrEnum):
    """Whether cells have an order."""

    ORDERED = "ordered"
    CLASSES = "classes"


@dataclass(frozen=True, slots=True)
class Classes:
    """One side's requests by class, such as by finish reason."""

    counts: Mapping[str, float]

    def __post_init__(self) -> None:
        if any(not isfinite(one) or one < 0 for one in self.counts.values()):
            raise ValueError("classes need finite counts from 0 up")

    @property
    def total(self) -> float:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Cells:
    """Both sides' counts, cell by cell."""

    source: Array
    target: Array

    @property
    def sizes(self) -> tuple[float, float]:
        """How many the source and the target have in all."""
        return float(self.source.sum()), float(self.target.sum())

    @property
    def effective(self) -> float:
        """N_eff = n·m/(n+m): the size of two equal sides, halved, that tell as much."""
        return effective_size(*self.sizes)

    @property
    def shares(self) -> tuple[Array, Array]:
        """Each side's shares; a side without any has none in every cell."""
        n, m = self.sizes
        return self.source / (n or 1.0), self.target / (m or 1.0)


@dataclass(frozen=True, slots=True)
class Unordered(Cells):
    """Classes."""

    def tested(self) -> Cells:
        """Cells for a χ² test: classes too rare to expect five of on either side are one class.

        Should these be too few together, the rarest others join them. Classes that are equally frequent are
        kept or merged together, so that no order among them can show.
        """
        pooled = self.source + self.target
        least = _least_pooled(*self.sizes)
        rare = pooled < least
        while rare.any() and not rare.all() and pooled[rare].sum() < least:
            rare |= pooled <= pooled[~rare].min()
        if not rare.any():
            return Cells(self.source, self.target)
        return Cells(
            *(np.append(one[~rare], one[rare].sum()) for one in (self.source, self.target))
        )


@dataclass(frozen=True, slots=True)
class Ordered(Cells):
    """A quantity. Cell i lies above edge i and reaches up to edge i + 1; the last edge may be +Inf."""

    edges: Array
    """One more than cells, never falling."""
    atoms: bool = False
    """All of a cell lies at its upper edge: every distinct value is a cell of its own."""
    beyond: float = 0.0
    """What the distance of the two sides beyond the outer edges adds to the area between their CDFs."""
    sd: float | None = None
    """The source's standard deviation, where it is known better than from the cells."""

    def tested(self) -> Cells:
        """Cells for a χ² test: neighbours merged until five are expected on each side, at most ten in all."""
        pooled = self.source + self.target
        weight = _halves(self)
        bounds = _bounds(pooled, weight, _least_pooled(*self.sizes))
        return Cells(*(np.add.reduceat(one, bounds) for one in (self.source, self.target)))

    @property
    def open_share(self) -> float:
        """The larger side's share above the last finite edge: how far above is not known."""
        if isfinite(self.edges[-1]):
            return 0.0
        return float(max(one[-1] for one in self.shares))


Paired = Ordered | Unordered


def effective_size(n: float, m: float) -> float:
    """N_eff = n·m/(n+m); 0 where a side has none."""
    return n * m / (n + m) if n > 0 and m > 0 else 0.0


def _least_pooled(n: float, m: float) -> float:
    """How many both sides must have in a cell so that on the smaller side five are expected."""
    smaller = min(n, m)
    return EXPECTED * (n + m) / smaller if smaller > 0 else inf


def _halves(cells: Cells) -> Array:
    """The mean of both sides' shares: it stays the same when the sides change places."""
    p, q = cells.shares
    return (p + q) / 2.0


def _bounds(pooled: Array, weight: Array, least: float) -> list[int]:
    """Where merged cells begin: each has ``least``, and of more than ten the lightest neighbours are one."""
    fine = float(weight.sum()) / _FINE if len(pooled) > _FINE else 0.0
    bounds, here, mass = [0], 0.0, 0.0
    for index in range(len(pooled) - 1):
        here += float(pooled[index])
        mass += float(weight[index])
        if here >= least and mass >= fine:
            bounds.append(index + 1)
            here = mass = 0.0
    if len(bounds) > 1 and here + float(pooled[-1]) < least:
        bounds.pop()
    masses = [float(one) for one in np.add.reduceat(weight, bounds)]
    while len(bounds) > MOST_CELLS:
        at = min(range(1, len(bounds)), key=lambda i: masses[i - 1] + masses[i])
        masses[at - 1] += masses.pop(at)
        bounds.pop(at)
    return bounds


# --- from metrics -------------------------------------------------------------------------------


def of_buckets(source: Buckets, target: Buckets) -> Ordered | None:
    """Pair two histograms on the edges they have in common; None where only +Inf is common."""
    left, right = aligned(source, target)
    if len(left.edges) < 2:
        return None
    first = left.edges[0]
    edges = np.array([min(0.0, first), *left.edges])
    cells = [np.diff(np.array(one.cumulative), prepend=0.0).clip(min=0.0) for one in (left, right)]
    return Ordered(cells[0], cells[1], edges)


def of_classes(source: Classes, target: Classes) -> Unordered:
    """Pair two sides' counts by class; a class that one side does not have has none there."""
    names = sorted({*source.counts, *target.counts})
    counts = (np.array([one.counts.get(name, 0.0) for name in names]) for one in (source, target))
    return Unordered(*counts)


# --- from raw samples ---------------------------------------------------------------------------


def of_numbers(source: ArrayLike, target: ArrayLike) -> Ordered:
    """Pair raw samples of a quantity: scores, lengths.

    Up to ``EXACT`` samples every distinct value is a cell. More are not sorted, which takes longest of all,
    but counted on a grid of equal cells between the 0.1th and the 99.9th percentile of a part of them; the
    outer cells hold the rest, and how far the rest differs is told by its means.
    """
    x, y = (np.ascontiguousarray(one, dtype=np.float64).ravel() for one in (source, target))
    if not (isfinite(x.sum()) and isfinite(y.sum())):
        raise ValueError(
            "raw samples must be finite numbers: leave out what is missing, and count it"
        )
    if len(x) + len(y) <= EXACT:
        return _every_value(x, y)
    low, high = _span(x, y)
    if low >= high:
        return _every_value(x, y)
    edges = np.linspace(low, high, GRID - 1)
    left, right = _on_grid(x, low, high), _on_grid(y, low, high)
    edges = np.concatenate([[low], np.linspace(low, high, GRID - 1), [high]])
    beyond = abs(left.short - right.short) + abs(left.over - right.over)
    return Ordered(left.counts, right.counts, edges, beyond=beyond, sd=float(x.std()))


def of_labels(source: Iterable[object], target: Iterable[object]) -> Unordered:
    """Pair raw labels: predicted classes, finish reasons. Arrays of small numbers are counted quickest."""
    left, right = _tally(source), _tally(target)
    names = [*left, *(name for name in right if name not in left)]
    return Unordered(*(np.array([float(one[name]) for name in names]) for one in (left, right)))


def _tally(labels: Iterable[object]) -> Counter[object]:
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and labels.size:
        low = int(labels.min())
        if int(labels.max()) - low < _CHUNK:
            counts = np.bincount(labels.ravel() - low)
            return Counter({low + int(at): int(counts[at]) for at in np.flatnonzero(counts)})
    return Counter(labels.ravel().tolist() if isinstance(labels, np.ndarray) else labels)


def _every_value(x: Array, y: Array) -> Ordered:
    values, where = np.unique(np.concatenate([x, y]), return_inverse=True)
    left, right = (
        np.bincount(one, minlength=len(values)).astype(np.float64)
        for one in (where[: len(x)], where[len(x) :])
    )
    return Ordered(left, right, np.concatenate([values[:1], values]), atoms=True)


def _span(x: Array, y: Array) -> tuple[float, float]:
    """Where most of both sides lies, told from evenly picked samples."""
    picked = [one[:: max(1, len(one) // _SKIMMED)] for one in (x, y)]
    low = min(float(np.quantile(one, 0.001)) for one in picked if len(one))
    high = max(float(np.quantile(one, 0.999)) for one in picked if len(one))
    return low, high


class _Gridded(NamedTuple):
    counts: Array
    short: float
    """By how much a sample falls short of the grid on average."""
    over: float
    """By how much it lies above."""


def _on_grid(x: Array, low: float, high: float) -> _Gridded:
    """Count one side on the grid, its ends in the outer cells."""
    inner = GRID - 2
    scale = inner / (high - low)
    counts = np.zeros(GRID, dtype=np.int64)
    short = over = 0.0
    for begin in range(0, len(x), _CHUNK):
        place = (x[begin : begin + _CHUNK] - low) * scale
        short -= float(np.minimum(place, 0.0).sum())
        over += float(np.maximum(place - inner, 0.0).sum())
        np.floor(place, out=place)
        np.clip(place, -1.0, float(inner), out=place)
        counts += np.bincount((place + 1.0).astype(np.int64), minlength=GRID)
    size = max(1, len(x)) * scale
    return _Gridded(counts.astype(np.float64), short / size, over / size)
