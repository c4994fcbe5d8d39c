"""The target's health calls the traffic back, keeps the next weight away, or says nothing: case by case."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cutover.api.capacity import Capacity
from cutover.api.facts import Streak
from cutover.decide import alarms
from cutover.decide.admission import held_back
from cutover.decide.health import lasting, noted, recent_loads
from cutover.decide.observation import Health, Load, Observation, Outcome, Probe, Probes, Replicas
from cutover.decide.readings import Gap, Gauges, Gpus, Missing, SideReading
from cutover.decide.route import RouteSeen
from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, brisk, brisk_world, healthy
from tests.fakes.story import weights_written
from tests.fakes.world import World

FAILS = Probe(Outcome.FAILED, "http://m:8000/health answered 503")
GAP = Gap(Missing.UNREACHABLE, "no answer")


def world_of(**more: Any) -> World:
    given = brisk(**more)
    for side in ("source", "target"):
        workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama-chat"}
        given[side] = {**given[side], "workload": workload, "endpoint": {"url": "http://m:8000"}}
    return healthy(brisk_world(given))


@pytest.fixture(scope="module")
def seen() -> Observation:
    """A look at a healthy target with half of the traffic."""
    world = world_of()
    world.run(ENOUGH, until=lambda: world.status.weights.applied == 50)
    world.run(11.0)
    return world.process.looks[-1].seen


def reason(seen: Observation, **guards: Any) -> str | None:
    """Which guard speaks at this look."""
    plan = seen.status.plan
    assert plan is not None
    given = type(plan.guards).model_validate(guards)
    plan = plan.model_copy(update={"guards": given})
    alarm = alarms.breached(seen, noted(seen, seen.status), plan)
    return None if alarm is None else alarm.reason


def with_health(seen: Observation, **health: Any) -> Observation:
    return replace(seen, health=replace(seen.health, **health))


def with_gauges(seen: Observation, **gauges: Any) -> Observation:
    assert isinstance(seen.target, SideReading)
    told = replace(seen.target.gauges, **gauges)
    return replace(seen, target=replace(seen.target, gauges=told))


# --- replicas and probes ------------------------------------------------------------------------


def test_a_healthy_target_is_left_alone(seen: Observation) -> None:
    assert reason(seen) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Replicas(0, 4), "NoReadyReplica"),
        (Replicas(1, 4), None),
        (GAP, None),
        (None, None),
    ],
    ids=["none ready", "one ready", "unreadable", "not asked"],
)
def test_no_ready_replica(seen: Observation, found: Any, expected: str | None) -> None:
    if isinstance(found, Replicas):
        found = replace(found, at=seen.now)
    assert reason(with_health(seen, target_replicas=found)) == expected


def test_what_was_seen_long_ago_says_nothing_about_now(seen: Observation) -> None:
    old = seen.now - timedelta(minutes=5)
    assert reason(with_health(seen, target_replicas=Replicas(0, 4, old))) is None
    assert reason(with_health(seen, probes=Probes(9, old, "refused"))) is None


@pytest.mark.parametrize(("failures", "expected"), [(4, None), (5, "FailedProbes")])
def test_five_failed_probes(seen: Observation, failures: int, expected: str | None) -> None:
    assert reason(with_health(seen, probes=Probes(failures, seen.now, "503"))) == expected


@pytest.mark.parametrize("guard", ["NoReadyReplica", "FailedProbes", "CriticalXid"])
def test_each_can_be_switched_off(seen: Observation, guard: str) -> None:
    bad = {
        "NoReadyReplica": with_health(seen, target_replicas=Replicas(0, 4, seen.now)),
        "FailedProbes": with_health(seen, probes=Probes(5, seen.now, "503")),
        "CriticalXid": with_gauges(seen, gpus=Gpus(1, {"node-1 GPU 0": 79})),
    }[guard]
    assert reason(bad) == guard
    assert reason(bad, disabled=[guard]) is None


def test_a_target_without_traffic_has_nothing_to_give_back(seen: Observation) -> None:
    """Somebody lowered its weight to 0 and scaled it down: that is no reason to end the attempt."""
    assert isinstance(seen.route, RouteSeen)
    none = tuple(replace(one, source=1, target=0) for one in seen.route.rules)
    lowered = replace(seen, route=replace(seen.route, rules=none))
    assert reason(with_health(lowered, target_replicas=Replicas(0, 0, seen.now))) is None


def test_probes_that_fail_while_requests_work_end_the_rollout() -> None:
    world = world_of()
    world.run(40.0)
    world.sides.target.probed = FAILS
    world.run(70.0)
    rollback = world.status.rollback
    assert rollback is not None
    assert rollback.reason == "FailedProbes"
    assert rollback.message.startswith("5 probes of the target's endpoint failed one after the")
    assert rollback.message.endswith("answered 503")
    assert world.route.highest == 0


def test_a_streak_of_failed_probes_survives_a_restart() -> None:
    world = world_of(analysis={"interval": "10s"})
    world.run(40.0)
    world.sides.target.probed = FAILS
    began = world.now
    for _ in range(4):
        world.run(11.0)
        world.do(lambda w: w.restart())
    world.run(30.0)
    rollback = world.status.rollback
    assert rollback is not None
    assert rollback.decided_at - began <= timedelta(seconds=75)


def test_a_probe_that_we_cannot_send_neither_ends_a_streak_nor_goes_on_with_it() -> None:
    world = world_of()
    world.run(40.0)
    world.sides.target.probed = FAILS
    world.run(30.0)
    failed = world.process.looks[-1].seen.health.probes
    assert failed is not None
    world.sides.target.probed = Probe(Outcome.UNSENT, "no such Secret")
    world.run(60.0)
    unsent = world.process.looks[-1].seen.health.probes
    assert unsent is not None
    assert unsent.failures == failed.failures
    assert world.status.rollback is None


# --- GPUs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({}, {"node-1 GPU 0": 79}, "CriticalXid"),
        ({"node-1 GPU 0": 79}, {"node-1 GPU 0": 79}, None),
        ({"node-1 GPU 0": 48}, {"node-1 GPU 0": 79}, "CriticalXid"),
        ({}, {"node-1 GPU 0": 31}, None),
        ({"node-1 GPU 0": 79}, {}, None),
        (None, {"node-1 GPU 0": 79}, None),
    ],
    ids=["new", "there before", "another than before", "not critical", "gone", "first sight"],
)
def test_only_a_critical_error_that_is_new_counts(
    seen: Observation, before: dict[str, int] | None, now: dict[str, int], expected: str | None
) -> None:
    status = seen.status.model_copy(update={"xids": before})
    assert reason(with_gauges(replace(seen, status=status), gpus=Gpus(1, now))) == expected


def test_which_errors_are_critical_is_for_the_user_to_say(seen: Observation) -> None:
    told = with_gauges(seen, gpus=Gpus(1, {"node-1 GPU 0": 31}))
    assert reason(told, criticalXids=[31]) == "CriticalXid"


def test_an_error_from_before_the_rollout_is_remembered_across_restarts() -> None:
    world = world_of()
    world.sides.target.gauges = replace(
        world.sides.target.gauges, gpus=Gpus(1, {"node-1 GPU 0": 79})
    )
    world.run(60.0)
    world.do(lambda w: w.restart())
    world.run(2 * ENOUGH)
    assert world.status.phase == "Completed"
    assert world.status.xids == {"node-1 GPU 0": 79}


# --- queue and KV cache -------------------------------------------------------------------------

QUEUE = {"queue": {"maxWaitingPerReplica": 5, "sustained": "30s"}}
CACHE = {"kvCache": {"max": "95%", "sustained": "30s"}}
FULL: dict[str, dict[str, Any]] = {
    "Queue": {"waiting": 30.0, "instances": 4.0},
    "KvCache": {"kv_cache": 0.97},
}


def _fill(world: World, gauges: dict[str, Any]) -> None:
    target = world.sides.target
    target.gauges = replace(target.gauges, **gauges)


@pytest.mark.parametrize(("guard", "given"), [("Queue", QUEUE), ("KvCache", CACHE)])
def test_too_full_for_too_long(guard: str, given: dict[str, Any]) -> None:
    world = world_of(guards=given)
    world.run(40.0)
    _fill(world, FULL[guard])
    world.run(20.0)
    early = world.status.rollback
    world.run(25.0)
    late = world.status.rollback
    assert early is None
    assert late is not None
    assert late.reason == guard


@pytest.mark.parametrize("guard", ["Queue", "KvCache"])
def test_unless_asked_for_a_full_target_is_left_alone(guard: str) -> None:
    world = world_of()
    world.run(40.0)
    _fill(world, FULL[guard])
    world.run(2 * ENOUGH)
    assert world.status.rollback is None


def test_a_queue_that_comes_and_goes_is_not_sustained() -> None:
    world = world_of(guards=QUEUE)
    world.run(40.0)
    for _ in range(4):
        _fill(world, FULL["Queue"])
        world.run(15.0)
        _fill(world, {"waiting": 0.0})
        world.run(11.0)
    assert world.status.rollback is None


@pytest.mark.parametrize(("unseen", "goes_on"), [(5.0, True), (300.0, False)])
def test_a_streak_whose_middle_nobody_saw_begins_anew(
    seen: Observation, unseen: float, goes_on: bool
) -> None:
    plan = seen.status.plan
    assert plan is not None
    limits = type(plan.guards).model_validate(QUEUE)
    plan = plan.model_copy(update={"guards": limits})
    full = with_gauges(seen, **FULL["Queue"]).target
    last = seen.now - timedelta(seconds=unseen)
    began = last - timedelta(minutes=10)
    queue, _ = lasting((Streak(since=began, seen_at=last), None), full, plan, seen.now)
    assert queue is not None
    assert (queue.since == began) is goes_on
    unknown, _ = lasting((queue, None), None, plan, seen.now + timedelta(seconds=5))
    assert unknown == queue


def test_a_streak_survives_a_restart() -> None:
    world = world_of(guards={"queue": {"maxWaitingPerReplica": 5, "sustained": "2m"}})
    world.run(40.0)
    _fill(world, FULL["Queue"])
    world.run(100.0)
    world.do(lambda w: w.restart(after=timedelta(seconds=2)))
    world.run(35.0)
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "Queue"


# --- before the next weight ---------------------------------------------------------------------


def told(world: World, condition: str) -> str:
    return next(one.reason for one in world.status.conditions if one.type == condition)


@pytest.mark.parametrize(
    ("what", "expected"), [("no replica", "TargetNotReady"), ("probes fail", "EndpointNotReady")]
)
def test_the_first_weight_waits_for_a_target_that_is_ready(what: str, expected: str) -> None:
    world = healthy(
        brisk_world(brisk([{"approval": {"name": "go"}}, {"weight": 10}, {"weight": 100}]))
    )
    world.run(20.0)
    chaos._health(world, "target", what, 60.0)
    world.do(lambda w: chaos.edit(w, approved=[{"name": "go", "attempt": 1}]))
    world.run(50.0)
    assert weights_written(world) == []
    assert told(world, "TrafficApplied") == expected
    assert told(world, "Stalled") == expected
    world.run(40.0)
    assert weights_written(world) == [10]
    assert [said.reason for _, said in world.events].count(expected) == 1


@pytest.mark.parametrize(
    ("what", "guard", "said"),
    [
        (
            "no replica",
            "NoReadyReplica",
            "Deployment llama-chat of the target has no ready replica",
        ),
        ("workload forbidden", None, "spec.target.workload: forbidden"),
        ("workload not asked", None, "spec.target.workload: has not been read yet"),
        ("probes fail", "FailedProbes", "the target's endpoint: answered 503"),
        ("probe unsent", "FailedProbes", "spec.target.endpoint: no such Secret"),
    ],
)
def test_nothing_begins_with_a_target_that_cannot_be_looked_at(
    what: str, guard: str | None, said: str
) -> None:
    """Before anything was moved what is named must be readable; a guard that is off asks for nothing."""
    world = world_of()
    chaos._health(world, "target", what, 60.0)
    world.run(50.0)
    assert world.status.phase == "Preflight"
    assert f"preflight: {said}" in world.status.message
    assert not world.route.changes
    world.run(30.0)
    assert world.status.phase == "Progressing"
    if guard is not None:
        world = world_of(guards={"disabled": [guard]})
        chaos._health(world, "target", what, 60.0)
        world.run(30.0)
        assert world.status.phase == "Progressing"


CAPACITY = {"concurrencyPerReplica": 4, "headroom": "80%"}


@pytest.mark.parametrize(
    ("replicas", "gauges", "expected"),
    [
        (4, {"running": 2.0}, None),
        (2, {"running": 2.0}, "CapacityProjectionExceeded"),
        (4, {"running": 2.0, "kv_cache": 0.3}, "CapacityProjectionExceeded"),
        (4, {"running": GAP}, "CapacityUnknown"),
        (GAP, {"running": 2.0, "instances": 4.0}, None),
        (GAP, {"running": 2.0, "instances": GAP}, "CapacityUnknown"),
        (4, {"running": 2.0, "kv_cache": GAP}, None),
    ],
    ids=["fits", "too few", "cache", "load unknown", "counted", "unknown", "no cache"],
)
def test_a_weight_that_the_target_has_no_room_for_is_held_back(
    replicas: Any, gauges: dict[str, Any], expected: str | None
) -> None:
    """From 10 % to 50 %: five times what runs now."""
    world = world_of(capacity=CAPACITY)
    world.sides.source.gauges = replace(world.sides.source.gauges, running=1.0)
    world.run(20.0, until=lambda: world.status.weights.applied == 10)
    world.sides.target.replicas = replicas
    _fill(world, gauges)
    world.run(ENOUGH, until=lambda: 50 in weights_written(world))
    assert (50 in weights_written(world)) is (expected is None)
    assert world.status.rollback is None
    if expected is not None:
        assert told(world, "TrafficApplied") == expected
        assert "weight 50 comes next, once there is nothing in its way" in world.status.message
        world.sides.target.replicas = 40
        _fill(world, {"running": 2.0, "kv_cache": 0.01, "instances": 4.0})
        world.run(60.0)
        assert 50 in weights_written(world)


def test_before_the_first_weight_the_source_tells_what_will_run() -> None:
    world = world_of(capacity=CAPACITY)
    world.sides.source.gauges = replace(world.sides.source.gauges, running=200.0)
    world.run(60.0)
    assert weights_written(world) == []
    assert (
        "at 10 % about 20 requests would run at a time, and 4 ready replicas of 4 each take 13"
        in (world.status.message)
    )


def test_of_a_gauge_the_most_of_the_last_minute_counts(seen: Observation) -> None:
    """One look at which little runs is no room."""
    loads: tuple[Load, ...] = ()
    for number, running in enumerate([9.0, 30.0, 2.0]):
        look = with_gauges(seen, running=running)
        at = seen.now + timedelta(seconds=5 * number)
        loads = recent_loads(loads, look.source, look.target, at)
    assert [one.target_running for one in loads] == [9.0, 30.0, 2.0]
    later = recent_loads(loads, None, None, seen.now + timedelta(seconds=66))
    assert [one.target_running for one in later] == [2.0, None]
    plan = seen.status.plan
    assert plan is not None
    plan = plan.model_copy(update={"capacity": Capacity.model_validate(CAPACITY)})
    status = seen.status.model_copy(
        update={"weights": seen.status.weights.model_copy(update={"desired": 100})}
    )
    quiet = with_gauges(seen, running=2.0, kv_cache=0.01)
    assert held_back(quiet, status, plan) is None
    held = held_back(with_health(quiet, loads=loads), status, plan)
    assert held is not None
    assert "about 60 requests would run" in held.message


# --- the way back -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ready", "capacity", "expected"),
    [
        (4, None, ("True", "SourceReady")),
        (3, None, ("False", "SourceScaledDown")),
        (0, None, ("False", "SourceNotReady")),
        (GAP, None, ("Unknown", "SourceReplicasUnknown")),
        (None, None, ("True", "RouteReadable")),
        (3, {"concurrencyPerReplica": 256, "headroom": "80%"}, ("True", "SourceReady")),
        (3, {"concurrencyPerReplica": 4, "headroom": "100%"}, ("False", "SourceTooSmall")),
    ],
)
def test_rollback_ready_says_whether_the_source_could_take_all_again(
    ready: Any, capacity: dict[str, Any] | None, expected: tuple[str, str]
) -> None:
    world = world_of(**({"capacity": capacity} if capacity else {}))
    world.run(60.0)
    world.sides.source.replicas = ready
    world.run(12.0)
    found = next(one for one in world.status.conditions if one.type == "RollbackReady")
    assert (found.status, found.reason) == expected


# --- for people ---------------------------------------------------------------------------------


def test_facts_are_refreshed_with_the_other_numbers_only() -> None:
    world = world_of()
    world.run(60.0)
    assert world.status.facts.target.ready == 4
    writes = len(world.rollouts.status_writes)
    before = world.status.summary.step
    for number in range(5):
        _fill(world, {"running": 10.0 + number})
        world.run(3.0)
    assert world.status.summary.step == before
    assert len(world.rollouts.status_writes) - writes <= 2


def test_a_look_of_the_guards_keeps_what_only_a_full_look_asks(seen: Observation) -> None:
    from cutover.decide.facts import with_facts

    plan = seen.status.plan
    assert plan is not None
    full = with_gauges(seen, gpus=Gpus(8, {"a GPU 0": 31}, 0.93, 600.0, 800.0))
    status = with_facts(full, seen.status, plan)
    status = with_facts(with_gauges(seen, gpus=Gpus(8, {})), status, plan)
    target = status.facts.target
    assert (target.gpus, target.gpu_busy, target.gpu_memory) == (8, 0.93, 0.75)
    assert target.xids == {}


def test_health_without_anything_asked_is_empty() -> None:
    assert Health() == Health(None, None, None, None)
    assert isinstance(Gauges().running, Gap)
