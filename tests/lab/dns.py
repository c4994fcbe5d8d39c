"""What does DNS say? The real external-dns writes what DNSEndpoints want into a Route 53 server.

Route 53 is moto's, a process of its own on loopback: it keeps records and answers Route 53's API, and
resolves no names. So a test reads the weights there, and divides traffic by them itself.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tests.lab import moto, parts
from tests.lab.children import Child
from tests.lab.cluster import Cluster
from tests.lab.ports import free_ports

ZONE: Final = "example.com"


class Route53:
    """A Route 53 server with one hosted zone."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.zone: str = self._client.create_hosted_zone(Name=f"{ZONE}.", CallerReference="lab")[
            "HostedZone"
        ]["Id"]

    def weights(self, name: str, kind: str = "CNAME") -> dict[str, int]:
        """The weights under a name, by setIdentifier, as Route 53's API tells them."""
        return {one["SetIdentifier"]: int(one["Weight"]) for one in self.records(name, kind)}

    def records(self, name: str, kind: str = "CNAME") -> list[dict[str, Any]]:
        answer = self._client.list_resource_record_sets(HostedZoneId=self.zone)
        return [
            dict(one)
            for one in answer["ResourceRecordSets"]
            if one["Name"] == f"{name}." and one["Type"] == kind
        ]

    @cached_property
    def _client(self) -> Any:
        return moto.client("route53", self.url)


@contextmanager
def route53(folder: Path) -> Iterator[Route53]:
    """A Route 53 server as long as the block lives."""
    with moto.moto(folder) as url:
        yield Route53(url)


@contextmanager
def external_dns(
    cluster: Cluster, namespace: str, server: Route53, folder: Path
) -> Iterator[Child]:
    """The external-dns of one namespace; it notices a change at once and asks every second besides."""
    kubeconfig = folder / "external-dns.kubeconfig"
    kubeconfig.write_text(cluster.kubeconfig_for(namespace=namespace))
    port = free_ports(1)[0]
    command: list[str | Path] = [
        parts.ensure(["external-dns"])["external-dns"],
        "--source=crd",
        "--crd-source-apiversion=externaldns.k8s.io/v1alpha1",
        "--crd-source-kind=DNSEndpoint",
        f"--namespace={namespace}",
        f"--kubeconfig={kubeconfig}",
        "--provider=aws",
        f"--domain-filter={ZONE}",
        "--registry=noop",
        "--policy=sync",
        "--events",
        "--interval=1s",
        "--min-event-sync-interval=100ms",
        f"--metrics-address=127.0.0.1:{port}",
    ]
    environment = os.environ | moto.NOBODY | {"AWS_ENDPOINT_URL": server.url}
    child = Child("external-dns", command, folder / "external-dns.log", environment)
    try:
        child.wait_until(lambda: moto.answers(f"http://127.0.0.1:{port}/healthz"))
        yield child
    finally:
        child.kill()
