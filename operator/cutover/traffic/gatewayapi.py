"""PURE: HTTPRoute and GRPCRoute of Gateway API: where they name the two backends.

Two references mean the same backend when name, group, kind, namespace and port agree, with Gateway
API's defaults filled in; a port that the rollout does not name may be any. So a backend may be a
Service, a ServiceImport, an InferencePool or any other kind that the gateway knows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.api.routes import BackendRef, GatewayRoute, GrpcRoute
from cutover.traffic.acceptance import refusal
from cutover.traffic.layout import (
    Found,
    Kind,
    Object,
    Place,
    Problem,
    weights_written,
)
from cutover.traffic.limits import own_limit
from cutover.traffic.listed import Rule, Spelling, Wanted, find_places
from cutover.traffic.mirroring import Mirroring
from cutover.traffic.requestmirror import cannot_copy_calls, ignores_percent, spots

_IDENTIFYING = ("group", "kind", "name", "namespace", "port")


@dataclass(frozen=True, slots=True)
class GatewayLayout:
    """A route of Gateway API: the rules' backendRefs carry the weights."""

    kind: Kind
    wanted: GatewayRoute
    owned = ("f:spec", "f:rules")

    def find(self, seen: Object) -> Found:
        """Read the rules that name both backends, and what every parent says of the route."""
        rules = (seen.get("spec") or {}).get("rules") or ()
        namespace = seen["metadata"]["namespace"]
        places, problem = find_in_rules(rules, self.wanted, namespace)
        filters = spots(
            rules,
            [place.rule for place in places],
            lambda one: is_same(one, self.wanted.target_backend, namespace),
        )
        refused = cannot_copy_calls(seen) if self.kind.name == GrpcRoute.kind else None
        mirroring = Mirroring(filters, refusal=refused, coarse=ignores_percent(seen))
        unlimited = self.kind.name == "HTTPRoute" and any(
            not rules[place.rule].get("timeouts") for place in places
        )
        limit = own_limit(seen) if unlimited else None
        return Found(places, problem, refusal(seen), mirroring=mirroring, answer_limit=limit)

    numbers = staticmethod(weights_written)


def gateway_layout(wanted: GatewayRoute) -> GatewayLayout:
    """Return the layout of the kind that was named."""
    kind = Kind(
        "gateway.networking.k8s.io",
        "v1",
        f"{wanted.kind.lower()}s",
        wanted.kind,
        "install Gateway API",
    )
    return GatewayLayout(kind, wanted)


def find_in_rules(
    rules: Sequence[Mapping[str, Any]], wanted: GatewayRoute, namespace: str
) -> tuple[tuple[Place, ...], Problem | None]:
    """Return the rules that name both backends, and the first problem."""
    read = [
        Rule(
            ("spec", "rules", index, "backendRefs"),
            rule.get("backendRefs") or (),
            rule.get("name") or "",
        )
        for index, rule in enumerate(rules)
    ]
    source = _wanted(wanted.source_backend, "sourceBackend", namespace)
    target = _wanted(wanted.target_backend, "targetBackend", namespace)
    spelling = Spelling(wanted.field, "backendRefs", _IDENTIFYING, absent=1)
    return find_places(read, (source, target), spelling, wanted.rules)


def describe(backend: BackendRef, namespace: str) -> str:
    """Name a backend as a person would: ``Service llama-chat`` with what is not the default."""
    place = f"{backend.namespace}/" if backend.namespace not in (None, namespace) else ""
    port = f" port {backend.port}" if backend.port is not None else ""
    return f"{backend.kind or 'Service'} {place}{backend.name}{port}"


def _wanted(backend: BackendRef, field: str, namespace: str) -> Wanted:
    return Wanted(describe(backend, namespace), field, lambda one: is_same(one, backend, namespace))


def is_same(reference: Mapping[str, Any], backend: BackendRef, namespace: str) -> bool:
    """Tell whether a reference of the route means that backend."""
    return (
        reference.get("name") == backend.name
        and (reference.get("group") or "") == (backend.group or "")
        and (reference.get("kind") or "Service") == (backend.kind or "Service")
        and (reference.get("namespace") or namespace) == (backend.namespace or namespace)
        and backend.port in (None, reference.get("port"))
    )
