"""What the lab promises to those who test with it."""

import asyncio
import math
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.lab import OPERATOR, Cluster, KubectlError, Lab, Slot, Traffic
from tests.lab.children import ChildFailedError
from tests.lab.lab import is_alive, shut_down, spawn

pytestmark = pytest.mark.lab
QUANTILE = "histogram_quantile"


def query(lab: Lab, expression: str) -> float:
    url = f"{lab.prometheus.url}/api/v1/query"
    answer = httpx.get(url, params={"query": expression}, timeout=5, trust_env=False).json()
    result = answer["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def eventually(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.1)


def descendants(pid: int) -> set[int]:
    """The process' children (Child puts all of them directly below the supervisor)."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.add(int(stat.parent.name))
    return found


def test_80_20_is_served(lab: Lab, slot: Slot) -> None:
    route = lab.route("lab-split", "chat", slot, weights=(80, 20))
    with Traffic(lab, route.host, rate=300, count=900) as traffic:
        traffic.wait_for(900)
    sides = Counter(sent.side for sent in traffic.records() if sent.ok)
    assert sides.total() == 900
    assert abs(sides["target"] - 180) < 5 * math.sqrt(900 * 0.2 * 0.8)


def test_a_change_of_weights_is_watched_and_served(lab: Lab, slot: Slot) -> None:
    route = lab.route("lab-change", "chat", slot)
    with route.watch() as log, Traffic(lab, route.host, rate=100) as traffic:
        traffic.wait_for(50)
        route.set_weights(0, 100)
        changed = log.wait_for(100)
        served_by("target", traffic)
        route.set_weights(100, 0)
        log.wait_for(0)
        served_by("source", traffic)
    assert log.history == [(100, 0), (0, 100), (100, 0)]
    assert lab.weights("lab-change", "chat") == (100, 0)
    sent = traffic.records()
    assert all(request.ok for request in sent)
    assert {r.side for r in sent if r.at < changed.at - 0.1} == {"source"}


def served_by(side: str, traffic: Traffic) -> None:
    """Wait until one side alone answers: fifty requests in a row."""

    def alone() -> bool:
        last = [request.side for request in traffic.records()[-50:]]
        return last == [side] * 50

    eventually(alone, seconds=30)


async def test_levers_reach_prometheus(lab: Lab, slot: Slot) -> None:
    route = lab.route("lab-levers", "chat", slot, weights=(50, 50))
    await slot.target.set(ttft=0.3, error_rate=0.2)
    with Traffic(lab, route.host, rate=60) as traffic:
        await asyncio.sleep(6)
        for server, low, high in ((slot.source, 0.0, 0.1), (slot.target, 0.25, 0.5)):
            selector = ",".join(f'{name}="{text}"' for name, text in server.matchers.items())
            rate = f"rate(vllm:time_to_first_token_seconds_bucket{{{selector}}}[5s])"
            assert low < query(lab, f"{QUANTILE}(0.5, sum by (le) ({rate}))") <= high
            errors = f'{{{selector},finished_reason="error"}}[5s]'
            wrong = query(lab, f"sum(increase(vllm:request_success_total{errors}))")
            assert (wrong > 0) == (server is slot.target)
    records = traffic.records()
    assert {r.status for r in records if r.side == "target"} == {200, 500}
    assert len(await slot.target.arrivals()) >= sum(r.side == "target" for r in records)


async def test_a_refusing_side_is_seen_by_clients(lab: Lab, slot: Slot) -> None:
    route = lab.route("lab-refuse", "chat", slot, weights=(0, 100))
    await slot.target.set(refuse=True)
    with Traffic(lab, route.host, rate=50, count=50) as traffic:
        traffic.wait_for(50)
    assert {r.status for r in traffic.records()} == {503}
    await slot.target.reset()
    with Traffic(lab, route.host, rate=50, count=50) as traffic:
        traffic.wait_for(50)
    assert traffic.records()[-1].status == 200


async def test_a_hanging_side_times_out(lab: Lab, slot: Slot) -> None:
    route = lab.route("lab-hang", "chat", slot, weights=(0, 100))
    await slot.target.set(hang=True)
    with Traffic(lab, route.host, rate=20, count=10, timeout=0.5) as traffic:
        traffic.wait_for(10)
    assert {(r.status, r.error) for r in traffic.records()} == {(0, "timeout")}
    assert (await slot.target.state())["arrivals"] == 10


def test_streams_pass_the_gateway(lab: Lab, slot: Slot) -> None:
    route = lab.route("lab-stream", "chat", slot)
    with Traffic(lab, route.host, rate=50, count=20, stream=True) as traffic:
        traffic.wait_for(20)
    assert all(request.ok and request.side == "source" for request in traffic.records())


def test_a_route_may_have_more_rules_and_backends(lab: Lab, slot: Slot) -> None:
    route = lab.route(
        "lab-rules",
        "chat",
        slot,
        backends_order=("target", "source"),
        third_backend=("canary", 10),
        rules=2,
    )
    route.set_weights(60, 30)
    rules = route.read()["spec"]["rules"]
    found = [[(b["name"], b["weight"]) for b in rule["backendRefs"]] for rule in rules]
    assert found == [[("chat-target", 30), ("chat-source", 60), ("canary", 10)]] * 2


def test_rbac_is_real(lab: Lab, tmp_path: Path) -> None:
    def as_user(cluster: Cluster, user: str, *arguments: str) -> str:
        path = tmp_path / "kubeconfig"
        path.write_text(cluster.kubeconfig_for(user))
        return cluster.kubectl(f"--kubeconfig={path}", *arguments)

    for cluster in (lab.source, lab.target):
        assert as_user(cluster, "bob", "auth", "can-i", "list", "pods").strip() == "yes"
        assert "gitops" in as_user(cluster, "gitops", "auth", "whoami")
        with pytest.raises(KubectlError, match="forbidden"):
            as_user(cluster, OPERATOR, "get", "secrets")
        other = "system:serviceaccount:lab-rbac:somebody"
        assert other in as_user(cluster, other, "auth", "whoami")
    assert '"gitVersion": "v1.36' in lab.source.kubectl("version", "-o", "json")


def test_a_private_prometheus_keeps_its_data(lab: Lab, slot: Slot) -> None:
    with lab.private_prometheus([slot]) as own:
        own.wait_scraped()
        own.kill()
        with pytest.raises(httpx.ConnectError):
            httpx.get(own.url, trust_env=False)
        own.start()
        answer = httpx.get(f"{own.url}/api/v1/series?match[]=up", trust_env=False)
        assert len(answer.json()["data"]) == 2


def test_a_private_cluster_comes_back(lab: Lab) -> None:
    with lab.private_cluster() as own:
        own.cluster.ensure_namespace("kept")
        own.restart()
        assert "kept" in own.cluster.kubectl("get", "namespaces", "-o", "name")
        assert "kept" not in lab.source.kubectl("get", "namespaces", "-o", "name")


def test_a_folder_has_one_lab(lab: Lab) -> None:
    with pytest.raises(ChildFailedError, match=f"already, its process id is {lab.description.pid}"):
        spawn(lab.folder, slots=1, scrape="1s", owner=os.getpid())
    assert (lab.folder / "lab.json").exists()


@pytest.mark.parametrize("end", ["killed", "owner ended", "part ended"])
def test_nothing_is_left_behind(tmp_path: Path, end: str) -> None:
    owner = subprocess.Popen(["sleep", "120"])
    pid = spawn(tmp_path / "lab", slots=1, scrape="1s", owner=owner.pid)
    try:
        children = descendants(pid)
        assert len(children) == 7
        if end == "owner ended":
            owner.kill()
        elif end == "part ended":
            os.kill(max(children), signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_alive(pid) and not any(map(is_alive, children)), 10)
    finally:
        shut_down(pid)
        owner.kill()
        owner.wait()
