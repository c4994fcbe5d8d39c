"""A gate on a mean in a whole rollout: it finishes, it rolls back, and what is missing holds it."""

from typing import Any

import pytest

from cutover.api.status import Phase
from cutover.api.verdict import Verdict
from cutover.decide.readings import Gap, Missing
from tests.fakes.chaos import BRISK_STEPS, brisk, brisk_world
from tests.fakes.world import World

LONG = 3600.0
"""Seconds: numbers are stored once a minute, and that often they are compared."""
MEAN = {"metric": "EndToEnd", "maxIncrease": "10%"}


def world(**more: Any) -> World:
    gates = [{"name": "mean", "meanLatency": MEAN, **more}]
    one = brisk_world(brisk(BRISK_STEPS, gates=gates, analysis={"maxDuration": "1h"}))
    # Two sides that are equal to the last digit would leave nothing to tell how far means vary.
    one.sides.source.slow, one.sides.target.slow = 0.02, 0.021
    return one


def wobbling(one: World, seconds: float, *, slow: float) -> None:
    """Let time pass while the target's share of slow requests swings around its mean."""
    for turn in range(int(seconds // 60)):
        one.sides.target.slow = slow * (1.3, 0.8, 1.1, 0.8)[turn % 4]
        one.run(60.0)


def test_equal_means_let_a_rollout_finish() -> None:
    one = world()
    wobbling(one, LONG, slow=0.02)
    assert one.status.phase is Phase.COMPLETED


def test_a_larger_mean_rolls_back_with_both_numbers() -> None:
    one = world()
    wobbling(one, LONG, slow=0.5)
    assert one.status.rollback is not None
    assert one.status.rollback.reason == "GateFailed"
    assert "mean EndToEnd" in one.status.rollback.message


@pytest.mark.parametrize("missing", [Missing.NO_DATA, Missing.NO_SERIES, Missing.NOT_FINITE])
def test_a_missing_mean_is_neither_good_nor_bad(missing: Missing) -> None:
    one = world()
    one.run(30.0)
    one.sides.target.gate_gaps["mean EndToEnd"] = Gap(missing, "nothing to see")
    one.run(75.0)
    (gate,) = one.status.gates
    expected = Verdict.INCONCLUSIVE if missing is Missing.NO_DATA else Verdict.ERROR
    assert (gate.verdict, gate.reason) == (expected, missing.value)
    assert one.status.rollback is None


def test_at_all_of_the_traffic_the_sources_last_mean_stands_in() -> None:
    one = world()
    wobbling(one, LONG, slow=0.02)
    kept = [reference for reference in one.status.reference if reference.gate == "mean"]
    assert kept
    assert kept[0].mean_seconds == pytest.approx(0.204, rel=0.02)
