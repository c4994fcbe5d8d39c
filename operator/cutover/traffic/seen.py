"""PURE: an object as its API server sent it becomes what the decision sees."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.api import CLAIM
from cutover.decide.route import RouteSeen
from cutover.decide.weights import MAX_WEIGHT
from cutover.traffic.claim import LAST_RULE, Unreadable, from_text
from cutover.traffic.layout import Layout, Object, Place, Problem, last_manager
from cutover.traffic.mirroring import NO_MIRRORING, Mirroring

CLAIM_UNREADABLE = "ClaimUnreadable"
TOO_MUCH = "TooMuchForAClaim"
MOST_RULES = 32
"""Their numbers have to fit into the claim, which holds what a rollback writes."""


@dataclass(frozen=True, slots=True)
class ObjectSeen(RouteSeen):
    """A `RouteSeen` that also knows where in the object everything stands.

    Unlike the base says, ``rules`` holds what names both backends even when there is a problem:
    nothing may be raised then, but a rollback has to be able to put back what it can.
    """

    places: tuple[Place, ...] = ()
    annotated: bool = False
    """The object has a map of annotations."""
    mirroring: Mirroring = NO_MIRRORING


def see(thing: Object, layout: Layout) -> ObjectSeen:
    """Read weights, claim, acceptance and the newest writer."""
    metadata = thing["metadata"]
    found = layout.find(thing)
    problem = found.problem or _beyond(found.places)
    text = (metadata.get("annotations") or {}).get(CLAIM)
    claim = None if text is None else from_text(text)
    if isinstance(claim, Unreadable):
        problem = _unreadable(metadata, layout, claim)
        claim = None
    kind, claimed = layout.kind.name, claim.mirror if claim is not None else 0
    mirroring = found.mirroring or Mirroring(refusal=f"no {kind} can: remove the shadow steps")
    return ObjectSeen(
        resource_version=metadata["resourceVersion"],
        generation=metadata.get("generation") or 0,
        rules=tuple(place.weights for place in found.places),
        claim=claim,
        accepted=not found.refused,
        acceptance=found.refused,
        problem=problem.message if problem else None,
        problem_reason=problem.reason if problem else None,
        last_manager=last_manager(metadata, layout.owned),
        claim_text=text,
        whole=found.whole,
        largest=found.largest,
        delivery_seconds=found.delivery_seconds,
        places=found.places,
        annotated="annotations" in metadata,
        mirrors=tuple(one.seen(claimed) for one in mirroring.spots) if claimed else (),
        mirror_refusal=mirroring.refused(claimed),
        mirroring=mirroring,
        answer_limit=found.answer_limit,
    )


def _beyond(places: Sequence[Place]) -> Problem | None:
    """What no claim could hold must not be moved: a rollback would not know where to go back to."""
    if len(places) > MOST_RULES or any(place.rule > LAST_RULE for place in places):
        return Problem(
            TOO_MUCH,
            f"{len(places)} rules name both backends, the last is rule {places[-1].rule}: at most {MOST_RULES}"
            f" rules, none after rule {LAST_RULE}, are moved by one rollout; list fewer in its rules",
        )
    for place in places:
        one = place.weights
        numbers = (one.source, one.target, one.others)
        if min(numbers) < 0 or max(numbers) > MAX_WEIGHT:
            return Problem(
                TOO_MUCH,
                f"rule {place.rule} has the weights {one.source} and {one.target}, and {one.others} on other"
                f" backends: use numbers from 0 to {MAX_WEIGHT} with the same ratio",
            )
    return None


def _unreadable(metadata: Object, layout: Layout, claim: Unreadable) -> Problem:
    namespace, name, kind = metadata["namespace"], metadata["name"], layout.kind.name
    return Problem(
        CLAIM_UNREADABLE,
        f"the annotation {CLAIM} on {kind} {namespace}/{name} cannot be read ({claim.why}): if no"
        f" other rollout moves this route, kubectl annotate {kind.lower()} -n {namespace} {name} {CLAIM}-",
    )
