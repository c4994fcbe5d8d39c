"""Chaos happens on the same stages as the rollouts' features."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.features.rollouts.conftest import installed, make_stage, stage
from tests.features.rollouts.stage import Stage
from tests.lab import Lab
from tests.lab.session import borrowed_slot

__all__ = ["installed", "make_stage", "stage"]


@pytest.fixture(scope="module")
def module_stage(installed: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One stage for all tests of a module."""
    with ExitStack() as stack:
        slot = stack.enter_context(borrowed_slot(installed))
        namespace = f"m-{os.environ.get('PYTEST_XDIST_WORKER', 'gw')}-{os.getpid()}"
        route = installed.route(namespace, "chat", slot)
        log = stack.enter_context(route.watch())
        folder = tmp_path_factory.mktemp("chaos")
        yield Stage(installed, slot, namespace, folder, route, log, stack)
