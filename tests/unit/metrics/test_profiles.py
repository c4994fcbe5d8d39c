"""What a profile reads is what a real server exposes."""

import re
from math import inf
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cutover.api.custom import CustomLatency, CustomMetrics
from cutover.api.gates import Gate
from cutover.api.quantities import parse_duration
from cutover.api.sides import Profile
from cutover.metrics.profiles import (
    DEFAULT_GATES,
    ERRORS,
    METRICS,
    NAMES,
    REQUESTS,
    VLLM,
    default_gates,
    quantities,
)

EXPOSITION = Path(__file__).parents[2] / "fixtures" / "metrics-vllm.txt"
Exposed = dict[str, list[dict[str, str]]]
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


@pytest.fixture(scope="module")
def exposed() -> Exposed:
    """A real vLLM 0.33 server's /metrics: label sets by sample name."""
    found: Exposed = {}
    for family in text_string_to_metric_families(EXPOSITION.read_text()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def selects(only: str, labels: dict[str, str]) -> bool:
    for name, operator, value in MATCHER.findall(only):
        matches = re.fullmatch(value, labels.get(name, "")) is not None
        if matches == operator.startswith("!"):
            return False
    return True


@pytest.mark.parametrize("name", VLLM.latencies)
def test_every_latency_is_a_histogram_of_the_server_with_these_edges(
    name: str, exposed: Exposed
) -> None:
    latency = VLLM.latencies[name]
    edges = [float(labels["le"]) for labels in exposed[f"{latency.histogram}_bucket"]]
    assert edges == [*latency.edges, inf]


def test_older_names_are_gone_from_the_server(exposed: Exposed) -> None:
    older = [name for latency in VLLM.latencies.values() for name in latency.older]
    assert older
    assert not any(f"{name}_bucket" in exposed for name in older)


def test_every_counter_is_exposed_with_its_labels(exposed: Exposed) -> None:
    for counter in VLLM.requests:
        assert any(selects(counter.only, labels) for labels in exposed[counter.metric]), counter
    for counter in VLLM.errors[:2]:
        used = {name for name, *_ in MATCHER.findall(counter.only)}
        assert all(used <= labels.keys() for labels in exposed[counter.metric]), counter


def test_engine_errors_are_exposed_before_the_first_one(exposed: Exposed) -> None:
    engine = VLLM.errors[1]
    assert [one for one in exposed[engine.metric] if selects(engine.only, one)]


def test_creation_times_carry_the_labels_of_their_counters(exposed: Exposed) -> None:
    created = [one for one in (*VLLM.requests, *VLLM.errors) if one.created]
    assert created
    for counter in created:
        assert counter.created is not None
        assert exposed[counter.created] == exposed[counter.metric]


@pytest.mark.parametrize(
    ("handler", "counted"),
    [
        ("/v1/chat/completions", True),
        ("/v1/embeddings", True),
        ("/tokenize", False),
        ("none", False),
    ],
)
def test_what_infers_is_counted_and_nothing_else(handler: str, *, counted: bool) -> None:
    labels = {"method": "POST", "handler": handler, "status": "2xx"}
    assert selects(VLLM.requests[0].only, labels) is counted
    assert not selects(VLLM.requests[0].only, labels | {"method": "GET"})


@pytest.mark.parametrize(
    ("status", "failed"),
    [("2xx", False), ("4xx", False), ("5xx", True), ("503", True)],
)
def test_the_servers_failures_are_errors_and_the_clients_are_not(
    status: str, *, failed: bool
) -> None:
    labels = {"method": "POST", "handler": "/v1/completions", "status": status}
    assert selects(VLLM.errors[0].only, labels) is failed


def test_default_gates_stand_on_bucket_edges() -> None:
    latencies = [gate.latency for gate in default_gates(Profile.VLLM) if gate.latency]
    assert {one.metric for one in latencies} == {"TimeToFirstToken", "TimePerOutputToken"}
    for one in latencies:
        threshold = parse_duration(one.threshold).total_seconds()
        assert threshold in VLLM.latencies[one.metric].edges


def test_an_unknown_server_gets_the_error_rate_alone() -> None:
    assert [gate.name for gate in default_gates(Profile.CUSTOM)] == ["errors"]


def test_every_profile_has_gates_and_names() -> None:
    assert set(DEFAULT_GATES) == set(Profile)
    assert set(METRICS) == set(NAMES) == set(Profile) - {Profile.CUSTOM}
    for profile, known in METRICS.items():
        asked = [gate.latency.metric for gate in DEFAULT_GATES[profile] if gate.latency]
        assert set(asked) <= set(known)
        assert all(isinstance(gate, Gate) for gate in DEFAULT_GATES[profile])


def test_custom_queries_get_their_matchers_and_keep_their_window_open() -> None:
    custom = CustomMetrics(
        requests="sum(increase(a_total{$matchers}[$window])) # all of them",
        errors='sum(increase(a_total{code="500",$matchers}[$window]))',
        latencies=[
            CustomLatency(metric="Wait", buckets="sum by (le) (increase(w_bucket{$matchers}[5m]))"),
            CustomLatency(metric="Idle", buckets="x"),
        ],
    )
    found = quantities(Profile.CUSTOM, custom, ["Wait", "Unknown"], 'cluster="gke"')
    assert [one.name for one in found] == [REQUESTS, ERRORS, "Wait"]
    requests, errors, wait = found
    assert requests.expression == '(sum(increase(a_total{cluster="gke"}[$window])) # all of them\n)'
    assert errors.metrics == ("a_total",)
    assert wait.is_histogram
    assert wait.what == "spec.custom.latencies[Wait]"
    assert not errors.is_histogram


def test_a_latency_that_no_profile_knows_is_left_out() -> None:
    found = quantities(Profile.VLLM, None, ["Nonsense", "QueueTime"], 'a="b"')
    assert [one.name for one in found] == [REQUESTS, ERRORS, "QueueTime"]
