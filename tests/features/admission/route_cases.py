"""The rules about the mesh's and DNS' kinds of route."""

from dataclasses import replace

from cutover.api.traffic import ROUTERS as KINDS
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
HTTP_ROUTE: Json = {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
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


def together(*more: Json, **first: Json) -> Json:
    """Routes that are moved with the first."""
    return spec(
        {
            "traffic": {"httpRoute": None, **(first or {"httpRoute": HTTP_ROUTE})}
            | {"additionalRoutes": list(more)}
        }
    )


def beside(kind: str, **changed: Json) -> Json:
    return together({kind: HTTP_ROUTE | {"name": "embed"} | changed})


TOGETHER: list[Case] = [
    Case(
        "an additional route of no kind, or of two",
        "spec.traffic.additionalRoutes[]",
        "name exactly one route in each entry: httpRoute, grpcRoute, virtualService",
        [together({}), together({"httpRoute": HTTP_ROUTE, "grpcRoute": HTTP_ROUTE})],
        [
            *(beside(kind) for kind in ("grpcRoute", "httpRoute", "contourHTTPProxy")),
            together({"grpcRoute": HTTP_ROUTE}, dnsEndpoint=DNS_ENDPOINT),
            together({"virtualService": VIRTUAL_SERVICE}, contourHTTPProxy=HTTP_ROUTE),
            together({"dnsEndpoint": DNS_ENDPOINT}, httpRoute=HTTP_ROUTE),
        ],
        "spec.traffic.additionalRoutes[]",
    ),
]


def as_additional(case: Case) -> Case:
    """The rule of one kind of route where such a route is moved with another."""
    carrier = case.carrier.replace("spec.traffic.", "spec.traffic.additionalRoutes[].", 1)
    blamed = case.blamed.replace("spec.traffic.", "spec.traffic.additionalRoutes[].", 1)
    kind = case.carrier.split(".")[2]

    def moved(edit: Json) -> Json:
        return together({kind: edit["spec"]["traffic"][kind]}, httpRoute=HTTP_ROUTE)

    refused, admitted = ([moved(one) for one in edits] for edits in (case.refused, case.admitted))
    named = f"{case.id}, of an additional route"
    return replace(
        case, id=named, carrier=carrier, blamed=blamed, refused=refused, admitted=admitted
    )


def is_of_one_kind(case: Case) -> bool:
    return any(f"{case.carrier}.".startswith(f"spec.traffic.{kind}.") for kind in KINDS)


ROUTES: list[Case] = [
    *TOGETHER,
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
