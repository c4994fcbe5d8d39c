"""Forward motion, step by step. The default is to stay; going on needs a reason, and it is in words."""

from datetime import timedelta
from typing import assert_never

from cutover.api.quantities import parse_duration
from cutover.api.spec import DeliveryCheck, OnOverride, Step, StepKind
from cutover.api.status import PauseCause, Phase, Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide import alarms, claims, clocks, record
from cutover.decide.decision import ClaimRoute, Decision, Hold, Lower, Raise, Said
from cutover.decide.entering import lowest_step
from cutover.decide.judging import frozen_references
from cutover.decide.looking import has_traffic
from cutover.decide.observation import Observation, RouteGone, RouteSeen, RouteUnreadable
from cutover.decide.override import Override, OverrideKind, contested, enforced, find_override
from cutover.decide.record import from_status
from cutover.decide.weights import matches, weights_at

AT_ONCE = timedelta(0)
SOON = timedelta(seconds=1)
"""While the gateway is waited for, or something stands in the way that may go as it came."""


def go_on(seen: Observation, status: Status, plan: Plan) -> Decision:
    """Decide for a rollout that is Progressing or Soaking and that nothing calls back."""
    route = seen.route
    match route:
        case None:
            return Decision(status, look_again=AT_ONCE)
        case RouteGone():
            return _stands(status, f"{route.message}; nothing can be moved until it is back", plan)
        case RouteUnreadable():
            return _stands(status, route.message, plan)
        case RouteSeen():
            return _with_route(seen, status, plan, route)


def _stands(status: Status, trouble: str, plan: Plan) -> Decision:
    again = min(guard_interval(plan), timedelta(seconds=5))
    return Decision(status.model_copy(update={"trouble": trouble[:1024]}), look_again=again)


def _with_route(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    claim = route.claim
    if (claim is not None and not claims.ours(seen, claim)) or claims.newer(seen, claim):
        owner = claim.owner if claim is not None else "nobody"
        return _stands(status, f"the route is claimed by {owner} now: it is left to that one", plan)
    if not claims.current(seen, status, claim):
        mine = claims.claim_for(seen, status, claims.original_weights(seen, status) or route.rules)
        return Decision(status, ClaimRoute(mine), look_again=AT_ONCE)
    if seen.status.leader_epoch != seen.identity.epoch:
        return Decision(status, look_again=AT_ONCE)
    override = find_override(status, route)
    if override is not None:
        return _overridden(seen, status, plan, route, override)
    status = _read_back(status, route, seen)
    status = _pauses(seen, status, plan)
    if status.pause is not None:
        return Decision(status, look_again=_watching(status, plan), said=_pause_said(seen, status))
    if seen.status.pause is not None:
        status = _rejoined(seen.status, status, plan, route, seen)
        return Decision(status, look_again=AT_ONCE, said=(Said("Resumed", "the rollout goes on"),))
    if route.problem is not None:
        return _stands(status, route.problem, plan)
    return _step(seen, status, plan, route)


def _read_back(status: Status, route: RouteSeen, seen: Observation) -> Status:
    weights = status.weights.model_copy(
        update={"declared": route.declared, "declared_at": seen.now}
    )
    return status.model_copy(update={"weights": weights, "trouble": ""})


# --- somebody else's weights --------------------------------------------------------------------


def _overridden(
    seen: Observation, status: Status, plan: Plan, route: RouteSeen, override: Override
) -> Decision:
    status = _read_back(status, route, seen)
    live, who = override.live, override.manager
    if override.kind is OverrideKind.LOWERED:
        message = (
            f"{who} lowered the target to {live:g} %: taken as an emergency stop and left as it is;"
            " resume to go on from there, or abort"
        )
        return _stopped(seen, status, route, PauseCause.EMERGENCY_STOP, message, plan)
    if plan.traffic.on_override is OnOverride.PAUSE:
        message = f"{who} raised the target to {live:g} %; left as it is (onOverride: Pause): resume or abort"
        return _stopped(seen, status, route, PauseCause.OVERRIDDEN, message, plan)
    if contested(status, seen.now):
        message = (
            f"{who} keeps raising the target (now {live:g} %), put back five times in ten minutes: the weights"
            " are left as they are; stop that writer, then resume"
        )
        return _stopped(seen, status, route, PauseCause.CONTESTED, message, plan)
    percent = status.weights.applied or 0
    standing = status.weights.standing
    rules = from_status(standing) if standing else weights_at(from_status(status.original), percent)
    claim = claims.claim_for(seen, status, from_status(status.original))
    message = (
        f"{who} raised the target to {live:g} %; put back to {percent} % (onOverride: Enforce)"
    )
    status = record.noted(enforced(status, seen.now), seen.now, "TrafficOverridden", message)
    return Decision(
        status,
        Lower(rules, claim, percent),
        look_again=AT_ONCE,
        said=(Said("TrafficOverridden", message, warning=True),),
    )


def _stopped(
    seen: Observation,
    status: Status,
    route: RouteSeen,
    cause: PauseCause,
    message: str,
    plan: Plan,
) -> Decision:
    live = int(route.highest)
    weights = status.weights.model_copy(
        update={
            "standing": record.to_status(route.rules),
            "desired": live,
            "applied": live,
            "applied_at": seen.now,
        }
    )
    status = record.evidence_afresh(status.model_copy(update={"weights": weights}), None)
    if status.pause is not None:
        since = status.pause.since
        status = record.noted(status.model_copy(update={"pause": None}), seen.now, cause, message)
        status = record.paused(status, cause, since, message)
    else:
        status = record.paused(status, cause, seen.now, message)
    said = (Said(cause.value, message, warning=True),)
    return Decision(status, look_again=_watching(status, plan), said=said)


# --- pausing and resuming -----------------------------------------------------------------------


def _pauses(seen: Observation, status: Status, plan: Plan) -> Status:
    """Begin, acknowledge or end a pause."""
    pause = status.pause
    if seen.commands.paused:
        if pause is None:
            return record.paused(
                status, PauseCause.REQUESTED, seen.now, "paused by spec.paused", acknowledged=True
            )
        acknowledged = pause.model_copy(update={"acknowledged": True})
        return status.model_copy(update={"pause": acknowledged})
    if pause is not None:
        return record.resumed(status, seen.now) if pause.acknowledged else status
    return _own_pause(seen, status, plan)


def _own_pause(seen: Observation, status: Status, plan: Plan) -> Status:
    """The pauses that the rollout takes by itself; a person must look."""
    worse = next((g for g in status.gates if g.verdict is Verdict.FAIL and g.pauses), None)
    if worse is not None:
        return record.paused(status, PauseCause.BOTH_WORSE, seen.now, worse.message)
    if alarms.outage_too_long(seen, status, plan):
        message = (
            f"metrics have been unreadable for {plan.analysis.outage_limit}: mend them, then resume"
        )
        return record.paused(status, PauseCause.OUTAGE, seen.now, message)
    if alarms.inconclusive_too_long(seen, status, plan):
        waiting = next(g.message for g in status.gates if g.verdict is not Verdict.PASS)
        message = f"no verdict within maxDuration {plan.analysis.max_duration} ({waiting}): resume to wait on, or abort"
        return record.paused(status, PauseCause.INCONCLUSIVE, seen.now, message)
    return status


def _pause_said(seen: Observation, status: Status) -> tuple[Said, ...]:
    if seen.status.pause is not None or status.pause is None:
        return ()
    requested = status.pause.cause is PauseCause.REQUESTED
    return (Said(f"Paused{status.pause.cause.value}", status.pause.message, warning=not requested),)


def _rejoined(
    before: Status, status: Status, plan: Plan, route: RouteSeen, seen: Observation
) -> Status:
    """After a pause: usually the same step goes on; after foreign weights the step they belong to begins."""
    assert before.pause is not None  # noqa: S101 - the caller looked
    match before.pause.cause:
        case PauseCause.REQUESTED:
            return status
        case PauseCause.OUTAGE:
            return status.model_copy(update={"outage_since": None})
        case PauseCause.INCONCLUSIVE | PauseCause.BOTH_WORSE:
            return _another_chance(status, plan, seen)
        case (
            PauseCause.OVERRIDDEN
            | PauseCause.EMERGENCY_STOP
            | PauseCause.CONTESTED
            | PauseCause.LOST_STATUS
        ):
            return _from_live_weights(status, plan, route, seen)
        case _ as never:
            assert_never(never)


def _another_chance(status: Status, plan: Plan, seen: Observation) -> Status:
    """The step's ``maxDuration`` begins again; ``settle`` and ``minDuration`` stay waited."""
    kept = parse_duration(plan.analysis.settle) + parse_duration(plan.analysis.min_duration)
    begun = max(status.weights.applied_at or seen.now, seen.now - kept)
    weights = status.weights.model_copy(update={"applied_at": begun})
    return record.evidence_afresh(status.model_copy(update={"weights": weights}), seen.now)


def _from_live_weights(status: Status, plan: Plan, route: RouteSeen, seen: Observation) -> Status:
    live = route.highest
    weights = status.weights.model_copy(update={"applied": int(live), "applied_at": None})
    status = record.evidence_afresh(status.model_copy(update={"weights": weights}), None)
    if status.phase is Phase.SOAKING:
        status = record.in_phase(
            status, Phase.PROGRESSING, seen.now, "Resumed", f"from {live:g} % on the target"
        )
    status = record.at_step(status, plan, lowest_step(plan, live), seen.now)
    exact = matches(route.rules, from_status(status.original), int(live))
    standing = None if exact else record.to_status(route.rules)
    weights = status.weights.model_copy(update={"standing": standing, "applied_at": None})
    return status.model_copy(update={"weights": weights})


# --- steps --------------------------------------------------------------------------------------


def _step(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    assert status.step is not None  # noqa: S101 - Progressing begins with a step
    step = plan.steps[status.step.index]
    match step.kind:
        case StepKind.WEIGHT:
            return _weight_step(seen, status, plan, route)
        case StepKind.PAUSE:
            return _waiting_step(seen, status, plan, step)
        case StepKind.APPROVAL:
            return _approval_step(seen, status, plan, step)
        case StepKind.SOAK:
            return _waiting_step(seen, status, plan, step)
        case _ as never:
            assert_never(never)


def _weight_step(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    weights = status.weights
    assert weights.desired is not None  # noqa: S101 - entering a weight step sets it
    original = from_status(status.original)
    if weights.applied == weights.desired and weights.applied_at is not None:
        return _advance_when_ready(seen, status, plan)
    if matches(route.rules, original, weights.desired):
        if not route.accepted:
            return _stands(
                status, f"the gateway has not taken the weight: {route.acceptance}", plan
            )
        status = record.applied(status, seen.now)
        return Decision(status, look_again=guard_interval(plan))
    if not _intent_is_stored(seen, status):
        return Decision(status, Hold(), look_again=AT_ONCE)
    if not route.accepted:
        return _stands(status, f"the gateway has not taken the route: {route.acceptance}", plan)
    claim = claims.claim_for(seen, status, original)
    rules = weights_at(original, weights.desired)
    if weights.desired < (weights.applied or 0):
        return Decision(status, Lower(rules, claim, weights.desired), look_again=AT_ONCE)
    return Decision(status, Raise(rules, claim, weights.desired), look_again=AT_ONCE)


def _intent_is_stored(seen: Observation, status: Status) -> bool:
    """Whether the status as read already says what is about to be written (law 4)."""
    stored = seen.status
    return (
        stored.step is not None
        and status.step is not None
        and stored.step.index == status.step.index
        and stored.weights.desired == status.weights.desired
        and stored.leader_epoch == seen.identity.epoch
        and stored.pause is None
    )


def _waiting_step(seen: Observation, status: Status, plan: Plan, step: Step) -> Decision:
    assert status.step is not None  # noqa: S101 - the caller looked
    left = clocks.step_length(step) - clocks.waited(status.step.started_at, seen.now)
    if left > AT_ONCE:
        return Decision(status, look_again=min(left, _watching(status, plan) or left))
    return _advance_when_ready(seen, status, plan)


def _approval_step(seen: Observation, status: Status, plan: Plan, step: Step) -> Decision:
    assert step.approval is not None  # noqa: S101 - the caller looked
    if (step.approval.name, status.attempt or 1) not in seen.commands.approved:
        return Decision(status, look_again=_watching(status, plan))
    return _advance_when_ready(seen, status, plan)


def ready(seen: Observation, status: Status, plan: Plan) -> bool:
    """Whether the next step may begin: every gate passes at this very look, and requests show the weight."""
    if not has_traffic(status):
        return True
    gates = {gate.name: gate for gate in status.gates}
    fresh = all(
        gate.name in gates
        and gates[gate.name].verdict is Verdict.PASS
        and gates[gate.name].looked_at == seen.now
        for gate in plan.gates
    )
    return (
        fresh
        and clocks.min_duration_over(status, plan.analysis, seen.now)
        and isinstance(seen.route, RouteSeen)
        and seen.route.accepted
        and delivered(status, plan)
    )


def delivered(status: Status, plan: Plan) -> bool:
    """Whether counters show the weight, or need not."""
    if plan.traffic.delivery.check is DeliveryCheck.REPORT:
        return True
    return status.weights.delivery_ok is True


def _advance_when_ready(seen: Observation, status: Status, plan: Plan) -> Decision:
    if not ready(seen, status, plan):
        return Decision(status, look_again=_watching(status, plan))
    assert status.step is not None  # noqa: S101 - the caller looked
    return _advance(seen, status, plan, status.step.index + 1)


def _advance(seen: Observation, status: Status, plan: Plan, following: int) -> Decision:
    enough = float(plan.analysis.min_requests)
    references = frozen_references(status, following - 1, enough)
    status = status.model_copy(update={"reference": references})
    if following >= len(plan.steps):
        message = "100 % on the target; every gate passed"
        status = record.in_phase(status, Phase.COMPLETED, seen.now, "Completed", message)
        status = status.model_copy(update={"executed_steps": list(plan.steps)})
        return Decision(status, look_again=AT_ONCE, said=(Said("Completed", message),))
    status = record.at_step(status, plan, following, seen.now)
    step = plan.steps[following]
    message = f"step {following + 1} of {len(plan.steps)}: {step.description}"
    if step.kind is StepKind.SOAK:
        status = record.in_phase(status, Phase.SOAKING, seen.now, "SoakBegun", message)
    else:
        status = record.noted(status, seen.now, "StepBegun", message)
    return Decision(status, look_again=AT_ONCE, said=(Said("StepBegun", message),))


def guard_interval(plan: Plan) -> timedelta:
    """The time between guard looks."""
    return parse_duration(plan.analysis.guard_interval)


def _watching(status: Status, plan: Plan) -> timedelta | None:
    """When to look again while waiting: often with traffic on the target, else only when woken."""
    if has_traffic(status):
        return guard_interval(plan)
    if status.pause is not None:
        return None
    return parse_duration(plan.analysis.interval)
