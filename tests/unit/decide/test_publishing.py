"""How often the status is written: what people act on at once, numbers seldom."""

from datetime import timedelta

import pytest

from cutover.decide.publishing import worth_writing
from cutover.decide.route import RuleWeights
from tests.fakes.chaos import brisk, brisk_world, edit
from tests.fakes.plans import quick
from tests.fakes.world import World

HOUR = 3600.0


def _writes_in(world: World, seconds: float) -> int:
    before = len(world.rollouts.status_writes)
    world.run(seconds)
    return len(world.rollouts.status_writes) - before


def test_a_paused_rollout_at_weight_0_writes_nothing() -> None:
    world = brisk_world(brisk([{"approval": {"name": "go"}}, {"weight": 100}], paused=True))
    world.run(60.0)
    assert world.status.pause is not None
    assert _writes_in(world, 3 * HOUR) == 0


def test_a_stopped_rollout_at_weight_0_writes_nothing() -> None:
    world = brisk_world()
    world.run(40.0)
    world.do(lambda w: w.route.set_by("kubectl-edit", 0))
    world.run(60.0)
    assert _writes_in(world, 3 * HOUR) == 0


@pytest.mark.parametrize("weight", [10, 50, 100])
def test_a_paused_rollout_with_traffic_writes_once_in_ten_minutes(weight: int) -> None:
    world = brisk_world()
    world.run(400.0, until=lambda: world.status.weights.applied == weight)
    world.do(lambda w: edit(w, paused=True))
    world.run(120.0)
    assert _writes_in(world, 3 * HOUR) <= 18 + 2 * 3  # evidence begins afresh every hour


def test_waiting_for_evidence_writes_once_a_minute() -> None:
    world = World(quick(analysis={"maxDuration": "24h"}), rate=0.2)
    world.run(120.0)
    assert _writes_in(world, 0.9 * HOUR) <= 55


def test_waiting_for_an_approval_at_weight_0_writes_nothing() -> None:
    world = brisk_world(brisk([{"approval": {"name": "go"}}, {"weight": 100}]))
    world.run(60.0)
    assert _writes_in(world, 3 * HOUR) == 0


def test_what_cannot_begin_writes_nothing() -> None:
    world = brisk_world(rules=(RuleWeights(0, 50, 50),))
    world.run(60.0)
    assert world.status.phase == "Pending"
    assert _writes_in(world, 3 * HOUR) == 0


@pytest.mark.parametrize("how", ["Completed", "RolledBack"])
def test_a_finished_rollout_writes_nothing(how: str) -> None:
    world = brisk_world()
    if how == "RolledBack":
        world.run(40.0)
        world.do(lambda w: edit(w, abort=True))
    world.run(400.0)
    assert world.status.phase == how
    assert _writes_in(world, 3 * HOUR) == 0


def test_an_undisturbed_step_costs_a_handful_of_writes() -> None:
    world = brisk_world(brisk([{"weight": 50}, {"weight": 100}]))
    world.run(400.0)
    assert world.status.phase == "Completed"
    assert len(world.rollouts.status_writes) <= 8 + 2 * 5


def test_numbers_alone_wait_their_time() -> None:
    world = brisk_world()
    world.run(30.0)
    old = world.status
    moved = old.weights.model_copy(update={"delivered": 12.3})
    new = old.model_copy(update={"weights": moved})
    now = world.now
    for age, due in ((1, False), (59, False), (60, True), (-5, True)):
        last = now - timedelta(seconds=age)
        assert worth_writing(old, new, now, last) is due
    assert worth_writing(old, new, now, None)
    assert not worth_writing(old, old, now, None)


@pytest.mark.parametrize(
    "update",
    [
        {"attempt": 2},
        {"observed_generation": 99},
        {"leader_epoch": 99},
        {"gates": []},
        {"evidence_since": None},
        {"outage_since": "now"},
        {"release_failing_since": "now"},
        {"enforced_at": ["now"]},
        {"original": []},
        {"conditions": []},
    ],
    ids=lambda update: next(iter(update)),
)
def test_what_somebody_acts_on_is_written_at_once(update: dict[str, object]) -> None:
    world = brisk_world()
    world.run(30.0)
    given = {key: world.now if value == "now" else value for key, value in update.items()}
    new = world.status.model_copy(update=given)
    assert worth_writing(world.status, new, world.now, world.now)
