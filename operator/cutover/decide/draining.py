"""The end of the last step: whether the source still works on something, and what is left of it then.

What cannot be seen is never taken for nothing: a source whose metrics are not read is at work.
"""

from datetime import timedelta

from cutover.api.completion import Drain, SourceAfter
from cutover.api.leftovers import MAX_LEFT, AfterCompletionStatus, LeftBehind, SourceFate
from cutover.api.quantities import format_duration, parse_duration
from cutover.api.status import Phase, Plan, Status
from cutover.decide import clocks, record
from cutover.decide.clocks import AT_ONCE
from cutover.decide.decision import Decision, Said
from cutover.decide.looking import watching
from cutover.decide.observation import Observation, Refusal, Replicas, WorkloadSeen
from cutover.decide.readings import Gap, Reading, SideReading
from cutover.decide.tellable import Known, tells_running

AS_IT_IS = "kept as it is"
HALF = 0.5
"""Requests; ``increase()`` over counters that stood still is exactly 0."""


# --- whether it works on something --------------------------------------------------------------


def at_work(source: Reading | None, ready: Replicas | Gap | None, drain: Drain) -> str | None:
    """Say what the source still works on, or why that cannot be seen; None: it works on nothing.

    Nothing runs or waits now, and no request has ended within ``quiet``: one that both began and ended
    in between counts as ended.
    """
    if isinstance(ready, Replicas) and ready.ready == 0 and ready.desired == 0:
        return None
    if source is None:
        return "the source's metrics have not been read yet"
    if isinstance(source, Gap):
        return f"the source's metrics cannot be read: {source.message}"
    return _running(source) or _unseen(source, ready) or _ended(source, drain)


def _running(source: SideReading) -> str | None:
    running, waiting = source.gauges.running, source.gauges.waiting
    if isinstance(running, Gap):
        return f"it cannot be told how many requests run on the source: {running.message}"
    if running > 0:
        return (
            f"{_requests(running)} still {'runs' if round(running) == 1 else 'run'} on the source"
        )
    if not isinstance(waiting, Gap) and waiting > 0:
        return (
            f"{_requests(waiting)} still {'waits' if round(waiting) == 1 else 'wait'} on the source"
        )
    return None


def _unseen(source: SideReading, ready: Replicas | Gap | None) -> str | None:
    """Say that a server that is ready does not tell what it works on."""
    told = source.gauges.instances
    if not isinstance(ready, Replicas) or isinstance(told, Gap) or round(told) >= ready.ready:
        return None
    return (
        f"only {told:,.0f} of the source's {ready.ready} ready replicas tell how many requests run on them:"
        " see that Prometheus scrapes them all"
    )


def _ended(source: SideReading, drain: Drain) -> str | None:
    quiet = parse_duration(drain.quiet)
    long_enough = [one for one in source.windows if one.seconds >= quiet.total_seconds()]
    window = min(long_enough, key=lambda one: one.seconds, default=None)
    if window is None:
        return f"not yet looked back over {drain.quiet}"
    if isinstance(window.requests, Gap):
        return (
            f"it cannot be told whether requests still reach the source: {window.requests.message}"
        )
    if window.requests >= HALF:
        length = format_duration(timedelta(seconds=window.seconds))
        return f"{_requests(window.requests)} ended on the source within the last {length}"
    return None


def _requests(number: float) -> str:
    return "1 request" if round(number) == 1 else f"{number:,.0f} requests"


# --- the last step has passed -------------------------------------------------------------------


def under_way(status: Status, plan: Plan) -> bool:
    """Whether every step has passed and the source is being drained."""
    last = status.step is not None and status.step.index + 1 >= len(plan.steps)
    return last and status.after_completion is not None


def at_the_end(seen: Observation, status: Status, plan: Plan) -> Decision:
    """Wait for the source to end its work, where that is asked for; then complete."""
    drain = plan.after_completion.drained
    if drain is None:
        return _completed(seen, status, plan, SourceFate.KEPT, AS_IT_IS)
    end = status.after_completion
    if end is None:
        end = AfterCompletionStatus(
            source=SourceFate.DRAINING, since=seen.now, message="waiting for the source to drain"
        )
        status = status.model_copy(update={"after_completion": end})
        said = (
            f"every step has passed; waits until the source serves nothing, {drain.timeout} at most"
        )
        status = record.noted(status, seen.now, "DrainBegun", said)
        return Decision(status, look_again=AT_ONCE, said=(Said("DrainBegun", said),))
    return _drained(seen, status, plan, drain, end)


def _drained(
    seen: Observation, status: Status, plan: Plan, drain: Drain, end: AfterCompletionStatus
) -> Decision:
    busy = end.message
    if seen.long_window is not None:
        found = at_work(seen.source, seen.health.source_replicas, drain)
        if found is None and plan.after_completion.source is SourceAfter.SCALE_TO_ZERO:
            return _completed(seen, status, plan, SourceFate.SCALING_DOWN, "")
        if found is None:
            message = f"kept; it had served nothing for {drain.quiet}"
            return _completed(seen, status, plan, SourceFate.KEPT, message)
        busy = found
    left = parse_duration(drain.timeout) - clocks.waited(end.since, seen.now)
    if left <= clocks.NOTHING:
        return _given_up(seen, status, plan, drain, busy)
    end = end.model_copy(update={"message": busy[:1024]})
    status = status.model_copy(update={"after_completion": end})
    return Decision(status, look_again=min(left, watching(status, plan)))


def _given_up(seen: Observation, status: Status, plan: Plan, drain: Drain, busy: str) -> Decision:
    message = f"kept: not drained within {drain.timeout}: {busy}"
    decision = _completed(seen, status, plan, SourceFate.KEPT, message)
    said = Said("SourceNotDrained", f"completed, and the source is {message}", warning=True)
    return Decision(decision.status, look_again=AT_ONCE, said=(*decision.said, said))


def _completed(
    seen: Observation, status: Status, plan: Plan, fate: SourceFate, why: str
) -> Decision:
    every = "every gate that decides" if any(g.only_reports for g in plan.gates) else "every gate"
    message = f"100 % on the target; {every} passed"
    status = record.in_phase(status, Phase.COMPLETED, seen.now, "Completed", message)
    status = status.model_copy(
        update={
            "executed_steps": list(plan.steps),
            "after_completion": ended(seen, status, plan, fate, why),
        }
    )
    return Decision(status, look_again=AT_ONCE, said=(Said("Completed", message),))


# --- what is left -------------------------------------------------------------------------------


def ended(
    seen: Observation, status: Status, plan: Plan, fate: SourceFate, message: str
) -> AfterCompletionStatus:
    """Say what has become of the source and what is left; nothing of it is ever deleted."""
    left = [*_workload(seen, status, plan, fate), *_autoscalers(seen, fate), *_on_the_route(plan)]
    return AfterCompletionStatus(
        source=fate, since=seen.now, message=message[:1024], left_behind=left[:MAX_LEFT]
    )


def source_name(seen: Observation, plan: Plan) -> str:
    """Kind, namespace and name of the source's workload."""
    one = plan.source.workload
    place = plan.source.cluster.namespace or seen.identity.namespace
    return f"{one.kind} {place}/{one.name}" if one else "the source's servers"


def _workload(seen: Observation, status: Status, plan: Plan, fate: SourceFate) -> list[LeftBehind]:
    if plan.source.workload is None:
        return []
    name = source_name(seen, plan)
    if fate is SourceFate.SCALED_TO_ZERO:
        return [LeftBehind(object=name, of="source", state="scaled to zero")]
    if fate is SourceFate.SCALING_DOWN:
        return [LeftBehind(object=name, of="source", state="is being scaled to zero")]
    found = seen.health.source_replicas
    ready = found.ready if isinstance(found, Replicas) else status.facts.source.ready
    state = "still runs" if ready is None else f"{ready} ready replicas"
    return [LeftBehind(object=name, of="source", state=state)]


def _autoscalers(seen: Observation, fate: SourceFate) -> list[LeftBehind]:
    """What sets the source's replicas, where that was looked at."""
    found = seen.workload
    if not isinstance(found, WorkloadSeen):
        return []
    rests = {"ScaledObject": "paused at 0 replicas"}
    return [
        LeftBehind(
            object=f"{one.kind} {one.name}",
            of="source",
            state=rests.get(one.kind, "rests while there are no replicas")
            if fate is SourceFate.SCALED_TO_ZERO
            else "in force",
        )
        for one in found.autoscalers
    ]


def _on_the_route(plan: Plan) -> list[LeftBehind]:
    return [
        LeftBehind(
            object=f"{route.kind} {route.name}",
            of="route",
            state="names the source still, at weight 0",
        )
        for route in plan.traffic.every_route
    ]


# --- what a spec may not ask for ----------------------------------------------------------------


def completion_refusal(plan: Plan, metrics: Known) -> Refusal | None:
    """Say why the source could not be drained, or must not be scaled to zero."""
    wish = plan.after_completion
    profile = plan.source.profile or plan.profile
    if wish.drained is not None and not tells_running(profile, metrics):
        return Refusal(
            "RunningUnknown",
            f"spec.afterCompletion waits until the source works on nothing, but the profile {profile} does"
            " not tell how many requests are running: leave out ScaleToZero and drain",
        )
    if wish.source is not SourceAfter.SCALE_TO_ZERO:
        return None
    if plan.source.workload is None:
        return Refusal(
            "InvalidSpec",
            "spec.afterCompletion.source is ScaleToZero: name what to scale in spec.source.workload",
        )
    same = plan.source.workload == plan.target.workload
    if same and plan.source.cluster == plan.target.cluster:
        return Refusal(
            "SourceIsTarget",
            "spec.source.workload and spec.target.workload are one and the same, so scaling the source to"
            " zero would stop the target: correct one of them, or leave afterCompletion out",
        )
    return None
