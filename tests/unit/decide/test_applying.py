"""A weight step may have durations and gates of its own, in force until the next weight."""

from typing import Any

import pytest

from cutover.api.status import PauseCause
from cutover.decide.readings import Gap, Missing
from tests.fakes.chaos import brisk, brisk_world
from tests.fakes.promises import watch_all
from tests.fakes.sides import FIRST_TOKEN
from tests.fakes.story import weights_written
from tests.fakes.world import World


def world(*steps: dict[str, Any], **more: Any) -> World:
    one = brisk_world(brisk(steps, **more))
    watch_all(one)
    return one


def raised(one: World, weight: int) -> float:
    """Seconds from the start until that weight is in force."""
    one.run(3600.0, until=lambda: one.status.weights.applied == weight)
    return one.since_start.total_seconds()


@pytest.mark.parametrize(
    "own",
    [{"settle": "3m"}, {"minDuration": "4m"}, {"minRequests": 2500}],
    ids=["settle", "minDuration", "minRequests"],
)
def test_a_step_takes_as_long_as_its_own_terms_ask(own: dict[str, Any]) -> None:
    usual = world({"weight": 10}, {"weight": 50}, {"weight": 100})
    first, second = raised(usual, 50), raised(usual, 100)
    one = world({"weight": 10, **own}, {"weight": 50}, {"weight": 100})
    longer = raised(one, 50)
    assert longer >= first + 90.0
    assert raised(one, 100) - longer == pytest.approx(second - first, abs=11.0)


def test_its_own_max_duration_ends_the_wait() -> None:
    one = world({"weight": 10, "maxDuration": "1m"}, {"weight": 100})
    one.sides.target.gate_gaps[FIRST_TOKEN] = Gap(Missing.NO_DATA, "nothing yet")
    one.run(90.0)
    pause = one.status.pause
    assert pause is not None
    assert pause.cause is PauseCause.INCONCLUSIVE
    assert "maxDuration 1m" in pause.message


def test_a_gate_that_a_step_does_not_name_is_not_judged_there() -> None:
    """It would call back at 10 %; the step waits for the errors alone, and so does the pause after it."""
    one = world(
        {"weight": 10, "gates": ["errors"]},
        {"pause": {"duration": "1m"}},
        {"weight": 50},
        {"weight": 100},
    )
    one.sides.target.slow = 0.3
    one.run(110.0)
    assert [gate.name for gate in one.status.gates] == ["errors"]
    one.run(240.0)
    assert weights_written(one) == [10, 50, 0], "at 50 % every gate is judged again"


def test_guards_watch_whatever_a_step_names() -> None:
    one = world({"weight": 10, "gates": ["errors"]}, {"weight": 100})
    one.run(40.0)
    one.sides.target.slow = 0.9
    one.run(60.0)
    assert one.status.rollback is not None
    assert one.status.rollback.reason == "LatencyBurst"


def test_terms_of_a_future_step_can_be_edited_and_those_of_the_current_one_are_frozen() -> None:
    one = world({"weight": 10}, {"weight": 50}, {"weight": 100})
    one.run(15.0)
    steps: list[dict[str, Any]] = [{"weight": 10}, {"weight": 50, "settle": "1m"}, {"weight": 100}]
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(steps=steps)))
    one.run(5.0)
    assert one.status.plan is not None
    assert one.status.plan.steps[1].settle == "1m"
    steps = [{"weight": 10, "settle": "1s"}, *steps[1:]]
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(steps=steps)))
    one.run(5.0)
    assert one.status.plan.steps[0].settle is None
    assert "RewritesPast" in [condition.reason for condition in one.status.conditions]
