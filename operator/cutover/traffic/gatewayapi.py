"""PURE: HTTPRoute and GRPCRoute of Gateway API: where they name the two backends.

Two references mean the same backend when name, group, kind, namespace and port agree, with Gateway
API's defaults filled in; a port that the rollout does not name may be any. So a backend may be a
Service, a ServiceImport, an InferencePool or any other kind that the gateway knows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.api.routes import BackendRef, GatewayRoute
from cutover.decide.route import RuleWeights
from cutover.traffic.acceptance import refusal
from cutover.traffic.coverage import Named, Words, problem
from cutover.traffic.layout import (
    RULE_NOT_COVERED,
    Entry,
    Found,
    Kind,
    Object,
    Operation,
    Place,
    Problem,
    pointer,
    weights_written,
)
from cutover.traffic.mirroring import Mirroring
from cutover.traffic.requestmirror import ignores_percent, spots

_IDENTIFYING = ("group", "kind", "name", "namespace", "port")


@dataclass(frozen=True, slots=True)
class GatewayLayout:
    """A route of Gateway API: the rules' backendRefs carry the weights."""

    kind: Kind
    wanted: GatewayRoute
    owned = ("f:spec", "f:rules")

    @property
    def name(self) -> str:
        """Name of the route."""
        return self.wanted.name

    @property
    def field(self) -> str:
        """Where a spec names it."""
        return self.wanted.field

    def find(self, seen: Object) -> Found:
        """Read the rules that name both backends, and what every parent says of the route."""
        rules = (seen.get("spec") or {}).get("rules") or ()
        namespace = seen["metadata"]["namespace"]
        places, problem = find_places(rules, self.wanted, namespace)
        filters = spots(
            rules,
            [place.rule for place in places],
            lambda one: is_same(one, self.wanted.target_backend, namespace),
        )
        mirroring = Mirroring(filters, coarse=ignores_percent(seen))
        return Found(places, problem, refusal(seen), mirroring=mirroring)

    def numbers(self, place: Place, wanted: RuleWeights) -> Sequence[Operation]:
        """Write both weights."""
        return weights_written(place, wanted)


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


def find_places(
    rules: Sequence[Mapping[str, Any]], wanted: GatewayRoute, namespace: str
) -> tuple[tuple[Place, ...], Problem | None]:
    """Return the rules that name both backends, and the first problem.

    The places are returned beside a problem too: a rollback has to be able to use them.
    """
    listed = set(wanted.rules) if wanted.rules is not None else None
    places = [
        _place(index, rule, wanted, namespace)
        for index, rule in enumerate(rules)
        if listed is None or index in listed
    ]
    whole = tuple(place for place in places if place.sources and place.targets)
    return whole, _problem(rules, places, wanted, namespace)


def describe(backend: BackendRef, namespace: str) -> str:
    """Name a backend as a person would: ``Service llama-chat`` with what is not the default."""
    place = f"{backend.namespace}/" if backend.namespace not in (None, namespace) else ""
    port = f" port {backend.port}" if backend.port is not None else ""
    return f"{backend.kind or 'Service'} {place}{backend.name}{port}"


def _place(index: int, rule: Mapping[str, Any], wanted: GatewayRoute, namespace: str) -> Place:
    sources: list[Entry] = []
    targets: list[Entry] = []
    others = 0
    for position, reference in enumerate(rule.get("backendRefs") or ()):
        entry = _entry(index, position, reference)
        if is_same(reference, wanted.source_backend, namespace):
            sources.append(entry)
        elif is_same(reference, wanted.target_backend, namespace):
            targets.append(entry)
        else:
            others += entry.weight
    return Place(index, tuple(sources), tuple(targets), others)


def _entry(rule: int, position: int, reference: Mapping[str, Any]) -> Entry:
    at = ("spec", "rules", rule, "backendRefs", position)
    tests = [(pointer((*at, key)), reference[key]) for key in _IDENTIFYING if key in reference]
    weight = reference.get("weight")
    return Entry(pointer((*at, "weight")), 1 if weight is None else int(weight), tuple(tests))


def is_same(reference: Mapping[str, Any], backend: BackendRef, namespace: str) -> bool:
    """Tell whether a reference of the route means that backend."""
    return (
        reference.get("name") == backend.name
        and (reference.get("group") or "") == (backend.group or "")
        and (reference.get("kind") or "Service") == (backend.kind or "Service")
        and (reference.get("namespace") or namespace) == (backend.namespace or namespace)
        and backend.port in (None, reference.get("port"))
    )


def _problem(
    rules: Sequence[Mapping[str, Any]],
    places: Sequence[Place],
    wanted: GatewayRoute,
    namespace: str,
) -> Problem | None:
    listed = f"{wanted.field}.rules"
    beyond = [index for index in wanted.rules or () if index >= len(rules)]
    if beyond:
        return Problem(
            RULE_NOT_COVERED,
            f"{listed} lists rule {min(beyond)}, but the route has only"
            f" {len(rules)} (counted from 0): correct the list",
        )
    words = Words(
        source=describe(wanted.source_backend, namespace),
        target=describe(wanted.target_backend, namespace),
        source_field=f"{wanted.field}.sourceBackend",
        target_field=f"{wanted.field}.targetBackend",
        missing="add it to backendRefs with weight 0",
        narrower=f"list the rules meant in {listed}",
        closer=f"name the backend's port in {wanted.field}",
    )
    named = [
        Named(place, _called(place.rule, rules), listed if wanted.rules is not None else "")
        for place in places
    ]
    return problem(named, words)


def _called(index: int, rules: Sequence[Mapping[str, Any]]) -> str:
    name = rules[index].get("name")
    return f"rule {index} ({name})" if name else f"rule {index}"
