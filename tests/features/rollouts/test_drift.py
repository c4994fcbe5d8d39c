"""A target as quick and as free of errors as the source, whose answers are not the source's."""

import asyncio
from typing import Any

import pytest

from tests.features.rollouts.stage import FAST, Stage

pytestmark = pytest.mark.lab

GATES: list[dict[str, Any]] = [
    {
        "name": "first-token",
        "latency": {
            "metric": "TimeToFirstToken",
            "threshold": "1s",
            "maxAbove": "5%",
            "margin": "2.5%",
        },
    },
    {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}},
    {
        "name": "output-length",
        "drift": {"distribution": "OutputTokens", "method": "PSI", "max": "0.2"},
    },
    {"name": "ends", "drift": {"distribution": "FinishReason", "method": "TV", "max": "0.1"}},
]


def _gate(status: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in status["gates"] if one["name"] == name)
    return found


def test_a_target_that_cuts_its_answers_short_is_rolled_back_by_drift_alone(stage: Stage) -> None:
    asyncio.run(stage.slot.target.set(cut_short=0.4))
    stage.begin(gates=GATES)
    stage.wait_phase("RolledBack")
    assert stage.targets == [0, 25, 0]
    status = stage.status
    assert status["rollback"]["reason"] == "GateFailed"
    assert "and it is no chance" in status["rollback"]["message"]
    for name in ("first-token", "errors"):
        assert _gate(status, name)["verdict"] != "Fail"
    failed = [one for one in status["gates"] if one["verdict"] == "Fail"]
    assert failed
    for one in failed:
        assert one["reason"] == "Drifted"
        assert one["value"] > one["bound"]
        assert one["sourceCount"] > one["targetCount"] > 100
        assert "increase(vllm:request_" in one["query"]
        assert one["judged"]["verdict"] == "Fail"
    assert _gate(status, "ends")["value"] == pytest.approx(0.4, abs=0.1)


def test_an_equal_target_passes_and_is_held_against_the_last_distribution_at_100(
    stage: Stage,
) -> None:
    stage.begin(gates=GATES, steps=[{"weight": 50}, {"weight": 100}], analysis=FAST)
    stage.wait_phase("Completed")
    status = stage.status
    assert {one["gate"] for one in status["referenceDistributions"]} == {"output-length", "ends"}
    ends = _gate(status, "ends")
    assert (ends["verdict"], ends["reason"]) == ("Pass", "WithinLimit")
    assert "of the source's last" in ends["message"]


def test_while_the_two_sides_get_different_prompts_nothing_that_is_compared_counts(
    stage: Stage,
) -> None:
    """Its answers would fail it, but they may be answers to something else."""
    asyncio.run(stage.slot.target.set(cut_short=0.4, tokens_per_letter=4.0))
    stage.begin(gates=GATES)
    condition = stage.wait_condition("AnalysisHealthy", "False", seconds=60)
    assert condition["reason"] == "InputMixDiffers"
    assert "different prompts" in condition["message"]
    compared = ("first-token", "output-length", "ends")

    def held() -> bool:
        status = stage.status
        return all(_gate(status, name)["reason"] == "InputMixDiffers" for name in compared)

    stage.wait("every comparison held", held)
    assert _gate(stage.status, "errors")["reason"] != "InputMixDiffers"
    assert stage.targets == [0, 25]
    assert stage.phase == "Progressing"
