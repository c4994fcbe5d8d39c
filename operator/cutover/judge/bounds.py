"""The query gate: one number against bounds.

The number comes without its statistics: nobody can say how far it would be off by chance. So one look
proves nothing, and a bound must be found broken for some looks in a row before that is a Fail.
"""

from dataclasses import dataclass
from enum import StrEnum

from cutover.api.verdict import Verdict
from cutover.judge.verdict import Judgement


class BoundReason(StrEnum):
    """Why a query gate says what it says."""

    WITHIN_BOUNDS = "WithinBounds"
    TOO_SOON = "TooSoon"
    BROKEN = "Broken"
    """A bound is broken, but not yet for looks enough."""
    OVER_MAX = "OverMax"
    UNDER_MIN = "UnderMin"


@dataclass(frozen=True, slots=True)
class BoundRule:
    """The bounds of one gate."""

    name: str
    max: float | None
    min: float | None
    looks: int
    """How many looks in a row must find a bound broken, 1 or more."""
    side: str = "target"
    """Whose number is judged, in words."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the number is held against at this look; for a ratio, multiples of the source's number."""

    max: float | None
    min: float | None
    of_source: float | None = None
    """The source's number, where the bounds are multiples of it."""

    @classmethod
    def of(cls, rule: BoundRule, source: float | None) -> "Bounds":
        """``source`` is not negative; None: the bounds are absolute."""
        if source is None:
            return cls(rule.max, rule.min)
        return cls(
            None if rule.max is None else rule.max * source,
            None if rule.min is None else rule.min * source,
            source,
        )

    def broken_by(self, value: float) -> BoundReason | None:
        """Which bound the value breaks; None: neither."""
        if self.max is not None and value > self.max:
            return BoundReason.OVER_MAX
        if self.min is not None and value < self.min:
            return BoundReason.UNDER_MIN
        return None


def judge_bounds(
    rule: BoundRule,
    value: float,
    *,
    source: float | None = None,
    broken_for: int,
    min_duration_over: bool,
) -> Judgement:
    """Judge one look; ``broken_for`` counts it along where it breaks a bound (0: it breaks none)."""
    bounds = Bounds.of(rule, source)
    broken = bounds.broken_by(value)
    number = f"{rule.name}: {value:.4g} on {rule.side}{_beside(bounds)}"
    if broken is None:
        reason = BoundReason.WITHIN_BOUNDS if min_duration_over else BoundReason.TOO_SOON
        then = "" if min_duration_over else ": will pass when the step's minimum duration is over"
        verdict = Verdict.PASS if min_duration_over else Verdict.INCONCLUSIVE
        message = f"{number}, {_within(rule, bounds)}{then}"
        return _judged(verdict, reason, message, value, _nearest(bounds, value))
    bound = bounds.max if broken is BoundReason.OVER_MAX else bounds.min
    word = f"{'over' if broken is BoundReason.OVER_MAX else 'under'} {_bound(rule, bounds, broken)}"
    if broken_for < rule.looks:
        message = f"{number}, {word} in {broken_for} of {rule.looks} looks in a row: waits"
        return _judged(Verdict.INCONCLUSIVE, BoundReason.BROKEN, message, value, bound)
    often = f"for {rule.looks} looks in a row" if rule.looks > 1 else "at this look"
    return _judged(Verdict.FAIL, broken, f"{number}, {word} {often}: fails", value, bound)


def _judged(
    verdict: Verdict, reason: BoundReason, message: str, value: float, bound: float | None
) -> Judgement:
    return Judgement(
        verdict, reason, message, value=value, bound=bound, source_count=None, target_count=None
    )


def _nearest(bounds: Bounds, value: float) -> float | None:
    """The bound that the value is nearer to."""
    given = [one for one in (bounds.max, bounds.min) if one is not None]
    return min(given, key=lambda one: abs(one - value), default=None)


def _beside(bounds: Bounds) -> str:
    return "" if bounds.of_source is None else f", {bounds.of_source:.4g} on source"


def _within(rule: BoundRule, bounds: Bounds) -> str:
    told = []
    if rule.max is not None:
        told.append(f"at most {_bound(rule, bounds, BoundReason.OVER_MAX)}")
    if rule.min is not None:
        told.append(f"at least {_bound(rule, bounds, BoundReason.UNDER_MIN)}")
    return " and ".join(told)


def _bound(rule: BoundRule, bounds: Bounds, which: BoundReason) -> str:
    given = rule.max if which is BoundReason.OVER_MAX else rule.min
    return f"{given:g}" if bounds.of_source is None else f"{given:g} × source"
