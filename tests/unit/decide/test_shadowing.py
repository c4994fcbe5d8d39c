"""Shadow steps: copies go to the target by the declared steps alone, are judged, and never outlive their step."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.status import Phase, Status, StepStatus, Weights
from cutover.decide.looking import has_traffic
from cutover.decide.observation import Outcome, Probe
from cutover.decide.share import target_share
from cutover.judge.terms import slack_at
from tests.fakes import chaos
from tests.fakes.chaos import (
    ENOUGH,
    Event,
    brisk,
    brisk_world,
    edit,
    healthy,
    play,
    schedules,
    tried,
)
from tests.fakes.promises import watch_all
from tests.fakes.story import weights_written
from tests.fakes.world import START, World

STEPS: tuple[dict[str, Any], ...] = (
    {"shadow": {"percent": "20%", "duration": "30s"}},
    {"shadow": {"duration": "30s"}},
    {"weight": 50},
    {"weight": 100},
)
ONE = (STEPS[1], STEPS[2], STEPS[3])
moments = st.sampled_from([0.5, 5.0, 20.0, 44.0, 61.0, 70.0, 90.0])


def shadowed(steps: tuple[dict[str, Any], ...] = STEPS, **more: Any) -> World:
    return brisk_world(brisk(steps, **more))


def watched(steps: tuple[dict[str, Any], ...]) -> World:
    """The target has a workload and an endpoint that can be asked."""
    given = brisk(steps)
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama-chat"}
    given["target"] |= {"workload": workload, "endpoint": {"url": "http://m:8000"}}
    return healthy(brisk_world(given))


def until_mirrored(world: World, percent: int = 100) -> None:
    world.run(ENOUGH, until=lambda: world.status.weights.mirrored == percent)
    assert world.status.weights.mirrored == percent


def mirrors_written(world: World) -> list[int]:
    """Percents that were mirrored one after the other, by whomever."""
    changes = world.route.changes
    return [one.mirror_after for one in changes if one.mirror_after != one.mirror_before]


def test_each_share_is_mirrored_once_and_is_gone_before_the_first_weight() -> None:
    world = shadowed()
    seen: list[tuple[int, int]] = []
    world.watchers.append(lambda w: seen.append((w.route.mirror, round(w.route.highest))))
    world.run(ENOUGH + 60)
    assert world.status.phase is Phase.COMPLETED
    assert mirrors_written(world) == [20, 100, 0]
    assert weights_written(world) == [50, 100]
    assert not [one for one in seen if all(one)], "mirrored and weighed at once"
    assert world.route.claim_text is None


@pytest.mark.parametrize("copies", [1, 10, 50, 100])
def test_evidence_counts_as_at_the_weight_at_which_both_sides_would_count_alike(
    copies: int,
) -> None:
    status = Status(weights=Weights(desired=0, applied=0, mirrored=copies))
    share = target_share(status)
    assert share == pytest.approx(100 * copies / (100 + copies))
    assert slack_at(share) >= slack_at(copies)


def test_no_step_is_passed_before_its_duration_is_over() -> None:
    world = shadowed(({"shadow": {"duration": "50s"}}, {"weight": 100}))
    until_mirrored(world)
    begun = world.now
    world.run(ENOUGH, until=lambda: world.step == 1)
    assert (world.now - begun).total_seconds() >= 50.0


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ({"slow": 0.3}, "GateFailed"),
        ({"failing": 0.4}, "ErrorBurst"),
        ({"slow": 0.9}, "LatencyBurst"),
        ({"answers": False}, "Unanswered"),
        ({"probed": Probe(Outcome.FAILED, "connection refused")}, "FailedProbes"),
        ({"replicas": 0}, "NoReadyReplica"),
    ],
)
def test_a_bad_target_is_rolled_back_before_anybody_is_sent_there(
    harm: dict[str, Any], reason: str
) -> None:
    world = watched(({"shadow": {"duration": "1h"}}, {"weight": 100}))
    until_mirrored(world)
    for name, value in harm.items():
        setattr(world.sides.target, name, value)
    world.run(ENOUGH + 120)
    rollback = world.status.rollback
    assert rollback is not None
    assert rollback.reason == reason
    assert world.route.mirror == 0
    assert weights_written(world) == []


def test_a_gateway_that_does_not_mirror_what_it_should_holds_the_step() -> None:
    world = shadowed()
    world.run(ENOUGH, until=lambda: world.route.mirror == 20)
    world.route.gateway_stuck = True
    world.route.observed = world.route.generation
    world.route.accepted_mirror = 100
    world.run(60.0)
    status = world.status
    assert status.step is not None
    assert status.step.index == 0
    applied = next(one for one in status.conditions if one.type == "TrafficApplied")
    assert applied.reason == "NotDelivered"
    assert "20 % are to be mirrored" in applied.message
    assert status.weights.delivered is None


@tried
@given(moments, st.sampled_from(["abort", "delete", "lose status", "restart", "hand"]))
def test_nothing_is_mirrored_after_it_has_to_end(moment: float, end: str) -> None:
    world = shadowed()
    world.run(moment)
    match end:
        case "abort":
            world.do(lambda w: edit(w, abort=True))
        case "delete":
            world.do(lambda w: w.rollouts.delete())
        case "lose status":
            world.do(lambda w: w.rollouts.lose_status())
        case "hand":
            world.do(lambda w: w.route.mirror_by("git", 0))
        case _:
            world.restart()
    world.run(10.0)
    stored = world.rollouts.object is not None and world.status.weights.mirrored
    assert bool(world.route.mirror) is bool(stored)
    if end in ("abort", "delete"):
        assert world.route.mirror == 0
        assert '"mirror"' not in (world.route.claim_text or "")


@tried
@given(moments, st.sampled_from([0, 20, 70, 100]))
def test_whoever_changes_the_mirror_stops_it(moment: float, percent: int) -> None:
    world = shadowed()
    world.run(moment)
    before = world.route.mirror
    world.do(lambda w: w.route.mirror_by("argocd", percent))
    world.run(30.0)
    if before and percent != before:
        assert world.status.pause is not None
        assert world.status.pause.cause == "EmergencyStop"
        assert "argocd" in world.status.pause.message
        assert world.route.mirror == 0
        assert "mirror" not in json.loads(world.route.claim_text or "{}")


@tried
@given(schedules(*chaos.FAULTS, chaos.pauses, chaos.ill_target, chaos.aborts, chaos.losses, most=3))
def test_copies_go_by_declared_steps_and_never_without_a_claim_that_says_so(
    events: list[Event],
) -> None:
    world = shadowed()
    watch_all(world)
    play(world, events, rest=90.0)
    if world.rollouts.object is None or not world.rollouts.finalizers:
        assert world.route.mirror == 0


@tried
@given(st.integers(0, 6), moments)
def test_a_crash_anywhere_loses_no_step_and_repeats_no_waiting(point: int, moment: float) -> None:
    world = shadowed(ONE)
    world.run(moment)
    world.crash_in_next_turn(point)
    world.run(ENOUGH + 60)
    assert world.status.phase is Phase.COMPLETED
    assert mirrors_written(world) == [100, 0]
    assert weights_written(world) == [50, 100]


def test_a_rollback_takes_mirror_and_weights_away_in_one_write() -> None:
    world = shadowed(ONE)
    until_mirrored(world)
    world.route.set_by("kubectl", 30)
    world.do(lambda w: edit(w, abort=True))
    world.run(5.0)
    ours = [one for one in world.route.changes if one.who == "cutover"]
    assert any(one.lowers and one.mirror_after < one.mirror_before for one in ours)
    assert (world.route.mirror, world.route.highest) == (0, 0)


def test_a_rollback_is_not_recorded_before_the_mirror_is_gone() -> None:
    world = shadowed(ONE)
    until_mirrored(world)
    early: list[bool] = []
    world.watchers.append(
        lambda w: early.append(w.status.phase is Phase.ROLLED_BACK and w.route.mirror > 0)
    )
    world.do(lambda w: edit(w, abort=True))
    world.run(5.0)
    assert world.status.phase is Phase.ROLLED_BACK
    assert not any(early)


def test_a_shadow_step_is_traffic_to_the_guards_from_its_intent_on() -> None:
    step = StepStatus(index=0, total=2, kind="shadow", description="shadow 100%", started_at=START)
    assert has_traffic(Status(step=step))
    assert not has_traffic(Status())
