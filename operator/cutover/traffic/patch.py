"""PURE: one JSON Patch that writes weights and claim, or changes nothing.

Its tests make the API server refuse it when the route is no longer what was looked at: every
backend must stand where it stood and the claim must be the one that was read. ``test`` with null
passes where nothing is there; RFC 6902 does not say so, Kubernetes does, and a feature test holds
it to that.
"""

from collections.abc import Sequence
from typing import Any

from cutover.api import CLAIM
from cutover.decide.route import RuleWeights
from cutover.ports import RouteChange
from cutover.traffic.backends import Entry, Place
from cutover.traffic.claim import to_text
from cutover.traffic.seen import HttpRouteSeen

Operation = dict[str, Any]

_ANNOTATIONS = "/metadata/annotations"
_CLAIM = f"{_ANNOTATIONS}/{CLAIM.replace('~', '~0').replace('/', '~1')}"


def build_patch(seen: HttpRouteSeen, change: RouteChange) -> list[Operation] | str:
    """Return the operations, or a sentence when the change names a rule that was not seen."""
    places = {place.rule: place for place in seen.places}
    for wanted in change.weights:
        if wanted.rule not in places:
            return (
                f"rule {wanted.rule} of the route does not name both backends any more:"
                " put them back, or abort the rollout"
            )
    pairs = [(places[wanted.rule], wanted) for wanted in change.weights]
    operations = [each for place, _ in pairs for each in _tests(place)]
    operations.append(_test_claim(seen))
    if change.pinned:
        operations.append(_operation("replace", "/metadata/resourceVersion", seen.resource_version))
    operations += [each for place, wanted in pairs for each in _weights(place, wanted)]
    return operations + _claim(seen, None if change.claim is None else to_text(change.claim))


def _tests(place: Place) -> list[Operation]:
    return [
        _operation("test", f"{_path(place, entry)}/{name}", value)
        for entry in (*place.sources, *place.targets)
        for name, value in entry.identity
    ]


def _test_claim(seen: HttpRouteSeen) -> Operation:
    if seen.claim_text is None and not seen.annotated:
        return _operation("test", _ANNOTATIONS, None)
    return _operation("test", _CLAIM, seen.claim_text)


def _weights(place: Place, wanted: RuleWeights) -> list[Operation]:
    return [
        *_side(place, place.sources, wanted.source),
        *_side(place, place.targets, wanted.target),
    ]


def _side(place: Place, entries: Sequence[Entry], weight: int) -> list[Operation]:
    """Give the weight to the first entry; a repeated backend's other entries get nothing."""
    return [
        _operation("add", f"{_path(place, entry)}/weight", 0 if position else weight)
        for position, entry in enumerate(entries)
    ]


def _claim(seen: HttpRouteSeen, text: str | None) -> list[Operation]:
    if text == seen.claim_text:
        return []
    if text is None:
        return [{"op": "remove", "path": _CLAIM}]
    if not seen.annotated:
        return [_operation("add", _ANNOTATIONS, {CLAIM: text})]
    return [_operation("add", _CLAIM, text)]


def _path(place: Place, entry: Entry) -> str:
    return f"/spec/rules/{place.rule}/backendRefs/{entry.index}"


def _operation(kind: str, path: str, value: Any) -> Operation:
    return {"op": kind, "path": path, "value": value}
