"""The source's past read from a real Prometheus: bursts show, steady errors do not, a day is no burden."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest

from cutover.api.gates import Gate, LatencyGate
from cutover.api.sides import Profile, Side
from cutover.decide.past import DAY, PastQuestion, look_length
from cutover.decide.readings import Gap
from cutover.judge.evidence import Count
from cutover.judge.past import clustering
from cutover.metrics.history import past_query, past_span
from cutover.metrics.joined import SideMetrics
from cutover.metrics.profiles.defaults import DEFAULT_GATES
from cutover.metrics.profiles.llm import VLLM
from cutover.metrics.prometheus import PrometheusPool
from tests.lab import Lab, Slot, Traffic
from tests.lab.ports import free_ports
from tests.lab.prometheus import Target, start_prometheus, write_config

pytestmark = pytest.mark.lab

SCRAPE = 0.25
ON, OFF = 2.0, 6.0
"""Seconds of a burst, and of the quiet after it."""
GATES = (
    Gate(
        name="first-token",
        latency=LatencyGate(
            metric="TimeToFirstToken", threshold="1s", max_above="5%", margin="2.5%"
        ),
    ),
    DEFAULT_GATES[Profile.VLLM][-1],
)


class NoSecrets:
    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        raise AssertionError((namespace, name, key))


@pytest.fixture
async def pool() -> AsyncIterator[PrometheusPool]:
    one = PrometheusPool(NoSecrets())
    yield one
    await one.aclose()


def side_of(pool: PrometheusPool, address: str, matchers: dict[str, str]) -> SideMetrics:
    sides = [
        Side.model_validate({"prometheus": {"address": address, "matchers": one}})
        for one in (matchers, {"cluster": "elsewhere"})
    ]
    return SideMetrics(
        *sides,
        name="source",
        profile=Profile.VLLM,
        custom=None,
        gates=GATES,
        namespace="inference",
        client=pool,
    )


async def past_of(side: SideMetrics, question: PastQuestion) -> Mapping[str, list[Count]]:
    found = await side.history(question)
    assert not isinstance(found, Gap), found
    looks: dict[str, list[Count]] = {}
    for gate, counts in found.items():
        assert not isinstance(counts, Gap), (gate, counts)
        looks[gate] = list(counts)
    return looks


def correlation_of(looks: list[Count]) -> float:
    found = clustering(looks).correlation
    assert found is not None
    return found


# --- bursts made with levers ------------------------------------------------------------------------


@pytest.mark.long
async def test_bursts_show_and_steady_errors_do_not(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    """The source fails and is slow every eight seconds for two; the target fails as often, but evenly."""
    await slot.target.set(error_rate=0.15, slow_fraction=0.15)
    with ExitStack() as stack:
        prometheus = stack.enter_context(
            lab.private_prometheus([slot], scrape=f"{SCRAPE * 1000:.0f}ms")
        )
        traffic = [
            stack.enter_context(Traffic(lab, "past", rate=60, target=server.url))
            for server in (slot.source, slot.target)
        ]
        prometheus.wait_scraped()
        began = time.time()
        for _ in range(6):
            await slot.source.set(error_rate=0.5, slow_fraction=0.5)
            await asyncio.sleep(ON)
            await slot.source.set(error_rate=0.0, slow_fraction=0.0)
            await asyncio.sleep(OFF)
        ended = time.time()
        await asyncio.sleep(2 * SCRAPE)
        question = PastQuestion(
            until=datetime.fromtimestamp(ended, UTC),
            span=ended - began,
            look=4 * SCRAPE,
            scrape=SCRAPE,
            edges={"first-token": 1.0},
            deadline=10.0,
        )
        bursty, steady = [
            await past_of(side_of(pool, prometheus.url, one.matchers), question)
            for one in (slot.source, slot.target)
        ]
        failed = [
            sum(sent.status == 500 for sent in one.records(began) if sent.finished < ended)
            for one in traffic
        ]
    for gate in ("errors", "first-token"):
        assert correlation_of(bursty[gate]) > 0.05, gate
        assert correlation_of(steady[gate]) < 0.03, gate
    for looks, known in zip((bursty, steady), failed, strict=True):
        assert sum(one.bad for one in looks["errors"]) == pytest.approx(known, rel=0.1, abs=20)


# --- a whole day ------------------------------------------------------------------------------------

EVERY = 15.0
DAYS_RATE = 10.0
BURST = 0.5


class Exposition(BaseHTTPRequestHandler):
    """Gives a day's samples to the first scrape, nothing to the others."""

    text = b""

    def do_GET(self) -> None:
        given, Exposition.text = Exposition.text, b""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(given)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def a_day(cluster: str, shares: np.ndarray, ended: float, seed: int) -> Iterator[str]:
    """A vLLM server's samples: in each interval some requests, of which a share fails and a share is slow."""
    rng = np.random.default_rng(seed)
    times = (np.arange(1 - len(shares), 1) * EVERY + ended) * 1000
    requests = rng.poisson(DAYS_RATE * EVERY, len(shares))
    failed, slow = (rng.binomial(requests, shares).cumsum() for _ in range(2))
    total = requests.cumsum()

    def lines(name: str, labels: str, values: np.ndarray) -> Iterator[str]:
        head = f'{name}{{cluster="{cluster}",{labels}}}'
        yield from (f"{head} {v} {t:.0f}" for v, t in zip(values, times, strict=True))

    http = 'method="POST",handler="/v1/completions",status='
    yield from lines("http_requests_total", f'{http}"2xx"', total - failed)
    yield from lines("http_requests_total", f'{http}"5xx"', failed)
    yield from lines("vllm:request_success_total", 'finished_reason="stop"', total)
    for latency in (VLLM.latencies["TimeToFirstToken"], VLLM.latencies["TimePerOutputToken"]):
        for edge in latency.edges:
            below = total - slow if 0.06 <= edge < 2 else total if edge > 2 else total * 0
            yield from lines(f"{latency.histogram}_bucket", f'le="{edge}"', below)
        yield from lines(f"{latency.histogram}_bucket", 'le="+Inf"', total)


async def weight(url: str, side: SideMetrics, question: PastQuestion) -> int:
    """How many bytes the answer has."""
    span = past_span(question)
    form: dict[str, object] = {"start": span.begin, "end": span.end, "step": span.step}
    form["query"] = past_query(question, side._scene.questions.quantities, GATES)
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        headers = {"accept-encoding": "identity"}
        answer = await client.post(f"{url}/api/v1/query_range", data=form, headers=headers)
    assert answer.status_code == 200
    return len(answer.content)


@pytest.mark.long
async def test_a_day_costs_little_and_is_told_exactly(
    lab: Lab, tmp_path: Path, pool: PrometheusPool
) -> None:
    looks = int(DAY / EVERY)
    ended = time.time()
    steady, bursty = np.full(looks, 0.02), np.full(looks, 0.002)
    bursty[np.arange(looks) % 240 < 8] = BURST
    samples = [*a_day("steady", steady, ended, 1), *a_day("bursty", bursty, ended, 2)]
    Exposition.text = ("\n".join(samples) + "\n").encode()
    exporter, port = free_ports(2)
    server = HTTPServer(("127.0.0.1", exporter), Exposition)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    write_config(tmp_path, "20s", [Target(exporter, {})], None)
    prometheus = start_prometheus(lab.program("prometheus"), tmp_path, port)
    url = f"http://127.0.0.1:{port}"
    question = PastQuestion(
        until=datetime.fromtimestamp(ended, UTC),
        span=DAY,
        look=look_length(30.0, EVERY),
        scrape=EVERY,
        edges={"first-token": 1.0},
        deadline=10.0,
    )
    try:
        async with asyncio.timeout(120):
            while (
                isinstance((await side_of(pool, url, {"cluster": "bursty"}).history(question)), Gap)
                or Exposition.text
            ):
                await asyncio.sleep(1)
        await asyncio.sleep(5)
        sides = {one: side_of(pool, url, {"cluster": one}) for one in ("steady", "bursty")}
        found = {name: await past_of(side, question) for name, side in sides.items()}
        assert 100_000 < await weight(url, sides["bursty"], question) < 300_000
        for gate in ("errors", "first-token"):
            assert correlation_of(found["steady"][gate]) < 0.001, gate
            assert 0.2 < correlation_of(found["bursty"][gate]) < 0.6, gate
        counted = found["steady"]["errors"]
        assert len(counted) == pytest.approx(DAY / question.look, abs=2)
        assert sum(one.total for one in counted) == pytest.approx(DAYS_RATE * DAY, rel=0.01)
    finally:
        prometheus.stop()
        server.shutdown()
        server.server_close()
