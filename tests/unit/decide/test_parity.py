"""A parity gate is waited for before any traffic, stands for its attempt, and is asked as little as can be."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from cutover.api.gates import Gate, Run
from cutover.api.status import PauseCause, Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide.observation import Outcome, Probe, Refusal
from cutover.decide.plan import resolve
from tests.fakes.chaos import BRISK_STEPS, brisk, brisk_world
from tests.fakes.plans import GATES, METRICS, spec
from tests.fakes.promises import raises_are_earned
from tests.fakes.story import weights_written
from tests.fakes.world import World

ANSWERS = Probe(Outcome.ANSWERED)
DATASET = {"configMapKeyRef": {"name": "golden"}}
ENDPOINT = {"url": "http://m:8000", "model": "llama"}


def gate(*, run: str | None = None, on_fail: str | None = None, **parity: Any) -> dict[str, Any]:
    more = {"run": run, "onFail": on_fail}
    whole = {"dataset": DATASET, "protocol": "OpenAIChat", **parity}
    given = {name: value for name, value in more.items() if value is not None}
    return {"name": "golden", "parity": whole, **given}


def with_endpoints(whole: dict[str, Any]) -> dict[str, Any]:
    for side in ("source", "target"):
        whole[side] = {**whole[side], "endpoint": ENDPOINT}
    return whole


def world(steps: Any = BRISK_STEPS, **more: Any) -> World:
    one = brisk_world(with_endpoints(brisk(steps, gates=[gate(**more)])))
    one.watchers.append(raises_are_earned())
    one.sides.target.probed = ANSWERS
    return one


def golden(one: World) -> Any:
    return next((found for found in one.status.gates if found.name == "golden"), None)


def test_the_first_raise_waits_for_every_golden_input() -> None:
    one = world()
    one.run(30.0)
    assert weights_written(one) == []
    assert (
        "golden inputs asked on both sides" in one.status.message or "twice" in one.status.message
    )
    one.run(timedelta(minutes=3))
    assert weights_written(one)[0] == 10
    assert golden(one).stands
    assert set(Counter(one.endpoints.asked).values()) == {1}
    assert len(one.endpoints.asked) == 400


def test_its_pass_stands_for_the_attempt_and_nothing_is_asked_again() -> None:
    one = world()
    one.run(timedelta(hours=1))
    assert one.status.phase == "Completed"
    assert len(one.endpoints.asked) == 400


def test_a_target_that_answers_otherwise_never_gets_traffic() -> None:
    one = world()
    one.endpoints.differing = 0.3
    one.run(timedelta(minutes=5))
    assert one.status.phase == "RolledBack"
    assert weights_written(one) == [0] or weights_written(one) == []
    assert one.status.rollback is not None
    assert one.status.rollback.reason == "GateFailed"
    assert "differ" in one.status.rollback.message
    assert golden(one).replay.examples
    assert len(one.endpoints.asked) < 400


def test_an_approval_before_the_first_weight_does_not_hurry_it() -> None:
    one = world(({"approval": {"name": "go"}}, *BRISK_STEPS))
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(approved=[{"name": "go", "attempt": 1}])))
    one.run(30.0)
    assert weights_written(one) == []
    one.run(timedelta(minutes=3))
    assert weights_written(one)[0] == 10


def test_a_restart_goes_on_from_what_the_status_has() -> None:
    one = world()
    one.endpoints.per_second = 2.0
    one.run(timedelta(minutes=2.5))
    known = golden(one).replay.asked
    assert known > 0
    one.restart()
    one.run(timedelta(minutes=10))
    assert golden(one).stands
    again = [line for line, times in Counter(one.endpoints.asked).items() if times > 1]
    assert len(again) <= 60 * one.endpoints.per_second * 1.5
    assert min(again, default=known + 1) > known


def test_progress_is_written_at_most_once_a_minute() -> None:
    one = world()
    one.endpoints.per_second = 1.0
    one.run(30.0)
    before = len(one.rollouts.status_writes)
    one.run(timedelta(minutes=5))
    assert len(one.rollouts.status_writes) - before <= 6


def test_a_pause_cancels_it_and_it_goes_on_from_there() -> None:
    one = world()
    one.endpoints.per_second = 2.0
    one.run(timedelta(minutes=2.5))
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(paused=True)))
    one.run(timedelta(seconds=20))
    asked = len(one.endpoints.asked)
    one.run(timedelta(minutes=10))
    assert len(one.endpoints.asked) == asked
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(paused=False)))
    one.run(timedelta(minutes=10))
    assert golden(one).stands
    assert len(one.endpoints.asked) <= 400 + 120


@pytest.mark.parametrize("how", ["abort", "delete"])
def test_it_ends_with_an_abort_or_a_deletion(how: str) -> None:
    one = world()
    one.run(30.0)
    if how == "abort":
        one.do(lambda w: w.rollouts.edit(lambda s: s.update(abort=True)))
    else:
        one.do(lambda w: w.rollouts.delete())
    asked = len(one.endpoints.asked)
    one.run(timedelta(minutes=5))
    assert len(one.endpoints.asked) == asked


def test_another_attempt_asks_everything_anew() -> None:
    one = world()
    one.endpoints.differing = 0.3
    one.run(timedelta(minutes=5))
    one.endpoints.differing = 0.0
    one.endpoints.asked.clear()
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(attempt=2)))
    one.run(timedelta(minutes=5))
    assert len(one.endpoints.asked) == 400
    assert weights_written(one)[-1] > 0


def test_too_few_items_pause_at_once_and_resuming_asks_again() -> None:
    one = world()
    one.endpoints.total = 100
    one.run(timedelta(minutes=3))
    assert weights_written(one) == []
    pause = one.status.pause
    assert pause is not None
    assert pause.cause is PauseCause.INCONCLUSIVE
    assert "give 299 items" in pause.message
    one.endpoints.total = 400
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(paused=True)))
    one.run(5.0)
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(paused=False)))
    one.run(timedelta(minutes=3))
    assert golden(one).stands


def test_too_few_items_roll_back_where_that_was_asked_for() -> None:
    analysis = {"onInconclusive": "RollBack"}
    whole = with_endpoints(brisk(BRISK_STEPS, gates=[gate()]))
    whole["analysis"].update(analysis)
    one = brisk_world(whole)
    one.sides.target.probed = ANSWERS
    one.endpoints.total = 100
    one.run(timedelta(minutes=5))
    assert one.status.phase == "RolledBack"
    assert one.status.rollback is not None
    assert one.status.rollback.reason == "Inconclusive"


def test_a_replay_that_cannot_go_on_holds_and_blames_nobody() -> None:
    one = world()
    one.endpoints.problem = Refusal(
        "GoldenSetMissing", "ConfigMap ns/golden does not exist: create it"
    )
    one.run(timedelta(minutes=2))
    assert weights_written(one) == []
    assert (golden(one).verdict, golden(one).reason) == (Verdict.ERROR, "GoldenSetMissing")
    assert "create it" in one.status.message
    assert one.status.rollback is None
    assert one.status.pause is None
    one.endpoints.problem = None
    one.run(timedelta(minutes=3))
    assert golden(one).stands


def test_a_gate_that_only_reports_is_asked_and_holds_up_nothing() -> None:
    one = world(on_fail="Report")
    one.endpoints.differing = 0.3
    one.run(timedelta(minutes=3))
    assert weights_written(one)[0] == 10
    assert one.status.rollback is None


def test_at_each_step_it_is_asked_at_each_weight() -> None:
    one = world(run="EachStep")
    one.run(timedelta(hours=1))
    assert one.status.phase == "Completed"
    weights = len([w for w in BRISK_STEPS if "weight" in w])
    assert len(one.endpoints.asked) >= 400 * weights


def test_what_was_asked_at_the_last_weight_does_not_count_at_the_next() -> None:
    """A gate that only reports is left behind half asked, and begins anew."""
    one = world(run="EachStep", on_fail="Report")
    one.run(timedelta(minutes=5), until=lambda: weights_written(one)[-1:] == [50])
    half = Counter(one.endpoints.asked)
    assert 0 < len(half) < 400 / 2
    assert set(half.values()) == {1}
    one.run(timedelta(minutes=1))
    assert 2 in Counter(one.endpoints.asked).values()


# --- the plan -----------------------------------------------------------------------------------


def resolved(whole: dict[str, Any]) -> Plan | Refusal:
    rollout = {"metadata": {"generation": 1, "namespace": "ns"}, "spec": whole}
    return resolve(rollout, operator_version="1", default_gates=GATES, metrics=METRICS)


def test_it_runs_before_traffic_unless_told_otherwise() -> None:
    plan = resolved(with_endpoints(spec(gates=[gate()])))
    assert isinstance(plan, Plan)
    assert plan.gates[0].run is Run.BEFORE_TRAFFIC
    assert Gate.model_validate(gate(run="EachStep")).time is Run.EACH_STEP


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda s: s["source"].pop("endpoint"), "name the source's in spec.source.endpoint"),
        (lambda s: s["target"].pop("endpoint"), "name the target's in spec.target.endpoint"),
        (
            lambda s: s.update(gates=[gate(compare="Numeric")]),
            "cannot compare answers of OpenAIChat by Numeric",
        ),
        (
            lambda s: s.update(
                gates=[gate(protocol="KServeV1", compare="Numeric", precision="INT8")]
            ),
            "cannot compare answers of KServeV1 by Numeric",
        ),
        (
            lambda s: (
                s.update(gates=[gate(protocol="OpenInferenceV2")]),
                s["target"].update(endpoint={"url": "http://m"}),
            ),
            "set spec.target.endpoint.model",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_field_to_mend(edit: Any, words: str) -> None:
    whole = with_endpoints(spec(gates=[gate()]))
    edit(whole)
    refusal = resolved(whole)
    assert isinstance(refusal, Refusal)
    assert words in refusal.message


def test_what_the_status_keeps_is_bounded_and_holds_no_content() -> None:
    one = world()
    one.endpoints.differing = 0.3
    one.run(timedelta(minutes=5))
    kept = one.rollouts.status["gates"][0]["replay"]
    assert len(str(kept)) < 2000
    assert len(kept["examples"]) <= 8
    assert Status.model_validate(one.rollouts.status).gates[0].replay is not None


def test_guards_rest_while_golden_inputs_are_asked_and_wake_with_the_first_weight() -> None:
    """Nothing of ours is on the target yet: what fails there is somebody else's, or the asking's own."""
    one = world(({"weight": 10}, {"pause": {"duration": "10m"}}, {"weight": 100}))
    one.run(20.0)
    one.sides.target.probed = Probe(Outcome.FAILED, "connection refused")
    one.run(60.0)
    assert one.status.phase == "Progressing"
    assert weights_written(one) == []
    one.sides.target.probed = ANSWERS
    one.run(timedelta(minutes=3))
    assert weights_written(one)[0] == 10
    one.sides.target.probed = Probe(Outcome.FAILED, "connection refused")
    one.run(60.0)
    assert one.status.rollback is not None
    assert one.status.rollback.reason == "FailedProbes"
