"""One object of each kind of router, as its author wrote it, and what a rollout says of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cutover.api.traffic import Route, Traffic
from cutover.traffic.contour import HttpProxyLayout
from cutover.traffic.dnsendpoint import DnsEndpointLayout
from cutover.traffic.gatewayapi import gateway_layout
from cutover.traffic.ingress import AlbLayout, NginxLayout
from cutover.traffic.layout import Kind, Layout
from cutover.traffic.patching import PatchLayout
from cutover.traffic.traefik import TraefikLayout
from cutover.traffic.virtualservice import VirtualServiceLayout

Json = dict[str, Any]
PAIR: Json = {"sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
ALB = "alb.ingress.kubernetes.io/actions.chat"
NGINX = "nginx.ingress.kubernetes.io"
ALB_ACTION = """{ "Type":"forward",
  "ForwardConfig": {"TargetGroups": [
    {"ServiceName":"other","ServicePort":"80","Weight": 40},
    {"ServiceName":"a","ServicePort":"80","Weight":200}, {"ServicePort":80, "Weight":"0", "ServiceName":"b"}],
  "TargetGroupStickinessConfig":{"Enabled":false}}}"""


@dataclass(frozen=True)
class Routed:
    """An object (without a namespace) and the router that a rollout names for it."""

    field: str
    router: Json
    document: Json
    layout: Callable[[Any], Layout]

    @property
    def wanted(self) -> Route:
        return Traffic.model_validate({self.field: {"name": "chat", **self.router}}).route

    def made(self) -> Layout:
        return self.layout(self.wanted)


def _object(version: str, kind: str, spec: Json, annotations: Json | None = None) -> Json:
    metadata = {"name": "chat", **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _backends(**shared: Any) -> list[Json]:
    return [
        {"name": "b", "weight": 0, **shared},
        {"name": "c", "weight": 50, **shared},
        {"name": "a", "weight": 100, **shared},
    ]


def _ingress(service: str, annotations: Json) -> Json:
    port = {"name": "use-annotation"} if service == "chat" else {"number": 80}
    path = {
        "path": "/",
        "pathType": "Prefix",
        "backend": {"service": {"name": service, "port": port}},
    }
    rules = [{"host": "chat.example", "http": {"paths": [path]}}]
    return _object("networking.k8s.io/v1", "Ingress", {"rules": rules}, annotations)


_GATEWAY = "gateway.networking.k8s.io/v1"
_HEADER = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}
_SPLIT = [
    {"name": "first", "route": [{"destination": {"host": "else"}}]},
    {
        "match": [{"uri": {"prefix": "/v1"}}],
        "route": [
            {
                "destination": {"host": "b", "subset": "new"},
                "weight": 0,
                "headers": {"request": {"add": {"x": "y"}}},
            },
            {"destination": {"host": "a"}, "weight": 100},
        ],
        "timeout": "5s",
    },
]
_AT = "/spec/http/1/route"


def record(identifier: str, weight: int, **more: Any) -> Json:
    """A weighted record of chat.example."""
    return {
        "dnsName": "chat.example",
        "recordType": "CNAME",
        "recordTTL": 60,
        "setIdentifier": identifier,
        "targets": [f"{identifier}.example.net"],
        "providerSpecific": [
            {"name": "aws/evaluate-target-health", "value": "true"},
            {"name": "aws/weight", "value": str(weight)},
        ],
        **more,
    }


ROUTED = {
    "httpRoute": Routed(
        "httpRoute",
        PAIR,
        _object(
            _GATEWAY,
            "HTTPRoute",
            {
                "parentRefs": [{"name": "lab", "namespace": "lab-gateway"}],
                "rules": [
                    {"backendRefs": [{"name": "c", "port": 80}]},
                    {
                        "backendRefs": _backends(port=80, filters=[_HEADER]),
                        "timeouts": {"request": "0s"},
                    },
                ],
            },
        ),
        gateway_layout,
    ),
    "grpcRoute": Routed(
        "grpcRoute",
        PAIR,
        _object(
            _GATEWAY,
            "GRPCRoute",
            {
                "parentRefs": [{"name": "lab", "namespace": "lab-gateway"}],
                "rules": [
                    {
                        "matches": [{"method": {"service": "inference.GRPCInferenceService"}}],
                        "backendRefs": _backends(port=80),
                    }
                ],
            },
        ),
        gateway_layout,
    ),
    "virtualService": Routed(
        "virtualService",
        {
            "sourceDestination": {"host": "a"},
            "targetDestination": {"host": "b", "subset": "new"},
        },
        _object(
            "networking.istio.io/v1",
            "VirtualService",
            {
                "hosts": ["chat.example"],
                "gateways": ["mesh"],
                "http": _SPLIT,
                "tls": [
                    {
                        "match": [{"port": 443, "sniHosts": ["chat.example"]}],
                        "route": [
                            {"destination": {"host": "a", "port": {"number": 443}}, "weight": 100},
                            {"destination": {"host": "b", "subset": "new"}, "weight": 0},
                            {"destination": {"host": "c"}, "weight": 40},
                            {"destination": {"host": "a", "subset": "old"}, "weight": 40},
                        ],
                    }
                ],
                "tcp": [
                    {
                        "match": [{"port": 9000}],
                        "route": [
                            {"destination": {"host": "b", "subset": "new"}, "weight": 0},
                            {"destination": {"host": "a"}, "weight": 1},
                        ],
                    }
                ],
            },
        ),
        VirtualServiceLayout,
    ),
    "dnsEndpoint": Routed(
        "dnsEndpoint",
        {"dnsName": "chat.example", "sourceSetIdentifier": "a", "targetSetIdentifier": "b"},
        _object(
            "externaldns.k8s.io/v1alpha1",
            "DNSEndpoint",
            {
                "endpoints": [
                    record("a", 255),
                    record("a", 7, dnsName="other.example"),
                    record("b", 0, labels={"kept": "as it is"}),
                    record("b", 0, recordType="A", targets=["192.0.2.1"]),
                    record("c", 30, recordType="A", targets=["192.0.2.2"]),
                    record("a", 200, recordType="A", targets=["192.0.2.3"]),
                ]
            },
        ),
        DnsEndpointLayout,
    ),
    "contourHTTPProxy": Routed(
        "contourHTTPProxy",
        PAIR,
        _object(
            "projectcontour.io/v1",
            "HTTPProxy",
            {
                "virtualhost": {"fqdn": "chat.example"},
                "routes": [
                    {
                        "conditions": [{"prefix": "/v1"}],
                        "services": [
                            *_backends(port=80),
                            {"name": "b", "port": 80, "mirror": True, "weight": 10},
                        ],
                        "timeoutPolicy": {"response": "infinity"},
                    },
                    {"conditions": [{"prefix": "/"}], "services": [{"name": "c", "port": 80}]},
                ],
            },
        ),
        HttpProxyLayout,
    ),
    "traefikService": Routed(
        "traefikService",
        PAIR,
        _object(
            "traefik.io/v1alpha1",
            "TraefikService",
            {
                "weighted": {
                    "services": _backends(port=80, kind="Service"),
                    "sticky": {"cookie": {"name": "x"}},
                }
            },
        ),
        TraefikLayout,
    ),
    "albIngress": Routed(
        "albIngress",
        {
            "action": "chat",
            "sourceBackend": {"serviceName": "a", "servicePort": "80"},
            "targetBackend": {"serviceName": "b"},
        },
        _ingress("chat", {ALB: ALB_ACTION, "kept": "as it is"}),
        AlbLayout,
    ),
    "nginxCanary": Routed(
        "nginxCanary",
        {},
        _ingress(
            "b",
            {
                f"{NGINX}/canary": "true",
                f"{NGINX}/canary-weight": "0",
                f"{NGINX}/canary-weight-total": "1000",
            },
        ),
        NginxLayout,
    ),
    "patch": Routed(
        "patch",
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "scale": 100,
            "source": {
                "pointer": f"{_AT}/1/weight",
                "tests": [{"pointer": f"{_AT}/1/destination/host", "value": "a"}],
            },
            "target": {
                "pointer": f"{_AT}/0/weight",
                "tests": [
                    {"pointer": f"{_AT}/0/destination/host", "value": "b"},
                    {"pointer": f"{_AT}/0/destination/subset", "value": "new"},
                ],
            },
        },
        _object(
            "networking.istio.io/v1", "VirtualService", {"hosts": ["chat.example"], "http": _SPLIT}
        ),
        lambda wanted: PatchLayout(
            wanted, Kind("networking.istio.io", "v1", "virtualservices", "VirtualService")
        ),
    ),
    "patch of text": Routed(
        "patch",
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "inside": "/data/split.json",
            "source": {"pointer": "/old/percent"},
            "target": {"pointer": "/new/0", "tests": [{"pointer": "/name", "value": "chat"}]},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "chat"},
            "data": {
                "split.json": '{"name":"chat", "old":{"percent":100},  "new":["0"],"keep":1.50}',
                "other": "x",
            },
        },
        lambda wanted: PatchLayout(wanted, Kind("", "v1", "configmaps", "ConfigMap")),
    ),
}


def bytes_of(document: Json) -> str:
    """To be compared: keys in their order, nothing left out."""
    return json.dumps(document)
