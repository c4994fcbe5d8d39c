"""What the gateway counts: by which labels backends are told apart, and what is made of both vantage points."""

import re
from math import inf
from typing import Any

import pytest

from cutover.api.dns import DnsEndpoint
from cutover.api.gates import Gate
from cutover.api.istio import VirtualService
from cutover.api.routes import BackendRef, GrpcRoute, HttpRoute
from cutover.api.traffic import Gateway, Route
from cutover.decide.readings import Gap, Missing, SideReading
from cutover.judge.histogram import Buckets
from cutover.metrics.answers import Answer, Vector
from cutover.metrics.gateway import BothVantages, GatewayMetrics, backend_matchers
from cutover.metrics.joined import Place
from cutover.metrics.profiles.gateways import ENVOY, GATEWAYS
from tests.unit.metrics.test_joined import FRESH, NOW, FakePool, buckets, metrics, rows
from tests.unit.metrics.test_profiles import FIXTURES, Exposed, selects

ROUTE = HttpRoute(
    name="chat",
    source_backend=BackendRef(name="chat-source", port=18001),
    target_backend=BackendRef(name="chat.gke", namespace="models"),
)
GATEWAY = {"prometheus": {"address": "http://p:9090", "matchers": {"job": "envoy"}}}
LATENCY = {"metric": "EndToEnd", "threshold": "500ms", "maxAbove": "5%", "margin": "2.5%"}
JUDGED = [
    Gate.model_validate({"name": "slow", "latency": LATENCY | {"vantage": "Gateway"}}),
    Gate.model_validate(
        {"name": "errors", "errorRate": {"max": "1%", "ratio": "2", "vantage": "Gateway"}}
    ),
]


def gateway(profile: str, **more: Any) -> Gateway:
    return Gateway.model_validate(GATEWAY | {"profile": profile} | more)


@pytest.mark.parametrize(
    ("profile", "name", "label", "same", "others"),
    [
        ("Contour", "source", "envoy_cluster_name", ["inference_chat-source_18001"], []),
        (
            "Contour",
            "target",
            "envoy_cluster_name",
            ["models_chat.gke_8000"],
            ["models_chatXgke_8000", "models_chat.gke_", "other_models_chat.gke_8000"],
        ),
        ("Istio", "source", "destination_service_name", ["chat-source"], ["chat"]),
        ("Istio", "target", "destination_service_namespace", ["models"], ["inference"]),
        (
            "Traefik",
            "source",
            "service",
            [
                "inference-chat-source-18001@kubernetescrd",
                "inference-chat-source-http-18001@kubernetesgateway",
                "httproute-svc-inference-chat-source-18001@kubernetesgateway",
            ],
            ["inference-chat-source-18002@kubernetescrd", "inference-chat-18001@kubernetescrd"],
        ),
    ],
)
def test_backends_are_told_apart_by_the_gateways_own_label(
    profile: str, name: str, label: str, same: list[str], others: list[str]
) -> None:
    written = backend_matchers(gateway(profile), [ROUTE], "inference", name=name)
    (pattern,) = re.findall(rf'{label}=~?"([^"]*)"', written)
    pattern = pattern.replace("\\\\", "\\")
    if f'{label}="' in written:
        pattern = re.escape(pattern)
    assert all(re.fullmatch(pattern, one) for one in same)
    assert not any(re.fullmatch(pattern, one) for one in others)


CHAT = BackendRef(name="chat", port=80)
GKE = BackendRef(name="chat-gke")
TOGETHER: list[Route] = [
    HttpRoute(name="chat", source_backend=CHAT, target_backend=GKE),
    GrpcRoute(name="chat", source_backend=CHAT, target_backend=GKE),
    HttpRoute(
        name="embed",
        source_backend=BackendRef(name="embed", port=81),
        target_backend=BackendRef(name="embed-gke", namespace="far"),
    ),
]
"""Two kinds of route to the same backends, and one to others."""


@pytest.mark.parametrize(
    ("profile", "name", "label", "same", "others"),
    [
        (
            "Contour",
            "source",
            "envoy_cluster_name",
            ["here_chat_80", "here_embed_81"],
            ["here_chat_81", "here_chat-gke_80", "here_embed_810"],
        ),
        (
            "Contour",
            "target",
            "envoy_cluster_name",
            ["here_chat-gke_8000", "far_embed-gke_81"],
            ["here_embed-gke_81", "here_chat_80"],
        ),
        ("Istio", "source", "destination_service_name", ["chat", "embed"], ["chat-gke"]),
        ("Istio", "source", "destination_service_namespace", ["here"], ["far"]),
        (
            "Traefik",
            "source",
            "service",
            ["here-chat-80@kubernetescrd", "a-here-embed-http-81@kubernetesgateway"],
            ["here-chat-81@kubernetescrd", "here-chat-gke-80@kubernetescrd"],
        ),
    ],
)
def test_what_several_routes_lead_to_is_counted_together_and_each_backend_once(
    profile: str, name: str, label: str, same: list[str], others: list[str]
) -> None:
    written = backend_matchers(gateway(profile), TOGETHER, "here", name=name)
    (pattern,) = re.findall(rf'{label}=~?"([^"]*)"', written)
    pattern = pattern.replace("\\\\", "\\")
    assert all(re.fullmatch(pattern, one) for one in same)
    assert not any(re.fullmatch(pattern, one) for one in others)
    pair = backend_matchers(gateway(profile), TOGETHER[:2], "here", name=name)
    assert pair == backend_matchers(gateway(profile), TOGETHER[:1], "here", name=name)


def test_labels_that_are_named_go_before_what_the_route_says() -> None:
    own = {"sourceMatchers": {"service": "a"}, "targetMatchers": {"service": "b"}}
    assert backend_matchers(gateway("Traefik", **own), [ROUTE], "x", name="target") == 'service="b"'


def test_a_virtualservice_names_services_of_the_cluster_and_hosts_of_others() -> None:
    named = {
        "name": "chat",
        "sourceDestination": {"host": "chat.models.svc.cluster.local"},
        "targetDestination": {"host": "chat.gke.mesh.internal"},
    }
    route = VirtualService.model_validate(named)
    assert [
        backend_matchers(gateway("Istio"), [route], "inference", name=name)
        for name in ("source", "target")
    ] == [
        'destination_service_name="chat",destination_service_namespace="models"',
        'destination_service_name="chat.gke.mesh.internal",destination_service_namespace="inference"',
    ]


def test_a_name_in_dns_needs_labels_that_are_named() -> None:
    named = {"name": "chat", "dnsName": "c.example", "sourceSetIdentifier": "a"}
    route = DnsEndpoint.model_validate(named | {"targetSetIdentifier": "b"})
    own = {"sourceMatchers": {"side": "a"}, "targetMatchers": {"side": "b"}}
    assert backend_matchers(gateway("Contour", **own), [route], "x", name="source") == 'side="a"'


def test_envoys_names_are_those_of_a_real_envoy() -> None:
    exposed = Exposed.read(FIXTURES / "metrics-envoy.txt")
    counters = [*(one for group in ENVOY.requests for one in group), *ENVOY.errors]
    for counter in counters:
        assert exposed.types[counter.metric] == "counter"
        used = set(re.findall(r"(\w+)=", counter.only))
        assert all(used <= labels.keys() for labels in exposed.samples[counter.metric])
    assert selects(ENVOY.errors[0].only, {"envoy_response_code": "503"})
    latency = ENVOY.latencies["EndToEnd"]
    series = exposed.samples[f"{latency.histogram}_bucket"]
    edges = sorted({float(labels["le"]) for labels in series})
    assert edges == [*(round(edge / latency.unit, 9) for edge in latency.edges), inf]
    assert all("envoy_cluster_name" in labels for labels in exposed.samples[ENVOY.heartbeat])


class Two(FakePool):
    """One answer for the servers' questions and one for the gateway's."""

    def __init__(self, servers: Answer, gateway: Answer) -> None:
        super().__init__(lambda text: gateway if "envoy_cluster" in text else servers)


def both(pool: FakePool, *, count: bool = True) -> BothVantages:
    where = gateway("Contour")
    seen = GatewayMetrics(
        where,
        backend_matchers(where, [ROUTE], "inference", name="target"),
        Place(where.prometheus, "chat", pool),  # type: ignore[arg-type]
        JUDGED,
    )
    return BothVantages(metrics(pool, gates=JUDGED), seen, servers_count=count)


SERVERS = Vector(
    (
        *rows(("Requests", "30s", 90.0), ("Errors", "30s", 1.0), **FRESH),
        *buckets("EndToEnd", "30s", {"1.0": 80.0, "+Inf": 90.0}),
    ),
    NOW,
)
SEEN = Vector(
    (
        *rows(("Requests", "30s", 100.0), ("Errors", "30s", 10.0), ("Sent", "30s", 102.0), **FRESH),
        *buckets("EndToEnd", "30s", {"500": 60.0, "1000": 90.0, "+Inf": 100.0}),
    ),
    NOW,
)


async def look(one: BothVantages) -> SideReading:
    reading = await one.look((30,))
    assert isinstance(reading, SideReading)
    return reading


async def test_a_window_is_told_as_the_servers_and_as_the_gateway_saw_it() -> None:
    pool = Two(SERVERS, SEEN)
    reading = await look(both(pool))
    (window,) = reading.windows
    assert (window.requests, window.errors) == (90.0, 1.0)
    assert not isinstance(window.gateway, Gap)
    assert window.gateway is not None
    assert (window.gateway.requests, window.gateway.errors) == (100.0, 10.0)
    assert window.gateway.sent == 102.0
    assert window.gateway.latencies["EndToEnd"] == Buckets((0.5, 1.0, inf), (60.0, 90.0, 100.0))
    assert "envoy_cluster_upstream_rq_time_bucket" in reading.queries["Gateway.EndToEnd"]
    assert len(pool.asked) == 2


async def test_of_servers_that_do_not_count_the_gateways_counts_are_read() -> None:
    (window,) = (await look(both(Two(SERVERS, SEEN), count=False))).windows
    assert (window.requests, window.errors) == (100.0, 10.0)


async def test_a_gateway_that_tells_nothing_costs_its_own_gates_alone() -> None:
    gone = Gap(Missing.UNREACHABLE, "http://p:9090 cannot be reached")
    (window,) = (await look(both(Two(SERVERS, gone)))).windows
    assert window.requests == 90.0
    assert window.gateway == Gap(Missing.UNREACHABLE, f"at the gateway: {gone.message}")


async def test_servers_that_tell_nothing_are_not_read_at_all() -> None:
    gone = Gap(Missing.UNAUTHORISED, "http://p:9090 refused our credentials")
    assert await both(Two(gone, SEEN)).look((30,)) == gone


@pytest.mark.parametrize("profile", GATEWAYS)
def test_every_gateway_tells_a_whole_request_and_its_failures(profile: Any) -> None:
    names = GATEWAYS[profile].names
    assert list(names.latencies) == ["EndToEnd"]
    assert names.requests
    assert names.errors
