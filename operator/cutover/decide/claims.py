"""Whose route it is (law 11)."""

from cutover.api.status import Status
from cutover.decide.observation import Observation, Refusal
from cutover.decide.record import from_status
from cutover.decide.route import Claim, GoingBack, RouteSeen, RouteUnreadable, RuleWeights


def ours(seen: Observation, claim: Claim | None) -> bool:
    """Whether this very object holds the claim, in whatever attempt or epoch."""
    me = seen.identity
    return claim is not None and claim.uid == me.uid and claim.cluster == me.cluster


def namesake(seen: Observation, claim: Claim | None) -> bool:
    """Whether a rollout of our name in our cluster holds it: us, or us before a restore."""
    me = seen.identity
    return (
        claim is not None
        and claim.cluster == me.cluster
        and (claim.namespace, claim.name) == (me.namespace, me.name)
    )


def on_route(seen: Observation, route: RouteSeen) -> bool:
    """Whether a claim of our name is on the route, or on one of several."""
    return any(namesake(seen, claim) for claim in route.every_claim)


def current(seen: Observation, status: Status, claim: Claim | None) -> bool:
    """Whether it is ours in this attempt and this leader's epoch: only then may anything be raised."""
    return (
        claim is not None
        and ours(seen, claim)
        and claim.epoch == seen.identity.epoch
        and claim.attempt == (status.attempt or 1)
    )


def going_back(seen: Observation, status: Status) -> GoingBack | None:
    """The rollback of this attempt that an earlier leader has written on the route and not recorded."""
    route = seen.route.seen if isinstance(seen.route, RouteUnreadable) else seen.route
    found = route.every_claim if isinstance(route, RouteSeen) else ()
    mine = (one for one in found if ours(seen, one) and one.attempt == (status.attempt or 1))
    return next((one.going_back for one in mine if one.going_back is not None), None)


def deposed(seen: Observation) -> bool:
    """Whether a later leader has left its epoch in the status or in the claim: then nothing is written."""
    epoch, route = seen.identity.epoch, seen.route
    if (seen.status.leader_epoch or 0) > epoch:
        return True
    found = route.every_claim if isinstance(route, RouteSeen) else ()
    return any(ours(seen, claim) and claim.epoch > epoch for claim in found)


def foreign(seen: Observation, route: RouteSeen) -> Claim | None:
    """Another rollout's claim on the route, unless that rollout is proven gone."""
    claim = next((one for one in route.every_claim if not namesake(seen, one)), None)
    if claim is None:
        return None
    if seen.claim_owner is not None and seen.claim_owner.alive is False:
        return None
    return claim


def in_use(claim: Claim) -> Refusal:
    """Say who holds the route."""
    return Refusal(
        "RouteInUse",
        f"the route is claimed by MigrationRollout {claim.owner} of cluster {claim.cluster} (attempt"
        f" {claim.attempt}): wait until it is finished, or delete it",
    )


def claim_for(
    seen: Observation, status: Status, original: tuple[RuleWeights, ...], *, mirror: int = 0
) -> Claim:
    """The claim as it must stand on the route; without ``mirror`` (percent) nothing is mirrored any more."""
    me = seen.identity
    return Claim(
        cluster=me.cluster,
        namespace=me.namespace,
        name=me.name,
        uid=me.uid,
        attempt=status.attempt or 1,
        epoch=me.epoch,
        original=original,
        mirror=mirror,
    )


def original_weights(seen: Observation, status: Status) -> tuple[RuleWeights, ...]:
    """The numbers before the first raise: as the status has them, else as the route's claim has."""
    if status.original:
        return from_status(status.original)
    route = seen.route
    found = route.every_claim if isinstance(route, RouteSeen) else ()
    return tuple(rule for one in found if namesake(seen, one) for rule in one.original)
