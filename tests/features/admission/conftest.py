"""A namespace on the source cluster, with the definition that is committed."""

import uuid
from pathlib import Path

import pytest

from tests.features.admission.rollouts import ROOT, Rollouts
from tests.lab import Cluster

DEFINITION = ROOT / "crds/cutover.dev_migrationrollouts.yaml"


def install_definition(cluster: Cluster, path: Path = DEFINITION) -> None:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={path}")
    wait = "wait", "--for=condition=Established", "--timeout=60s"
    cluster.kubectl(*wait, "crd/migrationrollouts.cutover.dev")


@pytest.fixture(scope="session")
def source(clusters: tuple[Cluster, Cluster]) -> Cluster:
    install_definition(clusters[0])
    return clusters[0]


@pytest.fixture(scope="session")
def rollouts(source: Cluster) -> Rollouts:
    namespace = f"admission-{uuid.uuid4().hex[:8]}"
    source.ensure_namespace(namespace)
    return Rollouts(source, namespace)
