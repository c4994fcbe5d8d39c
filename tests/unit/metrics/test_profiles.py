"""What a profile reads is what a real server exposes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import pytest

from cutover.api.custom import CustomLatency, CustomMetrics
from cutover.api.gates import Gate
from cutover.api.quantities import parse_duration
from cutover.api.sides import Profile
from cutover.judge.distribution import Scale
from cutover.metrics.profiles import NAMES
from cutover.metrics.profiles.classic import KSERVE, MLSERVER
from cutover.metrics.profiles.defaults import DEFAULT_GATES, TELLS
from cutover.metrics.profiles.llm import VLLM
from cutover.metrics.profiles.names import Counter, Latency, Names
from cutover.metrics.quantities import ERRORS, REQUESTS, Asked, named_quantities, quantities

FIXTURES = Path(__file__).parents[2] / "fixtures"
SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


@dataclass
class Exposed:
    """A real server's /metrics: label sets and types by the name that a scrape stores."""

    samples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Exposed":
        """By hand: prometheus_client's parser adds _total to counters that have none."""
        found, families = cls(), dict[str, str]()
        for line in path.read_text().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                families[name] = kind
            elif sample := SAMPLE.match(line):
                name, labels = sample.groups()
                base = name if name in families else name.rsplit("_", 1)[0]
                found.samples.setdefault(name, []).append(dict(LABEL.findall(labels or "")))
                found.types[name] = families[base]
        return found


TEXTS = {
    "vllm": (VLLM, Exposed.read(FIXTURES / "metrics-vllm.txt")),
    "kserve": (KSERVE, Exposed.read(FIXTURES / "metrics-kserve.txt")),
    "mlserver": (MLSERVER, Exposed.read(FIXTURES / "metrics-mlserver.txt")),
}
UNSEEN = {"request_explain_seconds", 'finish_reason="error"'}
"""Nothing was explained while the text was taken; the simulator's spelling is not vLLM's."""


def selects(only: str, labels: Mapping[str, str]) -> bool:
    for name, operator, value in MATCHER.findall(only):
        matches = re.fullmatch(value, labels.get(name, "")) is not None
        if matches == operator.startswith("!"):
            return False
    return True


def counters(names: Names) -> list[Counter]:
    means = [one for mean in names.means.values() for one in (mean.seconds, mean.events)]
    return [*(one for group in names.requests for one in group), *names.errors, *means]


def told(part: str) -> Sequence[object]:
    """The counters, latencies or gauges of every profile of which there is a real text."""
    found = []
    for server, (names, exposed) in TEXTS.items():
        parts: Iterable[object] = {
            "counters": counters(names),
            "latencies": names.latencies.values(),
            "gauges": (*names.running, *names.waiting, *names.kv_cache[:1]),
        }[part]
        for one in parts:
            title = getattr(one, "metric", None) or getattr(one, "histogram", "")
            if title not in UNSEEN and getattr(one, "only", "") not in UNSEEN:
                found.append(pytest.param(one, exposed, id=f"{server} {title}"))
    return found


@pytest.mark.parametrize(("latency", "exposed"), told("latencies"))
def test_every_latency_is_a_histogram_of_the_server_with_these_edges(
    latency: Latency, exposed: Exposed
) -> None:
    name = f"{latency.histogram}_bucket"
    assert exposed.types[name] == "histogram"
    series = [labels for labels in exposed.samples[name] if selects(latency.only, labels)]
    edges = sorted({float(labels["le"]) for labels in series})
    assert edges == [*(round(edge / latency.unit, 9) for edge in latency.edges), inf]


def test_older_names_are_gone_from_the_server() -> None:
    older = [name for latency in VLLM.latencies.values() for name in latency.older]
    assert older
    assert not any(f"{name}_bucket" in TEXTS["vllm"][1].samples for name in older)


@pytest.mark.parametrize(("counter", "exposed"), told("counters"))
def test_every_counter_is_exposed_with_its_labels(counter: Counter, exposed: Exposed) -> None:
    assert exposed.types[counter.metric] in ("counter", "summary", "histogram")
    used = {name for name, *_ in MATCHER.findall(counter.only)}
    assert all(used <= labels.keys() for labels in exposed.samples[counter.metric])
    if "5.." not in counter.only:  # the server did not fail
        assert any(selects(counter.only, labels) for labels in exposed.samples[counter.metric])


@pytest.mark.parametrize(("counter", "exposed"), told("counters"))
def test_creation_times_carry_the_labels_of_their_counters(
    counter: Counter, exposed: Exposed
) -> None:
    if counter.created is not None:
        assert exposed.samples[counter.created] == exposed.samples[counter.metric]


@pytest.mark.parametrize(("gauge", "exposed"), told("gauges"))
def test_every_gauge_is_exposed(gauge: Counter, exposed: Exposed) -> None:
    assert exposed.types[gauge.metric] == "gauge"
    assert any(selects(gauge.only, labels) for labels in exposed.samples[gauge.metric])


@pytest.mark.parametrize("server", TEXTS)
def test_a_server_has_its_heartbeat_before_any_request(server: str) -> None:
    names, exposed = TEXTS[server]
    assert exposed.samples[names.heartbeat]


def test_what_has_no_counter_for_errors_is_known_to_have_none() -> None:
    exposed = TEXTS["kserve"][1]
    assert not [name for name in exposed.samples if "error" in name or "fail" in name]
    assert not TELLS[Profile.KSERVE].errors


def test_what_is_only_summed_up_has_no_histogram() -> None:
    exposed = TEXTS["mlserver"][1]
    for mean in MLSERVER.means.values():
        assert exposed.types[mean.seconds.metric] == "summary"
        assert f"{mean.seconds.metric.removesuffix('_sum')}_bucket" not in exposed.samples


def test_engine_errors_are_exposed_before_the_first_one() -> None:
    engine = VLLM.errors[1]
    exposed = TEXTS["vllm"][1].samples
    assert [one for one in exposed[engine.metric] if selects(engine.only, one)]


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
    ((http,), _) = VLLM.requests
    assert selects(http.only, labels) is counted
    assert not selects(http.only, labels | {"method": "GET"})


@pytest.mark.parametrize(
    ("status", "failed"),
    [("2xx", False), ("4xx", False), ("5xx", True), ("503", True)],
)
def test_the_servers_failures_are_errors_and_the_clients_are_not(
    status: str, *, failed: bool
) -> None:
    labels = {"method": "POST", "handler": "/v1/completions", "status": status}
    assert selects(VLLM.errors[0].only, labels) is failed


@pytest.mark.parametrize("profile", NAMES)
def test_default_gates_can_be_told_and_stand_on_bucket_edges(profile: Profile) -> None:
    known = TELLS[profile]
    for gate in DEFAULT_GATES[profile]:
        if gate.latency is None:
            continue
        assert gate.latency.metric in known.latencies
        edges = NAMES[profile].latencies[gate.latency.metric].edges
        threshold = parse_duration(gate.latency.threshold).total_seconds()
        if profile is Profile.TFSERVING:  # 10 µs times powers of 1.8: the nearest is 5 % away
            assert min(abs(edge / threshold - 1) for edge in edges) < 0.3
        elif edges:
            assert threshold in edges


def test_an_unknown_server_gets_the_error_rate_alone() -> None:
    assert [gate.name for gate in DEFAULT_GATES[Profile.CUSTOM]] == ["errors"]


def test_every_profile_has_gates_and_names() -> None:
    assert set(DEFAULT_GATES) == set(Profile)
    assert set(TELLS) == set(NAMES) == set(Profile) - {Profile.CUSTOM}
    assert all(isinstance(gate, Gate) for gates in DEFAULT_GATES.values() for gate in gates)


@pytest.mark.parametrize("profile", NAMES)
def test_a_profile_says_what_it_cannot_tell(profile: Profile) -> None:
    names, said = NAMES[profile], " ".join(NAMES[profile].cannot)
    assert names.errors or "Counts no errors" in said or "neither requests nor errors" in said
    assert names.latencies or "only means" in said or "no histogram" in said
    assert names.running or "running" in said


def test_custom_queries_get_their_matchers_and_keep_their_window_open() -> None:
    custom = CustomMetrics(
        requests="sum(increase(a_total{$matchers}[$window])) # all of them",
        errors='sum(increase(a_total{code="500",$matchers}[$window]))',
        latencies=[
            CustomLatency(metric="Wait", buckets="sum by (le) (increase(w_bucket{$matchers}[5m]))"),
            CustomLatency(metric="Idle", buckets="x"),
        ],
    )
    found = quantities(Profile.CUSTOM, custom, Asked(("Wait", "Unknown")), 'cluster="gke"')
    assert [one.name for one in found] == [REQUESTS, ERRORS, "Wait"]
    requests, errors, wait = found
    assert requests.expression == '(sum(increase(a_total{cluster="gke"}[$window])) # all of them\n)'
    assert errors.metrics == ("a_total",)
    assert wait.is_histogram
    assert wait.what == "spec.custom.latencies[Wait]"
    assert not errors.is_histogram


def test_distributions_are_told_apart_by_whether_they_have_an_order() -> None:
    assert TELLS[Profile.VLLM].distributions == {
        "OutputTokens": Scale.ORDERED,
        "PromptTokens": Scale.ORDERED,
        "FinishReason": Scale.CLASSES,
    }


def test_a_latency_that_no_profile_knows_is_left_out() -> None:
    found = quantities(Profile.VLLM, None, Asked(("Nonsense", "QueueTime")), 'a="b"')
    assert [one.name for one in found] == [REQUESTS, ERRORS, "QueueTime"]


def test_what_is_not_counted_is_not_asked() -> None:
    names = [one.name for one in named_quantities(KSERVE, Asked(), 'a="b"', "beat")]
    assert names == [REQUESTS]
    assert not named_quantities(NAMES[Profile.LLAMA_CPP], Asked(), 'a="b"', "beat")


def test_a_mean_is_asked_as_two_sums_also_of_a_histogram() -> None:
    asked = Asked(means=("EndToEnd", "InferenceTime"))
    found = {one.name: one for one in named_quantities(MLSERVER, asked, 'a="b"', "beat")}
    assert "rest_server_request_duration_seconds_sum" in found["EndToEnd.seconds"].expression
    assert "model_infer_request_duration_count" in found["InferenceTime.events"].expression


def test_a_histogram_in_other_units_is_asked_at_the_servers_own_edges() -> None:
    ray, tensorflow = NAMES[Profile.RAY], NAMES[Profile.TFSERVING]
    (_, _, latency) = named_quantities(ray, Asked(("EndToEnd",)), 'a="b"', "beat")
    assert 'le=~"500\\\\.0|500|' in latency.at([0.5, inf])
    (_, _, latency) = named_quantities(tensorflow, Asked(("EndToEnd",)), 'a="b"', "beat")
    assert 'le=~"18\\\\.0|18"' in latency.at([tensorflow.latencies["EndToEnd"].edges[1]])
