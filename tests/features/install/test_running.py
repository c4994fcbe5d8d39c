"""The operator does its work with what the manifests and the chart grant it, and no more."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.features.install.conftest import ROOT, Helm, values
from tests.lab import OPERATOR, Cluster, Lab
from tests.lab.children import Child
from tests.lab.ports import free_ports

pytestmark = pytest.mark.lab

MINIMAL = yaml.safe_load((ROOT / "manifests/examples/minimal.yaml").read_text())
ROUTE: dict[str, Any] = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "llama-chat", "namespace": "inference"},
    "spec": {
        "rules": [
            {
                "backendRefs": [
                    {"name": "llama-chat", "port": 8000, "weight": 100},
                    {"name": "llama-chat-gke", "port": 8000, "weight": 0},
                ]
            }
        ]
    },
}


@contextmanager
def operator(cluster: Cluster, folder: Path, settings: dict[str, str]) -> Iterator[Path]:
    """Run it as its ServiceAccount; gives its log."""
    folder.mkdir()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(cluster.kubeconfig_for(OPERATOR, namespace="cutover-system"))
    port = free_ports(1)[0]
    environment = (
        os.environ
        | settings
        | {
            "KUBECONFIG": str(kubeconfig),
            "CUTOVER_LISTEN": f"127.0.0.1:{port}",
            "CUTOVER_LEASE_NAMESPACE": "cutover-system",
        }
    )
    log = folder / "operator.log"
    running = Child("operator", [sys.executable, "-m", "cutover"], log, environment)
    try:
        running.wait_until(lambda: leads(port), 60)
        yield log
    finally:
        running.stop(15)


def leads(port: int) -> bool:
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=2)
    except httpx.HTTPError:
        return False
    return answer.text.strip() == "leading"


def install_route(lab: Lab, cluster: Cluster) -> None:
    definition = lab.program("gateway-crds") / "gateway.networking.k8s.io_httproutes.yaml"
    cluster.kubectl("apply", "--server-side", f"--filename={definition}")
    until(lambda: cluster.is_established("httproutes.gateway.networking.k8s.io"))
    until(lambda: served(cluster, "/apis/gateway.networking.k8s.io/v1/httproutes"))
    cluster.apply(ROUTE)


def served(cluster: Cluster, path: str) -> bool:
    try:
        cluster.call("GET", path)
    except httpx.HTTPStatusError:
        return False
    return True


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def path_to(namespace: str) -> str:
    return f"/apis/cutover.dev/v1alpha1/namespaces/{namespace}/migrationrollouts/llama-chat"


def create(cluster: Cluster, namespace: str) -> None:
    cluster.ensure_namespace(namespace)
    document = MINIMAL | {"metadata": {"name": "llama-chat", "namespace": namespace}}
    cluster.kubectl("apply", "-f=-", input=yaml.safe_dump(document))


def phase(cluster: Cluster, namespace: str) -> str:
    rollout = cluster.call("GET", path_to(namespace))
    return str(rollout.get("status", {}).get("phase", ""))


def assert_a_life_is_lived(cluster: Cluster, log: Path) -> None:
    """Seen, written, announced, held and let go: all without a refusal of the API server."""
    create(cluster, "inference")
    until(lambda: phase(cluster, "inference") == "Preflight")
    metadata = cluster.call("GET", path_to("inference"))["metadata"]
    assert metadata["finalizers"] == ["cutover.dev/rollback"]
    cluster.kubectl("delete", "mro", "llama-chat", "-n=inference", "--timeout=60s")
    said = log.read_text()
    assert "forbidden" not in said.lower(), said


def test_the_manifests_grant_enough(
    bare_cluster: Callable[[], Cluster], lab: Lab, tmp_path: Path
) -> None:
    cluster = bare_cluster()
    cluster.ensure_namespace("inference")
    cluster.kubectl("apply", "-k", str(ROOT / "manifests"))
    install_route(lab, cluster)
    until(lambda: served(cluster, "/apis/cutover.dev/v1alpha1/migrationrollouts"))
    with operator(cluster, tmp_path / "operator", {}) as log:
        assert_a_life_is_lived(cluster, log)
        create(cluster, "elsewhere")
        until(lambda: phase(cluster, "elsewhere") == "Pending")
        events = "get", "events", "-n=elsewhere", "-o=jsonpath={.items[*].reason}"
        until(lambda: "RouteNotFound" in cluster.kubectl(*events))


def test_the_chart_grants_enough_in_the_namespaces_it_names(
    bare_cluster: Callable[[], Cluster], helm: Helm, lab: Lab, tmp_path: Path
) -> None:
    cluster = bare_cluster()
    for namespace in ("cutover-system", "inference", "staging", "shared"):
        cluster.ensure_namespace(namespace)
    definition = ROOT / "crds/cutover.dev_migrationrollouts.yaml"
    cluster.kubectl("apply", "--server-side", f"--filename={definition}")
    rendered = yaml.safe_dump_all(helm.template(*values("namespaced")))
    cluster.kubectl("apply", "-f=-", input=rendered)
    install_route(lab, cluster)
    until(lambda: served(cluster, "/apis/cutover.dev/v1alpha1/migrationrollouts"))
    create(cluster, "elsewhere")
    settings = {
        "CUTOVER_WATCH_NAMESPACES": "inference,staging",
        "CUTOVER_SECRET_NAMESPACES": "shared",
    }
    with operator(cluster, tmp_path / "operator", settings) as log:
        assert_a_life_is_lived(cluster, log)
        assert phase(cluster, "elsewhere") == ""
