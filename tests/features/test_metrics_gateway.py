"""Both sides as a real Envoy under a real Contour counts them, told apart by the route's backends."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from cutover.api.gates import Gate
from cutover.api.routes import HttpRoute
from cutover.api.traffic import Gateway
from cutover.decide.readings import Gap, Missing, SideReading, WindowReading
from cutover.judge.histogram import Buckets
from cutover.metrics.gateway import GatewayMetrics, backend_matchers
from cutover.metrics.joined import Place
from cutover.metrics.prometheus import PrometheusPool
from tests.features.test_metrics import CHAT, NoSecrets
from tests.lab import Lab, Route, Slot

pytestmark = pytest.mark.lab

LATENCY = {"metric": "EndToEnd", "threshold": "250ms", "maxAbove": "5%", "margin": "2.5%"}
GATES = [
    Gate.model_validate({"name": "slow", "latency": LATENCY | {"vantage": "Gateway"}}),
    Gate.model_validate(
        {"name": "errors", "errorRate": {"max": "1%", "ratio": "2", "vantage": "Gateway"}}
    ),
]


@pytest.fixture
async def pool() -> AsyncIterator[PrometheusPool]:
    one = PrometheusPool(NoSecrets())
    yield one
    await one.aclose()


def seen_at_gateway(
    lab: Lab, route: Route, pool: PrometheusPool, name: str, **backend: str
) -> GatewayMetrics:
    where = Gateway.model_validate(
        {
            "profile": "Contour",
            "prometheus": {"address": lab.prometheus.url, "matchers": {"job": "envoy"}},
        }
    )
    http_route = HttpRoute.model_validate(
        {
            "name": route.name,
            "sourceBackend": {"name": backend.get("source", route.source_backend)},
            "targetBackend": {"name": route.target_backend},
        }
    )
    matchers = backend_matchers(where, [http_route], route.namespace, name=name)
    return GatewayMetrics(where, matchers, Place(where.prometheus, "inference", pool), GATES)


async def send(route: Route, count: int) -> list[int]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        url, headers = f"{route.gateway_url}/v1/chat/completions", {"Host": route.host}
        answers = [await client.post(url, json=CHAT, headers=headers) for _ in range(count)]
    return [answer.status_code for answer in answers]


async def test_each_backend_is_counted_by_itself(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    route = lab.route(f"gateway-{uuid.uuid4().hex[:8]}", "chat", slot, weights=(50, 50))
    await slot.source.set(ttft=0.0)
    await slot.target.set(ttft=0.3, error_rate=0.5, error_status=503)
    source, target = (seen_at_gateway(lab, route, pool, name) for name in ("source", "target"))

    async def window(of: GatewayMetrics) -> WindowReading:
        reading = await of.look([20.0])
        assert isinstance(reading, SideReading), reading
        return reading.windows[0]

    def complete(one: WindowReading) -> bool:
        """Histograms come up to a flush interval after the counters."""
        buckets = one.latencies["EndToEnd"]
        return isinstance(buckets, Buckets) and buckets.total > 5 and one.requests != 0.0

    await send(route, 40)
    async with asyncio.timeout(40):
        while not (complete(await window(source)) and complete(await window(target))):
            await send(route, 10)
    ours, theirs = await window(source), await window(target)
    assert ours.errors == 0.0
    assert isinstance(theirs.errors, float)
    assert isinstance(theirs.requests, float)
    assert 0.1 < theirs.errors / theirs.requests < 0.9
    quick, slow = ours.latencies["EndToEnd"], theirs.latencies["EndToEnd"]
    assert isinstance(quick, Buckets)
    assert isinstance(slow, Buckets)
    assert 0.25 in quick.edges  # 250 in Envoy's milliseconds
    below = [one.cumulative[one.edges.index(0.25)] / one.total for one in (quick, slow)]
    assert below[0] > 0.9
    assert below[1] < 0.9  # failures are quick


async def test_a_backend_that_is_not_there_is_no_backend_without_requests(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    route = lab.route(f"gateway-{uuid.uuid4().hex[:8]}", "chat", slot)
    wrong = seen_at_gateway(lab, route, pool, "source", source="nobody")
    reading = await wrong.look([10.0])
    assert isinstance(reading, SideReading)
    requests = reading.windows[0].requests
    assert isinstance(requests, Gap)
    assert requests.missing in (Missing.NO_DATA, Missing.NO_SERIES)
