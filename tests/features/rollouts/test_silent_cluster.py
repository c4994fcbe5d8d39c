"""A cluster that takes connections and answers nothing: it may delay nobody, least of all a rollback."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.features.rollouts.stage import STAYING, Stage
from tests.lab import OPERATOR, FaultProxy

pytestmark = pytest.mark.lab


@contextmanager
def target_behind(stage: Stage, proxy: FaultProxy) -> Iterator[dict[str, Any]]:
    kubeconfig = stage.lab.target.kubeconfig_for(
        user=OPERATOR, server=proxy.url, namespace=stage.namespace
    )
    stage.secret("gke-usc1", kubeconfig)
    yield stage.target_side()


def test_a_rollback_is_as_fast_with_a_target_cluster_that_hangs(
    make_stage: Callable[..., Stage],
) -> None:
    """One operator, one abort each: first with a target that answers, then with one that does not."""
    stage = make_stage()
    seconds: dict[str, float] = {}
    with (
        stage.lab.proxy(stage.lab.target) as proxy,
        target_behind(stage, proxy) as target,
    ):
        stage.begin(target=target, analysis=STAYING)
        for attempt, way in enumerate(("answers", "hangs"), start=1):
            if attempt > 1:
                stage.patch({"spec": {"abort": None, "attempt": attempt}})
            stage.wait_weight(25)
            if way == "hangs":
                proxy.hang()
                stage.wait_condition("TargetReachable", "False", seconds=60)
            seconds[way] = _rolled_back_after(stage)
            stage.wait_phase("RolledBack")
        proxy.pass_through()
    assert stage.targets == [0, 25, 0, 25, 0]
    # A busy machine takes off or adds some of a second; the deadline of a request is five of them.
    assert seconds["hangs"] < seconds["answers"] + 1, seconds


def _rolled_back_after(stage: Stage) -> float:
    """Seconds from the abort to the route."""
    before = len(stage.log.changes)
    at = time.time()
    stage.patch({"spec": {"abort": True}})
    change = stage.wait(
        "the route is back",
        lambda: next((c for c in stage.log.changes[before:] if c.target == 0), None),
    )
    return float(change.at - at)
