"""PURE: an HTTPRoute as its API server sent it becomes what the decision sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.api import CLAIM
from cutover.api.traffic import HttpRoute
from cutover.decide.route import RouteSeen
from cutover.traffic import acceptance, backends
from cutover.traffic.claim import Unreadable, from_text

CLAIM_UNREADABLE = "ClaimUnreadable"


@dataclass(frozen=True, slots=True)
class HttpRouteSeen(RouteSeen):
    """A `RouteSeen` that also knows where in the object everything stands.

    Unlike the base says, ``rules`` holds what names both backends even when there is a problem:
    nothing may be raised then, but a rollback has to be able to put back what it can.
    """

    places: tuple[backends.Place, ...] = ()
    annotated: bool = False
    """The object has a map of annotations."""


def see(route: Mapping[str, Any], wanted: HttpRoute) -> HttpRouteSeen:
    """Read weights, claim, acceptance and the newest writer."""
    metadata = route["metadata"]
    rules = (route.get("spec") or {}).get("rules") or ()
    places, problem = backends.find(rules, wanted, metadata["namespace"])
    text = (metadata.get("annotations") or {}).get(CLAIM)
    claim = None if text is None else from_text(text)
    if isinstance(claim, Unreadable):
        problem = _unreadable(metadata, claim)
        claim = None
    refused = acceptance.refusal(route)
    return HttpRouteSeen(
        resource_version=metadata["resourceVersion"],
        generation=metadata.get("generation") or 0,
        rules=tuple(place.weights for place in places),
        claim=claim,
        accepted=not refused,
        acceptance=refused,
        problem=problem.message if problem else None,
        problem_reason=problem.reason if problem else None,
        last_manager=acceptance.last_manager(metadata),
        claim_text=text,
        places=places,
        annotated="annotations" in metadata,
    )


def _unreadable(metadata: Mapping[str, Any], claim: Unreadable) -> backends.Problem:
    namespace, name = metadata["namespace"], metadata["name"]
    return backends.Problem(
        CLAIM_UNREADABLE,
        f"the annotation {CLAIM} on HTTPRoute {namespace}/{name} cannot be read ({claim.why}): if no"
        f" other rollout moves this route, kubectl annotate httproute -n {namespace} {name} {CLAIM}-",
    )
