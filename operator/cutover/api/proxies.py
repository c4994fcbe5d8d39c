"""Objects of single proxies that split traffic by weights: how a spec names one and the two backends in it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cutover.api.names import Label, ObjectName
from cutover.api.routes import BackendRef, unlike
from cutover.api.rules import AS_SET, ONE_OWNER, Rule, exactly_one, ruled_by
from cutover.api.wire import Wire

_DIFFER = "sourceBackend and targetBackend name the same backend: name two"
_PORTS_DIFFER = (
    "(has(self.sourceBackend.port) && has(self.targetBackend.port)"
    " && self.sourceBackend.port != self.targetBackend.port)"
)
Port = Annotated[int, Field(ge=1, le=65535)]
RuleIndexes = Annotated[list[Annotated[int, Field(ge=0, le=127)]], Field(max_length=16), AS_SET]


class ServiceRef(Wire):
    """A Service, as Contour's HTTPProxy names it."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the Service, in the HTTPProxy's namespace."""
    port: Port | None = None
    """Port of the Service. Needed only where the route names one Service with several ports."""


class ContourHttpProxy(Wire):
    """A Contour HTTPProxy (projectcontour.io/v1) whose routes name both Services."""

    model_config = ruled_by(
        Rule(f"self.sourceBackend.name != self.targetBackend.name || {_PORTS_DIFFER}", _DIFFER)
    )
    kind: ClassVar[str] = "HTTPProxy"
    field: ClassVar[str] = "spec.traffic.contourHTTPProxy"

    name: ObjectName
    """Name of the HTTPProxy; its namespace is that of traffic.cluster."""
    source_backend: ServiceRef
    """The Service that serves now."""
    target_backend: ServiceRef
    """The Service that shall serve; already in the route, with weight 0."""
    rules: RuleIndexes | None = None
    """Indexes (from 0) of spec.routes that are meant. Omitted: every route, and each must name both Services."""

    @property
    def backends(self) -> tuple[BackendRef, BackendRef]:
        """Source and target, as the data plane names them."""
        source, target = self.source_backend, self.target_backend
        return (
            BackendRef(name=source.name, port=source.port),
            BackendRef(name=target.name, port=target.port),
        )


class TraefikServiceRef(Wire):
    """A Service or a TraefikService, as Traefik's weighted round robin names it."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the Service or TraefikService."""
    kind: Literal["Service", "TraefikService"] | None = None
    """Service or TraefikService. Omitted: Service."""
    namespace: Label | None = None
    """Its namespace. Omitted: that of the TraefikService that is changed."""
    port: Port | None = None
    """Port of the Service. Needed only where one Service is named with several ports."""


class TraefikWeighted(Wire):
    """A TraefikService (traefik.io/v1alpha1) with a weighted round robin that names both services."""

    model_config = ruled_by(
        Rule(
            "self.sourceBackend.name != self.targetBackend.name"
            f" || {unlike('kind', 'Service')} || {unlike('__namespace__', '')}"
            f" || {_PORTS_DIFFER}",
            _DIFFER,
        )
    )
    kind: ClassVar[str] = "TraefikService"
    field: ClassVar[str] = "spec.traffic.traefikService"

    name: ObjectName
    """Name of the TraefikService whose weights are moved; its namespace is that of traffic.cluster."""
    source_backend: TraefikServiceRef
    """What serves now."""
    target_backend: TraefikServiceRef
    """What shall serve; already in spec.weighted.services, with weight 0."""

    @property
    def backends(self) -> tuple[BackendRef, BackendRef]:
        """Source and target, as the data plane names them."""
        source, target = self.source_backend, self.target_backend
        return (
            BackendRef(name=source.name, namespace=source.namespace, port=source.port),
            BackendRef(name=target.name, namespace=target.namespace, port=target.port),
        )


class AlbTargetGroup(Wire):
    """A target group of an Application Load Balancer, by its Service or by its ARN."""

    model_config = ruled_by(
        exactly_one(
            "serviceName",
            "targetGroupARN",
            says="name the target group by serviceName or by targetGroupARN, and not by both",
        ),
        one_owner=True,
    )

    service_name: ObjectName | None = None
    """Name of the Service of which the controller makes the target group."""
    service_port: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Port of the Service by number or name, in quotes. Needed only where one Service is named with several ports."""
    target_group_arn: Annotated[
        str | None, Field(alias="targetGroupARN", min_length=20, max_length=256)
    ] = None
    """ARN of a target group that exists already, for instance of another cluster."""

    def __str__(self) -> str:
        """As a person would call it."""
        port = f" port {self.service_port}" if self.service_port else ""
        return (
            f"Service {self.service_name}{port}"
            if self.service_name
            else f"target group {self.target_group_arn}"
        )


class AlbIngress(Wire):
    """An Ingress of the AWS Load Balancer Controller with a forward action in an annotation."""

    model_config = ruled_by(
        Rule(
            f"{unlike('serviceName', '')} || {unlike('targetGroupARN', '')}"
            " || (has(self.sourceBackend.servicePort) && has(self.targetBackend.servicePort)"
            " && self.sourceBackend.servicePort != self.targetBackend.servicePort)",
            "sourceBackend and targetBackend are the same target group: name two",
        )
    )
    kind: ClassVar[str] = "Ingress"
    field: ClassVar[str] = "spec.traffic.albIngress"

    name: ObjectName
    """Name of the Ingress; its namespace is that of traffic.cluster."""
    action: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Which action: NAME of the annotation alb.ingress.kubernetes.io/actions.NAME."""
    source_backend: AlbTargetGroup
    """The target group that serves now."""
    target_backend: AlbTargetGroup
    """The target group that shall serve; already in the action, with weight 0."""

    @property
    def backends(self) -> None:
        """No gateway's series are named after them."""


class NginxCanary(Wire):
    """The second Ingress of ingress-nginx for the same host and path: the canary, which leads to the target."""

    kind: ClassVar[str] = "Ingress"
    field: ClassVar[str] = "spec.traffic.nginxCanary"

    name: ObjectName
    """Name of the canary Ingress; its namespace is that of traffic.cluster."""

    @property
    def backends(self) -> None:
        """No gateway's series are named after them."""
