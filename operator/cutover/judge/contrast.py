"""How far apart two sides' metric is on the same items, with an interval.

Every interval is made of two one-sided bounds, each right with probability 1 − α: with α = .05 the
larger of its ends' sizes bounds the difference itself, 95 % sure (two one-sided tests, Schuirmann 1987).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt
from typing import Protocol

from scipy.special import betaincinv, ndtri, stdtrit

MOST_ITEMS = 10**9
"""More items than this are none that anybody will label."""
FEW_DIFFER = 10
"""From so many items on which the sides differ, their spread tells how far others may."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``low`` to ``high``."""

    low: float
    high: float

    @property
    def farthest(self) -> float:
        """The largest difference, either way, that it does not exclude."""
        return max(abs(self.low), abs(self.high))

    def inside(self, limit: float) -> bool:
        """Whether all of it is within ±limit."""
        return self.farthest <= limit

    def outside(self, limit: float) -> bool:
        """Whether none of it is within ±limit."""
        return self.low > limit or self.high < -limit


class Contrast(Protocol):
    """One metric of both sides over the same items."""

    @property
    def source(self) -> float: ...
    @property
    def target(self) -> float: ...
    @property
    def items(self) -> int: ...
    @property
    def difference(self) -> float:
        """Target less source; of an error metric relative to the source's (target / source − 1)."""
        ...

    def interval(self, alpha: float) -> Interval:
        """Where the true difference is; each end fails with probability ``alpha``."""
        ...

    def scaled(self, items: int) -> "Contrast":
        """The same shares, had there been so many items."""
        ...


def fewest_items(
    contrast: Contrast, enough: Callable[[Interval], bool], alpha: float
) -> int | None:
    """How many items would be enough if what was seen stays; None: no number of them."""
    low, high = 0, max(1, contrast.items)
    while not enough(contrast.scaled(high).interval(alpha)):
        low, high = high, 2 * high
        if high > MOST_ITEMS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if enough(contrast.scaled(middle).interval(alpha)):
            high = middle
        else:
            low = middle
    return high


def at_most(count: float, items: float, alpha: float) -> float:
    """Upper bound of a share (Clopper and Pearson 1934): 1 − α^(1/n) for none of n."""
    return 1.0 if count >= items else float(betaincinv(count + 1.0, items - count, 1.0 - alpha))


@dataclass(frozen=True, slots=True)
class PairedShares:
    """A share of right answers, both sides on the same items."""

    items: int
    both: float
    """Items that both sides have right."""
    only_source: float
    only_target: float

    @property
    def source(self) -> float:
        return (self.both + self.only_source) / self.items

    @property
    def target(self) -> float:
        return (self.both + self.only_target) / self.items

    @property
    def difference(self) -> float:
        return (self.only_target - self.only_source) / self.items

    def interval(self, alpha: float) -> Interval:
        """Tango's score interval (1998) for paired proportions.

        Where no item speaks for one of the directions it is a little too short for thousands of
        items (6.7 % instead of 5 % at 2,703); then the exact bound of the other direction counts.
        """
        z = float(ndtri(1.0 - alpha))
        low, high = self._root(z), self._root(-z)
        if not self.only_target:
            low = min(low, -at_most(self.only_source, self.items, alpha))
        if not self.only_source:
            high = max(high, at_most(self.only_target, self.items, alpha))
        return Interval(low, high)

    def scaled(self, items: int) -> "PairedShares":
        """The same shares, had there been so many items."""
        k = items / self.items
        return PairedShares(items, self.both * k, self.only_source * k, self.only_target * k)

    def _root(self, z: float) -> float:
        """Find the difference whose score statistic is z; the statistic falls as the difference grows."""
        low, high = -1.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2.0
            if self._score(middle) > z:
                low = middle
            else:
                high = middle
        return (low + high) / 2.0

    def _score(self, d: float) -> float:
        """Score statistic against a true difference d; q is the constrained maximum of only_source / items."""
        n, b, c = self.items, self.only_target, self.only_source
        a2 = 4.0 * n
        b2 = -b - c + (2.0 * n - b + c) * d
        q = (sqrt(max(0.0, b2 * b2 + 2.0 * a2 * c * d * (1.0 - d))) - b2) / a2
        variance = n * (2.0 * q + d * (1.0 - d))
        excess = b - c - n * d
        if variance <= 0:
            return inf if excess > 0 else -inf if excess < 0 else 0.0
        return excess / sqrt(variance)


@dataclass(frozen=True, slots=True)
class Estimated:
    """Any metric of which a standard error is known."""

    source: float
    target: float
    difference: float
    standard_error: float
    items: int
    degrees: float
    """Degrees of freedom of the standard error."""
    differing: float | None = None
    """Items on which the sides differ; None: not known, as for results without their items."""
    influence: float = 0.0
    """How much one more differing item may change the difference, times the number of items."""

    def interval(self, alpha: float) -> Interval:
        """Student's t; while hardly an item differs, what the next ones might do is bounded instead.

        Their share is bounded as Clopper and Pearson do, and each is taken for as bad as one can be.
        """
        half = float(stdtrit(max(1.0, self.degrees), 1.0 - alpha)) * self.standard_error
        if self.differing is not None and self.differing < FEW_DIFFER:
            more = at_most(self.differing, self.items, alpha) - self.differing / self.items
            half = max(half, self.influence * more)
        return Interval(self.difference - half, self.difference + half)

    def scaled(self, items: int) -> "Estimated":
        """The same shares, had there been so many items."""
        k = items / self.items
        return Estimated(
            self.source,
            self.target,
            self.difference,
            self.standard_error / sqrt(k),
            items,
            self.degrees * k,
            None if self.differing is None else self.differing * k,
            self.influence,
        )


@dataclass(frozen=True, slots=True)
class UnpairedShares:
    """A share of right answers of which only the two sums are known."""

    source_share: float
    source_items: int
    target_share: float
    target_items: int

    @property
    def source(self) -> float:
        return self.source_share

    @property
    def target(self) -> float:
        return self.target_share

    @property
    def items(self) -> int:
        return min(self.source_items, self.target_items)

    @property
    def difference(self) -> float:
        return self.target_share - self.source_share

    def interval(self, alpha: float) -> Interval:
        """Newcombe's hybrid score interval (1998, method 10) for independent proportions."""
        z = float(ndtri(1.0 - alpha))
        s, t = self.source_share, self.target_share
        s_low, s_high = wilson(s, self.source_items, z)
        t_low, t_high = wilson(t, self.target_items, z)
        down = sqrt((t - t_low) ** 2 + (s_high - s) ** 2)
        up = sqrt((t_high - t) ** 2 + (s - s_low) ** 2)
        return Interval(self.difference - down, self.difference + up)

    def scaled(self, items: int) -> "UnpairedShares":
        """The same shares, had the smaller side had so many items."""
        k = items / self.items
        return UnpairedShares(
            self.source_share,
            round(self.source_items * k),
            self.target_share,
            round(self.target_items * k),
        )


def wilson(share: float, items: float, z: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of one share."""
    middle = share + z * z / (2.0 * items)
    half = z * sqrt(share * (1.0 - share) / items + z * z / (4.0 * items * items))
    whole = 1.0 + z * z / items
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)
