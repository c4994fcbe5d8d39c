"""Law 6: missing is not zero and not bad. Each kind of missing is a verdict's reason of its own, none
passes a gate, and none rolls back by itself.

The one exception, a target that counts nothing while the source proves that requests were sent, is
the ``Unanswered`` guard: where a window of a fresh target holds nothing, it may act.
"""

from hypothesis import given
from hypothesis import strategies as st

from cutover.api.status import PauseCause
from cutover.api.verdict import Verdict
from cutover.decide.readings import Gap, Missing
from tests.fakes import chaos
from tests.fakes.chaos import Event, brisk, brisk_world, play, schedules, tried
from tests.fakes.promises import raises_are_earned
from tests.fakes.sides import FIRST_TOKEN
from tests.fakes.story import weights_written
from tests.fakes.world import World

kinds = st.sampled_from(list(Missing))
quantities = st.sampled_from(["", "Requests", "Errors", FIRST_TOKEN])
GATES_OF = {
    "": ["first-token", "errors"],
    "Requests": ["errors"],
    "Errors": ["errors"],
    FIRST_TOKEN: ["first-token"],
}


def _unguarded() -> World:
    return brisk_world(brisk(guards={"disabled": ["Unanswered"]}))


def _lose(world: World, side: str, quantity: str, missing: Missing) -> None:
    server = world.sides.source if side == "source" else world.sides.target
    gap = Gap(missing, f"{side}: {missing}")
    if quantity:
        server.gate_gaps[quantity] = gap
    else:
        server.gap = gap


@tried
@given(kinds, quantities, st.sampled_from(["source", "target"]))
def test_each_kind_of_missing_is_its_own_reason_and_stops_the_rollout(
    missing: Missing, quantity: str, side: str
) -> None:
    world = _unguarded()
    world.run(30.0)
    _lose(world, side, quantity, missing)
    world.run(12.0)
    gates = {gate.name: gate for gate in world.status.gates}
    expected = Verdict.INCONCLUSIVE if missing is Missing.NO_DATA else Verdict.ERROR
    for name in GATES_OF[quantity]:
        assert (gates[name].verdict, gates[name].reason) == (expected, missing.value)
    world.run(200.0)
    assert weights_written(world) == [10]
    assert world.status.rollback is None
    pause = world.status.pause
    assert (pause is not None and pause.cause is PauseCause.OUTAGE) is (
        missing is not Missing.NO_DATA
    )


@tried
@given(kinds, quantities, st.sampled_from(["source", "target"]), st.sampled_from([5.0, 30.0]))
def test_what_comes_back_in_time_costs_nothing_but_time(
    missing: Missing, quantity: str, side: str, length: float
) -> None:
    world = _unguarded()
    world.run(25.0)
    _lose(world, side, quantity, missing)
    world.run(length)
    for server in world.sides.servers:
        server.gap = None
        server.gate_gaps.clear()
    world.run(400.0)
    assert world.status.phase == "Completed"
    assert weights_written(world) == [10, 50, 100]


@tried
@given(schedules(chaos.unknown_health, chaos.gaps, chaos.restarts, most=8))
def test_unknown_health_rolls_nothing_back(events: list[Event]) -> None:
    """Replicas, probes and gauges that cannot be had break no limit; they hold nothing up either."""
    world = chaos.healthy(_unguarded())
    world.watchers.append(raises_are_earned())
    play(world, events)
    assert world.status.rollback is None


@tried
@given(st.sampled_from(list(chaos.NOTHING_KNOWN)))
def test_unknown_health_holds_nothing_back_once_it_moves(what: str) -> None:
    world = chaos.healthy(_unguarded())
    world.run(30.0)
    chaos._health(world, "both", what, 10_000.0)
    world.run(2 * chaos.ENOUGH)
    assert world.status.phase == "Completed"


@tried
@given(schedules(chaos.gaps, chaos.gate_gaps, chaos.overlaps, chaos.restarts, chaos.requests))
def test_nothing_missing_raises_or_rolls_back(events: list[Event]) -> None:
    world = _unguarded()
    world.watchers.append(raises_are_earned())
    play(world, events)
    assert world.status.rollback is None


@tried
@given(st.sampled_from(["source", "both"]), kinds)
def test_before_the_first_weight_the_source_must_be_readable(side: str, missing: Missing) -> None:
    world = brisk_world()
    for server in chaos._servers(world, side):
        server.gap = Gap(missing, f"{server.name}: {missing}")
    world.run(60.0)
    assert world.status.phase == "Preflight"
    assert not world.route.changes
    assert missing.value in [c.reason for c in world.status.conditions]


@tried
@given(st.sampled_from(["gap", "overlap"]))
def test_nothing_is_raised_from_nothing_while_nobody_can_watch(how: str) -> None:
    """At weight 0 there is nothing to judge, but the guards must be able to see."""
    world = brisk_world(brisk([{"approval": {"name": "go"}}, {"weight": 10}, {"weight": 100}]))
    world.run(10.0)
    if how == "gap":
        world.sides.target.gap = Gap(Missing.UNREACHABLE, "no answer")
    else:
        world.sides.target.overlaps = True
    world.do(lambda w: chaos.edit(w, approved=[{"name": "go", "attempt": 1}]))
    world.run(45.0)
    assert weights_written(world) == []
    world.sides.target.gap, world.sides.target.overlaps = None, False
    world.run(30.0)
    assert weights_written(world) == [10]


def test_a_target_that_answers_nothing_is_not_missing_data() -> None:
    world = brisk_world()
    world.run(40.0)
    world.sides.target.answers = False
    world.run(60.0)
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "Unanswered"
    assert world.route.highest == 0
