"""Law 5: clocks live in the status as timestamps. A restart is not a tick, a failing streak survives
it, and a clock that is set back makes nothing shorter.
"""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cutover.api.status import PauseCause
from cutover.decide.readings import Gap, Missing
from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, Event, brisk, brisk_world, edit, play, schedules, tried
from tests.fakes.promises import raises_are_earned
from tests.fakes.sides import FIRST_TOKEN
from tests.fakes.story import weights_written
from tests.fakes.world import World

deaths = st.lists(st.floats(0.5, 15.0), max_size=25)


def _die_often(world: World, after: list[float]) -> None:
    for seconds in after:
        world.run(seconds)
        world.do(lambda w: w.restart())


@tried
@given(deaths)
def test_restarts_are_no_ticks(after: list[float]) -> None:
    """However often it begins anew, no step is over before its time."""
    world = brisk_world()
    world.watchers.append(raises_are_earned())
    _die_often(world, after)
    world.run(2 * ENOUGH)
    assert weights_written(world) == [10, 50, 100]


@tried
@given(schedules(chaos.jumps_back, chaos.pauses, chaos.restarts))
def test_a_clock_set_back_shortens_nothing(events: list[Event]) -> None:
    world = brisk_world()
    world.watchers.append(raises_are_earned())
    play(world, events)


@tried
@given(deaths, st.booleans())
def test_an_outage_is_timed_across_restarts(after: list[float], one_gate: bool) -> None:
    world = brisk_world()
    world.run(30.0)
    gap = Gap(Missing.UNREACHABLE, "Prometheus does not answer")
    if one_gate:
        world.sides.target.gate_gaps[FIRST_TOKEN] = gap
    else:
        world.sides.target.gap = gap
    began = world.now
    paused = _first_pause(world)
    _die_often(world, after)
    world.run(150.0)
    assert paused
    assert world.status.pause is not None
    assert world.status.pause.cause is PauseCause.OUTAGE
    waited = paused[0] - began
    assert timedelta(seconds=60) <= waited <= timedelta(seconds=60 + 2 * 10 + 2)


def _first_pause(world: World) -> list[datetime]:
    found: list[datetime] = []

    def watch(world: World) -> None:
        if not found and world.rollouts.status.get("pause"):
            found.append(world.now)

    world.watchers.append(watch)
    return found


@tried
@given(deaths)
def test_a_failing_streak_keeps_its_beginning(after: list[float]) -> None:
    world = brisk_world()
    world.run(30.0)
    world.sides.source.gap = Gap(Missing.UNAUTHORISED, "401")
    world.run(11.0)
    began = {gate.name: gate.failing_since for gate in world.status.gates}
    assert all(began.values())
    _die_often(world, after)
    world.run(20.0)
    assert {gate.name: gate.failing_since for gate in world.status.gates} == began


@tried
@given(
    st.sampled_from([5.0, 25.0, 40.0]),
    st.sampled_from([3.0, 100.0, 4000.0]),
    st.sampled_from([0.0, -1.0, -50.0, -5000.0]),
)
def test_a_pause_counts_for_nothing(waited: float, paused: float, jump: float) -> None:
    """What was waited before it stays waited, and no more, whatever the clock does meanwhile."""
    world = brisk_world(brisk([{"weight": 10}, {"pause": {"duration": "60s"}}, {"weight": 100}]))
    world.run(ENOUGH, until=lambda: world.step == 1)
    begun = world.now
    world.run(waited)
    world.do(lambda w: edit(w, paused=True))
    world.run(paused / 2)
    world.process.skew += timedelta(seconds=jump)
    world.run(paused / 2)
    world.do(lambda w: edit(w, paused=False))
    world.run(60.0 - waited - 0.2)
    assert weights_written(world) == [10]
    if not jump:
        world.run(25.0)
        assert weights_written(world) == [10, 100]
        assert world.now - begun >= timedelta(seconds=60 + paused)
