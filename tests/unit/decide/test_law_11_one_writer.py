"""Law 11: two writers never share a route. The route carries a claim; another live claim is refused by
name, one whose owner is proven gone is taken over with an Event; a new leader writes its epoch into the
claim before its first decision, and one that was followed by another writes nothing any more.

The Lease itself, and that epochs only grow, are the election's part; here an old leader is let loose
that believes in its Lease.
"""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from cutover.decide.route import Claim, RuleWeights
from cutover.traffic.claim import from_text
from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, Event, brisk_world, edit, schedules, tried
from tests.fakes.process import CLUSTER, Look
from tests.fakes.promises import Writes, epoch_never_falls, raises_are_earned
from tests.fakes.route import Change
from tests.fakes.story import weights_written
from tests.fakes.world import World

moments = st.sampled_from([0.03, 12.0, 30.3, 61.0, 75.0, 100.0, 130.0])
FAULTS = (chaos.gaps, chaos.pauses, chaos.hands, chaos.conflicts, chaos.gateway_stuck)


def _epoch(text: str | None) -> int:
    claim = from_text(text) if text else None
    return claim.epoch if isinstance(claim, Claim) else 0


@tried
@given(schedules(*FAULTS, most=3), moments, st.lists(st.floats(0.1, 30.0), max_size=4))
def test_a_leader_that_was_followed_by_another_writes_nothing(
    events: list[Event], moment: float, later: list[float]
) -> None:
    """The old one goes on looking and deciding; nothing of it reaches the route or the status."""
    world = brisk_world()
    world.watchers.append(epoch_never_falls())
    for event in events:
        world.run(event.after)
        world.do(event.deed)
    world.run(moment)
    old = world.running[-1]
    world.lead()
    world.running.remove(old)
    world.run(0.5)  # the new one has left its epoch
    for seconds in later:
        world.running.append(old)
        changes, writes = len(world.route.changes), len(world.rollouts.status_writes)
        delay = old.process.run(old.process.turn())
        assert (len(world.route.changes), len(world.rollouts.status_writes)) == (changes, writes)
        assert delay is None or delay >= timedelta(seconds=1)
        world.running.remove(old)
        world.run(seconds)


@tried
@given(moments, st.sampled_from([0.0, 0.5, 20.0, 60.0]), st.sampled_from(["", "abort", "errors"]))
def test_a_turn_that_hung_while_another_led_raises_nothing_and_fights_nobody(
    moment: float, hung: float, why: str
) -> None:
    """It decided before the other began, and writes afterwards."""
    world = brisk_world()
    world.run(moment)
    old = world.running[-1]
    world.suspend_next_turn()
    if why == "abort":
        world.do(lambda w: edit(w, abort=True))
    else:
        world.sides.target.failing = 0.6 if why else 0.002
        world.wake()
    world.run(0.1)
    world.lead()
    world.run(hung + 0.5)
    rules, writes = world.route.rules, len(world.rollouts.status_writes)
    world.resume_turn(old)
    assert world.route.rules == rules or (why and world.route.highest == 0)
    assert len(world.rollouts.status_writes) == writes
    world.kill(old.process)
    world.run(ENOUGH)
    assert world.status.phase == ("RolledBack" if why else "Completed")


@tried
@given(st.lists(st.sampled_from([0.05, 3.0, 31.0, 62.0]), min_size=1, max_size=5))
def test_a_new_leader_leaves_its_epoch_before_it_raises(restarts: list[float]) -> None:
    world = brisk_world()

    def judge(world: World, change: Change, look: Look) -> None:
        if change.raises:
            assert _epoch(change.claim_before) == look.seen.identity.epoch
            assert look.seen.status.leader_epoch == look.seen.identity.epoch

    world.watchers += [Writes(judge), raises_are_earned()]
    for seconds in restarts:
        world.run(seconds)
        world.restart()
    world.run(ENOUGH)
    assert weights_written(world) == [10, 50, 100]


def _foreign(cluster: str, target: int) -> Claim:
    original = (RuleWeights(0, 100, target),)
    return Claim(cluster, "inference", "other", "u-other", 1, 3, original)


@tried
@given(
    st.sampled_from([True, None, False]),
    st.sampled_from([CLUSTER, "c-far-away"]),
    st.sampled_from([0, 40]),
)
def test_a_route_claimed_by_another_is_refused_by_name(
    alive: bool | None, cluster: str, weight: int
) -> None:
    world = brisk_world()
    world.route.claim_by("other", _foreign(cluster, 0))
    world.route.set_by("other", weight)
    world.owner_alive = alive
    claim, rules = world.route.claim_text, world.route.rules
    world.run(ENOUGH)
    if alive is False and weight == 0:
        assert world.status.phase == "Completed"
        taken = [said for _, said in world.events if said.reason == "ClaimTakenOver"]
        assert len(taken) == 1
        assert "inference/other" in taken[0].message
        return
    assert world.status.phase == "Pending"
    assert (world.route.claim_text, world.route.rules) == (claim, rules)
    reasons = {one.type: one.reason for one in world.status.conditions}
    if alive is False:
        assert reasons["Accepted"] == "TargetHasTraffic"
    else:
        assert reasons["Accepted"] == "RouteInUse"
        assert "inference/other" in world.status.message
        assert cluster in world.status.message


@tried
@given(
    st.sampled_from([12.0, 62.0, 100.0]),
    st.sampled_from([True, None, False]),
    st.sampled_from(["", "abort", "errors"]),
)
def test_a_claim_that_changes_hands_half_way_stops_everything_of_ours(
    moment: float, alive: bool | None, then: str
) -> None:
    world = brisk_world()
    world.run(moment)
    world.owner_alive = alive
    live = world.route.rules

    def take(world: World) -> None:
        world.route.claim_by("other", _foreign(CLUSTER, 0))

    world.do(take)
    world.run(2.0)
    if then == "abort":
        world.do(lambda w: edit(w, abort=True))
    elif then:
        world.sides.target.failing = 0.6
    world.run(ENOUGH)
    claim = from_text(world.route.claim_text or "")
    if alive is False:
        assert world.status.phase == ("RolledBack" if then else "Completed")
        return
    assert isinstance(claim, Claim)
    assert claim.name == "other"
    assert world.route.rules == live
    assert "inference/other" in world.status.message


@tried
@given(st.sampled_from([12.0, 62.0, 100.0]), st.booleans())
def test_a_rollback_writes_the_claim_even_when_the_weights_fit(moment: float, old: bool) -> None:
    """So that a raise of an older leader, still on its way, finds another claim than it tests for."""
    world = brisk_world()
    world.run(moment)
    if old:
        world.restart()
    before = world.route.claim_text
    world.route.set_by("kubectl-edit", 0)
    world.do(lambda w: edit(w, abort=True))
    world.run(1.0)
    texts = [change.claim_after for change in world.route.changes]
    assert texts[-1] is None
    if old:
        assert any(text not in (None, before) for text in texts[texts.index(before) :])


@tried
@given(st.integers(0, 8), st.booleans())
def test_a_new_attempt_waits_until_the_old_claim_is_released(point: int, unwritable: bool) -> None:
    """The operator dies somewhere around the end of the rollback, and attempt 2 is asked for."""
    world = brisk_world()
    world.run(62.0)
    world.do(lambda w: edit(w, abort=True))
    for _ in range(point // 4):
        world.run(0.025)
    world.crash_in_next_turn(point % 4)
    world.run(0.05)
    world.route.unwritable = "forbidden" if unwritable else ""
    world.run(5.0)
    world.route.unwritable = ""
    world.run(40.0)
    assert world.status.phase == "RolledBack"
    world.do(lambda w: edit(w, abort=False, attempt=2))
    world.run(2 * ENOUGH)
    assert world.status.phase == "Completed"
    attempts = [
        claim.attempt
        for claim in (from_text(change.claim_after or "") for change in world.route.changes)
        if isinstance(claim, Claim)
    ]
    assert attempts == sorted(attempts)
    assert attempts[-1] == 2
