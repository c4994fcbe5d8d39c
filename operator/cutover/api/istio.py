"""An Istio VirtualService, and the two destinations that are meant in it."""

from typing import Annotated, ClassVar

from pydantic import Field

from cutover.api.names import ObjectName
from cutover.api.routes import BackendRef
from cutover.api.rules import AS_SET, ONE_OWNER, Rule, ruled_by
from cutover.api.wire import Wire


class Destination(Wire):
    """One destination of a VirtualService, by the fields that tell it from the others."""

    model_config = ONE_OWNER

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-*_.a-zA-Z0-9]+$")]
    """Host of the destination, spelled as the VirtualService spells it."""
    subset: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Subset of a DestinationRule. Omitted: the destination that names no subset."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port number of the destination. Needed only where the VirtualService names one host with several ports."""

    def as_backend(self) -> BackendRef:
        """Return what Istio's metrics call it: name and namespace of a Service of the cluster, or else the host."""
        name, _, place = self.host.partition(".")
        namespace, _, rest = place.partition(".")
        if not (rest == "svc" or rest.startswith("svc.")) and place:
            name, namespace = self.host, ""
        return BackendRef.model_construct(name=name, namespace=namespace or None, port=self.port)


_SOURCE, _TARGET = "self.sourceDestination", "self.targetDestination"


class VirtualService(Wire):
    """An Istio VirtualService that names both destinations."""

    kind: ClassVar[str] = "VirtualService"
    field: ClassVar[str] = "spec.traffic.virtualService"

    model_config = ruled_by(
        Rule(
            f"{_SOURCE}.host != {_TARGET}.host || has({_SOURCE}.subset) != has({_TARGET}.subset)"
            f" || (has({_SOURCE}.subset) && has({_TARGET}.subset) && {_SOURCE}.subset != {_TARGET}.subset)"
            f" || (has({_SOURCE}.port) && has({_TARGET}.port) && {_SOURCE}.port != {_TARGET}.port)",
            "sourceDestination and targetDestination name the same destination: give them two hosts,"
            " or the subset or port that tells them apart",
        )
    )

    name: ObjectName
    """Name of the VirtualService; its namespace is that of traffic.cluster."""
    source_destination: Destination
    """The destination that serves now."""
    target_destination: Destination
    """The destination that shall serve; already in the VirtualService, with weight 0."""
    rules: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=253)]],
            Field(min_length=1, max_length=16),
            AS_SET,
        ]
        | None
    ) = None
    """The rules that are meant: names of http routes, or http/0, tls/0, tcp/0 for the first of each list. Omitted: every rule that names the source, and each must name the target too."""

    @property
    def backends(self) -> tuple[BackendRef, BackendRef]:
        """Source and target, as the data plane names them."""
        return self.source_destination.as_backend(), self.target_destination.as_backend()
