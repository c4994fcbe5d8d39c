"""A rollout's life: from `kubectl apply` to 100 %, and back."""

import pytest

from tests.features.rollouts.stage import Stage

pytestmark = pytest.mark.lab


def test_a_healthy_target_gets_everything_by_exactly_the_declared_weights(stage: Stage) -> None:
    stage.send()
    stage.run_operator()
    stage.apply(steps=[{"weight": 25}, {"weight": 100}, {"soak": {"duration": "2s"}}])
    stage.wait_phase("Completed")
    assert [weights.target for weights in stage.log.history] == [0, 25, 100]
    stage.wait("finalizer gone", lambda: not stage.get()["metadata"].get("finalizers"))  # type: ignore[index]
    assert "cutover.dev/claim" not in (stage.route.read()["metadata"].get("annotations") or {})
