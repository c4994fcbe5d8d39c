"""Everything that is checked before the first step: by the phase Preflight, and by ``kubectl cutover preflight``.

What fails keeps the rollout in Preflight, unharmed, until it is mended; a warning only has to be read. The
order of the list is the order in which a person would mend things.
"""

from collections.abc import Iterator
from datetime import timedelta

from cutover.api.guards import Guard
from cutover.api.preflight import CheckState
from cutover.api.quantities import format_duration
from cutover.api.sides import Side
from cutover.api.status import Plan
from cutover.decide.admission import preflight_room, unfit
from cutover.decide.answering import answer_limit_checks
from cutover.decide.check import Check, awaited, failed, of_refusal, passed, unknown, warned
from cutover.decide.decision import Said
from cutover.decide.feasible import Feasibility, Need, Pace, fitting_steps, foresee, pace_of
from cutover.decide.observation import (
    NOT_ANSWERED,
    Observation,
    Probes,
    Refusal,
    Replicas,
    SideReach,
)
from cutover.decide.readable import metrics_checks
from cutover.decide.readings import Gap
from cutover.decide.route import RouteSeen
from cutover.decide.routing import route_checks
from cutover.decide.surveying import surroundings_checks
from cutover.judge.wording import about

FEASIBLE = "feasible"


def preflight_checks(seen: Observation, plan: Plan) -> tuple[Check, ...]:
    """Check all that can be told from this look."""
    route = seen.route
    return (
        *route_checks(seen, plan),
        *(_gateway(seen, plan, route) if isinstance(route, RouteSeen) else ()),
        _reach("source", seen.source_reach),
        _reach("target", seen.target_reach),
        *metrics_checks(seen, plan),
        *_servers(seen, plan),
        *_room(seen, plan),
        *surroundings_checks(seen.surroundings, plan),
        feasible(seen, plan),
    )


def first_obstacle(checks: tuple[Check, ...]) -> Refusal | None:
    """Say what keeps the first step from beginning, with the field to mend."""
    return next((one.refusal for one in checks if one.holds_back), None)


def in_words(checks: tuple[Check, ...]) -> str:
    """The first thing to mend, and how many more there are; empty: nothing."""
    back = [one for one in checks if one.holds_back]
    if not back:
        return ""
    more = sum(one.state is CheckState.FAILED for one in back[1:])
    return back[0].message + (f" (and {more} more: see status.preflight)" if more else "")


def news(seen: Observation, checks: tuple[Check, ...]) -> tuple[Said, ...]:
    """An Event for each check that fails or warns and was not known to: its numbers change from look to look."""
    if any(one.awaited for one in checks):
        return ()
    same = seen.status.observed_generation == seen.commands.generation
    known = {(one.name, one.state) for one in seen.status.preflight} if same else set()
    bad = (CheckState.FAILED, CheckState.WARNING)
    return tuple(
        Said(one.reason, one.message, warning=True)
        for one in checks
        if one.state in bad and (one.name, one.state) not in known
    )


# --- route and clusters ---------------------------------------------------------------------------


def _gateway(seen: Observation, plan: Plan, route: RouteSeen) -> Iterator[Check]:
    yield _accepted(route)
    yield from _mirror(plan, route)
    if route.answer_limit is not None:
        yield from answer_limit_checks(route.answer_limit, seen.source, plan)


def _accepted(route: RouteSeen) -> Check:
    if route.accepted:
        return passed("gateway", "the gateway has accepted the route")
    return failed(
        "gateway", "NotAccepted", f"the gateway has not accepted the route: {route.acceptance}"
    )


def _mirror(plan: Plan, route: RouteSeen) -> Iterator[Check]:
    """Whether the route can copy requests, where a shadow step asks for that."""
    percents = [step.shadow.parts for step in plan.steps if step.shadow is not None]
    if not percents:
        return
    if route.mirror_refusal is not None:
        text = f"spec.steps mirrors requests, and {route.mirror_refusal}"
        yield failed("mirror", "MirrorNotPossible", text)
    else:
        yield passed("mirror", f"the route takes a mirror of {max(percents)} % to the target")


def _reach(side: str, reach: SideReach) -> Check:
    name = f"{side} cluster"
    if reach.reachable is False:
        return failed(name, reach.reason, f"spec.{side}.cluster: {reach.message}")
    if reach.reason == NOT_ANSWERED:
        return awaited(name, reach.reason, f"spec.{side}.cluster: {reach.message}")
    if reach.reachable is None:
        return unknown(name, reach.reason, "has not been asked yet")
    return passed(name, "its API server answers")


# --- workloads and endpoint -----------------------------------------------------------------------


def _servers(seen: Observation, plan: Plan) -> Iterator[Check]:
    health = seen.health
    yield from _workload("source", plan.source, health.source_replicas)
    yield from _workload("target", plan.target, health.target_replicas)
    yield from _probed(plan, health.probes)
    breach = unfit(seen, seen.status, plan)
    if breach is not None:
        yield of_refusal("target servers", breach, "")


def _workload(name: str, side: Side, found: Replicas | Gap | None) -> Iterator[Check]:
    """Here, where nothing has been moved, what cannot be looked at is an obstacle too.

    A guard that was asked for and can see nothing would be none.
    """
    if side.workload is None:
        return
    title = f"{name} workload"
    if isinstance(found, Gap):
        yield failed(title, f"Workload{found.missing}", f"spec.{name}.workload: {found.message}")
    elif found is None:
        yield awaited(title, "WorkloadNotRead", f"spec.{name}.workload: has not been read yet")
    elif found.ready == 0 and name == "source":
        yield warned(title, "SourceNotReady", f"spec.{name}.workload has no ready replica")
    elif found.ready or name == "source":
        many = f"at least {found.ready}" if found.at_least else str(found.ready)
        yield passed(title, f"{many} ready replica{'s' * (found.ready != 1)}")


def _probed(plan: Plan, probes: Probes | None) -> Iterator[Check]:
    if plan.target.endpoint is None or Guard.FAILED_PROBES in plan.guards.disabled:
        return
    if probes is not None and probes.unsent:
        text = f"spec.target.endpoint: {probes.unsent}"
        yield failed("target endpoint", "EndpointUnusable", text)
    elif probes is None or probes.at is None:
        text = "spec.target.endpoint: has not answered yet"
        yield awaited("target endpoint", "EndpointNotProbed", text)
    elif not probes.failures:
        yield passed("target endpoint", "it says that it can serve")


def _room(seen: Observation, plan: Plan) -> Iterator[Check]:
    """Room for the first weight: it is looked at again when the weight is to be written."""
    shares = (step.shadow.parts if step.shadow else step.weight for step in plan.steps)
    first = next((share for share in shares if share is not None), None)
    if plan.capacity is None or first is None:
        return
    short = preflight_room(seen, plan, first)
    if short is None:
        yield passed("capacity", f"there is room for {first} % of the requests")
    else:
        yield warned("capacity", short.reason, short.message)


# --- time -----------------------------------------------------------------------------------------


def feasible(seen: Observation, plan: Plan) -> Check:
    """Whether every step gets its evidence within its time at the source's rate."""
    pace = _pace(seen, plan)
    if pace is None:
        return unknown(FEASIBLE, "RateUnknown", "the source's requests cannot be counted now")
    found = foresee(plan, pace)
    if found.fits:
        slowest = max(found.needs, key=lambda one: one.seconds or 0.0)
        return passed(
            FEASIBLE,
            f"at the source's {pace.rate:g} requests/s each step has time enough; the longest"
            f" ({slowest.step.description}) needs about {_time(slowest.seconds)}",
        )
    return warned(FEASIBLE, "TooFewRequests", _infeasible(found, plan))


def _pace(seen: Observation, plan: Plan) -> Pace | None:
    delivery = seen.route.delivery_seconds if isinstance(seen.route, RouteSeen) else 0.0
    return pace_of(plan, seen.source, delivery=delivery)


def _infeasible(found: Feasibility, plan: Plan) -> str:
    late = [need for need in found.needs if not need.fits]
    worst, weights = late[0], [str(need.weight) for need in late[1:] if need.weight]
    others = [need.step.description for need in late[1:] if not need.weight]
    if weights:
        others.append(f"weight{'s' * (len(weights) > 1)} {', '.join(weights)}")
    also = f"; so it is with {' and with '.join(others)}" if others else ""
    return f"{_late(worst, found.rate)}{also}; {_way_out(found, plan)}"


def _late(need: Need, rate: float) -> str:
    here = f"step {need.number} ({need.step.description}), at the source's {rate:g} requests/s"
    longest = _time(need.longest)
    if need.seconds is None:
        return f"{here}: no Pass of {need.gate} is in sight within maxDuration {longest}"
    why = f"{need.gate}: about {about(need.requests)} target requests" if need.requests else ""
    told = f" ({why})" if why else ""
    return f"{here}: needs about {_time(need.seconds)}{told}, and maxDuration is {longest}"


def _way_out(found: Feasibility, plan: Plan) -> str:
    if all(need.fits for need in found.needs if need.weight):
        return "mirror more, or raise spec.analysis.maxDuration, which comes on top of a shadow's duration"
    if found.first_fit is None:
        return "no smaller part of the traffic would do: raise spec.analysis.maxDuration"
    fit = f"{found.first_fit} is the first weight that fits"
    if plan.steps_omitted:
        return f"{fit}, and since spec.steps is omitted the rollout begins there"
    return f"{fit}: begin there, or raise spec.analysis.maxDuration"


def _time(seconds: float | None) -> str:
    return format_duration(timedelta(seconds=seconds or 0.0))


def begun_with(seen: Observation, plan: Plan) -> Plan:
    """The plan that the first step is taken of: omitted steps begin where the time is enough."""
    pace = _pace(seen, plan) if plan.steps_omitted else None
    if pace is None:
        return plan
    return plan.model_copy(update={"steps": fitting_steps(plan, pace)})
