"""The proxy's faults, in front of a real API server and a real Prometheus."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.lab import Lab, Slot
from tests.lab.proxy import FaultProxy

pytestmark = pytest.mark.lab
NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
def proxy(lab: Lab) -> Iterator[FaultProxy]:
    with lab.proxy(lab.source) as proxy:
        yield proxy


@pytest.fixture
def client(lab: Lab, proxy: FaultProxy) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=proxy.url,
        verify=lab.source.tls,
        headers=lab.source.headers,
        timeout=2,
        trust_env=False,
    ) as client:
        yield client


def test_kubectl_works_through_it(lab: Lab, proxy: FaultProxy, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(lab.source.kubeconfig_for("admin", server=proxy.url))
    assert "default" in lab.source.kubectl(f"--kubeconfig={path}", "get", "namespaces")
    assert any(seen.path.startswith(NAMESPACES) for seen in proxy.requests)


def test_writes_are_counted(lab: Lab, proxy: FaultProxy, client: httpx.Client) -> None:
    body = {"metadata": {"name": "proxied"}, "data": {"a": "b"}}
    path = f"{NAMESPACES}/default/configmaps"
    assert client.post(path, json=body).status_code == 201
    assert client.get(f"{path}/proxied").json()["data"] == {"a": "b"}
    assert client.delete(f"{path}/proxied").status_code == 200
    made, deleted = proxy.writes
    assert (made.method, made.path, made.status) == ("POST", path, 201)
    assert made.content_type == "application/json"
    assert deleted.method == "DELETE"


def test_watches_stream(lab: Lab, proxy: FaultProxy, client: httpx.Client, slot: Slot) -> None:
    lines: list[str] = []

    def watch() -> None:
        with client.stream(
            "GET", f"{NAMESPACES}?watch=true&timeoutSeconds=5", timeout=10
        ) as answer:
            lines.extend(answer.iter_lines())

    watcher = threading.Thread(target=watch)
    watcher.start()
    time.sleep(1)
    lab.source.ensure_namespace(f"watched-{slot.number}-{time.time_ns()}")
    watcher.join(15)
    assert any("watched-" in line for line in lines)


def test_requests_fail_as_often_as_asked(proxy: FaultProxy, client: httpx.Client) -> None:
    rule = proxy.fail("namespaces", method="GET", status=503, body="later", count=2)
    assert [client.get(NAMESPACES).status_code for _ in range(3)] == [503, 503, 200]
    assert client.get("/version").status_code == 200
    assert rule.hits == 2


def test_a_lost_answer_was_still_done(lab: Lab, proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.lose_answers("configmaps", method="POST", count=1)
    name = f"lost-{time.time_ns()}"
    path = f"{NAMESPACES}/default/configmaps"
    with pytest.raises(httpx.TransportError):
        client.post(path, json={"metadata": {"name": name}})
    assert client.get(f"{path}/{name}").status_code == 200


def test_requests_hang_or_are_slow(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.slow("namespaces", seconds=0.5, count=1)
    began = time.monotonic()
    assert client.get(NAMESPACES).status_code == 200
    assert time.monotonic() - began > 0.5
    proxy.hang_requests("namespaces")
    with pytest.raises(httpx.ReadTimeout):
        client.get(NAMESPACES, timeout=0.5)
    proxy.clear()
    assert client.get(NAMESPACES).status_code == 200


def test_connections_are_refused_and_come_back(proxy: FaultProxy, client: httpx.Client) -> None:
    assert client.get("/version").status_code == 200
    proxy.refuse()
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            client.get("/version")
    proxy.pass_through()
    assert client.get("/version").status_code == 200


def test_a_partition_is_silent(proxy: FaultProxy, client: httpx.Client) -> None:
    assert client.get("/version").status_code == 200
    proxy.hang()
    for _ in range(2):
        with pytest.raises(httpx.TimeoutException):
            client.get("/version", timeout=0.5)
    proxy.pass_through()
    assert client.get("/version").status_code == 200


def test_cut_connections_stay_dead_and_new_ones_work(
    lab: Lab, proxy: FaultProxy, client: httpx.Client
) -> None:
    assert client.get("/version").status_code == 200
    proxy.cut()
    with pytest.raises(httpx.ReadTimeout):
        client.get("/version", timeout=0.5)
    assert client.get("/version").status_code == 200


def test_connections_are_reset(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.reset()
    with pytest.raises(httpx.TransportError):
        client.get("/version")
    proxy.pass_through()
    assert client.get("/version").status_code == 200


def test_everything_is_delayed(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.delay(0.2)
    began = time.monotonic()
    client.get("/version")
    assert time.monotonic() - began > 0.4


async def test_prometheus_behind_it(lab: Lab) -> None:
    with lab.proxy(lab.prometheus.url) as proxy:
        async with httpx.AsyncClient(base_url=proxy.url, timeout=2, trust_env=False) as client:
            path = "/api/v1/query?query=up"
            assert (await client.get(path)).json()["status"] == "success"
            proxy.fail("/api/v1/", status=422, body='{"status": "error"}')
            assert (await client.get(path)).status_code == 422
    assert proxy.open_connections == 0
