"""One watch per namespace on a real API server: quick, and alive after whatever happens to it."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cutover.api.routes import HttpRoute
from cutover.clusters.connection import Connection
from cutover.traffic.gatewayapi import gateway_layout
from cutover.traffic.object import ObjectRouter
from cutover.traffic.seen import ObjectSeen
from cutover.traffic.watch import RouteWatch, RouteWatches
from tests.features.connecting import connected, open_connection
from tests.lab import Cluster, Lab
from tests.lab.cluster import path_of

pytestmark = pytest.mark.lab

WANTED = HttpRoute.model_validate(
    {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
)
LAYOUT = gateway_layout(WANTED)


def route(namespace: str, name: str, target: int) -> dict[str, Any]:
    backends = [
        {"name": "a", "port": 80, "weight": 100 - target},
        {"name": "b", "port": 80, "weight": target},
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"rules": [{"backendRefs": backends}]},
    }


class Watched:
    """A namespace with the routes chat and other, and a watch of it."""

    def __init__(self, cluster: Cluster, connection: Connection, silence: float) -> None:
        self.cluster = cluster
        self.connection = connection
        self.namespace = f"watch-{uuid.uuid4().hex[:8]}"
        cluster.ensure_namespace(self.namespace)
        for name in ("chat", "other"):
            self.set(0, name)
        self.watches = RouteWatches(silence)
        self.calls = 0
        self.watch, self.end = self.watches.subscribe(
            connection, LAYOUT.kind.collection(self.namespace), "chat", self.count
        )

    def count(self) -> None:
        self.calls += 1

    def set(self, target: int, name: str = "chat") -> None:
        self.cluster.apply(route(self.namespace, name, target))

    def delete(self) -> None:
        self.cluster.call("DELETE", path_of(route(self.namespace, "chat", 0)))

    def target(self, name: str = "chat") -> int | None:
        cached = self.watch.cached(name)
        backends = cached["spec"]["rules"][0]["backendRefs"] if cached else [{}, {}]
        weight: int | None = backends[1].get("weight")
        return weight

    async def sees(self, target: int | None, seconds: float = 20) -> float:
        return await eventually(lambda: self.target() == target, seconds)


async def eventually(condition: Callable[[], bool], seconds: float = 20) -> float:
    """How long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


@asynccontextmanager
async def watched(
    cluster: Cluster, server: str | None = None, silence: float = 75.0
) -> AsyncIterator[Watched]:
    async with connected(cluster, server=server) as connection:
        made = Watched(cluster, connection, silence)
        await made.sees(0)
        yield made
        await made.watches.close()


@pytest.fixture
def source(clusters: tuple[Cluster, Cluster]) -> Cluster:
    return clusters[0]


async def test_a_hand_edit_is_told_within_a_second(source: Cluster) -> None:
    async with watched(source) as subject:
        calls = subject.calls
        for target in (5, 25, 0):
            subject.set(target)
            assert await subject.sees(target) < 1
        assert subject.calls >= calls + 3
        calls = subject.calls
        subject.set(50, "other")
        await eventually(lambda: subject.target("other") == 50)
        assert subject.calls == calls


async def test_a_deleted_route_is_told(source: Cluster) -> None:
    async with watched(source) as subject:
        calls = subject.calls
        subject.delete()
        assert await subject.sees(None) < 1
        assert subject.calls > calls
        subject.set(5)
        assert await subject.sees(5) < 1


async def test_one_stream_serves_every_route_of_a_namespace(source: Cluster, lab: Lab) -> None:
    with lab.proxy(source) as proxy:
        async with watched(source, proxy.url) as subject:
            ends = [
                subject.watches.subscribe(
                    subject.connection,
                    LAYOUT.kind.collection(subject.namespace),
                    name,
                    subject.count,
                )[1]
                for name in ("chat", "other", "third")
            ]
            subject.set(5)
            await subject.sees(5)
            streams = [seen for seen in proxy.requests if "watch=true" in seen.path]
            assert len(streams) == 1
            subject.end()
            for end in ends:
                assert subject.watch.healthy
                end()
            await eventually(lambda: not subject.watch.healthy, 5)
            assert not subject.watches._running


async def test_it_survives_connections_that_are_reset_and_refused(
    source: Cluster, lab: Lab
) -> None:
    with lab.proxy(source) as proxy:
        async with watched(source, proxy.url) as subject:
            for fault in (proxy.reset, proxy.refuse):
                fault()
                await eventually(lambda: not subject.watch.healthy)
                subject.set(7)
                assert subject.target() is None  # unhealthy: nobody is told anything old
                proxy.pass_through()
                await subject.sees(7)
                subject.set(0)
                await subject.sees(0)


async def test_it_notices_a_stream_that_went_silent(source: Cluster, lab: Lab) -> None:
    with lab.proxy(source) as proxy:
        async with watched(source, proxy.url, silence=1.5) as subject:
            proxy.cut()
            subject.set(7)
            await subject.sees(7, 10)


@pytest.mark.parametrize("event", [True, False], ids=["as-an-event", "as-an-answer"])
async def test_it_lists_again_after_410(source: Cluster, lab: Lab, event: bool) -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    line = json.dumps({"type": "ERROR", "object": status} if event else status)
    with lab.proxy(source) as proxy:
        async with watched(source, proxy.url) as subject:
            status_code = 200 if event else 410
            proxy.fail("watch=true", status=status_code, body=line + "\n", count=3)
            proxy.reset()
            subject.set(7)
            proxy.pass_through()
            await subject.sees(7)
            subject.set(8)
            await subject.sees(8)


async def test_a_stream_of_errors_does_not_become_a_storm(source: Cluster, lab: Lab) -> None:
    with lab.proxy(source) as proxy:
        async with watched(source, proxy.url):
            proxy.fail("watch=true", status=500)
            proxy.reset()
            proxy.pass_through()
            before = len(proxy.requests)
            await asyncio.sleep(4)
            assert len(proxy.requests) - before < 20


async def test_it_survives_an_api_server_that_is_killed_and_comes_back(lab: Lab) -> None:
    with lab.private_cluster() as private:
        definitions = Path(lab.program("gateway-crds"))
        file = definitions / "gateway.networking.k8s.io_httproutes.yaml"
        private.cluster.kubectl("apply", "--server-side", f"--filename={file}")
        deadline = time.monotonic() + 20
        while not private.cluster.is_established("httproutes.gateway.networking.k8s.io"):
            assert time.monotonic() < deadline
        async with watched(private.cluster) as subject:
            router = ObjectRouter(subject.connection, subject.namespace, LAYOUT, subject.watch)
            private.kill()
            await eventually(lambda: not subject.watch.healthy)
            looks = asyncio.create_task(look_until_back(router))
            await asyncio.to_thread(private.restart)
            await looks
            subject.set(9)
            await subject.sees(9, 40)


async def look_until_back(router: ObjectRouter) -> None:
    """While the API server starts, its 404s must not pass for a route that is gone."""
    while not isinstance(seen := await router.look(deadline=1), ObjectSeen):
        assert getattr(seen, "reason", "Gone") in {"Unreachable", "Forbidden", "Unauthorised"}, seen
        await asyncio.sleep(0.01)


async def test_it_lists_again_when_the_connection_means_another_server(
    clusters: tuple[Cluster, Cluster], source: Cluster, lab: Lab
) -> None:
    with lab.proxy(source) as proxy:
        async with watched(source, proxy.url) as subject:
            other = open_connection(source)
            old = subject.connection.pool
            subject.connection.replace(other.pool)
            assert not subject.watch.healthy
            await old.close()
            subject.set(7)
            await subject.sees(7)


async def test_looks_are_free_while_the_watch_stands(source: Cluster, lab: Lab) -> None:
    clock = [0.0]
    with lab.proxy(source) as proxy:
        async with watched(source, proxy.url) as subject:
            router = ObjectRouter(
                subject.connection, subject.namespace, LAYOUT, subject.watch, lambda: clock[0]
            )

            def asked() -> int:
                return sum(seen.path.endswith("/httproutes/chat") for seen in proxy.requests)

            for _ in range(10):
                await router.look()
            assert asked() == 1
            subject.set(7)
            await subject.sees(7)
            seen = await router.look()
            assert isinstance(seen, ObjectSeen)
            assert (seen.declared, asked()) == (7.0, 1)
            clock[0] += 31
            await router.look()
            assert asked() == 2


def test_a_watch_that_never_ran_knows_nothing() -> None:
    class Nowhere:
        generation = 0

    watch = RouteWatch(Nowhere(), "/x")  # type: ignore[arg-type]
    assert (watch.healthy, watch.cached("chat")) == (False, None)
