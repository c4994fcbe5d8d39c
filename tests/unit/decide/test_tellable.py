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
        ("Triton", "VLLM", ["errors errorRate", "mean-latency meanLatency"]),
        ("MLServer", "MLServer", ["mean-latency meanLatency", "errors errorRate"]),
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
        " EndToEnd, TimePerOutputToken, QueueTime, InferenceTime. Judge the gateway's EndToEnd with"
        " vantage: Gateway"
    )


GATEWAY = {
    "httpRoute": {
        "name": "chat",
        "sourceBackend": {"name": "chat"},
        "targetBackend": {"name": "chat-gke"},
    },
    "gateway": {
        "profile": "Contour",
        "prometheus": {"address": "http://p:9090", "matchers": {"job": "envoy"}},
    },
}
ERRORS = {"max": "1%", "ratio": "2"}
SLOW = {"metric": "EndToEnd", "threshold": "1s", "maxAbove": "5%", "margin": "2%"}


def test_a_server_that_has_only_means_names_them_and_the_gateway() -> None:
    told = refused("Triton", "VLLM", gates=[{"name": "slow", "latency": SLOW}])
    assert told.endswith(
        "it knows: none. Judge the mean of EndToEnd or QueueTime or InferenceTime with meanLatency,"
        " or the gateway's EndToEnd with vantage: Gateway"
    )


def test_a_mean_of_a_histogram_is_as_good_as_one_of_sums() -> None:
    mean = {"metric": "EndToEnd", "maxIncrease": "10%"}
    assert gates("Triton", "VLLM", gates=[{"name": "mean", "meanLatency": mean}])
    told = refused(
        "Triton", "SGLang", gates=[{"name": "q", "meanLatency": mean | {"metric": "QueueTime"}}]
    )
    assert "asks for the mean of QueueTime, which the target's profile SGLang cannot tell" in told


def test_errors_of_a_server_that_counts_none_are_judged_at_the_gateway() -> None:
    told = refused("VLLM", "KServe", gates=[{"name": "errors", "errorRate": ERRORS}])
    assert "the target's profile KServe does not count" in told
    assert "vantage: Gateway" in told
    seen = [{"name": "errors", "errorRate": ERRORS | {"vantage": "Gateway"}}]
    assert gates("VLLM", "KServe", gates=seen, traffic=GATEWAY) == ["errors errorRate"]


def test_without_any_counter_of_errors_there_are_no_default_gates() -> None:
    refusal = resolved("VLLM", "KServe")
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "NoErrorCounter"
    assert "set traffic.gateway" in refusal.message
    plan = resolved("KServe", "KServe", traffic=GATEWAY)
    assert isinstance(plan, Plan), plan
    assert [(gate.name, gate.at_gateway) for gate in plan.gates] == [
        ("latency", False),
        ("errors", True),
    ]


def test_a_server_that_counts_no_requests_needs_the_gateway() -> None:
    mean = {"metric": "InterTokenLatency", "maxIncrease": "10%"}
    refusal = resolved("LlamaCpp", "VLLM", gates=[{"name": "mean", "meanLatency": mean}])
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "NoRequestCounter"
    judged = gates("LlamaCpp", "VLLM", traffic=GATEWAY)
    assert judged == ["errors errorRate", "token-time meanLatency"]


@pytest.mark.parametrize(
    ("gate", "traffic", "words"),
    [
        (SLOW, None, "set traffic.gateway"),
        (SLOW | {"metric": "TimeToFirstToken"}, GATEWAY, "a gateway tells EndToEnd alone"),
    ],
)
def test_a_gate_at_the_gateway_needs_one_that_tells_it(
    gate: dict[str, str], traffic: dict[str, Any] | None, words: str
) -> None:
    seen = [{"name": "slow", "latency": gate | {"vantage": "Gateway"}}]
    refusal = resolved("VLLM", "VLLM", gates=seen, traffic=traffic)
    assert isinstance(refusal, Refusal)
    assert words in refusal.message


def test_means_need_a_weight_at_which_there_is_something_to_compare_with() -> None:
    refusal = resolved("Triton", "Triton", steps=[{"weight": 100}])
    assert isinstance(refusal, Refusal)
    assert "put a smaller weight first" in refusal.message


COPIED = [{"shadow": {"duration": "10m"}}, {"weight": 100}]
BY_GATEWAY = {"name": "errors", "errorRate": {"max": "1%", "ratio": "2", "vantage": "Gateway"}}

QUEUE = {"name": "queue", "query": {"expr": "sum(queue)", "max": "2"}}


def meshed(counted_by: str | None = None, profile: str = "Istio") -> dict[str, Any]:
    gateway = {**GATEWAY["gateway"], "profile": profile}
    return {**GATEWAY, "gateway": gateway, "delivery": {"countedBy": counted_by}}


@pytest.mark.parametrize(
    ("side", "more", "says"),
    [
        (
            "VLLM",
            {"traffic": meshed()},
            "they shall tell what is delivered: set spec.traffic.delivery.countedBy: Servers",
        ),
        (
            "VLLM",
            {"traffic": meshed("Servers"), "gates": [BY_GATEWAY]},
            "gate errors has vantage Gateway: judge it by the servers",
        ),
        (
            "LlamaCpp",
            {"traffic": meshed("Servers"), "gates": [QUEUE]},
            "the source's profile LlamaCpp counts no requests itself: use servers that do",
        ),
    ],
)
def test_copies_that_istio_does_not_count_are_not_waited_for(
    side: str, more: dict[str, Any], says: str
) -> None:
    refusal = resolved(side, "VLLM", steps=COPIED, **more)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.message == (
        "spec.steps mirrors requests, and Istio's proxies do not count the copies that they send, but"
        f" {says}, or remove the shadow steps"
    )
    assert isinstance(resolved(side, "VLLM", **more), Plan), "without shadow steps it is fine"


@pytest.mark.parametrize("traffic", [meshed("Servers"), meshed(profile="Contour")])
def test_copies_are_counted_by_the_servers_or_by_an_envoy_itself(traffic: dict[str, Any]) -> None:
    assert gates("VLLM", "VLLM", steps=COPIED, traffic=traffic)
