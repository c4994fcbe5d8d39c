"""What a user's own evaluation wrote into a ConfigMap, read with care."""

from datetime import UTC, datetime

import pytest

from cutover.api.holdout import HoldoutMetric
from cutover.judge.contrast import Estimated, PairedShares, UnpairedShares
from cutover.judge.paired import Undefined
from cutover.judge.results import Result, Unusable, contrast_of, read_result

GOOD = {
    "metric": "Accuracy",
    "dataset": "imdb-2026",
    "finishedAt": "2026-03-01T12:00:00Z",
    "value": "0.9",
    "items": "2000",
}


def test_a_result_is_read():
    found = read_result(GOOD, HoldoutMetric.ACCURACY)
    assert found == Result("imdb-2026", datetime(2026, 3, 1, 12, tzinfo=UTC), 0.9, 2000)


REFUSED = [
    ({"metric": "F1"}, "holds F1, and the gate asks for Accuracy: write metric: Accuracy"),
    ({"metric": "s3cret"}, "holds something else, and the gate asks for Accuracy"),
    ({"metric": ""}, "has no metric: write it"),
    ({"dataset": ""}, "has no dataset: write it"),
    ({"dataset": "a\nb"}, "has a dataset of more than 253 characters or not printable"),
    ({"value": ""}, "has no value: write it"),
    ({"value": "good"}, 'has a value that is no finite number: write it like "0.912"'),
    ({"value": "NaN"}, "has a value that is no finite number"),
    ({"value": "inf"}, "has a value that is no finite number"),
    ({"value": "1.2"}, "has a value that is not from 0 to 1, as Accuracy is"),
    ({"value": "-0.1"}, "has a value that is not from 0 to 1, as Accuracy is"),
    ({"items": "0"}, "has items that are no whole number from 1"),
    ({"items": "10.5"}, "has items that are no whole number from 1"),
    ({"finishedAt": "yesterday"}, "has a finishedAt that is no time with its zone"),
    ({"finishedAt": "2026-03-01T12:00:00"}, "has a finishedAt that is no time with its zone"),
    ({"standardError": "0"}, "has a standardError that is not above 0: no sample is that sure"),
    ({"outcomes": "10x"}, "has outcomes other than 1 (right) and 0 (wrong), one for each item"),
    ({"outcomes": " "}, "has outcomes other than 1 (right) and 0 (wrong), one for each item"),
    ({"outcomes": "11"}, "has another number of items than the 2 outcomes"),
    ({"outcomes": "11", "items": "2"}, "has a value that is not the share of 1 among its outcomes"),
]


@pytest.mark.parametrize(("change", "why"), REFUSED)
def test_the_first_key_that_cannot_be_used_is_named(change, why):
    found = read_result({**GOOD, **change}, HoldoutMetric.ACCURACY)
    assert isinstance(found, Unusable)
    assert found.why.startswith(why)
    assert "s3cret" not in found.why


def test_outcomes_say_nothing_of_other_metrics():
    found = read_result({**GOOD, "metric": "F1", "outcomes": "1"}, HoldoutMetric.F1)
    assert found == Unusable("has outcomes, which say nothing of F1: leave them out")


def _result(value: float, items: int = 1000, **more: object) -> Result:
    return Result("d", datetime(2026, 3, 1, tzinfo=UTC), value, items, **more)  # type: ignore[arg-type]


def _outcomes(text: str) -> Result:
    found = read_result({**_BARE, "outcomes": text}, HoldoutMetric.ACCURACY)
    assert isinstance(found, Result)
    return found


_BARE = {key: GOOD[key] for key in ("metric", "dataset", "finishedAt")}


def test_outcomes_of_both_sides_are_compared_item_by_item():
    found = contrast_of(_outcomes("1110 0"), _outcomes("1101\n0"), HoldoutMetric.ACCURACY)
    assert found == PairedShares(5, both=2, only_source=1, only_target=1)


def test_outcomes_of_other_items_are_not_compared():
    found = contrast_of(_outcomes("111"), _outcomes("11"), HoldoutMetric.ACCURACY)
    assert isinstance(found, Unusable)
    assert "the source has 3 outcomes and the target 2" in found.why


def test_two_sums_are_two_samples():
    found = contrast_of(_result(0.9), _result(0.8, 500), HoldoutMetric.ACCURACY)
    assert found == UnpairedShares(0.9, 1000, 0.8, 500)


def test_standard_errors_add_up():
    found = contrast_of(
        _result(0.9, standard_error=0.03), _result(0.8, standard_error=0.04), HoldoutMetric.F1
    )
    assert isinstance(found, Estimated)
    assert found.standard_error == pytest.approx(0.05)
    assert found.difference == pytest.approx(-0.1)


def test_an_error_metric_is_held_against_the_sources():
    found = contrast_of(
        _result(2.0, standard_error=0.1), _result(2.2, standard_error=0.1), HoldoutMetric.MAE
    )
    assert isinstance(found, Estimated)
    assert found.difference == pytest.approx(0.1)
    assert found.standard_error == pytest.approx((0.01 + (1.1 * 0.1) ** 2) ** 0.5 / 2)


def test_what_cannot_be_compared_is_said():
    found = contrast_of(_result(0.9), _result(0.9, standard_error=0.1), HoldoutMetric.AUROC)
    assert isinstance(found, Unusable)
    assert found.why.startswith("AUROC needs standardError on both sides")
    nothing = contrast_of(
        _result(0.0, standard_error=0.1), _result(0.9, standard_error=0.1), HoldoutMetric.RMSE
    )
    assert isinstance(nothing, Undefined)
