"""The way back, and the end: rollback, completion, deletion. Nothing here can fail on the spec."""

from datetime import timedelta

from cutover.api.status import Phase, Status
from cutover.decide import claims, clocks, record
from cutover.decide.alarms import Alarm
from cutover.decide.decision import Decision, Hold, ReleaseClaim, RollBack, Said
from cutover.decide.observation import Observation, RouteGone, RouteSeen, RouteUnreadable
from cutover.decide.transitions import FINISHED
from cutover.decide.weights import restored

AT_ONCE = timedelta(0)
AGAIN = timedelta(milliseconds=250)
"""How soon a rollback that did not get through is tried again, without end."""
RELEASE_AFTER = timedelta(minutes=2)
"""How long a deletion waits for a route's API server that does not answer."""
RELAXED = timedelta(seconds=30)


def roll_back(seen: Observation, status: Status, alarm: Alarm) -> Decision:
    """Give the source everything back: the route first, the status afterwards."""
    first = status.phase is not Phase.ROLLING_BACK
    if not _moved(status) and not _claimed_by_us(seen):
        return _never_moved(seen, status, alarm)
    status = record.rolling_back(status, seen.now, alarm.reason, alarm.message)
    said = (Said("RollingBack", f"{alarm.reason}: {alarm.message}", warning=True),) if first else ()
    route = seen.route
    match route:
        case RouteSeen():
            return _put_back(seen, status, route, alarm, said)
        case RouteGone():
            return _ended(seen, status, f"nothing to put back: {route.message}", said)
        case RouteUnreadable():
            return _unreachable(seen, status, route, said)
        case None:
            return Decision(status, look_again=AT_ONCE, said=said)


def _moved(status: Status) -> bool:
    return status.phase in (Phase.PROGRESSING, Phase.SOAKING, Phase.ROLLING_BACK)


def _claimed_by_us(seen: Observation) -> bool:
    return isinstance(seen.route, RouteSeen) and claims.namesake(seen, seen.route.claim)


def _never_moved(seen: Observation, status: Status, alarm: Alarm) -> Decision:
    if seen.route is None and status.plan is not None and seen.commands.has_finalizer:
        return Decision(status, look_again=AT_ONCE)
    if seen.commands.deleting:
        return Decision(status, finalizer=False)
    if isinstance(seen.route, RouteUnreadable) and status.phase is Phase.PREFLIGHT:
        return Decision(status, look_again=AGAIN)
    if status.phase is None:
        status = record.in_phase(status, Phase.PENDING, seen.now, "Created", "")
    if status.phase is Phase.PREFLIGHT:
        status = record.in_phase(status, Phase.PENDING, seen.now, alarm.reason, alarm.message)
    message = f"{alarm.message}; no traffic had been moved"
    status = record.in_phase(status, Phase.ROLLED_BACK, seen.now, alarm.reason, message)
    return Decision(status, finalizer=False, said=(Said("RolledBack", message),))


def _put_back(
    seen: Observation, status: Status, route: RouteSeen, alarm: Alarm, said: tuple[Said, ...]
) -> Decision:
    foreign = route.claim is not None and not claims.namesake(seen, route.claim)
    if foreign or claims.newer(seen, route.claim):
        owner = route.claim.owner if route.claim else ""
        status = status.model_copy(
            update={"trouble": f"the route is claimed by {owner} now; it is left to that one"}
        )
        return Decision(status, Hold(), look_again=AGAIN if not foreign else RELAXED, said=said)
    original = claims.original_weights(seen, status)
    wanted = restored(route.rules, original)
    is_back = route.rules == wanted or all(rule.target == 0 for rule in route.rules)
    exact = not original or route.rules == wanted
    if is_back and exact and (route.claim is None or claims.current(seen, status, route.claim)):
        return _ended(seen, status, alarm.message, said)
    claim = claims.claim_for(seen, status, original or route.rules)
    return Decision(
        status,
        RollBack(original, claim, alarm.reason, alarm.message),
        look_again=AT_ONCE,
        said=said,
    )


def _ended(seen: Observation, status: Status, message: str, said: tuple[Said, ...]) -> Decision:
    """The source has everything back."""
    rollback = status.rollback
    if rollback is not None:
        status = status.model_copy(
            update={"rollback": rollback.model_copy(update={"restored_at": seen.now})}
        )
    weights = status.weights.model_copy(update={"applied": 0, "standing": None})
    status = status.model_copy(
        update={"weights": weights, "release_failing_since": None, "trouble": ""}
    )
    reason = rollback.reason if rollback else "RolledBack"
    status = record.in_phase(status, Phase.ROLLED_BACK, seen.now, reason, message)
    return Decision(
        status, look_again=AT_ONCE, said=(*said, Said("RolledBack", message, warning=True))
    )


def _unreachable(
    seen: Observation, status: Status, route: RouteUnreadable, said: tuple[Said, ...]
) -> Decision:
    status = status.model_copy(update={"trouble": route.message[:1024]})
    if not seen.commands.deleting:
        return Decision(status, look_again=AGAIN, said=said)
    since = status.release_failing_since or seen.now
    status = status.model_copy(update={"release_failing_since": since})
    if clocks.waited(since, seen.now) < RELEASE_AFTER:
        return Decision(status, look_again=AGAIN, said=said)
    return Decision(status, finalizer=False, said=(*said, _left_behind(status, route)))


def _left_behind(status: Status, route: RouteUnreadable) -> Said:
    name = status.plan.traffic.http_route.name if status.plan else "?"
    weight = status.weights.declared
    share = "an unknown share" if weight is None else f"{weight:g} %"
    return Said(
        "TrafficLeftBehind",
        f"HTTPRoute {name} could not be put back within two minutes ({route.message}); when last read it"
        f" sent {share} to the target: set its weights by hand",
        warning=True,
    )


def finished(seen: Observation, status: Status) -> Decision:
    """Completed or RolledBack: let go of the route, then of the object; a higher attempt begins again."""
    again = seen.commands.attempt > (status.attempt or 1)
    if (
        status.phase is Phase.ROLLED_BACK
        and again
        and not (seen.commands.abort or seen.commands.deleting)
    ):
        if _claimed_by_us(seen):
            return Decision(status, ReleaseClaim(), look_again=AT_ONCE)
        status = record.new_attempt(status, seen.commands.attempt, seen.now)
        return Decision(status, look_again=AT_ONCE)
    if not seen.commands.has_finalizer:
        return Decision(status)
    return let_go(seen, status)


def let_go(seen: Observation, status: Status) -> Decision:
    """Take the claim off the route and then the finalizer off the object; the weights stay."""
    route = seen.route
    match route:
        case RouteSeen() if claims.ours(seen, route.claim) or claims.namesake(seen, route.claim):
            if claims.newer(seen, route.claim):
                return Decision(status, look_again=RELAXED)
            return Decision(status, ReleaseClaim(), look_again=AT_ONCE)
        case RouteUnreadable() if not seen.commands.deleting:
            return Decision(status, look_again=RELAXED)
        case RouteUnreadable():
            since = status.release_failing_since or seen.now
            status = status.model_copy(update={"release_failing_since": since})
            if clocks.waited(since, seen.now) < RELEASE_AFTER:
                return Decision(status, look_again=AGAIN)
            return Decision(status, finalizer=False)
        case None if status.plan is not None:
            return Decision(status, look_again=AT_ONCE)
        case _:
            return Decision(status, finalizer=False)


def kept(seen: Observation, status: Status) -> Decision:
    """Deleted while soaking with ``on-delete: Keep``: the target keeps everything."""
    message = (
        "deleted while soaking with cutover.dev/on-delete: Keep; the traffic stays on the target"
    )
    if status.phase not in FINISHED:
        status = record.in_phase(status, Phase.COMPLETED, seen.now, "Kept", message)
    return let_go(seen, status)
