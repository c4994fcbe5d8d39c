"""Law 4: intent is in the status before the route is changed upwards; a rollback writes the route
first. A crash between any two effects, then a restart, loses no step, skips no step, repeats no
step's waiting time and never shortens it.
"""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, Event, brisk, brisk_world, edit, play, schedules, tried
from tests.fakes.promises import phases_follow_the_table, raises_are_earned
from tests.fakes.story import weights_written
from tests.fakes.world import World

STEPS = (
    {"weight": 10},
    {"pause": {"duration": "45s"}},
    {"weight": 50},
    {"weight": 100},
    {"soak": {"duration": "40s"}},
)
ORDER = ["weight 10", "pause 45s", "weight 50", "weight 100", "soak 40s"]
DEATHS = (chaos.crashes, chaos.restarts, chaos.answers_lost, chaos.conflicts)


def _times(world: World) -> dict[str, timedelta]:
    """When each step was first seen in the stored status."""
    seen: dict[str, timedelta] = {}

    def watch(world: World) -> None:
        step = world.rollouts.status.get("step")
        if step:
            seen.setdefault(step["description"], world.since_start)

    world.watchers.append(watch)
    return seen


def _undisturbed() -> dict[str, timedelta]:
    world = brisk_world(brisk(STEPS))
    times = _times(world)
    world.run(2 * ENOUGH)
    assert list(times) == ORDER
    return times


BASE = _undisturbed()
LOOK = timedelta(seconds=10)


@tried
@given(schedules(*DEATHS, most=8))
def test_deaths_lose_skip_repeat_and_shorten_nothing(events: list[Event]) -> None:
    world = brisk_world(brisk(STEPS))
    times = _times(world)
    world.watchers += [raises_are_earned(), phases_follow_the_table()]
    play(world, events, rest=3 * ENOUGH)
    assert world.status.phase == "Completed"
    assert weights_written(world) == [10, 50, 100]
    assert list(times) == ORDER
    for step in ORDER[1:]:
        assert times[step] >= BASE[step] - LOOK, f"{step} began too early"
    # Each death costs the time that nobody looked, and at most two looks and a gateway's answer.
    lost = sum(_costs(event) for event in events)
    assert times[ORDER[-1]] <= BASE[ORDER[-1]] + timedelta(seconds=lost) + 2 * LOOK


def _costs(event: Event) -> float:
    down = float(event.name.partition("(")[2].rstrip(")") or 0)
    kind = event.name.partition("(")[0]
    return 31.0 + (down if kind in ("restart", "answers lost") else 0.0)


@tried
@given(st.floats(1.0, 200.0))
def test_a_restart_repeats_no_waiting_time(moment: float) -> None:
    """The next look may come a look later than it would have; nothing is waited for twice."""
    world = brisk_world(brisk(STEPS))
    times = _times(world)
    world.run(moment)
    world.do(lambda w: w.restart())
    world.run(2 * ENOUGH)
    for step in ORDER:
        assert times[step] <= BASE[step] + LOOK + timedelta(seconds=2)


@tried
@given(st.integers(0, 5), st.sampled_from([10, 50, 100]))
def test_dying_at_any_point_around_a_raise_leaves_the_intent_stored(
    point: int, weight: int
) -> None:
    world = brisk_world(brisk(STEPS))
    before = _stored_intents(world)
    world.run(2 * ENOUGH, until=lambda: world.status.weights.desired == weight)
    world.crash_in_next_turn(point)
    world.run(2.0)
    assert world.route.highest == 0 or int(world.route.highest) in before
    world.run(2 * ENOUGH)
    assert weights_written(world) == [10, 50, 100]


def _stored_intents(world: World) -> set[int]:
    stored: set[int] = set()

    def watch(world: World) -> None:
        desired = (world.rollouts.status.get("weights") or {}).get("desired")
        stored.update(() if desired is None else (desired,))
        assert int(world.route.highest) in stored | {0}, "on the route before it was in the status"

    world.watchers.append(watch)
    return stored


@tried
@given(st.sampled_from(["abort", "errors", "refused"]), st.sampled_from([40.0, 80.0, 120.0]))
def test_a_rollback_is_on_the_route_before_it_is_in_the_status(why: str, moment: float) -> None:
    world = brisk_world(brisk(STEPS))
    world.run(moment)
    assert world.route.highest > 0
    if why == "refused":
        world.rollouts.refuses_status = "no space left"
    if why == "errors":
        world.sides.target.failing = 0.6
    else:
        world.do(lambda w: edit(w, abort=True))
    world.run(40.0, until=lambda: world.route.highest == 0 or _rolling(world))
    assert world.route.highest == 0
    world.running[-1].crash_after = None


def _rolling(world: World) -> bool:
    return world.rollouts.status.get("phase") == "RollingBack" and world.route.highest > 0


@tried
@given(st.sampled_from([0, 1, 2]), st.sampled_from([40.0, 80.0]))
def test_a_rollback_cut_short_is_gone_on_with(point: int, moment: float) -> None:
    world = brisk_world(brisk(STEPS))
    world.run(moment)
    world.crash_in_next_turn(point)
    world.do(lambda w: edit(w, abort=True))
    world.run(5.0)
    assert world.route.highest == 0
    assert world.status.phase == "RolledBack"


@tried
@given(st.sampled_from([40.0, 80.0, 120.0]), st.sampled_from([1.0, 60.0, 1200.0]))
def test_a_rollback_that_was_never_recorded_is_told_as_what_it_was(
    moment: float, down: float
) -> None:
    """Its leader died between the route and the status; by now nothing shows in the metrics."""
    world = brisk_world(brisk(STEPS))
    world.run(moment)
    world.rollouts.refuses_status = "no space left"
    world.sides.target.failing = 0.6
    world.run(60.0, until=lambda: world.route.highest == 0)
    assert world.rollouts.status["phase"] in ("Progressing", "Soaking")
    world.kill()
    world.rollouts.refuses_status = ""
    world.sides.target.failing = 0.0
    world.restart(after=timedelta(seconds=down))
    world.run(down + 5.0)
    assert world.status.phase == "RolledBack"
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "ErrorBurst"
    assert "failed" in world.status.rollback.message
    assert "EmergencyStop" not in {said.reason for _, said in world.events}


def test_what_an_earlier_attempt_left_on_the_route_calls_no_later_one_back() -> None:
    world = brisk_world(brisk(STEPS))
    world.run(40.0)
    world.do(lambda w: edit(w, abort=True))
    world.run(30.0)
    claim = next(one.claim_after for one in world.route.changes if one.lowers)
    assert claim is not None
    assert "goingBack" in claim
    world.route.claim_text = claim
    world.do(lambda w: edit(w, abort=None, attempt=2))
    world.run(2 * ENOUGH)
    assert world.status.phase == "Completed"
