"""An external-dns DNSEndpoint, and the two weighted records that are meant in it."""

from typing import Annotated, ClassVar

from pydantic import Field

from cutover.api.names import ObjectName
from cutover.api.rules import Rule, ruled_by
from cutover.api.wire import Wire

SetIdentifier = Annotated[str, Field(min_length=1, max_length=128)]
"""As long as Route 53 allows."""


class DnsEndpoint(Wire):
    """An external-dns DNSEndpoint whose records of one name carry Route 53 weights."""

    kind: ClassVar[str] = "DNSEndpoint"
    field: ClassVar[str] = "spec.traffic.dnsEndpoint"

    model_config = ruled_by(
        Rule(
            "self.sourceSetIdentifier != self.targetSetIdentifier",
            "sourceSetIdentifier and targetSetIdentifier are equal: name the two records' setIdentifiers",
        )
    )

    name: ObjectName
    """Name of the DNSEndpoint; its namespace is that of traffic.cluster."""
    dns_name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-*_.a-zA-Z0-9]+$")]
    """The records' dnsName."""
    record_type: Annotated[str, Field(min_length=1, max_length=10, pattern=r"^[A-Z]+$")] | None = (
        None
    )
    """The records' recordType, such as A or CNAME. Omitted: every type that the name has, and each must have both records."""
    source_set_identifier: SetIdentifier
    """The setIdentifier of the record that serves now."""
    target_set_identifier: SetIdentifier
    """The setIdentifier of the record that shall serve; already there, with aws/weight 0."""

    @property
    def backends(self) -> None:
        """Return nothing: DNS names addresses, and no gateway counts by them."""
        return
