"""What a rollout does outside its windows: everything but going forward."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutover.api.windows import Window
from cutover.decide.windows import is_open
from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, Event, brisk, brisk_world, edit, play, schedules, tried
from tests.fakes.story import weights_written
from tests.fakes.world import START, World

STEPS = ({"weight": 10}, {"weight": 50}, {"weight": 100}, {"soak": {"duration": "30s"}})


def opens(*minutes: int, duration: str = "1m") -> list[dict[str, str]]:
    """Windows at these minutes of every hour; the story begins at eight o'clock (UTC)."""
    listed = ",".join(str(minute) for minute in minutes)
    return [{"schedule": f"{listed} * * * *", "duration": duration, "timeZone": "UTC"}]


def told(world: World, windows: list[dict[str, str]], **more: Any) -> World:
    """From now on every raise is held against the windows."""
    edit(world, windows=windows, **more)
    seen = len(world.route.changes)
    parsed = [Window.model_validate(one) for one in windows]

    def watch(world: World) -> None:
        nonlocal seen
        for change in world.route.changes[seen:]:
            if change.who == "cutover" and change.raises:
                assert is_open(parsed, world.now), f"raised outside of its windows at {world.now}"
        seen = len(world.route.changes)

    world.watchers.append(watch)
    return world


def in_windows(windows: list[dict[str, str]], **more: Any) -> World:
    return told(brisk_world(brisk(STEPS, **more)), windows)


def at(world: World) -> timedelta:
    return world.now - START


@settings(tried, max_examples=10)
@given(
    schedules(*chaos.FAULTS, chaos.pauses, chaos.hands),
    st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True),
)
def test_nothing_is_raised_outside_of_the_windows(events: list[Event], minutes: list[int]) -> None:
    play(in_windows(opens(*minutes)), events)


def test_the_rollout_takes_the_same_steps_window_by_window() -> None:
    world = in_windows(opens(2, 4, 6))
    world.run(600.0)
    assert world.status.phase == "Completed"
    assert weights_written(world) == [10, 50, 100]


def test_it_begins_with_its_first_window_and_says_so() -> None:
    world = in_windows(opens(30))
    world.run(300.0)
    assert world.status.phase == "Preflight"
    assert world.route.claim_text is None, "others may still use the route"
    assert world.status.message == (
        "preflight: nothing is in the way of the first step; outside spec.windows: the next one opens"
        " Mon 02 Mar 08:30Z"
    )
    told_of = [said for _, said in world.events if said.reason == "OutsideWindow"]
    assert [said.warning for said in told_of] == [False], "told once, and nobody has to do anything"
    applied = next(one for one in world.status.conditions if one.type == "TrafficApplied")
    assert (applied.status, applied.reason) == ("False", "OutsideWindow")
    stalled = next(one for one in world.status.conditions if one.type == "Stalled")
    assert stalled.status == "False"
    world.run(1510.0, until=lambda: 10 in weights_written(world))
    assert timedelta(minutes=30) <= at(world) < timedelta(minutes=30, seconds=15)


def test_a_proven_weight_waits_and_the_message_says_for_what() -> None:
    world = in_windows(opens(0, 30))
    world.run(400.0)
    assert weights_written(world) == [10]
    assert world.status.pause is None
    assert world.status.message == (
        "10 % on target, step 2 of 4: weight 50 comes next, once there is nothing in its way: outside"
        " spec.windows: the next one opens Mon 02 Mar 08:30Z"
    )


def test_a_weight_that_is_not_proven_yet_says_both() -> None:
    world = in_windows(opens(0, 30), analysis={"minDuration": "4m"})
    world.run(120.0)
    assert world.status.message.startswith("10 % on target, step 1 of 4: ")
    assert world.status.message.endswith(
        "; outside spec.windows: the next one opens Mon 02 Mar 08:30Z"
    )


# --- what windows do not hold up ----------------------------------------------------------------


@pytest.mark.parametrize("why", ["abort", "guard", "gate", "deletion"])
def test_the_way_back_knows_no_windows(why: str) -> None:
    world = in_windows(opens(0))
    world.run(200.0)
    assert weights_written(world) == [10]
    match why:
        case "abort":
            world.do(lambda w: edit(w, abort=True))
        case "guard":
            world.sides.target.failing = 0.9
        case "gate":
            world.sides.target.slow = 0.4
        case _:
            world.do(lambda w: w.rollouts.delete())
    world.run(120.0)
    assert weights_written(world) == [10, 0]


def test_a_foreign_raise_is_put_back_outside_of_the_windows() -> None:
    world = in_windows(opens(0))
    world.run(200.0)
    world.do(lambda w: w.route.set_by("kubectl-edit", 60))
    world.run(30.0)
    assert world.route.highest == 10


def test_pauses_and_approvals_go_on() -> None:
    steps: list[dict[str, Any]] = [
        {"weight": 10},
        {"pause": {"duration": "5m"}},
        {"approval": {"name": "go"}},
        {"weight": 100},
    ]
    world = told(brisk_world(brisk(steps)), opens(0, 30))
    world.run(500.0)
    assert world.step == 2, "the pause is over, and it waits for its approval"
    world.do(lambda w: edit(w, approved=[{"name": "go", "attempt": 1}]))
    world.run(30.0)
    assert world.step == 3
    assert world.status.summary.message.startswith(
        "10 % on target, step 4 of 4: weight 100 comes next"
    )


def test_completing_moves_no_traffic_and_needs_no_window() -> None:
    world = in_windows(opens(0, duration="5m"))
    world.run(300.0, until=lambda: world.status.weights.applied == 100)
    world.do(lambda w: edit(w, windows=opens(50)))
    world.run(ENOUGH)
    assert world.status.phase == "Completed"


def test_widening_the_windows_is_followed_at_once_and_loses_no_evidence() -> None:
    world = in_windows(opens(0))
    world.run(200.0)
    since = world.status.evidence_since
    world.watchers.pop()
    world.do(lambda w: edit(w, windows=opens(0, duration="1h")))
    assert world.status.evidence_since == since
    world.run(15.0)
    assert weights_written(world) == [10, 50]


# --- waiting for a window is no lack of evidence --------------------------------------------------


def unproven(world: World, seconds: float) -> World:
    """The weight is up, and then there is too little traffic to prove anything."""
    world.run(60.0, until=lambda: 10 in weights_written(world))
    world.sides.rate = 0.02
    world.run(seconds)
    return world


SPARSE = {"interval": "30s", "guardInterval": "30s"}


def test_max_duration_does_not_run_outside_of_the_windows() -> None:
    world = unproven(in_windows(opens(0), analysis=SPARSE), 1200.0)
    assert world.status.pause is None, world.status.message
    assert world.status.message.endswith(
        "outside spec.windows: the next one opens Mon 02 Mar 09:00Z"
    )


def test_max_duration_runs_inside_of_them() -> None:
    windows = [*opens(0), *opens(20, duration="20m")]
    world = unproven(in_windows(windows, analysis=SPARSE), 1800.0)
    assert world.status.pause is not None
    assert world.status.pause.cause == "Inconclusive"
    paused_after = world.status.pause.since - START
    assert timedelta(minutes=24) <= paused_after <= timedelta(minutes=26), "five minutes in windows"


def test_at_the_last_weight_max_duration_runs_always() -> None:
    world = in_windows(opens(0, duration="5m"), analysis=SPARSE)
    world.run(300.0, until=lambda: world.status.weights.applied == 100)
    world.do(lambda w: edit(w, windows=opens(50)))
    world.sides.rate = 0.02
    world.run(600.0)
    assert world.status.pause is not None
