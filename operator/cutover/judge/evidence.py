"""What a gate has seen of both sides since ``settle`` ended: running sums, small enough for the status."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import ClassVar

_DUST = 1e-6
"""Requests below this are rounding of the differences that counts are made from."""


@dataclass(frozen=True, slots=True)
class Count:
    """One side in one look: requests, and how many of them were bad (slow, or failed).

    Floats, because PromQL's ``increase`` extrapolates. Always seen numbers: a missing or NaN sample
    never becomes a ``Count`` (:mod:`cutover.judge.missing`).
    """

    total: float
    bad: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.total) and isfinite(self.bad) and self.total >= 0 and self.bad >= 0):
            raise ValueError(
                f"a count needs finite numbers from 0 up, got {self.bad} of {self.total}"
            )

    @property
    def share(self) -> float:
        """Bad requests over all, 0-1; 0 when there were none."""
        return min(1.0, self.bad / self.total) if self.total else 0.0

    def over(self, divisor: float) -> "Count":
        """Keep the share, of fewer requests: the burst correction."""
        return Count(self.total / divisor, min(self.bad, self.total) / divisor)


@dataclass(frozen=True, slots=True)
class Reference:
    """The source's frozen evidence (s₀): the last step in which it had enough requests."""

    share: float
    """Bad requests over all, 0-1."""
    n: float
    """Requests it was counted over."""
    correlation: float = 0.0
    """Within-look correlation r at that time, 0-1."""
    look_size: float = 1.0
    """n̄ at that time: requests in a look, weighted by requests."""

    @property
    def count(self) -> Count:
        return Count(self.n, self.share * self.n)


@dataclass(frozen=True, slots=True)
class SideSums:
    """One side's sums over the looks that held at least one request."""

    n: float = 0.0
    """Σn: requests."""
    bad: float = 0.0
    """Σx: bad requests."""
    looks: float = 0.0
    squares: float = 0.0
    """Σn²."""
    bad_squares: float = 0.0
    """Σx²/n."""

    @property
    def count(self) -> Count:
        return Count(self.n, self.bad)

    @property
    def look_size(self) -> float:
        """n̄ = Σn²/Σn: the size of the look that a request falls in. The mean, where looks are equal."""
        return self.squares / self.n if self.n else 0.0

    def add(self, count: Count) -> "SideSums":
        if count.total < _DUST:
            return self
        n, bad = count.total, min(count.bad, count.total)
        bad = bad if bad >= _DUST else 0.0
        return SideSums(
            self.n + n,
            self.bad + bad,
            self.looks + 1,
            self.squares + n * n,
            self.bad_squares + bad * bad / n,
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both sides since ``settle`` of the current step, and how the target's excess lies over the looks."""

    EMPTY: ClassVar["Evidence"]

    source: SideSums = field(default_factory=SideSums)
    target: SideSums = field(default_factory=SideSums)
    excess: float = 0.0
    """Σe, e = max(0, the look's bad target requests − n_t·s), s the source's share up to that look."""
    excess_squared: float = 0.0
    """Σe²."""

    @property
    def spread(self) -> float:
        """(Σe)²/Σe²: over how many looks the excess is spread, as if it were equal in each; 0 without any."""
        return self.excess**2 / self.excess_squared if self.excess_squared else 0.0

    def numbers(self) -> list[float]:
        """Twelve plain numbers for the status; :meth:`from_numbers` is the way back."""
        s, t = self.source, self.target
        return [
            *(s.n, s.bad, s.looks, s.squares, s.bad_squares),
            *(t.n, t.bad, t.looks, t.squares, t.bad_squares),
            *(self.excess, self.excess_squared),
        ]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> "Evidence":
        if len(numbers) != 12 or not all(isfinite(number) and number >= 0 for number in numbers):
            raise ValueError("evidence is twelve finite numbers from 0 up")
        return cls(SideSums(*numbers[:5]), SideSums(*numbers[5:10]), *numbers[10:])


Evidence.EMPTY = Evidence()


def accumulate(
    evidence: Evidence, source: Count, target: Count, reference: Reference | None = None
) -> Evidence:
    """Add one look. With a ``reference`` the excess is counted against its share, not the source's."""
    seen_source = evidence.source.add(source)
    share = seen_source.count.share if reference is None else reference.share
    excess = max(0.0, min(target.bad, target.total) - target.total * share)
    return Evidence(
        source=seen_source,
        target=evidence.target.add(target),
        excess=evidence.excess + excess,
        excess_squared=evidence.excess_squared + excess * excess,
    )


def freeze(evidence: Evidence) -> Reference | None:
    """Keep the source's evidence as the reference of later steps; None when it saw no request."""
    source = evidence.source
    if not source.n:
        return None
    return Reference(source.count.share, source.n, correlation(source), source.look_size)


MOST_OLDER = 3.0
"""Older steps count at most this many times as much as the newest: it is the newest that stands for now."""


def pooled(older: Reference | None, newer: Reference) -> Reference:
    """The source over several steps as one reference.

    Levels wander from minute to minute. One step's evidence is a few minutes of it: held against that
    alone, an equal target looks worse (or better) for as long as the last step lasts.
    """
    if older is None:
        return newer
    n = min(older.n, MOST_OLDER * newer.n)
    total = n + newer.n
    return Reference(
        share=(older.share * n + newer.share * newer.n) / total,
        n=total,
        correlation=(older.correlation * n + newer.correlation * newer.n) / total,
        look_size=(older.look_size * n + newer.look_size * newer.n) / total,
    )


def correlation(*sides: SideSums) -> float:
    """Within-look (intraclass) correlation r of bad requests, 0-1, over the sides.

    The ANOVA estimator (Fleiss, "Statistical Methods for Rates and Proportions", ch. 15; Ridout, Demétrio
    and Firth 1999): r = (MSB − MSW) / (MSB + (n₀ − 1)·MSW), clipped. Numerator and denominator are taken of
    each side with its own mean squares, times its looks less one, and added up: neither a difference between
    the sides nor a small side with more bad requests than the large one is correlation. 0 with fewer than
    two looks.
    """
    excess = scale = 0.0
    for side in sides:
        if side.looks < 2 or side.n <= side.looks:
            continue
        spread = side.bad_squares - side.bad * side.bad / side.n
        between = spread if spread > _DUST * side.bad else 0.0
        within = max(0.0, side.bad - side.bad_squares) / (side.n - side.looks)
        freedom = side.looks - 1
        excess += between - freedom * within
        scale += between + (side.n - side.squares / side.n - freedom) * within
    return min(1.0, max(0.0, excess / scale)) if scale > 0 else 0.0


def design_effect(look_size: float, r: float) -> float:
    """By what factor requests that fall into looks of ``look_size`` count less: 1 + (n̄ − 1)·r, never below 1."""
    return 1.0 + max(0.0, look_size - 1.0) * r
