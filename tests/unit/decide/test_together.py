"""Which routes a plan may move together, and which it refuses with a sentence."""

from typing import Any

import pytest

from cutover.decide.observation import Refusal
from cutover.decide.plan import resolve
from tests.fakes.plans import GATES, METRICS, OPERATOR_VERSION, spec

PAIR = {"sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
DNS = {"dnsName": "x.example", "sourceSetIdentifier": "a", "targetSetIdentifier": "b"}
GATEWAY = {"prometheus": {"address": "http://p:9090", "matchers": {"job": "envoy"}}}
NAMED = {"sourceMatchers": {"side": "a"}, "targetMatchers": {"side": "b"}}
SHADOW = [{"shadow": {"duration": "1m"}}, {"weight": 100}]


def refused(*more: dict[str, Any], **fields: Any) -> str:
    """What is said of routes beside the HTTPRoute llama-chat; empty: they may."""
    steps = fields.pop("steps", None)
    found = resolve(
        {
            "metadata": {"namespace": "inference", "generation": 1},
            "spec": spec(steps, traffic={"additionalRoutes": list(more), **fields}),
        },
        operator_version=OPERATOR_VERSION,
        default_gates=GATES,
        metrics=METRICS,
    )
    return found.message if isinstance(found, Refusal) else ""


def host(source: str, target: str) -> dict[str, Any]:
    both = {"sourceDestination": {"host": source}, "targetDestination": {"host": target}}
    return {"virtualService": {"name": "mesh", **both}}


@pytest.mark.parametrize(
    "more",
    [
        {"grpcRoute": {"name": "llama-chat", **PAIR}},
        {"contourHTTPProxy": {"name": "chat", **PAIR}},
        {"traefikService": {"name": "chat", **PAIR}},
        {"dnsEndpoint": {"name": "chat", **DNS}},
        {"nginxCanary": {"name": "canary"}},
        host("a", "b"),
        {
            "virtualService": {
                "name": "mesh",
                "sourceDestination": {"host": "a", "subset": "old"},
                "targetDestination": {"host": "a", "subset": "new"},
            }
        },
    ],
)
def test_routes_of_all_kinds_may_be_moved_together_and_shadowed_first(more: dict[str, Any]) -> None:
    assert refused(more) == ""
    assert refused(more, steps=SHADOW) == "", "whether each can mirror is told in preflight"


def test_a_route_that_is_named_twice_is_refused() -> None:
    assert "HTTPRoute llama-chat twice" in refused({"httpRoute": {"name": "llama-chat", **PAIR}})
    assert "Ingress canary twice" in refused(
        {"nginxCanary": {"name": "canary"}},
        {"albIngress": {"name": "canary", "action": "x", **_groups()}},
    )


def _groups() -> dict[str, Any]:
    return {"sourceBackend": {"serviceName": "a"}, "targetBackend": {"serviceName": "b"}}


def test_a_source_that_is_another_routes_target_is_refused() -> None:
    crossed = {"sourceBackend": {"name": "llama-chat-gke"}, "targetBackend": {"name": "c"}}
    said = refused({"httpRoute": {"name": "embed", **crossed}})
    assert "llama-chat-gke is the source of one route and the target of another" in said


@pytest.mark.parametrize(
    ("profile", "more", "named"),
    [
        ("Contour", {"dnsEndpoint": {"name": "dns", **DNS}}, "DNSEndpoint dns"),
        ("Contour", host("a", "b"), "VirtualService mesh"),
        ("Istio", host("a", "a"), "VirtualService mesh"),
        ("Traefik", {"nginxCanary": {"name": "canary"}}, "Ingress canary"),
    ],
)
def test_what_the_gateway_cannot_count_of_one_route_is_told(
    profile: str, more: dict[str, Any], named: str
) -> None:
    gateway = GATEWAY | {"profile": profile}
    said = refused(more, gateway=gateway)
    assert said.startswith(f"{named} does not say by which labels the metrics of {profile} tell")
    assert "set gateway.sourceMatchers and gateway.targetMatchers" in said
    assert refused(more, gateway=gateway | NAMED) == ""
    assert refused(more) == "", "the servers count"


def test_pairs_of_names_and_namespaces_are_nothing_that_istios_metrics_tell_at_once() -> None:
    istio = GATEWAY | {"profile": "Istio"}
    far = {"sourceBackend": {"name": "a", "namespace": "far"}, "targetBackend": {"name": "b"}}
    more = {"httpRoute": {"name": "embed", **far}}
    assert "in several namespaces" in refused(more, gateway=istio)
    assert refused(more, gateway=istio | NAMED) == ""
    assert refused({"httpRoute": {"name": "embed", **PAIR}}, gateway=istio) == ""
