"""A drift gate within a rollout: when it counts, once, what it is compared with, and what the prompts say."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest

from cutover.api.drift import DriftGate, DriftMethod
from cutover.api.evidence import GateStatus
from cutover.api.gates import ErrorRateGate, Gate, LatencyGate
from cutover.api.status import Plan, Status, StepStatus, Weights
from cutover.api.steps import StepKind
from cutover.api.verdict import Verdict
from cutover.decide.drifting import frozen_distributions
from cutover.decide.fulllook import FullLook
from cutover.decide.judging import judge_gates
from cutover.decide.plan import resolve
from cutover.decide.readings import Gap, Gauges, Missing, SideReading, WindowReading
from cutover.judge.distribution import Classes
from cutover.judge.histogram import Buckets
from cutover.metrics.profiles.defaults import TELLS
from tests.fakes.plans import GATES, spec

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EDGES = (10.0, 20.0, 50.0, 100.0, inf)
SHORT, LONG = (0.3, 0.3, 0.2, 0.1, 0.1), (0.1, 0.1, 0.2, 0.3, 0.3)
DRIFT = Gate(
    name="output-length",
    drift=DriftGate(distribution="OutputTokens", method=DriftMethod.PSI, max="0.2"),
)
LATENCY = Gate(
    name="first-token",
    latency=LatencyGate(metric="TimeToFirstToken", threshold="1s", max_above="5%", margin="2.5%"),
)
ERRORS = Gate(name="errors", error_rate=ErrorRateGate(max="1%", ratio="2"))


def plan(*gates: Gate, **changes: Any) -> Plan:
    found = resolve(
        {"metadata": {"namespace": "chat"}, "spec": spec([{"weight": 10}, {"weight": 100}])},
        operator_version="1",
        default_gates=GATES,
        metrics=TELLS,
    )
    assert isinstance(found, Plan)
    analysis = found.analysis.model_copy(update=changes)
    return found.model_copy(update={"gates": list(gates or (DRIFT,)), "analysis": analysis})


def status(
    weight: int, minutes: float, gates: list[GateStatus] | None = None, **more: Any
) -> Status:
    """``minutes`` since the weight was taken; settle and minDuration are over after seven."""
    since = NOW - timedelta(minutes=minutes)
    return Status(
        weights=Weights(desired=weight, applied=weight, applied_at=since),
        step=StepStatus(index=0, total=2, kind=StepKind.WEIGHT, description="", started_at=since),
        gates=gates or [],
        **more,
    )


def lengths(total: float, shares: tuple[float, ...] = SHORT) -> Buckets:
    sums = [total * sum(shares[: one + 1]) for one in range(len(shares))]
    return Buckets(EDGES, tuple(sums))


def reading(requests: float, told: Mapping[str, Buckets | Classes | Gap]) -> SideReading:
    latency = Buckets((1.0, inf), (requests * 0.99, requests))
    window = WindowReading(300.0, requests, 0.0, {"TimeToFirstToken": latency}, told)
    return SideReading((window,), 15.0, NOW, {"OutputTokens": "sum by (le) (…)"})


def look(
    source: Mapping[str, Buckets | Classes | Gap],
    target: Mapping[str, Buckets | Classes | Gap],
    after: float = 0.0,
) -> FullLook:
    sides = [
        reading(
            max((one.total for one in told.values() if not isinstance(one, Gap)), default=0.0), told
        )
        for told in (source, target)
    ]
    return FullLook(sides[0], sides[1], 300.0, NOW + timedelta(seconds=after), gathering=True)


def outputs(n: float, m: float, target: tuple[float, ...] = SHORT) -> FullLook:
    return look({"OutputTokens": lengths(n)}, {"OutputTokens": lengths(m, target)})


def judged(plan_: Plan, status_: Status, look_: FullLook) -> GateStatus:
    return judge_gates(plan_, status_, look_)[0]


# --- when it counts -----------------------------------------------------------------------------


def test_from_weight_10_a_target_that_answers_otherwise_fails() -> None:
    found = judged(plan(), status(10, 8), outputs(9000, 1000, LONG))
    assert (found.verdict, found.reason, found.pauses) == (Verdict.FAIL, "Drifted", False)
    assert found.value is not None
    assert found.value > 0.2 == found.bound
    assert found.source_count == 9000
    assert found.target_count == pytest.approx(1000)
    assert found.query == "sum by (le) (…)"
    assert "PSI of OutputTokens" in found.message


def test_an_equal_target_passes() -> None:
    found = judged(plan(), status(10, 8), outputs(9000, 1000))
    assert (found.verdict, found.reason) == (Verdict.PASS, "WithinLimit")


@pytest.mark.parametrize("weight", [1, 5, 9])
def test_below_weight_10_it_only_reports_and_holds_nothing(weight: int) -> None:
    found = judged(plan(), status(weight, 8), outputs(9000, 1000, LONG))
    assert (found.verdict, found.reason) == (Verdict.PASS, "ReportedOnly")
    assert found.value is not None
    assert found.value > 0.2
    assert "only reported: from weight 10 on it counts" in found.message
    assert found.judged is None


@pytest.mark.parametrize(("weight", "fewest"), [(1, 75), (5, 150), (9, 270)])
def test_even_reporting_needs_as_many_requests_as_any_gate(weight: int, fewest: int) -> None:
    few = judged(plan(), status(weight, 8), outputs(9000, fewest - 1))
    enough = judged(plan(), status(weight, 8), outputs(9000, fewest + 1))
    assert (few.verdict, few.reason) == (Verdict.INCONCLUSIVE, "TooFewRequests")
    assert few.requests_missing == pytest.approx(1)
    assert enough.verdict is Verdict.PASS


def test_nothing_at_all_is_never_a_pass() -> None:
    for weight in (1, 10, 100):
        found = judged(plan(), status(weight, 8), outputs(0, 0))
        assert found.verdict is Verdict.INCONCLUSIVE


def test_before_the_minimum_duration_nothing_is_judged() -> None:
    for target in (SHORT, LONG):
        found = judged(plan(), status(10, 5), outputs(9000, 1000, target))
        assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "TooSoon")
        assert found.judged is None


def test_it_waits_for_requests_that_can_still_come() -> None:
    found = judged(plan(), status(10, 8), outputs(450, 50, LONG))
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "TooFewRequests")
    assert found.requests_missing
    assert "more target requests" in found.message


def test_where_they_cannot_come_in_time_it_only_reports() -> None:
    quick = plan(min_requests=20, max_duration="9m")
    found = judged(quick, status(10, 8), outputs(270, 30, LONG))
    assert (found.verdict, found.reason) == (Verdict.PASS, "ReportedOnly")
    assert "will not come within maxDuration 9m" in found.message


# --- once ---------------------------------------------------------------------------------------


def test_it_is_judged_once_for_the_evidence_of_a_step() -> None:
    first = judged(plan(), status(10, 8), outputs(9000, 1000))
    assert first.judged is not None
    again = judged(plan(), status(10, 9, [first]), outputs(18000, 2000, LONG))
    assert (again.verdict, again.value) == (Verdict.PASS, first.value)
    assert "judged once for this evidence, at 12:00Z" in again.message
    assert again.looked_at == NOW
    third = judged(plan(), status(10, 9, [again]), outputs(18000, 2000, LONG))
    assert third.message == again.message


def test_fresh_evidence_is_judged_afresh() -> None:
    found = judged(plan(), status(25, 8, []), outputs(18000, 6000, LONG))
    assert found.verdict is Verdict.FAIL


def test_what_is_missing_shows_and_does_not_have_it_judged_twice() -> None:
    first = judged(plan(), status(10, 8), outputs(9000, 1000))
    gap = Gap(Missing.STALE, "old")
    gone = judged(
        plan(), status(10, 8, [first]), look({"OutputTokens": lengths(9)}, {"OutputTokens": gap})
    )
    assert (gone.verdict, gone.reason) == (Verdict.ERROR, "Stale")
    back = judged(plan(), status(10, 9, [gone]), outputs(18000, 2000, LONG))
    assert (back.verdict, back.value) == (Verdict.PASS, first.value)


@pytest.mark.parametrize("missing", Missing)
def test_a_gap_on_either_side_is_no_pass(missing: Missing) -> None:
    gap, there = {"OutputTokens": Gap(missing, "gone")}, {"OutputTokens": lengths(2000)}
    for sides in ((gap, there), (there, gap), (gap, gap)):
        found = judged(plan(), status(10, 8), look(*sides))
        assert found.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR)
        assert found.reason == missing.value


def test_what_was_not_told_is_no_pass() -> None:
    found = judged(plan(), status(10, 8), look({}, {}))
    assert (found.verdict, found.reason) == (Verdict.ERROR, "NoSeries")


# --- what it is compared with -------------------------------------------------------------------


def kept(n: float, shares: tuple[float, ...] = SHORT) -> dict[str, Any]:
    seen = reading(n, {"OutputTokens": lengths(n, shares)})
    before = status(50, 8)
    return {
        "reference_distributions": frozen_distributions(
            before, plan(), seen, 300.0, step=3, enough=300
        )
    }


def test_at_100_the_last_distribution_of_the_source_stands_for_it_and_a_fail_pauses() -> None:
    alone = look(
        {"OutputTokens": Gap(Missing.NO_DATA, "none")}, {"OutputTokens": lengths(5000, LONG)}
    )
    found = judged(plan(), status(100, 8, **kept(4000)), alone)
    assert (found.verdict, found.reason, found.pauses) == (
        Verdict.FAIL,
        "DriftedFromReference",
        True,
    )
    equal = look({"OutputTokens": lengths(0)}, {"OutputTokens": lengths(5000)})
    assert judged(plan(), status(100, 8, **kept(4000)), equal).verdict is Verdict.PASS


def test_without_any_reference_at_100_it_says_so_and_holds_nothing() -> None:
    found = judged(plan(), status(100, 8), outputs(0, 5000, LONG))
    assert (found.verdict, found.reason) == (Verdict.PASS, "ReportedOnly")
    assert "no earlier step had enough" in found.message


def test_a_source_that_gets_little_is_compared_by_what_it_was() -> None:
    found = judged(plan(), status(99, 8, **kept(4000)), outputs(50, 5000, LONG))
    assert found.reason == "DriftedFromReference"


def test_a_source_with_too_few_requests_leaves_no_reference() -> None:
    assert kept(299)["reference_distributions"] == []
    assert [one.step for one in kept(301)["reference_distributions"]] == [3]


def test_at_100_the_reference_of_before_stays() -> None:
    before = status(100, 8, **kept(4000))
    seen = reading(9000, {"OutputTokens": lengths(9000, LONG)})
    assert (
        frozen_distributions(before, plan(), seen, 300.0, step=4, enough=300)
        == before.reference_distributions
    )


def test_classes_are_compared_with_frozen_classes() -> None:
    gate = Gate(
        name="ends",
        drift=DriftGate(distribution="FinishReason", method=DriftMethod.TV, max="0.05"),
    )
    with_classes = plan(gate)
    was = reading(4000, {"FinishReason": Classes({"stop": 3900.0, "length": 100.0})})
    frozen = frozen_distributions(status(50, 8), with_classes, was, 300.0, step=3, enough=300)
    alone = look({}, {"FinishReason": Classes({"stop": 3900.0, "repetition": 500.0})})
    found = judged(with_classes, status(100, 8, reference_distributions=frozen), alone)
    assert found.reason == "DriftedFromReference"


# --- the prompts --------------------------------------------------------------------------------


def mixed(prompts: tuple[float, ...], outputs_: tuple[float, ...], m: float = 1000) -> FullLook:
    return look(
        {"OutputTokens": lengths(9 * m), "PromptTokens": lengths(9 * m)},
        {"OutputTokens": lengths(m, outputs_), "PromptTokens": lengths(m, prompts)},
    )


ALL = (DRIFT, LATENCY, ERRORS)


def test_other_prompts_make_comparisons_inconclusive_and_leave_error_limits_alone() -> None:
    drift, latency, errors = judge_gates(plan(*ALL), status(10, 8), mixed(LONG, LONG))
    for found in (drift, latency):
        assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "InputMixDiffers")
        assert "different prompts: input mix: PSI of PromptTokens" in found.message
        assert "by user, tenant or region" in found.message
    assert errors.reason != "InputMixDiffers"
    assert drift.judged is None
    assert latency.evidence is not None


def test_like_prompts_change_nothing() -> None:
    drift, latency, _ = judge_gates(plan(*ALL), status(10, 8), mixed(SHORT, LONG))
    assert drift.verdict is Verdict.FAIL
    assert latency.verdict is Verdict.PASS


def test_drift_is_judged_when_it_is_known_that_the_prompts_are_alike() -> None:
    gate = DRIFT.model_copy(
        update={"drift": DriftGate(distribution="OutputTokens", method=DriftMethod.PSI, max="2")}
    )
    waiting = judged(plan(gate), status(10, 8), mixed(SHORT, SHORT, 60))
    assert (waiting.verdict, waiting.reason) == (Verdict.INCONCLUSIVE, "TooFewRequests")
    assert "like prompts" in waiting.message


def test_a_target_that_cannot_tell_prompts_is_compared_all_the_same() -> None:
    one_sided = look(
        {"OutputTokens": lengths(9000), "PromptTokens": lengths(9000)},
        {"OutputTokens": lengths(1000, LONG), "PromptTokens": Gap(Missing.NO_SERIES, "none")},
    )
    assert judged(plan(), status(10, 8), one_sided).verdict is Verdict.FAIL


# --- what the plan refuses ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drift", "profile", "says"),
    [
        ({"distribution": "Tokens"}, "VLLM", "cannot tell; it knows: OutputTokens, PromptTokens"),
        (
            {"distribution": "OutputTokens"},
            "Custom",
            "drift.histogram, drift.classes or drift.buckets",
        ),
        ({"distribution": "FinishReason", "method": "KS"}, "VLLM", "classes have no order: use TV"),
        (
            {"classes": {"metric": "p_total", "label": "c"}, "method": "Wasserstein"},
            "VLLM",
            "compares p_total by c by Wasserstein",
        ),
    ],
)
def test_a_plan_says_what_it_cannot_compare(drift: dict[str, Any], profile: str, says: str) -> None:
    query = "sum(increase(r_total{$matchers}[$window]))"
    given = spec(
        profile=profile,
        custom={"requests": query, "errors": query},
        gates=[{"name": "d", "drift": {"method": "PSI", "max": "0.2"} | drift}],
    )
    refusal = resolve(
        {"metadata": {"namespace": "chat"}, "spec": given},
        operator_version="1",
        default_gates=GATES,
        metrics=TELLS,
    )
    assert says in str(refusal)


# --- under different loads ------------------------------------------------------------------------


def under_load(
    seen: FullLook, source: tuple[float, float], target: tuple[float, float]
) -> FullLook:
    """Servers and running requests of each side."""
    sides = [
        replace(one, gauges=Gauges(instances=servers, running=running))
        for one, (servers, running) in ((seen.source, source), (seen.target, target))
        if isinstance(one, SideReading)
    ]
    return replace(seen, source=sides[0], target=sides[1])


@pytest.mark.parametrize(
    ("shape", "servers", "allowed", "reason"),
    [
        (SHORT, (4.0, 4.0), False, "WithinLimit"),
        (SHORT, (4.0, 20.0), False, "LoadDiffers"),
        (SHORT, (4.0, 20.0), True, "WithinLimit"),
        (LONG, (4.0, 20.0), False, "Drifted"),
        (LONG, (20.0, 4.0), False, "LoadDiffers"),
        (LONG, (20.0, 4.0), True, "Drifted"),
    ],
)
def test_drift_for_which_the_loads_speak_does_not_count(
    shape: tuple[float, ...], servers: tuple[float, float], allowed: bool, reason: str
) -> None:
    terms = {"allow_load_mismatch": True} if allowed else {}
    seen = under_load(outputs(5000, 5000, shape), (servers[0], 90.0), (servers[1], 90.0))
    assert judged(plan(**terms), status(50, 8), seen).reason == reason
