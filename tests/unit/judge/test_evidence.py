"""Running sums: what is kept, the correlation within looks, and the way through the status."""

import json
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.judge.evidence import (
    Count,
    Evidence,
    Reference,
    SideSums,
    accumulate,
    correlation,
    design_effect,
    freeze,
    pooled,
)

totals = st.floats(0, 1e5)
looks = st.lists(
    st.tuples(totals, st.floats(0, 1), totals, st.floats(0, 1)), min_size=1, max_size=20
)


def gathered(rows, reference=None) -> Evidence:
    evidence = Evidence.EMPTY
    for n_s, p_s, n_t, p_t in rows:
        evidence = accumulate(evidence, Count(n_s, n_s * p_s), Count(n_t, n_t * p_t), reference)
    return evidence


@pytest.mark.parametrize("bad", [(nan, 0), (1, nan), (inf, 0), (-1, 0), (10, -1)])
def test_what_is_not_a_number_seen_is_no_count(bad):
    with pytest.raises(ValueError, match="finite numbers from 0 up"):
        Count(*bad)


def test_sums_by_hand():
    evidence = gathered([(90, 0.1, 10, 0.2), (110, 0.0, 10, 0.5)])
    assert evidence.source == SideSums(200, 9, 2, 90**2 + 110**2, 9 * 9 / 90)
    assert evidence.target == SideSums(20, 7, 2, 200, 2 * 2 / 10 + 5 * 5 / 10)
    # s is 10 % at the first look and 9 of 200 at the second.
    first, second = 2 - 1.0, 5 - 10 * 9 / 200
    assert evidence.excess == pytest.approx(first + second)
    assert evidence.excess_squared == pytest.approx(first**2 + second**2)
    assert evidence.spread == pytest.approx((first + second) ** 2 / (first**2 + second**2))


def test_excess_is_counted_against_the_reference_where_there_is_one():
    evidence = accumulate(Evidence.EMPTY, Count(100, 90), Count(100, 10), Reference(0.02, 5000))
    assert evidence.excess == pytest.approx(8)


def test_a_look_without_requests_is_no_look():
    assert accumulate(Evidence.EMPTY, Count(0), Count(0)) == Evidence.EMPTY


def test_rounding_is_no_request():
    assert SideSums().add(Count(1e-12, 1e-12)) == SideSums()
    assert SideSums().add(Count(10, 1e-12)) == SideSums(10, 0, 1, 100, 0)


def test_more_bad_than_requests_is_scrape_skew():
    assert SideSums().add(Count(10, 11)).bad == 10


@given(looks)
def test_the_status_keeps_evidence_exactly(rows):
    evidence = gathered(rows)
    numbers = json.loads(json.dumps(evidence.numbers()))
    assert len(numbers) == 12
    assert Evidence.from_numbers(numbers) == evidence


@pytest.mark.parametrize("numbers", [[], [0.0] * 11, [0.0] * 11 + [nan], [0.0] * 11 + [-1.0]])
def test_a_broken_status_is_not_taken_for_evidence(numbers):
    with pytest.raises(ValueError, match="twelve"):
        Evidence.from_numbers(numbers)


@given(looks)
def test_correlation_is_a_share_and_no_correction_makes_evidence_larger(rows):
    evidence = gathered(rows)
    r = correlation(evidence.source, evidence.target)
    assert 0 <= r <= 1
    for side in (evidence.source, evidence.target):
        assert design_effect(side.look_size, r) >= 1
        assert side.count.over(design_effect(side.look_size, r)).share == pytest.approx(
            side.count.share
        )


@given(looks)
def test_the_spread_is_at_most_the_number_of_looks(rows):
    evidence = gathered(rows)
    assert 0 <= evidence.spread <= len(rows) * (1 + 1e-9)


def test_correlation_against_the_anova_table():
    """Ten looks of 50: r = (MSB − MSW) / (MSB + 49·MSW) from the 0/1 data themselves."""
    bad = [0, 0, 1, 0, 20, 0, 0, 2, 0, 7]
    data = np.array([[1] * x + [0] * (50 - x) for x in bad], float)
    msb = 50 * data.mean(1).var(ddof=1)
    msw = data.var(1, ddof=1).mean()
    sums = SideSums()
    for x in bad:
        sums = sums.add(Count(50, x))
    assert correlation(sums) == pytest.approx((msb - msw) / (msb + 49 * msw))


@pytest.mark.parametrize("true", [0.0, 0.02, 0.2])
def test_correlation_is_found(true):
    rng = np.random.default_rng(1)
    mean = 0.1
    sums = [SideSums(), SideSums()]
    for _ in range(1500):
        for side, n in enumerate((180, 20)):
            share = rng.beta(mean * (1 / true - 1), (1 - mean) * (1 / true - 1)) if true else mean
            sums[side] = sums[side].add(Count(n, int(rng.binomial(n, share))))
    assert correlation(*sums) == pytest.approx(true, abs=0.15 * true + 0.002)


def test_a_difference_between_the_sides_is_no_correlation(gather):
    evidence = gather((9000, 90), (1000, 500), looks=20)
    assert correlation(evidence.source, evidence.target) == 0


def test_a_small_side_with_far_more_bad_requests_is_no_correlation():
    """950 and 50 requests a look, 0.1 % and 5 % bad, all independent: mean squares of the two differ 50-fold."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        source, target = SideSums(), SideSums()
        for _look in range(10):
            source = source.add(Count(950, int(rng.binomial(950, 0.001))))
            target = target.add(Count(50, int(rng.binomial(50, 0.05))))
        found.append(correlation(source, target))
    assert np.mean(found) < 0.006  # clipped at 0, and one of ten looks of 50 has an error of 0.009


def test_rounding_is_no_correlation():
    sums = SideSums()
    for _ in range(5):
        sums = sums.add(Count(10, 10 * 0.9999999999999999))
    assert correlation(sums) == 0


def test_one_look_has_no_correlation(gather):
    evidence = gather((900, 9), (100, 50), looks=1)
    assert correlation(evidence.source, evidence.target) == 0


def test_a_look_counts_by_the_size_that_its_requests_fall_into():
    sums = SideSums().add(Count(10)).add(Count(90))
    assert sums.look_size == pytest.approx((100 + 8100) / 100)
    assert design_effect(1000, 0.05) == pytest.approx(50.95)
    assert design_effect(0.5, 1.0) == 1


def test_freezing_keeps_share_size_and_correlation(gather):
    evidence = gather((2500, 60), (7500, 200), looks=10)
    assert freeze(evidence) == Reference(0.024, 2500, 0.0, 250)
    assert freeze(Evidence.EMPTY) is None


def test_steps_count_together_as_the_reference_and_the_newest_most():
    newest = Reference(0.05, 1000, 0.01, 250)
    assert pooled(None, newest) == newest
    both = pooled(Reference(0.03, 1000, 0.02, 750), newest)
    assert both.share == pytest.approx(0.04)
    assert (both.n, both.look_size) == (2000, 500)
    assert both.correlation == pytest.approx(0.015)
    much = pooled(Reference(0.01, 1e6, 0.0, 900), newest)
    assert much.n == 4000
    assert much.share == pytest.approx((3 * 0.01 + 0.05) / 4)


@given(
    rows=st.lists(
        st.builds(
            Reference, st.floats(0, 1), st.floats(1, 1e6), st.floats(0, 1), st.floats(1, 1e4)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_pooled_reference_lies_between_those_it_is_made_of(rows):
    kept = rows[0]
    for one in rows[1:]:
        kept = pooled(kept, one)
    shares = [one.share for one in rows]
    assert min(shares) - 1e-9 <= kept.share <= max(shares) + 1e-9
    found = [one.correlation for one in rows]
    assert min(found) - 1e-9 <= kept.correlation <= max(found) + 1e-9
    assert rows[-1].n <= kept.n <= 4 * rows[-1].n
