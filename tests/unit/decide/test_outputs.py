"""A drift gate over golden outputs asks both sides before any traffic and judges once, when all is answered."""

from datetime import timedelta
from typing import Any

import pytest

from cutover.api.gates import Gate, Run
from cutover.api.status import PauseCause, Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide.observation import Refusal
from cutover.decide.plan import resolve
from tests.fakes.chaos import BRISK_STEPS, brisk, brisk_world
from tests.fakes.plans import GATES, METRICS, spec
from tests.fakes.promises import raises_are_earned
from tests.fakes.story import weights_written
from tests.fakes.world import World
from tests.unit.decide.test_parity import ANSWERS, with_endpoints

DATASET = {"configMapKeyRef": {"name": "golden"}}


def gate(*, method: str = "PSI", limit: str = "0.2", run: str | None = None, **golden: Any) -> Any:
    asked = {"dataset": DATASET, "protocol": "OpenAIChat", "output": "Length", **golden}
    given = {"run": run} if run is not None else {}
    return {
        "name": "lengths",
        "drift": {"golden": asked, "method": method, "max": limit},
        **given,
    }


def world(**more: Any) -> World:
    one = brisk_world(with_endpoints(brisk(BRISK_STEPS, gates=[gate(**more)])))
    one.watchers.append(raises_are_earned())
    one.sides.target.probed = ANSWERS
    return one


def told(one: World) -> Any:
    return next((found for found in one.status.gates if found.name == "lengths"), None)


def test_the_first_raise_waits_for_every_answer_and_the_pass_stands() -> None:
    one = world()
    one.run(30.0)
    assert weights_written(one) == []
    assert "golden inputs asked on both sides" in told(one).message
    one.run(timedelta(hours=1))
    assert one.status.phase == "Completed"
    assert told(one).stands
    assert told(one).message.startswith(
        "lengths: PSI of the answers' lengths is 0 between 400 source and 400 target answers"
    )
    assert sorted(one.endpoints.asked) == list(range(1, 401))


@pytest.mark.parametrize(
    "more", [{}, {"output": "Label", "method": "TV"}, {"method": "KS"}, {"method": "Wasserstein"}]
)
def test_a_target_whose_answers_are_distributed_otherwise_never_gets_traffic(more: Any) -> None:
    one = world(**more)
    one.endpoints.differing = 0.5
    one.run(timedelta(minutes=10))
    assert one.status.phase == "RolledBack"
    assert weights_written(one) in ([], [0])
    assert one.status.rollback is not None
    assert one.status.rollback.reason == "GateFailed"
    assert "the limit is 0.2 and it is no chance" in one.status.rollback.message


def test_too_few_items_pause_with_the_number_that_would_do_and_are_asked_again_when_resumed() -> (
    None
):
    one = world()
    one.endpoints.total = 20
    one.run(timedelta(minutes=5))
    assert one.status.pause is not None
    assert one.status.pause.cause is PauseCause.INCONCLUSIVE
    assert "too few items to hold against 0.2: about 67 would" in one.status.pause.message
    assert weights_written(one) == []
    assert len(one.endpoints.asked) == 20
    one.endpoints.total = 67
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(paused=True)))
    one.run(timedelta(minutes=1))
    assert told(one).reason == "TooFewItems"
    one.do(lambda w: w.rollouts.edit(lambda s: s.update(paused=False)))
    one.run(timedelta(minutes=5))
    assert told(one).stands
    assert len(one.endpoints.asked) == 87


def test_a_restart_asks_all_items_again_and_a_verdict_stays() -> None:
    one = world()
    one.endpoints.per_second, one.endpoints.total = 2.0, 200
    one.run(timedelta(minutes=1))
    assert 0 < len(one.endpoints.asked) < 200
    one.restart()
    one.run(timedelta(minutes=4))
    assert told(one).stands
    assert one.endpoints.asked.count(1) == 2
    asked = len(one.endpoints.asked)
    one.restart()
    one.run(timedelta(minutes=10))
    assert told(one).stands
    assert len(one.endpoints.asked) == asked


def test_nothing_is_held_against_a_target_that_cannot_be_asked() -> None:
    one = world()
    one.endpoints.problem = Refusal("TargetUnanswered", "the target did not answer")
    one.run(timedelta(minutes=5))
    assert told(one).verdict is Verdict.ERROR
    assert told(one).message == "lengths: the target did not answer; tried again every minute"
    assert weights_written(one) == []


def planned(one: Any, *, endpoint: Any = None) -> Plan | Refusal:
    whole = spec(gates=[one])
    for side in ("source", "target"):
        whole[side] = {**whole[side], **({"endpoint": endpoint} if endpoint else {})}
    rollout = {"metadata": {"generation": 1, "namespace": "ns", "name": "chat"}, "spec": whole}
    return resolve(rollout, operator_version="0", default_gates=GATES, metrics=METRICS)


HERE = {"url": "http://m:8000", "model": "llama"}
REFUSED = [
    (gate(method="KS", output="Label"), HERE, "compares labels by KS, but labels have no order"),
    (gate(method="Wasserstein", output="Label"), HERE, "compares labels by Wasserstein"),
    (gate(protocol="KServeV1"), HERE, "compares a Length, which answers of KServeV1 do not hold"),
    (gate(output="Score"), HERE, "use OpenInferenceV2 or KServeV1"),
    (gate(protocol="OpenAIEmbeddings", output="Label"), HERE, "do not hold"),
    (gate(run="EachStep"), HERE, "is judged once, before any traffic: leave its run out"),
    (gate(), None, "name the source's in spec.source.endpoint"),
    (
        gate(protocol="KServeV1", output="Score"),
        {"url": "http://m:8000"},
        "set spec.source.endpoint.model",
    ),
]


@pytest.mark.parametrize(("one", "endpoint", "why"), REFUSED)
def test_what_cannot_be_compared_is_refused(one: Any, endpoint: Any, why: str) -> None:
    found = planned(one, endpoint=endpoint)
    assert isinstance(found, Refusal)
    assert why in found.message


def test_it_runs_before_traffic_and_reads_no_metrics() -> None:
    plan = planned(gate(), endpoint=HERE)
    assert isinstance(plan, Plan)
    assert plan.gates[0].time is Run.BEFORE_TRAFFIC
    assert not Gate.model_validate(gate()).needs_traffic
    assert Status().reference_distributions == []
