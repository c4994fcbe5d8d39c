"""What profiles read from a real Prometheus, of servers that tell it in their own ways."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cutover.api.gates import Gate
from cutover.api.sides import Profile, Side
from cutover.decide.readings import Gap, SideReading, WindowReading
from cutover.judge.histogram import Buckets
from cutover.judge.means import Total
from cutover.metrics.joined import SideMetrics
from cutover.metrics.prometheus import PrometheusPool
from tests.features.test_metrics import NoSecrets, scraped
from tests.lab import Lab
from tests.lab.ports import free_ports
from tests.lab.prometheus import Target, start_prometheus, write_config

pytestmark = pytest.mark.lab

CLUSTER = {"cluster": "gke"}


@dataclass
class Server:
    """Tells whatever lines it is given, as a server in no language in particular."""

    port: int
    lines: dict[str, float] = field(default_factory=dict)

    def text(self) -> str:
        return "".join(f"{name} {value}\n" for name, value in self.lines.items())

    def start(self) -> Callable[[], None]:
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.end_headers()
                self.wfile.write(told.text().encode())

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        Thread(target=server.serve_forever, daemon=True).start()

        def stop() -> None:
            server.shutdown()
            server.server_close()

        return stop


@dataclass(frozen=True)
class Scene:
    server: Server
    address: str
    pool: PrometheusPool

    def side(self, profile: Profile, *gates: dict[str, Any]) -> SideMetrics:
        def of(matchers: dict[str, str]) -> Side:
            where = {"address": self.address, "matchers": matchers}
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


@pytest.fixture
async def scene(lab: Lab, tmp_path: Path) -> AsyncIterator[Scene]:
    port, listening = free_ports(2)
    server, pool = Server(port), PrometheusPool(NoSecrets())
    stop = server.start()
    write_config(tmp_path, "1s", [Target(port, CLUSTER)], None)
    prometheus = start_prometheus(lab.program("prometheus"), tmp_path, listening)
    yield Scene(server, f"http://127.0.0.1:{listening}", pool)
    await pool.aclose()
    prometheus.stop()
    stop()


async def until(side: SideMetrics, enough: Callable[[WindowReading], bool]) -> WindowReading:
    """The last six seconds, once they hold what is waited for."""
    async with asyncio.timeout(30):
        while True:
            reading = await side.look([6.0])
            if isinstance(reading, SideReading) and enough(reading.windows[0]):
                return reading.windows[0]
            await asyncio.sleep(0.3)


async def test_triton_tells_means_in_microseconds_and_failures_that_come_late(
    scene: Scene,
) -> None:
    mean = {"name": "mean", "meanLatency": {"metric": "EndToEnd", "maxIncrease": "10%"}}
    side = scene.side(Profile.TRITON, mean)
    labels = '{model="m",version="1"}'
    succeeded = f"nv_inference_request_success{labels}"
    spent = f"nv_inference_request_duration_us{labels}"
    failed = 'nv_inference_request_failure{model="m",reason="BACKEND",version="1"}'
    gave_up = 'nv_inference_request_failure{model="m",reason="CANCELED",version="1"}'
    scene.server.lines |= {succeeded: 0.0, spent: 0.0}
    await scraped(side, 8)  # the window begins when the server was there already
    scene.server.lines |= {succeeded: 100.0, spent: 100 * 250_000.0, failed: 7.0, gave_up: 50.0}
    seen = await until(
        side,
        lambda window: not isinstance(window.errors, Gap) and window.errors > 0,
    )
    assert seen.errors == 7.0  # its whole value: it was not there when the window began
    total = seen.means["EndToEnd"]
    assert isinstance(total, Total)
    assert total.mean == pytest.approx(0.25)
    assert total.events > 0


async def test_tensorflow_serving_tells_a_histogram_in_microseconds(scene: Scene) -> None:
    latency = {"metric": "EndToEnd", "threshold": "1s", "maxAbove": "5%", "margin": "2.5%"}
    side = scene.side(Profile.TFSERVING, {"name": "latency", "latency": latency})
    name = ":tensorflow:serving:request_latency_bucket"

    def tell(count: float) -> None:
        for le, share in (("10", 0.0), ("18", 0.25), ("583.2", 0.5), ("+Inf", 1.0)):
            scene.server.lines[f'{name}{{API="predict",le="{le}"}}'] = share * count
        for status, share in (("OK", 0.5), ("INVALID_ARGUMENT", 0.25), ("INTERNAL", 0.25)):
            line = f':tensorflow:serving:request_count{{model_name="m",status="{status}"}}'
            scene.server.lines[line] = share * count

    tell(0.0)
    await scraped(side, 3)
    tell(400.0)

    def complete(window: WindowReading) -> bool:
        buckets = window.latencies["EndToEnd"]
        return isinstance(buckets, Buckets) and buckets.total > 0

    seen = await until(side, complete)
    buckets = seen.latencies["EndToEnd"]
    assert isinstance(buckets, Buckets)
    assert buckets.edges[:3] == (10e-6, 18e-6, 583.2e-6)
    assert buckets.cumulative[1] / buckets.total == pytest.approx(0.25)
    assert isinstance(seen.errors, float)
    assert isinstance(seen.requests, float)
    assert seen.errors / seen.requests == pytest.approx(0.25)
