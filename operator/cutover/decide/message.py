"""The one sentence for the person on call: where the rollout is, what it waits for, and what to do."""

from datetime import datetime, timedelta

from cutover.api.leftovers import AfterCompletionStatus, SourceFate
from cutover.api.quantities import format_duration, parse_duration
from cutover.api.status import PauseCause, Phase, Plan, Status
from cutover.api.steps import Step
from cutover.api.verdict import Verdict
from cutover.decide import clocks
from cutover.decide.admission import source_cannot_take_all
from cutover.decide.applying import analysis_in_force, awaited
from cutover.decide.decision import Decision
from cutover.decide.draining import AS_IT_IS
from cutover.decide.entering import baseline_is_clean
from cutover.decide.looking import has_traffic
from cutover.decide.observation import Observation, Refusal
from cutover.decide.preflight import in_words, preflight_checks
from cutover.decide.readings import Gap, SideReading
from cutover.decide.route import RouteSeen
from cutover.decide.share import mirrored
from cutover.decide.stepping import is_approved, may_raise
from cutover.decide.windows import outside, rises_later

LONGEST = 1024


def message_of(seen: Observation, status: Status, decision: Decision) -> str:
    """Say it; at most as long as the field allows."""
    text = _message(seen, status, decision)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _message(seen: Observation, status: Status, decision: Decision) -> str:
    match status.phase:
        case None | Phase.PENDING:
            refusal = decision.refusal or decision.trouble
            return refusal.message if refusal else "preflight comes next"
        case Phase.PREFLIGHT:
            return _preflight(seen, status, decision)
        case Phase.SHADOWING | Phase.PROGRESSING | Phase.SOAKING:
            edit = decision.refusal
            unread = f"; the spec's last edit is not followed ({edit.reason})" if edit else ""
            return _moving(seen, status, decision.held) + _too_little(seen, status) + unread
        case Phase.ROLLING_BACK:
            trouble = f"; not back yet: {status.trouble}" if status.trouble else ""
            return f"putting all traffic back on the source: {_why(status)}{trouble}"
        case Phase.ROLLED_BACK:
            return f"{_where_it_is(status)}: {_why(status)}; {_again(seen, status)}"
        case Phase.COMPLETED:
            return _completed(status)


# --- the ends -----------------------------------------------------------------------------------


def _why(status: Status) -> str:
    return status.rollback.message if status.rollback else "rolled back"


def _where_it_is(status: Status) -> str:
    declared = status.weights.declared
    if declared is not None and declared > 0:
        return f"rolled back, but the route sends {declared:g} % to the target now"
    return f"all traffic is on the source{_on_its_way(status)}"


def _on_its_way(status: Status) -> str:
    """DNS: what was written is not yet what clients do, and nobody can tell them to hurry."""
    weights, rollback = status.weights, status.rollback
    if not weights.delivery_seconds or rollback is None or rollback.restored_at is None:
        return ""
    longest = timedelta(seconds=weights.delivery_seconds)
    return (
        f" as DNS is written, since {rollback.restored_at:%H:%MZ}: caches may send clients to the target for"
        f" {format_duration(longest)} more, and connections that are open stay where they are"
    )


def _again(seen: Observation, status: Status) -> str:
    if seen.commands.deleting:
        return "the object goes now"
    attempt = (status.attempt or 1) + 1
    without = "remove spec.abort and " if seen.commands.abort else ""
    return f"to try again, {without}raise spec.attempt to {attempt} (kubectl cutover retry)"


def _completed(status: Status) -> str:
    last = status.history[-1] if status.history else None
    if last is not None and last.reason == "Kept":
        return last.message
    end = status.after_completion
    if end is None:
        return "all traffic is on the target"
    return f"all traffic is on the target{_source(end, status)}"


def _source(end: AfterCompletionStatus, status: Status) -> str:
    """What has become of the source, and what is left."""
    workload = status.plan.source.workload if status.plan else None
    if end.source is SourceFate.KEPT and end.message == AS_IT_IS and workload is None:
        return ""
    name = f"{workload.kind} {workload.name} of the source" if workload else "the source"
    match end.source:
        case SourceFate.SCALING_DOWN:
            why = f": {end.message}" if end.message else ""
            return f"; {name} is to be scaled to zero{why}"
        case SourceFate.SCALED_TO_ZERO:
            return f"; {name}: {end.message}"
        case SourceFate.KEPT | SourceFate.RESTORED | SourceFate.DRAINING:
            return f"; {name} is {end.message}"


# --- before the first step ----------------------------------------------------------------------


def _preflight(seen: Observation, status: Status, decision: Decision) -> str:
    if decision.refusal is not None:
        return decision.refusal.message
    if decision.trouble is not None:
        return f"preflight: {decision.trouble.message}"
    route, plan = seen.route, status.plan
    if isinstance(route, RouteSeen) and plan is not None and seen.source is not None:
        obstacles = in_words(preflight_checks(seen, plan))
        if obstacles:
            return f"preflight: {obstacles}"
    if status.trouble:
        return f"preflight: the route cannot be claimed: {status.trouble}"
    if seen.source is None:
        return "preflight: reading both sides"
    if decision.held is not None:
        return f"preflight: nothing is in the way of the first step; {decision.held.message}"
    if not baseline_is_clean(seen, status):
        return "preflight: measuring what the target serves besides the route"
    return "preflight: claiming the route"


# --- under way ----------------------------------------------------------------------------------


def _moving(seen: Observation, status: Status, held: Refusal | None) -> str:
    where = f"{_weight(status)} on target"
    if mirrored(status):
        where += f", {mirrored(status)} % of the requests mirrored to it"
    if status.step is not None:
        where += f", step {status.step.index + 1} of {status.step.total}"
    if status.pause is not None and status.pause.cause is PauseCause.REQUESTED:
        trouble = f"; {status.trouble}" if status.trouble else ""
        return f"{where}, {status.pause.message}{trouble}"
    if status.pause is not None:
        trouble = f"; {status.trouble}" if status.trouble else ""
        return f"{where}, paused: {status.pause.message}{_how_to_resume(status)}{trouble}"
    if status.trouble:
        return f"{where}: {status.trouble}"
    closed = _window(seen, status, held)
    return f"{where}: {_waiting_for(seen, status, held)}{closed}{_only_reported(status)}"


def _window(seen: Observation, status: Status, held: Refusal | None) -> str:
    """Say that proof alone would not raise the weight now."""
    plan = status.plan
    if plan is None or held is not None or not rises_later(status, plan):
        return ""
    closed = outside(plan, seen.now)
    return f"; {closed.message}" if closed else ""


def _too_little(seen: Observation, status: Status) -> str:
    """What a rollback would find on the source, where that is too little."""
    small = source_cannot_take_all(seen, status, status.plan) if status.plan else None
    return "" if small is None else f"; not ready for a rollback: {small.message}"


def _only_reported(status: Status) -> str:
    failing = [g.name for g in status.gates if g.only_reports and g.verdict is Verdict.FAIL]
    if not failing:
        return ""
    return (
        f"; {', '.join(failing)} {'fail' if len(failing) > 1 else 'fails'}, which is only reported"
    )


def _how_to_resume(status: Status) -> str:
    if status.pause is not None and status.pause.acknowledged:
        return "; set spec.paused to false to resume"
    return " (kubectl cutover resume, or set spec.paused true and then false)"


def _weight(status: Status) -> str:
    declared = status.weights.declared
    return "an uneven share" if declared is None else f"{declared:g} %"


def _waiting_for(seen: Observation, status: Status, held: Refusal | None) -> str:
    plan, step = status.plan, status.step
    if plan is None or step is None:
        return "beginning"
    current = plan.steps[step.index]
    if status.after_completion is not None:
        return _draining(seen, plan, status.after_completion)
    beginning = _beginning(seen, status, plan, current, held)
    if beginning:
        return beginning
    if not is_approved(seen, status, current) and current.approval is not None:
        return f"waits for approval {current.approval.name} (kubectl cutover approve)"
    left = clocks.step_length(current) - clocks.waited(step.started_at, seen.now)
    if left > timedelta(0):
        return f"{current.description}, another {format_duration(left)}{_until(seen.now, left)}"
    return _evidence(seen, status, plan)


def _draining(seen: Observation, plan: Plan, end: AfterCompletionStatus) -> str:
    drain = plan.after_completion.drained
    if drain is None:
        return "completes"
    left = parse_duration(drain.timeout) - clocks.waited(end.since, seen.now)
    return (
        f"every step has passed; {end.message}; completes without scaling anything down in"
        f" {format_duration(left)}{_until(seen.now, left)}"
    )


def _beginning(
    seen: Observation, status: Status, plan: Plan, step: Step, held: Refusal | None
) -> str:
    """What brings the step's weight or mirror, or keeps it back; empty where it is there."""
    if step.shadow is not None and mirrored(status) != step.shadow.parts:
        percent = step.shadow.parts
        following, now = f"mirroring {percent} % comes next", f"beginning to mirror {percent} %"
    elif step.weight is not None and status.weights.applied != step.weight:
        following, now = (
            f"weight {step.weight} comes next",
            f"bringing the weight to {step.weight} %",
        )
    else:
        return ""
    if held is not None:
        return f"{following}, once there is nothing in its way: {held.message}"
    if may_raise(seen, status, plan):
        return now
    gaps = [one.message for one in (seen.source, seen.target) if isinstance(one, Gap)]
    if gaps:
        return f"{following}, once metrics can be read: {gaps[0]}"
    if not all(isinstance(one, SideReading) for one in (seen.source, seen.target)):
        return following
    if awaited(plan, status):
        return f"{following}, {_before_traffic(status, plan)}"
    return f"{following}, once this one is proven: {_evidence(seen, status, plan)}"


def _before_traffic(status: Status, plan: Plan) -> str:
    waiting = [gate.name for gate in awaited(plan, status)]
    said = next(
        (gate.message for gate in status.gates if gate.name == waiting[0]), "not judged yet"
    )
    word = "pass" if len(waiting) > 1 else "passes"
    return f"once {', '.join(waiting)} {word}: {said}"


def _evidence(seen: Observation, status: Status, plan: Plan) -> str:
    if awaited(plan, status):
        return f"the next step begins {_before_traffic(status, plan)}"
    if not has_traffic(status):
        return "next step begins"
    analysis = analysis_in_force(plan, status)
    asked = [gate for gate in status.gates if not gate.only_reports]
    broken = [g for g in asked if g.verdict in (Verdict.FAIL, Verdict.ERROR)]
    if broken:
        return broken[0].message
    open_gates = [g for g in asked if g.verdict is Verdict.INCONCLUSIVE]
    if isinstance(seen.route, RouteSeen) and not seen.route.accepted:
        return f"the gateway has not accepted the route as it is now: {seen.route.acceptance}"
    if status.weights.delivery_ok is False:
        return status.weights.delivery_message
    if open_gates:
        return _passing(status) + open_gates[0].message + _about_when(seen, status, plan)
    if not clocks.min_duration_over(status, analysis, seen.now):
        needed = parse_duration(analysis.settle) + parse_duration(analysis.min_duration)
        left = needed - clocks.waited(status.weights.applied_at, seen.now)
        return (
            f"gathering evidence, at least another {format_duration(left)}{_until(seen.now, left)}"
        )
    if status.weights.delivery_ok is None and status.gates:
        if status.weights.delivery_message:
            return f"every gate passes; {status.weights.delivery_message}"
        what = "requests are mirrored" if mirrored(status) else "the weight is delivered"
        return f"every gate passes; too few requests yet to see that {what}"
    return "every gate passes" if status.gates else "gathering evidence"


def _passing(status: Status) -> str:
    names = [gate.name for gate in status.gates if gate.verdict is Verdict.PASS]
    if not names:
        return ""
    return f"{', '.join(names)} {'pass' if len(names) > 1 else 'passes'}; "


def _about_when(seen: Observation, status: Status, plan: Plan) -> str:
    """About when the slowest gate has the requests it needs, at the rate seen so far."""
    since = status.evidence_since
    if since is None:
        return ""
    past = clocks.waited(since, seen.now).total_seconds()
    waits = [
        timedelta(seconds=past * gate.requests_missing / gate.target_count)
        for gate in status.gates
        if gate.requests_missing and gate.target_count and not gate.only_reports
    ]
    longest = max(waits, default=None)
    if (
        longest is None
        or longest > parse_duration(analysis_in_force(plan, status).max_duration) * 4
    ):
        return ""
    return f", about {(seen.now + longest):%H:%MZ}"


def _until(now: datetime, left: timedelta) -> str:
    return f" (until {(now + left):%H:%MZ})" if left >= timedelta(minutes=2) else ""
