"""Gates that one side cannot tell are refused with an alternative; defaults are what both sides can tell."""

from typing import Any

import pytest

from cutover.api.status import Plan
from cutover.decide.observation import Refusal
from cutover.decide.plan import resolve
from cutover.metrics.profiles.defaults import DEFAULT_GATES, TELLS
from tests.fakes.plans import spec


def resolved(source: str, target: str, **more: Any) -> Plan | Refusal:
    given = spec(profile=target, **more)
    given["source"]["profile"] = source
    rollout = {
        "metadata": {"name": "llama-chat", "namespace": "inference", "generation": 1},
        "spec": given,
    }
    return resolve(rollout, operator_version="1", default_gates=DEFAULT_GATES, metrics=TELLS)


def gates(source: str, target: str, **more: Any) -> list[str]:
    plan = resolved(source, target, **more)
    assert isinstance(plan, Plan), plan
    return [f"{gate.name} {gate.kind}" for gate in plan.gates]


def refused(source: str, target: str, **more: Any) -> str:
    refusal = resolved(source, target, **more)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.reason == "UnknownMetric"
    return refusal.message


@pytest.mark.parametrize(
    ("source", "target", "judged"),
    [
        ("VLLM", "VLLM", ["first-token latency", "token-time latency", "errors errorRate"]),
        ("SGLang", "VLLM", ["first-token latency", "token-time latency", "errors errorRate"]),
        ("TGI", "VLLM", ["token-time latency", "errors errorRate"]),
        ("VLLM", "NIM", ["first-token latency", "errors errorRate"]),
        ("Ray", "TFServing", ["latency latency", "errors errorRate"]),
    ],
)
def test_default_gates_are_those_that_both_sides_can_tell(
    source: str, target: str, judged: list[str]
) -> None:
    assert gates(source, target) == judged


def test_a_gate_that_one_side_cannot_tell_is_refused_with_the_side_and_what_it_knows() -> None:
    first = {"metric": "TimeToFirstToken", "threshold": "1s", "maxAbove": "5%", "margin": "2%"}
    told = refused("TGI", "VLLM", gates=[{"name": "first", "latency": first}])
    assert told == (
        "gate first asks for TimeToFirstToken, which the source's profile TGI cannot tell; it knows:"
        " EndToEnd, TimePerOutputToken, QueueTime, InferenceTime"
    )


def test_errors_of_a_server_that_counts_none_are_refused() -> None:
    errors = {"max": "1%", "ratio": "2"}
    told = refused("VLLM", "KServe", gates=[{"name": "errors", "errorRate": errors}])
    assert "the target's profile KServe does not count" in told
