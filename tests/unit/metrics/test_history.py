"""The past of one side: what is asked, and what each answer comes to. Real answers are in tests/features."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

from cutover.api.custom import CustomLatency, CustomMetrics
from cutover.api.gates import ErrorRateGate, Gate, LatencyGate
from cutover.api.sides import Profile, Side
from cutover.decide.past import PastQuestion
from cutover.decide.readings import Gap, Missing
from cutover.judge.evidence import Count
from cutover.metrics.answers import Matrix, Series, read_range
from cutover.metrics.joined import SideMetrics
from cutover.metrics.prometheus import Span

UNTIL = 1_700_000_000.0
SLOW = Gate(
    name="slow",
    latency=LatencyGate(metric="TimeToFirstToken", threshold="1s", max_above="5%", margin="2%"),
)
SLOWER = SLOW.model_copy(update={"name": "slower"})
ERRORS = Gate(name="errors", error_rate=ErrorRateGate(max="1%", ratio="2"))
QUESTION = PastQuestion(
    until=datetime.fromtimestamp(UNTIL, UTC),
    span=86_400.0,
    look=60.0,
    scrape=15.0,
    edges={"slow": 1.0, "slower": 2.5},
    deadline=0.2,
)
Answering = Callable[[], Awaitable[Matrix | Gap]]


class FakePool:
    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Span]] = []

    async def query_range(
        self, namespace: str, where: Any, promql: str, span: Span, *, deadline: float
    ) -> Matrix | Gap:
        assert (namespace, where.address, deadline) == ("chat", "http://p:9090", 0.2)
        self.asked.append((promql, span))
        return await self.answer()


def pool(*series: Series) -> FakePool:
    async def answer() -> Matrix | Gap:
        return Matrix(series)

    return FakePool(answer)


def metrics(pool: FakePool, *gates: Gate, custom: CustomMetrics | None = None) -> SideMetrics:
    sides = [
        Side.model_validate({"prometheus": {"address": "http://p:9090", "matchers": {"c": one}}})
        for one in ("onprem", "gke")
    ]
    return SideMetrics(
        *sides,
        name="source",
        profile=Profile.CUSTOM if custom else Profile.VLLM,
        custom=custom,
        gates=gates,
        namespace="chat",
        client=pool,  # type: ignore[arg-type]
    )


def series(gate: str, points: Mapping[float, float], **labels: str) -> Series:
    return Series({"gate": gate, **labels}, points)


async def looks_of(side: SideMetrics, gate: str) -> list[Count]:
    found = await side.history(QUESTION)
    assert not isinstance(found, Gap)
    looks = found[gate]
    assert not isinstance(looks, Gap), looks
    return list(looks)


async def gap_of(side: SideMetrics, gate: str) -> Gap:
    found = await side.history(QUESTION)
    assert not isinstance(found, Gap)
    gap = found[gate]
    assert isinstance(gap, Gap)
    return gap


async def test_one_query_reads_the_gates_edges_and_nothing_else() -> None:
    asked = pool()
    await metrics(asked, SLOW, SLOWER, ERRORS).history(QUESTION)
    ((text, span),) = asked.asked
    assert span.end < UNTIL
    assert round((span.end - span.begin) / span.step) + 1 == 1440
    assert "[75s]" in text
    assert "$" not in text
    assert 'le=~"1\\\\.0|1|2\\\\.5|\\\\+Inf"' in text
    assert "end_to_end" not in text and "e2e_request" not in text
    assert '"gate","Requests"' in text and '"gate","Errors"' in text


async def test_nothing_is_asked_that_no_gate_needs() -> None:
    asked = pool()
    await metrics(asked, SLOW).history(QUESTION)
    assert "http_requests_total" not in asked.asked[0][0]


async def test_a_custom_histogram_is_cut_down_to_the_edge() -> None:
    custom = CustomMetrics(
        requests="sum(increase(r{$matchers}[$window]))",
        errors="sum(increase(e{$matchers}[$window]))",
        latencies=[CustomLatency(metric="TimeToFirstToken", buckets="w{$matchers,x='1'}[$window]")],
    )
    asked = pool()
    await metrics(asked, SLOW, custom=custom).history(QUESTION)
    text = asked.asked[0][0]
    assert "and on(le)(" in text
    for le in ("1.0", "1", "+Inf"):
        assert f'label_replace(vector(1),"le","{le}","","")' in text


async def test_counts_are_those_of_the_look_alone() -> None:
    """An increase over five scrapes of which four intervals are seen, blown up to five, comes down to four."""
    seen = pool(
        series("Requests", {0.0: 125.0, 60.0: 250.0}),
        series("Errors", {60.0: 25.0}),
        series("TimeToFirstToken", {0.0: 125.0, 60.0: 250.0}, le="+Inf"),
        series("TimeToFirstToken", {0.0: 100.0, 60.0: 250.0}, le="1"),
    )
    side = metrics(seen, SLOW, ERRORS)
    assert await looks_of(side, "errors") == [Count(100.0, 0.0), Count(200.0, 20.0)]
    assert await looks_of(side, "slow") == [Count(100.0, 20.0), Count(200.0, 0.0)]


async def test_an_edge_that_was_written_in_two_ways_is_one() -> None:
    seen = pool(
        series("TimeToFirstToken", {0.0: 10.0, 60.0: 10.0}, le="+Inf"),
        series("TimeToFirstToken", {0.0: 5.0}, le="1"),
        series("TimeToFirstToken", {60.0: 10.0}, le="1.0"),
    )
    assert await looks_of(metrics(seen, SLOW), "slow") == [Count(8.0, 4.0), Count(8.0, 0.0)]


@pytest.mark.parametrize("odd", [float("nan"), inf, -1.0])
async def test_what_is_no_count_is_no_look(odd: float) -> None:
    for name in ("Requests", "Errors"):
        points = {"Requests": {0.0: 10.0, 60.0: 10.0}, "Errors": {0.0: 1.0, 60.0: 1.0}}
        points[name][0.0] = odd
        seen = pool(*(series(gate, values) for gate, values in points.items()))
        assert await looks_of(metrics(seen, ERRORS), "errors") == [Count(8.0, 0.8)]


async def test_looks_without_requests_or_without_the_edge_are_left_out() -> None:
    seen = pool(
        series("TimeToFirstToken", {0.0: 0.0, 60.0: 10.0, 120.0: 10.0}, le="+Inf"),
        series("TimeToFirstToken", {0.0: 0.0, 60.0: 10.0}, le="1.0"),
    )
    assert await looks_of(metrics(seen, SLOW), "slow") == [Count(8.0, 0.0)]


@pytest.mark.parametrize(
    "given",
    [
        (),
        (series("Requests", {0.0: 0.0}),),
        (series("Requests", {0.0: 1.0}, pod="a"), series("Requests", {0.0: 1.0}, pod="b")),
    ],
)
async def test_a_past_without_requests_is_a_gap(given: tuple[Series, ...]) -> None:
    gap = await gap_of(metrics(pool(*given), SLOW, ERRORS), "errors")
    assert gap.missing is Missing.NO_DATA
    assert (await gap_of(metrics(pool(*given), SLOW, ERRORS), "slow")).missing is Missing.NO_DATA


async def test_it_has_one_deadline() -> None:
    async def hang() -> Matrix | Gap:
        await asyncio.sleep(60)
        raise AssertionError

    began = asyncio.get_running_loop().time()
    found = await metrics(FakePool(hang), ERRORS).history(QUESTION)
    assert isinstance(found, Gap)
    assert found.missing is Missing.UNREACHABLE
    assert asyncio.get_running_loop().time() - began < 5


def test_a_range_is_read_and_an_instant_is_none() -> None:
    body = b"""{"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"le": "1"}, "values": [[1.5, "2"], [2.5, "NaN"]]}, {"metric": {}, "histograms": []}]}}"""
    found = read_range("http://p", 200, {}, body)
    assert isinstance(found, Matrix)
    first, native = found.series
    assert (first.labels, first.points[1.5], native.points) == ({"le": "1"}, 2.0, {})
    instant = b'{"status": "success", "data": {"resultType": "vector", "result": []}}'
    gap = read_range("http://p", 200, {}, instant)
    assert isinstance(gap, Gap)
    assert gap.missing is Missing.INVALID_QUERY
