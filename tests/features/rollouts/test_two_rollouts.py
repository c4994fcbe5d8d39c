"""Several rollouts at one operator: on one route, and side by side."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.features.rollouts.stage import Stage

pytestmark = pytest.mark.lab


def test_a_second_rollout_on_a_route_waits_for_the_first_by_name_and_then_goes_on(
    stage: Stage,
) -> None:
    second = replace(stage, name="chat-again")
    stage.begin()
    stage.wait_weight(25)
    second.apply(steps=[{"weight": 50}, {"weight": 100}])
    refused = second.wait_condition("Accepted", "False")
    assert refused["reason"] == "RouteInUse"
    assert f"{stage.namespace}/{stage.name}" in refused["message"]
    assert second.phase == "Pending"
    assert second.wait_event("RouteInUse")["type"] == "Warning"
    stage.patch({"spec": {"abort": True}})
    stage.wait_phase("RolledBack")
    stage.wait_weight(50)
    assert stage.targets == [0, 25, 0, 50]


def test_a_second_rollout_after_a_completed_one_is_told_that_the_target_has_traffic(
    stage: Stage,
) -> None:
    second = replace(stage, name="chat-again")
    stage.begin(steps=[{"weight": 100}])
    stage.wait_phase("Completed")
    second.apply()
    refused = second.wait_condition("Accepted", "False")
    assert refused["reason"] == "TargetHasTraffic"
    assert "0" in refused["message"]
    assert stage.targets == [0, 100]


def test_four_plans_with_identical_sides_all_complete_at_once(
    make_stage: Callable[..., Stage],
) -> None:
    _complete([make_stage() for _ in range(4)], rate=75)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("turn", range(10))
def test_of_40_plans_with_identical_sides_none_is_rolled_back(
    turn: int, make_stage: Callable[..., Stage]
) -> None:
    del turn
    stages = [make_stage() for _ in range(4)]
    _complete(stages, rate=75, steps=[{"weight": w} for w in (5, 10, 25, 50, 75, 100)])


def _complete(stages: list[Stage], rate: float, steps: list[dict[str, int]] | None = None) -> None:
    first = stages[0]
    namespaces = [stage.namespace for stage in stages]
    operator = first.run_operator(watching=namespaces)
    steps = steps or [{"weight": 50}, {"weight": 100}]
    for stage in stages:
        stage.operator = operator
        stage.send(rate=rate)
        stage.apply(steps=steps)
    ends = time.monotonic() + 20 * len(stages) * len(steps)
    for stage in stages:
        stage.wait_phase("Completed", "RolledBack", seconds=max(1.0, ends - time.monotonic()))
        assert stage.phase == "Completed", stage.story()
        assert stage.targets == [0, *(step["weight"] for step in steps)]
