"""The route whose weights are moved, and how it is known that they are."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from cutover.api.clusters import ClusterRef
from cutover.api.dns import DnsEndpoint
from cutover.api.istio import VirtualService
from cutover.api.patching import PatchRoute
from cutover.api.proxies import AlbIngress, ContourHttpProxy, NginxCanary, TraefikWeighted
from cutover.api.routes import GrpcRoute, HttpRoute
from cutover.api.rules import Rule, exactly_one, ruled_by
from cutover.api.sides import Matchers, Prometheus
from cutover.api.wire import Wire


class OnOverride(StrEnum):
    """What happens when somebody else raises the target's share."""

    ENFORCE = "Enforce"
    PAUSE = "Pause"


class DeliveryCheck(StrEnum):
    """Whether a weight must be seen in request counters before it counts."""

    REQUIRED = "Required"
    REPORT = "Report"


class CountedBy(StrEnum):
    """Whose counters say how much of the traffic each side got."""

    GATEWAY = "Gateway"
    SERVERS = "Servers"


Route = (
    HttpRoute
    | GrpcRoute
    | VirtualService
    | DnsEndpoint
    | ContourHttpProxy
    | TraefikWeighted
    | AlbIngress
    | NginxCanary
    | PatchRoute
)
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
    """Labels of the source backend's series; with additionalRoutes of all source backends'. Omitted: made of each backend's namespace, name and port."""
    target_matchers: Matchers | None = None
    """Labels of the target backend's series; with additionalRoutes of all target backends'. Omitted: made of each backend's namespace, name and port."""


class Delivery(Wire):
    """How it is known that the gateway does what the route says."""

    check: DeliveryCheck = DeliveryCheck.REQUIRED
    """Required: a weight counts once request counters show it. Report: it is only reported."""
    counted_by: CountedBy | None = None
    """Gateway: what the gateway sent to each backend, without other callers of the servers; needs traffic.gateway. Servers: what both sides' servers count. Omitted: Gateway where traffic.gateway is set, else Servers."""


ROUTERS: Final = (
    "httpRoute",
    "grpcRoute",
    "virtualService",
    "dnsEndpoint",
    "contourHTTPProxy",
    "traefikService",
    "albIngress",
    "nginxCanary",
    "patch",
)
"""The fields of `Routed`, of which exactly one is set."""
_NAMING: Final = ("httpRoute", "grpcRoute", "contourHTTPProxy", "traefikService")
"""Those that name backends as gateways name their series."""


class Routed(Wire):
    """A route whose weights are moved: exactly one of the fields is set."""

    http_route: HttpRoute | None = None
    """A Gateway API HTTPRoute whose backends' weights are moved."""
    grpc_route: GrpcRoute | None = None
    """A Gateway API GRPCRoute whose backends' weights are moved."""
    virtual_service: VirtualService | None = None
    """An Istio VirtualService whose destinations' weights are moved."""
    dns_endpoint: DnsEndpoint | None = None
    """An external-dns DNSEndpoint whose records' Route 53 weights are moved."""
    contour_http_proxy: Annotated[ContourHttpProxy | None, Field(alias="contourHTTPProxy")] = None
    """A Contour HTTPProxy whose services' weights are moved."""
    traefik_service: TraefikWeighted | None = None
    """A TraefikService whose services' weights are moved."""
    alb_ingress: AlbIngress | None = None
    """An Ingress of the AWS Load Balancer Controller, the target groups' weights of whose forward action are moved."""
    nginx_canary: NginxCanary | None = None
    """A canary Ingress of ingress-nginx whose canary-weight is moved."""
    patch: PatchRoute | None = None
    """Any other object with weights, its numbers named by JSON pointers. The operator must be granted get, list, watch and patch of that kind."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """All that are named: one, as the definition has it."""
        every = (
            *(self.http_route, self.grpc_route, self.virtual_service, self.dns_endpoint),
            *(self.contour_http_proxy, self.traefik_service, self.alb_ingress, self.nginx_canary),
            self.patch,
        )
        return tuple(one for one in every if one is not None)


class AdditionalRoute(Routed):
    """One more route that is moved together with the first; exactly one of its fields is set."""

    model_config = ruled_by(
        exactly_one(*ROUTERS, says=f"name exactly one route in each entry: {', '.join(ROUTERS)}")
    )


class Traffic(Routed):
    """The one route whose weights are moved, and those that are moved with it."""

    model_config = ruled_by(
        exactly_one(
            *ROUTERS,
            says=f"name exactly one route whose weights are moved: {', '.join(ROUTERS)}",
        ),
        Rule(
            "!has(self.gateway) || has(self.gateway.sourceMatchers)"
            f" || {' || '.join(f'has(self.{each})' for each in _NAMING)}"
            " || (has(self.virtualService) && self.gateway.profile == 'Istio'"
            " && self.virtualService.sourceDestination.host != self.virtualService.targetDestination.host)",
            "this route does not say by which labels the gateway's metrics tell its two sides apart:"
            " set gateway.sourceMatchers and gateway.targetMatchers",
        ),
        Rule(
            "!has(self.delivery.countedBy) || self.delivery.countedBy != 'Gateway' || has(self.gateway)",
            "delivery.countedBy: Gateway needs the gateway's metrics: set traffic.gateway, or countedBy: Servers",
        ),
    )

    cluster: ClusterRef = ClusterRef()
    """The cluster in which the route lives. Omitted: the operator's own."""
    additional_routes: (
        Annotated[list[AdditionalRoute], Field(min_length=1, max_length=7)] | None
    ) = None
    """More routes of the same cluster and namespace that must not diverge: all have the same weight, a raise (or a mirror) that one of them does not take is taken back from all, and a rollback puts each back without waiting for the others. Omitted: one route is moved."""
    on_override: OnOverride = OnOverride.ENFORCE
    """When somebody else raises the target's share: Enforce puts the rollout's weights back, Pause waits for a person. A share that somebody lowers is never raised again by itself."""
    delivery: Delivery = Delivery()
    """How it is known that the gateway does what the route says."""
    gateway: Gateway | None = None
    """What the gateway counts of both backends: for gates with vantage Gateway, for the delivered weight (delivery.countedBy), and for servers that do not count themselves. Omitted: only the servers' own metrics are read."""

    @property
    def counted_at_gateway(self) -> bool:
        """Whether the gateway's counters say what is delivered."""
        asked = self.delivery.counted_by
        return self.gateway is not None and asked is not CountedBy.SERVERS

    @property
    def every_route(self) -> tuple[Route, ...]:
        """The first and all that are moved with it."""
        more = (route for one in self.additional_routes or () for route in one.routes)
        return (*self.routes, *more)

    @property
    def route(self) -> Route:
        """The one route that is named."""
        return self.routes[0]
