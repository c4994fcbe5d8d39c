"""What people read: conditions, the summary behind the printer columns, the message for the person on call.

Computed once, last, from the new status and from what was seen; nothing is decided here.
"""

from datetime import datetime, timedelta

from cutover.api.conditions import Condition, ConditionStatus, ConditionType, with_condition
from cutover.api.quantities import format_duration, parse_duration
from cutover.api.spec import ClusterRef, StepKind
from cutover.api.status import PauseCause, Phase, Plan, Status, Summary
from cutover.api.verdict import Verdict
from cutover.decide import clocks
from cutover.decide.decision import Decision
from cutover.decide.entering import metrics_obstacle
from cutover.decide.judging import worst
from cutover.decide.looking import has_traffic
from cutover.decide.observation import Gap, Missing, Observation, Refusal, RouteSeen, SideReach
from cutover.decide.transitions import FINISHED

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
Row = tuple[ConditionType, ConditionStatus, str, str]


def reported(seen: Observation, decision: Decision) -> Status:
    """Return the decision's status with everything derived filled in."""
    status = decision.status.model_copy(
        update={
            "observed_generation": seen.commands.generation,
            "leader_epoch": seen.identity.epoch,
        }
    )
    message = _message(seen, status, decision.refusal)
    status = status.model_copy(update={"message": message})
    status = status.model_copy(update={"summary": _summary(status)})
    conditions = status.conditions
    for kind, state, reason, text in _rows(seen, status, decision.refusal):
        conditions = with_condition(
            conditions,
            Condition(
                type=kind,
                status=state,
                reason=reason,
                message=text[:1024],
                observed_generation=seen.commands.generation,
                last_transition_time=seen.now,
            ),
        )
    return status.model_copy(update={"conditions": conditions})


# --- the message --------------------------------------------------------------------------------


def _message(seen: Observation, status: Status, refusal: Refusal | None) -> str:
    if status.phase is Phase.PENDING:
        return (refusal.message if refusal else "waiting to be looked at")[:1024]
    if status.phase is Phase.PREFLIGHT:
        return _preflight_message(seen, status)[:1024]
    if status.phase is Phase.ROLLING_BACK:
        why = status.rollback.message if status.rollback else ""
        trouble = f"; not back yet: {status.trouble}" if status.trouble else ""
        return f"putting all traffic back on the source: {why}{trouble}"[:1024]
    if status.phase is Phase.ROLLED_BACK:
        why = status.rollback.message if status.rollback else _last_reason(status)
        again = f"raise spec.attempt to {(status.attempt or 1) + 1} to try again"
        return f"all traffic is on the source: {why}; {again}"[:1024]
    if status.phase is Phase.COMPLETED:
        return "all traffic is on the target"
    return _moving_message(seen, status)[:1024]


def _last_reason(status: Status) -> str:
    return status.history[-1].message if status.history else ""


def _preflight_message(seen: Observation, status: Status) -> str:
    plan = status.plan
    if isinstance(seen.route, RouteSeen) and not seen.route.accepted:
        return f"preflight: the gateway has not accepted the route: {seen.route.acceptance}"
    gap = metrics_obstacle(seen, plan) if plan is not None else None
    return f"preflight: {gap.message}" if gap else "preflight: claiming the route"


def _moving_message(seen: Observation, status: Status) -> str:
    where = f"{_weight_text(status)} on target"
    if status.step is not None:
        where += f", step {status.step.index + 1} of {status.step.total}"
    if status.pause is not None:
        return f"{where}, paused: {status.pause.message}{_how_to_resume(status)}"
    if status.trouble:
        return f"{where}: {status.trouble}"
    return f"{where}: {_waiting_for(seen, status)}"


def _how_to_resume(status: Status) -> str:
    if status.pause is None or status.pause.cause is PauseCause.REQUESTED:
        return ""
    if status.pause.acknowledged:
        return "; set spec.paused to false to resume"
    return " (kubectl cutover resume, or set spec.paused true and then false)"


def _weight_text(status: Status) -> str:
    declared = status.weights.declared
    return "an uneven share" if declared is None else f"{declared:g} %"


def _waiting_for(seen: Observation, status: Status) -> str:
    plan, step = status.plan, status.step
    if plan is None or step is None:
        return "beginning"
    weights = status.weights
    if step.kind is StepKind.WEIGHT and weights.applied != weights.desired:
        return f"bringing the weight to {weights.desired} %"
    current = plan.steps[step.index]
    if current.approval is not None:
        name = (current.approval.name, status.attempt or 1)
        if name not in seen.commands.approved:
            return f"waits for approval {current.approval.name} (kubectl cutover approve)"
    left = clocks.step_length(current) - clocks.waited(step.started_at, seen.now)
    if left > timedelta(0):
        return f"{current.description}, another {format_duration(left)}{_until(seen.now, left)}"
    return _evidence_text(seen, status, plan)


def _evidence_text(seen: Observation, status: Status, plan: Plan) -> str:
    if not has_traffic(status):
        return "next step begins"
    broken = [g for g in status.gates if g.verdict in (Verdict.FAIL, Verdict.ERROR)]
    if broken:
        return broken[0].message
    open_gates = [g for g in status.gates if g.verdict is Verdict.INCONCLUSIVE]
    if open_gates:
        passing = [g.name for g in status.gates if g.verdict is Verdict.PASS]
        passes = (
            f"{', '.join(passing)} {'pass' if len(passing) > 1 else 'passes'}; " if passing else ""
        )
        return passes + open_gates[0].message + _evidence_eta(seen, status, plan)
    if status.weights.delivery_ok is False:
        return status.weights.delivery_message
    if not clocks.min_duration_over(status, plan.analysis, seen.now):
        needed = parse_duration(plan.analysis.settle) + parse_duration(plan.analysis.min_duration)
        left = needed - clocks.waited(status.weights.applied_at, seen.now)
        return (
            f"gathering evidence, at least another {format_duration(left)}{_until(seen.now, left)}"
        )
    if status.weights.delivery_ok is None and status.gates:
        return "every gate passes; too few requests yet to see that the weight is delivered"
    return "every gate passes" if status.gates else "gathering evidence"


def _evidence_eta(seen: Observation, status: Status, plan: Plan) -> str:
    """About when the slowest gate has the requests it needs, at the rate seen so far."""
    since = status.evidence_since
    if since is None:
        return ""
    past = clocks.waited(since, seen.now).total_seconds()
    waits = [
        timedelta(seconds=past * gate.requests_missing / gate.target_count)
        for gate in status.gates
        if gate.requests_missing and gate.target_count
    ]
    longest = max(waits, default=None)
    if longest is None or longest > parse_duration(plan.analysis.max_duration) * 4:
        return ""
    return f", about {(seen.now + longest):%H:%MZ}"


def _until(now: datetime, left: timedelta) -> str:
    return f" (until {(now + left):%H:%MZ})" if left >= timedelta(minutes=2) else ""


# --- the summary --------------------------------------------------------------------------------


def _summary(status: Status) -> Summary:
    plan, step = status.plan, status.step
    paused = status.pause is not None and status.phase not in FINISHED
    delivered = status.weights.delivered
    declared = status.weights.declared
    return Summary(
        phase="Paused" if paused else (status.phase or ""),
        step=f"{min(step.index + 1, step.total)}/{step.total}" if step else "",
        weight=round(declared) if declared is not None else None,
        delivered=f"{delivered:.1f}%" if delivered is not None else "",
        verdict=worst(status.gates) if status.gates else "",
        message=_clause(status.message),
        source=cluster_name(plan.source.cluster) if plan else "",
        target=cluster_name(plan.target.cluster) if plan else "",
    )


def _clause(message: str) -> str:
    """The first clause: printer columns have little room."""
    return message if len(message) <= 120 else message[:119].rsplit(" ", 1)[0] + "…"


def cluster_name(ref: ClusterRef) -> str:
    """What a person calls the cluster."""
    return ref.kubeconfig_secret_ref.name if ref.kubeconfig_secret_ref else "in-cluster"


# --- the conditions -----------------------------------------------------------------------------


def _rows(seen: Observation, status: Status, refusal: Refusal | None) -> list[Row]:
    rows = [_accepted(refusal), *_traffic(seen, status), *_analysis(seen, status)]
    rows += _reach(seen)
    rows += [_paused(status), *_end(status, refusal)]
    return rows


def _accepted(refusal: Refusal | None) -> Row:
    if refusal is not None:
        return (ConditionType.ACCEPTED, FALSE, refusal.reason, refusal.message)
    return (ConditionType.ACCEPTED, TRUE, "Accepted", "the spec is in force")


def _traffic(seen: Observation, status: Status) -> list[Row]:
    route = seen.route
    if route is None or status.phase in (None, Phase.PENDING):
        return []
    kind, ready = ConditionType.TRAFFIC_APPLIED, ConditionType.ROLLBACK_READY
    if not isinstance(route, RouteSeen):
        reason = getattr(route, "reason", "RouteNotFound")
        name = reason if reason.startswith("Route") else f"Route{reason}"
        return [(kind, UNKNOWN, name, route.message), (ready, FALSE, name, route.message)]
    back = (
        ready,
        TRUE,
        "RouteReadable",
        "the route can be read and its original weights are known",
    )
    if status.trouble:
        return [(kind, FALSE, "NotWritten", status.trouble), back]
    if not route.accepted:
        return [(kind, FALSE, "NotAccepted", route.acceptance or "not accepted"), back]
    weights = status.weights
    if weights.desired is not None and weights.applied != weights.desired:
        text = f"weight {weights.desired} is not on the route yet"
        return [(kind, FALSE, "Applying", text), back]
    if weights.delivery_ok is False:
        return [(kind, FALSE, "NotDelivered", weights.delivery_message), back]
    return [(kind, TRUE, "Applied", "the gateway has the weights of the route"), back]


def _analysis(seen: Observation, status: Status) -> list[Row]:
    kind = ConditionType.ANALYSIS_HEALTHY
    if status.phase is Phase.PREFLIGHT and status.plan is not None:
        if seen.source is None:
            return []
        gap = metrics_obstacle(seen, status.plan)
        if gap is not None:
            return [(kind, FALSE, gap.missing.value, gap.message)]
        return [(kind, TRUE, "Readable", "both sides' metrics can be read")]
    for side, reading in (("source", seen.source), ("target", seen.target)):
        if isinstance(reading, Gap) and reading.missing is not Missing.NO_DATA:
            return [(kind, FALSE, reading.missing.value, f"{side}: {reading.message}")]
    if seen.long_window is None or seen.source is None:
        return []
    broken = next((gate for gate in status.gates if gate.verdict is Verdict.ERROR), None)
    if broken is not None:
        return [(kind, FALSE, broken.reason, broken.message)]
    return [(kind, TRUE, "Readable", "both sides' metrics can be read")]


def _reach(seen: Observation) -> list[Row]:
    rows: list[Row] = []
    sides: tuple[tuple[ConditionType, SideReach], ...] = (
        (ConditionType.SOURCE_REACHABLE, seen.source_reach),
        (ConditionType.TARGET_REACHABLE, seen.target_reach),
    )
    known = {one.type for one in seen.status.conditions}
    for kind, reach in sides:
        if reach.reachable is None:
            if kind not in known:
                rows.append((kind, UNKNOWN, "NotLookedAt", "not looked at yet"))
            continue
        rows.append((kind, TRUE if reach.reachable else FALSE, reach.reason, reach.message))
    return rows


def _paused(status: Status) -> Row:
    if status.pause is None or status.phase in FINISHED:
        return (ConditionType.PAUSED, FALSE, "NotPaused", "")
    return (ConditionType.PAUSED, TRUE, status.pause.cause.value, status.pause.message)


def _end(status: Status, refusal: Refusal | None) -> list[Row]:
    phase, message = status.phase, status.message
    if phase in FINISHED:
        reason = str(phase)
        done = TRUE if phase is Phase.COMPLETED else FALSE
        return [
            (ConditionType.FINISHED, TRUE, reason, message),
            (ConditionType.READY, done, reason, message),
            (ConditionType.RECONCILING, FALSE, reason, ""),
            (ConditionType.STALLED, FALSE if done is TRUE else TRUE, reason, message),
        ]
    stalled = _stalled(status, refusal)
    reason, text = stalled or ("Moving", message)
    state = TRUE if stalled is None else FALSE
    return [
        (ConditionType.FINISHED, FALSE, "NotFinished", ""),
        (ConditionType.READY, FALSE, "NotFinished", ""),
        (ConditionType.RECONCILING, state, reason if stalled is None else "Waiting", ""),
        (
            ConditionType.STALLED,
            FALSE if stalled is None else TRUE,
            reason,
            text if stalled else "",
        ),
    ]


def _stalled(status: Status, refusal: Refusal | None) -> tuple[str, str] | None:
    """What a person must do, if only a person can."""
    if status.pause is not None:
        return status.pause.cause.value, status.pause.message
    if status.phase is Phase.PENDING and refusal is not None:
        return refusal.reason, refusal.message
    if status.step is not None and status.plan is not None:
        step = status.plan.steps[min(status.step.index, len(status.plan.steps) - 1)]
        if step.approval is not None and "approval" in status.message:
            return "ApprovalNeeded", status.message
    return None
