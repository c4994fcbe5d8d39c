"""Law 9: somebody else's change of the weights is seen at once and reported. One that lowers the
target's share is never undone and pauses, whatever ``onOverride`` says; one that raises it is handled
by ``onOverride``; after five enforcements in ten minutes it pauses and says whom it fights.
"""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cutover.api.status import PauseCause
from cutover.decide.route import RuleWeights
from tests.fakes import chaos
from tests.fakes.chaos import (
    BRISK_STEPS,
    ENOUGH,
    Event,
    brisk,
    brisk_world,
    edit,
    play,
    schedules,
    tried,
)
from tests.fakes.story import writes_of
from tests.fakes.world import World

modes = st.sampled_from(["Enforce", "Pause"])
moments = st.sampled_from([5.0, 33.0, 62.0, 75.0, 100.0, 130.0])
managers = st.sampled_from(["kubectl-edit", "argocd"])
FAULTS = (chaos.restarts, chaos.gaps, chaos.edits, chaos.jumps_back, chaos.conflicts)


def _begun(mode: str, moment: float = 0.0) -> World:
    world = brisk_world(brisk(traffic={"onOverride": mode}))
    world.run(moment)
    return world


def _reasons(world: World) -> list[str]:
    return [said.reason for _, said in world.events]


@tried
@given(modes, moments, managers, st.floats(0.0, 0.99), schedules(*FAULTS, most=4))
def test_a_share_that_somebody_lowers_is_never_raised_again_by_itself(
    mode: str, moment: float, manager: str, part: float, events: list[Event]
) -> None:
    world = _begun(mode, moment)
    weight = int(world.route.highest * part)
    assume(weight < world.route.highest)
    world.do(lambda w: w.route.set_by(manager, weight))
    world.run(0.1)
    assert "EmergencyStop" in _reasons(world)
    pause = world.status.pause
    assert pause is not None
    assert pause.cause is PauseCause.EMERGENCY_STOP
    assert manager in pause.message
    play(world, events)
    assert world.route.highest == weight
    assert world.status.pause is not None


@tried
@given(modes, moments, managers, st.integers(1, 100))
def test_a_share_that_somebody_raises_is_handled_as_asked(
    mode: str, moment: float, manager: str, weight: int
) -> None:
    world = _begun(mode, moment)
    before = world.route.highest
    assume(weight > before)
    assume(weight != world.status.weights.desired)
    world.do(lambda w: w.route.set_by(manager, weight))
    world.run(0.1)
    said = next(said for _, said in world.events if said.reason == "TrafficOverridden")
    assert manager in said.message
    if mode == "Enforce":
        assert world.route.highest == before
        assert world.status.pause is None
    else:
        assert world.route.highest == weight
        assert world.status.pause is not None
        assert world.status.pause.cause is PauseCause.OVERRIDDEN
        world.run(ENOUGH)
        assert world.route.highest == weight


@tried
@given(
    st.lists(st.sampled_from([1.0, 12.0, 50.0, 400.0]), min_size=5, max_size=14),
    st.sampled_from([None, 1.0]),
)
def test_the_sixth_enforcement_in_ten_minutes_is_a_pause(
    gaps: list[float], restart: float | None
) -> None:
    world = brisk_world(brisk([{"weight": 10}, {"approval": {"name": "go"}}, {"weight": 100}]))
    world.run(80.0)
    times: list[float] = []
    for gap in gaps:
        world.run(gap)
        if restart is not None:
            world.restart()
            world.run(restart)
        if "pause" in world.rollouts.status:
            break
        world.do(lambda w: w.route.set_by("argocd", 70))
        now = world.since_start.total_seconds()
        recent = [at for at in times if now - at < 600.0]
        world.run(0.1)
        if len(recent) >= 5:
            pause = world.status.pause
            assert pause is not None
            assert pause.cause is PauseCause.CONTESTED
            assert "argocd" in pause.message
            assert world.route.highest == 70
        else:
            assert world.route.highest == 10
            times.append(now)


@pytest.mark.parametrize("races", [0, 1, 6])
def test_an_enforcement_that_loses_races_is_one_enforcement(races: int) -> None:
    world = brisk_world(brisk([{"weight": 10}, {"approval": {"name": "go"}}, {"weight": 100}]))
    world.run(80.0)
    world.do(lambda w: chaos.conflicting(w, races))
    world.do(lambda w: w.route.set_by("argocd", 70))
    world.run(5.0)
    assert world.route.highest == 10
    assert _reasons(world).count("TrafficOverridden") == 1
    assert len(world.status.enforced_at) == 1
    world.do(lambda w: w.route.set_by("argocd", 70))
    world.run(5.0)
    assert len(world.status.enforced_at) == 2


@tried
@given(modes, st.sampled_from([0.0, 5.0, 60.0]), st.sampled_from([0, 10, 30]))
def test_a_raise_that_somebody_undoes_before_the_gateway_took_it_is_a_stop(
    mode: str, later: float, weight: int
) -> None:
    """Git puts its own weights back while the gateway is slow: that must not become a fight."""
    world = _begun(mode)
    world.run(ENOUGH, until=lambda: world.status.weights.desired == 50)
    world.route.gateway_stuck = True
    world.run(2.0 + later)
    assert world.route.highest == 50
    world.do(lambda w: w.route.set_by("argocd", weight))
    world.run(30.0)
    assert world.route.highest == weight
    assert world.status.pause is not None
    assert world.status.pause.cause is PauseCause.EMERGENCY_STOP


@tried
@given(modes, st.sampled_from([0, 10, 30, 99]), st.booleans())
def test_a_stop_while_soaking_goes_back_to_the_step_it_left(
    mode: str, weight: int, pause_first: bool
) -> None:
    steps = [*BRISK_STEPS[:3], {"soak": {"duration": "1h"}}]
    world = brisk_world(brisk(steps, traffic={"onOverride": mode}))
    world.run(ENOUGH)
    assert world.status.phase == "Soaking"
    if pause_first:
        world.do(lambda w: edit(w, paused=True))
        world.run(5.0)
    world.do(lambda w: w.route.set_by("kubectl-edit", weight))
    world.run(5.0)
    assert world.status.pause is not None
    assert world.status.pause.cause is PauseCause.EMERGENCY_STOP
    world.do(lambda w: edit(w, paused=True))
    world.run(5.0)
    before = len(world.route.changes)
    world.do(lambda w: edit(w, paused=False))
    world.run(5.0)
    assert world.status.phase == "Progressing"
    world.run(2 * ENOUGH)
    assert world.status.phase == "Soaking"
    assert writes_of(world, before) == [w for w in (10, 50, 100) if w > weight]


@tried
@given(st.sampled_from([20, 60]), st.sampled_from([5, 95]))
def test_one_rule_raised_and_one_lowered_is_a_stop(up: int, down: int) -> None:
    rules = (RuleWeights(0, 1, 0), RuleWeights(1, 1, 0))
    world = brisk_world(brisk([{"weight": 10}, {"weight": 100}]), rules=rules)
    world.run(20.0)
    low = min(9, down)
    mixed = (RuleWeights(0, 100 - up, up), RuleWeights(1, 100 - low, low))
    world.do(lambda w: w.route.set_by("kubectl-edit", mixed))
    world.run(60.0)
    assert world.route.rules == mixed
    assert world.status.pause is not None
    assert world.status.pause.cause is PauseCause.EMERGENCY_STOP
