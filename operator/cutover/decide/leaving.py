"""The way back, and the end: rollback, completion, deletion. Nothing here can fail on the spec."""

from dataclasses import replace
from datetime import datetime, timedelta

from cutover.api.leftovers import SourceFate
from cutover.api.status import Phase, Plan, RollbackStatus, Status
from cutover.decide import claims, clocks, decommission, record
from cutover.decide.alarms import Alarm
from cutover.decide.clocks import AT_ONCE
from cutover.decide.decision import ClaimRoute, Decision, Hold, ReleaseClaim, RollBack, Said
from cutover.decide.draining import ended
from cutover.decide.looking import source_is_open
from cutover.decide.observation import Observation, Refusal
from cutover.decide.record import from_status
from cutover.decide.route import (
    RULES,
    Claim,
    GoingBack,
    RouteGone,
    RouteSeen,
    RouteUnreadable,
    RuleWeights,
)
from cutover.decide.transitions import MOVED
from cutover.decide.weights import restored

SOONEST = timedelta(milliseconds=250)
LATEST = timedelta(milliseconds=900)
"""Between these a rollback that did not get through is tried again, without end."""
RELEASE_AFTER = timedelta(minutes=2)
"""How long a deletion waits for a route that cannot be read or written."""
RELAXED = timedelta(seconds=30)


# --- rollback -----------------------------------------------------------------------------------


def roll_back(seen: Observation, status: Status, alarm: Alarm) -> Decision:
    """Give the source everything back: the route first, the status afterwards."""
    status = _with_plan(seen, status)
    if status.phase not in MOVED and not _claimed_by_us(seen):
        return _not_known_to_have_moved(seen, status, alarm)
    first = status.phase is not Phase.ROLLING_BACK
    if status.phase is None:
        status = record.in_phase(status, Phase.PENDING, seen.now, "Created", "")
    status = record.rolling_back(status, seen.now, alarm.reason, alarm.message)
    said = (Said("RollingBack", f"{alarm.reason}: {alarm.message}", warning=True),) if first else ()
    route = seen.route
    match route:
        case RouteSeen():
            return _put_back(seen, status, route, said)
        case RouteGone():
            return _ended(seen, status, f"nothing to put back: {route.message}", said)
        case RouteUnreadable():
            trouble = Refusal(f"Route{route.reason}", route.message)
            action = _back_as_far_as_seen(seen, status, route.seen)
            return _hindered(seen, status, trouble, said, action)
        case None:
            return Decision(status, look_again=AT_ONCE, said=said)


def _with_plan(seen: Observation, status: Status) -> Status:
    """The plan says where the route is; where none was stored, the spec does."""
    if status.plan is None and isinstance(seen.draft, Plan):
        return status.model_copy(update={"plan": seen.draft})
    return status


def _claimed_by_us(seen: Observation) -> bool:
    return isinstance(seen.route, RouteSeen) and claims.on_route(seen, seen.route)


def _put_back(
    seen: Observation, status: Status, route: RouteSeen, said: tuple[Said, ...]
) -> Decision:
    other = claims.foreign(seen, route)
    if other is not None and not claims.on_route(seen, route):
        return _lost_to(seen, status, claims.in_use(other), said)
    original = claims.original_weights(seen, status)
    claim = claims.claim_for(seen, status, original or restored(route.rules, ()))
    if route.every_claim and not claims.on_route(seen, route):
        return Decision(status, ClaimRoute(claim), look_again=AT_ONCE, said=said)
    if _is_back(route, original) and _claim_fits(seen, status, route):
        missing = _missing_rules(route, original)
        if missing is not None:
            return _hindered(seen, status, missing, said)
        message = status.rollback.message if status.rollback else "rolled back"
        return _ended(seen, status, message, said)
    action = _roll_back_to(status, original, claim)
    if not seen.trouble:
        first = status.rollback is not None and status.rollback.decided_at == seen.now
        again = AT_ONCE if first else _again(status, seen.now)
        return Decision(status, action, look_again=again, said=said)
    return _hindered(seen, status, Refusal("NotWritten", seen.trouble), said, action)


def _roll_back_to(status: Status, original: tuple[RuleWeights, ...], claim: Claim) -> RollBack:
    alarm = status.rollback
    reason, why = (alarm.reason, alarm.message) if alarm else ("RollingBack", "")
    return RollBack(original, replace(claim, going_back=GoingBack(reason, why)), reason, why)


def _back_as_far_as_seen(
    seen: Observation, status: Status, route: RouteSeen | None
) -> RollBack | Hold:
    """Put back those of several routes that can be read: they do not wait for the others."""
    if route is None or not status.original:
        return Hold()
    original = from_status(status.original)
    if _is_back(route, original) and _claim_fits(seen, status, route):
        return Hold()
    return _roll_back_to(status, original, claims.claim_for(seen, status, original))


def _is_back(route: RouteSeen, original: tuple[RuleWeights, ...]) -> bool:
    return route.rules == restored(route.rules, original) and not route.mirrors_any


def _claim_fits(seen: Observation, status: Status, route: RouteSeen) -> bool:
    """Whether no other leader's raise can still arrive: it would test for another claim than is there."""
    if not route.every_claim:
        return route.claim_text is None
    return all(claims.current(seen, status, claim) for claim in route.every_claim)


def _missing_rules(route: RouteSeen, original: tuple[RuleWeights, ...]) -> Refusal | None:
    """Say why it cannot be told whether everything is back: a rule no longer names both backends."""
    found = {rule.rule for rule in route.rules}
    meant = {rule.rule for rule in original if rule.rule // RULES not in route.gone}
    if route.problem is None or meant <= found:
        return None
    return Refusal(route.problem_reason or "RouteUnusable", route.problem)


def _ended(seen: Observation, status: Status, message: str, said: tuple[Said, ...]) -> Decision:
    """The source has everything back."""
    rollback = status.rollback
    if rollback is not None:
        rollback = rollback.model_copy(update={"restored_at": seen.now})
    weights = status.weights.model_copy(
        update={
            "applied": 0,
            "applied_at": None,
            "standing": None,
            "mirrored": None,
            "delivery_ok": None,
        }
    )
    status = status.model_copy(
        update={"rollback": rollback, "weights": weights, "release_failing_since": None}
    )
    reason = rollback.reason if rollback else "RolledBack"
    status = record.in_phase(status, Phase.ROLLED_BACK, seen.now, reason, message)
    said = (*said, Said("RolledBack", message, warning=True))
    return Decision(status, look_again=AT_ONCE, said=said)


def _hindered(
    seen: Observation,
    status: Status,
    trouble: Refusal,
    said: tuple[Said, ...],
    action: RollBack | Hold = Hold(),  # noqa: B008 - frozen
) -> Decision:
    """Try again without end; a deletion gives up after two minutes, and says what it leaves behind."""
    again = _again(status, seen.now)
    if not seen.commands.deleting:
        return Decision(status, action, trouble=trouble, look_again=again, said=said)
    since = min(status.release_failing_since or seen.now, seen.now)
    status = status.model_copy(update={"release_failing_since": since})
    if clocks.waited(since, seen.now) < RELEASE_AFTER:
        return Decision(status, action, trouble=trouble, look_again=again, said=said)
    said = (*said, _left_behind(status, trouble))
    return Decision(status, finalizer=False, trouble=trouble, said=said)


def _again(status: Status, now: datetime) -> timedelta:
    """Ever more slowly: a twentieth of the time that was tried."""
    if status.rollback is None:
        return LATEST
    tried = clocks.waited(status.rollback.decided_at, now)
    return min(LATEST, max(SOONEST, tried / 20))


def _lost_to(
    seen: Observation, status: Status, trouble: Refusal, said: tuple[Said, ...]
) -> Decision:
    """Another rollout moves the route now: its weights are no longer ours to put back."""
    if not seen.commands.deleting:
        return Decision(status, trouble=trouble, look_again=RELAXED, said=said)
    left = Said("TrafficLeftAlone", f"nothing was put back: {trouble.message}", warning=True)
    return Decision(status, finalizer=False, trouble=trouble, said=(*said, left))


def _left_behind(status: Status, trouble: Refusal) -> Said:
    every = status.plan.traffic.every_route if status.plan else ()
    name = " or ".join(f"{one.kind} {one.name}" for one in every) or "the route"
    weight = status.weights.declared
    share = "an unknown share" if weight is None else f"{weight:g} %"
    return Said(
        "TrafficLeftBehind",
        f"{name} could not be put back within two minutes ({trouble.message}); when last read it"
        f" sent {share} to the target: set its weights by hand",
        warning=True,
    )


# --- nothing moved ------------------------------------------------------------------------------


def _not_known_to_have_moved(seen: Observation, status: Status, alarm: Alarm) -> Decision:
    """Pending or in Preflight, and no claim of ours was seen: perhaps because nothing could be seen."""
    if status.phase is None:
        status = record.in_phase(status, Phase.PENDING, seen.now, "Created", "")
    touched = seen.commands.has_finalizer
    match seen.route:
        case None if status.plan is not None:
            return Decision(status, look_again=AT_ONCE)
        case None if touched and isinstance(seen.draft, Refusal):
            return _spec_needed(status, seen.draft)
        case RouteUnreadable(reason=reason, message=message) if touched:
            trouble = Refusal(f"Route{reason}", message)
            return _hindered(seen, status, trouble, ())
        case _:
            return _never_moved(seen, status, alarm)


def _spec_needed(status: Status, draft: Refusal) -> Decision:
    """Status and spec are both unreadable: not even the route's name is known."""
    message = (
        "the status was lost and the spec, which names the route, cannot be used, so nothing can be put"
        f" back: {draft.message}"
    )
    return Decision(status, refusal=Refusal(draft.reason, message))


def _never_moved(seen: Observation, status: Status, alarm: Alarm) -> Decision:
    route = seen.route
    message = f"{alarm.message}; no traffic had been moved"
    warning = False
    if isinstance(route, RouteSeen) and route.highest > 0:
        message = (
            f"{alarm.message}; the route sends {route.highest:g} % to the target and no claim says that this"
            " rollout did it: if it shall not, set the weights by hand"
        )
        warning = True
    if status.phase is Phase.PREFLIGHT:
        status = record.in_phase(status, Phase.PENDING, seen.now, alarm.reason, alarm.message)
    rollback = RollbackStatus(reason=alarm.reason, message=message[:1024], decided_at=seen.now)
    status = status.model_copy(update={"rollback": rollback})
    status = record.in_phase(status, Phase.ROLLED_BACK, seen.now, alarm.reason, message)
    return Decision(status, finalizer=False, said=(Said("RolledBack", message, warning=warning),))


# --- the end ------------------------------------------------------------------------------------


def finished(seen: Observation, status: Status) -> Decision:
    """Completed or RolledBack: let go of the route, then of the object; a higher attempt begins again."""
    commands = seen.commands
    again = status.phase is Phase.ROLLED_BACK and commands.attempt > (status.attempt or 1)
    if again and not (commands.abort or commands.deleting):
        if _claimed_by_us(seen):
            return Decision(status, ReleaseClaim(), look_again=AT_ONCE)
        status = record.new_attempt(status, commands.attempt, seen.now)
        return Decision(status, look_again=AT_ONCE)
    if source_is_open(status, commands):
        return decommission.go_on(seen, status)
    if not commands.has_finalizer:
        return Decision(status)
    return let_go(seen, status)


def let_go(seen: Observation, status: Status) -> Decision:
    """Take the claim off the route and then the finalizer off the object; the weights stay."""
    route = seen.route
    match route:
        case RouteSeen() if _claimed_by_us(seen) and not seen.trouble:
            return Decision(status, ReleaseClaim(), look_again=AT_ONCE)
        case RouteSeen() if _claimed_by_us(seen):
            trouble = Refusal("NotWritten", seen.trouble)
            return _release_hindered(seen, status, trouble, ReleaseClaim())
        case RouteUnreadable(reason=reason, message=message):
            return _release_hindered(seen, status, Refusal(f"Route{reason}", message), Hold())
        case None if status.plan is not None:
            return Decision(status, look_again=AT_ONCE)
        case _:
            return Decision(status, finalizer=False)


def _release_hindered(
    seen: Observation, status: Status, trouble: Refusal, action: ReleaseClaim | Hold
) -> Decision:
    """Only the claim is left on the route, at the weights that are meant."""
    if not seen.commands.deleting:
        return Decision(status, action, trouble=trouble, look_again=RELAXED)
    since = min(status.release_failing_since or seen.now, seen.now)
    status = status.model_copy(update={"release_failing_since": since})
    if clocks.waited(since, seen.now) < RELEASE_AFTER:
        return Decision(status, action, trouble=trouble, look_again=timedelta(seconds=1))
    return Decision(status, finalizer=False, trouble=trouble)


def kept(seen: Observation, status: Status) -> Decision:
    """Deleted while soaking with ``on-delete: Keep``: the weights stay as they are."""
    message = "deleted while soaking with cutover.dev/on-delete: Keep; the weights stay as they are"
    status = record.in_phase(status, Phase.COMPLETED, seen.now, "Kept", message)
    end = None
    if status.plan is not None:
        end = ended(seen, status, status.plan, SourceFate.KEPT, f"kept: {message}")
    return let_go(seen, status.model_copy(update={"pause": None, "after_completion": end}))
