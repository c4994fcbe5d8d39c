"""Law 7: a lost status adopts the live weights, and the original weights from the route's claim, and
pauses; on resume it begins at the lowest step whose weight is not below the live one, with its whole
waiting time. No claim and weight on the target: refused with a sentence.
"""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from cutover.api.status import PauseCause
from cutover.decide.route import RuleWeights
from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, Event, brisk, brisk_world, edit, play, schedules, tried
from tests.fakes.promises import phases_follow_the_table, raises_are_earned
from tests.fakes.story import writes_of
from tests.fakes.world import World

STEPS = (
    {"weight": 10},
    {"approval": {"name": "go"}},
    {"weight": 50},
    {"pause": {"duration": "30s"}},
    {"weight": 100},
    {"soak": {"duration": "10m"}},
)
MEANWHILE = (chaos.restarts, chaos.crashes, chaos.route_away, chaos.gaps, chaos.answers_lost)
RULES = (RuleWeights(0, 3, 0), RuleWeights(2, 20, 0, 5))
APPROVED = [{"name": "go", "attempt": 1}]


def _at(weight: int) -> World:
    world = brisk_world(brisk(STEPS, approved=APPROVED), rules=RULES)
    world.watchers += [raises_are_earned(), phases_follow_the_table()]
    world.run(2 * ENOUGH, until=lambda: world.status.weights.applied == weight)
    return world


@tried
@given(
    st.sampled_from([10, 50, 100]),
    st.sampled_from([None, 1.0, 20.0]),
    schedules(*MEANWHILE, most=4),
)
def test_the_live_weights_stay_and_a_person_decides(
    weight: int, unreadable: float | None, events: list[Event]
) -> None:
    world = _at(weight)
    live = world.route.rules
    if unreadable is not None:
        chaos._route_away(world, "Unreachable", unreadable)
    world.do(lambda w: w.rollouts.lose_status())
    play(world, events, rest=ENOUGH)
    assert world.route.rules == live
    status = world.status
    assert status.phase == "Progressing"
    assert status.pause is not None
    assert status.pause.cause is PauseCause.LOST_STATUS
    assert [(o.rule, o.source, o.target, o.others) for o in status.original] == [
        (rule.rule, rule.source, rule.target, rule.others) for rule in RULES
    ]


def _resume(world: World) -> None:
    world.do(lambda w: edit(w, paused=True))
    world.run(2.0)
    world.do(lambda w: edit(w, paused=False))


@tried
@given(st.sampled_from([(10, 50), (50, 100)]))
def test_a_step_that_was_under_way_has_its_whole_waiting_time_again(
    weights: tuple[int, int],
) -> None:
    weight, following = weights
    world = _at(weight)
    world.do(lambda w: w.rollouts.lose_status())
    world.run(30.0)
    _resume(world)
    resumed = world.now
    world.run(1.0)
    assert world.status.plan is not None
    assert world.status.plan.steps[world.step].weight == weight
    world.run(ENOUGH, until=lambda: world.status.weights.applied == following)
    assert world.now - resumed >= timedelta(seconds=10 + 20)


@tried
@given(st.integers(0, 100), st.booleans(), st.booleans())
def test_from_any_live_weight_the_next_step_is_the_lowest_not_below_it(
    live: int, approved: bool, uneven: bool
) -> None:
    """And no approval that stands before that step is left out."""
    world = _at(10)
    world.do(lambda w: edit(w, approved=APPROVED if approved else []))
    rules = [RuleWeights(0, 100 - live, live), RuleWeights(2, 20 - live // 5, live // 5, 5)]
    if uneven:
        rules[1] = RuleWeights(2, 20, 0, 5)

    def lose(world: World) -> None:
        world.rollouts.lose_status()
        world.route.set_by("kubectl-edit", rules)

    world.do(lose)
    world.run(30.0)
    assert world.route.rules == tuple(rules)
    before = len(world.route.changes)
    _resume(world)
    world.run(5 * ENOUGH)
    steps = [w for w in (10, 50, 100) if w > live or (w == live and uneven)]
    if live < 50 and not approved:
        steps = [w for w in steps if w == 10]
    assert writes_of(world, before) == steps


@tried
@given(st.integers(1, 100), st.booleans())
def test_without_a_claim_weight_on_the_target_is_refused(live: int, finalizer: bool) -> None:
    world = _at(10)

    def lose(world: World) -> None:
        world.rollouts.lose_status()
        world.route.claim_by("somebody", None)
        world.route.set_by("somebody", live)
        assert world.rollouts.object is not None
        if not finalizer:
            world.rollouts.object["metadata"]["finalizers"] = []

    world.do(lose)
    rules = world.route.rules
    world.run(60.0)
    assert world.status.phase == "Pending"
    assert "target backend's weight to 0" in world.status.message
    assert f"{live:g} %" in world.status.message
    assert (world.route.rules, world.route.claim_text) == (rules, None)


@tried
@given(st.sampled_from([10, 50]), st.booleans(), st.sampled_from([0.0, 25.0]))
def test_an_abort_or_a_deletion_finds_the_way_back_without_a_status(
    weight: int, delete: bool, unreadable: float
) -> None:
    world = _at(weight)
    if unreadable:
        chaos._route_away(world, "Unreachable", unreadable)
    world.do(lambda w: w.rollouts.lose_status())
    world.do(lambda w: w.rollouts.delete() if delete else edit(w, abort=True))
    world.run(60.0)
    assert world.route.rules == RULES
    assert world.route.claim_text is None
    if delete:
        assert world.rollouts.object is None
    else:
        assert world.status.phase == "RolledBack"


def test_when_status_and_spec_are_both_unusable_nothing_is_claimed_to_be_back() -> None:
    world = _at(50)

    def ruin(world: World) -> None:
        world.rollouts.lose_status()
        edit(world, traffic={"httpRoute": {}}, abort=True)

    world.do(ruin)
    world.run(200.0)
    assert world.status.phase == "Pending"
    assert "the status was lost and the spec" in world.status.message
    assert world.rollouts.finalizers
    good = brisk(STEPS)["traffic"]
    world.do(lambda w: edit(w, traffic=good))
    world.run(2.0)
    assert world.route.rules == RULES
    assert world.status.phase == "RolledBack"
