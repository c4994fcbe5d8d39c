"""Two means over looks: the arithmetic against numpy and scipy, the errors against a seeded simulation."""

from math import exp, log, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from cutover.api.verdict import Unit, Verdict
from cutover.judge.meanrule import MeanReason, MeanRule, MeanTerms, judge_mean
from cutover.judge.means import (
    Contrast,
    MeanEvidence,
    MeanReference,
    Total,
    contrast,
    freeze_mean,
    proven,
)
from cutover.judge.proportions import boundary
from tests.bench.means import World, told

RULE = MeanRule("mean", "EndToEnd", 0.10)
Looks = list[tuple[Total, Total]]


def gathered(looks: Looks) -> MeanEvidence:
    evidence = MeanEvidence()
    for source, target in looks:
        evidence = evidence.add(source, target)
    return evidence


def even(looks: int, slower: float = 1.0, noise: float = 0.05, seed: int = 1) -> Looks:
    rng = np.random.default_rng(seed)
    made = 500 * 0.1 * np.exp(rng.normal(0, noise, (looks, 2)))
    return [(Total(float(s), 500.0), Total(float(t) * slower, 500.0)) for s, t in made]


def test_the_variance_of_equal_looks_is_that_of_their_differences() -> None:
    looks = even(200, seed=3)
    differences = [t.mean - 1.1 * s.mean for s, t in looks]
    found = contrast(gathered(looks), 1.1)
    assert found is not None
    assert found.difference == pytest.approx(np.mean(differences))
    inflation = 200.0 / found.looks
    expected = np.var(differences, ddof=1) / 200.0 * inflation
    assert found.variance == pytest.approx(expected)
    lag = np.array(differences) - np.mean(differences)
    phi = max(0.0, float(lag[1:] @ lag[:-1] / (lag @ lag)))
    phi = max(0.0, float(lag[1:] @ lag[:-1] / (lag @ lag)) + (1 + 3 * phi) / 200.0)
    assert inflation == pytest.approx((1 + phi) / (1 - phi))


def test_looks_that_resemble_their_neighbours_count_less() -> None:
    rng, level, looks = np.random.default_rng(5), 0.0, []
    for _ in range(400):
        level = 0.7 * level + rng.normal(0, 0.05)
        looks.append((Total(50.0, 500.0), Total(50.0 * exp(level), 500.0)))
    found = contrast(gathered(looks), 1.0)
    assert found is not None
    assert found.looks == pytest.approx(400 * 0.3 / 1.7, rel=0.35)


def test_what_moves_both_sides_alike_cancels_out() -> None:
    rng = np.random.default_rng(7)
    levels = np.exp(rng.normal(0, 0.5, 50))
    looks = [(Total(50.0 * x, 500.0), Total(50.0 * x, 500.0)) for x in map(float, levels)]
    found = contrast(gathered(looks), 1.0)
    assert found is not None
    assert found.variance == pytest.approx(0.0, abs=1e-12)
    apart = contrast(gathered([(Total(50.0, 500.0), t) for _, t in looks]), 1.0)
    assert apart is not None
    assert apart.variance > 1e-5


@pytest.mark.parametrize(("t", "looks"), [(2.0, 10.0), (4.0, 12.0), (-3.0, 40.0)])
def test_the_bayes_factor_is_that_of_the_t_test(t: float, looks: float) -> None:
    """Against the integral that it solves: noncentral t over a normal prior on the effect (Gönen 2005)."""
    alpha = 0.01
    a = -2.0 * log(2.0 * alpha)
    rho = 20.0 / (a + log(1.0 + a))

    def weighed(effect: float) -> float:
        prior = sqrt(rho / (2.0 * pi)) * exp(-rho * effect * effect / 2.0)
        return float(stats.nct.pdf(t, looks - 1.0, effect * sqrt(looks))) * prior

    marginal, _ = integrate.quad(weighed, -6, 6, limit=200)
    factor = marginal / float(stats.t.pdf(t, looks - 1.0))
    found = Contrast(t, 1.0, looks)
    assert proven(found, alpha, above=t > 0) is (factor >= 1 / (2 * alpha))
    n, square, shrunk = looks, t * t / (looks - 1.0), rho / (looks + rho)
    closed = sqrt(shrunk) * ((1 + square) / (1 + shrunk * square)) ** (n / 2)
    assert closed == pytest.approx(factor, rel=1e-4)


def test_of_many_looks_the_boundary_is_that_of_the_other_gates() -> None:
    """300 requests there are 20 looks here: the same family at the same relative time."""
    looks = 20_000.0
    edge = boundary(0.05, looks * 300.0 / 20.0)
    assert proven(Contrast(edge * 1.01, 1.0, looks), 0.05, above=True)
    assert not proven(Contrast(edge * 0.99, 1.0, looks), 0.05, above=True)


@given(st.lists(st.tuples(*[st.floats(0.01, 1e4) for _ in range(4)]), min_size=1, max_size=30))
def test_sums_survive_the_status(looks: list[tuple[float, float, float, float]]) -> None:
    evidence = gathered([(Total(a, b), Total(c, d)) for a, b, c, d in looks])
    assert MeanEvidence.from_numbers(evidence.numbers()) == evidence
    assert len(evidence.numbers()) <= 40


@pytest.mark.parametrize("looks", [2, 40])
def test_what_came_while_nobody_looked_counts_as_one_look(looks: int) -> None:
    seen, came = gathered(even(10)), Total(50.0 * looks, 500.0 * looks)
    source, target = seen.source, seen.target
    later = seen.upto(
        Total(source.seconds + came.seconds, source.events + came.events),
        Total(target.seconds + came.seconds, target.events + came.events),
        looks,
    )
    assert later.looks == 11
    assert later.target.events == pytest.approx(11 * 500.0)
    assert later.upto(Total(*later.counted[:2]), Total(*later.counted[2:]), 1).looks == 11


def verdict(
    looks: Looks, *, weight: float = 50.0, over: bool = True, reference: MeanReference | None = None
) -> MeanReason:
    terms = MeanTerms(weight, 300, over, reference)
    return MeanReason(judge_mean(RULE, gathered(looks), terms).reason)


@pytest.mark.parametrize(
    ("looks", "reason"),
    [
        ([], MeanReason.NO_SOURCE_REQUESTS),
        ([(Total(5.0, 50.0), Total(4.0, 40.0))], MeanReason.TOO_FEW_REQUESTS),
        (even(4), MeanReason.TOO_FEW_LOOKS),
        (even(30), MeanReason.WITHIN_INCREASE),
        (even(30, slower=1.5), MeanReason.SLOWER_THAN_SOURCE),
        (even(30, slower=1.1), MeanReason.NOT_PROVEN),
        ([*even(29), (Total(50.0, 500.0), Total(5000.0, 500.0))], MeanReason.NOT_PROVEN),
    ],
)
def test_what_a_gate_on_a_mean_says(looks: Looks, reason: MeanReason) -> None:
    assert verdict(looks) is reason


def test_a_pass_waits_for_the_minimum_duration_and_a_fail_does_not() -> None:
    assert verdict(even(30), over=False) is MeanReason.TOO_SOON
    assert verdict(even(30, slower=1.5), over=False) is MeanReason.SLOWER_THAN_SOURCE


def test_at_small_weights_the_proof_asked_for_is_coarser() -> None:
    assert verdict(even(30, slower=1.2)) is MeanReason.SLOWER_THAN_SOURCE
    assert verdict(even(14, slower=1.08, noise=0.03), weight=1.0) is MeanReason.WITHIN_INCREASE
    assert verdict(even(14, slower=1.08, noise=0.03)) is MeanReason.NOT_PROVEN


def test_against_the_sources_old_mean_a_fail_pauses() -> None:
    reference = freeze_mean(gathered(even(30)))
    assert reference is not None
    assert reference.mean == pytest.approx(0.1, rel=0.05)
    alone = [(Total(), target) for _, target in even(30, slower=1.4)]
    judged = judge_mean(RULE, gathered(alone), MeanTerms(100.0, 300, True, reference))
    assert (judged.reason, judged.pauses) == (MeanReason.SLOWER_THAN_REFERENCE, True)
    equal = [(Total(), target) for _, target in even(30, seed=2)]
    judged = judge_mean(RULE, gathered(equal), MeanTerms(100.0, 300, True, reference))
    assert judged.verdict is Verdict.PASS


def test_the_sentence_has_the_numbers_and_what_they_are_held_against() -> None:
    judged = judge_mean(RULE, gathered(even(30, slower=1.5)), MeanTerms(50.0, 300, True))
    assert judged.unit is Unit.SECONDS
    assert judged.message.startswith("mean: mean EndToEnd 14")
    assert "over 15,000 on the target, source " in judged.message
    assert judged.message.endswith("the limit is source + 10 %: fails")
    assert judged.value == pytest.approx(0.15, rel=0.05)
    assert judged.bound == pytest.approx(0.11, rel=0.05)


@pytest.mark.parametrize(
    ("world", "passes", "fails"),
    [
        pytest.param(World(), (0.97, 1.0), (0.0, 0.0), id="equal"),
        pytest.param(World(slower=1.10), (0.0, 0.1), (0.0, 0.04), id="at the limit"),
        pytest.param(World(slower=1.5), (0.0, 0.0), (0.98, 1.0), id="1.5 slower"),
        pytest.param(World(bursts=0.03), (0.3, 1.0), (0.0, 0.01), id="bursts"),
    ],
)
def test_errors_and_power_are_what_is_claimed(
    world: World, passes: tuple[float, float], fails: tuple[float, float]
) -> None:
    """100 steps of 60 looks, seeded; `python -m tests.bench.means` prints more of them."""
    found = told(world, 60, 100)
    assert passes[0] <= found["pass"] <= passes[1]
    assert fails[0] <= found["fail"] <= fails[1]
