"""Whether the target's answers to labelled items are as good as the source's."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from cutover.api.holdout import HoldoutMetric
from cutover.api.verdict import Unit, Verdict
from cutover.judge.contrast import Contrast, fewest_items
from cutover.judge.paired import Undefined
from cutover.judge.verdict import Judgement
from cutover.judge.wording import count, percent

ALPHA_PASS = 0.05
"""For each end of the interval that has to be inside ±maxDelta: the difference is below it, 95 % sure."""
ALPHA_FAIL = 0.005
"""For each end of the interval that has to be outside: equal sides fail in one of 100 cases at most."""
FEWEST = 50
"""Items before anything is judged."""

ERRORS = frozenset({HoldoutMetric.MAE, HoldoutMetric.RMSE})
"""Metrics with a unit: less is better, and ``maxDelta`` is a share of the source's."""

WORDS = {
    HoldoutMetric.ACCURACY: "accuracy",
    HoldoutMetric.EXACT_MATCH: "exact match",
    HoldoutMetric.F1: "F1",
    HoldoutMetric.MAE: "mean absolute error",
    HoldoutMetric.RMSE: "root mean squared error",
    HoldoutMetric.AUROC: "AUROC",
}


class HoldoutReason(StrEnum):
    """Why a holdout gate says what it says."""

    WITHIN_DELTA = "WithinDelta"
    WORSE_THAN_SOURCE = "WorseThanSource"
    BETTER_THAN_SOURCE = "BetterThanSource"
    """Fail that pauses: nobody is harmed, but the sides are not the same."""
    TOO_FEW_ITEMS = "TooFewItems"
    UNDEFINED = "Undefined"
    """The metric is no number for these items."""


@dataclass(frozen=True, slots=True)
class HoldoutRule:
    """One gate, with its numbers."""

    name: str
    metric: HoldoutMetric
    max_delta: float
    """0-1."""


def judge_holdout(
    rule: HoldoutRule, contrast: Contrast | Undefined, *, aside: str = ""
) -> Judgement:
    """Judge a finished comparison: what it leaves open, asking the same again leaves open too."""
    word = WORDS[rule.metric]
    if isinstance(contrast, Undefined):
        return Judgement(
            Verdict.INCONCLUSIVE,
            HoldoutReason.UNDEFINED,
            f"{rule.name}: {word} is not defined: {contrast.why}",
            bound=rule.max_delta,
            final=True,
            unit=Unit.SHARE,
        )
    reason = _reason(rule, contrast)
    verdict = {
        HoldoutReason.WITHIN_DELTA: Verdict.PASS,
        HoldoutReason.WORSE_THAN_SOURCE: Verdict.FAIL,
        HoldoutReason.BETTER_THAN_SOURCE: Verdict.FAIL,
    }.get(reason, Verdict.INCONCLUSIVE)
    return Judgement(
        verdict,
        reason,
        f"{rule.name}: {_seen(rule, contrast)}; {_ending(rule, reason, contrast)}{aside}",
        value=contrast.difference,
        bound=rule.max_delta,
        source_count=contrast.items,
        target_count=contrast.items,
        final=verdict is Verdict.INCONCLUSIVE,
        pauses=reason is HoldoutReason.BETTER_THAN_SOURCE,
        unit=Unit.SHARE,
    )


def _reason(rule: HoldoutRule, contrast: Contrast) -> HoldoutReason:
    if contrast.items < FEWEST:
        return HoldoutReason.TOO_FEW_ITEMS
    if contrast.interval(ALPHA_FAIL).outside(rule.max_delta):
        worse = (contrast.difference > 0) == (rule.metric in ERRORS)
        return HoldoutReason.WORSE_THAN_SOURCE if worse else HoldoutReason.BETTER_THAN_SOURCE
    if contrast.interval(ALPHA_PASS).inside(rule.max_delta):
        return HoldoutReason.WITHIN_DELTA
    return HoldoutReason.TOO_FEW_ITEMS


def items_needed(rule: HoldoutRule, contrast: Contrast) -> int | None:
    """How many items would bring a verdict, were the sides as far apart as they seem; None: no number would."""
    if abs(contrast.difference) < rule.max_delta:
        needed = fewest_items(contrast, lambda one: one.inside(rule.max_delta), ALPHA_PASS)
    else:
        needed = fewest_items(contrast, lambda one: one.outside(rule.max_delta), ALPHA_FAIL)
    return None if needed is None else max(FEWEST, needed)


def _seen(rule: HoldoutRule, contrast: Contrast) -> str:
    number = _plain if rule.metric in ERRORS else _share
    return (
        f"{WORDS[rule.metric]} {number(contrast.target)} on the target and {number(contrast.source)} on"
        f" the source over {count(contrast.items)} items, {_apart(rule, contrast.difference)}"
    )


def _apart(rule: HoldoutRule, difference: float) -> str:
    if not difference:
        return "no difference"
    if rule.metric in ERRORS:
        return f"{_points(rule, difference)} {'more' if difference > 0 else 'less'}"
    return f"{_points(rule, difference)} {'better' if difference > 0 else 'worse'}"


def _points(rule: HoldoutRule, difference: float) -> str:
    """Write a difference: of shares in percentage points, of errors as a share of the source's."""
    size = abs(difference)
    text = percent(size) if size >= 1e-5 else "less than 0.001 %"
    return text if rule.metric in ERRORS else text.replace(" %", " points")


def _ending(rule: HoldoutRule, reason: HoldoutReason, contrast: Contrast) -> str:
    limit = percent(rule.max_delta)
    match reason:
        case HoldoutReason.WITHIN_DELTA:
            return f"{_at_most(rule, contrast)}, the limit is {limit}: passes"
        case HoldoutReason.WORSE_THAN_SOURCE:
            return f"{_at_least(rule, contrast)}, the limit is {limit}: fails"
        case HoldoutReason.BETTER_THAN_SOURCE:
            return f"{_at_least(rule, contrast)}, the limit is {limit} either way: pauses, since a better target is another one"
        case _:
            return f"{_at_most(rule, contrast)}; too few items to show {limit}: {_would(rule, contrast)}"


def _at_most(rule: HoldoutRule, contrast: Contrast) -> str:
    farthest = contrast.interval(ALPHA_PASS).farthest
    return f"at most {_points(rule, farthest)} apart, 95 % sure"


def _at_least(rule: HoldoutRule, contrast: Contrast) -> str:
    interval = contrast.interval(ALPHA_FAIL)
    nearest = min(abs(interval.low), abs(interval.high))
    return f"at least {_points(rule, nearest)} apart, 99 % sure"


def _would(rule: HoldoutRule, contrast: Contrast) -> str:
    needed = items_needed(rule, contrast)
    if needed is None:
        return "at this difference no number of them would, so set a larger maxDelta"
    return f"about {count(_rounded(needed))} would"


def _rounded(items: int) -> int:
    """Round up to three figures; up to 10,000 it is exact."""
    step = 10 ** max(0, len(str(items)) - 3) if items > 10_000 else 1
    return ceil(items / step) * step


def _plain(value: float) -> str:
    return f"{value:.4g}"


def _share(value: float) -> str:
    return f"{100.0 * value:.4g} %"
