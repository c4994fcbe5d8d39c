"""The statistics against scipy, hand-computed values and simulation."""

from math import inf, isclose, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from cutover.judge.evidence import Count
from cutover.judge.proportions import (
    boundary,
    information,
    log_e_above,
    log_e_below,
    mixture_variance,
    z_difference,
    z_ratio,
)


def log_likelihood(count: Count, share: float) -> float:
    value = 0.0
    if count.bad:
        value += count.bad * log(share) if share > 0 else -inf
    if count.total > count.bad:
        value += (count.total - count.bad) * log(1 - share) if share < 1 else -inf
    return value


def reference_z(source: Count, target: Count, margin: float, ratio: float) -> float:
    """Maximise the likelihood under t = ratio·s + margin by search."""

    def loss(s: float) -> float:
        return -log_likelihood(source, s) - log_likelihood(target, ratio * s + margin)

    low, high = max(0.0, -margin / ratio), min(1.0, (1 - margin) / ratio)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    best = min(found.fun, loss(low), loss(high))
    free = log_likelihood(source, source.share) + log_likelihood(target, target.share)
    sign = 1 if target.share > ratio * source.share + margin else -1
    return sign * sqrt(max(0.0, 2 * (free + best)))


counts = st.tuples(st.integers(1, 20000), st.floats(0, 1)).map(
    lambda pair: Count(pair[0], round(pair[0] * pair[1]))
)


@settings(max_examples=60)
@given(counts, counts, st.floats(0.001, 0.5))
def test_z_of_a_difference_is_the_constrained_maximum_likelihood(source, target, margin):
    expected = reference_z(source, target, margin, 1.0)
    assert z_difference(source, target, margin) == pytest.approx(expected, abs=2e-3, rel=1e-4)


@settings(max_examples=60)
@given(counts, counts, st.floats(1.0, 8.0))
def test_z_of_a_ratio_is_the_constrained_maximum_likelihood(source, target, ratio):
    expected = reference_z(source, target, 0.0, ratio)
    assert z_ratio(source, target, ratio) == pytest.approx(expected, abs=2e-3, rel=1e-4)


@pytest.mark.parametrize(
    ("source", "target", "margin", "z"),
    [
        # By bisection of the score: s̃ = .0134073, t̃ = .0384073.
        pytest.param(Count(1000, 20), Count(1000, 20), 0.025, -3.7310, id="equal-is-well-below"),
        pytest.param(Count(9000, 270), Count(1000, 55), 0.025, 0.0, id="on-the-margin"),
        # By hand: √(−2·100·ln .975), and √(−2·900·ln .975).
        pytest.param(Count(900, 0), Count(100, 0), 0.025, -2.2502, id="no-bad-on-either-side"),
        pytest.param(Count(900, 900), Count(100, 100), 0.025, -6.7506, id="all-bad"),
    ],
)
def test_z_of_known_counts(source, target, margin, z):
    assert z_difference(source, target, margin) == pytest.approx(z, abs=2e-3)


def test_equal_shares_have_no_z():
    assert z_difference(Count(100, 5), Count(1000, 50), 0.0) == pytest.approx(0, abs=1e-6)
    assert z_ratio(Count(100, 5), Count(1000, 50), 1.0) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("empty", [Count(0), Count(0, 0)])
def test_an_empty_side_says_nothing(empty):
    assert z_difference(empty, Count(100, 50), 0.025) == 0
    assert z_difference(Count(100, 50), empty, 0.025) == 0
    assert z_ratio(empty, Count(100, 50), 2) == 0


@given(counts, counts)
def test_swapping_the_sides_turns_z_around(a, b):
    assert z_difference(a, b, 0.0) == pytest.approx(-z_difference(b, a, 0.0), abs=1e-5)


@given(counts, counts, st.floats(1.5, 50))
def test_z_grows_with_the_root_of_the_evidence(source, target, factor):
    z = z_difference(source, target, 0.025)
    more = z_difference(source.over(1 / factor), target.over(1 / factor), 0.025)
    assert more == pytest.approx(z * sqrt(factor), rel=1e-6, abs=1e-4)


def test_boundary_by_hand():
    # α = .01: −2 ln .02 = 7.8240; ρ = 300/(7.8240 + ln 8.8240) = 300/10.0015 = 29.9955
    assert mixture_variance(0.01) == pytest.approx(29.9955, abs=1e-3)
    # h = 300: √(329.9955/300 · ln(329.9955/(4·29.9955·1e-4))) = √(1.099985 · 10.2220)
    assert boundary(0.01, 300) == pytest.approx(3.3532, abs=1e-3)
    assert boundary(0.05, 300) == pytest.approx(
        sqrt((347.4 / 300) * log(347.4 / (4 * 47.4 * 0.0025))), rel=1e-3
    )
    assert boundary(0.01, 0) == inf


def test_boundary_is_lowest_where_it_is_tuned_and_never_below_the_fixed_sample_one():
    assert information(900, 100) == pytest.approx(90)
    for alpha, fixed in ((0.05, 1.645), (0.01, 2.326), (0.001, 3.090)):
        assert all(boundary(alpha, h) > fixed for h in (1, 10, 100, 1e3, 1e4, 1e6))
    # In raw units (difference = c/√h) the bound at h = 300 is that of no other ρ.
    c = boundary(0.01, 300)
    for rho in (15, 60):
        assert c <= sqrt((300 + rho) / 300 * log((300 + rho) / (4 * rho * 1e-4)))


@pytest.mark.parametrize("bound", [0.001, 0.01, 0.05, 0.4])
@pytest.mark.parametrize("log_e", [log_e_above, log_e_below])
def test_the_e_process_expects_one_under_its_null(log_e, bound):
    n = 200
    total = sum(
        float(binom.pmf(x, n, bound)) * np.exp(log_e(Count(n, x), bound)) for x in range(n + 1)
    )
    assert total == pytest.approx(1.0, abs=1e-6)


def test_the_e_process_by_hand():
    # No failure in n = 100 against 4 %: each ratio is (1 + .04(1/θ − 1))⁻¹⁰⁰.
    odds = (1.15, 1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0)
    by_hand = log(sum((1 + 0.04 * (1 / one - 1)) ** -100 for one in odds) / 8)
    assert log_e_below(Count(100, 0), 0.04) == pytest.approx(by_hand)
    assert log_e_above(Count(100, 0), 0.04) < 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(log_e_above(Count(10, 1), 0.0), inf, id="anything-is-above-nothing"),
        pytest.param(log_e_above(Count(10, 0), 0.0), -inf, id="nothing-is-not-above-nothing"),
        pytest.param(log_e_above(Count(10, 10), 1.0), -inf, id="nothing-is-above-all"),
        pytest.param(log_e_below(Count(10, 10), 1.0), inf, id="slack-made-the-limit-all"),
        pytest.param(log_e_below(Count(10, 0), 0.0), -inf, id="nothing-is-below-nothing"),
    ],
)
def test_the_e_process_at_the_ends(value, expected):
    assert value == expected


@given(st.integers(1, 10**6), st.floats(0.0001, 0.9999), st.floats(0, 1))
def test_the_e_process_is_finite_and_never_proves_both(n, bound, share):
    count = Count(n, round(n * share))
    above, below = log_e_above(count, bound), log_e_below(count, bound)
    assert all(abs(value) < inf for value in (above, below))
    assert not (above > log(20) and below > log(20))


def test_looking_often_does_not_inflate_false_alarms():
    """300 runs of 60 looks on the null's edge; at α .05 a fixed-sample test would alarm in some 30 %."""
    rng = np.random.default_rng(7)
    alarms = {"z": 0, "ratio": 0, "above": 0, "below": 0, "naive": 0}
    for _ in range(300):
        source = np.cumsum(rng.binomial(450, 0.03, 60))
        target = np.cumsum(rng.binomial(50, 0.055, 60))
        double = np.cumsum(rng.binomial(50, 0.06, 60))
        seen = dict.fromkeys(alarms, False)
        for i in range(60):
            s, t = Count(450 * (i + 1), int(source[i])), Count(50 * (i + 1), int(target[i]))
            d = Count(t.total, int(double[i]))
            c = boundary(0.05, information(s.total, t.total))
            z = z_difference(s, t, 0.025)
            seen["z"] |= z > c
            seen["naive"] |= z > 1.645
            seen["ratio"] |= z_ratio(s, d, 2.0) > c
            seen["above"] |= log_e_above(t, 0.055) > log(20)
            seen["below"] |= log_e_below(t, 0.055) > log(20)
        for name, alarm in seen.items():
            alarms[name] += alarm
    naive = alarms.pop("naive")
    assert naive > 50
    assert all(number <= 300 * 0.05 for number in alarms.values()), alarms


def test_a_fraction_of_a_request_is_no_trouble():
    assert isclose(z_difference(Count(10.7, 0.3), Count(3.2, 0.1), 0.025), -0.4, abs_tol=0.4)
