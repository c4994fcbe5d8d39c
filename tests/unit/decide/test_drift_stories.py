"""Drift gates over whole rollouts: they hold no small step, catch at weight 10, pause at 100."""

from typing import Any

import pytest

from cutover.api.status import PauseCause
from cutover.decide.readings import Gap, Missing
from tests.fakes.chaos import BRISK
from tests.fakes.plans import quick
from tests.fakes.promises import watch_all
from tests.fakes.world import World

SHORT, LONG = (0.3, 0.3, 0.2, 0.1, 0.1), (0.1, 0.1, 0.2, 0.3, 0.3)
DRIFT: dict[str, Any] = {
    "name": "length",
    "drift": {"distribution": "OutputTokens", "method": "PSI", "max": "0.2"},
}
ERRORS: dict[str, Any] = {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}}
HOUR = 3600.0


def world(*gates: dict[str, Any], rate: float = 100.0, **more: Any) -> World:
    steps = more.pop("steps", [{"weight": one} for one in (1, 5, 10, 100)])
    analysis = BRISK | more.pop("analysis", {})
    made = World(quick(steps, analysis=analysis, gates=list(gates or (DRIFT,)), **more), rate=rate)
    made.sides.scrape = 1.0
    for server in made.sides.servers:
        server.lengths, server.prompts = SHORT, SHORT
    watch_all(made)
    return made


def over(made: World) -> bool:
    return made.status.phase in ("Completed", "RolledBack")


def test_small_steps_are_not_held_and_the_target_is_caught_at_10() -> None:
    made = world()
    made.sides.target.lengths = LONG
    made.run(HOUR, until=lambda: over(made))
    status = made.status
    assert status.phase == "RolledBack"
    assert status.rollback is not None
    assert status.rollback.reason == "GateFailed"
    assert "length: PSI of OutputTokens" in status.rollback.message
    assert [one.index for one in [status.step] if one] == [2]


def test_an_equal_target_completes_and_is_judged_once_a_step() -> None:
    made = world(DRIFT, ERRORS)
    seen: dict[int, set[str]] = {}

    def note(now: World) -> None:
        for gate in now.status.gates:
            if gate.judged is not None:
                weight = now.status.weights.applied or 0
                seen.setdefault(weight, set()).add(gate.judged.at.isoformat())

    made.watchers.append(note)
    made.run(HOUR, until=lambda: over(made))
    assert made.status.phase == "Completed"
    assert {weight: len(times) for weight, times in seen.items()} == {10: 1, 100: 1}
    assert [one.gate for one in made.status.reference_distributions] == ["length"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_target_that_changes_at_100_pauses(*, restarts: bool) -> None:
    made = world()
    made.run(HOUR, until=lambda: made.status.weights.applied == 100)
    made.sides.target.lengths = LONG
    if restarts:
        made.restart()
    made.run(HOUR, until=lambda: over(made) or made.status.pause is not None)
    pause = made.status.pause
    assert pause is not None
    assert pause.cause is PauseCause.BOTH_WORSE
    assert "the source's last" in pause.message


def test_at_few_requests_it_only_reports_and_holds_nothing() -> None:
    steps = [{"weight": 10}, {"weight": 100}]
    made = world(rate=6.0, steps=steps, analysis={"maxDuration": "2m"})
    made.sides.target.lengths = LONG
    told: set[str] = set()
    made.watchers.append(lambda now: told.update(gate.reason for gate in now.status.gates))
    made.run(HOUR, until=lambda: made.step == 1 or over(made) or made.status.pause is not None)
    assert made.step == 1
    assert made.status.pause is None
    assert told == {"TooFewRequests", "ReportedOnly"}


def test_without_distributions_nothing_is_raised() -> None:
    made = world()
    for server in made.sides.servers:
        server.gate_gaps["OutputTokens"] = Gap(Missing.NO_DATA, "nothing yet")
    made.run(600.0)
    assert made.status.weights.applied in (None, 0)


def test_other_prompts_hold_what_is_compared_until_they_are_alike() -> None:
    made = world(DRIFT, ERRORS)
    made.run(HOUR, until=lambda: made.status.weights.applied == 10)
    made.sides.target.prompts = LONG
    made.run(60.0)
    reasons = {gate.name: gate.reason for gate in made.status.gates}
    assert reasons["length"] == "InputMixDiffers"
    assert reasons["errors"] != "InputMixDiffers"
    assert made.status.weights.applied == 10
    healthy = {one.type: one.reason for one in made.status.conditions}
    assert healthy["AnalysisHealthy"] == "InputMixDiffers"
    made.sides.target.prompts = SHORT
    made.run(HOUR, until=lambda: over(made))
    assert made.status.phase == "Completed"


def test_at_100_other_prompts_hold_nothing_and_answers_are_compared_with_the_sources_last() -> None:
    """Whose prompts should they be compared with? People ask other things at other times of the day."""
    made = world()
    made.run(HOUR, until=lambda: made.status.weights.applied == 100)
    made.sides.target.prompts = LONG
    reasons: set[str] = set()
    made.watchers.append(lambda now: reasons.update(gate.reason for gate in now.status.gates))
    made.run(HOUR, until=lambda: over(made))
    assert made.status.phase == "Completed"
    assert "InputMixDiffers" not in reasons
    judged = [gate.judged for gate in made.status.gates if gate.judged is not None]
    assert ["the source's last" in one.message for one in judged] == [True]
