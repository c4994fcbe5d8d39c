"""decide: from one observation to one decision. Read this file first.

The order is the safety argument: what calls back comes before everything that could go wrong with
going forward, and it reads only the object, the route and what is already known.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from cutover.api.status import MAX_LOOKS, Look, Phase, Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide import alarms, claims, clocks, record
from cutover.decide.applying import analysis_in_force, before_traffic
from cutover.decide.decision import Decision, Said
from cutover.decide.delivering import with_delivery
from cutover.decide.entering import enter, warn_once
from cutover.decide.facts import with_facts
from cutover.decide.forward import go_on
from cutover.decide.fulllook import FullLook
from cutover.decide.health import noted
from cutover.decide.judging import judge_gates, worst
from cutover.decide.leaving import finished, kept, roll_back
from cutover.decide.looking import evidence_start, has_traffic
from cutover.decide.observation import Observation, Refusal
from cutover.decide.plan import edit_refusal, edited, unchanged
from cutover.decide.readings import Gap, Missing
from cutover.decide.reporting import reported, way_back_said
from cutover.decide.route import RouteSeen
from cutover.decide.transitions import FINISHED, FORWARD, MOVED

DEPOSED_AGAIN = timedelta(seconds=30)
"""How soon a leader that was followed by another looks again; by then it should be gone."""


def decide(seen: Observation) -> Decision:
    """Choose what to do now. Never raises on anything that the world or a user can say."""
    if claims.deposed(seen):
        return Decision(seen.status, look_again=DEPOSED_AGAIN)
    decision = _choose(seen, _read(seen))
    if decision.status.phase in MOVED and decision.finalizer is None and _unheld(seen):
        decision = replace(decision, finalizer=True)
    status = reported(seen, decision)
    return replace(
        decision, status=status, said=(*decision.said, *way_back_said(seen.status, status))
    )


def _unheld(seen: Observation) -> bool:
    """Somebody took our finalizer away: a deletion would leave the traffic where it is."""
    return not (seen.commands.has_finalizer or seen.commands.deleting)


def _choose(seen: Observation, status: Status) -> Decision:
    if status.phase in FINISHED:
        return finished(seen, status)
    alarm = alarms.commanded(seen, status)
    if alarm is not None:
        return roll_back(seen, status, alarm)
    if seen.commands.deleting:
        return kept(seen, status)
    plan = status.plan
    if plan is None or status.phase not in FORWARD:
        return enter(seen, status)
    status = noted(seen, status)
    alarm = alarms.breached(seen, status, plan)
    if alarm is not None:
        return roll_back(seen, status, alarm)
    before, status = status, _looked(seen, with_facts(seen, status, plan), plan)
    alarm = alarms.failed(status) or alarms.overdue(seen, status, plan)
    if alarm is not None:
        return roll_back(seen, status, alarm)
    status, plan, refusal = _with_edits(seen, status, plan)
    decision = go_on(seen, status, plan)
    said = (*_only_reported(before, status), *decision.said)
    if refusal is None:
        return replace(decision, said=said)
    return replace(decision, refusal=refusal, said=(*said, *warn_once(seen, refusal)))


def _only_reported(before: Status, status: Status) -> Iterator[Said]:
    """Tell of the gates that begin to fail and lead to nothing else."""
    failing = {gate.name for gate in before.gates if gate.verdict is Verdict.FAIL}
    for gate in status.gates:
        if gate.only_reports and gate.verdict is Verdict.FAIL and gate.name not in failing:
            yield Said("GateFailsReported", gate.message, warning=True)


def _read(seen: Observation) -> Status:
    """The status as read, with what the route shows now; nothing of it where it cannot be gone on from."""
    status = seen.status
    if not _is_whole(status):
        status = Status(
            attempt=status.attempt, history=status.history, conditions=status.conditions
        )
    if status.attempt is None:
        status = status.model_copy(update={"attempt": seen.commands.attempt})
    if isinstance(seen.route, RouteSeen) and status.phase not in (None, Phase.PENDING):
        weights = status.weights.model_copy(
            update={
                "declared": seen.route.declared,
                "declared_at": seen.now,
                "delivery_seconds": seen.route.delivery_seconds or None,
            }
        )
        status = status.model_copy(update={"weights": weights})
    return status


def _is_whole(status: Status) -> bool:
    """Whether a rollout that moves knows its plan, its step and the weights it began with."""
    if status.phase not in FORWARD:
        return True
    plan, step = status.plan, status.step
    return (
        plan is not None
        and step is not None
        and step.index < len(plan.steps)
        and bool(status.original)
    )


def _with_edits(
    seen: Observation, status: Status, plan: Plan
) -> tuple[Status, Plan, Refusal | None]:
    """Follow an edited spec where it leaves the past alone; else say why not and keep the frozen plan."""
    draft = seen.draft
    if isinstance(draft, Refusal):
        return status, plan, draft
    if draft.generation == plan.generation:
        return status, plan, None
    if plan.steps_omitted and draft.steps_omitted:
        draft = draft.model_copy(update={"steps": plan.steps})
    executed = (status.step.index if status.step else 0) + 1
    refusal = edit_refusal(plan, draft, executed)
    if refusal is not None:
        return status, plan, refusal
    if edited(plan, draft):
        since = seen.now if status.evidence_since is not None else None
        status = record.evidence_afresh(status, since)
        status = record.standing_only(status, unchanged(plan, draft))
        status = record.noted(status, seen.now, "SpecEdited", "the edited spec is in force")
        if status.step is not None:
            step = status.step.model_copy(update={"total": len(draft.steps)})
            status = status.model_copy(update={"step": step})
    draft = draft.model_copy(update={"attempt": plan.attempt})
    return status.model_copy(update={"plan": draft}), draft, None


# --- what a full look adds ----------------------------------------------------------------------


def _looked(seen: Observation, status: Status, plan: Plan) -> Status:
    """Add a full look to the evidence: gates, delivered weight. An outage shows in any look."""
    window, source, target = seen.long_window, seen.source, seen.target
    if source is None or target is None:
        return status
    if window is None:
        return _outage(seen, status, plan) if has_traffic(status) else status
    analysis = analysis_in_force(plan, status)
    gathering = clocks.settled(status, analysis, seen.now)
    if gathering:
        since = status.evidence_since or evidence_start(status, analysis, seen.now)
        if clocks.waited(since, seen.now) > clocks.evidence_limit(analysis):
            return record.evidence_afresh(status, seen.now)
        status = status.model_copy(update={"evidence_since": since})
    look = FullLook(
        source,
        target,
        window,
        seen.now,
        gathering=gathering,
        values=seen.values,
        replays=seen.replays,
        results=seen.results,
    )
    gates = judge_gates(plan, status, look)
    status = status.model_copy(update={"gates": gates})
    if not before_traffic(status):
        status = with_delivery(plan, status, look)
    verdict = worst(gates)
    counted = (gate for gate in gates if not gate.only_reports)
    first = next((gate.message for gate in counted if gate.verdict is verdict), "")
    line = Look(at=seen.now, weight=status.weights.applied or 0, verdict=verdict, message=first)
    status = status.model_copy(update={"looks": [*status.looks, line][-MAX_LOOKS:]})
    return _outage(seen, status, plan)


def _outage(seen: Observation, status: Status, plan: Plan) -> Status:
    """Note since when metrics cannot be read; forget it at the first full look that can read all.

    Golden inputs and evaluations made elsewhere are no metrics: they have words of their own.

    A look of the guards alone ends no outage, where full looks are taken: a server that answers now
    and then would be told of at every look.
    """
    unread = any(
        isinstance(one, Gap) and one.missing is not Missing.NO_DATA
        for one in (seen.source, seen.target)
    )
    elsewhere = {gate.name for gate in plan.gates if gate.reads_results}
    blind = any(
        one.verdict is Verdict.ERROR
        and not one.only_reports
        and one.replay is None
        and one.name not in elsewhere
        for one in status.gates
    )
    if unread or blind:
        since = status.outage_since or seen.now
        return status.model_copy(update={"outage_since": since})
    if seen.long_window is None and status.weights.applied_at is not None:
        return status
    return status.model_copy(update={"outage_since": None})
