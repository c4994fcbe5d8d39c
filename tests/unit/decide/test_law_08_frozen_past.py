"""Law 8: executed steps are frozen; future steps can be edited and take effect; an edit that would
rewrite the past is refused with a reason while the rollout goes on by the frozen plan.
"""

from functools import partial
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.fakes import chaos
from tests.fakes.chaos import (
    BRISK,
    BRISK_STEPS,
    ENOUGH,
    Event,
    brisk,
    brisk_world,
    edit,
    play,
    schedules,
    tried,
)
from tests.fakes.promises import raises_are_earned
from tests.fakes.story import weights_written
from tests.fakes.world import World

moments = st.sampled_from([5.0, 30.0, 62.0, 75.0, 100.0, 130.0, 150.0])
rising = st.lists(st.integers(1, 99), max_size=4, unique=True).map(sorted)
soaks = st.sampled_from([[], [{"soak": {"duration": "10s"}}]])


def _steps(weights: list[int], end: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"weight": weight} for weight in [*weights, 100]] + end


drafts = st.builds(_steps, rising, soaks)


def _conditions(world: World) -> dict[str, str]:
    return {one.type: one.reason for one in world.status.conditions}


@tried
@given(drafts, moments)
def test_an_edit_is_followed_or_refused_by_its_past_alone(
    draft: list[dict[str, Any]], moment: float
) -> None:
    world = brisk_world()
    world.watchers.append(raises_are_earned())
    world.run(moment)
    assume(world.status.phase in ("Progressing", "Soaking"))
    done = world.step + 1
    written = weights_written(world)
    before = [dict(step) for step in BRISK_STEPS]
    followed = draft[:done] == before[:done]
    world.do(lambda w: edit(w, steps=draft))
    world.run(1.0)
    assert _conditions(world)["Accepted"] == ("Accepted" if followed else "RewritesPast")
    world.run(2 * ENOUGH)
    assert world.status.phase == "Completed"
    plan = draft if followed else before
    left = [step["weight"] for step in plan[done:] if "weight" in step]
    current = [before[done - 1]["weight"]] if "weight" in before[done - 1] else []
    assert weights_written(world) == [*written, *(w for w in current + left if w not in written)]


@tried
@given(st.lists(st.tuples(moments, drafts), max_size=5))
def test_whatever_is_edited_what_was_done_stays_as_it_was(
    edits: list[tuple[float, list[dict[str, Any]]]],
) -> None:
    world = brisk_world()
    executed: list[Any] = []

    def frozen(world: World) -> None:
        done = world.rollouts.status.get("executedSteps") or []
        assert done[: len(executed)] == executed
        executed[:] = done

    world.watchers += [frozen, raises_are_earned()]
    for seconds, draft in edits:
        world.run(seconds)
        world.do(partial(edit, steps=draft))
    world.run(ENOUGH)


@tried
@given(moments, st.sampled_from(["nonsense", "no target", "another route", "another cluster"]))
def test_a_spec_that_cannot_be_followed_stops_nothing(moment: float, how: str) -> None:
    """Admission refuses most of these; the operator does not rely on it."""
    world = brisk_world()
    world.run(moment)
    given_spec = brisk()
    edits: dict[str, dict[str, Any]] = {
        "nonsense": {"steps": [{"weight": 5}]},
        "no target": {"target": None},
        "another route": {
            "traffic": {"httpRoute": {**given_spec["traffic"]["httpRoute"], "name": "other"}}
        },
        "another cluster": {
            "source": {**given_spec["source"], "cluster": {"kubeconfigSecretRef": {"name": "x"}}}
        },
    }
    world.do(lambda w: edit(w, **edits[how]))
    world.run(1.0)
    assert _conditions(world)["Accepted"] in ("InvalidSpec", "ImmutableWhileMoving")
    assert "is not followed" in world.status.message
    world.run(ENOUGH)
    assert world.status.phase == "Completed"
    assert weights_written(world) == [10, 50, 100]


@tried
@given(st.sampled_from([25.0, 62.0]))
def test_an_edit_begins_the_evidence_of_the_step_afresh(moment: float) -> None:
    world = brisk_world()
    world.run(moment)
    counted = world.status.gates[0].target_count or 0
    assert counted > 0
    world.do(lambda w: edit(w, analysis={**BRISK, "minRequests": 60}))
    edited_at = world.now
    world.run(0.5)
    status = world.status
    assert status.evidence_since is not None
    assert status.evidence_since >= edited_at
    assert status.gates == []
    assert status.weights.applied == 10 or world.step > 0


@tried
@given(schedules(chaos.edits, chaos.pauses, chaos.restarts, chaos.aborts, most=6))
def test_edits_and_commands_in_any_order_keep_the_plan_whole(events: list[Event]) -> None:
    world = brisk_world()
    world.watchers.append(raises_are_earned())
    play(world, events)
    status = world.status
    if status.plan is not None and status.step is not None:
        assert status.step.index < len(status.plan.steps)
        assert status.step.total == len(status.plan.steps)
        assert status.plan.steps[: len(status.executed_steps)] == status.executed_steps
