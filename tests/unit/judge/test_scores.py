"""Accuracy, F1, MAE, RMSE and AUROC are scikit-learn's, also where that one warns."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from cutover.api.holdout import Average
from cutover.judge.scores import (
    F1,
    accuracy,
    auroc,
    f1,
    mean_absolute_error,
    root_mean_squared_error,
)

CLASSES = st.sampled_from(["cat", "dog", "1", "", "ж"])
PAIRS = st.lists(st.tuples(CLASSES, CLASSES), min_size=1, max_size=40)
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
WORDS = {
    Average.MACRO: "macro",
    Average.MICRO: "micro",
    Average.WEIGHTED: "weighted",
}


@given(PAIRS)
def test_accuracy_is_scikit_learns(pairs):
    labels, answers = map(list, zip(*pairs, strict=True))
    assert accuracy(labels, answers) == pytest.approx(metrics.accuracy_score(labels, answers))


@given(PAIRS, st.sampled_from(sorted(WORDS)))
def test_f1_over_classes_is_scikit_learns(pairs, average):
    labels, answers = map(list, zip(*pairs, strict=True))
    theirs = metrics.f1_score(labels, answers, average=WORDS[average], zero_division=0)
    assert f1(labels, answers, average) == pytest.approx(theirs, abs=1e-12)


@given(st.lists(st.tuples(*[st.sampled_from(["yes", "no"])] * 2), min_size=1, max_size=30))
def test_f1_of_one_class_is_scikit_learns(pairs):
    labels, answers = map(list, zip(*pairs, strict=True))
    ours = f1(labels, answers, Average.BINARY, "yes")
    if "yes" not in labels + answers:
        assert ours is None, "no positive anywhere: scikit-learn warns and says 0"
        return
    theirs = metrics.f1_score(
        [a == "yes" for a in labels], [a == "yes" for a in answers], zero_division=0
    )
    assert ours == pytest.approx(theirs, abs=1e-12)


@given(PAIRS.filter(lambda pairs: len(pairs) > 1), st.sampled_from(sorted(Average)), st.data())
def test_leaving_an_item_out_is_scoring_the_others(pairs, average, data):
    labels = [label for label, _ in pairs]
    at = data.draw(st.integers(0, len(pairs) - 1))
    scored = F1(average, "cat").over({p: pairs.count(p) for p in set(pairs)})
    rest = [p for i, p in enumerate(pairs) if i != at]
    expected = f1([a for a, _ in rest], [b for _, b in rest], average, "cat")
    assert scored.changed(without=pairs[at]) == (
        None if expected is None else pytest.approx(expected, abs=1e-9)
    )
    other = data.draw(CLASSES)
    swapped = [*rest, (labels[at], other)]
    expected = f1([a for a, _ in swapped], [b for _, b in swapped], average, "cat")
    changed = scored.changed(without=pairs[at], instead=(labels[at], other))
    assert changed == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=40))
def test_errors_in_numbers_are_scikit_learns(pairs):
    labels, answers = (np.array(side) for side in zip(*pairs, strict=True))
    mae, rmse = mean_absolute_error(labels, answers), root_mean_squared_error(labels, answers)
    assert mae == pytest.approx(metrics.mean_absolute_error(labels, answers), rel=1e-9)
    assert rmse == pytest.approx(metrics.root_mean_squared_error(labels, answers), rel=1e-9)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.1000001, 0.5, 0.5, 1.0])),
        min_size=1,
        max_size=40,
    )
)
def test_auroc_is_scikit_learns_with_ties(pairs):
    positive, scores = (np.array(side) for side in zip(*pairs, strict=True))
    ours = auroc(positive, scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = metrics.roc_auc_score(positive, scores)
    if np.isnan(theirs):
        assert ours is None, "labels of one class"
    else:
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_nothing_is_no_number():
    nothing = np.empty(0)
    assert accuracy([], []) is None
    assert f1([], [], Average.MACRO) is None
    assert mean_absolute_error(nothing, nothing) is None
    assert root_mean_squared_error(nothing, nothing) is None
    assert auroc(np.empty(0, dtype=bool), nothing) is None


def test_sides_of_different_length_are_a_fault():
    with pytest.raises(ValueError, match="shorter"):
        accuracy(["a", "b"], ["a"])
