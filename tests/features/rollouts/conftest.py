"""A stage per test; the definition and the operator's Role are installed once per session."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.features.rollouts.stage import Stage, allow_lease, install
from tests.lab import Lab, Slot

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def installed(lab: Lab) -> Lab:
    """The lab with Cutover installed as the manifests say, on both clusters."""
    install(lab)
    return lab


@pytest.fixture
def make_stage(
    installed: Lab, borrow_slot: Callable[[], Slot], tmp_path: Path
) -> Iterator[Callable[..., Stage]]:
    """Make a stage: a namespace of its own, a route at 100/0, the weights watched."""
    with ExitStack() as stack:

        def make(slot: Slot | None = None, **route_options: object) -> Stage:
            slot = slot or borrow_slot()
            worker = os.environ.get("PYTEST_XDIST_WORKER", "gw")
            namespace = f"t-{worker}-{os.getpid()}-{next(_numbers)}"
            route = installed.route(namespace, "chat", slot, **route_options)  # type: ignore[arg-type]
            allow_lease(installed, namespace)
            log = stack.enter_context(route.watch())
            return Stage(installed, slot, namespace, tmp_path, route, log, stack)

        yield make


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    """The usual stage."""
    return make_stage()
