"""How do the same tests get two clusters from kind?"""

import base64
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.lab.cluster import Cluster


class KindUnavailableError(Exception):
    """Why this machine cannot run kind; the message is the reason to skip."""


@contextmanager
def kind_clusters(folder: Path) -> Iterator[tuple[Cluster, Cluster]]:
    """Two kind clusters, source and target, deleted at the end."""
    if not any(_answers(engine) for engine in ("docker", "podman")):
        raise KindUnavailableError("kind needs a container engine: neither docker nor podman runs")
    try:
        from pytest_kind import KindCluster  # type: ignore[import-not-found,unused-ignore]
    except ImportError as missing:
        raise KindUnavailableError("pytest-kind is not installed: pip install .[e2e]") from missing
    made = []
    try:
        for side in ("source", "target"):
            kind = KindCluster(f"cutover-{side}", kubeconfig=folder / f"{side}.kubeconfig")
            made.append(kind)
            kind.create()
        source, target = (
            _cluster(kind.name, kind.kubeconfig_path, kind.kubectl_path) for kind in made
        )
        yield source, target
    finally:
        for kind in made:
            kind.delete()


def _answers(engine: str) -> bool:
    """Whether the engine itself is there, not only its client."""
    if shutil.which(engine) is None:
        return False
    return subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0


def _cluster(name: str, kubeconfig: Path, kubectl: Path) -> Cluster:
    """With a token for its admin, since kind's own kubeconfig has a client certificate."""
    content = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    cluster = Cluster(
        name=name.removeprefix("cutover-"),
        server=content["server"],
        ca_pem=base64.b64decode(content["certificate-authority-data"]).decode(),
        kubeconfig=kubeconfig,
        kubectl_program=kubectl,
        tokens={},
    )
    account = ("-n", "kube-system", "lab-admin")
    cluster.kubectl("create", "serviceaccount", *account)
    cluster.kubectl(
        "create",
        "clusterrolebinding",
        "lab-admin",
        "--clusterrole=cluster-admin",
        "--serviceaccount=kube-system:lab-admin",
    )
    token = cluster.kubectl("create", "token", "--duration=24h", *account)
    cluster.tokens["admin"] = token.strip()
    return cluster
