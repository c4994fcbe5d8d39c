"""Pauses: who begins one, who may end it, and from where it goes on."""

from datetime import timedelta
from math import ceil
from typing import assert_never

from cutover.api.gates import OnFail, Run
from cutover.api.quantities import parse_duration
from cutover.api.status import PauseCause, Phase, Plan, Status
from cutover.api.steps import Step, StepKind
from cutover.api.verdict import Verdict
from cutover.decide import alarms, clocks, record
from cutover.decide.applying import analysis_in_force, before_traffic
from cutover.decide.observation import Observation
from cutover.decide.record import from_status
from cutover.decide.route import RouteSeen
from cutover.decide.weights import shows


def begun(seen: Observation, status: Status, plan: Plan) -> Status:
    """Begin a pause that is due, or note that a person has seen the one in force."""
    status = asked(seen, status)
    return status if status.pause is not None else _own(seen, status, plan)


def asked(seen: Observation, status: Status) -> Status:
    """Note what ``spec.paused`` says; it is taken away again only where the pause can end."""
    pause = status.pause
    if not seen.commands.paused or (pause is not None and pause.acknowledged):
        return status
    if pause is None:
        return record.paused(
            status, PauseCause.REQUESTED, seen.now, "paused by spec.paused", acknowledged=True
        )
    acknowledged = pause.model_copy(update={"acknowledged": True})
    return status.model_copy(update={"pause": acknowledged})


def may_end(seen: Observation, status: Status) -> bool:
    """Whether a person has ended the pause: by ``spec.paused``, which was seen true during it."""
    return status.pause is not None and status.pause.acknowledged and not seen.commands.paused


def _own(seen: Observation, status: Status, plan: Plan) -> Status:
    """The pauses that the rollout takes by itself; a person must look."""
    for gate in status.gates:
        if gate.verdict is Verdict.FAIL and gate.consequence is OnFail.PAUSE:
            chosen = gate.on_fail is OnFail.PAUSE or gate.run is Run.BEFORE_TRAFFIC
            cause = PauseCause.GATE_FAILED if chosen else PauseCause.BOTH_WORSE
            return record.paused(status, cause, seen.now, gate.message)
    if alarms.outage_too_long(seen, status, plan):
        limit = plan.analysis.outage_limit
        message = f"metrics have been unreadable for {limit}: mend them, then resume"
        return record.paused(status, PauseCause.OUTAGE, seen.now, message)
    unread = alarms.results_too_long(seen, status, plan)
    if unread is not None:
        message = (
            f"no result that can be used for {plan.analysis.outage_limit}: {unread}; then resume"
        )
        return record.paused(status, PauseCause.RESULTS_UNREADABLE, seen.now, message)
    undecided = alarms.unshown(status, plan)
    if undecided is not None:
        message = f"{undecided}: resume to ask again, or abort"
        return record.paused(status, PauseCause.INCONCLUSIVE, seen.now, message)
    waiting = alarms.unproven_too_long(seen, status, plan)
    if waiting is not None:
        limit = analysis_in_force(plan, status).max_duration
        message = f"not proven within maxDuration {limit} ({waiting}): resume to wait on, or abort"
        return record.paused(status, PauseCause.INCONCLUSIVE, seen.now, message)
    return status


def resume(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Status:
    """End the pause: usually the same step goes on; after foreign weights the step they belong to begins."""
    assert status.pause is not None  # noqa: S101 - `may_end` looked
    cause = status.pause.cause
    status = record.resumed(status, seen.now)
    if not clocks.settled(status, analysis_in_force(plan, status), seen.now):
        status = record.evidence_afresh(status, None)
    match cause:
        case PauseCause.REQUESTED:
            return status
        case PauseCause.OUTAGE:
            return status.model_copy(update={"outage_since": None})
        case (
            PauseCause.INCONCLUSIVE
            | PauseCause.BOTH_WORSE
            | PauseCause.GATE_FAILED
            | PauseCause.RESULTS_UNREADABLE
        ):
            return _another_chance(seen, status, plan)
        case (
            PauseCause.OVERRIDDEN
            | PauseCause.EMERGENCY_STOP
            | PauseCause.CONTESTED
            | PauseCause.LOST_STATUS
        ):
            return _from_live_weights(seen, status, plan, route)
        case _ as never:
            assert_never(never)


def _another_chance(seen: Observation, status: Status, plan: Plan) -> Status:
    """``maxDuration`` begins again; ``settle``, ``minDuration`` and the step's own wait stay waited.

    Every verdict but one that stands for the attempt is forgotten with all that it rests on: what
    failed is judged on what is seen from now on.
    """
    analysis, step = analysis_in_force(plan, status), status.step
    kept = parse_duration(analysis.settle) + parse_duration(analysis.min_duration)
    weights = status.weights
    if weights.applied_at is not None:
        begun_at = max(weights.applied_at, seen.now - kept)
        weights = weights.model_copy(update={"applied_at": begun_at})
    if step is not None and step.kind not in (StepKind.WEIGHT, StepKind.SHADOW):
        length: timedelta = clocks.step_length(plan.steps[step.index])
        begun_at = max(step.started_at, seen.now - length)
        step = step.model_copy(update={"started_at": begun_at})
    elif step is not None and before_traffic(status):
        step = step.model_copy(update={"started_at": seen.now})
    status = status.model_copy(update={"weights": weights, "step": step})
    settled = clocks.settled(status, analysis, seen.now)
    return record.proof_afresh(status, seen.now if settled else None)


def _from_live_weights(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Status:
    """Begin the step that the weights on the route belong to, with its whole waiting time."""
    live = ceil(route.highest)
    again = status.phase is Phase.SHADOWING
    exact = route.declared == live and shows(route.rules, from_status(status.original), live)
    weights = status.weights.model_copy(
        update={
            "desired": live,
            "applied": live,
            "applied_at": None,
            "standing": None if exact else record.to_status(route.rules),
            "mirrored": None,
        }
    )
    status = record.proof_afresh(status.model_copy(update={"weights": weights}), None)
    index = step_for(plan, route.highest, shadow=again)
    phase = phase_of(plan, index)
    if status.phase is not phase:
        message = f"from {route.highest:g} % on the target"
        status = record.in_phase(status, phase, seen.now, "Resumed", message)
    return record.at_step(status, plan, index, seen.now)


def phase_of(plan: Plan, index: int) -> Phase:
    """The phase in which a step (from 0) begins that is no soak."""
    return Phase.PROGRESSING if plan.steps[index].shadow is None else Phase.SHADOWING


def step_for(plan: Plan, live: float, *, shadow: bool) -> int:
    """Find the lowest step whose weight is not below ``live`` (percent).

    Where that step raises the weight, the approvals and pauses that stand before it come first, and the
    ``shadow`` steps if those are not known to have passed.
    """
    index = next(
        (i for i, step in enumerate(plan.steps) if step.weight is not None and step.weight >= live),
        len(plan.steps) - 1,
    )
    if plan.steps[index].weight == live:
        return index
    while index > 0 and _comes_first(plan.steps[index - 1], shadow=shadow):
        index -= 1
    return index


def _comes_first(step: Step, *, shadow: bool) -> bool:
    return step.weight is None and (shadow or step.shadow is None)
