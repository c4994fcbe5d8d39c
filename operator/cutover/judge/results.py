"""What a user's own evaluation says of one side: the contents of a ConfigMap that it wrote.

The only thing read from it are numbers, a moment and two names; nothing of it is repeated in a sentence
but what was checked to be one of these.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from cutover.api.holdout import HoldoutMetric
from cutover.judge import paired
from cutover.judge.contrast import Contrast, Estimated, UnpairedShares
from cutover.judge.labelled import NUMBERS, SHARES
from cutover.judge.paired import Undefined

MOST_ITEMS: Final = 10**9
LONGEST_NAME: Final = 253


class _Unusable(Exception):  # noqa: N818 - says what is wrong with a key
    """One sentence's end, behind the name of the ConfigMap."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a result cannot be used: the end of a sentence that begins with where it is."""

    why: str


@dataclass(frozen=True, slots=True)
class Result:
    """One side's metric."""

    dataset: str
    """Which items; the same on both sides."""
    finished_at: datetime
    value: float
    items: int
    standard_error: float | None = None
    outcomes: npt.NDArray[np.bool_] | None = None
    """Of each item in the dataset's order: whether the answer was right."""


def read_result(values: Mapping[str, str], metric: HoldoutMetric) -> Result | Unusable:
    """Take a ConfigMap's data apart; the first key that cannot be used is named."""
    try:
        said = _text(values, "metric")
        if said != metric:
            known = said if said in {str(one) for one in HoldoutMetric} else "something else"
            return Unusable(
                f"holds {known}, and the gate asks for {metric}: write metric: {metric}"
            )
        outcomes = _outcomes(values, metric)
        value, items = _value_and_items(values, metric, outcomes)
        return Result(
            dataset=_text(values, "dataset"),
            finished_at=_moment(values, "finishedAt"),
            value=value,
            items=items,
            standard_error=_standard_error(values),
            outcomes=outcomes,
        )
    except _Unusable as unusable:
        return Unusable(str(unusable))


def contrast_of(
    source: Result, target: Result, metric: HoldoutMetric
) -> Contrast | Undefined | Unusable:
    """Compare both sides: item by item where both told each item's outcome, else by their standard errors."""
    if source.outcomes is not None and target.outcomes is not None:
        if source.items != target.items:
            return Unusable(
                f"the source has {source.items:,} outcomes and the target {target.items:,}: evaluate the"
                " same items on both sides"
            )
        return paired.right_or_wrong(source.outcomes, target.outcomes)
    errors = source.standard_error, target.standard_error
    if errors[0] is None or errors[1] is None:
        if metric in SHARES:
            return UnpairedShares(source.value, source.items, target.value, target.items)
        return Unusable(
            f"{metric} needs standardError on both sides, or nothing says how sure the numbers are"
        )
    return _by_standard_errors(source, target, (errors[0], errors[1]), metric)


def _by_standard_errors(
    source: Result, target: Result, errors: tuple[float, float], metric: HoldoutMetric
) -> Contrast | Undefined:
    """Independent errors: √(a² + b²); relative to the source's value by the delta method."""
    s, t = source.value, target.value
    difference, error = t - s, sqrt(errors[0] ** 2 + errors[1] ** 2)
    if metric in NUMBERS:
        if not s:
            return Undefined("the source makes no error, so there is nothing to compare with")
        difference = t / s - 1.0
        error = sqrt(errors[1] ** 2 + (t / s * errors[0]) ** 2) / s
    return Estimated(
        source=s,
        target=t,
        difference=difference,
        standard_error=error,
        items=min(source.items, target.items),
        degrees=max(1, source.items + target.items - 2),
    )


# --- keys ---------------------------------------------------------------------------------------


def _text(values: Mapping[str, str], key: str) -> str:
    text = values.get(key, "").strip()
    if not text:
        raise _Unusable(f"has no {key}: write it")
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise _Unusable(f"has a {key} of more than {LONGEST_NAME} characters or not printable")
    return text


def _number(values: Mapping[str, str], key: str) -> float:
    text = _text(values, key)
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise _Unusable(f'has a {key} that is no finite number: write it like "0.912"')
    return number


def _moment(values: Mapping[str, str], key: str) -> datetime:
    text = _text(values, key)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _Unusable(
            f"has a {key} that is no time with its zone: write it like 2026-03-01T12:00:00Z"
        )
    return moment


def _outcomes(values: Mapping[str, str], metric: HoldoutMetric) -> npt.NDArray[np.bool_] | None:
    if "outcomes" not in values:
        return None
    if metric not in SHARES:
        raise _Unusable(f"has outcomes, which say nothing of {metric}: leave them out")
    text = "".join(values["outcomes"].split())
    if not text or set(text) - {"0", "1"}:
        raise _Unusable("has outcomes other than 1 (right) and 0 (wrong), one for each item")
    right: npt.NDArray[np.bool_] = np.frombuffer(text.encode(), dtype=np.uint8) == ord("1")
    return right


def _value_and_items(
    values: Mapping[str, str], metric: HoldoutMetric, outcomes: npt.NDArray[np.bool_] | None
) -> tuple[float, int]:
    if outcomes is not None:
        counted = float(outcomes.mean()), int(outcomes.size)
        if "items" in values and _number(values, "items") != counted[1]:
            raise _Unusable(f"has another number of items than the {counted[1]:,} outcomes")
        if "value" in values and abs(_number(values, "value") - counted[0]) > 1e-4:
            raise _Unusable("has a value that is not the share of 1 among its outcomes")
        return counted
    value, items = _number(values, "value"), _number(values, "items")
    if items != int(items) or not 1 <= items <= MOST_ITEMS:
        raise _Unusable("has items that are no whole number from 1")
    if value < 0 or (metric not in NUMBERS and value > 1):
        limits = "0 or more" if metric in NUMBERS else "from 0 to 1"
        raise _Unusable(f"has a value that is not {limits}, as {metric} is")
    return value, int(items)


def _standard_error(values: Mapping[str, str]) -> float | None:
    if "standardError" not in values:
        return None
    error = _number(values, "standardError")
    if error <= 0:
        raise _Unusable("has a standardError that is not above 0: no sample is that sure")
    return error
