"""The operator is killed at random moments of a run: no step is lost, skipped, repeated or shortened."""

import random
import time
from datetime import datetime

import pytest

from tests.features.rollouts.stage import Stage

pytestmark = pytest.mark.lab

STEPS = [{"weight": 25}, {"pause": {"duration": "4s"}}, {"weight": 100}]
SETTLE_AND_MIN, PAUSE = 3.0, 4.0


class Watcher:
    """When each step began, as the status ever said."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.begun: dict[int, set[str]] = {}

    def ended(self) -> bool:
        status = self.stage.status
        step = status.get("step")
        settled = status.get("weights", {}).get("applied") == status.get("weights", {}).get(
            "desired"
        )
        if step and (step["kind"] != "weight" or settled):
            self.begun.setdefault(step["index"], set()).add(step["startedAt"])
        return status.get("phase") == "Completed"


def _run(stage: Stage, kills: int, chance: random.Random, *, hurry: bool) -> None:
    stage.begin(steps=STEPS)
    watcher = Watcher(stage)
    operator = stage.operator
    assert operator is not None
    stage.wait("begun", lambda: stage.phase)
    for _ in range(kills):
        ends = time.monotonic() + chance.uniform(0.0, 5.0)
        while time.monotonic() < ends and not watcher.ended():
            time.sleep(0.05)
        operator.kill()
        if hurry:
            stage.free_lease()
        operator.start()
    stage.wait("completed", watcher.ended, seconds=60 + 30 * kills)

    assert stage.targets == [0, 25, 100]
    _, quarter, whole = stage.log.changes
    history = stage.status["history"]
    ended = datetime.fromisoformat(history[-1]["at"]).timestamp()
    assert whole.at - quarter.at >= SETTLE_AND_MIN + PAUSE
    assert ended - whole.at >= SETTLE_AND_MIN
    begun = [t["message"] for t in history if t["reason"] == "StepBegun"]
    assert begun == ["step 2 of 3: pause 4s", "step 3 of 3: weight 100"]
    pause, last = (t["at"] for t in history if t["reason"] == "StepBegun")
    waited = datetime.fromisoformat(last) - datetime.fromisoformat(pause)
    assert waited.total_seconds() >= PAUSE
    assert all(len(moments) == 1 for moments in watcher.begun.values()), watcher.begun
    assert stage.traffic is not None
    assert all(sent.ok for sent in stage.traffic.records())


def test_an_operator_killed_3_times_goes_the_same_way_in_the_same_time(stage: Stage) -> None:
    _run(stage, 3, random.Random(), hurry=True)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
def test_an_operator_killed_20_times_in_5_runs_goes_the_same_way(seed: int, stage: Stage) -> None:
    _run(stage, 4, random.Random(seed), hurry=False)
