"""Cumulative buckets of one side in one look; what lies above an edge, and between which edges a quantile lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf, isclose, isfinite, isnan

from cutover.judge.evidence import Count
from cutover.judge.wording import duration

_SKEW = 0.05
"""By how much of all requests a cumulative count may fall short of the one below it."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Upper edges, rising, the last one +Inf; and the requests at or below each."""

    edges: tuple[float, ...]
    """In the metric's unit (seconds for latencies), strictly rising."""
    cumulative: tuple[float, ...]
    """As many as edges, never falling, from 0 up."""

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.cumulative) or not self.edges or self.edges[-1] != inf:
            raise ValueError("buckets need one count per edge, and +Inf as the last edge")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must rise")

    @property
    def total(self) -> float:
        return self.cumulative[-1]

    @classmethod
    def parse(cls, counts: Mapping[str, float]) -> "Buckets | None":
        """Read ``le`` texts ("1", "1.0", "+Inf") and their counts; None where they are no histogram.

        One edge written in two ways (two clients behind one ``sum by (le)``) is one edge: the counts add up.
        Scrapes that hit the buckets of one histogram at different moments can make a higher bucket a little
        smaller; each count is then raised to the one below it. No histogram: no +Inf, a NaN, or counts
        that fall by more than that, as when servers with different edges are added up.
        """
        by_edge: dict[float, float] = {}
        for le, count in counts.items():
            edge = float(le)
            if isnan(edge) or not isfinite(count):
                return None
            by_edge[edge] = by_edge.get(edge, 0.0) + max(0.0, count)
        if inf not in by_edge:
            return None
        edges = tuple(sorted(by_edge))
        counted = [by_edge[edge] for edge in edges]
        risen = tuple(accumulate(counted, max))
        fall = max(high - count for high, count in zip(risen, counted, strict=True))
        return cls(edges, risen) if fall <= max(2.0, _SKEW * risen[-1]) else None

    def scaled(self, unit: float) -> "Buckets":
        """Read edges that are counted in another unit, so many seconds long; no digit of float dust remains."""
        if unit == 1.0:
            return self
        edges = tuple(float(f"{edge * unit:.12g}") for edge in self.edges)
        return Buckets(edges, self.cumulative)

    def on(self, edges: Sequence[float]) -> "Buckets":
        """Keep these edges, each of which must be one of ours: cumulative counts stay exact."""
        at = dict(zip(self.edges, self.cumulative, strict=True))
        return Buckets(tuple(edges), tuple(at[edge] for edge in edges))


def common_edges(a: Sequence[float], b: Sequence[float]) -> tuple[float, ...]:
    """Intersect two rising sequences of edges; always ends with +Inf."""
    ours = set(b)
    return tuple(edge for edge in a if edge in ours)


def aligned(a: Buckets, b: Buckets) -> tuple[Buckets, Buckets]:
    """Bring both onto the edges they have in common."""
    edges = common_edges(a.edges, b.edges)
    return a.on(edges), b.on(edges)


@dataclass(frozen=True, slots=True)
class Snapped:
    """The bucket edge that stands for a threshold."""

    edge: float
    note: str | None
    """One sentence where the edge is not the threshold asked for; None where it is."""


def snap(threshold: float, edges: Sequence[float]) -> Snapped | None:
    """Choose the finite edge that stands for a threshold (seconds); None when there is no finite edge.

    The largest edge at or below it, which is stricter than asked; only without one the smallest above.
    """
    finite = sorted(edge for edge in edges if isfinite(edge))
    if not finite:
        return None
    at_or_below = [edge for edge in finite if edge <= threshold * (1.0 + 1e-9)]
    edge = at_or_below[-1] if at_or_below else finite[0]
    if isclose(edge, threshold, rel_tol=1e-9):
        return Snapped(edge, None)
    which = "the next lower" if at_or_below else "the lowest"
    note = f"{duration(threshold)} is no bucket edge of both sides: judged at {duration(edge)}, {which} edge"
    return Snapped(edge, note)


def share_above(buckets: Buckets, edge: float) -> Count:
    """Count the requests above an edge, which must be one of the buckets'."""
    at_or_below = buckets.cumulative[buckets.edges.index(edge)]
    return Count(buckets.total, buckets.total - at_or_below)


def quantile_bracket(buckets: Buckets, q: float) -> tuple[float, float] | None:
    """Between which edges the q-quantile (0 < q < 1) lies; None without requests. For people, never for gates.

    The lower edge is 0 in the first bucket; the upper one is +Inf in the last.
    """
    if not buckets.total:
        return None
    rank = q * buckets.total
    low = min(0.0, buckets.edges[0])
    for edge, count in zip(buckets.edges, buckets.cumulative, strict=True):
        if count >= rank:
            return low, edge
        low = edge
    return low, inf
