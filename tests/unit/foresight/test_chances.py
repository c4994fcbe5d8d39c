"""What plan foretells is what the operator's rule does, look by look."""

import numpy as np
import pytest

from cutover.api.verdict import Verdict
from cutover.foresight.chances import SURE, Setting, quantile, simulate, smallest_seen
from cutover.judge.comparison import judge, reason_of, requests_needed
from cutover.judge.errors import ErrorRule
from cutover.judge.evidence import Count, Evidence, accumulate
from cutover.judge.latency import LatencyRule

LATENCY = LatencyRule("first-token", "TimeToFirstToken", 1.0, max_above=0.05, margin=0.025)
ERRORS = ErrorRule("errors", max=0.01, ratio=2.0)
Rule = LatencyRule | ErrorRule


def setting(weight: float, rate: float) -> Setting:
    return Setting(
        weight, rate, interval=30, settle=120, min_duration=300, max_duration=3600, min_requests=300
    )


def one_step(
    rule: Rule, at: Setting, source: float, target: float, rng: np.random.Generator
) -> Verdict:
    """Every look of a step."""
    evidence = Evidence.EMPTY
    for look in range(1, at.most_looks + 1):
        ns = int(rng.poisson((at.rate - at.target_rate) * at.interval))
        nt = int(rng.poisson(at.target_rate * at.interval))
        evidence = accumulate(
            evidence,
            Count(ns, int(rng.binomial(ns, source))),
            Count(nt, int(rng.binomial(nt, target))),
        )
        verdict = reason_of(rule, evidence, at.terms(look, None)).verdict
        if verdict in (Verdict.PASS, Verdict.FAIL):
            return verdict
    return Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("rule", "share", "weight", "rate"),
    [(LATENCY, 0.02, 10, 5.0), (ERRORS, 0.002, 50, 2.0)],
    ids=["latency", "errors"],
)
def test_what_plan_says_is_seen_fails_nine_steps_in_ten_and_less_does_not(
    rule: Rule, share: float, weight: float, rate: float
) -> None:
    at = setting(weight, rate)
    least = smallest_seen(rule, at, share, rng=np.random.default_rng(1))
    assert least is not None
    rng = np.random.default_rng(2)

    def failed(target: float) -> float:
        ends = [one_step(rule, at, share, target, rng) for _ in range(50)]
        return ends.count(Verdict.FAIL) / len(ends)

    assert failed(least) >= SURE - 0.15
    assert failed(share + (least - share) * 0.6) < SURE


@pytest.mark.parametrize("weight", [1, 5, 10, 50])
@pytest.mark.parametrize("rule", [LATENCY, ERRORS], ids=["latency", "errors"])
def test_about_half_of_equal_targets_pass_by_the_requests_that_are_needed(
    rule: Rule, weight: float
) -> None:
    share = 0.02 if rule is LATENCY else 0.002
    needed = requests_needed(rule, share=share, weight=weight, min_requests=300)
    assert needed is not None
    at = setting(weight, rate=needed / 1500 / (weight / 100))
    outcomes = simulate(rule, at, share, share, rng=np.random.default_rng(3))
    median = quantile(outcomes.passed, 0.5) - at.settle
    assert 0.5 < median / 1500 < 1.5
    assert outcomes.fail_chance <= 0.01


def test_a_target_with_too_few_requests_is_never_seen_to_be_bad() -> None:
    at = setting(weight=1, rate=0.5)
    assert at.target_rate * at.max_duration < 50
    assert smallest_seen(LATENCY, at, 0.02, rng=np.random.default_rng(1)) is None


def test_a_step_never_passes_before_its_minimum_duration() -> None:
    outcomes = simulate(LATENCY, setting(50, 500), 0.0, 0.0, rng=np.random.default_rng(1))
    assert set(outcomes.passed) == {420.0}


@pytest.mark.parametrize("rule", [LATENCY, ERRORS], ids=["latency", "errors"])
def test_simulations_decide_as_judging_does(rule: Rule) -> None:
    at = setting(10, 20)
    for bad in (0, 3, 12, 60):
        evidence = Evidence.EMPTY
        for look in range(1, 16):
            evidence = accumulate(evidence, Count(540, 5), Count(60, bad))
            terms = at.terms(look, None)
            assert reason_of(rule, evidence, terms) == judge(rule, evidence, terms).reason
