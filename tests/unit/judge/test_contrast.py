"""Intervals of a difference: against published examples, independent computations and enumeration."""

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import xlogy
from sklearn.metrics import f1_score, roc_auc_score

from cutover.api.holdout import Average
from cutover.judge import paired
from cutover.judge.contrast import (
    Estimated,
    Interval,
    PairedShares,
    UnpairedShares,
    fewest_items,
)
from cutover.judge.scores import F1


def test_tangos_interval_of_a_published_example():
    """Bentur et al. (2009), 1, 1, 7, 12 of 21, in Fagerland, Lydersen and Laake (2014), Stat Med 33:2850.

    Their Tango interval of the difference: -0.517 to -0.026.
    """
    shares = PairedShares(21, both=1, only_source=7, only_target=1)
    assert shares.difference == pytest.approx(-0.286, abs=5e-4)
    found = shares.interval(0.025)
    assert found.low == pytest.approx(-0.517, abs=5e-4)
    assert found.high == pytest.approx(-0.026, abs=5e-4)


def _score_by_search(n: int, b: int, c: int, d: float) -> float:
    """The statistic with its nuisance parameter maximised numerically instead of in closed form."""
    grid = np.linspace(max(0.0, -d), (1 - d) / 2, 200_001)[1:-1]
    p10 = grid + d
    keep = (p10 > 0) & (grid > 0) & (p10 + grid < 1)
    grid, p10 = grid[keep], p10[keep]
    loglik = xlogy(b, p10) + xlogy(c, grid) + (n - b - c) * np.log1p(-p10 - grid)
    q = grid[np.argmax(loglik)]
    return float((b - c - n * d) / np.sqrt(n * (2 * q + d * (1 - d))))


@pytest.mark.parametrize(
    ("n", "b", "c", "d"),
    [(200, 14, 9, 0.05), (200, 14, 9, -0.02), (1000, 3, 8, 0.001), (1000, 30, 2, 0.01)],
)
def test_the_score_statistic_is_at_the_constrained_maximum(n, b, c, d):
    shares = PairedShares(n, both=n - b - c, only_source=c, only_target=b)
    assert shares._score(d) == pytest.approx(_score_by_search(n, b, c, d), abs=2e-3)


@pytest.mark.parametrize("items", [500, 2994, 2995, 4000, 20_000])
@pytest.mark.parametrize("disagree", [0.0, 1e-5, 1e-4, 1e-3, 1e-2])
def test_equal_sides_are_shown_falsely_in_one_of_twenty_cases_at_most(items, disagree):
    """Enumerated: the target is worse by exactly the limit, both discordant counts Poisson."""
    limit = 0.001
    lost = stats.poisson(items * (disagree + limit))
    won = stats.poisson(items * disagree)
    falsely = 0.0
    for c in range(int(won.ppf(1e-6)), int(won.ppf(1 - 1e-6)) + 1):
        worst = -1
        for b in range(int(lost.ppf(1 - 1e-6)) + 1):  # the interval only moves down with b
            shares = PairedShares(items, 0, only_source=b, only_target=c)
            z = shares._score(-limit)
            exact_ok = c > 0 or (b == 0 and 1 - 0.05 ** (1 / items) <= limit)
            if z <= 1.6448536:
                break
            if exact_ok or shares.interval(0.05).low >= -limit:
                worst = b
        falsely += won.pmf(c) * (lost.cdf(worst) if worst >= 0 else 0.0)
    assert falsely <= 0.0525


def test_no_difference_in_2995_items_shows_a_tenth_of_a_percent():
    """Reference figure: 1 − .05^(1/n) ≤ .001 from n = 2,995 on."""
    assert log(0.05) / log(0.999) == pytest.approx(2994.2, abs=0.1)
    shares = PairedShares(500, both=460, only_source=0, only_target=0)
    assert fewest_items(shares, lambda one: one.inside(0.001), 0.05) == 2995


def test_the_numbers_of_items_that_the_documentation_names():
    def needed(contrast):
        return fewest_items(contrast, lambda one: one.inside(0.001), 0.05)

    assert needed(PairedShares(1000, both=990, only_source=5, only_target=5)) == 27_318
    assert needed(UnpairedShares(0.9, 1000, 0.9, 1000)) == 487_005


def test_newcombes_interval_of_his_example():
    """Newcombe (1998), Statistics in Medicine 17:873, table II (a), method 10: 56/70 − 48/80."""
    shares = UnpairedShares(48 / 80, 80, 56 / 70, 70)
    found = shares.interval(0.025)
    assert found.low == pytest.approx(0.0524, abs=1e-4)
    assert found.high == pytest.approx(0.3339, abs=1e-4)


LABELS = st.sampled_from(["a", "b", "c"])


@settings(max_examples=8)
@given(
    st.lists(st.tuples(LABELS, LABELS, LABELS), min_size=12, max_size=16),
    st.sampled_from(["macro", "micro", "weighted"]),
)
def test_the_standard_error_of_f1_is_the_jackknifes(items, average):
    labels, source, target = map(list, zip(*items, strict=True))
    found = paired.f1(F1(Average(average.capitalize())), labels, source, target)

    def difference(at):
        keep = [i for i in range(len(labels)) if i != at]
        return np.subtract(
            *(
                f1_score(
                    [labels[i] for i in keep],
                    [side[i] for i in keep],
                    average=average,
                    zero_division=0,
                )
                for side in (target, source)
            )
        )

    n = len(labels)
    left_out = np.array([difference(i) for i in range(n)])
    expected = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    assert isinstance(found, Estimated)
    assert found.difference == pytest.approx(difference(None), abs=1e-9)
    assert found.standard_error == pytest.approx(expected, abs=1e-9)


def defined(found) -> Estimated:
    assert isinstance(found, Estimated)
    return found


def error_contrast(labels, source, target, *, rmse) -> Estimated:
    sums = paired.ErrorSums(0.5 if rmse else 1.0)
    for label, mine, other in zip(labels, source, target, strict=True):
        sums = sums.plus(float(label), float(mine), float(other))
    return defined(sums.contrast())


@pytest.mark.parametrize("rmse", [False, True])
def test_the_standard_error_of_an_error_metric_is_near_the_jackknifes(rmse):
    rng = np.random.default_rng(3)
    n = 2000
    labels = rng.normal(size=n)
    source, target = labels + rng.normal(size=n), labels + 1.1 * rng.normal(size=n)
    found = error_contrast(labels, source, target, rmse=rmse)

    def error(answers, keep):
        apart = np.abs(answers[keep] - labels[keep])
        return np.sqrt((apart**2).mean()) if rmse else apart.mean()

    def relative(at):
        keep = np.arange(n) != at
        return error(target, keep) / error(source, keep) - 1

    left_out = np.array([relative(i) for i in range(n)])
    expected = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    assert found.source == pytest.approx(error(source, np.arange(n) >= 0))
    assert found.difference == pytest.approx(relative(-1))
    assert found.standard_error == pytest.approx(expected, rel=0.01)


def test_the_standard_error_of_auroc_is_delongs():
    """Against DeLong's covariance from the kernel written out: S10/m + S01/n of both sides' difference."""
    rng = np.random.default_rng(5)
    positive = rng.random(80) < 0.4
    source = np.round(rng.normal(size=80) + positive, 1)
    target = np.round(source + 0.5 * rng.normal(size=80), 1)
    found = defined(paired.auroc(positive, source, target))

    def kernel(scores):
        x, y = scores[positive][:, None], scores[~positive][None, :]
        return (x > y) + 0.5 * (x == y)

    apart = kernel(target) - kernel(source)
    variance = apart.mean(1).var(ddof=1) / positive.sum()
    variance += apart.mean(0).var(ddof=1) / (~positive).sum()
    assert found.source == pytest.approx(roc_auc_score(positive, source))
    assert found.target == pytest.approx(roc_auc_score(positive, target))
    assert found.standard_error == pytest.approx(np.sqrt(variance))


@pytest.mark.parametrize("metric", ["f1", "mae", "auroc"])
def test_answers_that_are_all_equal_prove_no_more_than_their_number(metric):
    """A spread of nothing is no proof: what the next item might do is bounded instead."""
    rng = np.random.default_rng(7)

    def contrast(n: int) -> Estimated:
        if metric == "f1":
            classes = list(rng.choice(["a", "b"], n))
            return defined(paired.f1(F1(Average.MACRO), classes, classes, classes))
        labels = rng.normal(size=n)
        answers = labels + rng.normal(size=n)
        if metric == "mae":
            return error_contrast(labels, answers, answers, rmse=False)
        return defined(paired.auroc(labels > 0, answers, answers))

    few, many = contrast(100).interval(0.05), contrast(10_000).interval(0.05)
    assert few.farthest > 0.02
    assert many.farthest < few.farthest / 20


@pytest.mark.parametrize("metric", ["f1", "mae", "rmse", "auroc"])
def test_intervals_hold_the_truth_as_often_as_they_say(metric):
    """Simulated, 400 sets of 400 items: each end misses at most about 1 in 20."""
    rng = np.random.default_rng(11)
    missed = 0
    for _ in range(400):
        found = _equal_sides(metric, rng)
        interval = found.interval(0.05)
        missed += not interval.low <= 0 <= interval.high
    assert missed <= 60  # 40 are meant; 60 is more than three standard errors above


def _equal_sides(metric, rng) -> Estimated:
    """Both sides have the same law, so the true difference is 0."""
    n = 400
    if metric == "f1":
        classes = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
        source, target = (
            np.where(rng.random(n) < 0.2, rng.choice(["a", "b", "c"], n), classes) for _ in "st"
        )
        return defined(paired.f1(F1(Average.MACRO), list(classes), list(source), list(target)))
    labels = rng.normal(size=n)
    shared = rng.normal(size=n)
    source, target = (labels + shared + 0.5 * rng.normal(size=n) for _ in "st")
    if metric == "auroc":
        return defined(paired.auroc(labels > 0.5, source, target))
    return error_contrast(labels, source, target, rmse=metric == "rmse")


def test_inside_and_outside_are_strict_opposites_only_at_the_edge():
    assert Interval(-0.001, 0.0005).inside(0.001)
    assert not Interval(-0.001, 0.0011).inside(0.001)
    assert Interval(0.0011, 0.5).outside(0.001)
    assert Interval(-0.5, -0.0011).outside(0.001)
    assert not Interval(-0.5, 0.5).outside(0.001)
