"""An HTTPRoute's weights on a real API server, with Contour as the gateway."""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import yaml

from cutover.api import CLAIM
from cutover.api.spec import HttpRoute
from cutover.clusters.connection import Connection
from cutover.decide.observation import (
    Claim,
    RouteGone,
    RouteUnreadable,
    RuleWeights,
)
from cutover.ports import Conflict, NotWritten, RouteChange, Written
from cutover.traffic.claim import to_text
from cutover.traffic.httproute import HttpRouteRouter
from cutover.traffic.seen import HttpRouteSeen
from tests.features.connecting import connected
from tests.lab import Cluster, Lab, Slot
from tests.lab.cluster import path_of

pytestmark = pytest.mark.lab

GATEWAY = {"name": "lab", "namespace": "lab-gateway"}
MINE = Claim("cl", "ns", "chat", "u-1", 1, 3, (RuleWeights(0, 100, 0),))
THEIRS = replace(MINE, uid="u-2", name="other")
IGNORED = ("managedFields", "resourceVersion", "generation")


class Subject:
    """One route, how somebody else changes it, and the router under test."""

    def __init__(self, cluster: Cluster, connection: Connection, **spec: Any) -> None:
        self.cluster = cluster
        self.namespace = f"router-{uuid.uuid4().hex[:8]}"
        cluster.ensure_namespace(self.namespace)
        self.wanted = HttpRoute.model_validate(
            {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}, **spec}
        )
        self.connection = connection
        self.router = HttpRouteRouter(connection, self.namespace, self.wanted)

    @property
    def path(self) -> str:
        return path_of(self.document([]))

    def document(self, rules: list[dict[str, Any]], **metadata: Any) -> dict[str, Any]:
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "chat", "namespace": self.namespace, **metadata},
            "spec": {
                "parentRefs": [GATEWAY],
                "hostnames": [f"{self.namespace}.example"],
                "rules": rules,
            },
        }

    def create(self, *rules: dict[str, Any], **metadata: Any) -> None:
        self.cluster.call(
            "POST", self.path.rpartition("/")[0], self.document(list(rules), **metadata)
        )

    def read(self) -> dict[str, Any]:
        return self.cluster.call("GET", self.path)

    def merge(self, change: dict[str, Any], manager: str = "lab", subresource: str = "") -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        path = f"{self.path}{subresource}?fieldManager={manager}"
        self.cluster.call("PATCH", path, change, headers)

    def annotate(self, name: str, value: str | None) -> None:
        self.merge({"metadata": {"annotations": {name: value}}})

    def weights(self) -> list[int]:
        return [b["weight"] for r in self.read()["spec"]["rules"] for b in r["backendRefs"]]

    async def write(self, change: RouteChange) -> None:
        """As a reconciler would: Contour's answers come between looks and writes."""
        written: object = Conflict("")
        while isinstance(written, Conflict):
            written = await self.router.write(await self.look(), change)
        assert isinstance(written, Written), written

    async def look(self) -> HttpRouteSeen:
        seen = await self.router.look()
        assert isinstance(seen, HttpRouteSeen), seen
        return seen


def rule(*backends: str | dict[str, Any], **fields: Any) -> dict[str, Any]:
    references = [{"name": b} if isinstance(b, str) else b for b in backends]
    return {"backendRefs": [{"port": 80, **each} for each in references], **fields}


PAIR = rule({"name": "a", "weight": 100}, {"name": "b", "weight": 0})


def change(target: int, *, claim: Claim | None = MINE, pinned: bool = True) -> RouteChange:
    return RouteChange((RuleWeights(0, 100 - target, target),), claim, pinned)


def bare(document: dict[str, Any]) -> dict[str, Any]:
    """A copy without what every write changes."""
    metadata = {k: v for k, v in document["metadata"].items() if k not in IGNORED}
    return deepcopy({"metadata": metadata, "spec": document["spec"]})


Make = Callable[..., Subject]


@pytest.fixture
async def connection(clusters: tuple[Cluster, Cluster]) -> AsyncIterator[Connection]:
    async with connected(clusters[0]) as opened:
        yield opened


@pytest.fixture
def make(clusters: tuple[Cluster, Cluster], connection: Connection) -> Make:
    return lambda **spec: Subject(clusters[0], connection, **spec)


async def test_everything_but_the_two_weights_and_the_claim_stays(make: Make) -> None:
    subject = make()
    header = {"name": "x", "value": "y"}
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}},
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 80}}},
    ]
    third = {"name": "c", "weight": 33, "filters": filters[:1]}
    path = {"type": "Exact", "value": "/v1/chat"}
    subject.create(
        rule("other", matches=[{"path": path}], timeouts={"request": "0s"}),
        rule({"name": "b", "weight": 0, "filters": filters[:1]}, third, "a", filters=filters),
        annotations={"kept": "as it is"},
    )
    before = subject.read()
    seen = await subject.look()
    assert seen.rules == (RuleWeights(1, 1, 0, 33),)
    scaled = RouteChange((RuleWeights(1, 60, 40, 33),), MINE)
    await subject.write(scaled)
    expected = bare(before)
    expected["metadata"]["annotations"][CLAIM] = to_text(MINE)
    backends = expected["spec"]["rules"][1]["backendRefs"]
    backends[0]["weight"], backends[2]["weight"] = 40, 60
    assert bare(subject.read()) == expected
    back = RouteChange((RuleWeights(1, 1, 0, 33),), None)
    await subject.write(back)
    assert bare(subject.read()) == bare(before)


async def test_a_pinned_write_loses_to_whoever_was_faster(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    seen = await subject.look()
    subject.merge({"metadata": {"labels": {"touched": "yes"}}})
    assert isinstance(await subject.router.write(seen, change(5)), Conflict)
    assert subject.weights() == [100, 0]
    assert isinstance(await subject.router.write(seen, change(5, pinned=False)), Written)
    assert subject.weights() == [95, 5]


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_reordered_route_is_not_written_to(make: Make, pinned: bool) -> None:
    subject = make()
    subject.create(PAIR)
    seen = await subject.look()
    subject.merge({"spec": {"rules": [rule({"name": "b", "weight": 0}, {"name": "a"})]}})
    assert isinstance(await subject.router.write(seen, change(5, pinned=pinned)), Conflict)
    assert subject.weights() == [0, 1]
    await subject.write(change(5))
    assert subject.weights() == [5, 95]


@pytest.mark.parametrize("others", [{"other": "annotation"}, None], ids=["a-map", "no-map"])
async def test_a_claim_that_came_meanwhile_stops_an_unpinned_write(
    make: Make, others: dict[str, str] | None
) -> None:
    subject = make()
    subject.create(PAIR, **({"annotations": others} if others else {}))
    seen = await subject.look()
    assert seen.annotated is (others is not None)
    subject.annotate(CLAIM, to_text(THEIRS))
    assert isinstance(await subject.router.write(seen, change(5, pinned=False)), Conflict)
    assert (await subject.look()).claim == THEIRS
    assert subject.weights() == [100, 0]


async def test_a_claim_that_changed_or_went_stops_an_unpinned_write(make: Make) -> None:
    subject = make()
    subject.create(PAIR, annotations={CLAIM: to_text(MINE)})
    for now in (to_text(replace(MINE, epoch=9)), None):
        seen = await subject.look()
        subject.annotate(CLAIM, now)
        assert isinstance(await subject.router.write(seen, change(5, pinned=False)), Conflict)
    assert subject.weights() == [100, 0]


async def test_an_annotation_that_came_first_is_not_lost(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    seen = await subject.look()
    subject.annotate("somebody", "was here")
    assert isinstance(await subject.router.write(seen, change(5, pinned=False)), Conflict)
    await subject.write(change(5, pinned=False))
    annotations = subject.read()["metadata"]["annotations"]
    assert annotations == {"somebody": "was here", CLAIM: to_text(MINE)}


async def test_the_claim_alone_is_written_and_removed(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    generation = (await subject.look()).generation
    await subject.write(RouteChange((), MINE))
    seen = await subject.look()
    assert (seen.claim, seen.generation) == (MINE, generation)
    await subject.write(RouteChange((), None))
    seen = await subject.look()
    assert (seen.claim, seen.claim_text) == (None, None)


async def test_writing_what_is_there_writes_nothing(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    await subject.write(change(5))
    # The backends do not exist; having said so, Contour has nothing to write any more.
    seen = await settled(subject.router, lambda seen: "ResolvedRefs=False" in seen.acceptance)
    written = await subject.router.write(seen, change(5))
    assert written == Written(seen.resource_version)


def verdict(number: int) -> dict[str, Any]:
    """What a further gateway controller might say."""
    condition = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
    return {
        "parentRef": {"name": f"noise-{number}"},
        "controllerName": "noise.example/controller",
        "conditions": [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }


@contextmanager
def noise(subject: Subject, per_second: float = 20) -> Iterator[list[int]]:
    """Somebody who writes the status and a label, each so often; gives the writes made."""
    stop, made = threading.Event(), [0]

    def write() -> None:
        while not stop.wait(1 / per_second):
            made[0] += 1
            subject.merge({"metadata": {"labels": {"beat": str(made[0])}}}, "noise")
            subject.merge({"status": {"parents": [verdict(made[0])]}}, "noise", "/status")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join()


async def test_an_unpinned_write_wins_against_a_busy_writer(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    conflicts = 0
    with noise(subject) as made:
        for number in range(1, 26):
            seen = await subject.look()
            await asyncio.sleep(0.06)  # what a decision may take
            pinned = await subject.router.write(seen, change(number))
            conflicts += isinstance(pinned, Conflict)
            seen = replace(seen, claim_text=to_text(MINE), annotated=True) if number > 1 else seen
            if isinstance(pinned, Conflict):
                unpinned = await subject.router.write(seen, change(number, pinned=False))
                assert isinstance(unpinned, Written), (number, unpinned)
            assert subject.weights() == [100 - number, number]
    assert made[0] > 20
    assert conflicts > 20


async def test_contours_answer_is_read_with_its_generation(
    lab: Lab, slot: Slot, connection: Connection
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
    router = HttpRouteRouter(connection, namespace, wanted)
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
    router = HttpRouteRouter(connection, namespace, missing)
    seen = await settled(router, lambda seen: "ResolvedRefs=False" in seen.acceptance)
    assert "nowhere" in seen.acceptance
    assert not seen.accepted


async def accepted(router: HttpRouteRouter) -> HttpRouteSeen:
    return await settled(router, lambda seen: seen.accepted)


async def settled(
    router: HttpRouteRouter, wanted: Callable[[HttpRouteSeen], bool], seconds: float = 10
) -> HttpRouteSeen:
    """Look until the gateway has said what is wanted."""
    deadline = time.monotonic() + seconds
    while True:
        seen = await router.look()
        assert isinstance(seen, HttpRouteSeen), seen
        if wanted(seen):
            return seen
        assert time.monotonic() < deadline, seen.acceptance
        await asyncio.sleep(0.02)


async def test_a_gateway_that_does_not_exist_never_accepts(make: Make) -> None:
    subject = make()
    document = subject.document([PAIR])
    document["spec"]["parentRefs"] = [{"name": "nowhere"}]
    subject.cluster.call("POST", subject.path.rpartition("/")[0], document)
    seen = await subject.look()
    assert (seen.accepted, seen.acceptance) == (False, "Gateway nowhere has not answered yet")


async def test_a_backend_of_another_kind(make: Make) -> None:
    backend = {"group": "gateway.envoyproxy.io", "kind": "Backend"}
    subject = make(sourceBackend={"name": "a", **backend}, targetBackend={"name": "b", **backend})
    subject.create(
        rule({"name": "a"}),
        rule({"name": "a", "weight": 100, **backend}, {"name": "b", "weight": 0, **backend}),
    )
    seen = await subject.look()
    assert (seen.rules, seen.problem) == ((RuleWeights(1, 100, 0),), None)
    written = await subject.router.write(seen, RouteChange((RuleWeights(1, 90, 10),), MINE))
    assert isinstance(written, Written)
    assert subject.weights() == [1, 90, 10]


async def test_a_rule_that_names_the_source_alone(make: Make) -> None:
    subject = make()
    subject.create(PAIR, rule("a", matches=[{"path": {"type": "Exact", "value": "/x"}}]))
    seen = await subject.look()
    assert seen.problem_reason == "RuleNotCovered"
    assert "rule 1 names Service a but not Service b" in str(seen.problem)
    assert seen.rules == (RuleWeights(0, 100, 0),)
    listed = HttpRouteRouter(
        subject.connection, subject.namespace, subject.wanted.model_copy(update={"rules": [0]})
    )
    again = await listed.look()
    assert isinstance(again, HttpRouteSeen)
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


async def test_a_write_that_validation_refuses_is_no_conflict(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    beyond = RouteChange((RuleWeights(0, 1_000_001, 0),), MINE)
    refused = await subject.router.write(await subject.look(), replace(beyond, pinned=False))
    assert isinstance(refused, NotWritten)
    assert refused.reason == "Refused"
    assert "1000000" in refused.message


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
        router = HttpRouteRouter(without, "default", subject.wanted)
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
            router = HttpRouteRouter(through, subject.namespace, subject.wanted)
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
            router = HttpRouteRouter(other, subject.namespace, subject.wanted)
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
            router = HttpRouteRouter(through, subject.namespace, subject.wanted)
            assert isinstance(await router.look(), HttpRouteSeen)
            proxy.hang()
            began = time.monotonic()
            written = await router.write(seen, change(5), deadline=0.5)
            assert time.monotonic() - began < 1
            assert isinstance(written, NotWritten)
            assert written.reason == "Unreachable"
            proxy.pass_through()
            assert isinstance(await router.look(), HttpRouteSeen)


def test_the_patch_in_the_document_is_what_kubectl_shows(make: Make) -> None:
    """The claim is plain JSON for people: no escaping surprises in YAML."""
    subject = make()
    subject.create(PAIR, annotations={CLAIM: to_text(MINE)})
    text = subject.cluster.kubectl("get", "httproute", "chat", "-n", subject.namespace, "-oyaml")
    assert yaml.safe_load(text)["metadata"]["annotations"][CLAIM] == to_text(MINE)
