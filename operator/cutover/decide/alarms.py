"""Whether a rollback is due, and why: asked before anything else, in this order.

A rollback under way, a person's abort, a rollback decided before, a deletion, a guard's breach, a
failed gate, and the two waits that the user may have turned into a rollback.
"""

from dataclasses import dataclass
from datetime import timedelta

from cutover.api.analysis import OnInconclusive, OnOutage
from cutover.api.gates import OnFail
from cutover.api.guards import Guard
from cutover.api.quantities import parse_duration
from cutover.api.status import Phase, Plan, Status
from cutover.api.steps import StepKind
from cutover.api.traffic import DeliveryCheck
from cutover.api.verdict import Verdict
from cutover.decide import claims, clocks
from cutover.decide.applying import analysis_in_force, awaited, before_traffic, in_force
from cutover.decide.guarding import find_breach
from cutover.decide.health import unwell
from cutover.decide.looking import has_traffic
from cutover.decide.observation import Observation
from cutover.decide.transitions import FINISHED
from cutover.decide.windows import is_open, open_time, rises_later


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why the traffic must go back."""

    reason: str
    message: str


def commanded(seen: Observation, status: Status) -> Alarm | None:
    """What people and earlier decisions demand; needs nothing but the object itself."""
    if status.phase in FINISHED:
        return None
    if status.phase is Phase.ROLLING_BACK and status.rollback is not None:
        return Alarm(status.rollback.reason, status.rollback.message)
    if seen.commands.abort:
        return Alarm("Aborted", "aborted by spec.abort")
    if seen.latched is not None:
        return Alarm(seen.latched, seen.latched_message)
    begun = claims.going_back(seen, status)
    if begun is not None:
        return Alarm(begun.reason, begun.message)
    if seen.commands.deleting and not _kept(seen, status):
        return Alarm("Deleted", "deleted before it was completed")
    if status.phase is Phase.ROLLING_BACK:
        return Alarm("RollingBack", "a rollback was under way")
    return None


def _kept(seen: Observation, status: Status) -> bool:
    return seen.commands.keep_on_delete and status.phase is Phase.SOAKING


def breached(seen: Observation, status: Status, plan: Plan) -> Alarm | None:
    """What the guards see in this look's trailing windows, and of the target's health.

    While a gate that must pass before traffic has not, nothing was raised: what fails then are other
    callers' requests, or the gate's own.
    """
    if not has_traffic(status) or awaited(plan, status):
        return None
    disabled: frozenset[Guard] = frozenset(plan.guards.disabled)
    breach = find_breach(seen, status, plan, disabled) or unwell(seen, status, plan, disabled)
    return None if breach is None else Alarm(breach.guard, breach.message)


def failed(status: Status) -> Alarm | None:
    """The first gate whose failure rolls back."""
    for gate in status.gates:
        if gate.verdict is Verdict.FAIL and gate.consequence is OnFail.ROLL_BACK:
            return Alarm("GateFailed", gate.message)
    return None


def overdue(seen: Observation, status: Status, plan: Plan) -> Alarm | None:
    """Waits that have lasted too long, where the user asked for a rollback then."""
    analysis = analysis_in_force(plan, status)
    if analysis.on_inconclusive is OnInconclusive.ROLL_BACK:
        waiting = unproven_too_long(seen, status, plan)
        undecided = unshown(status, plan)
        if undecided is not None:
            return Alarm("Inconclusive", undecided)
        if waiting is not None:
            return Alarm(
                "Inconclusive", f"not proven within maxDuration {analysis.max_duration}: {waiting}"
            )
    if analysis.on_outage is OnOutage.ROLL_BACK and outage_too_long(seen, status, plan):
        return Alarm("MetricsOutage", f"metrics unreadable for {analysis.outage_limit}")
    return None


def unproven_too_long(seen: Observation, status: Status, plan: Plan) -> str | None:
    """What is still not proven although the step has had its ``maxDuration``; None: nothing, or not yet."""
    if status.pause is not None or status.outage_since is not None:
        return None
    judged = {gate.name: gate for gate in status.gates}
    needed = [gate.name for gate in in_force(plan, status) if not gate.only_reports]
    if not status.gates or not judged.keys() >= set(needed):
        return None
    longest = parse_duration(analysis_in_force(plan, status).max_duration)
    waited = _waited_for_proof(seen, status, plan)
    if waited is None or waited < longest or not _counts(seen, status, plan, waited, longest):
        return None
    undelivered = _undelivered(status, plan)
    if undelivered is not None and status.weights.delivery_ok is False:
        return undelivered
    waiting = (judged[name] for name in needed)
    open_gates = (one.message for one in waiting if one.verdict is not Verdict.PASS)
    return next(open_gates, None if before_traffic(status) else undelivered)


def _counts(
    seen: Observation, status: Status, plan: Plan, waited: timedelta, longest: timedelta
) -> bool:
    """Whether the wait was long enough in windows: outside of them proof would have moved nothing."""
    if not rises_later(status, plan):
        return True
    if not is_open(plan.windows, seen.now):
        return False
    return open_time(plan.windows, seen.now - waited, seen.now, enough=longest) >= longest


def unshown(status: Status, plan: Plan) -> str | None:
    """What all that can be asked does not show: waiting on brings nothing."""
    if status.pause is not None:
        return None
    needed = {gate.name for gate in in_force(plan, status) if not gate.only_reports}
    for gate in status.gates:
        done = gate.final or (gate.replay is not None and gate.replay.finished)
        if done and gate.name in needed and gate.verdict not in (Verdict.PASS, Verdict.FAIL):
            return gate.message
    return None


def _waited_for_proof(seen: Observation, status: Status, plan: Plan) -> timedelta | None:
    """Time since nothing but proof is missing; None where something else is waited for.

    Evidence that began afresh has the whole time again.
    """
    step, weights = status.step, status.weights
    if status.after_completion is not None:
        return None
    raises = step is not None and step.kind in (StepKind.WEIGHT, StepKind.SHADOW)
    if step is not None and raises and before_traffic(status):
        return clocks.waited(step.started_at, seen.now)
    if step is None or weights.applied_at is None or weights.applied != weights.desired:
        return None
    longest = clocks.waited(weights.applied_at, seen.now)
    if status.evidence_since is not None:
        gathered = clocks.waited(status.evidence_since, seen.now)
        longest = min(longest, gathered + parse_duration(analysis_in_force(plan, status).settle))
    match step.kind:
        case StepKind.WEIGHT | StepKind.SHADOW:
            return longest
        case StepKind.PAUSE | StepKind.SOAK:
            length = clocks.step_length(plan.steps[step.index])
            return min(longest, clocks.waited(step.started_at, seen.now) - length)
        case StepKind.APPROVAL:
            return None


def _undelivered(status: Status, plan: Plan) -> str | None:
    weights = status.weights
    if plan.traffic.delivery.check is DeliveryCheck.REPORT or weights.delivery_ok is True:
        return None
    if weights.standing is not None:
        return None
    return weights.delivery_message or "too few requests to see that the weight is delivered"


def results_too_long(seen: Observation, status: Status, plan: Plan) -> str | None:
    """What keeps evaluations made elsewhere from being used, where that has been so for ``outageLimit``."""
    if status.pause is not None:
        return None
    limit = parse_duration(plan.analysis.outage_limit)
    elsewhere = {gate.name for gate in plan.gates if gate.reads_results}
    for gate in status.gates:
        unused = gate.name in elsewhere and gate.verdict is Verdict.ERROR and not gate.only_reports
        if unused and clocks.waited(gate.failing_since, seen.now) >= limit:
            return gate.message
    return None


def outage_too_long(seen: Observation, status: Status, plan: Plan) -> bool:
    """Whether metrics have been unreadable for ``outageLimit``."""
    limit: timedelta = parse_duration(plan.analysis.outage_limit)
    return (
        status.outage_since is not None
        and status.pause is None
        and has_traffic(status)
        and clocks.waited(status.outage_since, seen.now) >= limit
    )
