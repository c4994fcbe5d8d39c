"""An HTTPRoute is looked at: Contour's answers, what is wrong with a route, who may not see it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from cutover.api.routes import HttpRoute
from cutover.decide.route import RouteGone, RouteUnreadable, RuleWeights
from cutover.ports import Conflict, NotWritten, RouteChange, Written
from cutover.traffic.gatewayapi import gateway_layout
from cutover.traffic.object import ObjectRouter
from cutover.traffic.seen import ObjectSeen
from tests.features.connecting import connected
from tests.features.subject_route import (
    MINE,
    PAIR,
    Make,
    Subject,
    accepted,
    change,
    rule,
    settled,
    subjects,
)
from tests.lab import Cluster, Lab, Slot, parts
from tests.lab.routes import wait_for

pytestmark = pytest.mark.lab


@pytest.fixture
async def make(clusters: tuple[Cluster, Cluster]) -> AsyncIterator[Make]:
    async with subjects(clusters[0]) as make:
        yield make


async def test_contours_answer_is_read_with_its_generation(
    lab: Lab, slot: Slot, make: Make
) -> None:
    namespace = f"router-{uuid.uuid4().hex[:8]}"
    route = lab.route(namespace, "chat", slot)
    wanted = HttpRoute.model_validate(
        {
            "name": "chat",
            "sourceBackend": {"name": route.source_backend},
            "targetBackend": {"name": route.target_backend},
        }
    )
    connection = make().connection
    router = ObjectRouter(connection, namespace, gateway_layout(wanted))
    for target in (1, 5, 50, 0):
        seen = await accepted(router)
        written = await router.write(seen, change(target))
        while isinstance(written, Conflict):
            written = await router.write(await accepted(router), change(target))
        assert isinstance(written, Written)
        assert (await accepted(router)).declared == target
    headers = {"Content-Type": "application/merge-patch+json"}
    backends = [{"name": route.source_backend, "port": 1}, {"name": "nowhere", "port": 80}]
    rules = {"spec": {"rules": [{"backendRefs": backends}]}}
    lab.source.call("PATCH", route.path, rules, headers)
    missing = wanted.model_copy(
        update={"target_backend": wanted.target_backend.model_copy(update={"name": "nowhere"})}
    )
    router = ObjectRouter(connection, namespace, gateway_layout(missing))
    seen = await settled(router, lambda seen: "ResolvedRefs=False" in seen.acceptance)
    assert "nowhere" in seen.acceptance
    assert not seen.accepted


async def test_a_gateway_that_does_not_exist_never_accepts(make: Make) -> None:
    subject = make()
    document = subject.document([PAIR])
    document["spec"]["parentRefs"] = [{"name": "nowhere"}]
    subject.cluster.call("POST", subject.path.rpartition("/")[0], document)
    seen = await subject.look()
    assert (seen.accepted, seen.acceptance) == (False, "Gateway nowhere has not answered yet")


OTHER_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "service-import-crds": (
        "multicluster.x-k8s.io/v1alpha1 ServiceImport serviceimports",
        {"type": "ClusterSetIP", "ports": [{"port": 80, "protocol": "TCP"}]},
    ),
    "inference-crds": (
        "inference.networking.k8s.io/v1 InferencePool inferencepools",
        {
            "selector": {"matchLabels": {"app": "vllm"}},
            "targetPorts": [{"number": 8000}],
            "endpointPickerRef": {"name": "picker", "port": {"number": 9002}},
        },
    ),
    "envoy-gateway-crds": (
        "gateway.envoyproxy.io/v1alpha1 Backend backends",
        {"endpoints": [{"fqdn": {"hostname": "chat.gke.example", "port": 443}}]},
    ),
}


@pytest.mark.parametrize("part", OTHER_KINDS)
async def test_backends_of_other_kinds_with_their_own_definitions(make: Make, part: str) -> None:
    """A Service of the same name, in another rule, is another backend."""
    served, spec = OTHER_KINDS[part]
    version, kind, plural = served.split()
    group = version.partition("/")[0]
    backend = {"group": group, "kind": kind}
    subject = make(sourceBackend={"name": "a", **backend}, targetBackend={"name": "b", **backend})
    cluster = subject.cluster
    cluster.kubectl("apply", "--server-side", f"--filename={parts.ensure([part])[part]}")
    wait_for(partial(cluster.is_established, f"{plural}.{group}"), plural, 30)
    for name in ("a", "b"):
        document = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        path = f"/apis/{version}/namespaces/{subject.namespace}/{plural}"
        cluster.call("POST", path, document)
    await moves_only(subject, backend)


async def test_backends_of_a_kind_that_only_a_cloud_serves(make: Make) -> None:
    backend = {"group": "net.gke.io", "kind": "ServiceImport"}
    subject = make(sourceBackend={"name": "a", **backend}, targetBackend={"name": "b", **backend})
    await moves_only(subject, backend)


async def moves_only(subject: Subject, backend: dict[str, str]) -> None:
    subject.create(
        rule({"name": "a", "weight": 1}, {"name": "b", "weight": 0}),
        rule({"name": "a", "weight": 100, **backend}, {"name": "b", "weight": 0, **backend}),
    )
    seen = await subject.look()
    assert (seen.rules, seen.problem) == ((RuleWeights(1, 100, 0),), None)
    for target in (10, 100, 0):
        await subject.write(RouteChange((RuleWeights(1, 100 - target, target),), MINE))
        assert subject.weights() == [1, 0, 100 - target, target]


async def test_a_rule_that_names_the_source_alone(make: Make) -> None:
    subject = make()
    subject.create(PAIR, rule("a", matches=[{"path": {"type": "Exact", "value": "/x"}}]))
    seen = await subject.look()
    assert seen.problem_reason == "RuleNotCovered"
    assert "rule 1 names Service a but not Service b" in str(seen.problem)
    assert seen.rules == (RuleWeights(0, 100, 0),)
    listed = ObjectRouter(
        subject.connection,
        subject.namespace,
        gateway_layout(subject.wanted.model_copy(update={"rules": [0]})),
    )
    again = await listed.look()
    assert isinstance(again, ObjectSeen)
    assert (again.problem, again.rules) == (None, (RuleWeights(0, 100, 0),))


async def test_the_last_manager_is_who_changed_the_rules(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    await asyncio.sleep(1.1)  # times of field managers are whole seconds
    await subject.write(change(5))
    assert (await subject.look()).last_manager == "cutover"
    await asyncio.sleep(1.1)
    subject.merge({"metadata": {"labels": {"x": "y"}}}, manager="labeller")
    assert (await subject.look()).last_manager == "cutover"
    patch = [{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 9}]
    subject.cluster.kubectl(
        "patch", "httproute", "chat", "-n", subject.namespace, "--type=json", f"-p={patch}"
    )
    assert (await subject.look()).last_manager == "kubectl-patch"


async def test_a_route_or_a_kind_that_is_gone(
    make: Make, clusters: tuple[Cluster, Cluster]
) -> None:
    subject = make()
    gone = await subject.router.look()
    assert isinstance(gone, RouteGone)
    assert "create it" in gone.message
    subject.create(PAIR)
    seen = await subject.look()
    subject.cluster.call("DELETE", subject.path)
    written = await subject.router.write(seen, change(0, pinned=False))
    assert isinstance(written, NotWritten)
    assert written.reason == "Gone"
    async with connected(clusters[1]) as without:
        router = ObjectRouter(without, "default", gateway_layout(subject.wanted))
        kindless = await router.look()
        assert isinstance(kindless, RouteGone)
        assert "Gateway API" in kindless.message


async def test_a_404_that_no_api_server_sent_does_not_make_a_route_gone(
    make: Make, lab: Lab
) -> None:
    subject = make()
    subject.create(PAIR)
    with lab.proxy(subject.cluster) as proxy:
        proxy.fail("httproutes", status=404, body="<html>not found</html>")
        async with connected(subject.cluster, server=proxy.url) as through:
            router = ObjectRouter(through, subject.namespace, gateway_layout(subject.wanted))
            assert isinstance(await router.look(), RouteUnreadable)
            proxy.fail(status=404, body="404 page not found")
            assert isinstance(await router.look(), RouteUnreadable)
            written = await router.write(await subject.look(), change(0))
            assert isinstance(written, NotWritten)
            assert written.reason == "Unreachable"


async def test_who_may_not_or_is_unknown(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    seen = await subject.look()
    for user, token, reason in (("erin", None, "Forbidden"), ("x", "wrong", "Unauthorised")):
        async with connected(subject.cluster, user, token=token) as other:
            router = ObjectRouter(other, subject.namespace, gateway_layout(subject.wanted))
            look = await router.look()
            assert isinstance(look, RouteUnreadable)
            assert look.reason == reason
            written = await router.write(seen, change(5))
            assert isinstance(written, NotWritten)
            assert written.reason == reason


async def test_a_server_that_hangs_costs_no_more_than_the_deadline(make: Make, lab: Lab) -> None:
    subject = make()
    subject.create(PAIR)
    seen = await subject.look()
    with lab.proxy(subject.cluster) as proxy:
        async with connected(subject.cluster, server=proxy.url) as through:
            router = ObjectRouter(through, subject.namespace, gateway_layout(subject.wanted))
            assert isinstance(await router.look(), ObjectSeen)
            proxy.hang()
            began = time.monotonic()
            written = await router.write(seen, change(5), deadline=0.5)
            assert time.monotonic() - began < 1
            assert isinstance(written, NotWritten)
            assert written.reason == "Unreachable"
            proxy.pass_through()
            assert isinstance(await router.look(), ObjectSeen)
