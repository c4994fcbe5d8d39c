"""After Completed: the source is scaled to zero once, and brought back when a person asks for it.

The claim stays on the route meanwhile, so that nobody sends traffic to servers that are being stopped.
Whatever is not certain keeps the source: giving up costs money, stopping a server that serves costs
requests.
"""

from datetime import timedelta

from cutover.api.leftovers import SourceFate
from cutover.api.sides import Workload
from cutover.api.status import Plan, Status
from cutover.decide import claims, clocks, record
from cutover.decide.clocks import AT_ONCE
from cutover.decide.decision import Decision, Said, StartSource, StopSource
from cutover.decide.draining import at_work, ended, source_name
from cutover.decide.observation import (
    Mark,
    Observation,
    Replicas,
    WorkloadSeen,
)
from cutover.decide.readings import Gap
from cutover.decide.route import RouteGone, RouteSeen, RouteUnreadable

GIVE_UP = timedelta(minutes=5)
"""So long it is tried; a source that cannot be scaled down by then is kept."""
AGAIN = timedelta(seconds=5)
HPA = "HorizontalPodAutoscaler"


def go_on(seen: Observation, status: Status) -> Decision:
    """Take the next step of what is open."""
    plan, end = status.plan, status.after_completion
    assert plan is not None  # noqa: S101 - `source_is_open` looked
    assert end is not None  # noqa: S101
    if end.source is SourceFate.SCALED_TO_ZERO:
        return _bring_back(seen, status, plan)
    unwanted = _unwanted(seen) or _carries(seen)
    if unwanted is not None:
        return _kept(seen, status, plan, unwanted)
    return _scale_down(seen, status, plan)


def _unwanted(seen: Observation) -> str | None:
    """Say what a person has asked for meanwhile that keeps the source."""
    commands = seen.commands
    if commands.deleting:
        return "the rollout was deleted before it was scaled down"
    if commands.keeps_source:
        return "spec.afterCompletion no longer asks for ScaleToZero"
    if commands.abort or commands.paused:
        return f"spec.{'abort' if commands.abort else 'paused'} was set before it was scaled down"
    return None


def _carries(seen: Observation) -> str | None:
    """Say that the route may send requests to the source again."""
    route = seen.route
    match route:
        case RouteGone(message=message):
            return f"{message}; who sends it requests now cannot be told"
        case RouteSeen():
            other = claims.foreign(seen, route)
            if other is not None:
                return claims.in_use(other).message
            if route.declared != 100.0:
                return "the route sends it a share again"
            return None
        case RouteUnreadable() | None:
            return None


def _scale_down(seen: Observation, status: Status, plan: Plan) -> Decision:
    found, route = seen.workload, seen.route
    if not isinstance(route, RouteSeen):
        why = route.message if isinstance(route, RouteUnreadable) else "the route was not read yet"
        return _not_yet(seen, status, plan, why)
    if found is None or isinstance(found, Gap):
        why = "its workload was not read yet" if found is None else found.message
        return _not_yet(seen, status, plan, why)
    if found.stopped and found.replicas is None and found.ready != 0:
        why = "asked to stop by serving.kserve.io/stop, which KServe has not done yet"
        return _not_yet(seen, status, plan, why)
    if found.stopped and all(one.holds for one in found.autoscalers):
        return _done(seen, status, plan, found)
    refused = untouchable(found)
    if refused is not None:
        return _kept(seen, status, plan, refused)
    drain = plan.after_completion.drained
    ready = None if found.ready is None else Replicas(found.ready, found.replicas)
    busy = at_work(seen.source, ready, drain) if drain is not None else None
    if busy is not None:
        return _not_yet(seen, status, plan, busy)
    if seen.trouble:
        return _not_yet(seen, status, plan, seen.trouble)
    identity = seen.identity
    mark = _mark(found, identity.uid)
    if mark is None:
        owner = f"{identity.namespace}/{identity.name}"
        mark = Mark(owner, identity.uid, seen.now, found.replicas, found.before)
    return Decision(status, StopSource(mark), look_again=AT_ONCE)


def untouchable(found: WorkloadSeen) -> str | None:
    """Say what about the workload itself keeps it from being scaled down."""
    if found.is_target:
        return "it is the target's workload as well"
    if found.owner:
        return (
            f"it belongs to {found.owner}, which would undo that: name that in spec.source.workload"
        )
    for one in found.autoscalers:
        if one.kind == HPA and not one.holds:
            return (
                f"{HPA} {one.name} scales up from zero by itself (minReplicas: 0): raise that to 1"
            )
    return None


def _not_yet(seen: Observation, status: Status, plan: Plan, why: str) -> Decision:
    if _waited_long(seen, status):
        return _kept(seen, status, plan, why)
    end = status.after_completion
    assert end is not None  # noqa: S101 - `source_is_open` looked
    end = end.model_copy(update={"message": why[:1024]})
    return Decision(status.model_copy(update={"after_completion": end}), look_again=AGAIN)


def _waited_long(seen: Observation, status: Status) -> bool:
    end = status.after_completion
    return end is not None and clocks.waited(end.since, seen.now) >= GIVE_UP


# --- the ends -----------------------------------------------------------------------------------


def _kept(seen: Observation, status: Status, plan: Plan, why: str) -> Decision:
    message = f"kept: {why}"
    end = ended(seen, status, plan, SourceFate.KEPT, message)
    status = record.noted(status, seen.now, "SourceKept", message)
    said = Said("SourceKept", f"{source_name(seen, plan)} is {message}", warning=True)
    status = status.model_copy(update={"after_completion": end})
    return Decision(status, look_again=AT_ONCE, said=(said,))


def _done(seen: Observation, status: Status, plan: Plan, found: WorkloadSeen) -> Decision:
    """Its replicas are to be none: by us, or by somebody who was faster."""
    mark, name = _mark(found, seen.identity.uid), source_name(seen, plan)
    if mark is None:
        message = "had no replicas already"
    else:
        message = f"scaled to zero{_were(mark, plan.source.workload)}"
    end = ended(seen, status, plan, SourceFate.SCALED_TO_ZERO, message)
    status = record.noted(status, seen.now, "SourceScaledToZero", f"{name} {message}")
    said = Said(
        "SourceScaledToZero",
        f"{name} {message}; to bring it back: kubectl cutover restore-source {seen.identity.name}",
    )
    status = status.model_copy(update={"after_completion": end})
    return Decision(status, look_again=AT_ONCE, said=(said,))


def _mark(found: WorkloadSeen, uid: str) -> Mark | None:
    """What this rollout left on the workload, or, if it died in between, on what scales it."""
    marks = (found.mark, *(one.mark for one in found.autoscalers))
    return next((one for one in marks if one is not None and one.uid == uid), None)


def _were(mark: Mark, workload: Workload | None) -> str:
    if mark.replicas is None:
        return f" (serving.kserve.io/stop on the {workload.kind})" if workload else ""
    return f" ({mark.replicas} before)"


def _bring_back(seen: Observation, status: Status, plan: Plan) -> Decision:
    """Undo what was done, as the marks tell; what somebody else changed since stays."""
    found = seen.workload
    if found is None:
        return Decision(status, look_again=AT_ONCE)
    if isinstance(found, Gap):
        return _cannot_yet(status, found.message)
    uid = seen.identity.uid
    if _mark(found, uid) is not None:
        if seen.trouble:
            return _cannot_yet(status, seen.trouble)
        return Decision(status, StartSource(uid), look_again=AT_ONCE)
    name = source_name(seen, plan)
    how = "no mark of this rollout is on it" if found.stopped else _how_many(found)
    message = f"brought back: {how}"
    end = ended(seen, status, plan, SourceFate.RESTORED, message)
    status = record.noted(status, seen.now, "SourceRestored", f"{name} {message}")
    said = Said("SourceRestored", f"{name} {message}", warning=found.stopped)
    status = status.model_copy(update={"after_completion": end})
    return Decision(status, look_again=AT_ONCE, said=(said,))


def _how_many(found: WorkloadSeen) -> str:
    return "it may run again" if found.replicas is None else f"{found.replicas} replicas"


def _cannot_yet(status: Status, why: str) -> Decision:
    end = status.after_completion
    assert end is not None  # noqa: S101 - `source_is_open` looked
    end = end.model_copy(update={"message": f"not brought back yet: {why}"[:1024]})
    return Decision(status.model_copy(update={"after_completion": end}), look_again=AGAIN)
