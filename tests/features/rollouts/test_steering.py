"""What people do to a rollout under way: pause, resume, approve, abort, try again, delete."""

import asyncio
from datetime import datetime

import pytest

from tests.features.rollouts.stage import Stage

pytestmark = pytest.mark.lab

CLAIM = "cutover.dev/claim"


def moments(stage: Stage, reason: str) -> list[float]:
    """When the history says that something happened."""
    history = stage.status.get("history") or []
    return [datetime.fromisoformat(t["at"]).timestamp() for t in history if t["reason"] == reason]


def test_an_abort_puts_everything_back_at_once(stage: Stage) -> None:
    stage.begin()
    stage.wait_weight(25)
    stage.patch({"spec": {"abort": True}})
    stage.wait_phase("RolledBack")
    assert stage.targets == [0, 25, 0]
    assert stage.status["rollback"]["reason"] == "Aborted"
    stage.wait_source_answers()
    stage.patch({"spec": {"abort": False}})
    stage.wait(
        "the spec without abort was read",
        lambda: stage.status["observedGeneration"] == stage.get()["metadata"]["generation"],  # type: ignore[index]
    )
    assert stage.phase == "RolledBack"
    assert stage.targets == [0, 25, 0]


def test_a_paused_rollout_stays_and_waits_exactly_the_rest_when_resumed(stage: Stage) -> None:
    stage.begin(steps=[{"pause": {"duration": "6s"}}, {"weight": 25}, {"weight": 100}])
    stage.wait_phase("Progressing")
    stage.patch({"spec": {"paused": True}})
    stage.wait_condition("Paused", "True")
    paused = moments(stage, "PausedRequested")[0]
    begun = moments(stage, "PreflightPassed")[0]
    stage.wait("longer than the step", lambda: _now() - begun > 8)
    assert stage.targets == [0]
    stage.patch({"spec": {"paused": None}})
    change = stage.wait_weight(25)
    resumed = moments(stage, "Resumed")[0]
    waited = (paused - begun) + (change.at - resumed)
    assert 6 <= waited < 9, f"waited {waited:.2f} s of 6 s"
    stage.patch({"spec": {"paused": True}})
    stage.wait_condition("Paused", "True")
    asyncio.run(stage.slot.target.set(error_rate=0.5))
    stage.wait_phase("RolledBack")
    assert stage.targets == [0, 25, 0]


def test_an_approval_is_waited_for_and_counts_for_its_attempt_only(stage: Stage) -> None:
    stage.begin(steps=[{"approval": {"name": "go-live"}}, {"weight": 25}, {"weight": 100}])
    stage.wait("asked for", lambda: "go-live" in stage.status.get("message", ""))
    assert stage.condition("Stalled")["reason"] == "ApprovalNeeded"
    stage.patch({"spec": {"approved": [{"name": "go-live", "attempt": 2}]}})
    generation = stage.get()["metadata"]["generation"]  # type: ignore[index]
    stage.wait("read", lambda: stage.status["observedGeneration"] == generation)
    assert stage.targets == [0]
    stage.patch({"spec": {"approved": [{"name": "go-live", "attempt": 1}]}})
    stage.wait_weight(25)


def test_a_second_attempt_after_a_rollback_goes_all_the_way(stage: Stage) -> None:
    asyncio.run(stage.slot.target.set(error_rate=0.5))
    stage.begin()
    stage.wait_phase("RolledBack")
    asyncio.run(stage.slot.target.reset())
    stage.patch({"spec": {"attempt": 2}})
    stage.wait_phase("Completed")
    assert stage.targets == [0, 25, 0, 25, 100]
    assert stage.status["attempt"] == 2
    assert CLAIM not in (stage.route.read()["metadata"].get("annotations") or {})


def test_a_rollout_deleted_half_way_leaves_the_route_as_it_was(stage: Stage) -> None:
    before = stage.route.read()
    stage.begin()
    stage.wait_weight(25)
    stage.delete()
    stage.wait_gone()
    after = stage.route.read()
    assert stage.targets == [0, 25, 0]
    assert after["spec"] == before["spec"]
    assert after["metadata"].get("annotations") == before["metadata"].get("annotations")


def test_a_rollout_deleted_while_soaking_with_keep_leaves_the_target_everything(
    stage: Stage,
) -> None:
    stage.begin(steps=[{"weight": 100}, {"soak": {"duration": "1h"}}])
    stage.wait_phase("Soaking")
    stage.patch({"metadata": {"annotations": {"cutover.dev/on-delete": "Keep"}}})
    stage.delete()
    stage.wait_gone()
    assert stage.targets == [0, 100]
    assert CLAIM not in (stage.route.read()["metadata"].get("annotations") or {})


def test_a_rollout_deleted_while_soaking_puts_the_traffic_back(stage: Stage) -> None:
    stage.begin(steps=[{"weight": 100}, {"soak": {"duration": "1h"}}])
    stage.wait_phase("Soaking")
    stage.delete()
    stage.wait_gone()
    assert stage.targets == [0, 100, 0]
    stage.wait_source_answers()


@pytest.mark.parametrize("first", ["route", "rollout"])
def test_a_namespace_can_be_deleted_half_way(first: str, stage: Stage) -> None:
    stage.begin()
    stage.wait_weight(25)
    stage.cluster.call("DELETE", f"/api/v1/namespaces/{stage.namespace}")
    for what in (first, "rollout" if first == "route" else "route"):
        stage.route.delete() if what == "route" else stage.delete()
    stage.wait_gone(seconds=15)


def _now() -> float:
    return datetime.now().astimezone().timestamp()
