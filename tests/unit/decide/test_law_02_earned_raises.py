"""Law 2: the target's weight rises only by the declared steps, on a fresh Pass of every gate with
enough evidence, and only when the weight before was accepted by the gateway and delivered.
"""

from hypothesis import given
from hypothesis import strategies as st

from cutover.decide.readings import Gap, Missing
from cutover.decide.route import RuleWeights
from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, Event, brisk, brisk_world, edit, play, schedules, tried
from tests.fakes.promises import raises_are_earned
from tests.fakes.story import weights_written
from tests.fakes.world import World

IN_THE_WAY = (
    *chaos.FAULTS,
    chaos.pauses,
    chaos.hands,
    chaos.ill_target,
    chaos.ill_both,
    chaos.claims,
    chaos.rules,
    chaos.route_gone,
)


@tried
@given(schedules(*IN_THE_WAY))
def test_every_raise_is_earned(events: list[Event]) -> None:
    world = brisk_world()
    world.watchers.append(raises_are_earned())
    play(world, events)


def test_an_undisturbed_rollout_takes_each_declared_step_once() -> None:
    world = brisk_world()
    world.watchers.append(raises_are_earned())
    world.run(ENOUGH)
    assert world.status.phase == "Completed"
    assert weights_written(world) == [10, 50, 100]


@tried
@given(st.floats(0.0, 1.0), st.sampled_from([5, 25, 60]))
def test_a_weight_that_requests_do_not_show_is_the_last(part: float, weight: int) -> None:
    """The gateway says that it took the weight, and sends the target only a part of it."""
    world = brisk_world(brisk([{"weight": weight}, {"weight": 100}]))
    world.run(5.0)
    sent = round(weight * part * 0.6)
    world.route.accepted_rules = (RuleWeights(0, 100 - sent, sent),)
    world.run(ENOUGH)
    assert weights_written(world)[:1] == [weight]
    assert 100 not in weights_written(world)


@tried
@given(st.sampled_from([3.0, 40.0, 200.0]))
def test_a_weight_that_the_gateway_has_not_taken_is_the_last(stuck: float) -> None:
    world = brisk_world()
    world.run(5.0)
    world.route.gateway_stuck = True
    world.do(lambda w: w.route.touch())
    world.route.generation += 1
    world.run(stuck)
    assert weights_written(world) == [10]


@tried
@given(st.sampled_from([15.0, 100.0, 3700.0]), st.sampled_from(["blind", "edited", "ill"]))
def test_an_old_intent_is_judged_again_before_it_is_written(away: float, since: str) -> None:
    """The Pass was good; then the route was out of reach, and who knows what has become of the target."""
    world = brisk_world()
    world.run(ENOUGH, until=lambda: world.status.weights.desired == 50)
    world.route.unreadable = "Unreachable: no route to host"
    world.run(away)
    if since == "blind":
        world.sides.target.gap = Gap(Missing.UNREACHABLE, "no answer")
    elif since == "edited":
        world.do(lambda w: chaos._steps(w, "stricter"))
    else:
        world.sides.target.slow = 0.3
        world.run(30.0)
    world.run(11.0)
    world.route.unreadable = ""
    world.run(6.0)
    assert weights_written(world) in ([10], [10, 0]), "raised on what was true once"
    world.sides.target.gap = None
    world.run(120.0)
    assert (50 in weights_written(world)) is (since != "ill")


@tried
@given(st.integers(0, 3), st.booleans())
def test_an_approval_counts_for_its_attempt_only(attempt: int, right_name: bool) -> None:
    name = "go-live" if right_name else "go-home"
    world = brisk_world(brisk([{"weight": 10}, {"approval": {"name": "go-live"}}, {"weight": 100}]))
    world.run(30.0)
    world.do(lambda w: edit(w, approved=[{"name": name, "attempt": attempt}]))
    world.run(ENOUGH)
    approved = attempt == 1 and right_name
    assert (world.status.phase == "Completed") is approved
    assert weights_written(world) == ([10, 100] if approved else [10])


@tried
@given(st.sampled_from(["spec.paused", "hand", "outage"]), st.sampled_from([8.0, 44.0, 75.0]))
def test_nothing_is_raised_during_a_pause(why: str, moment: float) -> None:
    world: World = brisk_world()
    world.run(moment)
    before = weights_written(world)
    if why == "spec.paused":
        world.do(lambda w: edit(w, paused=True))
    elif why == "hand":
        world.do(lambda w: w.route.set_by("kubectl-edit", 2))
    else:
        world.sides.source.gap = Gap(Missing.UNREACHABLE, "no answer")
        world.run(80.0)
        world.sides.source.gap = None
    world.run(ENOUGH)
    assert world.status.pause is not None
    assert weights_written(world) == before
