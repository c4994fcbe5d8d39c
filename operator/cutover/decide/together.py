"""Which routes may be moved together: what their backends are, and whether the gateway's counters tell the sides apart."""

from collections.abc import Sequence

from cutover.api.istio import VirtualService
from cutover.api.routes import BackendRef
from cutover.api.traffic import GatewayProfile, Route, Traffic
from cutover.decide.observation import Refusal

_TELL_APART = (
    "set gateway.sourceMatchers and gateway.targetMatchers to labels that all routes' backends of a side have,"
    " or leave traffic.gateway out"
)


def together_refusal(traffic: Traffic) -> Refusal | None:
    """Say why these routes, each fit for itself, cannot be moved together."""
    return _crossed(traffic.every_route) or _uncounted(traffic)


def _crossed(routes: Sequence[Route]) -> Refusal | None:
    """One route's source must not be another's target: then no counter would tell the sides apart."""
    pairs = [one.backends for one in routes if one.backends is not None and not _by_subset(one)]
    targets = {_identity(target) for _, target in pairs}
    both = next((source for source, _ in pairs if _identity(source) in targets), None)
    if both is None:
        return None
    return Refusal(
        "InvalidSpec",
        f"{both.name} is the source of one route and the target of another that is moved with it: give them"
        " rollouts of their own, or correct spec.traffic.additionalRoutes",
    )


def _by_subset(route: Route) -> bool:
    """Whether one host may be both sides."""
    if not isinstance(route, VirtualService):
        return False
    return route.source_destination.host == route.target_destination.host


def _identity(backend: BackendRef) -> tuple[object, ...]:
    kind = (backend.group or "", backend.kind or "Service")
    return (*kind, backend.namespace, backend.name, backend.port)


def _uncounted(traffic: Traffic) -> Refusal | None:
    """What a gateway counts is summed over all routes, so that it has to tell the sides of each apart."""
    gateway = traffic.gateway
    if gateway is None or gateway.source_matchers is not None:
        return None
    for route in traffic.every_route:
        if not _is_counted(route, gateway.profile):
            return Refusal(
                "InvalidSpec",
                f"{route.kind} {route.name} does not say by which labels the metrics of {gateway.profile} tell its"
                f" two sides apart: {_TELL_APART}",
            )
    sides = zip(*(one.backends for one in traffic.every_route if one.backends), strict=True)
    apart = any(len({one.namespace for one in backends}) > 1 for backends in sides)
    if gateway.profile is GatewayProfile.ISTIO and apart:
        return Refusal(
            "InvalidSpec",
            "the routes' backends are in several namespaces, of which Istio's metrics tell no pairs of name and"
            f" namespace at once: {_TELL_APART}",
        )
    return None


def _is_counted(route: Route, profile: GatewayProfile) -> bool:
    """As the definition asks of the first route."""
    if isinstance(route, VirtualService):
        hosts = route.source_destination.host, route.target_destination.host
        return profile is GatewayProfile.ISTIO and hosts[0] != hosts[1]
    return route.backends is not None
