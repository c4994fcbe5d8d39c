"""What people read: conditions and the summary behind the printer columns.

Computed once, last, from the new status and from what was seen; nothing is decided here.
"""

from cutover.api.clusters import ClusterRef
from cutover.api.conditions import Condition, ConditionStatus, ConditionType, with_condition
from cutover.api.preflight import CheckState
from cutover.api.status import Phase, Plan, Status, Summary
from cutover.api.verdict import Verdict
from cutover.decide import claims
from cutover.decide.admission import (
    WAITS_FOR_ITSELF,
    source_cannot_take_all,
    source_replicas,
)
from cutover.decide.applying import before_traffic, shadow_percent
from cutover.decide.decision import Decision, Said
from cutover.decide.judging import worst
from cutover.decide.message import message_of
from cutover.decide.observation import Observation, Refusal, SideReach
from cutover.decide.preflight import feasible
from cutover.decide.readable import metrics_obstacle
from cutover.decide.readings import Gap, Missing
from cutover.decide.route import RouteGone, RouteSeen, RouteUnreadable
from cutover.decide.share import mirrored
from cutover.decide.stepping import is_approved
from cutover.decide.transitions import FINISHED, FORWARD
from cutover.judge.drift import DriftReason

INPUT_MIX_DIFFERS = DriftReason.INPUT_MIX_DIFFERS
TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
Row = tuple[ConditionType, ConditionStatus, str, str]

SOURCE_READY = "SourceReady"
TOO_LITTLE = frozenset({"SourceNotReady", "SourceTooSmall", "SourceScaledDown"})
"""Why the source could not take everything back."""
PASSING = frozenset(
    {
        "NotAccepted",
        "NotWritten",
        "RouteUnreachable",
        "TrafficOverridden",
        "HalfWritten",
        *WAITS_FOR_ITSELF,
    }
)
"""Troubles that usually go as they came; every other one needs a person."""


def reported(seen: Observation, decision: Decision) -> Status:
    """Return the decision's status with everything derived filled in."""
    trouble = decision.trouble.message if decision.trouble else seen.trouble
    status = decision.status.model_copy(
        update={
            "observed_generation": seen.commands.generation,
            "leader_epoch": seen.identity.epoch,
            "trouble": trouble[:1024],
        }
    )
    status = status.model_copy(update={"message": message_of(seen, status, decision)})
    status = status.model_copy(update={"summary": _summary(status)})
    conditions = status.conditions
    for kind, state, reason, text in _rows(seen, status, decision):
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
        verdict=_verdict(status),
        message=_clause(status.message),
        source=cluster_name(plan.source.cluster) if plan else "",
        target=cluster_name(plan.target.cluster) if plan else "",
    )


def _verdict(status: Status) -> str:
    """The worst of the gates that are judged now; what passed once for the attempt says nothing of this step."""
    now = [gate for gate in status.gates if before_traffic(status) or not gate.stands]
    judged = [gate for gate in now if not gate.only_reports]
    return worst(judged) if judged else ""


def _clause(message: str) -> str:
    """The first clause: printer columns have little room."""
    return message if len(message) <= 120 else message[:119].rsplit(" ", 1)[0] + "…"


def cluster_name(ref: ClusterRef) -> str:
    """What a person calls the cluster."""
    return ref.called


# --- the conditions -----------------------------------------------------------------------------


def _rows(seen: Observation, status: Status, decision: Decision) -> list[Row]:
    return [
        _accepted(decision.refusal),
        *_traffic(seen, status, decision),
        *_analysis(seen, status),
        *_feasible(seen, status),
        *_reach(seen),
        _paused(status),
        *_end(status, _stalled(seen, status, decision)),
    ]


def _accepted(refusal: Refusal | None) -> Row:
    if refusal is not None:
        return (ConditionType.ACCEPTED, FALSE, refusal.reason, refusal.message)
    return (ConditionType.ACCEPTED, TRUE, "Accepted", "the spec is in force")


def _traffic(seen: Observation, status: Status, decision: Decision) -> list[Row]:
    route = seen.route
    if route is None or status.phase in (None, Phase.PENDING):
        return []
    kind, ready = ConditionType.TRAFFIC_APPLIED, ConditionType.ROLLBACK_READY
    match route:
        case RouteGone(message=message):
            name = "RouteNotFound"
            return [(kind, UNKNOWN, name, message), (ready, FALSE, name, message)]
        case RouteUnreadable(reason=reason, message=message):
            name = f"Route{reason}"
            return [(kind, UNKNOWN, name, message), (ready, FALSE, name, message)]
        case RouteSeen():
            applied = _applied(seen, status, route, decision)
            return [(kind, *applied), (ready, *_way_back(seen, status, route))]


def _applied(
    seen: Observation, status: Status, route: RouteSeen, decision: Decision
) -> tuple[ConditionStatus, str, str]:
    if decision.trouble is not None:
        return FALSE, decision.trouble.reason, decision.trouble.message
    if not route.accepted:
        return FALSE, "NotAccepted", route.acceptance or "the gateway has not accepted the route"
    if seen.trouble:
        return FALSE, "NotWritten", seen.trouble
    weights, held = status.weights, decision.held
    if held is not None:
        return FALSE, held.reason, held.message
    if weights.desired is not None and weights.applied != weights.desired:
        return FALSE, "Applying", f"weight {weights.desired} is not on the route yet"
    percent = shadow_percent(status.plan, status) if status.plan is not None else None
    if percent is not None and mirrored(status) != percent:
        return FALSE, "Applying", f"{percent} % of the requests are not mirrored yet"
    if weights.delivery_ok is False:
        return FALSE, "NotDelivered", weights.delivery_message
    if weights.delivery_ok is None and weights.delivery_message:
        return UNKNOWN, "DeliveryUnknown", weights.delivery_message
    return TRUE, "Applied", "the gateway has the weights of the route"


def _way_back(
    seen: Observation, status: Status, route: RouteSeen
) -> tuple[ConditionStatus, str, str]:
    other = claims.foreign(seen, route)
    if other is not None:
        return FALSE, "RouteInUse", claims.in_use(other).message
    if status.phase not in (Phase.PREFLIGHT, *FINISHED) and not status.original:
        return FALSE, "OriginalUnknown", "the weights before the rollout are not known"
    if status.plan is not None and status.phase not in FINISHED:
        return _room_on_the_source(seen, status, status.plan)
    return TRUE, "RouteReadable", "the route can be read and its original weights are known"


def _room_on_the_source(
    seen: Observation, status: Status, plan: Plan
) -> tuple[ConditionStatus, str, str]:
    """Whether the source could take everything again; a rollback is carried out either way."""
    small = source_cannot_take_all(seen, status, plan)
    if small is not None:
        return FALSE, small.reason, small.message
    found, told = seen.health.source_replicas, source_replicas(seen, plan)
    if told is not None:
        text = f"the route can be read, and the source has {told.ready} ready replicas"
        return TRUE, SOURCE_READY, text
    if isinstance(found, Gap):
        return UNKNOWN, "SourceReplicasUnknown", f"spec.source.workload: {found.message}"
    before = _ready(seen.status)
    if seen.source is None and before is not None and before.reason in {SOURCE_READY, *TOO_LITTLE}:
        return before.status, before.reason, before.message  # not looked at now
    return TRUE, "RouteReadable", "the route can be read and its original weights are known"


def way_back_said(before: Status, after: Status) -> tuple[Said, ...]:
    """Tell when the source could no longer take everything back, and when it can again."""
    old, new = (_ready(status) for status in (before, after))
    if new is None or after.phase not in FORWARD:
        return ()
    was = old is not None and old.status is FALSE and old.reason in TOO_LITTLE
    if new.status is FALSE and new.reason in TOO_LITTLE:
        same = old is not None and was and old.reason == new.reason
        return () if same else (Said(new.reason, new.message, warning=True),)
    if was and new.reason == SOURCE_READY:
        return (Said(SOURCE_READY, new.message),)
    return ()


def _ready(status: Status) -> Condition | None:
    return next((o for o in status.conditions if o.type == ConditionType.ROLLBACK_READY), None)


def _analysis(seen: Observation, status: Status) -> list[Row]:
    kind = ConditionType.ANALYSIS_HEALTHY
    if status.phase is Phase.PREFLIGHT and status.plan is not None:
        if seen.source is None:
            return []
        obstacle = metrics_obstacle(seen, status.plan)
        if obstacle is not None:
            return [(kind, FALSE, obstacle.reason, obstacle.message)]
        return [(kind, TRUE, "Readable", "both sides' metrics can be read")]
    if seen.source is None:
        return []
    mixed = next((gate for gate in status.gates if gate.reason == INPUT_MIX_DIFFERS), None)
    if mixed is not None:
        return [(kind, FALSE, mixed.reason, mixed.message)]
    for side, reading in (("source", seen.source), ("target", seen.target)):
        if isinstance(reading, Gap) and reading.missing is not Missing.NO_DATA:
            return [(kind, FALSE, reading.missing.value, f"{side}: {reading.message}")]
    if status.outage_since is not None and seen.long_window is None:
        return []
    needed = (gate for gate in status.gates if not gate.only_reports)
    broken = next((gate for gate in needed if gate.verdict is Verdict.ERROR), None)
    if broken is not None:
        return [(kind, FALSE, broken.reason, broken.message)]
    return [(kind, TRUE, "Readable", "both sides' metrics can be read")]


def _feasible(seen: Observation, status: Status) -> list[Row]:
    """As of Preflight: later the source's rate is no longer that of the whole service."""
    entering = Phase.PREFLIGHT in (status.phase, seen.status.phase)
    if not entering or status.plan is None or seen.source is None:
        return []
    found, kind = feasible(seen, status.plan), ConditionType.FEASIBLE
    match found.state:
        case CheckState.PASSED:
            return [(kind, TRUE, "StepsFit", found.message)]
        case CheckState.UNKNOWN:
            return [(kind, UNKNOWN, found.reason, found.message)]
        case _:
            return [(kind, FALSE, found.reason, found.message)]


def _reach(seen: Observation) -> list[Row]:
    rows: list[Row] = []
    sides: tuple[tuple[ConditionType, SideReach], ...] = (
        (ConditionType.SOURCE_REACHABLE, seen.source_reach),
        (ConditionType.TARGET_REACHABLE, seen.target_reach),
    )
    known = {one.type for one in seen.status.conditions}
    for (kind, reach), name in zip(sides, ("source", "target"), strict=True):
        if reach.reachable is None:
            if kind not in known:
                rows.append((kind, UNKNOWN, "NotLookedAt", "not looked at yet"))
            continue
        if reach.reachable:
            rows.append((kind, TRUE, reach.reason, reach.message))
        else:
            rows.append((kind, FALSE, reach.reason, f"spec.{name}.cluster: {reach.message}"))
    return rows


def _paused(status: Status) -> Row:
    if status.pause is None or status.phase in FINISHED:
        return (ConditionType.PAUSED, FALSE, "NotPaused", "")
    return (ConditionType.PAUSED, TRUE, status.pause.cause.value, status.pause.message)


def _end(status: Status, stalled: tuple[str, str] | None) -> list[Row]:
    phase, message = status.phase, status.message
    finished, ready = ConditionType.FINISHED, ConditionType.READY
    moving, stuck = ConditionType.RECONCILING, ConditionType.STALLED
    if phase in FINISHED:
        reason = str(phase)
        good, bad = (TRUE, FALSE) if phase is Phase.COMPLETED else (FALSE, TRUE)
        return [
            (finished, TRUE, reason, message),
            (ready, good, reason, message),
            (moving, FALSE, reason, ""),
            (stuck, bad, reason, message if bad is TRUE else ""),
        ]
    rows = [(finished, FALSE, "NotFinished", ""), (ready, FALSE, "NotFinished", "")]
    if stalled is None:
        return [*rows, (moving, TRUE, "Moving", ""), (stuck, FALSE, "Moving", "")]
    reason, text = stalled
    return [*rows, (moving, FALSE, "Waiting", ""), (stuck, TRUE, reason, text)]


def _stalled(seen: Observation, status: Status, decision: Decision) -> tuple[str, str] | None:
    """What a person must do, if only a person can."""
    if status.pause is not None:
        return status.pause.cause.value, status.pause.message
    if status.phase is Phase.PENDING and decision.refusal is not None:
        return decision.refusal.reason, decision.refusal.message
    if status.phase is Phase.ROLLING_BACK and status.trouble:
        return "RollbackBlocked", status.trouble
    trouble = decision.trouble or decision.held
    if trouble is not None and trouble.reason not in PASSING:
        return trouble.reason, trouble.message
    if status.phase in FORWARD and status.step and status.plan:
        step = status.plan.steps[status.step.index]
        if not is_approved(seen, status, step):
            return "ApprovalNeeded", status.message
    return None
