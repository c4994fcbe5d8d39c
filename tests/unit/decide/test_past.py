"""What is asked about the source's past, what is kept of the answer, and what gates make of it."""

from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.evidence import SourceHistory
from cutover.api.status import Plan, Status, Weights
from cutover.api.verdict import Verdict
from cutover.decide.counting import history_correlation, judge_gate
from cutover.decide.past import DAY, FEWEST_SCRAPES, MOST_LOOKS, look_length, question, recorded
from cutover.decide.plan import resolve
from cutover.decide.readings import Gap, Missing, PastSeen, SideReading, WindowReading
from cutover.judge.evidence import Count, Evidence, accumulate
from cutover.judge.histogram import Buckets
from cutover.judge.past import Clustering
from tests.fakes.plans import GATES, METRICS, spec

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NOT_YET = Gap(Missing.NO_DATA, "nothing yet")


def plan_of(**analysis: str) -> Plan:
    rollout = {
        "metadata": {"generation": 3, "namespace": "inference"},
        "spec": spec(analysis=analysis),
    }
    plan = resolve(rollout, operator_version="1", default_gates=GATES, metrics=METRICS)
    assert isinstance(plan, Plan)
    return plan


def reading(first: Buckets | Gap, scrape: float | None = 15.0) -> SideReading:
    window = WindowReading(600.0, 10.0, 0.0, {"TimeToFirstToken": first})
    return SideReading((window,), scrape, NOW)


def buckets(*edges: float) -> Buckets:
    return Buckets((*edges, inf), tuple(float(n) for n in range(len(edges) + 1)))


@given(st.floats(0.1, 3600), st.floats(0.1, 300))
def test_a_look_is_whole_scrapes_and_there_are_not_too_many(interval: float, scrape: float) -> None:
    look = look_length(interval, scrape)
    assert look >= interval * (1 - 1e-5) - 1e-3
    assert look >= FEWEST_SCRAPES * scrape - 1e-3
    assert DAY / look <= MOST_LOOKS * 1.001
    assert abs(look / scrape - round(look / scrape)) * scrape < 1e-3


@pytest.mark.parametrize(
    ("interval", "scrape", "look"), [(30, 15, 60), (30, 5, 30), (1, 1, 30), (300, 15, 300)]
)
def test_the_usual_looks(interval: float, scrape: float, look: float) -> None:
    assert look_length(interval, scrape) == look


def test_the_edge_in_force_is_the_one_both_sides_have() -> None:
    asked = question(plan_of(), reading(buckets(0.5, 1.0)), reading(buckets(0.5, 2.0)), 600.0)
    assert asked is not None
    assert asked.edges == {"first-token": 0.5}
    assert (asked.until, asked.look, asked.scrape) == (NOW, 60.0, 15.0)


def test_a_target_with_nothing_to_show_yet_takes_no_edge_away() -> None:
    for target in (None, NOT_YET, reading(NOT_YET)):
        asked = question(plan_of(), reading(buckets(0.5, 1.0)), target, 600.0)
        assert asked is not None
        assert asked.edges == {"first-token": 1.0}


def test_servers_that_were_started_with_other_buckets_are_asked_by_what_came_last() -> None:
    mixed = Gap(Missing.INVALID_QUERY, "its counts fall as le rises")
    lately = replace(reading(buckets(0.5, 1.0)).windows[0], seconds=60.0)
    both = replace(reading(mixed), windows=(*reading(mixed).windows, lately))
    asked = question(plan_of(), both, both, 600.0)
    assert asked is not None
    assert asked.edges["first-token"] == 1.0


def test_nothing_is_asked_of_a_source_that_cannot_be_read() -> None:
    fine = reading(buckets(1.0))
    for source in (None, NOT_YET, reading(NOT_YET), reading(buckets(1.0), None)):
        assert question(plan_of(), source, fine, 600.0) is None
    assert question(plan_of(), fine, fine, 30.0) is None
    assert question(plan_of(), replace(fine, newest_sample=None), fine, 600.0) is None


@pytest.mark.parametrize(("interval", "deadline"), [("1s", 1.0), ("5s", 5.0), ("30s", 10.0)])
def test_it_is_waited_for_one_look_at_most(interval: str, deadline: float) -> None:
    asked = question(
        plan_of(interval=interval), reading(buckets(1.0)), reading(buckets(1.0)), 600.0
    )
    assert asked is not None
    assert asked.deadline == deadline


def test_every_gate_has_an_entry_and_what_is_unknown_says_why() -> None:
    plan = plan_of()
    past = PastSeen({"first-token": Clustering(0.02, 900), "errors": NOT_YET}, 60.0, NOW)
    first, errors = recorded(plan, past)
    assert first == SourceHistory(
        gate="first-token", correlation=0.02, looks=900, look_seconds=60.0, measured_at=NOW
    )
    assert (errors.correlation, errors.message) == (None, "nothing yet")
    few = replace(past, gates={"first-token": Clustering(None, 7)})
    assert [one.message for one in recorded(plan, few)] == [
        "7 looks with requests are too few to tell",
        "it was not asked for",
    ]
    whole = recorded(plan, replace(past, gates=Gap(Missing.UNREACHABLE, "x" * 2000)))
    assert [len(one.message) for one in whole] == [1024, 1024]
    assert recorded(plan, None) == []


def test_half_of_it_is_taken_for_granted_and_the_unknown_is_nothing() -> None:
    entry = SourceHistory(gate="errors", look_seconds=60.0, measured_at=NOW)
    known = entry.model_copy(update={"correlation": 0.05})
    assert history_correlation(Status(source_history=[known]), "errors") == 0.025
    assert history_correlation(Status(source_history=[entry]), "errors") == 0.0
    assert history_correlation(Status(source_history=[known]), "first-token") == 0.0
    assert history_correlation(Status(), "errors") == 0.0


def test_a_bursty_past_asks_for_more_requests() -> None:
    plan, evidence = plan_of(), Evidence.EMPTY
    for _ in range(20):
        evidence = accumulate(evidence, Count(100.0, 0.2), Count(100.0, 0.2))
    entry = SourceHistory(gate="errors", correlation=0.1, look_seconds=60.0, measured_at=NOW)
    steady = Status(weights=Weights(applied=50))
    bursty = steady.model_copy(update={"source_history": [entry]})
    verdicts = [
        judge_gate(plan, status, plan.gates[1], evidence, 0.0, min_duration_over=True).verdict
        for status in (steady, bursty)
    ]
    assert verdicts == [Verdict.PASS, Verdict.INCONCLUSIVE]
