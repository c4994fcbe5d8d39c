"""The simulation behind docs/operating-characteristics.md: it judges by the operator's code, and the same each time."""

import json

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from cutover.judge.evidence import Count, Evidence, Reference, accumulate
from cutover.judge.guards import error_burst
from tests.bench.characteristics import __main__ as bench
from tests.bench.characteristics import document, fixed_size, preflight
from tests.bench.characteristics.figures import PlanFigures, Results, clopper_pearson
from tests.bench.characteristics.guard_watch import GuardWatch
from tests.bench.characteristics.kayenta_rule import is_high
from tests.bench.characteristics.operator_rule import OperatorRule
from tests.bench.characteristics.outcome import End
from tests.bench.characteristics.plans import RULES, generator, run_batch
from tests.bench.characteristics.power import caught_by, run_steps
from tests.bench.characteristics.sums import as_evidence, evidence_sums
from tests.bench.characteristics.traffic import Buckets, draw
from tests.bench.characteristics.worlds import CHANGES, GATES, WORLDS, Change, World

BY_NAME = {world.name: world for world in WORLDS}
BURSTS = BY_NAME["real, bursts: slow 3 %, errors 0.3 %"]
STEADY = BY_NAME["steady: slow 3 %, errors 0.3 %"]


def _draw(world: World, weight: float, looks: int, plans: int = 3):
    return draw(generator(1, "test"), world, weight, (plans, looks), np.zeros(plans))


@pytest.mark.parametrize("weight", [1, 50, 100])
def test_the_sums_are_what_the_operator_adds_up_look_by_look(weight: int) -> None:
    looks = _draw(BURSTS, weight, 30)
    frozen = Reference(0.02, 1000.0)
    share = np.full((3, GATES), frozen.share) if weight == 100 else None
    sums = evidence_sums((looks.source, looks.source_bad), (looks.target, looks.target_bad), share)
    for plan in range(3):
        for gate in range(GATES):
            evidence = Evidence.EMPTY
            for look in range(30):
                evidence = accumulate(
                    evidence,
                    Count(
                        float(looks.source[plan, look]), float(looks.source_bad[plan, look, gate])
                    ),
                    Count(
                        float(looks.target[plan, look]), float(looks.target_bad[plan, look, gate])
                    ),
                    frozen if share is not None else None,
                )
                found = as_evidence(sums[plan, look, gate].tolist())
                assert found.numbers() == pytest.approx(evidence.numbers(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("world", "weight"),
    [
        pytest.param(World("worse", 0.05, 0.01, target_latency=0.09, target_errors=0.03), 5, id="worse"),
        pytest.param(World("worse-100", 0.05, 0.01, target_latency=0.12), 100, id="at-100"),
        pytest.param(BURSTS, 25, id="bursts"),
    ],
)  # fmt: skip
def test_looks_that_are_not_asked_about_would_have_changed_nothing(
    world: World, weight: int
) -> None:
    """The rule skips looks at which nothing can come of asking: every look asked about gives the same ends."""
    ends = []
    for always in (False, True):
        rule = OperatorRule(6, [0.0] * GATES, ask_always=always)
        if weight == 100:  # the reference comes from a step before
            rule.step(50, _draw(STEADY, 50, 40, plans=6), np.arange(6), generator(1, "rule"))
        looks = _draw(world, weight, 40, plans=6)
        ends.append(rule.step(weight, looks, np.arange(6), generator(1, "rule")))
    assert ends[0] == ends[1]


def test_a_few_plans_of_every_kind_end_somehow_under_every_rule() -> None:
    for world in (STEADY, BURSTS, BY_NAME["real, 3 requests a second: slow 3 %, errors 0.3 %"]):
        ends = run_batch(world, 1, 0, 2, tuple(RULES))
        assert all(len(found) == 2 for found in ends.values()), world.name


def test_identical_sides_finish_and_a_worse_target_does_not() -> None:
    assert {one.end for one in run_batch(STEADY, 1, 0, 4, ("cutover",))["cutover"]} == {End.PASSED}
    worse = BY_NAME["real, target worse: errors 0.3 → 2 %"]
    assert {one.end for one in run_batch(worse, 1, 0, 4, ("cutover",))["cutover"]} == {
        End.ROLLED_BACK
    }


def test_the_same_seed_gives_the_same_plans_whatever_else_is_judged() -> None:
    alone = run_batch(BURSTS, 7, 0, 3, ("cutover",))["cutover"]
    assert run_batch(BURSTS, 7, 0, 3, ("cutover", "plain"))["cutover"] == alone
    assert run_batch(BURSTS, 8, 0, 3, ("cutover",))["cutover"] != alone


def test_a_change_is_caught_no_sooner_than_the_rule_can() -> None:
    ends = run_steps(CHANGES[0], 1, 0, 10, ("cutover",))["cutover"]
    caught = caught_by(ends)
    assert caught[0] == 0
    assert caught[-1] == 10


def test_a_guard_fires_at_the_look_that_breaks_its_limit() -> None:
    looks = _draw(World("quiet", 0.01, 0.0), 50, 8, plans=1)
    looks.target_bad[0, 5, -1] = looks.target[0, 5] // 2
    watch = GuardWatch(1)
    assert watch.step(looks, np.arange(1), [[None] * GATES]) == [(5, "errors")]
    assert error_burst([]) is None


def test_the_quantile_is_the_one_prometheus_gives() -> None:
    # Of 100 requests 90 are at or below 0.75 s and 98 at or below 1 s: rank 95 lies 5/8 into the last quarter.
    counts = np.array([[[[0, 10, 40, 90, 98, 100, 100, 100]]]])
    found = Buckets(np.array([[[100]]]), counts).percentile_95()
    assert found[0, 0, 0] == pytest.approx(0.75 + 0.25 * 5 / 8)


def test_kayentas_test_calls_high_only_what_the_rank_test_does() -> None:
    rng = np.random.default_rng(5)
    same, other = rng.normal(0, 1, (2000, 10)), rng.normal(0, 1, (2000, 10))
    for shift in (0.0, 1.0, 3.0):
        high = is_high(same, other + shift)
        p = mannwhitneyu(other + shift, same, axis=1, alternative="greater").pvalue
        assert p[high].max(initial=0.0) < 0.015
    assert is_high(same, other + 3).mean() > 0.98


def test_the_test_that_looks_once_needs_what_its_power_says() -> None:
    change = Change("50/50", 50, "latency", 0.05, 0.10, 6)
    # Over the source at α .001 needs most: (3.09·√(2·.075·.925) + 2.33·√(.05·.95 + .10·.90))² / .05² = 1,622
    # requests a side, of which a look holds 500.
    assert fixed_size.looks_needed(change, 1, draws=1000) == 4


def test_the_forecast_says_what_does_not_fit_into_the_hour() -> None:
    slow = {
        one.weight: one for one in preflight.forecasts(3.0, 0.03, 0.003) if one.gate == "errors"
    }
    quick = preflight.forecasts(33.0, 0.03, 0.003)
    assert not slow[1].feasible
    assert slow[50].feasible
    assert all(one.feasible for one in quick)


def test_the_interval_is_the_exact_one() -> None:
    # Clopper and Pearson 1934 by way of the rule of three: 0 of n gives 1 − (α/2)^(1/n).
    assert clopper_pearson(0, 5000)[1] == pytest.approx(1 - 0.025 ** (1 / 5000))
    assert clopper_pearson(10, 10)[1] == 1


def test_the_document_is_written_from_the_figures_that_are_kept() -> None:
    text = (bench.DOCS / f"{bench.NAME}.md").read_text()
    assert text == document.paragraphs(bench.read(), bench.COMMAND)
    assert (bench.DOCS / f"{bench.NAME}.png").stat().st_size < 100 * 1024


def test_figures_survive_being_kept() -> None:
    row = PlanFigures(
        "w", "cutover", 2, 1, {"passed": 1, "guard": 1}, (0.8, 0.9, 1.0), "errors@5×1"
    )
    results = Results([row], [], {"c": None})
    assert Results.from_json(json.loads(json.dumps(results.as_json()))) == results
    newer = PlanFigures("w", "cutover", 9, 1, {"passed": 9}, None, "")
    assert Results([newer], [], {}).over(results).plans == [newer]
