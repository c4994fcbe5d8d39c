"""What cannot be reached: Prometheus, the target's API server, the route's."""

import asyncio
import time
from typing import Any

import pytest

from tests.features.rollouts.stage import STAYING, Stage
from tests.lab import OPERATOR, FaultProxy

pytestmark = pytest.mark.lab


def _through(stage: Stage, proxy: FaultProxy) -> dict[str, Any]:
    """`spec.traffic` whose route is in a cluster behind a proxy."""
    kubeconfig = stage.cluster.kubeconfig_for(
        user=OPERATOR, server=proxy.url, namespace=stage.namespace
    )
    stage.secret("edge", kubeconfig)
    cluster = {"kubeconfigSecretRef": {"name": "edge"}}
    return {**stage.spec()["traffic"], "cluster": cluster}


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.long)])
def test_a_prometheus_that_is_killed_holds_the_rollout_which_then_goes_on(
    seconds: int, stage: Stage
) -> None:
    with stage.lab.private_prometheus([stage.slot]) as prometheus:
        stage.prometheus = prometheus.url
        stage.send()
        prometheus.wait_scraped()
        stage.run_operator()
        stage.apply()
        stage.wait_weight(25)
        prometheus.kill()
        stage.wait_condition("AnalysisHealthy", "False")
        ends = time.monotonic() + seconds
        stage.wait("the outage's length", lambda: time.monotonic() > ends, seconds + 5)
        assert stage.targets == [0, 25]
        assert stage.phase == "Progressing"
        assert stage.condition("Paused")["status"] == "False"
        prometheus.restart()
        stage.wait_phase("Completed")
        assert stage.targets == [0, 25, 100]


def test_a_delivered_weight_that_nobody_counts_any_more_grows_old(stage: Stage) -> None:
    with stage.lab.proxy(stage.lab.prometheus.url) as proxy:
        stage.prometheus = proxy.url
        stage.begin(analysis=STAYING)
        stage.wait_weight(25)
        before = stage.wait("counted", lambda: _if_delivered(stage.status["weights"]))
        proxy.hang()
        stage.wait_condition("AnalysisHealthy", "False")
        old = stage.status["weights"]
        stage.patch({"spec": {"abort": True}})
        stage.wait_phase("RolledBack")
        after = stage.status["weights"]
        assert (after["desired"], after["declared"]) == (0, 0)
        assert (after["delivered"], after["deliveredAt"]) == (old["delivered"], old["deliveredAt"])
        assert after["declaredAt"] > after["deliveredAt"] >= before["deliveredAt"]


def _if_delivered(weights: dict[str, Any]) -> dict[str, Any] | None:
    return weights if weights.get("delivered") else None


def test_a_declared_weight_that_cannot_be_read_grows_old_while_desired_moves_on(
    stage: Stage,
) -> None:
    with stage.lab.proxy(stage.cluster) as proxy:
        stage.begin(traffic=_through(stage, proxy), analysis=STAYING)
        stage.wait_weight(25)
        stage.wait("read back", lambda: stage.status["weights"].get("declared") == 25)
        proxy.hang()
        stage.patch({"spec": {"abort": True}})
        news = stage.wait_condition("TrafficApplied", "Unknown", seconds=40)
        weights = stage.status["weights"]
        assert (weights["desired"], weights["declared"]) == (0, 25)
        assert weights["declaredAt"] < news["lastTransitionTime"]
        assert stage.condition("RollbackReady")["status"] == "False"
        proxy.pass_through()
        stage.wait_phase("RolledBack")
        assert stage.status["weights"]["declared"] == 0
        assert stage.status["weights"]["declaredAt"] > news["lastTransitionTime"]


def test_a_target_whose_api_server_is_unreachable_is_told_and_can_still_be_left(
    stage: Stage,
) -> None:
    with stage.lab.proxy(stage.lab.target) as proxy:
        kubeconfig = stage.lab.target.kubeconfig_for(
            user=OPERATOR, server=proxy.url, namespace=stage.namespace
        )
        stage.secret("gke-usc1", kubeconfig)
        stage.begin(target=stage.target_side(), analysis=STAYING)
        stage.wait_weight(25)
        assert stage.condition("TargetReachable")["status"] == "True"
        stage.patch({"spec": {"paused": True}})
        proxy.refuse()
        told = stage.wait_condition("TargetReachable", "False", seconds=40)
        assert "spec.target.cluster" in told["message"]
        assert stage.condition("SourceReachable")["status"] == "True"
        asyncio.run(stage.slot.target.set(error_rate=0.5))
        stage.wait_phase("RolledBack")
        assert stage.targets == [0, 25, 0]
        stage.wait_source_answers()


@pytest.mark.parametrize(("how", "within"), [("refuse", 1.0), ("reset", 1.0), ("hang", 6.0)])
def test_a_breach_while_the_routes_api_server_is_down_is_undone_as_soon_as_it_answers(
    how: str, within: float, stage: Stage
) -> None:
    with stage.lab.proxy(stage.cluster) as proxy:
        stage.begin(traffic=_through(stage, proxy), analysis=STAYING)
        stage.wait_weight(25)
        getattr(proxy, how)()
        asyncio.run(stage.slot.target.set(error_rate=0.5))
        stage.wait_phase("RollingBack")
        stage.wait("told", lambda: "not back yet" in stage.status["message"])
        assert stage.targets == [0, 25]
        again = time.time()
        proxy.pass_through()
        change = stage.wait_weight(0)
        assert change.at - again < within, f"{change.at - again:.2f} s"
        stage.wait_phase("RolledBack")


def test_a_rollback_decided_before_our_own_api_server_went_is_finished_without_it(
    stage: Stage,
) -> None:
    """The route is in another cluster; as long as the Lease is valid, nothing else is needed."""
    with stage.lab.proxy(stage.cluster) as own, stage.lab.proxy(stage.cluster) as edge:
        stage.send()
        stage.run_operator(server=own.url)
        stage.apply(traffic=_through(stage, edge))
        stage.wait_weight(25)
        edge.refuse()
        stage.patch({"spec": {"abort": True}})
        stage.wait_phase("RollingBack")
        own.refuse()
        edge.pass_through()
        stage.wait_weight(0, seconds=5)
        assert stage.phase == "RollingBack"
        own.pass_through()
        stage.wait_phase("RolledBack")
