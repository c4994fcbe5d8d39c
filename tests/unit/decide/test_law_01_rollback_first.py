"""Law 1: nothing fallible comes before rollback.

That a rollback wins over races and drops the resourceVersion after three of them is ``act``'s part;
here real ``act`` runs it, and the decision's part is that nothing else is asked first.
"""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from cutover.decide.decision import RollBack
from cutover.decide.observation import Health, Observation, Probes, Refusal, Replicas, Warmed
from cutover.decide.readings import Gap, Missing
from cutover.decide.rollout import decide
from cutover.decide.route import RouteSeen
from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, Event, brisk_world, edit, schedules, tried
from tests.fakes.world import World

CANNOT_STOP_IT = (
    chaos.gaps,
    chaos.gate_gaps,
    chaos.overlaps,
    chaos.edits,
    chaos.pauses,
    chaos.hands,
    chaos.conflicts,
    chaos.gateway_stuck,
    chaos.status_refused,
    chaos.answers_lost,
    chaos.ill_source,
    chaos.unknown_health,
    chaos.jumps_back,
)
moments = st.sampled_from([12.0, 45.0, 78.0, 110.0, 140.0])


def _until(world: World, events: list[Event], moment: float) -> None:
    """Play what happens until a moment at which the target has traffic."""
    for event in events:
        world.run(event.after)
        world.do(event.deed)
    world.run(max(0.0, moment - world.since_start.total_seconds()))
    assume(world.status.phase in ("Progressing", "Soaking", "RollingBack"))


@tried
@given(schedules(*CANNOT_STOP_IT), moments)
def test_an_abort_is_carried_out_in_the_turn_that_reads_it(
    events: list[Event], moment: float
) -> None:
    world = brisk_world()
    _until(world, events, moment)
    world.do(lambda w: edit(w, abort=True))
    world.run(0.1)
    assert world.route.highest == 0


@tried
@given(schedules(*CANNOT_STOP_IT, chaos.restarts, most=4), moments, st.sampled_from([0.5, 1.0]))
def test_a_burst_of_errors_ends_within_seconds(
    events: list[Event], moment: float, failing: float
) -> None:
    world = brisk_world()
    _until(world, events, moment)
    assume(world.route.delivered_share >= 10 and world.running)
    world.run(100.0)  # what was broken for a while is whole again
    assume(world.status.phase in ("Progressing", "Soaking") and world.route.delivered_share >= 10)

    def fail(world: World) -> None:
        world.sides.target.failing = failing
        edit(world, steps=[{"weight": 3}])
        world.rollouts.refuses_status = "no space left"

    world.do(fail)
    world.run(30.0)
    assert world.route.highest == 0


@tried
@given(st.sampled_from(["nonsense", "another past", "stricter", "one more"]))
def test_a_verdict_comes_before_the_edit_that_the_same_look_brings(which: str) -> None:
    """An edit that is followed begins the evidence afresh; it must not save a target that has failed."""
    world = _slow_from_the_beginning()
    world.run(ENOUGH, until=lambda: world.status.rollback is not None)
    failed_at = world.since_start.total_seconds()
    world = _slow_from_the_beginning()
    world.run(failed_at - 0.07)
    world.do(lambda w: chaos._steps(w, which))
    world.run(0.05)
    assert world.route.highest == 0
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "GateFailed"


def _slow_from_the_beginning() -> World:
    world = brisk_world()
    world.sides.target.slow = 0.2
    return world


facts = st.sampled_from(
    [None, Gap(Missing.UNREACHABLE, "no answer"), Replicas(0, 4), Replicas(3, 4)]
)
health = st.builds(
    Health,
    source_replicas=facts,
    target_replicas=facts,
    probes=st.sampled_from([None, Probes(), Probes(9, message="refused"), Probes(unsent="no")]),
    warmed=st.sampled_from([None, Warmed(20, 20, "refused"), Warmed(3, 0, under_way=True)]),
)


def _broken(draw: st.DrawFn, seen: Observation) -> Observation:
    """The same look with any of its fallible parts missing or bad."""
    gap = Gap(draw(st.sampled_from(list(Missing))), "nothing to be read")
    readings = st.sampled_from([None, gap, seen.source, seen.target])
    route = seen.route
    assert isinstance(route, RouteSeen)
    route = replace(
        route,
        accepted=draw(st.booleans()),
        problem=draw(st.sampled_from([None, "no rule names the target"])),
    )
    return replace(
        seen,
        source=draw(readings),
        target=draw(readings),
        draft=draw(st.sampled_from([seen.draft, Refusal("InvalidSpec", "spec.steps is wrong")])),
        health=draw(health),
        long_window=draw(st.sampled_from([None, seen.long_window])),
        route=route,
    )


@tried
@given(st.data(), moments, st.sampled_from(["abort", "latched", "deleting"]))
def test_whatever_else_a_look_shows_the_decision_is_to_roll_back(
    data: st.DataObject, moment: float, why: str
) -> None:
    world = brisk_world()
    world.run(moment)
    seen = data.draw(st.composite(_broken)(world.process.looks[-1].seen))
    assume(isinstance(seen.route, RouteSeen) and seen.route.highest > 0)
    if why == "latched":
        seen = replace(seen, latched="ErrorBurst", latched_message="half of them failed")
    else:
        commands = seen.commands
        abort, deleting = why == "abort", why == "deleting"
        seen = replace(seen, commands=replace(commands, abort=abort, deleting=deleting))
    decision = decide(seen)
    assert isinstance(decision.action, RollBack)
    assert all(rule.target == 0 for rule in decision.action.original)


@tried
@given(st.sampled_from([5.0, 40.0, 400.0]), moments)
def test_a_decided_rollback_is_finished_without_the_rollouts_api_server(
    away: float, moment: float
) -> None:
    """Decided while the route was out of reach; then the object cannot be read either."""
    world = brisk_world()
    world.run(moment)
    world.route.unreadable = "Unreachable: no route to host"
    world.do(lambda w: edit(w, abort=True))
    world.run(5.0)
    world.rollouts.reachable = False
    world.run(away)
    world.route.unreadable = ""
    world.run(2.0)
    assert world.route.highest == 0


@tried
@given(schedules(chaos.gaps, chaos.conflicts, most=3), st.sampled_from([0, 1, None]))
def test_a_source_that_is_too_small_keeps_nobody_from_going_back_to_it(
    events: list[Event], ready: int | None
) -> None:
    """RollbackReady says so; the one thing that it never does is to stand in the way."""
    world = chaos.healthy(brisk_world())
    _until(world, events, 60.0)
    world.sides.source.replicas = ready
    world.run(11.0)
    assume(world.status.phase in ("Progressing", "Soaking"))
    ready_back = next(c for c in world.status.conditions if c.type == "RollbackReady")
    if ready == 0:
        assert (ready_back.status, ready_back.reason) == ("False", "SourceNotReady")
    world.do(lambda w: edit(w, abort=True))
    world.run(0.1)
    assert world.route.highest == 0
