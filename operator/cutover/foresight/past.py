"""The source's past as arrays: what each gate counted in each look of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose, isfinite

import numpy as np
from numpy.typing import NDArray

from cutover.judge.distribution import Classes
from cutover.judge.evidence import Count
from cutover.judge.histogram import Buckets
from cutover.judge.past import Clustering, clustering

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GatePast:
    """One gate's counts, look by look; NaN where nothing is known."""

    total: Floats
    """Requests."""
    bad: Floats
    """Slow or failed ones, never more than ``total``."""
    worse: Floats
    """As many as would have been bad with the regression that was asked about; ``bad`` without one."""
    edge_seconds: float = 0.0
    """The bucket edge in force of a latency gate."""

    @property
    def share(self) -> float:
        """Bad requests over all, 0-1."""
        total = float(np.nansum(self.total))
        return float(np.nansum(self.bad)) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Spread:
    """One distribution, look by look."""

    counts: Floats
    """Looks by cells, not cumulative; NaN where nothing is known."""
    edges: tuple[float, ...] = ()
    """Upper edges of the cells, the last one +Inf; empty: cells are classes."""
    classes: tuple[str, ...] = ()

    def starting(self, first: int) -> "Spread":
        """Leave out what comes before a look."""
        return Spread(self.counts[first:], self.edges, self.classes)

    def told(self, cells: Floats) -> Buckets | Classes:
        """What a side would tell that has counted so many in each cell."""
        if self.edges:
            return Buckets(self.edges, tuple(np.cumsum(cells).tolist()))
        return Classes(dict(zip(self.classes, cells.tolist(), strict=True)))


@dataclass(frozen=True, slots=True)
class Past:
    """Looks of equal length, one after the other."""

    begin: float
    """Unix seconds at which the first look begins."""
    look: float
    """Seconds of one look: a whole number of scrapes."""
    scrape: float
    requests: Floats
    failed: Floats
    gates: Mapping[str, GatePast]
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    """By name of the drift gate; one of which nothing is known is not there."""

    @property
    def looks(self) -> int:
        return len(self.requests)

    @property
    def known(self) -> Floats:
        """1.0 for each look in which every number is known, otherwise 0.0."""
        parts = [
            self.requests,
            *(gate.total for gate in self.gates.values()),
            *(spread.counts.sum(axis=1) for spread in self.spreads.values()),
        ]
        known: Floats = np.isfinite(np.sum(parts, axis=0)).astype(np.float64)
        return known

    @property
    def rate(self) -> float:
        """Requests a second, over the looks that are known."""
        known = self.requests[np.isfinite(self.requests)]
        return float(known.mean()) / self.look if len(known) else 0.0

    def starting(self, first: int) -> "Past":
        """Leave out what comes before a look."""
        gates = {
            name: GatePast(one.total[first:], one.bad[first:], one.worse[first:], one.edge_seconds)
            for name, one in self.gates.items()
        }
        begin = self.begin + first * self.look
        parts = self.requests[first:], self.failed[first:]
        spreads = {name: one.starting(first) for name, one in self.spreads.items()}
        return Past(begin, self.look, self.scrape, *parts, gates, spreads)

    def bursts(self, gate: str, before: int, looks: int, together: int) -> Clustering:
        """Tell how far bad requests came in bursts in the ``looks`` before one, put together by ``together``."""
        first = max(0, before - looks)
        last = first + (before - first) // together * together
        one = self.gates[gate]
        parts = (
            part[first:last].reshape(-1, together).sum(axis=1) for part in (one.total, one.bad)
        )
        counts = zip(*(part.tolist() for part in parts), strict=True)
        return clustering(Count(n, x) for n, x in counts if isfinite(n) and isfinite(x) and n > 0)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Which edges tell how many requests would exceed one if each took ``factor`` times as long.

    A request exceeds the edge E then if it exceeded E / factor before. Between the edges around that,
    requests are taken to lie evenly, as Prometheus' own quantiles do.
    """

    edge: float
    factor: float
    low: float
    """The highest edge at or below E / factor; 0 below the first."""
    high: float

    @classmethod
    def between(cls, edges: Sequence[float], edge: float, factor: float) -> "Scaling":
        """Choose among a histogram's finite edges."""
        wanted = edge / factor
        finite = sorted(one for one in edges if isfinite(one))
        at = next((one for one in finite if isclose(one, wanted, rel_tol=1e-9)), None)
        if at is not None:
            return cls(edge, factor, at, at)
        low = max((one for one in finite if one < wanted), default=0.0)
        high = min((one for one in finite if one > wanted), default=low)
        return cls(edge, factor, low, high)

    @property
    def edges(self) -> tuple[float, ...]:
        """The edges to ask for."""
        return tuple(sorted({self.edge, self.high, *([self.low] if self.low else [])}))

    def worse(self, total: Floats, below: Mapping[float, Floats]) -> Floats:
        """Count the requests that would exceed the edge, from those at or below each of ``edges``."""
        low = below[self.low] if self.low else np.zeros_like(total)
        if self.high == self.low:
            return np.clip(total - low, 0.0, total)
        part = (self.edge / self.factor - self.low) / (self.high - self.low)
        return np.clip(total - low - part * (below[self.high] - low), 0.0, total)
