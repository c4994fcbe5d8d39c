"""The profiles of MLServer and KServe on the real servers, each from PyPI in an environment of its own."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cutover.api.gates import Gate
from cutover.api.sides import Profile, Side
from cutover.decide.readings import Gap, Missing, SideReading, WindowReading
from cutover.judge.histogram import Buckets
from cutover.judge.means import Total
from cutover.metrics.joined import SideMetrics
from cutover.metrics.prometheus import PrometheusPool
from tests.features.test_metrics import NoSecrets, scraped
from tests.lab import Lab
from tests.lab.children import Child
from tests.lab.parts import cache_folder
from tests.lab.ports import free_ports
from tests.lab.prometheus import Target, start_prometheus, write_config

pytestmark = [pytest.mark.lab, pytest.mark.long]

HERE = Path(__file__).parent / "servers"
STARTS_WITHIN = 180.0
"""Seconds: each imports half of PyPI."""
CLUSTER = {"cluster": "gke"}


def environment(package: str, version: str) -> Path:
    """The Python of an environment that has this package; made once per machine."""
    folder = cache_folder() / f"{package}-{version}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv, wanted = str(Path(sys.executable).parent / "uv"), f"{package}=={version}"
        subprocess.run([uv, "venv", "--quiet", "--clear", str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(python), wanted]
        subprocess.run(install, check=True)
        (folder / "ready").touch()
    return python


@dataclass(frozen=True)
class Running:
    """A real model server, and the Prometheus that scrapes it."""

    url: str
    prometheus: str
    pool: PrometheusPool

    def side(self, profile: Profile, *gates: dict[str, Any]) -> SideMetrics:
        def of(matchers: dict[str, str]) -> Side:
            where = {"address": self.prometheus, "matchers": matchers}
            return Side.model_validate({"prometheus": where})

        return SideMetrics(
            of(CLUSTER),
            of({"cluster": "elsewhere"}),
            name="target",
            profile=profile,
            custom=None,
            gates=[Gate.model_validate(gate) for gate in gates],
            namespace="inference",
            client=self.pool,
        )

    async def post(self, path: str, body: Any, times: int) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            for _ in range(times):
                try:
                    await client.post(f"{self.url}{path}", json=body)
                except httpx.TransportError:  # MLServer resets the connection where a model fails
                    continue


@contextmanager
def running(
    lab: Lab, folder: Path, command: list[Any], url: str, *, metrics: int, ready: str
) -> Iterator[str]:
    """Start a server and a Prometheus for it; gives the Prometheus' address."""
    (listening,) = free_ports(1)
    child = Child("server", command, folder / "server.log")
    write_config(folder, "1s", [Target(metrics, CLUSTER)], None)
    prometheus = start_prometheus(lab.program("prometheus"), folder, listening)
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not _answers(f"{url}{ready}"):
            assert child.running, (folder / "server.log").read_text()[-2000:]
            assert time.monotonic() < until, (folder / "server.log").read_text()[-2000:]
            time.sleep(0.3)
        yield f"http://127.0.0.1:{listening}"
    finally:
        prometheus.stop()
        child.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
async def pool() -> AsyncIterator[PrometheusPool]:
    one = PrometheusPool(NoSecrets())
    yield one
    await one.aclose()


async def until(side: SideMetrics, enough: Callable[[WindowReading], bool]) -> WindowReading:
    async with asyncio.timeout(60):
        while True:
            reading = await side.look([20.0])
            if isinstance(reading, SideReading) and enough(reading.windows[0]):
                return reading.windows[0]
            await asyncio.sleep(0.3)


async def test_mlserver(lab: Lab, tmp_path: Path, pool: PrometheusPool) -> None:
    python = environment("mlserver", "1.7.1")
    http, grpc, metrics = free_ports(3)
    settings = {
        "host": "127.0.0.1",
        "http_port": http,
        "grpc_port": grpc,
        "metrics_port": metrics,
        "metrics_dir": str(tmp_path),
        "parallel_workers": 0,  # its worker pool does not start under today's uvloop
        "load_models_at_startup": True,
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    model = {"name": "tiny", "implementation": "mlserver_tiny.Tiny"}
    (tmp_path / "model-settings.json").write_text(json.dumps(model))
    (tmp_path / "mlserver_tiny.py").write_text((HERE / "mlserver_tiny.py").read_text())
    url = f"http://127.0.0.1:{http}"
    command = [python.parent / "mlserver", "start", tmp_path]
    with running(
        lab, tmp_path, command, url, metrics=metrics, ready="/v2/models/tiny/ready"
    ) as prometheus:
        server = Running(url, prometheus, pool)
        mean = {"metric": "InferenceTime", "maxIncrease": "10%"}
        slow = {"metric": "EndToEnd", "threshold": "1s", "maxAbove": "5%", "margin": "2%"}
        gates = ({"name": "m", "meanLatency": mean}, {"name": "s", "latency": slow})
        side = server.side(Profile.MLSERVER, *gates)
        await scraped(side, 2)
        tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}
        path = "/v2/models/tiny/infer"
        await server.post(path, {"inputs": [tensor]}, 60)
        await server.post(path, {"inputs": [tensor | {"data": [-1.0, 2.0]}]}, 20)
        seen = await until(
            side,
            lambda one: (
                isinstance(one.requests, float)
                and one.requests > 70
                and isinstance(one.latencies["EndToEnd"], Buckets)
                and isinstance(one.means["InferenceTime"], Total)
            ),
        )
        assert isinstance(seen.requests, float)
        assert isinstance(seen.errors, float)
        assert seen.errors / seen.requests == pytest.approx(0.25, abs=0.08)
        total, buckets = seen.means["InferenceTime"], seen.latencies["EndToEnd"]
        assert isinstance(total, Total)
        assert 0 < total.mean < 1
        assert isinstance(buckets, Buckets)
        assert buckets.edges[0] == 0.005


async def test_kserve(lab: Lab, tmp_path: Path, pool: PrometheusPool) -> None:
    python = environment("kserve", "0.21.0")
    (http,) = free_ports(1)
    url = f"http://127.0.0.1:{http}"
    command = [python, HERE / "kserve_tiny.py", f"--http_port={http}"]
    with running(lab, tmp_path, command, url, metrics=http, ready="/v1/models/tiny") as prometheus:
        server = Running(url, prometheus, pool)
        slow = {"metric": "InferenceTime", "threshold": "1s", "maxAbove": "5%", "margin": "2%"}
        mean = {"metric": "InferenceTime", "maxIncrease": "10%"}
        side = server.side(
            Profile.KSERVE, {"name": "s", "latency": slow}, {"name": "m", "meanLatency": mean}
        )
        await scraped(side, 2)
        path = "/v1/models/tiny:predict"
        await server.post(path, {"instances": [[1, 2]]}, 20)
        await scraped(side, 2)  # a histogram's first sample counts for nothing
        await server.post(path, {"instances": [[1, 2]]}, 60)
        seen = await until(
            side,
            lambda one: (
                isinstance(one.requests, float)
                and one.requests > 60
                and isinstance(one.latencies["InferenceTime"], Buckets)
                and one.latencies["InferenceTime"].total > 30
            ),
        )
        assert isinstance(seen.errors, Gap)
        assert seen.errors.missing is Missing.NO_SERIES
        buckets, total = seen.latencies["InferenceTime"], seen.means["InferenceTime"]
        assert isinstance(buckets, Buckets)
        assert buckets.cumulative[buckets.edges.index(1.0)] == pytest.approx(buckets.total)
        assert isinstance(total, Total)
        assert 0 < total.mean < 1
