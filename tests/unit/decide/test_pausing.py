"""Who begins a pause, who may end it, and from where it goes on."""

from typing import Any

import pytest

from cutover.api.status import PauseCause
from cutover.decide.pausing import step_for
from cutover.decide.plan import DEFAULT_STEPS
from cutover.decide.readings import Gap, Missing
from tests.fakes.chaos import ENOUGH, brisk, brisk_world, edit
from tests.fakes.plans import quick
from tests.fakes.story import weights_written
from tests.fakes.world import World

SOAKING = brisk([{"weight": 50}, {"weight": 100}, {"soak": {"duration": "30m"}}])


def _cause(world: World) -> PauseCause | None:
    pause = world.status.pause
    return None if pause is None else pause.cause


def _set(world: World, *, paused: bool) -> None:
    world.do(lambda w: edit(w, paused=paused))
    world.run(1.0)


def _slow_everywhere(world: World, share: float) -> None:
    for server in world.sides.servers:
        server.slow = share


def _at_all() -> World:
    """Everything has just arrived on the target: nothing is left to compare with."""
    world = brisk_world(SOAKING)
    world.run(ENOUGH, until=lambda: world.status.weights.applied == 100)
    return world


def test_both_sides_worse_is_a_pause_and_the_guards_go_on_watching() -> None:
    world = _at_all()
    _slow_everywhere(world, 0.3)
    world.run(300.0)
    assert _cause(world) is PauseCause.BOTH_WORSE
    assert world.route.highest == 100
    world.sides.target.failing = 0.5
    world.run(60.0)
    assert world.route.highest == 0
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "ErrorBurst"


def test_what_got_worse_during_a_requested_pause_holds_after_it() -> None:
    world = _at_all()
    _slow_everywhere(world, 0.3)
    world.run(15.0)
    _set(world, paused=True)
    world.run(300.0)
    assert _cause(world) is PauseCause.REQUESTED
    _set(world, paused=False)
    world.run(10.0)
    assert _cause(world) is PauseCause.BOTH_WORSE


def test_a_pause_that_began_while_settling_lets_it_settle_and_judges_from_then_on() -> None:
    world = _at_all()
    _slow_everywhere(world, 0.3)
    _set(world, paused=True)
    world.run(300.0)
    _set(world, paused=False)
    resumed_at = world.now
    world.run(9.0)
    assert _cause(world) is None
    world.run(60.0)
    assert _cause(world) is PauseCause.BOTH_WORSE
    since = world.status.evidence_since
    assert since is not None
    assert since >= resumed_at


def test_a_resumed_rollout_has_another_chance_and_no_more() -> None:
    world = _at_all()
    _slow_everywhere(world, 0.3)
    world.run(300.0)
    for _ in range(2):
        assert _cause(world) is PauseCause.BOTH_WORSE
        _set(world, paused=True)
        _set(world, paused=False)
        assert _cause(world) is None
        world.run(120.0)
    assert _cause(world) is PauseCause.BOTH_WORSE


@pytest.mark.parametrize("first", ["requested", "stop"])
def test_a_stop_takes_the_place_of_a_request_and_a_request_acknowledges_a_stop(first: str) -> None:
    world = brisk_world()
    world.run(40.0)
    if first == "requested":
        _set(world, paused=True)
        assert _cause(world) is PauseCause.REQUESTED
        world.do(lambda w: w.route.set_by("kubectl-edit", 2))
        world.run(1.0)
    else:
        world.do(lambda w: w.route.set_by("kubectl-edit", 2))
        world.run(1.0)
        _set(world, paused=True)
    pause = world.status.pause
    assert pause is not None
    assert pause.cause is PauseCause.EMERGENCY_STOP
    assert pause.acknowledged
    _set(world, paused=False)
    assert _cause(world) is None


def test_a_pause_of_the_rollouts_own_needs_a_person_to_see_it() -> None:
    world = brisk_world()
    world.run(40.0)
    world.do(lambda w: w.route.set_by("kubectl-edit", 2))
    world.run(1.0)
    world.do(lambda w: edit(w, paused=False))
    world.run(60.0)
    assert _cause(world) is PauseCause.EMERGENCY_STOP


def test_a_request_counts_while_the_route_is_out_of_reach() -> None:
    world = brisk_world()
    world.run(40.0)
    world.route.unreadable = "Unreachable: away"
    world.run(11.0)
    _set(world, paused=True)
    world.run(11.0)
    assert _cause(world) is PauseCause.REQUESTED
    _set(world, paused=False)
    world.run(30.0)
    assert _cause(world) is PauseCause.REQUESTED, "it ends where the route can be seen"
    world.route.unreadable = ""
    world.run(20.0)
    assert _cause(world) is None


def test_too_few_requests_pause_and_a_resume_waits_the_whole_time_again() -> None:
    world = World(quick(), rate=1.0)
    world.run(700.0)
    assert _cause(world) is PauseCause.INCONCLUSIVE
    _set(world, paused=True)
    _set(world, paused=False)
    world.run(500.0)
    assert _cause(world) is None
    world.run(200.0)
    assert _cause(world) is PauseCause.INCONCLUSIVE


def test_a_soak_that_cannot_be_proven_ends_in_a_pause_not_in_silence() -> None:
    world = brisk_world()
    world.run(ENOUGH, until=lambda: world.status.phase == "Soaking")
    world.sides.rate = 0.0
    world.do(lambda w: edit(w, analysis={**brisk()["analysis"], "minRequests": 60}))
    world.run(200.0)
    assert world.status.phase == "Soaking"
    assert _cause(world) is None
    world.run(300.0)
    assert _cause(world) is PauseCause.INCONCLUSIVE


def test_an_answer_now_and_then_is_an_outage_told_of_seldom() -> None:
    """A server that answers every other look must not cost a write at each."""
    world = brisk_world(brisk(analysis={"interval": "1m", "guardInterval": "5s"}))
    world.run(100.0)

    def flap(world: World) -> None:
        away = world.turns % 2 == 0
        world.sides.target.gap = Gap(Missing.UNREACHABLE, "now and then") if away else None

    world.watchers.append(flap)
    before = len(world.rollouts.status_writes)
    world.run(600.0)
    assert len(world.rollouts.status_writes) - before <= 4 * 10


@pytest.mark.parametrize(
    ("live", "index"),
    [(0, 0), (0.5, 0), (1, 0), (2, 1), (5, 1), (12.5, 3), (25, 3), (99, 6), (100, 6)],
)
def test_the_step_of_a_weight_is_the_lowest_not_below_it(live: float, index: int) -> None:
    plan = _plan([dict(step.model_dump(exclude_none=True)) for step in DEFAULT_STEPS])
    assert step_for(plan, live, shadow=True) == index


@pytest.mark.parametrize(
    ("live", "index"), [(0, 0), (5, 1), (6, 2), (24, 2), (25, 4), (26, 5), (100, 6)]
)
def test_approvals_and_pauses_before_a_raise_are_not_left_out(live: float, index: int) -> None:
    plan = _plan(
        [
            {"approval": {"name": "begin"}},
            {"weight": 5},
            {"approval": {"name": "more"}},
            {"pause": {"duration": "1m"}},
            {"weight": 25},
            {"approval": {"name": "all"}},
            {"weight": 100},
        ]
    )
    assert step_for(plan, live, shadow=True) == index


def _plan(steps: list[dict[str, Any]]) -> Any:
    world = brisk_world(brisk(steps))
    world.run(1.0)
    plan = world.status.plan
    assert plan is not None
    return plan


def test_a_rollout_that_is_paused_from_the_start_moves_nothing() -> None:
    world = brisk_world(brisk(paused=True))
    world.run(ENOUGH)
    assert weights_written(world) == []
    assert _cause(world) is PauseCause.REQUESTED
    _set(world, paused=False)
    world.run(2 * ENOUGH)
    assert world.status.phase == "Completed"
