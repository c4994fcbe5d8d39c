"""Routes and servers that are not those of the example."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.features.rollouts.stage import Stage

pytestmark = pytest.mark.lab

EDGES = [0.05, 0.2, 0.8, 1.2, 3.0]


def _backends(route: dict[str, Any]) -> list[dict[str, int]]:
    rules = route["spec"]["rules"]
    return [{b["name"]: b["weight"] for b in rule["backendRefs"]} for rule in rules]


def test_other_edges_other_labels_other_order_two_rules_and_a_third_backend_make_no_difference(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(
        backends_order=("target", "source"), third_backend=("chat-third", 60), rules=2
    )
    asyncio.run(stage.slot.source.set(edges=EDGES, rename={"model_name": "modell"}))
    asyncio.run(stage.slot.target.set(edges=EDGES[1:], labels={"zone": "b"}))
    # The third backend is served by the source's server, so the sides' counters show another split.
    stage.begin(traffic={**stage.spec()["traffic"], "delivery": {"check": "Report"}})
    stage.wait_weight(25)
    quarter = {"chat-target": 25, "chat-source": 75, "chat-third": 60}
    assert _backends(stage.route.read()) == [quarter, quarter]
    stage.wait_phase("Completed")
    assert stage.targets == [0, 25, 100]
    whole = {"chat-target": 100, "chat-source": 0, "chat-third": 60}
    assert _backends(stage.route.read()) == [whole, whole]


def test_a_rollback_restores_every_byte_of_a_route_with_more_in_it(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(
        backends_order=("target", "source"), third_backend=("chat-third", 7), rules=3
    )
    before = stage.route.read()
    asyncio.run(stage.slot.target.set(error_rate=0.5))
    stage.begin()
    stage.wait_phase("RolledBack")
    after = stage.route.read()
    assert stage.targets == [0, 25, 0]
    assert after["spec"] == before["spec"]
