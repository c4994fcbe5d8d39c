"""PURE: what a router has to know of one kind of object: where it lives and where the numbers stand.

A new kind is one file with one `Layout`. `cutover.traffic.object` does everything else with it:
reading, watching, the claim, the patch and what goes wrong on the way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cutover.decide.route import AnswerLimit, RuleWeights
from cutover.decide.weights import MAX_WEIGHT
from cutover.traffic.mirroring import Mirroring

Object = Mapping[str, Any]
Operation = dict[str, Any]
"""One operation of a JSON Patch (RFC 6902)."""
Owned = Sequence[str | tuple[str, ...]]
"""The way to something in an object's ``managedFields``, key after key; a tuple: any of these."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object in the words of its API server."""

    group: str
    """Empty: core."""
    version: str
    plural: str
    name: str
    """As people call it: ``HTTPRoute``."""
    install: str = "install it, or correct the rollout's apiVersion and kind"
    """What to do where the API server does not serve it: ``install Gateway API``."""

    @property
    def served_as(self) -> str:
        """Group and version as an object's apiVersion has them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """Path under which the API server lists the kinds of this group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def typed(self) -> str:
        """What kubectl understands, whatever else is installed: ``httproutes.gateway.networking.k8s.io``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def collection(self, namespace: str) -> str:
        """Path of this kind's objects in a namespace."""
        return f"{self.root}/namespaces/{namespace}/{self.plural}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One side's number in one rule."""

    pointer: str
    """JSON pointer to the number in the object."""
    weight: int
    tests: tuple[tuple[str, Any], ...] = ()
    """Pointers and what has to stand there still, so that the number is written to the same backend."""
    text: str | None = None
    """The string at the pointer that holds the number; None: an integer stands there, or nothing."""
    span: tuple[int, int] = (0, 0)
    """Where in the text the number's digits are."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one rule names the two backends. More than one entry a side is a problem."""

    rule: int
    sources: tuple[Entry, ...]
    targets: tuple[Entry, ...]
    others: int = 0
    rest: int = 0
    """The source's weight where the object has no number for it: what the target's leaves of the whole."""

    @property
    def weights(self) -> RuleWeights:
        """The weights of the rule as the decision sees them."""
        source = sum(each.weight for each in self.sources) + self.rest
        target = sum(each.weight for each in self.targets)
        return RuleWeights(self.rule, source, target, self.others)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing may be raised on this route."""

    reason: str
    message: str


BACKEND_NOT_FOUND = "BackendNotFound"
RULE_NOT_COVERED = "RuleNotCovered"
BACKEND_REPEATED = "BackendRepeated"


@dataclass(frozen=True, slots=True)
class Found:
    """What a layout finds in an object."""

    places: tuple[Place, ...]
    """Every rule that names both backends; beside a problem too, since a rollback has to be able to use them."""
    problem: Problem | None = None
    refused: str = ""
    """Why the data plane has not taken the object as it is now; empty when it has, or when the kind cannot say."""
    whole: int | None = None
    """What the two numbers of a rule always add up to; None: they may be any."""
    largest: int = MAX_WEIGHT
    """The largest number that one entry may have."""
    delivery_seconds: float = 0.0
    """How long a change takes to reach every client once it is taken (caches of DNS); proxies: 0."""
    mirroring: Mirroring | None = None
    """Where copies of requests are sent to the target, for each of the places; None: this kind cannot mirror."""
    answer_limit: AnswerLimit | None = None
    """The gateway's own limit on a whole answer, where it is known and a place has no other."""


class Wanted(Protocol):
    """What a spec says of a route of any kind."""

    @property
    def name(self) -> str:
        """Name of the object."""

    @property
    def field(self) -> str:
        """Where a spec names it: ``spec.traffic.httpRoute``."""


class Layout(Protocol):
    """One kind of object that splits traffic by weights, and the two backends that are meant in it."""

    @property
    def kind(self) -> Kind:
        """What to ask the API server for."""

    @property
    def wanted(self) -> Wanted:
        """What the spec names: the object, and the two backends meant in it."""

    @property
    def owned(self) -> Owned:
        """The keys of ``managedFields`` that lead to the weights: who changed them last is who changed this."""

    def find(self, seen: Object) -> Found:
        """Find both sides' numbers, what is wrong with them, and whether the data plane took them."""

    def numbers(self, place: Place, wanted: RuleWeights) -> Sequence[Operation]:
        """Return the operations that write a rule's two numbers; usually `weights_written`."""


def weights_written(place: Place, wanted: RuleWeights) -> list[Operation]:
    """Write both numbers as they stand there: integers, or digits in a string of which nothing else changes.

    A repeated backend's first entry gets the weight, its others nothing.
    """
    changes = [
        (entry, 0 if position else weight)
        for entries, weight in ((place.sources, wanted.source), (place.targets, wanted.target))
        for position, entry in enumerate(entries)
    ]
    texts = {entry.pointer: entry.text for entry, _ in changes if entry.text is not None}
    for entry, weight in sorted(changes, key=lambda change: change[0].span, reverse=True):
        if entry.text is not None:
            (start, end), text = entry.span, texts[entry.pointer]
            texts[entry.pointer] = f"{text[:start]}{weight}{text[end:]}"
    return [
        *(
            operation("add", entry.pointer, weight)
            for entry, weight in changes
            if entry.text is None
        ),
        *(operation("add", place, text) for place, text in texts.items()),
    ]


def operation(kind: str, path: str, value: Any) -> Operation:
    """Return one operation of a JSON Patch."""
    return {"op": kind, "path": path, "value": value}


def pointer(parts: Iterable[str | int]) -> str:
    """Write a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def last_manager(metadata: Object, owned: Owned) -> str:
    """Return the field manager that changed what lies under ``owned`` last; empty where nobody is named."""
    owners = [
        (str(entry.get("time") or ""), str(entry.get("manager") or ""))
        for entry in metadata.get("managedFields") or ()
        if not entry.get("subresource") and _owns(entry.get("fieldsV1") or {}, owned)
    ]
    return max(owners)[1] if owners else ""


def _owns(fields: Object, owned: Owned) -> bool:
    if not owned:
        return True
    keys = (owned[0],) if isinstance(owned[0], str) else owned[0]
    return any(fields.get(key) is not None and _owns(fields[key], owned[1:]) for key in keys)
