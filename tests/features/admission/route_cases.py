"""The rules about the mesh's and DNS' kinds of route."""

from tests.features.admission.case import Case
from tests.features.admission.rollouts import Json, spec

VIRTUAL_SERVICE = {
    "name": "chat",
    "sourceDestination": {"host": "a"},
    "targetDestination": {"host": "b"},
}
DNS_ENDPOINT = {
    "name": "chat",
    "dnsName": "chat.example.com",
    "sourceSetIdentifier": "onprem",
    "targetSetIdentifier": "gke",
}
CONTOUR = {
    "profile": "Contour",
    "prometheus": {"address": "http://p", "matchers": {"job": "envoy"}},
}
ISTIO = CONTOUR | {"profile": "Istio"}
MATCHERS = {"sourceMatchers": {"side": "a"}, "targetMatchers": {"side": "b"}}


def traffic(**fields: Json) -> Json:
    return spec({"traffic": {"httpRoute": None, **fields}})


def destinations(source: Json, target: Json) -> Json:
    both = {
        "sourceDestination": {"host": "a"} | source,
        "targetDestination": {"host": "a"} | target,
    }
    return traffic(virtualService=VIRTUAL_SERVICE | both)


ROUTES: list[Case] = [
    Case(
        "equal destinations",
        "spec.traffic.virtualService",
        "sourceDestination and targetDestination name the same destination: give them two hosts",
        [
            destinations({}, {}),
            destinations({"subset": "x"}, {"subset": "x"}),
            destinations({"port": 80}, {}),
            destinations({"subset": "x", "port": 80}, {"subset": "x", "port": 80}),
        ],
        [
            destinations({}, {"host": "b"}),
            destinations({"subset": "x"}, {"subset": "y"}),
            destinations({}, {"subset": "y"}),
            destinations({"subset": "x"}, {}),
            destinations({"port": 80}, {"port": 81}),
        ],
    ),
    Case(
        "equal records",
        "spec.traffic.dnsEndpoint",
        "sourceSetIdentifier and targetSetIdentifier are equal",
        [traffic(dnsEndpoint=DNS_ENDPOINT | {"targetSetIdentifier": "onprem"})],
        [
            traffic(dnsEndpoint=DNS_ENDPOINT),
            traffic(dnsEndpoint=DNS_ENDPOINT | {"recordType": "A"}),
        ],
    ),
    Case(
        "gateway metrics of a route that does not tell its sides apart",
        "spec.traffic",
        "this route does not say by which labels the gateway's metrics tell its two sides apart",
        [
            traffic(dnsEndpoint=DNS_ENDPOINT, gateway=CONTOUR),
            traffic(virtualService=VIRTUAL_SERVICE, gateway=CONTOUR),
            traffic(
                virtualService=VIRTUAL_SERVICE
                | {
                    "sourceDestination": {"host": "a", "subset": "x"},
                    "targetDestination": {"host": "a", "subset": "y"},
                },
                gateway=ISTIO,
            ),
        ],
        [
            traffic(virtualService=VIRTUAL_SERVICE, gateway=ISTIO),
            traffic(virtualService=VIRTUAL_SERVICE, gateway=CONTOUR | MATCHERS),
            traffic(dnsEndpoint=DNS_ENDPOINT, gateway=CONTOUR | MATCHERS),
        ],
    ),
]
