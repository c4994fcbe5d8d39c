"""Law 10: deleting an unfinished rollout puts the traffic back; so does deleting while soaking, unless
annotated ``on-delete: Keep``. Route gone: released at once. Out of reach or forbidden: retried, and
released two minutes after the first failed try, with a warning that names route and weight.

That clients stay open until the finalizer is gone, and the metric, are the shell's part.
"""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from cutover.api import ON_DELETE
from cutover.decide.route import RuleWeights
from tests.fakes import chaos
from tests.fakes.chaos import (
    BRISK_STEPS,
    ENOUGH,
    EXAMPLES,
    Event,
    brisk,
    brisk_world,
    edit,
    schedules,
    tried,
)
from tests.fakes.promises import phases_follow_the_table, weight_only_falls_on_rollback
from tests.fakes.world import World

RULES = (RuleWeights(0, 7, 0), RuleWeights(3, 10, 0, 90))
moments = st.sampled_from([0.0, 0.01, 0.03, 0.05, 1.0, 33.0, 62.0, 100.0, 150.0])
BEFORE = (chaos.gaps, chaos.pauses, chaos.edits, chaos.restarts, chaos.gateway_stuck)
MEANWHILE = (
    chaos.gaps,
    chaos.edits,
    chaos.conflicts,
    chaos.crashes,
    chaos.restarts,
    chaos.status_refused,
    chaos.answers_lost,
    chaos.hands,
)


def _world() -> World:
    world = brisk_world(brisk([*BRISK_STEPS[:3], {"soak": {"duration": "1h"}}]), rules=RULES)
    world.watchers += [weight_only_falls_on_rollback(), phases_follow_the_table()]
    return world


def _gone_at(world: World) -> list[datetime]:
    gone: list[datetime] = []

    def watch(world: World) -> None:
        if world.rollouts.object is None and not gone:
            gone.append(world.now)

    world.watchers.append(watch)
    return gone


@tried
@given(schedules(*BEFORE, most=3), moments, schedules(*MEANWHILE, most=4))
def test_in_every_phase_the_traffic_goes_back_and_the_object_goes(
    before: list[Event], moment: float, meanwhile: list[Event]
) -> None:
    world = _world()
    for event in before:
        world.run(event.after)
        world.do(event.deed)
    world.run(moment)
    begun = world.rollouts.finalizers
    world.do(lambda w: w.rollouts.delete())
    for event in meanwhile:
        world.run(event.after / 10)
        if world.rollouts.object is not None:
            world.do(event.deed)
    world.run(200.0)
    assert world.rollouts.object is None
    assert world.route.claim_text is None
    if begun and not any("weight set by" in event.name for event in meanwhile):
        assert world.route.rules == RULES


@tried
@given(st.sampled_from([0.05, 30.0, 100.0, 150.0]), st.booleans())
def test_keep_keeps_while_soaking_and_only_then(moment: float, paused: bool) -> None:
    world = _world()
    world.run(moment)
    if paused:
        world.do(lambda w: edit(w, paused=True))
        world.run(1.0)
    soaking = world.status.phase == "Soaking"
    live = world.route.rules

    def delete(world: World) -> None:
        world.rollouts.annotate(ON_DELETE, "Keep")
        world.rollouts.delete()

    world.do(delete)
    world.run(5.0)
    assert world.rollouts.object is None
    assert world.route.rules == (live if soaking else RULES)
    assert world.route.claim_text is None


@tried
@given(moments, st.booleans())
def test_a_route_that_is_gone_holds_nobody_up(moment: float, before: bool) -> None:
    world = _world()
    world.run(moment)
    gone = _gone_at(world)
    if before:
        world.route.exists = False
        world.run(10.0)
        world.do(lambda w: w.rollouts.delete())
    else:
        world.do(lambda w: w.rollouts.delete())
        world.route.exists = False
    asked = world.now
    world.run(60.0)
    assert gone
    assert gone[0] - asked < timedelta(seconds=5)


@settings(tried, max_examples=EXAMPLES or 12)
@given(
    st.sampled_from([1.0, 33.0, 62.0, 150.0]),
    st.sampled_from(["unreadable", "unwritable"]),
    st.sampled_from([None, 20.0, 100.0]),
    st.lists(st.sampled_from([3.0, 40.0]), max_size=2),
)
def test_a_route_out_of_reach_is_tried_for_two_minutes_and_no_longer(
    moment: float, how: str, away: float | None, restarts: list[float]
) -> None:
    world = _world()
    world.run(moment)
    live = world.route.highest
    gone = _gone_at(world)
    if how == "unreadable":
        world.route.unreadable = "Forbidden: the token may not read httproutes"
    else:
        world.route.unwritable = "the token may not patch httproutes"
    world.do(lambda w: w.rollouts.delete())
    asked = world.now
    for seconds in restarts:
        world.run(seconds)
        world.restart()
    if away is not None:
        world.run(max(0.0, away - (world.now - asked).total_seconds()))
        world.route.unreadable = world.route.unwritable = ""
        world.run(3.0)
        assert gone
        assert world.route.rules == RULES
        return
    world.run(ENOUGH)
    assert gone
    assert timedelta(seconds=119) <= gone[0] - asked <= timedelta(seconds=125)
    left = [said for _, said in world.events if said.reason == "TrafficLeftBehind"]
    assert len(left) == 1
    assert left[0].warning
    assert "HTTPRoute llama-chat" in left[0].message
    assert f"{live:g} %" in left[0].message


@tried
@given(st.sampled_from(["RolledBack", "Completed"]), st.booleans())
def test_a_finished_rollout_lets_go_of_the_route_and_goes(how: str, unreadable: bool) -> None:
    world = brisk_world(rules=RULES)
    if how == "RolledBack":
        world.run(62.0)
        world.do(lambda w: edit(w, abort=True))
    world.run(ENOUGH)
    assert world.status.phase == how
    live = world.route.rules
    if unreadable:
        world.route.unreadable = "Unreachable: no route to host"
    world.do(lambda w: w.rollouts.delete())
    world.run(1.0)
    assert world.rollouts.object is None
    assert (world.route.rules, world.route.claim_text) == (live, None)


@tried
@given(st.sampled_from([62.0, 150.0]), st.booleans())
def test_a_route_that_another_rollout_has_taken_is_left_to_it(moment: float, delete: bool) -> None:
    world = _world()
    world.run(moment)
    world.owner_alive = True
    chaos._claim(world, "another", 10_000.0)
    rules = world.route.rules
    world.do(lambda w: w.rollouts.delete() if delete else edit(w, abort=True))
    world.run(20.0)
    assert world.route.rules == rules
    assert (world.rollouts.object is None) is delete
    if not delete:
        assert world.status.phase == "RollingBack"
        assert "inference/other" in world.status.message
