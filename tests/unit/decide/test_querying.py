"""Query gates: every kind of missing holds with its own reason, whatever the number would have said."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.status import PauseCause
from cutover.api.verdict import Verdict
from cutover.decide.readings import Gap, Missing
from tests.fakes.chaos import BRISK_STEPS, brisk, brisk_world, tried
from tests.fakes.promises import raises_are_earned
from tests.fakes.story import weights_written
from tests.fakes.world import World

EXPRESSION = "sum(waiting{$matchers})"


LONG_PAUSE = ({"weight": 10}, {"pause": {"duration": "50m"}}, {"weight": 100})


def world(**more: Any) -> World:
    steps = more.pop("steps", BRISK_STEPS)
    query = {"expr": EXPRESSION, "max": "3"} | more.pop("query", {})
    gates = [{"name": "queue", "query": query, **more}]
    one = brisk_world(brisk(steps, gates=gates, guards={"disabled": ["Unanswered"]}))
    one.watchers.append(raises_are_earned())
    for server in one.sides.servers:
        server.values["queue"] = 1.0
    return one


def queue(one: World) -> tuple[Verdict, str]:
    (gate,) = one.status.gates
    return gate.verdict, gate.reason


@tried
@given(st.sampled_from(list(Missing)), st.booleans())
def test_each_kind_of_missing_is_its_own_reason_and_stops_the_rollout(
    missing: Missing, whole_side: bool
) -> None:
    one = world()
    one.run(30.0)
    if whole_side:
        one.sides.target.gap = Gap(missing, f"target: {missing}")
    else:
        one.sides.target.values["queue"] = Gap(missing, f"target: {missing}")
    one.run(75.0)  # numbers and words are stored once a minute
    expected = Verdict.INCONCLUSIVE if missing is Missing.NO_DATA else Verdict.ERROR
    assert queue(one) == (expected, missing.value)
    one.run(200.0)
    assert weights_written(one) == [10]
    assert one.status.rollback is None
    pause = one.status.pause
    assert (pause is not None and pause.cause is PauseCause.OUTAGE) is (
        missing is not Missing.NO_DATA
    )


def test_a_number_of_a_side_that_is_no_longer_scraped_is_stale() -> None:
    """Prometheus would go on giving the last one for minutes."""
    one = world()
    one.run(30.0)
    one.sides.target.gate_gaps["Requests"] = Gap(Missing.STALE, "5 minutes old")
    one.run(12.0)
    assert queue(one) == (Verdict.ERROR, "Stale")


def test_sides_that_overlap_are_not_judged() -> None:
    one = world()
    one.run(30.0)
    one.sides.target.overlaps = True
    one.run(12.0)
    assert queue(one) == (Verdict.ERROR, "SidesOverlap")


@pytest.mark.parametrize("of", ["Source", "Target"])
def test_only_the_side_that_is_asked_must_be_readable(of: str) -> None:
    one = world(query={"of": of})
    one.run(30.0)
    other = one.sides.source if of == "Target" else one.sides.target
    other.values["queue"] = Gap(Missing.NOT_FINITE, "NaN")
    one.run(200.0)
    assert one.status.phase == "Completed"


def test_a_ratio_is_held_against_the_sources_number() -> None:
    one = world(query={"of": "Ratio", "max": "2", "breaches": 1})
    one.sides.target.values["queue"], one.sides.source.values["queue"] = 9.0, 5.0
    one.run(45.0)
    assert weights_written(one) == [10, 50]
    one.sides.source.values["queue"] = 4.0
    one.run(60.0)
    assert one.status.rollback is not None
    assert one.status.rollback.message == (
        "queue: 9 on target, 4 on source, over 2 × source at this look: fails"
    )


def test_negative_numbers_have_no_ratio() -> None:
    one = world(query={"of": "Ratio"})
    one.sides.target.values["queue"] = -1.0
    one.run(30.0)
    assert queue(one) == (Verdict.ERROR, "InvalidQuery")


@tried
@given(st.lists(st.sampled_from(["broken", "whole", "missing", "restart"]), max_size=8))
def test_it_fails_when_a_bound_was_broken_for_looks_in_a_row(course: list[str]) -> None:
    """What is missing neither ends the streak nor adds to it; a restart is no look more."""
    one = world(query={"breaches": 3}, steps=LONG_PAUSE)
    one.run(45.0)
    streak = 0
    for what in course:
        if what == "restart":
            one.restart()
            one.run(1.0)
            continue
        numbers: dict[str, float | Gap] = {
            "broken": 9.0,
            "whole": 1.0,
            "missing": Gap(Missing.NOT_FINITE, "NaN"),
        }
        one.sides.target.values["queue"] = numbers[what]
        looked = one.status.gates[0].looked_at
        one.run(40.0, until=partial(_judged_anew, one, looked))
        streak = {"broken": streak + 1, "whole": 0, "missing": streak}[what]
        if streak == 3 or one.status.phase != "Progressing":
            break
    if streak < 3:
        assert one.status.rollback is None
    else:
        assert one.status.rollback is not None


def _judged_anew(one: World, looked: object) -> bool:
    gates = one.status.gates
    return one.status.phase != "Progressing" or bool(
        gates and gates[0].looked_at is not None and gates[0].looked_at != looked
    )


@pytest.mark.parametrize("change", ["the gate", "a side", "something else"])
def test_an_edit_takes_a_standing_pass_only_from_a_gate_that_it_concerns(change: str) -> None:
    one = world(run="BeforeTraffic")
    one.run(30.0)
    assert weights_written(one) == [10]
    one.sides.target.values["queue"] = Gap(Missing.NO_DATA, "not there any more")

    def edit(spec: dict[str, object]) -> None:
        if change == "the gate":
            spec["gates"] = [
                {
                    "name": "queue",
                    "run": "BeforeTraffic",
                    "query": {"expr": EXPRESSION, "max": "2"},
                }
            ]
        elif change == "a side":
            spec["target"]["prometheus"]["matchers"] = {"c": "other"}  # type: ignore[index]
        else:
            spec["analysis"]["minRequests"] = 60  # type: ignore[index]

    one.do(lambda w: w.rollouts.edit(edit))
    one.run(120.0)
    assert (50 in weights_written(one)) is (change == "something else")


def test_a_pass_before_traffic_does_not_outlive_its_attempt() -> None:
    one = world(run="BeforeTraffic")
    one.run(30.0)
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(abort=True)))
    one.run(5.0)
    one.sides.target.values["queue"] = 9.0
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(attempt=2, abort=False)))
    one.run(timedelta(minutes=2))
    assert weights_written(one) == [10, 0]
    assert one.status.attempt == 2
    assert one.status.rollback is not None
    assert one.status.rollback.reason == "GateFailed"
