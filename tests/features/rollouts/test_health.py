"""The target's health on real parts: probes, ready replicas, a GPU's errors, a cold start, room for more."""

import asyncio
from typing import Any

import pytest

from tests.features.rollouts.stage import FAST, STAYING, Stage
from tests.lab import OPERATOR

pytestmark = pytest.mark.lab


def endpoint(stage: Stage) -> dict[str, Any]:
    return {"url": stage.slot.target.url}


def deployment(name: str) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


def far_target(stage: Stage, **more: Any) -> dict[str, Any]:
    """`spec.target` in the other cluster, as the operator's ServiceAccount with its Role sees it."""
    kubeconfig = stage.lab.target.kubeconfig_for(user=OPERATOR, namespace=stage.namespace)
    stage.secret("gke-usc1", kubeconfig)
    return stage.target_side() | more


def test_a_target_whose_health_fails_while_requests_still_work_is_rolled_back(
    stage: Stage,
) -> None:
    stage.begin(target=stage.spec()["target"] | {"endpoint": endpoint(stage)}, analysis=STAYING)
    stage.wait_weight(25)
    asyncio.run(stage.slot.target.set(ready=False))
    stage.wait_phase("RolledBack")
    assert stage.targets == [0, 25, 0]
    rollback = stage.status["rollback"]
    assert rollback["reason"] == "FailedProbes"
    assert rollback["message"].endswith("/health answered 503")


def test_a_target_scaled_to_zero_is_rolled_back(stage: Stage) -> None:
    lab = stage.lab
    target = far_target(stage, workload=deployment("llama-chat-gke"))
    with lab.workload(
        lab.target, stage.namespace, "llama-chat-gke", stage.slot.target, replicas=2
    ) as workload:
        stage.begin(target=target, analysis=STAYING)
        stage.wait_weight(25)
        assert stage.status["facts"]["target"]["ready"] == 2
        workload.scale(0)
        stage.wait_phase("RolledBack")
    assert stage.targets == [0, 25, 0]
    rollback = stage.status["rollback"]
    assert rollback["reason"] == "NoReadyReplica"
    assert "Deployment llama-chat-gke of the target has no ready replica" in rollback["message"]


def test_a_gpu_error_that_is_new_since_the_rollout_began_rolls_back(stage: Stage) -> None:
    """An error of before is on the gauge still; it calls nothing back."""
    asyncio.run(stage.slot.target.set(xid=48))
    stage.begin(analysis=STAYING)
    stage.wait_weight(25)
    stage.wait("the GPU in the status", lambda: stage.status["facts"]["target"].get("xids"))
    assert stage.status["xids"] == {"node-1 GPU 0": 48}
    assert stage.phase == "Progressing"
    asyncio.run(stage.slot.target.set(xid=79))
    stage.wait_phase("RolledBack")
    rollback = stage.status["rollback"]
    assert rollback["reason"] == "CriticalXid"
    assert "node-1 GPU 0 of the target reports XID 79" in rollback["message"]


def test_a_target_that_is_merely_cold_is_warmed_up_and_not_rolled_back(stage: Stage) -> None:
    """Slow in its warm-up and, for a third of the requests, until settle is over."""
    server = stage.slot.target
    asyncio.run(server.set(ttft=0.8))
    stage.send()
    stage.run_operator()
    stage.apply(
        target=stage.spec()["target"] | {"endpoint": endpoint(stage)},
        warmUp={"requests": 20},
        analysis=FAST | {"settle": "20s"},
        steps=[{"weight": 25}, {"weight": 100}],
    )
    stage.wait("the warm-up is over", lambda: stage.status.get("warmUp"))
    assert stage.status["warmUp"]["sent"] == 20
    assert stage.status["warmUp"]["failed"] == 0
    assert len(asyncio.run(server.arrivals())) >= 20
    asyncio.run(server.set(ttft=0.01, slow_fraction=0.33, slow_ttft=1.5))
    stage.wait_weight(25)
    stage.wait(
        "requests that are slow",
        lambda: len(asyncio.run(server.arrivals())) > 20 + 20,
    )
    asyncio.run(server.reset())
    stage.wait_weight(100, seconds=180)
    assert stage.targets == [0, 25, 100]


def test_a_weight_for_which_there_is_no_room_waits_until_there_is(stage: Stage) -> None:
    lab = stage.lab
    stage.lab.source.ensure_namespace(stage.namespace)
    target = far_target(stage, workload=deployment("llama-chat-gke"))
    asyncio.run(stage.slot.source.set(ttft=0.1))
    asyncio.run(stage.slot.target.set(ttft=0.1))
    with lab.workload(lab.target, stage.namespace, "llama-chat-gke", stage.slot.target) as workload:
        stage.begin(target=target, capacity={"concurrencyPerReplica": 8, "headroom": "80%"})
        held = stage.wait(
            "the second weight is held back",
            lambda: (
                one
                if (one := stage.condition("TrafficApplied")).get("reason")
                == "CapacityProjectionExceeded"
                else None
            ),
            seconds=240,
        )
        assert "1 ready replica of 8 each" in held["message"]
        assert stage.phase == "Progressing"
        workload.scale(64)  # a busy machine lets many more requests run at a time
        stage.wait_phase("Completed")
    assert stage.targets == [0, 25, 100]


def test_a_kv_cache_that_stays_too_full_rolls_back_where_that_is_asked_for(stage: Stage) -> None:
    """Slow enough to keep some thirty requests in flight, and quick enough for every gate."""
    asyncio.run(stage.slot.target.set(ttft=0.8))
    stage.begin(
        steps=[{"weight": 25}, {"pause": {"duration": "10m"}}, {"weight": 100}],
        guards={"kvCache": {"max": "4%", "sustained": "10s"}},
    )
    stage.wait_weight(25)
    stage.wait_phase("RolledBack")
    rollback = stage.status["rollback"]
    assert rollback["reason"] == "KvCache"
    assert "more than 4 % has been for 1" in rollback["message"]


def test_a_queue_that_stays_too_long_rolls_back_where_that_is_asked_for(stage: Stage) -> None:
    """Some thirty requests in flight for two places; none of them fails, and every gate is content."""
    asyncio.run(stage.slot.target.set(ttft=0.8, places=2))
    stage.begin(
        steps=[{"weight": 25}, {"pause": {"duration": "10m"}}, {"weight": 100}],
        guards={"queue": {"maxWaitingPerReplica": 5, "sustained": "10s"}},
    )
    stage.wait_weight(25)
    stage.wait_phase("RolledBack")
    rollback = stage.status["rollback"]
    assert rollback["reason"] == "Queue"
    assert stage.targets == [0, 25, 0]
