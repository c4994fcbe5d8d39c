"""Routes of Gateway API: how a spec names one and the two backends in it.

Every kind of router is a model with ``name``, ``kind`` (as people call it), ``field`` (where a spec
names it) and ``backends`` (as the data plane names them); ``cutover.api.traffic`` has all of them.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from cutover.api.names import Label, ObjectName
from cutover.api.rules import AS_SET, ONE_OWNER, Rule, ruled_by
from cutover.api.wire import Wire


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


def unlike(field: str, default: str) -> str:
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
            f" || {unlike('group', '')} || {unlike('kind', 'Service')} || {unlike('__namespace__', '')}"
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
