"""Specs for the fakes: small plans with short waits, and the defaults of no adapter."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutover.api.gates import ErrorRateGate, Gate, LatencyGate
from cutover.api.sides import Profile
from cutover.api.status import Plan
from cutover.decide.plan import resolve
from cutover.decide.tellable import Tells
from cutover.judge.distribution import Scale

GATES: Mapping[Profile, Sequence[Gate]] = {
    Profile.VLLM: (
        Gate(
            name="first-token",
            latency=LatencyGate(
                metric="TimeToFirstToken", threshold="1s", max_above="5%", margin="2.5%"
            ),
        ),
        Gate(name="errors", error_rate=ErrorRateGate(max="1%", ratio="2")),
    ),
    Profile.CUSTOM: (),
}
METRICS: Mapping[Profile, Tells] = {
    Profile.VLLM: Tells(
        ("TimeToFirstToken", "EndToEnd"),
        ("TimeToFirstToken", "EndToEnd"),
        distributions={"OutputTokens": Scale.ORDERED, "PromptTokens": Scale.ORDERED},
    ),
}
OPERATOR_VERSION = "0.1.0"


def spec(
    steps: Sequence[Mapping[str, Any]] | None = None,
    *,
    analysis: Mapping[str, Any] | None = None,
    traffic: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A whole spec; what is not given is what the API would default."""
    given = {"steps": [dict(step) for step in steps]} if steps is not None else {}
    return {
        "source": {"prometheus": {"address": "http://prometheus:9090", "matchers": {"c": "a"}}},
        "target": {
            "cluster": {"kubeconfigSecretRef": {"name": "gke-usc1"}},
            "prometheus": {"address": "https://prometheus.gcp", "matchers": {"c": "b"}},
        },
        "traffic": {
            "httpRoute": {
                "name": "llama-chat",
                "sourceBackend": {"name": "llama-chat"},
                "targetBackend": {"name": "llama-chat-gke"},
            },
            **(traffic or {}),
        },
        "analysis": dict(analysis or {}),
        **given,
        **more,
    }


QUICK: Mapping[str, Any] = {
    "interval": "20s",
    "guardInterval": "10s",
    "settle": "20s",
    "minDuration": "40s",
    "maxDuration": "10m",
    "minRequests": 90,
    "outageLimit": "2m",
}
"""Short waits: a step is over within some ten looks."""

SHORT_STEPS: Sequence[Mapping[str, Any]] = (
    {"weight": 5},
    {"weight": 25},
    {"weight": 100},
    {"soak": {"duration": "1m"}},
)


def quick(steps: Sequence[Mapping[str, Any]] = SHORT_STEPS, **more: Any) -> dict[str, Any]:
    """A spec whose steps take about a minute and a half each."""
    analysis = {**QUICK, **more.pop("analysis", {})}
    return spec(steps, analysis=analysis, **more)


def planned(given: Mapping[str, Any]) -> Plan:
    """What a spec means, where it is one that can work."""
    found = resolve(
        {"metadata": {"namespace": "inference", "generation": 1}, "spec": given},
        operator_version=OPERATOR_VERSION,
        default_gates=GATES,
        metrics=METRICS,
    )
    assert isinstance(found, Plan), found
    return found
