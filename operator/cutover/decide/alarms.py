"""Whether a rollback is due, and why: asked before anything else, in this order.

A person's abort, a deletion, a rollback decided before, a guard's breach, a failed gate, and the two
waits that the user may have turned into a rollback.
"""

from dataclasses import dataclass
from datetime import timedelta

from cutover.api.quantities import parse_duration
from cutover.api.spec import Guard, OnInconclusive, OnOutage, StepKind
from cutover.api.status import Phase, Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide import clocks
from cutover.decide.guarding import find_breach
from cutover.decide.looking import has_traffic
from cutover.decide.observation import Observation
from cutover.decide.transitions import FINISHED


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
    if seen.commands.deleting and not _kept(seen, status):
        return Alarm("Deleted", "deleted before it was completed")
    if status.phase is Phase.ROLLING_BACK:
        return Alarm("RollingBack", "a rollback was under way")
    return None


def _kept(seen: Observation, status: Status) -> bool:
    return seen.commands.keep_on_delete and status.phase is Phase.SOAKING


def breached(seen: Observation, status: Status, plan: Plan) -> Alarm | None:
    """What the guards see in this look's trailing windows."""
    if not has_traffic(status):
        return None
    disabled: frozenset[Guard] = frozenset(plan.guards.disabled)
    breach = find_breach(seen, status, plan, disabled)
    return None if breach is None else Alarm(breach.guard, breach.message)


def failed(status: Status) -> Alarm | None:
    """The first gate whose failure rolls back."""
    for gate in status.gates:
        if gate.verdict is Verdict.FAIL and not gate.pauses:
            return Alarm("GateFailed", gate.message)
    return None


def overdue(seen: Observation, status: Status, plan: Plan) -> Alarm | None:
    """Waits that have lasted too long, where the user asked for a rollback then."""
    analysis = plan.analysis
    if analysis.on_inconclusive is OnInconclusive.ROLL_BACK and inconclusive_too_long(
        seen, status, plan
    ):
        return Alarm(
            "Inconclusive", f"not enough evidence within maxDuration {analysis.max_duration}"
        )
    if analysis.on_outage is OnOutage.ROLL_BACK and outage_too_long(seen, status, plan):
        return Alarm("MetricsOutage", f"metrics unreadable for {analysis.outage_limit}")
    return None


def inconclusive_too_long(seen: Observation, status: Status, plan: Plan) -> bool:
    """Whether a weight step has had its ``maxDuration`` and its gates still do not pass."""
    return (
        status.pause is None
        and status.step is not None
        and status.step.kind is StepKind.WEIGHT
        and status.weights.applied == status.weights.desired
        and bool(status.gates)
        and status.outage_since is None
        and clocks.max_duration_over(status, plan.analysis, seen.now)
        and any(gate.verdict is not Verdict.PASS for gate in status.gates)
    )


def outage_too_long(seen: Observation, status: Status, plan: Plan) -> bool:
    """Whether metrics have been unreadable for ``outageLimit``."""
    limit: timedelta = parse_duration(plan.analysis.outage_limit)
    return (
        status.outage_since is not None
        and status.pause is None
        and has_traffic(status)
        and clocks.waited(status.outage_since, seen.now) >= limit
    )
