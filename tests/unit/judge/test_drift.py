"""What a drift gate's rule says, in words and numbers; cells; freezing."""

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from cutover.api.drift import DriftMethod
from cutover.api.evidence import MAX_CELLS
from cutover.api.verdict import Verdict
from cutover.judge.distribution import (
    MOST_CELLS,
    Classes,
    Ordered,
    Unordered,
    of_buckets,
    of_classes,
    of_labels,
    of_numbers,
)
from cutover.judge.drift import (
    DriftReason,
    DriftRule,
    judge_drift,
    judge_labels,
    judge_mix,
    judge_numbers,
)
from cutover.judge.freezing import OTHERS, folded, frozen_cells, thawed
from cutover.judge.histogram import Buckets

LENGTH = DriftRule("output-length", "OutputTokens", DriftMethod.PSI, 0.2)
ENDS = DriftRule("ends", "FinishReason", DriftMethod.TV, 0.05)


def lengths(*counts: float) -> Buckets:
    edges = (10.0, 20.0, 50.0, 100.0, inf)
    return Buckets(edges, tuple(float(one) for one in np.cumsum(counts)))


def paired(source: Buckets, target: Buckets) -> Ordered:
    found = of_buckets(source, target)
    assert found is not None
    return found


# --- the rule -----------------------------------------------------------------------------------


def test_equal_sides_pass() -> None:
    pair = paired(lengths(900, 900, 900, 900, 400), lengths(90, 90, 90, 90, 40))
    found = judge_drift(LENGTH, pair)
    assert (found.verdict, found.reason) == (Verdict.PASS, "WithinLimit")
    assert (found.source_count, found.target_count) == (4000, 400)
    assert found.message == (
        "output-length: PSI of OutputTokens is 0 between 4,000 source and 400 target requests;"
        " the limit is 0.2: passes"
    )


def test_far_and_no_chance_fails() -> None:
    found = judge_drift(
        LENGTH, paired(lengths(900, 900, 900, 900, 400), lengths(20, 50, 90, 140, 100))
    )
    assert (found.verdict, found.reason, found.pauses) == (Verdict.FAIL, "Drifted", False)
    assert found.value is not None
    assert found.value > 0.2 == found.bound
    assert found.message.endswith("the limit is 0.2 and it is no chance (p < 0.0001): fails")


def test_against_an_old_distribution_a_fail_pauses() -> None:
    pair = paired(lengths(900, 900, 900, 900, 400), lengths(20, 50, 90, 140, 100))
    found = judge_drift(LENGTH, pair, frozen=True)
    assert (found.verdict, found.reason, found.pauses) == (
        Verdict.FAIL,
        "DriftedFromReference",
        True,
    )
    assert "4,000 of the source's last" in found.message
    assert "pauses" in found.message


def test_certain_and_small_passes() -> None:
    found = judge_drift(
        LENGTH, paired(lengths(2e6, 2e6, 2e6, 2e6, 1e6), lengths(2e6, 2e6, 2e6, 2e6, 1.2e6))
    )
    assert found.verdict is Verdict.PASS


def test_far_but_on_few_requests_is_no_fail() -> None:
    found = judge_drift(LENGTH, paired(lengths(90, 90, 90, 90, 40), lengths(1, 2, 5, 9, 9)))
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "TooFewRequests")
    assert found.value is not None
    assert found.value > 0.2
    assert found.requests_missing is not None
    grown = (found.requests_missing + 26) / 26
    again = judge_drift(
        LENGTH,
        paired(
            lengths(*(one * grown for one in (90, 90, 90, 90, 40))),
            lengths(*(one * grown for one in (1, 2, 5, 9, 9))),
        ),
    )
    assert again.reason != "TooFewRequests" or (again.requests_missing or 0) < 60


def test_a_side_without_requests_is_waited_for() -> None:
    found = judge_drift(LENGTH, paired(lengths(90, 90, 90, 90, 40), lengths(0, 0, 0, 0, 0)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the target has no requests" in found.message


def test_a_frozen_side_that_is_too_small_will_never_do() -> None:
    pair = paired(lengths(10, 10, 10, 10, 10), lengths(1e4, 1e4, 1e4, 1e4, 1e4))
    found = judge_drift(LENGTH, pair, frozen=True)
    assert found.reason == "TooFewRequests"
    assert found.requests_missing is None


def test_one_more_way_to_end_is_seen() -> None:
    source = Classes({"stop": 1900.0, "length": 100.0, "abort": 0.0})
    target = Classes({"stop": 1700.0, "length": 300.0, "abort": 0.0})
    found = judge_drift(ENDS, of_classes(source, target))
    assert found.verdict is Verdict.FAIL
    assert found.value == pytest.approx(0.1)


def test_classes_refuse_what_needs_an_order() -> None:
    pair = of_classes(Classes({"a": 9.0, "b": 9.0}), Classes({"a": 9.0, "b": 9.0}))
    for method in (DriftMethod.KS, DriftMethod.WASSERSTEIN):
        with pytest.raises(TypeError, match="classes have no order"):
            judge_drift(DriftRule("x", "y", method, 0.1), pair)


def test_wasserstein_tells_what_lies_above_the_last_edge() -> None:
    rule = DriftRule("length", "OutputTokens", DriftMethod.WASSERSTEIN, 0.2)
    found = judge_drift(rule, paired(lengths(900, 900, 900, 900, 400), lengths(90, 90, 90, 90, 40)))
    assert "10 % lie above the last bucket edge" in found.message.replace("10.0", "10")


# --- raw samples --------------------------------------------------------------------------------


def test_raw_scores_and_labels_are_judged() -> None:
    random = np.random.default_rng(1)
    rule = DriftRule("score", "score", DriftMethod.KS, 0.1, unit="answers")
    same = judge_numbers(rule, random.normal(size=2000), random.normal(size=2000))
    other = judge_numbers(rule, random.normal(size=2000), list(random.normal(0.5, size=2000)))
    assert (same.verdict, other.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert "2,000 source and 2,000 target answers" in same.message
    labels = DriftRule("labels", "label", DriftMethod.CHI_SQUARE, 0.1, unit="answers")
    found = judge_labels(labels, ["cat", "dog"] * 500, ["cat", "cat", "dog", 3] * 250)
    assert found.verdict is Verdict.FAIL


def test_labels_in_arrays_are_the_labels_they_hold() -> None:
    random = np.random.default_rng(2)
    for labels in (
        random.integers(-3, 9, 500),
        random.integers(0, 10**9, 50),
        random.normal(size=9),
    ):
        pair, same = of_labels(labels, labels[:7]), of_labels(labels.tolist(), labels[:7].tolist())
        assert sorted(zip(pair.source, pair.target, strict=True)) == sorted(
            zip(same.source, same.target, strict=True)
        )


def test_a_missing_number_is_refused() -> None:
    with pytest.raises(ValueError, match="leave out what is missing"):
        of_numbers([1.0, float("nan")], [1.0])


def test_many_equal_numbers_are_one_cell() -> None:
    pair = of_numbers(np.ones(15_000), np.ones(15_000))
    assert len(pair.source) == 1
    assert judge_drift(LENGTH, pair).verdict is Verdict.PASS


# --- cells --------------------------------------------------------------------------------------

SIDES = some.lists(
    some.tuples(some.integers(0, 300), some.integers(0, 300)), min_size=1, max_size=60
)


@settings(deadline=None, max_examples=50)
@given(SIDES)
def test_merged_cells_hold_everything_and_enough(rows: list[tuple[int, int]]) -> None:
    source, target = (np.array([float(row[k]) for row in rows]) for k in (0, 1))
    for pair in (Ordered(source, target, np.arange(len(rows) + 1.0)), Unordered(source, target)):
        merged = pair.tested()
        assert merged.sizes == pytest.approx(pair.sizes)
        n, m = pair.sizes
        if len(merged.source) > 1:
            pooled = (merged.source + merged.target) / (n + m)
            assert (pooled * min(n, m) >= 5 - 1e-9).all()
        if isinstance(pair, Ordered):
            assert len(merged.source) <= MOST_CELLS


def test_edges_that_one_side_lacks_are_left_out() -> None:
    source = Buckets((1.0, 2.0, 4.0, inf), (10.0, 20.0, 30.0, 40.0))
    target = Buckets((2.0, 3.0, 4.0, inf), (1.0, 2.0, 3.0, 4.0))
    pair = paired(source, target)
    assert pair.source.tolist() == [20, 10, 10]
    assert pair.target.tolist() == [1, 2, 1]
    assert of_buckets(Buckets((1.0, inf), (1.0, 2.0)), Buckets((2.0, inf), (1.0, 2.0))) is None


def test_a_class_that_one_side_lacks_is_none_there() -> None:
    pair = of_classes(Classes({"a": 1.0}), Classes({"b": 2.0}))
    assert (pair.source.tolist(), pair.target.tolist()) == ([1, 0], [0, 2])
    assert of_labels(["a"], ["b", "b"]).target.tolist() == [0, 2]


# --- the input mix ------------------------------------------------------------------------------


def test_other_prompts_are_told_from_like_ones() -> None:
    like = judge_mix(lengths(900, 900, 900, 900, 400), lengths(91, 88, 93, 90, 38))
    other = judge_mix(lengths(900, 900, 900, 900, 400), lengths(20, 50, 90, 140, 100))
    few = judge_mix(lengths(900, 900, 900, 900, 400), lengths(2, 3, 1, 1, 1))
    assert [one.verdict for one in (like, other, few)] == [
        Verdict.PASS,
        Verdict.FAIL,
        Verdict.INCONCLUSIVE,
    ]
    assert "PSI of PromptTokens" in other.message


# --- freezing -----------------------------------------------------------------------------------


@given(some.lists(some.integers(0, 10_000), min_size=2, max_size=120))
def test_a_frozen_histogram_is_small_and_keeps_its_counts(counts: list[int]) -> None:
    edges = (*(float(one) for one in range(len(counts) - 1)), inf)
    found = Buckets(edges, tuple(float(one) for one in np.cumsum(counts)))
    kept, classes, cells = frozen_cells(found)
    assert not classes
    assert len(kept) <= MAX_CELLS
    again = thawed(kept, classes, cells)
    assert isinstance(again, Buckets)
    assert again.total == pytest.approx(found.total)
    for edge, count in zip(again.edges, again.cumulative, strict=True):
        assert count == found.cumulative[found.edges.index(edge)]


def test_frozen_classes_keep_the_most_frequent_and_fold_the_rest() -> None:
    found = Classes({f"c{one}": float(one) for one in range(60)} | {"x" * 200: 1000.0})
    edges, names, counts = frozen_cells(found)
    assert (edges, len(names), len(counts)) == ([], MAX_CELLS, MAX_CELLS + 1)
    again = thawed(edges, names, counts)
    assert isinstance(again, Classes)
    assert again.total == pytest.approx(found.total)
    same = folded(found, again)
    assert dict(same.counts) == dict(again.counts)
    assert folded(Classes({"new": 3.0}), again).counts[OTHERS] == 3.0
    assert thawed([1.0], [], [1.0]) is None


def test_reasons_are_a_closed_list() -> None:
    assert {str(one) for one in DriftReason} == {
        "WithinLimit",
        "Drifted",
        "DriftedFromReference",
        "TooFewRequests",
        "TooSoon",
        "ReportedOnly",
        "InputMixDiffers",
    }
