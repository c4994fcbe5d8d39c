"""One side's metrics read from a real Prometheus that scrapes real vLLM metrics."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from cutover.api.custom import CustomMetrics
from cutover.api.sides import Profile, Side
from cutover.decide.readings import Gap, Gpus, Missing, SideReading, WindowReading
from cutover.judge.histogram import Buckets
from cutover.metrics import diagnosis, promql
from cutover.metrics.answers import Row, Vector
from cutover.metrics.joined import SideMetrics
from cutover.metrics.profiles.defaults import DEFAULT_GATES
from cutover.metrics.prometheus import PrometheusPool
from tests.lab import Lab, Slot
from tests.lab.ports import free_ports
from tests.lab.prometheus import Target, start_prometheus, write_config
from tests.lab.servers import ModelServer

pytestmark = pytest.mark.lab

QUIET = 4
"""Scrapes before and after what is counted."""
NEARLY = 0.3
"""By how much increase() may miss: it extrapolates by up to a scrape at both ends of a short window."""
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
ALL = "sum(increase(http_requests_total{$matchers}[$window]))"
LATENCIES = ("TimeToFirstToken", "TimePerOutputToken")


class NoSecrets:
    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        raise AssertionError((namespace, name, key))


@pytest.fixture
async def pool() -> AsyncIterator[PrometheusPool]:
    one = PrometheusPool(NoSecrets())
    yield one
    await one.aclose()


def side_of(address: str, matchers: dict[str, str]) -> Side:
    return Side.model_validate({"prometheus": {"address": address, "matchers": matchers}})


def metrics(
    pool: PrometheusPool,
    address: str,
    matchers: dict[str, str],
    *,
    other: dict[str, str] | None = None,
    custom: CustomMetrics | None = None,
) -> SideMetrics:
    profile = Profile.CUSTOM if custom else Profile.VLLM
    return SideMetrics(
        side_of(address, matchers),
        side_of(address, other or {"cluster": "elsewhere"}),
        name="target",
        profile=profile,
        custom=custom,
        gates=DEFAULT_GATES[profile],
        namespace="inference",
        client=pool,
    )


async def send(server: ModelServer, count: int, body: Mapping[str, Any] = CHAT) -> list[int]:
    """All at once; returns the statuses."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        url = f"{server.url}/v1/chat/completions"
        answers = await asyncio.gather(*(client.post(url, json=body) for _ in range(count)))
    return [answer.status_code for answer in answers]


async def send_slowly(server: ModelServer, batches: int, size: int = 5) -> None:
    for _ in range(batches):
        await send(server, size)
        await asyncio.sleep(0.2)


async def scraped(side: SideMetrics, times: int = 1) -> None:
    """Until what has happened up to now has been scraped, however busy the machine."""
    for _ in range(times):
        now = datetime.now(UTC)
        async with asyncio.timeout(30):
            while True:
                reading = await side.look([])
                newest = reading.newest_sample if isinstance(reading, SideReading) else None
                if newest is not None and newest > now:
                    break
                await asyncio.sleep(0.1)


async def counted(side: SideMetrics, began: float, requests: float) -> WindowReading:
    """The window since ``began``, once it holds that many requests: late scrapes come in late."""
    async with asyncio.timeout(60):
        while True:
            seen = await window(side, time.monotonic() - began)
            errors = 0.0 if isinstance(seen.errors, Gap) else seen.errors
            if seen.requests == pytest.approx(requests, rel=NEARLY) and (errors or not requests):
                return seen
            await asyncio.sleep(0.5)


async def read(side: SideMetrics, *windows: float) -> SideReading:
    reading = await side.look(windows)
    assert isinstance(reading, SideReading), reading
    return reading


async def window(side: SideMetrics, seconds: float) -> WindowReading:
    return (await read(side, seconds)).windows[0]


def number(value: float | Gap) -> float:
    assert isinstance(value, float), value
    return value


def histogram(value: Buckets | Gap) -> Buckets:
    assert isinstance(value, Buckets), value
    return value


def gap(value: object, missing: Missing) -> str:
    assert isinstance(value, Gap), value
    assert value.missing is missing, value
    return value.message


# --- what is there --------------------------------------------------------------------------------


async def test_joined_equals_one_by_one(lab: Lab, slot: Slot, pool: PrometheusPool) -> None:
    await slot.target.set(error_rate=0.3)
    await send_slowly(slot.target, 15)
    side = metrics(pool, lab.prometheus.url, slot.target.matchers, other=slot.source.matchers)
    questions, where, now = side._scene.questions, side._where, time.time()
    windows = (5.0, 30.0, 2.5)

    async def ask(text: str) -> tuple[Row, ...]:
        answer = await pool.query("inference", where, text, time=now)
        assert isinstance(answer, Vector), answer
        return answer.rows

    joined = {
        tuple(sorted(row.labels.items())): row.value
        for row in await ask(questions.joined(windows, (), full=False))
    }
    compared = 0
    for quantity in questions.quantities:
        for seconds in windows:
            for row in await ask(promql.over(quantity.expression, seconds)):
                tags = {"gate": quantity.name, "window": promql.duration(seconds)}
                assert joined[tuple(sorted(({**row.labels, **tags}).items()))] == row.value
                compared += 1
    assert compared == sum("window" in dict(labels) for labels in joined) > 100


async def test_what_was_sent_is_counted(lab: Lab, slot: Slot, pool: PrometheusPool) -> None:
    side = metrics(pool, lab.prometheus.url, slot.target.matchers, other=slot.source.matchers)
    await slot.target.set(error_rate=0.25, error_status=503, ttft=0.15)
    await send(slot.target, 25)  # every series is there before what is counted
    await scraped(side, QUIET)
    began = time.monotonic()
    await scraped(side, QUIET)
    statuses = [status for _ in range(8) for status in await send(slot.target, 25)]
    await scraped(side, QUIET)
    seen = await counted(side, began, 200)
    assert number(seen.requests) == pytest.approx(200, rel=NEARLY)
    assert number(seen.errors) == pytest.approx(statuses.count(503), rel=NEARLY)
    first = histogram(seen.latencies["TimeToFirstToken"])
    assert first.total == pytest.approx(statuses.count(200), rel=NEARLY)
    assert first.cumulative[first.edges.index(0.1)] == 0.0
    assert first.edges[-1] == inf


async def test_failures_are_counted_once_though_two_layers_count_them(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    side = metrics(pool, lab.prometheus.url, slot.target.matchers)
    await slot.target.set(error_rate=1.0, error_status=500)
    await send(slot.target, 1)  # every series is there before what is counted
    await scraped(side, QUIET)
    began = time.monotonic()
    await scraped(side, QUIET)
    await send(slot.target, 60)
    await scraped(side, QUIET)
    seen = await counted(side, began, 60)
    assert number(seen.errors) == pytest.approx(60, rel=NEARLY)
    assert number(seen.requests) == pytest.approx(60, rel=NEARLY)


async def test_the_first_errors_of_a_new_series_are_counted(
    lab: Lab, tmp_path: Path, pool: PrometheusPool
) -> None:
    """increase() alone gives nothing for a series that is born at seven and stays there."""
    registry = CollectorRegistry()
    http = Counter("http_requests", "by PFI", ["handler", "method", "status"], registry=registry)
    engine = Counter("vllm:request_success", "", ["finished_reason"], registry=registry)
    engine.labels("stop").inc(3)
    http.labels("/v1/completions", "POST", "2xx").inc(40)
    exporter, port = free_ports(2)
    server, _ = start_http_server(exporter, "127.0.0.1", registry)
    write_config(tmp_path, "1s", [Target(exporter, {"cluster": "gke"})], None)
    prometheus = start_prometheus(lab.program("prometheus"), tmp_path, port)
    side = metrics(pool, f"http://127.0.0.1:{port}", {"cluster": "gke"})
    try:
        await scraped(side, times=2)
        began = time.monotonic()
        http.labels("/v1/completions", "POST", "5xx").inc(7)
        await scraped(side, times=3)
        seen = await window(side, time.monotonic() - began)
        assert number(seen.errors) == 7
        assert number(seen.requests) == 7
        http.labels("/v1/completions", "POST", "2xx").inc(20)
        await scraped(side, times=3)
        assert number((await window(side, time.monotonic() - began)).errors) == 7
    finally:
        prometheus.stop()
        server.shutdown()
        server.server_close()


async def test_an_idle_server_has_zero_requests_and_no_errors(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    side = metrics(pool, lab.prometheus.url, slot.target.matchers)
    await slot.target.restart()
    await scraped(side, times=2)
    began = time.monotonic()
    await scraped(side, times=3)
    seen = await window(side, time.monotonic() - began)
    assert (seen.requests, seen.errors) == (0.0, 0.0)
    assert histogram(seen.latencies["TimeToFirstToken"]).total == 0.0


async def test_a_restart_does_not_hide_what_came_before_or_after(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    side = metrics(pool, lab.prometheus.url, slot.target.matchers | {"model_name": "tiny"})
    began = time.monotonic()
    for _ in range(2):
        await scraped(side, 2)
        await send(slot.target, 40)
        await scraped(side, 2)
        await slot.target.restart()
    await scraped(side, 2)
    seen = await window(side, time.monotonic() - began)
    assert number(seen.requests) == pytest.approx(80, rel=NEARLY)
    assert histogram(seen.latencies["TimeToFirstToken"]).total == pytest.approx(80, rel=NEARLY)


async def test_without_the_http_layer_the_engine_counts(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    """http_requests_total knows no model_name: as at a server that has no such metric."""
    side = metrics(pool, lab.prometheus.url, slot.target.matchers | {"model_name": "tiny"})
    await slot.target.set(error_rate=0.5)
    began = time.monotonic()
    await scraped(side, QUIET)
    statuses = await send(slot.target, 120)
    await scraped(side, QUIET)
    seen = await window(side, time.monotonic() - began)
    assert number(seen.requests) == pytest.approx(120, rel=NEARLY)
    assert number(seen.errors) == pytest.approx(statuses.count(500), rel=NEARLY)


async def test_labels_that_are_called_differently_do_not_matter(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    side = metrics(pool, lab.prometheus.url, slot.target.matchers)
    await slot.target.set(rename={"model_name": "a_model", "engine": "z"}, labels={"pod": "a-1"})
    await scraped(side, QUIET)
    began = time.monotonic()
    await scraped(side, QUIET)
    await send(slot.target, 50)
    await scraped(side, QUIET)
    seen = await window(side, time.monotonic() - began)
    for name in LATENCIES:
        assert histogram(seen.latencies[name]).total == pytest.approx(50, rel=NEARLY)


async def test_edges_that_change_in_the_window_leave_the_common_ones(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    side = metrics(pool, lab.prometheus.url, slot.target.matchers)
    began = time.monotonic()
    await scraped(side)
    await send(slot.target, 20)
    await scraped(side)
    await slot.target.set(edges=[0.1, 0.3, 1.0])
    await scraped(side, times=2)
    changed = time.monotonic()
    await send(slot.target, 20)
    await scraped(side, times=2)
    now = time.monotonic()
    mixed = histogram((await window(side, now - began)).latencies["TimeToFirstToken"])
    assert mixed.edges == (0.1, 1.0, inf)
    settled = histogram((await window(side, now - changed)).latencies["TimeToFirstToken"])
    assert settled.edges == (0.1, 0.3, 1.0, inf)


@pytest.mark.parametrize(
    ("own", "other", "overlaps"),
    [
        pytest.param(("slot", "cluster"), ("slot", "cluster"), False, id="disjoint"),
        pytest.param(("slot",), ("slot", "cluster"), True, id="one within the other"),
        pytest.param(("slot",), ("cluster",), True, id="some in common"),
    ],
)
async def test_sides_that_share_a_series_overlap(
    lab: Lab,
    slot: Slot,
    pool: PrometheusPool,
    own: tuple[str, ...],
    other: tuple[str, ...],
    *,
    overlaps: bool,
) -> None:
    ours = {name: slot.target.matchers[name] for name in own}
    theirs = {name: slot.source.matchers[name] for name in other}
    reading = await read(metrics(pool, lab.prometheus.url, ours, other=theirs), 10)
    assert reading.overlaps is overlaps


async def test_the_time_between_scrapes_is_measured(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    async def measures(address: str, seconds: float) -> None:
        """It takes samples of ten seconds ago, and a busy machine leaves some scrapes out."""
        side = metrics(pool, address, slot.target.matchers)
        measured: float | None = None
        async with asyncio.timeout(60):
            while measured != pytest.approx(seconds, rel=0.2):
                reading = await side.look([30])
                if isinstance(reading, SideReading) and reading.scrape_seconds is not None:
                    assert not reading.unscraped
                    measured = reading.scrape_seconds
                await asyncio.sleep(0.5)

    await measures(lab.prometheus.url, 1.0)
    with lab.private_prometheus([slot], scrape="3s") as slow:
        await measures(slow.url, 3.0)


async def test_gauges_are_of_all_servers_and_of_the_fullest(
    lab: Lab, tmp_path: Path, pool: PrometheusPool
) -> None:
    ports = free_ports(3)
    servers = []
    for port, running, waiting, cache in ((ports[0], 8, 5, 0.75), (ports[1], 4, 0, 0.25)):
        registry = CollectorRegistry()
        for name, value in (
            ("vllm:num_requests_running", running),
            ("vllm:num_requests_waiting", waiting),
            ("vllm:kv_cache_usage_perc", cache),
        ):
            one = Gauge(name, "", ["engine"], registry=registry)
            one.labels("0").set(value)
        if port == ports[0]:
            gpu = ["gpu", "UUID", "Hostname"]
            for name, values in (
                ("DCGM_FI_DEV_XID_ERRORS", (0, 48)),
                ("DCGM_FI_DEV_GPU_UTIL", (50, 100)),
                ("DCGM_FI_DEV_FB_USED", (60_000, 70_000)),
                ("DCGM_FI_DEV_FB_FREE", (20_000, 10_000)),
            ):
                one = Gauge(name, "", gpu, registry=registry)
                for index, value in enumerate(values):
                    one.labels(str(index), f"GPU-{index}", "node-3").set(value)
        servers.append(start_http_server(port, "127.0.0.1", registry)[0])
    targets = [Target(port, {"cluster": "gke"}) for port in ports[:2]]
    write_config(tmp_path, "1s", targets, None)
    prometheus = start_prometheus(lab.program("prometheus"), tmp_path, ports[2])
    side = metrics(pool, f"http://127.0.0.1:{ports[2]}", {"cluster": "gke"})
    try:
        async with asyncio.timeout(30):
            seen = None
            while seen is None or seen.instances != 2.0 or isinstance(seen.gpus, Gap):
                reading = await side.look([])
                seen = reading.gauges if isinstance(reading, SideReading) else None
                await asyncio.sleep(0.2)
        assert (seen.running, seen.waiting, seen.most_waiting) == (12.0, 5.0, 5.0)
        assert seen.kv_cache == 0.75
        xids = {"node-3 GPU 1": 48}
        assert seen.gpus == Gpus(2, xids, 0.75, 130_000.0, 160_000.0)
        few = await side.look([], full=False)
        assert isinstance(few, SideReading)
        assert few.gauges.gpus == Gpus(2, xids)
    finally:
        prometheus.stop()
        for server in servers:
            server.shutdown()
            server.server_close()


# --- what is missing --------------------------------------------------------------------------------


def custom(requests: str, errors: str = ALL) -> CustomMetrics:
    return CustomMetrics(requests=requests, errors=errors)


async def test_wrong_matchers_are_told_from_an_unknown_metric(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    wrong = await window(metrics(pool, lab.prometheus.url, {"cluster": "gke"}), 10)
    for value in (wrong.requests, wrong.errors):
        assert gap(value, Missing.NO_SERIES) == (
            f"metric vllm:request_success_total exists on {lab.prometheus.url} but nothing carries"
            ' cluster="gke": check spec.target.prometheus.matchers'
        )
    assert "time_to_first_token" in gap(wrong.latencies["TimeToFirstToken"], Missing.NO_SERIES)
    unknown = custom("sum(increase(nobody_total{$matchers}[$window]))")
    side = metrics(pool, lab.prometheus.url, slot.target.matchers, custom=unknown)
    told = gap((await window(side, 10)).requests, Missing.NO_SERIES)
    assert told.startswith(f"{lab.prometheus.url} has no nobody_total")


async def test_a_window_of_less_than_two_scrapes_holds_nothing(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    side = metrics(pool, lab.prometheus.url, slot.target.matchers)
    short, long = (await read(side, 0.5, 10)).windows
    told = gap(short.requests, Missing.NO_DATA)
    assert "500ms" in told
    assert re.search(r"scrapes are [\d.]+ s apart", told)
    gap(short.latencies["TimeToFirstToken"], Missing.NO_DATA)
    number(long.requests)


async def test_a_bad_custom_expression_costs_its_own_gate(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    await send(slot.target, 5)
    await scraped(metrics(pool, lab.prometheus.url, slot.target.matchers), times=2)
    for errors, missing, words in (
        ("sum(increase(", Missing.INVALID_QUERY, "parse error"),
        ("1", Missing.INVALID_QUERY, "expected type instant vector"),
        ("http_requests_total{$matchers}[$window]", Missing.INVALID_QUERY, "type"),
        (f"{ALL} * 0 / 0", Missing.NOT_FINITE, "gives nan"),
        (
            "http_requests_total * on(x) http_requests_total",
            Missing.INVALID_QUERY,
            "duplicate series",
        ),
        ("label_replace(up, 'a', 'b', '', '')", Missing.INVALID_QUERY, "numbers where one"),
    ):
        side = metrics(pool, lab.prometheus.url, slot.target.matchers, custom=custom(ALL, errors))
        for _ in range(2):
            seen = await window(side, 30)
            assert words in gap(seen.errors, missing), errors
            number(seen.requests)


async def test_series_that_ended_are_stale(
    lab: Lab, slot: Slot, pool: PrometheusPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = metrics(pool, lab.prometheus.url, slot.target.matchers)
    await send(slot.target, 5)
    await scraped(side)
    await slot.target.set(metrics=False)
    await asyncio.sleep(5)
    reading = await read(side, 60)
    number(reading.windows[0].requests)
    assert reading.unscraped
    assert reading.newest_sample is not None
    assert time.time() - reading.newest_sample.timestamp() > 2
    monkeypatch.setattr(diagnosis, "STALE_SECONDS", 2.0)
    monkeypatch.setattr(diagnosis, "STALE_SCRAPES", 0.0)
    assert "newest sample" in gap((await window(side, 60)).requests, Missing.STALE)
