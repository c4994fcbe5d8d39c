"""One step after the other: when a weight is written, when a step is over, and which one follows."""

from datetime import timedelta
from typing import assert_never

from cutover.api.conditions import ConditionType
from cutover.api.evidence import GateStatus
from cutover.api.quantities import parse_duration
from cutover.api.status import Phase, Plan, Status
from cutover.api.steps import Step, StepKind
from cutover.api.traffic import DeliveryCheck
from cutover.api.verdict import Verdict
from cutover.decide import claims, clocks, draining, record
from cutover.decide.admission import WAITS_FOR_ITSELF, held_back
from cutover.decide.applying import (
    analysis_in_force,
    awaited,
    before_traffic,
    in_force,
    shadow_percent,
)
from cutover.decide.clocks import AT_ONCE, SOON
from cutover.decide.counting import frozen_references
from cutover.decide.decision import Decision, Lower, Mirror, Raise, Said
from cutover.decide.drifting import frozen_distributions
from cutover.decide.looking import guard_interval, has_traffic, watching
from cutover.decide.means import frozen_means
from cutover.decide.observation import Observation, Refusal
from cutover.decide.readings import SideReading
from cutover.decide.record import from_status
from cutover.decide.route import RouteSeen
from cutover.decide.share import mirrored
from cutover.decide.weights import shows, weights_at


def take_step(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    """Decide for the step in force, on a route that is ours and shows what it should."""
    assert status.step is not None  # noqa: S101 - Progressing begins with a step
    step, weights = plan.steps[status.step.index], status.weights
    written = weights.desired is not None and shows(
        route.rules, from_status(status.original), weights.desired
    )
    arrives = step.kind is StepKind.WEIGHT and written
    if weights.applied_at is None and (weights.applied or 0) > 0 and not arrives:
        if not route.accepted:
            return _not_taken(status, plan, route)
        return Decision(record.clock_started(status, seen.now), look_again=guard_interval(plan))
    if draining.under_way(status, plan):
        return draining.at_the_end(seen, status, plan)
    match step.kind:
        case StepKind.SHADOW:
            return _shadow_step(seen, status, plan, route)
        case StepKind.WEIGHT:
            return _weight_step(seen, status, plan, route, written=written)
        case StepKind.PAUSE | StepKind.SOAK:
            return _waiting_step(seen, status, plan, step)
        case StepKind.APPROVAL:
            return _approval_step(seen, status, plan, step)
        case _ as never:
            assert_never(never)


# --- a shadow -----------------------------------------------------------------------------------


def _shadow_step(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    """Bring the mirror, and hold it until the target is proven on copies; what follows takes it away."""
    percent = shadow_percent(plan, status) or 0
    if mirrored(status) == percent and status.weights.applied_at is not None:
        return _advance_when_ready(seen, status, plan)
    if not route.accepted:
        return _not_taken(status, plan, route)
    if route.claim is not None and route.claim.mirror == percent == route.mirrored:
        return Decision(record.mirrored(status, percent, seen.now), look_again=guard_interval(plan))
    if not _intent_is_stored(seen, status):
        return Decision(status, look_again=AT_ONCE)
    if not may_raise(seen, status, plan):
        return Decision(status, look_again=watching(status, plan))
    held = held_back(seen, status, plan)
    if held is not None:
        return _held(seen, status, plan, held)
    claim = claims.claim_for(seen, status, from_status(status.original), mirror=percent)
    return Decision(status, Mirror(claim), look_again=SOON)


# --- weights ------------------------------------------------------------------------------------


def _weight_step(
    seen: Observation, status: Status, plan: Plan, route: RouteSeen, *, written: bool
) -> Decision:
    weights = status.weights
    is_ours = weights.applied == weights.desired and weights.standing is None
    if is_ours and weights.applied_at is not None:
        return _advance_when_ready(seen, status, plan)
    if not route.accepted:
        return _not_taken(status, plan, route)
    if written:
        return Decision(record.applied(status, seen.now), look_again=guard_interval(plan))
    return _write_weight(seen, status, plan)


def _not_taken(status: Status, plan: Plan, route: RouteSeen) -> Decision:
    trouble = Refusal("NotAccepted", f"the gateway has not taken the route: {route.acceptance}")
    return Decision(status, trouble=trouble, look_again=guard_interval(plan))


def _write_weight(seen: Observation, status: Status, plan: Plan) -> Decision:
    """Write the intended weight, once the intent is stored and what it rests on still holds."""
    desired = status.weights.desired
    assert desired is not None  # noqa: S101 - entering a weight step sets it
    if not _intent_is_stored(seen, status):
        return Decision(status, look_again=AT_ONCE)
    original = from_status(status.original)
    claim = claims.claim_for(seen, status, original)
    rules = weights_at(original, desired)
    if desired < (status.weights.applied or 0):
        return Decision(status, Lower(rules, claim, desired), look_again=SOON)
    if not may_raise(seen, status, plan):
        return Decision(status, look_again=watching(status, plan))
    held = held_back(seen, status, plan)
    if held is not None:
        return _held(seen, status, plan, held)
    return Decision(status, Raise(rules, claim, desired), look_again=SOON)


def _held(seen: Observation, status: Status, plan: Plan, held: Refusal) -> Decision:
    said = held_said(seen, held)
    return Decision(status, held=held, look_again=watching(status, plan), said=said)


def held_said(seen: Observation, held: Refusal) -> tuple[Said, ...]:
    """Tell of what holds a weight back when it begins to; its numbers change from look to look."""
    told = any(
        one.type == ConditionType.TRAFFIC_APPLIED and one.reason == held.reason
        for one in seen.status.conditions
    )
    waits = held.reason in WAITS_FOR_ITSELF
    return () if told else (Said(held.reason, held.message, warning=not waits),)


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


def may_raise(seen: Observation, status: Status, plan: Plan) -> bool:
    """Whether what the intent rested on still holds: it may have been stored long ago.

    Both sides can be read now, and what the target has already was proven good a moment ago.
    """
    readings = (seen.source, seen.target)
    if not all(isinstance(one, SideReading) and not one.overlaps for one in readings):
        return False
    if before_traffic(status):
        return not awaited(plan, status)
    return proven(seen, status, plan, within=freshness(plan))


def freshness(plan: Plan) -> timedelta:
    """How old a Pass may be on which a weight is raised."""
    return 2 * parse_duration(plan.analysis.interval) + timedelta(minutes=1)


# --- waiting ------------------------------------------------------------------------------------


def _waiting_step(seen: Observation, status: Status, plan: Plan, step: Step) -> Decision:
    assert status.step is not None  # noqa: S101 - the caller looked
    left = clocks.step_length(step) - clocks.waited(status.step.started_at, seen.now)
    if left > clocks.NOTHING:
        return Decision(status, look_again=min(left, watching(status, plan)))
    return _advance_when_ready(seen, status, plan)


def _approval_step(seen: Observation, status: Status, plan: Plan, step: Step) -> Decision:
    if not is_approved(seen, status, step):
        return Decision(status, look_again=watching(status, plan))
    return _advance_when_ready(seen, status, plan)


def is_approved(seen: Observation, status: Status, step: Step) -> bool:
    """Whether a person has said yes to the step, for this attempt."""
    if step.approval is None:
        return True
    return (step.approval.name, status.attempt or 1) in seen.commands.approved


# --- going on -----------------------------------------------------------------------------------


def ready(seen: Observation, status: Status, plan: Plan) -> bool:
    """Whether the next step may begin: everything is proven at this very look."""
    if awaited(plan, status):
        return False
    return not has_traffic(status) or proven(seen, status, plan, within=clocks.NOTHING)


def proven(seen: Observation, status: Status, plan: Plan, *, within: timedelta) -> bool:
    """Whether every gate passed within that time, and the gateway took the weight and requests show it.

    A Pass that stands for the attempt is never too old; a gate that only reports is not asked.
    """
    gates = {gate.name: gate for gate in status.gates}
    needed = (gate for gate in in_force(plan, status) if not gate.only_reports)
    if not all(_passed(gates.get(gate.name), seen, within) for gate in needed):
        return False
    return (
        clocks.min_duration_over(status, analysis_in_force(plan, status), seen.now)
        and isinstance(seen.route, RouteSeen)
        and seen.route.accepted
        and delivered(status, plan)
    )


def _passed(gate: GateStatus | None, seen: Observation, within: timedelta) -> bool:
    if gate is None or gate.verdict is not Verdict.PASS or gate.looked_at is None:
        return False
    return gate.stands or clocks.NOTHING <= seen.now - gate.looked_at <= within


def delivered(status: Status, plan: Plan) -> bool:
    """Whether counters show the weight, or need not: what somebody else left there was never ours."""
    if plan.traffic.delivery.check is DeliveryCheck.REPORT or status.weights.standing is not None:
        return True
    return status.weights.delivery_ok is True


def _advance_when_ready(seen: Observation, status: Status, plan: Plan) -> Decision:
    if not ready(seen, status, plan):
        return Decision(status, look_again=watching(status, plan))
    assert status.step is not None  # noqa: S101 - the caller looked
    return _advance(seen, status, plan, status.step.index + 1)


def _advance(seen: Observation, status: Status, plan: Plan, following: int) -> Decision:
    enough = float(analysis_in_force(plan, status).min_requests)
    kept = {one.gate: one for one in frozen_references(plan.gates, status, following - 1, enough)}
    kept |= {one.gate: one for one in frozen_means(plan, status, following - 1, enough)}
    distributions = frozen_distributions(
        status, plan, seen.source, seen.long_window, step=following - 1, enough=enough
    )
    status = status.model_copy(
        update={"reference": list(kept.values()), "reference_distributions": distributions}
    )
    if following >= len(plan.steps):
        return draining.at_the_end(seen, status, plan)
    status = record.at_step(status, plan, following, seen.now)
    step = plan.steps[following]
    message = f"step {following + 1} of {len(plan.steps)}: {step.description}"
    if step.kind is StepKind.SOAK:
        status = record.in_phase(status, Phase.SOAKING, seen.now, "SoakBegun", message)
    elif status.phase is Phase.SHADOWING and step.shadow is None:
        status = record.in_phase(status, Phase.PROGRESSING, seen.now, "StepBegun", message)
    else:
        status = record.noted(status, seen.now, "StepBegun", message)
    return Decision(status, look_again=AT_ONCE, said=(Said("StepBegun", message),))
