"""What calls the traffic back, and which reason is told when there are several."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cutover.api.status import Phase, RollbackStatus, Status
from cutover.decide import alarms
from cutover.decide.observation import Observation
from cutover.decide.readings import Missing
from cutover.decide.rollout import decide
from tests.fakes import chaos
from tests.fakes.chaos import BRISK, ENOUGH, brisk, brisk_world, edit
from tests.fakes.world import World


@pytest.fixture(scope="module")
def seen() -> Observation:
    """A look at a rollout with half of the traffic on the target."""
    world = brisk_world()
    world.run(ENOUGH, until=lambda: world.status.weights.applied == 50)
    return world.process.looks[-1].seen


def _commanded(seen: Observation, status: Status | None = None, **commands: Any) -> str | None:
    seen = replace(seen, commands=replace(seen.commands, **commands))
    alarm = alarms.commanded(seen, status or seen.status)
    return None if alarm is None else alarm.reason


def test_nothing_asked_is_no_alarm(seen: Observation) -> None:
    assert _commanded(seen) is None
    assert _commanded(seen, paused=True) is None


def test_the_first_reason_stays_the_reason(seen: Observation) -> None:
    rollback = RollbackStatus(reason="ErrorBurst", message="half failed", decided_at=seen.now)
    rolling = seen.status.model_copy(update={"phase": Phase.ROLLING_BACK, "rollback": rollback})
    latched = replace(seen, latched="GateFailed", latched_message="slow")
    assert _commanded(seen, rolling, abort=True, deleting=True) == "ErrorBurst"
    assert _commanded(latched, abort=True, deleting=True) == "Aborted"
    assert _commanded(latched, deleting=True) == "GateFailed"
    assert _commanded(seen, deleting=True) == "Deleted"


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.ROLLED_BACK])
def test_what_is_over_is_not_called_back(seen: Observation, phase: Phase) -> None:
    over = seen.status.model_copy(update={"phase": phase})
    assert _commanded(replace(seen, latched="GateFailed"), over, abort=True) is None


def test_keep_holds_off_a_deletion_while_soaking_alone(seen: Observation) -> None:
    soaking = seen.status.model_copy(update={"phase": Phase.SOAKING})
    assert _commanded(seen, soaking, deleting=True, keep_on_delete=True) is None
    assert _commanded(seen, seen.status, deleting=True, keep_on_delete=True) == "Deleted"
    assert _commanded(seen, soaking, deleting=True, keep_on_delete=True, abort=True) == "Aborted"


def _until_end(world: World) -> str:
    world.run(4 * ENOUGH)
    status = world.status
    if status.rollback is not None:
        return status.rollback.reason
    return f"Paused{status.pause.cause}" if status.pause else str(status.phase)


@pytest.mark.parametrize(
    ("setting", "expected"), [("RollBack", "Inconclusive"), ("Pause", "PausedInconclusive")]
)
def test_a_step_without_a_verdict_ends_as_asked(setting: str, expected: str) -> None:
    world = brisk_world(brisk(analysis={"onInconclusive": setting}))
    world.sides.rate = 1.0
    assert _until_end(world) == expected
    ended = next(one.at for one in world.status.history if expected in one.reason)
    assert timedelta(seconds=300) <= ended - world.start <= timedelta(seconds=330)


@pytest.mark.parametrize(
    ("setting", "expected"), [("RollBack", "MetricsOutage"), ("Hold", "PausedMetricsOutage")]
)
def test_an_outage_ends_as_asked(setting: str, expected: str) -> None:
    world = brisk_world(brisk(analysis={**BRISK, "onOutage": setting}))
    world.run(30.0)
    chaos._gap(world, "both", Missing.UNREACHABLE, 10_000.0)
    assert _until_end(world) == expected


def test_a_guard_speaks_before_a_gate(seen: Observation) -> None:
    """Both see a target that fails half of its requests; the burst is told."""
    world = brisk_world()
    world.sides.target.failing = 0.5
    world.run(60.0)
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "ErrorBurst"


def test_a_disabled_guard_is_silent() -> None:
    world = brisk_world(brisk(guards={"disabled": ["ErrorBurst"]}))
    world.sides.target.failing = 0.5
    world.run(120.0)
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "GateFailed"


def test_a_paused_rollout_is_still_called_back() -> None:
    world = brisk_world()
    world.run(40.0)
    world.do(lambda w: edit(w, paused=True))
    world.run(5.0)
    world.sides.target.failing = 0.5
    world.run(60.0)
    assert world.route.highest == 0
    assert decide(world.process.looks[-1].seen).status.phase is Phase.ROLLED_BACK
