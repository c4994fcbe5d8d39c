"""PURE: where a route names the two backends, and what is wrong when it does not.

Two references mean the same backend when name, group, kind, namespace and port agree, with Gateway
API's defaults filled in; a port that the rollout does not name may be any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.api.traffic import BackendRef, HttpRoute
from cutover.decide.route import RuleWeights

BACKEND_NOT_FOUND = "BackendNotFound"
RULE_NOT_COVERED = "RuleNotCovered"
BACKEND_REPEATED = "BackendRepeated"

_IDENTIFYING = ("group", "kind", "name", "namespace", "port")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a rule's backendRefs."""

    index: int
    weight: int
    identity: tuple[tuple[str, Any], ...]
    """The identifying fields as they are written, for the patch's tests."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one rule names the two backends. More than one entry a side is a problem."""

    rule: int
    sources: tuple[Entry, ...]
    targets: tuple[Entry, ...]
    others: int

    @property
    def weights(self) -> RuleWeights:
        """The weights of the rule as the decision sees them."""
        source = sum(each.weight for each in self.sources)
        target = sum(each.weight for each in self.targets)
        return RuleWeights(self.rule, source, target, self.others)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing may be raised on this route."""

    reason: str
    message: str


def find(
    rules: Sequence[Mapping[str, Any]], wanted: HttpRoute, namespace: str
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


def _place(index: int, rule: Mapping[str, Any], wanted: HttpRoute, namespace: str) -> Place:
    sources: list[Entry] = []
    targets: list[Entry] = []
    others = 0
    for position, reference in enumerate(rule.get("backendRefs") or ()):
        entry = _entry(position, reference)
        if _is_same(reference, wanted.source_backend, namespace):
            sources.append(entry)
        elif _is_same(reference, wanted.target_backend, namespace):
            targets.append(entry)
        else:
            others += entry.weight
    return Place(index, tuple(sources), tuple(targets), others)


def _entry(position: int, reference: Mapping[str, Any]) -> Entry:
    identity = tuple((name, reference[name]) for name in _IDENTIFYING if name in reference)
    weight = reference.get("weight")
    return Entry(position, 1 if weight is None else int(weight), identity)


def _is_same(reference: Mapping[str, Any], backend: BackendRef, namespace: str) -> bool:
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
    wanted: HttpRoute,
    namespace: str,
) -> Problem | None:
    source = describe(wanted.source_backend, namespace)
    target = describe(wanted.target_backend, namespace)
    beyond = [index for index in wanted.rules or () if index >= len(rules)]
    if beyond:
        return Problem(
            RULE_NOT_COVERED,
            f"spec.traffic.httpRoute.rules lists rule {min(beyond)}, but the route has only"
            f" {len(rules)} (counted from 0): correct the list",
        )
    for side, field, found in (
        (source, "sourceBackend", any(place.sources for place in places)),
        (target, "targetBackend", any(place.targets for place in places)),
    ):
        if not found:
            return Problem(
                BACKEND_NOT_FOUND,
                f"no rule of the route names {side}: add it to backendRefs with weight 0"
                f" or correct spec.traffic.httpRoute.{field}",
            )
    for place in places:
        problem = _problem_of_rule(place, _called(place.rule, rules), source, target, wanted)
        if problem is not None:
            return problem
    return None


def _problem_of_rule(
    place: Place, rule: str, source: str, target: str, wanted: HttpRoute
) -> Problem | None:
    for side, entries in ((source, place.sources), (target, place.targets)):
        if len(entries) > 1:
            return Problem(
                BACKEND_REPEATED,
                f"{rule} names {side} {len(entries)} times:"
                " keep one entry, or name the backend's port in spec.traffic.httpRoute",
            )
    if place.sources and not place.targets:
        return Problem(
            RULE_NOT_COVERED,
            f"{rule} names {source} but not {target}: add {target} with weight 0,"
            " or list the rules meant in spec.traffic.httpRoute.rules",
        )
    if wanted.rules is not None and not (place.sources and place.targets):
        return Problem(
            RULE_NOT_COVERED,
            f"{rule} is listed in spec.traffic.httpRoute.rules but does not name both {source}"
            f" and {target}: add the missing one or correct the list",
        )
    return None


def _called(index: int, rules: Sequence[Mapping[str, Any]]) -> str:
    name = rules[index].get("name")
    return f"rule {index} ({name})" if name else f"rule {index}"
