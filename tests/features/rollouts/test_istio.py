"""A VirtualService's weights and mirrors as a real istiod hands them to an Envoy, with real requests through it."""

import asyncio
import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from cutover.api.traffic import Traffic as Routing
from cutover.decide.observation import Refusal
from cutover.decide.weights import restored, weights_at
from cutover.ports import Conflict, RouteChange, Written
from cutover.traffic.layouts import layout_of
from cutover.traffic.object import ObjectRouter
from cutover.traffic.seen import ObjectSeen
from tests.features.connecting import connected
from tests.features.rollouts.stage import RATE, Stage
from tests.features.subject_route import MINE, bare, settled
from tests.lab import OPERATOR, Lab, ModelServer, Traffic
from tests.lab.istio import Ingress, Istiod, ingress, istiod

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.part("istiod")]

Json = dict[str, Any]
RULE = "chat"


@pytest.fixture(scope="module")
def control(installed: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Istiod]:
    """A mesh over the cluster where the routes are; a cluster has one."""
    workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    assert workers == "1", "each worker would start an istiod of its own: make test-istio"
    with istiod(installed.source, tmp_path_factory.mktemp("istiod")) as running:
        yield running


class Mesh:
    """A Service of the cluster and a ServiceEntry, a VirtualService before both, and the gateway that it binds to."""

    def __init__(self, stage: Stage, gateway: Ingress) -> None:
        self.stage = stage
        self.gateway = gateway
        self.host = f"llama.{stage.namespace}.example"
        self.source = f"llama.{stage.namespace}.svc.cluster.local"
        self.target = f"llama.gke.{stage.namespace}.internal"
        group = f"/apis/networking.istio.io/v1/namespaces/{stage.namespace}"
        self.collection = f"{group}/virtualservices"
        for document in self._services():
            stage.cluster.apply(document)
        stage.cluster.call("POST", self.collection, self.document())
        self._client = httpx.Client(
            base_url=gateway.url, headers={"Host": self.host}, trust_env=False
        )

    @property
    def path(self) -> str:
        return f"{self.collection}/llama"

    def document(self) -> Json:
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "llama", "namespace": self.stage.namespace},
            "spec": {
                "hosts": [self.host],
                "gateways": ["lab"],
                "http": [
                    {
                        "name": RULE,
                        "route": [
                            {"destination": {"host": self.source}, "weight": 100},
                            {"destination": {"host": self.target}, "weight": 0},
                        ],
                        "timeout": "30s",
                        "headers": {"response": {"add": {"x-lab": "kept"}}},
                    }
                ],
            },
        }

    def _services(self) -> list[Json]:
        namespace, slot = self.stage.namespace, self.stage.slot
        named = {"name": "llama", "namespace": namespace}
        app = {"app": "llama"}
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": named,
                "spec": {
                    "selector": app,
                    "ports": [{"name": "http", "port": 80, "targetPort": slot.source.port}],
                },
            },
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "WorkloadEntry",
                "metadata": named,
                "spec": {"address": "127.0.0.1", "labels": app},
            },
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "ServiceEntry",
                "metadata": named,
                "spec": {
                    "hosts": [self.target],
                    "location": "MESH_INTERNAL",
                    "resolution": "STATIC",
                    "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                    "endpoints": [{"address": "127.0.0.1", "ports": {"http": slot.target.port}}],
                },
            },
        ]

    @property
    def routing(self) -> Json:
        """What a rollout says of it."""
        return {
            "virtualService": {
                "name": "llama",
                "sourceDestination": {"host": self.source},
                "targetDestination": {"host": self.target},
            }
        }

    def read(self) -> Json:
        return self.stage.cluster.call("GET", self.path)

    def change(self, *operations: Json) -> None:
        headers = {"Content-Type": "application/json-patch+json"}
        self.stage.cluster.call("PATCH", f"{self.path}?fieldManager=oncall", operations, headers)

    @property
    def weights(self) -> list[int]:
        """As they are written."""
        return [int(one.get("weight", 0)) for one in self.read()["spec"]["http"][0]["route"]]

    def delivers(self, weights: dict[str, int]) -> bool:
        """Whether Envoy has these weights of the two hosts; istiod leaves those of 0 away."""
        shares = {envoys(host): weight for host, weight in weights.items() if weight}
        return self.gateway.weights(RULE) == shares

    def mirrors(self, copies: list[tuple[str, int]]) -> bool:
        """Whether Envoy copies requests to these hosts, so many percent each."""
        wanted = [(envoys(host), percent) for host, percent in copies]
        return self.gateway.mirrors(RULE) == wanted

    def ask(self, times: int) -> Counter[str]:
        """Requests that count nowhere; who answered them, and how."""
        return Counter(self._asked() for _ in range(times))

    def _asked(self) -> str:
        answer = self._client.get("/health")
        side = answer.headers.get("x-served-by", "nobody")
        return side if answer.is_success else f"{side}: {answer.status_code}"

    def send(self, count: int) -> Counter[str]:
        """Inference requests one after another; who answered them."""
        body = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}
        answers = [self._client.post("/v1/chat/completions", json=body) for _ in range(count)]
        return Counter(one.headers.get("x-served-by", "nobody") for one in answers)

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def mesh(stage: Stage, control: Istiod) -> Iterator[Mesh]:
    with ingress(control, stage.namespace, stage.folder) as gateway:
        made = Mesh(stage, gateway)
        stage.wait("Envoy has the source alone", lambda: made.delivers({made.source: 100}))
        stage.wait("the source answers", lambda: made.ask(5) == {"source": 5})
        yield made
        made.close()


@pytest.fixture
async def router(mesh: Mesh) -> AsyncIterator[ObjectRouter]:
    """As the operator that the manifests install."""
    async with connected(mesh.stage.cluster, OPERATOR) as connection:
        layout = await layout_of(Routing.model_validate(mesh.routing).route, connection)
        assert not isinstance(layout, Refusal)
        yield ObjectRouter(connection, mesh.stage.namespace, layout)


def envoys(host: str) -> str:
    """What istiod calls the cluster of a host's port 80."""
    return f"outbound|80||{host}"


async def look(router: ObjectRouter) -> ObjectSeen:
    seen = await router.look()
    assert isinstance(seen, ObjectSeen), seen
    return seen


async def write(router: ObjectRouter, change: RouteChange) -> None:
    answer: object = Conflict("")
    while isinstance(answer, Conflict):
        answer = await router.write(await look(router), change)
    assert isinstance(answer, Written), answer


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.05)


async def arrive(server: ModelServer, least: int) -> int:
    """Wait until so many requests have come to it; a copy may come after the answer."""
    deadline = time.monotonic() + 30
    while (count := await arrived(server)) < least:
        assert time.monotonic() < deadline, count
    return count


async def arrived(server: ModelServer) -> int:
    return int((await server.state())["arrivals"])


def about(percent: int, of: int) -> range:
    """How many of so many requests, each with that chance: within 6 standard deviations."""
    share = percent / 100
    spread = 6 * (of * share * (1 - share)) ** 0.5
    return range(math.ceil(of * share - spread), math.floor(of * share + spread) + 1)


async def test_weights_that_are_written_are_what_the_mesh_delivers(
    mesh: Mesh, router: ObjectRouter
) -> None:
    before, seen = mesh.read(), await look(router)
    assert (seen.problem, seen.declared) == (None, 0.0)
    for weight in (25, 100, 0):
        await write(router, RouteChange(weights_at(seen.rules, weight), MINE))
        shares = {mesh.source: 100 - weight, mesh.target: weight}
        await until(partial(mesh.delivers, shares))
        answered = mesh.ask(300)
        assert answered["target"] in about(weight, of=300)
        assert answered["source"] == 300 - answered["target"]
    await write(router, RouteChange(restored((await look(router)).rules, seen.rules), None))
    assert bare(mesh.read()) == bare(before)


async def test_a_mirror_copies_its_share_and_goes_without_a_trace(
    mesh: Mesh, router: ObjectRouter
) -> None:
    before, seen = mesh.read(), await look(router)
    server = mesh.stage.slot.target
    claim = replace(MINE, original=seen.rules)
    await write(router, RouteChange((), claim))
    assert await router.mirrorable(await look(router), [25, 100]) is None
    for percent in (25, 100):
        await write(router, RouteChange((), replace(claim, mirror=percent)))
        await until(partial(mesh.mirrors, [(mesh.target, percent)]))
        already = await arrived(server)
        assert mesh.send(200) == {"source": 200}
        expected = about(percent, of=200)
        assert await arrive(server, already + expected[0]) - already in expected
    await write(router, RouteChange((), None))
    await until(partial(mesh.mirrors, []))
    already = await arrived(server)
    assert mesh.send(20) == {"source": 20}
    assert await arrived(server) == already
    assert bare(mesh.read()) == bare(before)


async def test_a_destination_that_the_mesh_does_not_know_is_told_and_forgiven(
    mesh: Mesh, router: ObjectRouter
) -> None:
    unknown = f"nowhere.{mesh.stage.namespace}.internal"
    elsewhere = {"destination": {"host": unknown}, "weight": 0}
    mesh.change({"op": "add", "path": "/spec/http/0/route/-", "value": elsewhere})
    seen = await settled(router, lambda one: not one.accepted, seconds=30)
    assert "istiod finds an error in it: IST0101" in seen.acceptance
    mesh.change({"op": "remove", "path": "/spec/http/0/route/2"})
    await settled(router, lambda one: one.accepted, seconds=30)


async def test_what_the_mesh_counts_by_is_what_the_profile_asks_for(mesh: Mesh) -> None:
    """`destination_service_name` and `…_namespace` are what istiod tells a proxy of each cluster."""
    metadata = {
        host: mesh.gateway.cluster(envoys(host))["metadata"]["filter_metadata"]["istio"]["services"]
        for host in (mesh.source, mesh.target)
    }
    namespace = mesh.stage.namespace
    assert metadata == {
        mesh.source: [{"host": mesh.source, "name": "llama", "namespace": namespace}],
        mesh.target: [{"host": mesh.target, "name": mesh.target, "namespace": namespace}],
    }


async def test_retries_ask_the_same_destination_again(mesh: Mesh, router: ObjectRouter) -> None:
    seen = await look(router)
    await write(router, RouteChange(weights_at(seen.rules, 50), MINE))
    usual = mesh.gateway.action(RULE)["retry_policy"]
    assert usual["num_retries"] == 2
    assert {"connect-failure", "refused-stream", "unavailable", "cancelled"} < set(
        usual["retry_on"].split(",")
    )
    retries = {"attempts": 5, "retryOn": "5xx"}
    mesh.change({"op": "add", "path": "/spec/http/0/retries", "value": retries})
    await until(lambda: mesh.gateway.action(RULE)["retry_policy"]["retry_on"] == "5xx")
    await mesh.stage.slot.target.set(ready=False)
    answered = mesh.ask(200)
    assert answered["target: 503"] in about(50, of=200)
    assert answered["source"] == 200 - answered["target: 503"]


def by_envoy(mesh: Mesh, prometheus: str) -> Json:
    """Routing with Envoy's own counters: those of Istio's own build are not in this one."""
    return {
        **mesh.routing,
        "gateway": {
            "profile": "EnvoyGateway",
            "prometheus": {"address": prometheus, "matchers": {"job": "envoy"}},
            "sourceMatchers": {"envoy_cluster_name": envoys(mesh.source)},
            "targetMatchers": {"envoy_cluster_name": envoys(mesh.target)},
        },
    }


STEPS = [{"shadow": {"percent": "50%", "duration": "3s"}}, {"weight": 25}, {"weight": 100}]


def delivered_of(stage: Stage, weight: int) -> float | None:
    """What the counters show of a weight, once they show that it is delivered."""
    weights = stage.status["weights"]
    proven = weights.get("applied") == weight and weights.get("deliveryOk")
    return weights.get("delivered") if proven else None


def test_a_whole_rollout_over_the_mesh(mesh: Mesh) -> None:
    stage = mesh.stage
    before = bare(mesh.read())
    before["spec"]["http"][0]["route"][0]["weight"] = 0
    before["spec"]["http"][0]["route"][1]["weight"] = 100
    admin = mesh.gateway.admin_port
    with (
        stage.lab.private_prometheus([stage.slot], envoy=admin) as counting,
        Traffic(stage.lab, mesh.host, rate=RATE, target=mesh.gateway.url) as requests,
    ):
        stage.run_operator()
        stage.apply(traffic=by_envoy(mesh, counting.url), steps=STEPS)
        stage.wait("half of it mirrored", lambda: mesh.mirrors([(mesh.target, 50)]), seconds=120)
        stage.wait_phase("Shadowing")
        stage.wait("a quarter of it moved", lambda: mesh.weights == [75, 25], seconds=120)
        delivered = stage.wait("a quarter delivered", lambda: delivered_of(stage, 25), seconds=60)
        stage.wait_phase("Completed", seconds=180)
        stage.wait("all of it", lambda: mesh.delivers({mesh.target: 100}))
        finished = time.time()
        stage.wait("the target answers", lambda: len(requests.records(finished)) > 100)
    assert abs(delivered - 25) < 6
    assert {one.side for one in requests.records(finished)} == {"target"}
    assert all(one.ok for one in requests.records())
    assert bare(mesh.read()) == before
    assert mesh.mirrors([])


def test_a_failing_target_loses_the_mesh_s_traffic(mesh: Mesh) -> None:
    stage = mesh.stage
    before = bare(mesh.read())
    admin = mesh.gateway.admin_port
    with (
        stage.lab.private_prometheus([stage.slot], envoy=admin) as counting,
        Traffic(stage.lab, mesh.host, rate=RATE, target=mesh.gateway.url) as requests,
    ):
        stage.traffic = requests
        stage.run_operator()
        stage.apply(traffic=by_envoy(mesh, counting.url), steps=STEPS[1:])
        stage.wait("a quarter of it moved", lambda: mesh.weights == [75, 25], seconds=120)
        asyncio.run(stage.slot.target.set(error_rate=1.0))
        stage.wait_phase("RolledBack")
        stage.wait_source_answers()
    assert bare(mesh.read()) == before
