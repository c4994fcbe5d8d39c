"""decide: from one observation to one decision. Read this file first.

The order is the safety argument: what calls back comes before everything that could go wrong with
going forward, and it reads only the object, the route and what is already known.
"""

from cutover.api.status import MAX_LOOKS, Baseline, Look, Phase, Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide import alarms, clocks, record
from cutover.decide.decision import Decision
from cutover.decide.entering import enter
from cutover.decide.forward import go_on
from cutover.decide.judging import judge_gates, window_of, worst
from cutover.decide.leaving import finished, kept, roll_back
from cutover.decide.looking import evidence_start, has_traffic
from cutover.decide.observation import (
    Gap,
    Missing,
    Observation,
    Refusal,
    RouteSeen,
    WindowReading,
)
from cutover.decide.plan import edit_refusal, edited
from cutover.decide.reporting import reported
from cutover.decide.transitions import FINISHED
from cutover.judge import split


def decide(seen: Observation) -> Decision:
    """Choose what to do now. Never raises on anything that the world or a user can say."""
    status = _read(seen)
    decision = _choose(seen, status)
    said = decision.said
    return Decision(
        status=reported(seen, decision),
        action=decision.action,
        finalizer=decision.finalizer,
        said=said,
        look_again=decision.look_again,
        refusal=decision.refusal,
    )


def _choose(seen: Observation, status: Status) -> Decision:
    if status.phase in FINISHED:
        return finished(seen, status)
    alarm = alarms.commanded(seen, status)
    if alarm is not None:
        return roll_back(seen, status, alarm)
    if seen.commands.deleting:
        return kept(seen, status)
    plan = status.plan
    if plan is None or status.phase not in (Phase.PROGRESSING, Phase.SOAKING):
        return enter(seen, status)
    alarm = alarms.breached(seen, status, plan)
    if alarm is not None:
        return roll_back(seen, status, alarm)
    status, plan, refusal = _with_edits(seen, status, plan)
    status = _looked(seen, status, plan)
    alarm = alarms.failed(status) or alarms.overdue(seen, status, plan)
    if alarm is not None:
        return roll_back(seen, status, alarm)
    decision = go_on(seen, status, plan)
    return decision if refusal is None else _with_refusal(decision, refusal)


def _with_refusal(decision: Decision, refusal: Refusal) -> Decision:
    return Decision(
        status=decision.status,
        action=decision.action,
        finalizer=decision.finalizer,
        said=decision.said,
        look_again=decision.look_again,
        refusal=refusal,
    )


def _read(seen: Observation) -> Status:
    """The status as read, with what the route shows now."""
    status = seen.status
    if status.attempt is None:
        status = status.model_copy(update={"attempt": seen.commands.attempt})
    if isinstance(seen.route, RouteSeen) and status.phase not in (None, Phase.PENDING):
        weights = status.weights.model_copy(
            update={"declared": seen.route.declared, "declared_at": seen.now}
        )
        status = status.model_copy(update={"weights": weights})
    return status


def _with_edits(
    seen: Observation, status: Status, plan: Plan
) -> tuple[Status, Plan, Refusal | None]:
    """Follow an edited spec where it leaves the past alone; else say why not and keep the frozen plan."""
    draft = seen.draft
    if isinstance(draft, Refusal):
        return status, plan, draft
    if draft.generation == plan.generation:
        return status, plan, None
    executed = (status.step.index if status.step else 0) + 1
    refusal = edit_refusal(plan, draft, executed)
    if refusal is not None:
        return status, plan, refusal
    if edited(plan, draft):
        since = seen.now if status.evidence_since is not None else None
        status = record.evidence_afresh(status, since)
        status = record.noted(status, seen.now, "SpecEdited", "the edited spec is in force")
        if status.step is not None:
            step = status.step.model_copy(update={"total": len(draft.steps)})
            status = status.model_copy(update={"step": step})
    draft = draft.model_copy(update={"attempt": plan.attempt})
    return status.model_copy(update={"plan": draft}), draft, None


# --- what a full look adds ----------------------------------------------------------------------


def _looked(seen: Observation, status: Status, plan: Plan) -> Status:
    """Add a look to the evidence: gates, delivered weight, outage."""
    status = _outage(seen, status)
    window, source, target = seen.long_window, seen.source, seen.target
    if window is None or source is None or target is None or not has_traffic(status):
        return status
    if status.evidence_since == seen.now:
        return status
    gathering = clocks.settled(status, plan.analysis, seen.now)
    if gathering:
        since = status.evidence_since or evidence_start(status, plan.analysis, seen.now)
        if clocks.waited(since, seen.now) > clocks.evidence_limit(plan.analysis):
            return record.evidence_afresh(status, seen.now)
        status = status.model_copy(update={"evidence_since": since})
    gates = judge_gates(
        plan, status, source, target, window=window, now=seen.now, gathering=gathering
    )
    status = _delivered(seen, status.model_copy(update={"gates": gates}), window)
    verdict = worst(gates)
    first = next((gate.message for gate in gates if gate.verdict is verdict), "")
    look = Look(at=seen.now, weight=status.weights.applied or 0, verdict=verdict, message=first)
    status = status.model_copy(update={"looks": [*status.looks, look][-MAX_LOOKS:]})
    if any(gate.verdict is Verdict.ERROR for gate in gates) and status.outage_since is None:
        return status.model_copy(update={"outage_since": seen.now})
    return status


def _outage(seen: Observation, status: Status) -> Status:
    """Note since when metrics cannot be read; forget it at the first full look that can."""
    gaps = [
        one
        for one in (seen.source, seen.target)
        if isinstance(one, Gap) and one.missing is not Missing.NO_DATA
    ]
    if gaps:
        since = status.outage_since or seen.now
        return status.model_copy(update={"outage_since": since})
    if seen.long_window is not None and seen.source is not None and seen.target is not None:
        errors = any(
            gate.verdict is Verdict.ERROR and gate.looked_at == seen.now for gate in status.gates
        )
        return status if errors else status.model_copy(update={"outage_since": None})
    return status


def _delivered(seen: Observation, status: Status, seconds: float) -> Status:
    """Hold the counters against the declared weight. What cannot be counted now keeps its old time."""
    counts: list[float] = []
    for reading in (seen.source, seen.target):
        window = window_of(reading, seconds)
        if not isinstance(window, WindowReading):
            return status
        if isinstance(window.requests, Gap):
            if window.requests.missing is not Missing.NO_DATA:
                return status
            counts.append(0.0)
        else:
            counts.append(window.requests)
    result = split.judge_split(
        float(status.weights.applied or 0),
        counts[0],
        counts[1],
        seconds=seconds,
        baseline=_baseline(status.baseline),
    )
    update: dict[str, object] = {
        "delivery_ok": result.ok,
        "delivery_message": "" if result.ok else result.message,
    }
    if result.delivered is not None:
        update |= {"delivered": result.delivered, "delivered_at": seen.now}
    return status.model_copy(update={"weights": status.weights.model_copy(update=update)})


def _baseline(baseline: Baseline | None) -> split.Baseline | None:
    if baseline is None:
        return None
    return split.Baseline(baseline.source_rate, baseline.target_rate)
