"""A stage per test; the definition and the operator's Role are installed once per session."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.features.rollouts.stage import Stage
from tests.lab import OPERATOR, Lab, Slot

REPOSITORY = Path(__file__).parents[3]
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def installed(lab: Lab) -> Lab:
    """The lab with Cutover installed as the manifests say, on both clusters."""
    for cluster in (lab.source, lab.target):
        cluster.ensure_namespace("cutover-system")
        cluster.kubectl(
            *("apply", "--server-side", "--force-conflicts"),
            *("-f", str(REPOSITORY / "crds" / "cutover.dev_migrationrollouts.yaml")),
            *("-f", str(REPOSITORY / "manifests" / "operator" / "service-account.yaml")),
            *("-f", str(REPOSITORY / "manifests" / "operator" / "roles.yaml")),
        )
    cluster = lab.source
    while not cluster.is_established("migrationrollouts.cutover.dev"):
        pass
    return lab


@pytest.fixture
def make_stage(
    installed: Lab, borrow_slot: Callable[[], Slot], tmp_path: Path
) -> Iterator[Callable[..., Stage]]:
    """Make a stage: a namespace of its own, a route at 100/0, the weights watched."""
    with ExitStack() as stack:

        def make(**route_options: object) -> Stage:
            slot = borrow_slot()
            worker = os.environ.get("PYTEST_XDIST_WORKER", "gw")
            namespace = f"t-{worker}-{os.getpid()}-{next(_numbers)}"
            route = installed.route(namespace, "chat", slot, **route_options)  # type: ignore[arg-type]
            _allow_lease(installed, namespace)
            log = stack.enter_context(route.watch())
            return Stage(installed, slot, namespace, tmp_path, route, log, stack)

        yield make


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    """The usual stage."""
    return make_stage()


def _allow_lease(lab: Lab, namespace: str) -> None:
    """Each test's operator leads for itself, so its Lease lies in the test's namespace."""
    name = OPERATOR.rsplit(":", 1)[1]
    lab.source.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "cutover-leader", "namespace": namespace},
            "rules": [
                {
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "verbs": ["get", "create", "update"],
                }
            ],
        }
    )
    lab.source.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "cutover-leader", "namespace": namespace},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "cutover-leader",
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "cutover-system"}],
        }
    )
