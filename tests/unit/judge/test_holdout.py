"""The verdict of a holdout gate, and its sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.holdout import HoldoutMetric
from cutover.api.verdict import Verdict
from cutover.judge import paired
from cutover.judge.contrast import Estimated, PairedShares, UnpairedShares
from cutover.judge.holdout import HoldoutReason, HoldoutRule, items_needed, judge_holdout
from cutover.judge.paired import Undefined

ACCURACY = HoldoutRule("quality", HoldoutMetric.ACCURACY, 0.001)

CASES = [
    pytest.param(
        PairedShares(2995, 2900, 0, 0),
        HoldoutReason.WITHIN_DELTA,
        "quality: accuracy 96.83 % on the target and 96.83 % on the source over 2,995 items, no difference;"
        " at most 0.1 points apart, 95 % sure, the limit is 0.1 %: passes",
        id="equal",
    ),
    pytest.param(
        PairedShares(2000, 1800, 120, 20),
        HoldoutReason.WORSE_THAN_SOURCE,
        "quality: accuracy 91 % on the target and 96 % on the source over 2,000 items, 5 points worse;"
        " at least 3.6 points apart, 99 % sure, the limit is 0.1 %: fails",
        id="five-points-worse",
    ),
    pytest.param(
        PairedShares(2000, 1800, 20, 120),
        HoldoutReason.BETTER_THAN_SOURCE,
        "quality: accuracy 96 % on the target and 91 % on the source over 2,000 items, 5 points better;"
        " at least 3.6 points apart, 99 % sure, the limit is 0.1 % either way: pauses, since a better"
        " target is another one",
        id="five-points-better",
    ),
    pytest.param(
        PairedShares(500, 450, 0, 0),
        HoldoutReason.TOO_FEW_ITEMS,
        "quality: accuracy 90 % on the target and 90 % on the source over 500 items, no difference;"
        " at most 0.6 points apart, 95 % sure; too few items to show 0.1 %: about 2,995 would",
        id="too-few",
    ),
    pytest.param(
        PairedShares(10, 1, 9, 0),
        HoldoutReason.TOO_FEW_ITEMS,
        "quality: accuracy 10 % on the target and 100 % on the source over 10 items, 90 points worse;"
        " at most 99.5 points apart, 95 % sure; too few items to show 0.1 %: about 50 would",
        id="far-too-few-to-fail",
    ),
    pytest.param(
        UnpairedShares(0.9, 1000, 0.9, 1000),
        HoldoutReason.TOO_FEW_ITEMS,
        "quality: accuracy 90 % on the target and 90 % on the source over 1,000 items, no difference;"
        " at most 2.2 points apart, 95 % sure; too few items to show 0.1 %: about 488,000 would",
        id="unpaired-needs-more",
    ),
    pytest.param(
        PairedShares(1000, 900, 6, 5),
        HoldoutReason.TOO_FEW_ITEMS,
        "quality: accuracy 90.5 % on the target and 90.6 % on the source over 1,000 items, 0.1 points worse;"
        " at most 0.72 points apart, 95 % sure; too few items to show 0.1 %: at this difference no number"
        " of them would, so set a larger maxDelta",
        id="exactly-at-the-limit",
    ),
    pytest.param(
        Undefined("there are no items"),
        HoldoutReason.UNDEFINED,
        "quality: accuracy is not defined: there are no items",
        id="undefined",
    ),
]


@pytest.mark.parametrize(("contrast", "reason", "sentence"), CASES)
def test_a_holdout_gate_says_what_was_seen_and_what_it_means(contrast, reason, sentence):
    told = judge_holdout(ACCURACY, contrast)
    assert (told.reason, told.message) == (reason, sentence)


def test_of_an_error_metric_more_is_worse_and_the_limit_is_a_share_of_the_sources():
    rng = np.random.default_rng(1)
    labels = rng.normal(size=4000)
    noise = rng.normal(size=4000)
    sums = paired.ErrorSums(power=1.0)
    for label, error in zip(labels, noise, strict=True):
        sums = sums.plus(label, label + error, label + 1.2 * error)
    contrast = sums.contrast()
    told = judge_holdout(HoldoutRule("prices", HoldoutMetric.MAE, 0.05), contrast)
    assert told.reason == HoldoutReason.WORSE_THAN_SOURCE
    assert "mean absolute error 0.9" in told.message
    assert "20 % more; at least 20 % apart" in told.message


@given(
    st.integers(50, 20_000),
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from([0.001, 0.01, 0.05]),
)
def test_as_many_items_as_are_named_bring_a_verdict(items, lost, won, limit):
    rule = HoldoutRule("quality", HoldoutMetric.ACCURACY, limit)
    lost, won = min(lost, items // 3), min(won, items // 3)
    contrast = PairedShares(items, items - lost - won, lost, won)
    told = judge_holdout(rule, contrast)
    if told.verdict is not Verdict.INCONCLUSIVE:
        return
    needed = items_needed(rule, contrast)
    if needed is None:
        assert abs(abs(contrast.difference) - limit) < 1e-4
        return
    assert needed > items
    assert judge_holdout(rule, contrast.scaled(needed)).verdict is not Verdict.INCONCLUSIVE


@given(st.integers(50, 20_000), st.integers(0, 40), st.integers(0, 40))
def test_the_sides_change_places_and_so_does_the_verdict(items, lost, won):
    lost, won = min(lost, items // 3), min(won, items // 3)
    one = judge_holdout(ACCURACY, PairedShares(items, 0, lost, won))
    other = judge_holdout(ACCURACY, PairedShares(items, 0, won, lost))
    assert one.verdict is other.verdict
    worse = {one.reason, other.reason} == {
        HoldoutReason.WORSE_THAN_SOURCE,
        HoldoutReason.BETTER_THAN_SOURCE,
    }
    assert worse or one.reason == other.reason


def test_equal_sides_fail_in_one_of_a_hundred_cases_at_most():
    rng = np.random.default_rng(2)
    failed = 0
    for _ in range(300):
        source, target = (rng.random(300) < 0.9 for _ in "st")
        told = judge_holdout(ACCURACY, paired.right_or_wrong(source, target))
        failed += told.verdict is Verdict.FAIL
    assert failed <= 8


def test_a_standard_error_from_elsewhere_is_used_as_it_is():
    contrast = Estimated(0.8, 0.7, -0.1, 0.01, items=500, degrees=998)
    told = judge_holdout(HoldoutRule("f1", HoldoutMetric.F1, 0.001), contrast)
    assert told.reason == HoldoutReason.WORSE_THAN_SOURCE
