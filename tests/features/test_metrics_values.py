"""Query gates on a real Prometheus: what each expression comes to, and that nothing missing is ever a verdict."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.api.evidence import GateStatus
from cutover.api.gates import Gate
from cutover.api.sides import Profile, Side
from cutover.api.status import Phase, Plan, Status, Weights
from cutover.api.verdict import Verdict
from cutover.decide.fulllook import FullLook
from cutover.decide.judging import judge_gates
from cutover.decide.plan import resolve
from cutover.decide.readings import Gap, Missing, Reading, Value, Values
from cutover.metrics import diagnosis
from cutover.metrics.joined import SideMetrics
from cutover.metrics.prometheus import PrometheusPool
from tests.fakes.plans import GATES, METRICS, quick
from tests.features.test_metrics import NoSecrets, scraped, send
from tests.features.test_metrics_access import HASHED, guarded
from tests.lab import Lab, Slot
from tests.lab.ports import free_ports
from tests.lab.prometheus import is_ready, start_prometheus

pytestmark = pytest.mark.lab

WINDOW = 10.0


@pytest.fixture
async def pool() -> AsyncIterator[PrometheusPool]:
    one = PrometheusPool(NoSecrets())
    yield one
    await one.aclose()


def gate(expr: str, **query: Any) -> Gate:
    asked = {"expr": expr, "max": "1000000000", **query}
    return Gate.model_validate({"name": "number", "query": asked})


def side(
    pool: PrometheusPool, address: str, matchers: Mapping[str, str], asked: Gate
) -> SideMetrics:
    def one(given: Mapping[str, str]) -> Side:
        return Side.model_validate({"prometheus": {"address": address, "matchers": dict(given)}})

    return SideMetrics(
        one(matchers),
        one({"cluster": "elsewhere"}),
        name="target",
        profile=Profile.VLLM,
        custom=None,
        gates=[asked],
        namespace="inference",
        client=pool,
    )


async def judged(metrics: SideMetrics, asked: Gate) -> GateStatus:
    """What a full look at 25 % makes of it."""
    reading = await metrics.look([WINDOW])
    return verdict(asked, reading, await metrics.values(WINDOW))


def verdict(asked: Gate, reading: Reading, values: Mapping[str, Value]) -> GateStatus:
    now = datetime.now(UTC)
    spec = quick(gates=[asked.model_dump(mode="json", by_alias=True, exclude_none=True)])
    rollout = {"metadata": {"generation": 1, "namespace": "inference"}, "spec": spec}
    plan = resolve(rollout, operator_version="1", default_gates=GATES, metrics=METRICS)
    assert isinstance(plan, Plan)
    weights = Weights(desired=25, applied=25, applied_at=now - timedelta(minutes=10))
    status = Status(phase=Phase.PROGRESSING, plan=plan, weights=weights)
    look = FullLook(reading, reading, WINDOW, now, gathering=True, values=Values({}, values))
    (found,) = judge_gates(plan, status, look)
    return found


SERVER = "http_requests_total{$matchers}"


Case = tuple[str, dict[str, Any], str, str]
"""Expression, the rest of the gate, the verdict's reason, words of its sentence."""


@pytest.mark.parametrize(
    "case",
    [
        (f"sum({SERVER})", {}, "WithinBounds", "number: "),
        ("vector(7)", {"max": "7"}, "WithinBounds", "number: 7 on target, at most 7"),
        ("scalar(vector(3)) * 2", {"min": "6"}, "WithinBounds", "number: 6 on target"),
        (
            "label_replace(vector(1),'a','x','','') or label_replace(vector(4),'a','y','','')",
            {"reduce": "Avg", "max": "2.5", "min": "2.5"},
            "WithinBounds",
            "number: 2.5 on target",
        ),
        (
            "sum(increase(http_requests_total{$matchers}[$window])) >= 0",
            {},
            "WithinBounds",
            "number: ",
        ),
        (
            "label_replace(vector(1),'a','x','','') or label_replace(vector(4),'a','y','','')",
            {},
            "InvalidQuery",
            "gives 2 numbers on",
        ),
        ("sum(increase(", {}, "InvalidQuery", "parse error"),
        ("up[5m]", {}, "InvalidQuery", "gives a matrix"),
        ("vector(0) / vector(0)", {}, "NotFinite", "gives NaN"),
        ("vector(1) / vector(0)", {}, "NotFinite", "gives inf"),
        ("nobody_reports_this{$matchers}", {}, "NoData", "gives nothing on"),
    ],
)
async def test_what_an_expression_comes_to(
    lab: Lab, slot: Slot, pool: PrometheusPool, case: Case
) -> None:
    expr, query, reason, words = case
    asked = gate(expr, **query)
    metrics = side(pool, lab.prometheus.url, slot.target.matchers, asked)
    await send(slot.target, 2)
    await scraped(metrics, times=2)
    found = await judged(metrics, asked)
    assert found.reason == reason, found.message
    assert words in found.message
    passes = reason == "WithinBounds"
    assert (found.verdict is Verdict.PASS) is passes
    assert (found.value is not None) is passes
    assert found.query is not None
    assert "$" not in found.query


async def test_a_side_that_is_no_longer_scraped_is_stale(
    lab: Lab, slot: Slot, pool: PrometheusPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last number would be given for five minutes more."""
    asked = gate(f"sum(last_over_time({SERVER}[5m]))")
    metrics = side(pool, lab.prometheus.url, slot.target.matchers, asked)
    await send(slot.target, 2)
    await scraped(metrics, times=2)
    await slot.target.set(metrics=False)
    monkeypatch.setattr(diagnosis, "STALE_SECONDS", 2.0)
    monkeypatch.setattr(diagnosis, "STALE_SCRAPES", 0.0)
    async with asyncio.timeout(30):
        while (found := await judged(metrics, asked)).reason != "Stale":
            await asyncio.sleep(0.5)
    assert found.verdict is Verdict.ERROR
    assert isinstance((await metrics.values(WINDOW))["number"].number, float)


async def test_refused_credentials(lab: Lab, tmp_path: Path, pool: PrometheusPool) -> None:
    asked = gate("vector(1)")
    with guarded(lab, tmp_path, {"basic_auth_users": {"ann": HASHED}}) as port:
        metrics = side(pool, f"http://127.0.0.1:{port}", {"a": "b"}, asked)
        found = await judged(metrics, asked)
        value = (await metrics.values(WINDOW))["number"].number
    assert (found.verdict, found.reason) == (Verdict.ERROR, "Unauthorised")
    assert "HTTP 401" in found.message
    assert isinstance(value, Gap)
    assert value.missing is Missing.UNAUTHORISED


async def test_an_answer_that_is_not_whole(lab: Lab, tmp_path: Path, pool: PrometheusPool) -> None:
    """One of the stores behind this Prometheus does not answer: what it gives lacks something."""
    port, nobody = free_ports(2)
    there = {"url": f"http://127.0.0.1:{nobody}/read", "read_recent": True}
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump({"remote_read": [there]}))
    child = start_prometheus(lab.program("prometheus"), tmp_path, port)
    address = f"http://127.0.0.1:{port}"
    asked = gate("count(up) or vector(1)")
    try:
        child.wait_until(lambda: is_ready(address))
        value = (await side(pool, address, {"a": "b"}, asked).values(WINDOW))["number"]
    finally:
        child.stop()
    assert isinstance(value.number, Gap)
    assert value.number.missing is Missing.PARTIAL, value.number.message


def test_a_side_out_of_reach_is_no_number_either() -> None:
    reading = Gap(Missing.UNREACHABLE, "no answer")
    found = verdict(gate("vector(1)"), reading, {"number": Value(inf, "vector(1)")})
    assert (found.verdict, found.reason) == (Verdict.ERROR, "Unreachable")
