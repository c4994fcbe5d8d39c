"""The route whose weights are moved, and how it is known that they are.

Every kind of router is a model with ``name``, ``kind`` (as people call it), ``field`` (where a spec
names it) and ``backends``; `Route` is all of them.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from cutover.api.names import Label, ObjectName
from cutover.api.rules import AS_SET, ONE_OWNER, Rule, exactly_one, ruled_by
from cutover.api.sides import ClusterRef, Matchers, Prometheus
from cutover.api.wire import Wire


class OnOverride(StrEnum):
    """What happens when somebody else raises the target's share."""

    ENFORCE = "Enforce"
    PAUSE = "Pause"


class DeliveryCheck(StrEnum):
    """Whether a weight must be seen in request counters before it counts."""

    REQUIRED = "Required"
    REPORT = "Report"


class BackendRef(Wire):
    """One backend of a route, by the fields that tell it from the others."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the backend, as the route spells it."""
    group: Annotated[str, Field(max_length=253)] | None = None
    """API group of the backend. Omitted: core."""
    kind: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Kind of the backend, such as Service, ServiceImport or InferencePool. Omitted: Service."""
    namespace: Label | None = None
    """Namespace of the backend, where the route names one. Omitted: the route's own."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the backend. Needed only where the route names one backend with several ports."""


def _unlike(field: str, default: str) -> str:
    """Compare an optional field, without ``?:``: behind it CEL's cost estimate knows no length."""
    source, target = f"self.sourceBackend.{field}", f"self.targetBackend.{field}"
    return (
        f"(has({source}) && has({target}) && {source} != {target})"
        f" || (has({source}) && !has({target}) && {source} != '{default}')"
        f" || (!has({source}) && has({target}) && {target} != '{default}')"
    )


class GatewayRoute(Wire):
    """A route of Gateway API that names both backends."""

    kind: ClassVar[str]
    field: ClassVar[str]

    model_config = ruled_by(
        Rule(
            "self.sourceBackend.name != self.targetBackend.name"
            f" || {_unlike('group', '')} || {_unlike('kind', 'Service')} || {_unlike('__namespace__', '')}"
            " || (has(self.sourceBackend.port) && has(self.targetBackend.port)"
            " && self.sourceBackend.port != self.targetBackend.port)",
            "sourceBackend and targetBackend name the same backend: name two,"
            " or give each the port that tells them apart",
        )
    )

    name: ObjectName
    """Name of the route; its namespace is that of traffic.cluster."""
    source_backend: BackendRef
    """The backend that serves now."""
    target_backend: BackendRef
    """The backend that shall serve; already in the route, with weight 0."""
    rules: (
        Annotated[list[Annotated[int, Field(ge=0, le=127)]], Field(max_length=16), AS_SET] | None
    ) = None
    """Indexes (from 0) of the route's rules that are meant. Omitted: every rule, and each must name both backends."""

    @property
    def backends(self) -> tuple[BackendRef, BackendRef]:
        """Source and target, as the data plane names them."""
        return self.source_backend, self.target_backend


class HttpRoute(GatewayRoute):
    """A Gateway API HTTPRoute that names both backends."""

    kind: ClassVar[str] = "HTTPRoute"
    field: ClassVar[str] = "spec.traffic.httpRoute"

    name: ObjectName
    """Name of the HTTPRoute; its namespace is that of traffic.cluster."""


class GrpcRoute(GatewayRoute):
    """A Gateway API GRPCRoute that names both backends."""

    kind: ClassVar[str] = "GRPCRoute"
    field: ClassVar[str] = "spec.traffic.grpcRoute"

    name: ObjectName
    """Name of the GRPCRoute; its namespace is that of traffic.cluster."""


Route = HttpRoute | GrpcRoute
"""One route of any kind: matched with ``assert_never``."""


class GatewayProfile(StrEnum):
    """Whose metric names are read at the gateway."""

    CONTOUR = "Contour"
    ENVOY_GATEWAY = "EnvoyGateway"
    ISTIO = "Istio"
    TRAEFIK = "Traefik"


class Gateway(Wire):
    """What the gateway itself counts of each of the two backends."""

    model_config = ruled_by(
        Rule(
            "has(self.sourceMatchers) == has(self.targetMatchers)",
            "set sourceMatchers and targetMatchers, or neither: each tells one backend from the other",
        ),
        Rule(
            "self.profile != 'EnvoyGateway' || has(self.sourceMatchers)",
            "Envoy Gateway counts all backends of a rule together unless each backendRef carries a filter:"
            " give each one, and name in sourceMatchers and targetMatchers the envoy_cluster_name"
            " (httproute/NAMESPACE/ROUTE/rule/N/backend/M) of each",
        ),
        Rule(
            "!has(self.sourceMatchers) || !has(self.targetMatchers)"
            " || self.sourceMatchers != self.targetMatchers",
            "sourceMatchers and targetMatchers are equal, so that both sides would be the same series",
        ),
    )

    profile: GatewayProfile
    """Which gateway it is."""
    prometheus: Prometheus
    """Where the gateway's metrics are read."""
    source_matchers: Matchers | None = None
    """Labels of the source backend's series. Omitted: made of the backend's namespace, name and port."""
    target_matchers: Matchers | None = None
    """Labels of the target backend's series. Omitted: made of the backend's namespace, name and port."""


class Delivery(Wire):
    """How it is known that the gateway does what the route says."""

    check: DeliveryCheck = DeliveryCheck.REQUIRED
    """Required: a weight counts once request counters show it. Report: it is only reported."""


ROUTERS: Final = ("httpRoute", "grpcRoute")
"""The fields of `Traffic` of which exactly one is set."""


class Traffic(Wire):
    """The one route whose weights are moved."""

    model_config = ruled_by(
        exactly_one(
            *ROUTERS,
            says=f"name exactly one route whose weights are moved: {', '.join(ROUTERS)}",
        )
    )

    cluster: ClusterRef = ClusterRef()
    """The cluster in which the route lives. Omitted: the operator's own."""
    http_route: HttpRoute | None = None
    """A Gateway API HTTPRoute whose backends' weights are moved."""
    grpc_route: GrpcRoute | None = None
    """A Gateway API GRPCRoute whose backends' weights are moved."""
    on_override: OnOverride = OnOverride.ENFORCE
    """When somebody else raises the target's share: Enforce puts the rollout's weights back, Pause waits for a person. A share that somebody lowers is never raised again by itself."""
    delivery: Delivery = Delivery()
    """How it is known that the gateway does what the route says."""
    gateway: Gateway | None = None
    """What the gateway counts of both backends: for gates with vantage Gateway, and for servers that do not count themselves. Omitted: only the servers' own metrics are read."""

    @property
    def route(self) -> Route:
        """The one route that is named."""
        return self.routes[0]

    @property
    def routes(self) -> tuple[Route, ...]:
        """All that are named: one, as the definition has it."""
        every = (self.http_route, self.grpc_route)
        return tuple(one for one in every if one is not None)
