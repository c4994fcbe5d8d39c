"""Weights that are written move real requests: GRPCRoute and HTTPProxy through Contour and Envoy."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import grpc  # type: ignore[import-untyped]
import httpx
import pytest

from cutover.api.traffic import Traffic
from cutover.clusters.connection import Connection
from cutover.decide.observation import Refusal
from cutover.decide.weights import restored, weights_at
from cutover.ports import Conflict, NotWritten, RouteChange, Written
from cutover.traffic.layouts import layout_of
from cutover.traffic.object import ObjectRouter
from cutover.traffic.seen import ObjectSeen
from tests.features.connecting import connected
from tests.features.subject_route import MINE, accepted, settled
from tests.lab import Lab, Slot, gateway
from tests.lab.grpc_server import GrpcServer, calling
from tests.lab.routes import external_service

pytestmark = pytest.mark.lab

Json = dict[str, Any]
Ask = Callable[[], str]
"""One request; the name of the side that answered it."""
PATIENCE = 60.0
"""Seconds after which something never happens, however busy the machine is."""
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
PAIR = {"sourceBackend": {"name": "source"}, "targetBackend": {"name": "target"}}


@pytest.fixture
async def connection(lab: Lab) -> AsyncIterator[Connection]:
    async with connected(lab.source) as one:
        yield one


async def router_of(connection: Connection, namespace: str, field: str) -> ObjectRouter:
    traffic = Traffic.model_validate({field: {"name": "chat", **PAIR}})
    layout = await layout_of(traffic.route, connection)
    assert not isinstance(layout, Refusal)
    return ObjectRouter(connection, namespace, layout)


def services(lab: Lab, namespace: str, ports: dict[str, int], **fields: Any) -> None:
    for side, port in ports.items():
        document = external_service(namespace, side, f"{side}.localhost", port)
        document["spec"]["ports"][0] |= fields
        lab.source.apply(document)


async def written(router: ObjectRouter, change: RouteChange) -> ObjectSeen:
    """Write, and wait until Contour says that it has this very generation."""
    answer: object = Conflict("")
    while isinstance(answer, Conflict):
        answer = await router.write(await accepted(router), change)
    assert isinstance(answer, Written), answer
    return await accepted(router)


def shares(ask: Ask, count: int = 200) -> float:
    """The target's share of so many requests, in percent."""
    return 100 * sum(ask() == "target" for _ in range(count)) / count


async def until(ask: Ask, side: str) -> None:
    """Contour says that it has accepted before Envoy has it."""
    deadline = time.monotonic() + PATIENCE
    while {ask() for _ in range(20)} != {side}:
        assert time.monotonic() < deadline, f"not all on the {side}"
        await asyncio.sleep(0.02)


async def moved_there_and_back(router: ObjectRouter, ask: Ask) -> None:
    """0 % to 100 % and back: what is asked of the gateway follows what is written."""
    seen = await accepted(router)
    assert (seen.problem, seen.declared) == (None, 0.0)
    await until(ask, "source")
    await written(router, RouteChange(weights_at(seen.rules, 30), MINE))
    deadline = time.monotonic() + PATIENCE
    while {ask() for _ in range(20)} != {"source", "target"}:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    # 200 requests of which each goes to the target with a chance of 30 %: 6 standard deviations.
    assert 10 < shares(ask) < 50
    await written(router, RouteChange(weights_at(seen.rules, 100), MINE))
    await until(ask, "target")
    now = await written(
        router, RouteChange(restored((await accepted(router)).rules, seen.rules), None)
    )
    await until(ask, "source")
    assert (now.rules, now.claim) == (seen.rules, None)


async def copied_and_no_more(
    router: ObjectRouter, ask: Ask, arrived: Callable[[], Awaitable[int]]
) -> None:
    """Users see the source alone while the target gets a copy of each request, and none afterwards."""
    before = await accepted(router)
    await until(ask, "source")
    assert await router.mirrorable(before, [100]) is None
    already = await arrived()
    seen = await written(router, RouteChange((), replace(MINE, mirror=100)))
    assert (seen.mirrored, seen.declared) == (100, 0.0)

    async def copies_come() -> bool:
        return ask() == "source" and await arrived() > already

    await wait(copies_come, "no copy arrives")
    counted = await arrived()
    assert {ask() for _ in range(50)} == {"source"}

    async def all_copied() -> bool:
        return await arrived() >= counted + 50

    await wait(all_copied, "not every request was copied")
    now = await written(router, RouteChange((), None))
    assert (now.rules, now.claim, now.mirrors) == (before.rules, None, ())

    async def none_is_copied() -> bool:
        counted = await arrived()
        assert {ask() for _ in range(30)} == {"source"}
        return await arrived() == counted

    await wait(none_is_copied, "copies go on")
    counted = await arrived()
    assert {ask() for _ in range(50)} == {"source"}
    assert await arrived() == counted


async def wait(until: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await until():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.02)


def sent(lab: Lab, namespace: str) -> float:
    """Requests that Envoy says it has sent to the target, copies included."""
    stats = httpx.get(f"{lab.envoy_admin}/stats?filter=upstream_rq_total$", trust_env=False).text
    lines = (line.rpartition(": ") for line in stats.splitlines())
    return sum(float(count) for name, _, count in lines if f".{namespace}_target_" in name)


async def test_a_grpc_route_moves_calls_and_contours_copies_of_them_reach_nobody(
    lab: Lab, connection: Connection
) -> None:
    namespace, host = f"grpc-{uuid.uuid4().hex[:8]}", f"{uuid.uuid4().hex[:8]}.example"
    lab.source.ensure_namespace(namespace)
    with ExitStack() as stack:
        servers = {
            side: stack.enter_context(GrpcServer(side).serving()) for side in ("source", "target")
        }
        ports = {side: server.port for side, server in servers.items()}
        services(lab, namespace, ports, appProtocol="kubernetes.io/h2c")
        backends = [
            {"name": side, "port": port, "weight": 100 * (side == "source")}
            for side, port in ports.items()
        ]
        lab.source.apply(
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "GRPCRoute",
                "metadata": {"name": "chat", "namespace": namespace},
                "spec": {
                    "parentRefs": [{"name": gateway.NAME, "namespace": gateway.NAMESPACE}],
                    "hostnames": [host],
                    "rules": [{"backendRefs": backends}],
                },
            }
        )
        call = stack.enter_context(calling(lab.gateway.url.removeprefix("http://"), host))

        def ask() -> str:
            try:
                return bytes(call(b"hello", timeout=5)).decode()
            except grpc.RpcError as error:
                return str(error.code())

        router = await router_of(connection, namespace, "grpcRoute")
        await moved_there_and_back(router, ask)
        assert servers["target"].calls > 20

        seen = await accepted(router)
        assert "copies of a GRPCRoute's calls as HTTP/1.1" in str(
            await router.mirrorable(seen, [100])
        )
        assert isinstance(
            await router.write(seen, RouteChange((), replace(MINE, mirror=100))), NotWritten
        )
        calls, copies = servers["target"].calls, sent(lab, namespace)
        reference = {"name": "target", "port": ports["target"]}
        mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": reference}}
        patch = [{"op": "add", "path": "/spec/rules/0/filters", "value": [mirror]}]
        path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/grpcroutes/chat"
        lab.source.call("PATCH", path, patch, {"Content-Type": "application/json-patch+json"})

        async def all_are_sent() -> bool:
            return ask() == "source" and sent(lab, namespace) > copies + 20

        await wait(all_are_sent, "no copy is sent")
        assert servers["target"].calls == calls, "it copies calls as HTTP/2 now: let it mirror"


def http_proxy(lab: Lab, namespace: str, host: str, ports: dict[str, int]) -> None:
    services(lab, namespace, ports)
    backends = [
        {"name": side, "port": port, "weight": 100 * (side == "source")}
        for side, port in ports.items()
    ]
    document = {
        "apiVersion": "projectcontour.io/v1",
        "kind": "HTTPProxy",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {"virtualhost": {"fqdn": host}, "routes": [{"services": backends}]},
    }
    lab.source.call(
        "POST", f"/apis/projectcontour.io/v1/namespaces/{namespace}/httpproxies", document
    )


async def test_an_httpproxy_moves_and_copies_requests(
    lab: Lab, slot: Slot, connection: Connection
) -> None:
    namespace, host = f"proxy-{uuid.uuid4().hex[:8]}", f"{uuid.uuid4().hex[:8]}.example"
    lab.source.ensure_namespace(namespace)
    http_proxy(lab, namespace, host, {"source": slot.source.port, "target": slot.target.port})
    with httpx.Client(base_url=lab.gateway.url, headers={"Host": host}, trust_env=False) as client:

        def ask() -> str:
            return str(client.get("/health").headers.get("x-served-by", ""))

        def chat() -> str:
            answer = client.post("/v1/chat/completions", json=CHAT)
            return str(answer.headers.get("x-served-by", ""))

        async def arrived() -> int:
            return len(await slot.target.arrivals())

        router = await router_of(connection, namespace, "contourHTTPProxy")
        await moved_there_and_back(router, ask)
        await copied_and_no_more(router, chat, arrived)


async def test_contour_says_what_it_does_not_take_of_an_httpproxy(
    lab: Lab, connection: Connection
) -> None:
    namespace = f"proxy-{uuid.uuid4().hex[:8]}"
    lab.source.ensure_namespace(namespace)
    http_proxy(lab, namespace, f"{namespace}.example", {"source": 80, "target": 80})
    lab.source.call("DELETE", f"/api/v1/namespaces/{namespace}/services/target")
    router = await router_of(connection, namespace, "contourHTTPProxy")
    seen = await settled(router, lambda seen: "Valid=False" in seen.acceptance)
    assert "target" in seen.acceptance
    assert not seen.accepted


SLOW = 20.0
"""Seconds for an answer: more than Envoy's 15, by enough for a busy machine."""


@pytest.mark.long
async def test_an_answer_that_takes_long_is_broken_off_where_the_route_says_nothing_of_it(
    lab: Lab, slot: Slot, connection: Connection
) -> None:
    """What preflight warns of: measured for HTTPRoute and HTTPProxy under Contour, with and without their fields."""
    names = {"source": slot.source.port, "target": slot.target.port}
    looks, hosts = {}, {}
    for field in ("httpRoute", "contourHTTPProxy"):
        for lifted in (False, True):
            namespace, host = f"slow-{uuid.uuid4().hex[:8]}", f"{uuid.uuid4().hex[:8]}.example"
            if field == "httpRoute":
                route = lab.route(namespace, "chat", slot, host=host)
                path, where, value = route.path, "/spec/rules/0/timeouts", {"request": "0s"}
                backends = {side: route.read()["spec"]["rules"][0]["backendRefs"][at]["name"]
                            for at, side in enumerate(("sourceBackend", "targetBackend"))}  # fmt: skip
                pair = {side: {"name": name} for side, name in backends.items()}
            else:
                lab.source.ensure_namespace(namespace)
                http_proxy(lab, namespace, host, names)
                path = f"/apis/projectcontour.io/v1/namespaces/{namespace}/httpproxies/chat"
                where, value = "/spec/routes/0/timeoutPolicy", {"response": "infinity"}
                pair = PAIR
            if lifted:
                headers = {"Content-Type": "application/json-patch+json"}
                patch = [{"op": "add", "path": where, "value": value}]
                lab.source.call("PATCH", path, patch, headers)
            traffic = Traffic.model_validate({field: {"name": "chat", **pair}})
            layout = await layout_of(traffic.route, connection)
            assert not isinstance(layout, Refusal)
            looks[field, lifted] = await accepted(ObjectRouter(connection, namespace, layout))
            hosts[field, lifted] = host
    await slot.source.set(ttft=SLOW)
    body = {"messages": [{"role": "user", "content": "Think."}], "max_tokens": 1}
    async with httpx.AsyncClient(base_url=lab.gateway.url, trust_env=False, timeout=120) as client:

        async def ask(host: str) -> int:
            url = "/v1/chat/completions"
            while True:  # Contour says that it has accepted before Envoy has it
                answer = await client.post(url, json=body, headers={"Host": host})
                if answer.status_code != 404:
                    return answer.status_code

        codes = await asyncio.gather(*map(ask, hosts.values()))
    assert dict(zip(hosts, codes, strict=True)) == {
        which: 200 if which[1] else 504 for which in hosts
    }
    for which, seen in looks.items():
        limit = seen.answer_limit
        assert (None if limit is None else limit.seconds) == (None if which[1] else 15.0), which
