"""A whole rollout as a real Envoy counts it: gates, delivered weight, and a target that answers nothing."""

import asyncio
from copy import deepcopy
from typing import Any

import pytest

from tests.features.rollouts.stage import Stage
from tests.lab import Traffic

pytestmark = pytest.mark.lab

GATES = [
    {
        "name": "slow",
        "latency": {
            "metric": "EndToEnd",
            "threshold": "1s",
            "maxAbove": "5%",
            "margin": "2.5%",
            "vantage": "Gateway",
        },
    },
    {"name": "errors", "errorRate": {"max": "1%", "ratio": "2", "vantage": "Gateway"}},
]


def at_the_gateway(stage: Stage) -> dict[str, Any]:
    prometheus = {"address": stage.lab.prometheus.url, "matchers": {"job": "envoy"}}
    gateway = {"profile": "Contour", "prometheus": prometheus}
    return {**stage.spec()["traffic"], "gateway": gateway}


def in_the_way(stage: Stage) -> dict[str, Any]:
    """A route of somebody else that takes the same requests, all of them for the source."""
    route = stage.route.read()
    rule = deepcopy(route["spec"]["rules"][0])
    rule["matches"] = [{"path": {"type": "Exact", "value": "/v1/chat/completions"}}]
    rule["backendRefs"] = [
        {"name": one["name"], "port": one["port"]}
        for one in rule["backendRefs"]
        if one["name"] == stage.route.source_backend
    ]
    return {
        "apiVersion": route["apiVersion"],
        "kind": route["kind"],
        "metadata": {"name": "in-the-way", "namespace": stage.namespace},
        "spec": {**route["spec"], "rules": [rule]},
    }


def test_gates_and_delivered_weight_are_the_gateways_whoever_else_calls_the_servers(
    stage: Stage,
) -> None:
    log = stage.folder / "callers.log"
    beside = Traffic(stage.lab, "source.example", 150, log=log, target=stage.slot.source.url)
    with beside:
        stage.begin(traffic=at_the_gateway(stage), gates=GATES)
        stage.wait_weight(25)
        stage.wait("delivered", lambda: stage.status["weights"].get("deliveryOk"))
        # By the servers' own count it would be half of that.
        assert abs(stage.status["weights"]["delivered"] - 25) < 6
        stage.wait_phase("Completed", seconds=120)
    assert stage.targets == [0, 25, 100]
    assert all("envoy_cluster" in gate["query"] for gate in stage.status["gates"])


def test_what_the_gateway_does_not_serve_holds_the_rollout(stage: Stage) -> None:
    stage.cluster.apply(in_the_way(stage))
    stage.begin(traffic=at_the_gateway(stage), gates=GATES)
    stage.wait_weight(25)
    stage.wait(
        "not delivered", lambda: stage.condition("TrafficApplied").get("reason") == "NotDelivered"
    )
    held = stage.condition("TrafficApplied")
    assert held["status"] == "False"
    assert "requests reached the target at weight 25" in held["message"], held
    assert stage.targets == [0, 25]
    stage.patch({"spec": {"abort": True}})
    stage.wait_phase("RolledBack")


@pytest.mark.long
def test_a_target_that_hangs_with_all_of_the_traffic_is_found_by_what_was_sent_to_it(
    stage: Stage,
) -> None:
    steps = [{"weight": 100}, {"soak": {"duration": "1h"}}]
    stage.begin(traffic=at_the_gateway(stage), gates=GATES, steps=steps)
    stage.wait_weight(100)
    asyncio.run(stage.slot.target.set(hang=True))
    stage.wait_phase("RolledBack")
    rollback = stage.status["rollback"]
    assert rollback["reason"] == "Unanswered"
    assert "the gateway sent" in rollback["message"]
    stage.wait_source_answers()
