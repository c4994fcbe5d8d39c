"""A rollout, a person's shell, and a namespace of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.features.admission.rollouts import DEFINITION, Rollouts, install_definition
from tests.features.cli.people import Shell, Stage, new_stage, unique
from tests.lab import Cluster


@pytest.fixture(scope="session")
def namespace(clusters: tuple[Cluster, Cluster]) -> str:
    source, _ = clusters
    install_definition(source, yaml.safe_load(DEFINITION.read_text()))
    name = unique("cli")
    source.ensure_namespace(name)
    return name


@pytest.fixture
def stage(clusters: tuple[Cluster, Cluster], namespace: str) -> Iterator[Stage]:
    made = new_stage(Rollouts(clusters[0], namespace))
    yield made
    if made.exists():
        made.delete()


@pytest.fixture
def kubeconfig(clusters: tuple[Cluster, Cluster], tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(clusters[0].kubeconfig_for("admin"))
    return path


@pytest.fixture
def cutover(kubeconfig: Path, namespace: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(kubeconfig, namespace, capsys)
