"""A target that does harm loses its traffic again, with the smallest YAML that is of use."""

import asyncio
from typing import Any

import pytest

from tests.features.rollouts.stage import STAYING, Stage
from tests.lab import OPERATOR

pytestmark = pytest.mark.lab

HARM: dict[str, tuple[dict[str, Any], set[str]]] = {
    "is slow": ({"slow_fraction": 0.3, "slow_ttft": 1.5}, {"GateFailed"}),
    "is very slow": ({"ttft": 1.5}, {"LatencyBurst", "GateFailed"}),
    "answers 30 % with errors": ({"error_rate": 0.3}, {"ErrorBurst"}),
    "hangs": ({"hang": True}, {"Unanswered"}),
    "refuses connections": ({"refuse": True}, {"Unanswered", "ErrorBurst"}),
}


@pytest.mark.parametrize("harm", HARM)
def test_at_25_percent_a_target_is_rolled_back_that(harm: str, stage: Stage) -> None:
    levers, reasons = HARM[harm]
    lab = stage.lab
    stage.secret("gke-usc1", lab.target.kubeconfig_for(user=OPERATOR, namespace=stage.namespace))
    stage.begin(target=stage.target_side(), analysis=STAYING)
    stage.wait_weight(25)
    asyncio.run(stage.slot.target.set(**levers))
    stage.wait_phase("RolledBack")
    assert stage.targets == [0, 25, 0]
    rollback = stage.status["rollback"]
    assert rollback["reason"] in reasons, rollback
    assert stage.condition("Finished")["reason"] == "RolledBack"
    assert stage.wait_event("RollingBack")["type"] == "Warning"
    stage.wait_source_answers()
