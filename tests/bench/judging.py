"""What does it cost to judge one look? Processor time alone: no request, no write.

    python -m tests.bench judging

Six gates on vLLM's own bucket edges, judged by ``cutover.decide.judging`` on an hour of looks; the evidence goes from
look to look as the status keeps it.
"""

import time
from datetime import UTC, datetime, timedelta
from math import inf

import numpy as np

from cutover.api.evidence import GateStatus
from cutover.api.gates import ErrorRateGate, Gate, LatencyGate
from cutover.api.status import Plan, Status, Weights
from cutover.decide.fulllook import FullLook
from cutover.decide.judging import judge_gates
from cutover.decide.plan import resolve
from cutover.decide.readings import SideReading, WindowReading
from cutover.judge.histogram import Buckets
from cutover.metrics.profiles.llm import VLLM
from tests.bench import figures
from tests.fakes import plans

GATES = 6
LOOKS = 120
LATENCIES = ("TimeToFirstToken", "TimePerOutputToken", "EndToEnd", "QueueTime", "PrefillTime")
BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
EACH = timedelta(seconds=30)
REQUESTS = 500.0
"""In a look, on each side."""


def plan() -> Plan:
    """The defaults, with five latency gates and one for errors."""
    gates = [
        Gate(
            name=name.lower(),
            latency=LatencyGate(metric=name, threshold="1s", max_above="5%", margin="2.5%"),
        )
        for name in LATENCIES
    ]
    gates.append(Gate(name="errors", error_rate=ErrorRateGate(max="1%", ratio="2")))
    rollout = {
        "metadata": {"name": "bench", "namespace": "bench", "generation": 1},
        "spec": plans.spec(),
    }
    found = resolve(
        rollout, operator_version="bench", default_gates=plans.GATES, metrics=plans.METRICS
    )
    assert isinstance(found, Plan), found
    return found.model_copy(update={"gates": gates})


def _side(rng: np.random.Generator, seconds: float, looks: int) -> SideReading:
    """Counts since the evidence began; two or three in a hundred are slow, and where an edge is in between."""
    total = REQUESTS * looks
    latencies = {}
    for name in LATENCIES:
        edges = (*VLLM.latencies[name].edges, inf)
        share = np.linspace(0.5, 1.0, len(edges)) ** 0.25
        counts = np.sort(rng.binomial(int(total), share)).astype(float)
        counts[-1] = total
        latencies[name] = Buckets(edges, tuple(counts.tolist()))
    errors = float(rng.binomial(int(total), 0.003))
    window = WindowReading(seconds, total, errors, latencies)
    return SideReading(
        windows=(window,), scrape_seconds=15.0, newest_sample=BEGAN, queries={}, overlaps=False
    )


def looks() -> list[FullLook]:
    rng = np.random.default_rng(1)
    found = []
    for number in range(1, LOOKS + 1):
        seconds = EACH.total_seconds() * number
        sides = _side(rng, seconds, number), _side(rng, seconds, number)
        found.append(FullLook(*sides, seconds, BEGAN + number * EACH, gathering=True))
    return found


def per_look() -> list[float]:
    """Seconds of processor time of each look."""
    judged, status = plan(), Status(weights=Weights(desired=50, declared=50, applied=50))
    gates: list[GateStatus] = []
    spent = []
    for look in looks():
        before = status.model_copy(update={"gates": gates})
        began = time.thread_time()
        gates = judge_gates(judged, before, look)
        spent.append(time.thread_time() - began)
    assert len(gates) == GATES
    return spent


def measure() -> None:
    figures.title(f"Processor time of judging one look of {GATES} gates, {LOOKS} looks")
    spent = sorted(1e3 * one for one in per_look())
    print(
        f"  median {spent[len(spent) // 2]:.2f} ms, 99 % {spent[int(len(spent) * 0.99)]:.2f} ms,"
        f" most {spent[-1]:.2f} ms"
    )
