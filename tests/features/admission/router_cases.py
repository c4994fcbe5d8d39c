"""Cases of the routers: exactly one, and in each two backends that differ."""

from typing import Any

from tests.features.admission.case import Case
from tests.features.admission.rollouts import Json, merged, spec

ROUTE: Json = {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
BOTH = "sourceBackend and targetBackend name the same backend: name two"
PATCH: Json = {
    "apiVersion": "split.example/v1",
    "kind": "Split",
    "name": "chat",
    "source": {"pointer": "/spec/old"},
    "target": {"pointer": "/spec/new"},
}
CLUSTER = 'envoy_cluster_name="x"'


def router(field: str, value: Any, **traffic: Any) -> Json:
    """Instead of the HTTPRoute."""
    return spec({"traffic": {"httpRoute": None, field: value, **traffic}})


def pair(field: str, source: Json, target: Json, **more: Any) -> Json:
    both = {
        "name": "chat",
        "sourceBackend": {"name": "chat"} | source,
        "targetBackend": {"name": "chat"} | target,
    }
    return router(field, both | more)


def gateway_route(field: str) -> Case:
    """A route of Gateway API: HTTPRoute or GRPCRoute."""
    return Case(
        f"equal backends of {field}",
        f"spec.traffic.{field}",
        BOTH,
        [
            pair(field, {}, {}),
            pair(field, {"kind": "Service"}, {}),
            pair(field, {"group": ""}, {}),
            pair(field, {"port": 8000}, {}),
            pair(field, {"port": 8000}, {"port": 8000}),
            pair(field, {"namespace": "a", "kind": "X"}, {"namespace": "a", "kind": "X"}),
        ],
        [
            pair(field, {}, {"name": "other"}),
            pair(field, {"namespace": "a"}, {"namespace": "b"}),
            pair(field, {}, {"namespace": "b"}),
            pair(field, {}, {"group": "multicluster.x-k8s.io", "kind": "ServiceImport"}),
            pair(field, {"kind": "Backend"}, {}),
            pair(field, {"port": 8000}, {"port": 8001}),
        ],
    )


def alb(source: Json, target: Json) -> Json:
    groups = {"sourceBackend": source, "targetBackend": target}
    return router("albIngress", {"name": "chat", "action": "chat", **groups})


def alb_side(side: str) -> Case:
    def group(value: Json) -> Json:
        groups = {"sourceBackend": {"serviceName": "a"}, "targetBackend": {"serviceName": "b"}}
        return alb(**{k.removesuffix("Backend"): v for k, v in (groups | {side: value}).items()})

    arn = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/chat/1"
    return Case(
        f"a target group by name or by ARN: {side}",
        f"spec.traffic.albIngress.{side}",
        "name the target group by serviceName or by targetGroupARN, and not by both",
        [group({"serviceName": "c", "targetGroupARN": arn}), group({"servicePort": "80"})],
        [group({"serviceName": "c", "servicePort": "80"}), group({"targetGroupARN": arn})],
    )


def patch(edit: Json) -> Json:
    return router("patch", merged(PATCH, edit))


def accepted(**given: str) -> Json:
    return patch({"accepted": given})


def placed(field: str, target: str, sentence: str, inside: bool = True) -> Case:
    """Where a number may stand."""

    def at(pointer: str, **more: Any) -> Json:
        if field == "inside":
            return patch({"inside": pointer})
        return patch({field.partition(".")[0]: {"pointer": pointer}, **more})

    return Case(
        f"where a patch writes: {field}",
        "spec.traffic.patch",
        sentence,
        [at(pointer) for pointer in ("/status/weight", "/metadata/name", "/metadata", "/kind")],
        [
            *(at(p) for p in ("/spec/weights/0", "/metadata/annotations/a~1b", "/data/weight")),
            *([at("/status", inside="/metadata/annotations/x")] if inside else []),
        ],
        f"spec.traffic.patch.{target}",
    )


GATEWAY_HERE = {
    "profile": "Traefik",
    "prometheus": {"address": "http://p:9090", "matchers": {"a": "b"}},
}
NAMED = {"sourceMatchers": {"service": "a"}, "targetMatchers": {"service": "b"}}

ROUTERS: list[Case] = [
    Case(
        "exactly one route",
        "spec.traffic",
        "name exactly one route whose weights are moved: httpRoute, grpcRoute, virtualService, dnsEndpoint,",
        [spec({"traffic": {"httpRoute": None}}), spec({"traffic": {"grpcRoute": ROUTE}})],
        [
            router("grpcRoute", ROUTE),
            router("contourHTTPProxy", ROUTE),
            router("traefikService", ROUTE),
            router("nginxCanary", {"name": "chat-canary"}),
            router("patch", PATCH),
        ],
    ),
    Case(
        "a gateway whose series nobody can name",
        "spec.traffic",
        "this route does not say by which labels the gateway's metrics tell its two sides apart",
        [router("patch", PATCH, gateway=GATEWAY_HERE)],
        [
            router("patch", PATCH, gateway=GATEWAY_HERE | NAMED),
            router("traefikService", ROUTE, gateway=GATEWAY_HERE),
        ],
    ),
    gateway_route("httpRoute"),
    gateway_route("grpcRoute"),
    Case(
        "equal services of an HTTPProxy",
        "spec.traffic.contourHTTPProxy",
        BOTH,
        [
            pair("contourHTTPProxy", {}, {}),
            pair("contourHTTPProxy", {"port": 80}, {}),
            pair("contourHTTPProxy", {"port": 80}, {"port": 80}),
        ],
        [
            pair("contourHTTPProxy", {}, {"name": "other"}),
            pair("contourHTTPProxy", {"port": 80}, {"port": 81}),
        ],
    ),
    Case(
        "equal services of a TraefikService",
        "spec.traffic.traefikService",
        BOTH,
        [
            pair("traefikService", {}, {}),
            pair("traefikService", {"kind": "Service"}, {"port": 80}),
            pair("traefikService", {"namespace": "a"}, {"namespace": "a"}),
        ],
        [
            pair("traefikService", {}, {"name": "other"}),
            pair("traefikService", {}, {"kind": "TraefikService"}),
            pair("traefikService", {"namespace": "a"}, {}),
            pair("traefikService", {"port": 80}, {"port": 81}),
        ],
    ),
    Case(
        "equal target groups",
        "spec.traffic.albIngress",
        "sourceBackend and targetBackend are the same target group: name two",
        [alb({"serviceName": "a"}, {"serviceName": "a"})],
        [
            alb({"serviceName": "a"}, {"serviceName": "b"}),
            alb(
                {"serviceName": "a", "servicePort": "80"}, {"serviceName": "a", "servicePort": "81"}
            ),
        ],
    ),
    alb_side("sourceBackend"),
    alb_side("targetBackend"),
    Case(
        "what a target's number alone is a share of",
        "spec.traffic.patch",
        "without source only the target's number is written: say in scale what 100 % is in it",
        [patch({"source": None})],
        [patch({"source": None, "scale": 100}), patch({})],
    ),
    Case(
        "one number for both sides",
        "spec.traffic.patch",
        "source and target are the same number: name two",
        [patch({"source": {"pointer": "/spec/new"}})],
        [patch({"source": {"pointer": "/spec/newer"}})],
    ),
    placed(
        "target", "target.pointer", "target must be a number of the spec, an annotation or a label"
    ),
    placed(
        "source", "source.pointer", "source must be a number of the spec, an annotation or a label"
    ),
    placed(
        "inside",
        "inside",
        "inside must be a string of the spec, an annotation or a label",
        inside=False,
    ),
    Case(
        "how a patched object is accepted",
        "spec.traffic.patch.accepted",
        "name a condition, or a pointer and the value expected there, and not both",
        [
            accepted(condition="Ready", pointer="/status/phase", value="x"),
            accepted(observedGeneration="/a"),
        ],
        [accepted(condition="Ready"), accepted(pointer="/status/phase", value="Active")],
    ),
    Case(
        "a pointer and what stands there",
        "spec.traffic.patch.accepted",
        "pointer and value belong together: set both, or neither",
        [accepted(pointer="/status/phase"), accepted(condition="Ready", value="True")],
        [accepted(pointer="/status/phase", value="Active")],
    ),
]
