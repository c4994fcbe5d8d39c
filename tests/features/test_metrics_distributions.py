"""What drift gates compare, read from a real Prometheus that scrapes real vLLM metrics."""

import time

import pytest

from cutover.api.drift import DriftClasses, DriftGate, DriftHistogram, DriftMethod
from cutover.api.gates import Gate
from cutover.api.sides import Profile
from cutover.decide.readings import Gap, Missing, SideReading
from cutover.judge.distribution import Classes
from cutover.judge.histogram import Buckets
from cutover.metrics.joined import SideMetrics
from cutover.metrics.prometheus import PrometheusPool
from tests.features.test_metrics import NEARLY, QUIET, pool, scraped, send, send_slowly, side_of
from tests.lab import Lab, Slot

__all__ = ["pool"]  # a fixture

pytestmark = pytest.mark.lab

LENGTHS = 'increase(vllm:request_generation_tokens_bucket{job!="",$matchers}[$window])'


def drifting(name: str, **given: object) -> Gate:
    drift = DriftGate.model_validate({"method": DriftMethod.PSI, "max": "0.2"} | given)
    return Gate(name=name, drift=drift)


GATES = [
    drifting("lengths", distribution="OutputTokens"),
    drifting("ends", distribution="FinishReason"),
    drifting("own-histogram", histogram=DriftHistogram(metric="vllm:request_generation_tokens")),
    drifting(
        "own-classes",
        classes=DriftClasses(metric="vllm:request_success_total", label="finished_reason"),
    ),
    drifting("own-buckets", buckets=f"sum by (le) ({LENGTHS})"),
    drifting("nowhere", histogram=DriftHistogram(metric="no_such_score")),
    drifting("nonsense", buckets="sum by (le) (($matchers[$window]"),
]


async def test_each_way_to_name_a_distribution_reads_the_same_numbers(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    address, matchers = lab.prometheus.url, {"slot": str(slot.number), "side": "target"}
    side = SideMetrics(
        side_of(address, matchers),
        side_of(address, matchers | {"side": "source"}),
        name="target",
        profile=Profile.VLLM,
        custom=None,
        gates=GATES,
        namespace="inference",
        client=pool,
    )
    await scraped(side, QUIET)
    began = time.monotonic()
    await slot.target.set(cut_short=1.0)
    await send_slowly(slot.target, 12)
    await slot.target.set(cut_short=0.0)
    await send(slot.target, 20)
    await scraped(side, QUIET)
    span = time.monotonic() - began + 2
    reading = await side.look([5.0, span], long=span)
    assert isinstance(reading, SideReading), reading
    short, long = reading.windows
    assert short.distributions == {}
    told = long.distributions

    for name in ("OutputTokens", "own-histogram/drift", "own-buckets/drift", "PromptTokens"):
        found = told[name]
        assert isinstance(found, Buckets), found
        assert found.total == pytest.approx(80, rel=NEARLY)
        assert found.edges[:3] == (1.0, 2.0, 5.0)
    for name in ("FinishReason", "own-classes/drift"):
        classes = told[name]
        assert isinstance(classes, Classes), classes
        assert set(classes.counts) == {"stop", "length", "abort", "error", "repetition"}
        assert classes.counts["length"] == pytest.approx(80, rel=NEARLY)
        assert classes.counts["error"] == 0.0
    nowhere, nonsense = told["nowhere/drift"], told["nonsense/drift"]
    assert isinstance(nowhere, Gap)
    assert nowhere.missing is Missing.NO_SERIES
    assert isinstance(nonsense, Gap)
    assert nonsense.missing is Missing.INVALID_QUERY
    assert "spec.gates[nonsense].drift.buckets" in nonsense.message
