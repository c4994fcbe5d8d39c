"""PURE: an external-dns DNSEndpoint: the Route 53 weights of two records of one name.

One rule is the records of one type (`recordType`) under the name. Route 53 takes weights from 0 to
255 and answers each query with a record's share of the sum; where all are 0 it answers with all of
them alike, so two zeros are never written. A weight is a text in a record's `providerSpecific`.

external-dns notes the generation when it has read the object, before it tells Route 53. From then on
resolvers may go on for one TTL with the answer that they have, and once more where one asks another.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.api.dns import DnsEndpoint
from cutover.decide.route import RuleWeights
from cutover.traffic.coverage import Named, Words, problem, whole
from cutover.traffic.layout import (
    Entry,
    Found,
    Kind,
    Object,
    Operation,
    Place,
    Problem,
    operation,
    pointer,
)

WEIGHT = "aws/weight"
WEIGHT_UNREADABLE = "WeightUnreadable"
LARGEST = 255
DEFAULT_TTL = 300
"""Seconds; what external-dns tells Route 53 for a record without recordTTL."""
TTLS = 2


@dataclass(frozen=True, slots=True)
class _Record:
    index: int
    content: Mapping[str, Any]

    @property
    def type(self) -> str:
        return str(self.content.get("recordType") or "")

    @property
    def identifier(self) -> str:
        return str(self.content.get("setIdentifier") or "")

    @property
    def properties(self) -> Sequence[Mapping[str, Any]]:
        return self.content.get("providerSpecific") or ()

    @property
    def ttl(self) -> int:
        return int(self.content.get("recordTTL") or 0) or DEFAULT_TTL

    @property
    def weight(self) -> tuple[int, str] | None:
        """Where the weight stands, and what stands there."""
        for index, one in enumerate(self.properties):
            if one.get("name") == WEIGHT:
                return index, str(one.get("value") or "")
        return None


@dataclass(frozen=True, slots=True)
class DnsEndpointLayout:
    """The records' provider-specific properties carry the weights."""

    wanted: DnsEndpoint
    kind = Kind(
        "externaldns.k8s.io",
        "v1alpha1",
        "dnsendpoints",
        "DNSEndpoint",
        "install external-dns with its custom resource definition",
    )
    owned = ("f:spec", "f:endpoints")

    def find(self, seen: Object) -> Found:
        """Read the records that are meant, how long caches keep them, and whether external-dns has read them."""
        records = tuple(_records(seen, self.wanted))
        types = list(dict.fromkeys(one.type for one in records))
        named = [
            Named(
                _place(number, [one for one in records if one.type == kind], self.wanted),
                f"the {kind} record of {self.wanted.dns_name}",
            )
            for number, kind in enumerate(types)
        ]
        longest = max((one.ttl for one in records), default=DEFAULT_TTL)
        return Found(
            whole(named),
            problem(named, _words(self.wanted)) or _unreadable(records, self.wanted),
            _refusal(seen),
            largest=LARGEST,
            delivery_seconds=float(TTLS * longest),
        )

    def numbers(self, place: Place, wanted: RuleWeights) -> Sequence[Operation]:
        """Write both weights as texts, never all zero and none that Route 53 refuses.

        Only a rollback that does not know the original numbers can ask for either.
        """
        nothing = wanted.source + wanted.target + place.others == 0
        source = 1 if nothing else min(wanted.source, LARGEST)
        sides = ((place.sources, source), (place.targets, wanted.target))
        return [
            operation("add", entry.pointer, str(0 if position else weight))
            for entries, weight in sides
            for position, entry in enumerate(entries)
        ]


def _refusal(seen: Object) -> str:
    observed = (seen.get("status") or {}).get("observedGeneration") or 0
    if observed >= (seen["metadata"].get("generation") or 0):
        return ""
    return "external-dns has not read the newest change yet"


def _records(seen: Object, wanted: DnsEndpoint) -> Iterator[_Record]:
    for index, content in enumerate((seen.get("spec") or {}).get("endpoints") or ()):
        record = _Record(index, content)
        same_name = _plain(content.get("dnsName")) == _plain(wanted.dns_name)
        if same_name and wanted.record_type in (None, record.type):
            yield record


def _plain(name: object) -> str:
    return str(name or "").lower().removesuffix(".")


def _place(number: int, records: Sequence[_Record], wanted: DnsEndpoint) -> Place:
    entries = [(one.identifier, _entry(one)) for one in records]
    sources = [entry for name, entry in entries if name == wanted.source_set_identifier]
    targets = [entry for name, entry in entries if name == wanted.target_set_identifier]
    both = (wanted.source_set_identifier, wanted.target_set_identifier)
    others = sum(entry.weight for name, entry in entries if name not in both)
    return Place(number, tuple(sources), tuple(targets), others)


def _entry(record: _Record) -> Entry:
    at = ("spec", "endpoints", record.index)
    index, text = record.weight or (len(record.properties), "")
    here = (*at, "providerSpecific", index)
    tests = [
        (pointer((*at, key)), record.content.get(key))
        for key in ("dnsName", "recordType", "setIdentifier")
    ]
    tests.append((pointer((*here, "name")), WEIGHT))
    return Entry(pointer((*here, "value")), _number(text), tuple(tests))


def _number(text: str) -> int:
    """Read a weight as external-dns does: what is no number counts as 0."""
    return int(text) if text.isdecimal() else 0


def _unreadable(records: Sequence[_Record], wanted: DnsEndpoint) -> Problem | None:
    for one in records:
        text = one.weight[1] if one.weight is not None else ""
        if text.isdecimal() and int(text) <= LARGEST:
            continue
        found = f"has the {WEIGHT} {text!r}" if one.weight is not None else f"has no {WEIGHT}"
        return Problem(
            WEIGHT_UNREADABLE,
            f"the {one.type} record of {wanted.dns_name} with setIdentifier {one.identifier or '(none)'}"
            f" {found}: give each record of the name a number from 0 to {LARGEST}",
        )
    return None


def _words(wanted: DnsEndpoint) -> Words:
    field = wanted.field
    return Words(
        source=f"setIdentifier {wanted.source_set_identifier}",
        target=f"setIdentifier {wanted.target_set_identifier}",
        source_field=f"{field}.sourceSetIdentifier",
        target_field=f"{field}.targetSetIdentifier",
        missing=f"add a record of {wanted.dns_name} with it and {WEIGHT} 0,",
        narrower=f"name the type meant in {field}.recordType",
        closer="give each record a setIdentifier of its own",
    )
