"""Carry out one action on the route."""

from typing import assert_never

from cutover.decide.decision import (
    Action,
    ClaimRoute,
    Hold,
    Lower,
    Mirror,
    Raise,
    ReleaseClaim,
    RollBack,
    RouteAction,
)
from cutover.decide.route import (
    Route,
    RouteGone,
    RouteSeen,
    RouteUnreadable,
    RuleWeights,
    belongs_to_another,
)
from cutover.decide.weights import restored
from cutover.errors import LeadershipLost
from cutover.ports import (
    Conflict,
    Leadership,
    NotWritten,
    RouteChange,
    Router,
    WriteResult,
    Written,
)

PINNED_TRIES = 3
"""Races a rollback may lose before it no longer demands the version it looked at."""
TRIES = 8
ROLLBACK_DEADLINE = 2.0
"""Seconds for one request of a rollback: better to try again than to wait."""


async def act(
    action: RouteAction, router: Router, route: Route | None, leadership: Leadership
) -> WriteResult | None:
    """Do it; None: there was nothing to do. Raises LeadershipLost where the Lease has run out."""
    if isinstance(action, Hold):
        return None
    if isinstance(route, RouteUnreadable) and isinstance(action, RollBack):
        route = route.seen
    if not isinstance(route, RouteSeen):
        return NotWritten("NotSeen", "the route was not read, so nothing was written to it")
    match action:
        case ClaimRoute(claim=claim) | Mirror(claim=claim):
            return await _write(router, route, RouteChange((), claim), leadership)
        case Raise(weights=weights, claim=claim) | Lower(weights=weights, claim=claim):
            return await _write(router, route, RouteChange(weights, claim), leadership)
        case ReleaseClaim():
            return await _write(router, route, RouteChange((), None), leadership)
        case RollBack():
            return await _roll_back(action, router, route, leadership)
        case _ as never:
            assert_never(never)


async def _roll_back(
    action: RollBack, router: Router, route: RouteSeen, leadership: Leadership
) -> WriteResult:
    """Write the original weights until they stand, or until somebody else must have a say."""
    result: WriteResult = Conflict("not tried yet")
    for turn in range(TRIES):
        found = route.every_claim
        if found and all(belongs_to_another(one, action.claim) for one in found):
            return Conflict("the route's claim has changed hands")
        change = RouteChange(
            weights=restored(route.rules, _original(route, action)),
            claim=action.claim,
            pinned=turn < PINNED_TRIES,
        )
        result = await _write(router, route, change, leadership, ROLLBACK_DEADLINE)
        if not isinstance(result, Conflict):
            return result
        again = await router.look(deadline=ROLLBACK_DEADLINE, insist=True)
        match again:
            case RouteSeen():
                route = again
            case RouteGone(message=message):
                return NotWritten("Gone", message)
            case RouteUnreadable(seen=RouteSeen() as part):
                route = part
            case RouteUnreadable(reason=reason, message=message):
                return NotWritten(reason, message)
    return result


def _original(route: RouteSeen, action: RollBack) -> tuple[RuleWeights, ...]:
    """What the decision knows; a claim of the same rollout on the route where it knew nothing."""
    if action.original:
        return action.original
    return tuple(rule for claim in route.every_claim for rule in claim.original)


async def _write(
    router: Router,
    route: RouteSeen,
    change: RouteChange,
    leadership: Leadership,
    deadline: float = 5.0,
) -> WriteResult:
    if not leadership.may_write():
        raise LeadershipLost("the Lease has run out: nothing is written any more")
    return await router.write(route, change, deadline=deadline)


def went_wrong(result: WriteResult | None) -> str:
    """What to tell people about a write; empty when it succeeded or lost a race that is run again."""
    match result:
        case None | Written() | Conflict():
            return ""
        case NotWritten(message=message):
            return message
        case _ as never:
            assert_never(never)


def lost_race(action: Action, result: WriteResult | None) -> bool:
    """Whether it was an enforcement, and somebody changed the route before it got through."""
    return isinstance(action, Lower) and isinstance(result, Conflict)
