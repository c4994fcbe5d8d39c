"""Somebody else writes too: by hand, from Git, or without end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import yaml

from tests.features.rollouts.stage import Stage

pytestmark = pytest.mark.lab


@contextmanager
def again_and_again(what: Callable[[], Any], seconds: float) -> Iterator[list[float]]:
    """Do something every so often, in a thread; yields when it was done."""
    done: list[float] = []
    faults: list[BaseException] = []
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            began = time.monotonic()
            try:
                what()
            except httpx.HTTPStatusError as error:
                if error.response.status_code != 409:
                    faults.append(error)
                    return
            except Exception as error:
                faults.append(error)
                return
            done.append(time.time())
            ended.wait(max(0.0, seconds - (time.monotonic() - began)))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join(30)
    assert not faults, faults


def test_a_weight_raised_by_hand_is_put_back_and_one_set_to_0_stays(stage: Stage) -> None:
    stage.begin(traffic=_traffic(stage, "Enforce"))
    stage.wait_weight(25)
    stage.wait("applied", lambda: stage.status["weights"].get("applied") == 25)
    stage.route.set_weights(40, 60)
    stage.wait_weight(60)
    stage.wait_weight(25)
    assert "lab" in stage.wait_event("TrafficOverridden")["note"]

    stage.route.set_weights(100, 0)
    paused = stage.wait_condition("Paused", "True")
    assert paused["reason"] == "EmergencyStop"
    assert "lab" in paused["message"]
    count = len(stage.status["looks"])
    assert stage.targets == [0, 25, 60, 25, 0], count
    stage.patch({"spec": {"paused": True}})
    stage.wait("acknowledged", lambda: (stage.status.get("pause") or {}).get("acknowledged", False))
    assert stage.targets == [0, 25, 60, 25, 0]
    stage.patch({"spec": {"paused": None}})
    stage.wait_weight(25)
    assert stage.targets == [0, 25, 60, 25, 0, 25]


def test_a_weight_changed_by_hand_stays_and_pauses_where_that_is_asked_for(stage: Stage) -> None:
    stage.begin(traffic=_traffic(stage, "Pause"))
    stage.wait_weight(25)
    stage.wait("applied", lambda: stage.status["weights"].get("applied") == 25)
    stage.route.set_weights(40, 60)
    paused = stage.wait_condition("Paused", "True")
    assert paused["reason"] == "TrafficOverridden"
    assert "lab" in paused["message"]
    assert stage.targets == [0, 25, 60]
    stage.patch({"spec": {"abort": True}})
    stage.wait_phase("RolledBack")
    assert stage.targets == [0, 25, 60, 0]


def test_a_rollback_gets_through_while_another_client_writes_20_times_a_second(
    stage: Stage,
) -> None:
    stage.begin()
    stage.wait_weight(25)
    headers = {"Content-Type": "application/merge-patch+json"}
    numbers = iter(range(1_000_000))
    parent = {"name": "other", "namespace": "elsewhere"}

    def write() -> None:
        number = next(numbers)
        body: dict[str, Any] = {"metadata": {"labels": {"turn": str(number)}}}
        if number % 2:
            path = f"{stage.route.path}/status?fieldManager=busy"
            body = {"status": {"parents": [_parent_status(parent, number)]}}
        else:
            path = f"{stage.route.path}?fieldManager=busy"
        stage.cluster.call("PATCH", path, body, headers)

    with again_and_again(write, 0.05) as done:
        stage.wait("writes", lambda: len(done) > 20)
        asked = time.time()
        stage.patch({"spec": {"abort": True}})
        change = stage.wait_weight(0)
        assert change.at - asked < 1, f"{change.at - asked:.2f} s"
        stage.wait_phase("RolledBack")
        assert (len(done) - 1) / (done[-1] - done[0]) > 10
    assert stage.targets == [0, 25, 0]


def _parent_status(parent: dict[str, str], number: int) -> dict[str, Any]:
    return {
        "parentRef": parent,
        "controllerName": "example.com/busy",
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "reason": "Accepted",
                "message": f"turn {number}",
                "lastTransitionTime": "2024-01-01T00:00:00Z",
                "observedGeneration": 1,
            }
        ],
    }


GIT: dict[str, tuple[str, ...]] = {
    "argocd": ("--server-side", "--field-manager=argocd-controller", "--force-conflicts"),
    "kubectl apply": (),
}


@pytest.mark.parametrize("manager", GIT)
def test_a_manifest_applied_from_git_every_2_s_undoes_no_pause_approval_or_abort_by(
    manager: str, stage: Stage
) -> None:
    steps = [{"approval": {"name": "go-live"}}, {"weight": 25}, {"weight": 100}]
    manifest = yaml.safe_dump(stage.manifest(steps=steps))

    def sync() -> None:
        stage.cluster.kubectl("apply", *GIT[manager], "-f", "-", input=manifest)

    stage.send()
    stage.run_operator()
    with again_and_again(sync, 2) as done:

        def synced(times: int) -> None:
            before = len(done)
            stage.wait("synced", lambda: len(done) >= before + times)

        stage.wait("asked", lambda: "go-live" in stage.status.get("message", ""))
        stage.patch({"spec": {"approved": [{"name": "go-live", "attempt": 1}]}})
        stage.wait_weight(25)
        stage.patch({"spec": {"paused": True}})
        stage.wait_condition("Paused", "True")
        synced(3)
        assert stage.condition("Paused")["status"] == "True"
        assert stage.targets == [0, 25]
        stage.patch({"spec": {"paused": None}})
        stage.wait_condition("Paused", "False")
        stage.patch({"spec": {"abort": True}})
        stage.wait_phase("RolledBack")
        synced(2)
        spec = (stage.get() or {})["spec"]
        assert spec["abort"] is True
        assert spec["approved"] == [{"name": "go-live", "attempt": 1}]
        assert stage.phase == "RolledBack"
        assert stage.targets == [0, 25, 0]


def _traffic(stage: Stage, on_override: str) -> dict[str, Any]:
    return {**stage.spec()["traffic"], "onOverride": on_override}
