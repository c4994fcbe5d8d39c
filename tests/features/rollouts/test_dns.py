"""A rollout over DNS: the real external-dns writes the weights into a Route 53 server, and clients go by them."""

import asyncio
import operator
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import pytest

from cutover.api.dns import DnsEndpoint
from cutover.decide.weights import restored, weights_at
from cutover.ports import RouteChange
from cutover.traffic.dnsendpoint import DnsEndpointLayout
from cutover.traffic.object import ObjectRouter
from tests.features.connecting import connected
from tests.features.rollouts.stage import RATE, STAYING, Stage
from tests.features.subject_route import MINE, settled
from tests.lab import Traffic, parts
from tests.lab.dns import ZONE, Route53, external_dns, route53
from tests.lab.routes import wait_for

pytestmark = pytest.mark.lab

NAME = f"llm.{ZONE}"
WANTED = {
    "name": "llm",
    "dnsName": NAME,
    "sourceSetIdentifier": "onprem",
    "targetSetIdentifier": "gke",
}
TTL = 1
"""Seconds."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Route53]:
    with route53(tmp_path_factory.mktemp("route53")) as running:
        yield running


@pytest.fixture
def dns(stage: Stage, server: Route53) -> Iterator[Route53]:
    """The stage's namespace has external-dns and a name with weighted records, all on the source."""
    cluster, namespace = stage.cluster, stage.namespace
    folder = parts.ensure(["external-dns-crds"])["external-dns-crds"]
    cluster.kubectl("apply", "--server-side", f"--filename={folder}")
    definition = "dnsendpoints.externaldns.k8s.io"
    wait_for(partial(cluster.is_established, definition), definition, 30)
    cluster.call("POST", collection(namespace), endpoint(onprem=255, gke=0))
    with external_dns(cluster, namespace, server, stage.folder):
        wait_for(lambda: server.weights(NAME) == {"onprem": 255, "gke": 0}, "no records", 60)
        yield server


def collection(namespace: str) -> str:
    return f"/apis/externaldns.k8s.io/v1alpha1/namespaces/{namespace}/dnsendpoints"


def endpoint(**weights: int) -> dict[str, Any]:
    return {
        "apiVersion": "externaldns.k8s.io/v1alpha1",
        "kind": "DNSEndpoint",
        "metadata": {"name": "llm"},
        "spec": {
            "endpoints": [
                {
                    "dnsName": NAME,
                    "recordType": "CNAME",
                    "recordTTL": TTL,
                    "setIdentifier": identifier,
                    "targets": [f"{identifier}.example.net"],
                    "providerSpecific": [{"name": "aws/weight", "value": str(weight)}],
                }
                for identifier, weight in weights.items()
            ]
        },
    }


class Clients:
    """Clients of the name: they send to the side that DNS names, and ask again when the TTL is over."""

    def __init__(self, server: Route53, source: Traffic, target: Traffic) -> None:
        self._server = server
        self._sides = {"onprem": source, "gke": target}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self.seen: list[dict[str, int]] = []
        """Every answer that differs from the one before."""

    def _follow(self) -> None:
        while not self._ended.wait(TTL):
            weights = self._server.weights(NAME)
            if self.seen[-1:] != [weights]:
                self.seen.append(weights)
                for side, traffic in self._sides.items():
                    traffic.set_rate(RATE * weights[side] / sum(weights.values()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


@contextmanager
def clients(stage: Stage, server: Route53) -> Iterator[Clients]:
    lab, slot = stage.lab, stage.slot
    with (
        Traffic(lab, NAME, rate=RATE, target=slot.source.url) as source,
        Traffic(lab, NAME, rate=0, target=slot.target.url) as target,
        Clients(server, source, target) as following,
    ):
        yield following


async def shown(server: Route53, **weights: int) -> None:
    """Wait until Route 53's API tells these weights."""
    there = partial(operator.eq, weights)
    await asyncio.to_thread(wait_for, lambda: there(server.weights(NAME)), str(weights), 20)


async def test_each_weight_is_in_route_53_and_the_first_ones_come_back(
    stage: Stage, dns: Route53
) -> None:
    layout = DnsEndpointLayout(DnsEndpoint.model_validate(WANTED))
    async with connected(stage.cluster) as connection:
        router = ObjectRouter(connection, stage.namespace, layout)
        seen = await settled(router, lambda one: one.accepted)
        original = seen.rules
        for weight in (1, 33, 100):
            await router.write(seen, RouteChange(weights_at(original, weight), MINE))
            await shown(dns, onprem=100 - weight, gke=weight)
            seen = await settled(router, lambda one: one.accepted)
            assert seen.declared == weight
        await router.write(seen, RouteChange(restored(seen.rules, original), None))
        await shown(dns, onprem=255, gke=0)
    document = stage.cluster.call("GET", f"{collection(stage.namespace)}/llm")
    assert document["spec"] == endpoint(onprem=255, gke=0)["spec"]


def test_a_failing_target_loses_its_weight_in_dns(stage: Stage, dns: Route53) -> None:
    with clients(stage, dns) as following:
        stage.run_operator()
        stage.apply(
            traffic={"dnsEndpoint": WANTED, "delivery": {"check": "Report"}},
            steps=[{"weight": 50}, {"weight": 100}],
            analysis=STAYING,
        )
        stage.wait("half of DNS' answers", lambda: dns.weights(NAME) == {"onprem": 50, "gke": 50})
        stage.wait("settle is over", lambda: stage.status.get("evidenceSince"))
        assert stage.status["weights"]["deliverySeconds"] == 2 * TTL
        asyncio.run(stage.slot.target.set(error_rate=0.5))
        stage.wait_phase("RolledBack")
        wanted = {"onprem": 255, "gke": 0}
        stage.wait("the first weights again", lambda: dns.weights(NAME) == wanted)
        stage.wait("clients follow", lambda: following.seen[-1] == wanted)
    assert following.seen == [wanted, {"onprem": 50, "gke": 50}, wanted]
    assert "as DNS is written, since" in stage.status["message"]
    assert "more, and connections that are open stay where they are" in stage.status["message"]
