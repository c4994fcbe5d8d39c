"""What about the route keeps a rollout from beginning, before anything is claimed."""

from collections.abc import Iterator
from datetime import timedelta

from cutover.api.quantities import format_duration, parse_duration
from cutover.api.status import Plan
from cutover.decide import claims
from cutover.decide.applying import overridden
from cutover.decide.check import Check, awaited, failed, of_refusal, passed
from cutover.decide.observation import Observation, Refusal
from cutover.decide.route import RouteGone, RouteSeen, RouteUnreadable
from cutover.decide.weights import inexpressible


def route_obstacle(seen: Observation, plan: Plan) -> Refusal | None:
    """Say what about the route keeps the rollout from beginning."""
    return next(
        (one.refusal for one in route_checks(seen, plan) if not one.awaited and one.holds_back),
        None,
    )


def route_checks(seen: Observation, plan: Plan) -> Iterator[Check]:
    """Check that the route is there, is free, and can say the weights of the steps."""
    route, named = seen.route, plan.traffic.route
    match route:
        case None:
            yield awaited("route", "RouteNotRead", "the route has not been read yet")
        case RouteGone():
            yield failed(
                "route",
                "RouteNotFound",
                f"{named.field}.name: {route.message}; create {named.kind} {named.name} or correct the name",
            )
        case RouteUnreadable():
            yield failed("route", f"Route{route.reason}", f"spec.traffic.cluster: {route.message}")
        case RouteSeen():
            yield from _seen(seen, plan, route)


def _seen(seen: Observation, plan: Plan, route: RouteSeen) -> Iterator[Check]:
    every = [f"{one.kind} {one.name} names both backends" for one in plan.traffic.every_route]
    good = ", ".join(every)
    yield of_refusal("route", _backends_missing(route), good)
    other = claims.foreign(seen, route)
    free = "no other rollout moves its weights"
    yield of_refusal("claim", None if other is None else claims.in_use(other), free)
    if not route.rules:
        return
    yield _target_weight(route)
    yield of_refusal(
        "weights", _inexpressible(plan, route), "the route can say every step's weight"
    )
    late = _delivery_obstacle(plan, route)
    if late is not None:
        yield of_refusal("delivery time", late, "")


def _backends_missing(route: RouteSeen) -> Refusal | None:
    if route.problem is not None:
        return Refusal(route.problem_reason or "RouteUnusable", route.problem)
    if not route.rules:
        return Refusal("BackendNotFound", "no rule of the route names both backends: add them")
    return None


def _target_weight(route: RouteSeen) -> Check:
    if route.highest <= 0:
        return passed("target weight", "the route sends nothing to the target")
    return failed(
        "target weight",
        "TargetHasTraffic",
        f"the route already sends {route.highest:g} % to the target, and not by this rollout: set the"
        " target backend's weight to 0 and the rollout begins",
    )


def _inexpressible(plan: Plan, route: RouteSeen) -> Refusal | None:
    weights = [step.weight for step in plan.steps if step.weight is not None]
    sentence = inexpressible(route.rules, weights, route.whole, route.largest)
    return Refusal("WeightNotExpressible", sentence) if sentence else None


def _delivery_obstacle(plan: Plan, route: RouteSeen) -> Refusal | None:
    """A step whose ``maxDuration`` is over before its weight has reached every client gathers nothing."""
    longest = timedelta(seconds=route.delivery_seconds)
    for step in plan.steps:
        analysis = overridden(plan.analysis, step)
        if step.weight is not None and longest >= parse_duration(analysis.max_duration):
            return Refusal(
                "DeliveryTakesTooLong",
                f"a changed weight of this route takes {format_duration(longest)} to reach every client,"
                f" and step {step.description} waits no longer than maxDuration {analysis.max_duration}:"
                " raise spec.analysis.maxDuration, or lower the record's TTL",
            )
    return None
