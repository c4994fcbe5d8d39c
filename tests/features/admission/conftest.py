"""A namespace on the source cluster, with the definition that is committed."""

import uuid

import pytest
import yaml

from tests.features.admission.rollouts import DEFINITION, Rollouts, install_definition
from tests.lab import Cluster


@pytest.fixture(scope="session")
def source(clusters: tuple[Cluster, Cluster]) -> Cluster:
    install_definition(clusters[0], yaml.safe_load(DEFINITION.read_text()))
    return clusters[0]


@pytest.fixture(scope="session")
def rollouts(source: Cluster) -> Rollouts:
    namespace = f"admission-{uuid.uuid4().hex[:8]}"
    source.ensure_namespace(namespace)
    return Rollouts(source, namespace)
