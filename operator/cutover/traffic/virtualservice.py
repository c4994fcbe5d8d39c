"""PURE: an Istio VirtualService: where its http, tls and tcp rules name the two destinations.

Rules are counted from 0 through http, then tls, then tcp. Istio divides by the sum of a rule's
weights, and an absent weight is 0, except for a rule's only destination, which gets everything.
What stands in a destination besides host, subset and port, and every other field, stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.api.istio import Destination, VirtualService
from cutover.traffic.coverage import Named, Words, problem, whole
from cutover.traffic.istiomirror import mirroring
from cutover.traffic.layout import (
    RULE_NOT_COVERED,
    Entry,
    Found,
    Kind,
    Object,
    Place,
    Problem,
    pointer,
    weights_written,
)

LISTS = ("http", "tls", "tcp")
ALL = 100
"""The weight of a rule's only destination, where none is written."""


@dataclass(frozen=True, slots=True)
class _Rule:
    number: int
    kind: str
    index: int
    content: Mapping[str, Any]

    @property
    def position(self) -> str:
        return f"{self.kind}/{self.index}"

    @property
    def name(self) -> str:
        return str(self.content.get("name") or "")

    @property
    def called(self) -> str:
        return f"rule {self.position} ({self.name})" if self.name else f"rule {self.position}"


@dataclass(frozen=True, slots=True)
class VirtualServiceLayout:
    """The destinations of each rule carry the weights."""

    wanted: VirtualService
    kind = Kind(
        "networking.istio.io",
        "v1",
        "virtualservices",
        "VirtualService",
        "install Istio 1.22 or later",
    )
    owned = ("f:spec", tuple(f"f:{each}" for each in LISTS))

    def find(self, seen: Object) -> Found:
        """Read the rules that name both destinations, and what istiod says where it says anything."""
        rules = tuple(_rules(seen.get("spec") or {}))
        listed = self.wanted.rules
        meant = [one for one in rules if listed is None or {one.name, one.position} & set(listed)]
        field = f"{self.wanted.field}.rules"
        named = [
            Named(_place(one, self.wanted), one.called, field if listed is not None else "")
            for one in meant
        ]
        trouble = _beyond(rules, listed or (), field) or problem(named, _words(self.wanted))
        places = whole(named)
        both = {place.rule for place in places}
        copying = mirroring(
            [(one.number, one.kind, one.index, one.content) for one in meant if one.number in both],
            lambda destination: _is_same(destination, self.wanted.target_destination),
        )
        return Found(places, trouble, refusal(seen), mirroring=copying)

    numbers = staticmethod(weights_written)


def refusal(seen: Object) -> str:
    """Say what istiod has against the VirtualService; empty where it says nothing.

    Istio writes a status only where its analysis is switched on, and leaves that of an object in which it
    finds nothing any more as it was, errors and all (seen in istiod 1.31). So silence and a status of an
    older generation are no refusal: what is delivered is proven by counters.
    """
    status = seen.get("status") or {}
    generation = seen["metadata"].get("generation") or 0
    about_this = _number(status.get("observedGeneration")) in (0, generation)
    for message in status.get("validationMessages") or ():
        if about_this and message.get("level") == "ERROR":
            kind = message.get("type") or {}
            about = " ".join(str(kind[key]) for key in ("code", "name") if kind.get(key))
            where = message.get("documentationUrl") or "istioctl analyze tells more"
            return f"istiod finds an error in it: {about or 'unnamed'} ({where})"
    for condition in status.get("conditions") or ():
        current = _number(condition.get("observedGeneration")) in (0, generation)
        if current and condition.get("type") == "Reconciled" and condition.get("status") == "False":
            return f"istiod says Reconciled=False ({condition.get('message') or 'no reason given'})"
    return ""


def _number(value: object) -> int:
    """Istio's definition allows an integer or its decimal text."""
    text = str(value if value is not None else "0")
    return int(text) if text.isdecimal() else 0


def _rules(spec: Mapping[str, Any]) -> Iterator[_Rule]:
    number = 0
    for kind in LISTS:
        for index, content in enumerate(spec.get(kind) or ()):
            yield _Rule(number, kind, index, content)
            number += 1


def _place(rule: _Rule, wanted: VirtualService) -> Place:
    sources: list[Entry] = []
    targets: list[Entry] = []
    others = 0
    routes = rule.content.get("route") or ()
    for position, route in enumerate(routes):
        at = ("spec", rule.kind, rule.index, "route", position)
        entry = _entry(at, route, alone=len(routes) == 1)
        destination = route.get("destination") or {}
        if _is_same(destination, wanted.source_destination):
            sources.append(entry)
        elif _is_same(destination, wanted.target_destination):
            targets.append(entry)
        else:
            others += entry.weight
    return Place(rule.number, tuple(sources), tuple(targets), others)


def _entry(at: tuple[str | int, ...], route: Mapping[str, Any], *, alone: bool) -> Entry:
    destination = route.get("destination") or {}
    weight = int(route.get("weight") or 0) or (ALL if alone else 0)
    here = (*at, "destination")
    tests = [
        (pointer((*here, key)), destination[key])
        for key in ("host", "subset")
        if key in destination
    ]
    port = (destination.get("port") or {}).get("number")
    if port is not None:
        tests.append((pointer((*here, "port", "number")), port))
    return Entry(pointer((*at, "weight")), weight, tuple(tests))


def _is_same(destination: Mapping[str, Any], wanted: Destination) -> bool:
    port = (destination.get("port") or {}).get("number")
    return (
        destination.get("host") == wanted.host
        and (destination.get("subset") or None) == wanted.subset
        and wanted.port in (None, port)
    )


def _beyond(rules: Sequence[_Rule], listed: Sequence[str], field: str) -> Problem | None:
    known = {name for one in rules for name in (one.name, one.position)}
    unknown = [name for name in listed if name not in known]
    if not unknown:
        return None
    there = ", ".join(one.name or one.position for one in rules) or "none"
    return Problem(
        RULE_NOT_COVERED,
        f"{field} lists {unknown[0]}, but the VirtualService has no such rule (it has {there}):"
        " correct the list",
    )


def _words(wanted: VirtualService) -> Words:
    field = wanted.field
    return Words(
        source=describe(wanted.source_destination),
        target=describe(wanted.target_destination),
        source_field=f"{field}.sourceDestination",
        target_field=f"{field}.targetDestination",
        missing="add it as a destination with weight 0",
        narrower=f"list the rules meant in {field}.rules",
        closer=f"name the destination's port in {field}",
    )


def describe(destination: Destination) -> str:
    """Name a destination as a person would: ``host llama-chat subset gke``."""
    subset = f" subset {destination.subset}" if destination.subset else ""
    port = f" port {destination.port}" if destination.port is not None else ""
    return f"host {destination.host}{subset}{port}"
