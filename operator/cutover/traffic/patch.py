"""PURE: one JSON Patch that writes weights and claim, or changes nothing.

Its tests make the API server refuse it when the route is no longer what was looked at: every
backend must stand where it stood and the claim must be the one that was read. ``test`` with null
passes where nothing is there; RFC 6902 does not say so, Kubernetes does, and a feature test holds
it to that.
"""

from cutover.api import CLAIM
from cutover.decide.weights import scaled
from cutover.ports import RouteChange
from cutover.traffic.claim import to_text
from cutover.traffic.layout import Layout, Operation, Place, operation, pointer
from cutover.traffic.seen import ObjectSeen

_ANNOTATIONS = "/metadata/annotations"
_CLAIM = _ANNOTATIONS + pointer([CLAIM])


def build_patch(seen: ObjectSeen, change: RouteChange, layout: Layout) -> list[Operation] | str:
    """Return the operations, or a sentence when the change names a rule that was not seen."""
    places = {place.rule: place for place in seen.places}
    for wanted in change.weights:
        if wanted.rule not in places:
            return (
                f"rule {wanted.rule} of the route does not name both backends any more:"
                " put them back, or abort the rollout"
            )
    pairs = [(places[wanted.rule], scaled(wanted, seen.whole)) for wanted in change.weights]
    claimed = seen.claim.mirror if seen.claim is not None else 0
    unable = seen.mirroring.refused(claimed) if change.mirror else None
    if unable is not None:
        return unable
    mirrored = [
        (places[spot.rule], spot.written(claimed, change.mirror)) for spot in seen.mirroring.spots
    ]
    tested = [place for place, _ in pairs] + [place for place, written in mirrored if written]
    operations = [each for place in dict.fromkeys(tested) for each in _tests(place)]
    operations.append(_test_claim(seen))
    if change.pinned:
        operations.append(operation("replace", "/metadata/resourceVersion", seen.resource_version))
    operations += [each for place, wanted in pairs for each in layout.numbers(place, wanted)]
    operations += [each for _, written in mirrored for each in written]
    return operations + _claim(seen, None if change.claim is None else to_text(change.claim))


def _tests(place: Place) -> list[Operation]:
    return [
        operation("test", path, value)
        for entry in (*place.sources, *place.targets)
        for path, value in entry.tests
    ]


def _test_claim(seen: ObjectSeen) -> Operation:
    if seen.claim_text is None and not seen.annotated:
        return operation("test", _ANNOTATIONS, None)
    return operation("test", _CLAIM, seen.claim_text)


def _claim(seen: ObjectSeen, text: str | None) -> list[Operation]:
    if text == seen.claim_text:
        return []
    if text is None:
        return [{"op": "remove", "path": _CLAIM}]
    if not seen.annotated:
        return [operation("add", _ANNOTATIONS, {CLAIM: text})]
    return [operation("add", _CLAIM, text)]
