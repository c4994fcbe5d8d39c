"""A plan replayed over a past that is known."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from cutover.api.gates import Gate
from cutover.api.status import Phase, Plan
from cutover.cli.trials import draw_trials
from cutover.decide.observation import Refusal
from cutover.decide.plan import resolve
from cutover.foresight import replay
from cutover.foresight.dealing import SOUND, Dealt, Harm, deal
from cutover.foresight.past import GatePast, Past
from cutover.foresight.replay import End, Replayer, Run
from cutover.foresight.trial import Trial, at_most, replay_all, starts
from tests.fakes.plans import GATES, METRICS, OPERATOR_VERSION, quick
from tests.fakes.world import World

LOOK = 20.0


def plan_of(spec: dict[str, Any]) -> Plan:
    rollout = {"metadata": {"name": "a", "namespace": "b"}, "spec": spec}
    plan = resolve(rollout, operator_version=OPERATOR_VERSION, default_gates=GATES, metrics=METRICS)
    assert not isinstance(plan, Refusal), plan
    return plan


def a_past(
    looks: int = 400,
    rate: float = 40.0,
    slow: float = 0.02,
    failing: float = 0.002,
    alter: Callable[[np.ndarray, np.ndarray], None] = lambda *_: None,
) -> Past:
    rng = np.random.default_rng(7)
    total = rng.poisson(rate * LOOK, looks).astype(float)
    slows, fails = (rng.binomial(total.astype(int), one).astype(float) for one in (slow, failing))
    alter(total, fails)
    worse = np.minimum(total, 5 * slows)
    gates = {
        "first-token": GatePast(total, slows, worse, 1.0),
        "errors": GatePast(total, fails, fails),
    }
    return Past(0.0, LOOK, 5.0, total, fails, gates)


PLAN = plan_of(quick())


def run(past: Past, start: int = 0, plan: Plan = PLAN, harm: Harm = SOUND) -> Run:
    return Replayer(plan, plan.gates, past).run(start, np.random.default_rng(1), harm)


def test_a_plan_takes_as_long_as_the_operator_takes_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole operator on even traffic, against the replay of the same traffic."""
    world = World(quick(), rate=40.0)
    first = None
    while world.status.phase is not Phase.COMPLETED:
        world.run(5)
        assert world.since_start.total_seconds() < 3600
        if first is None and world.status.weights.applied:
            first = world.now
    assert first is not None
    took = (world.now - first).total_seconds()

    def evenly(one: GatePast, begin: int, end: int, weight: int, *_: Any, **__: Any) -> Dealt:
        counts = [part[begin:end] for part in (one.total, one.bad)]
        share = weight / 100
        return Dealt(*(c * (1 - share) for c in counts), *(c * share for c in counts))

    monkeypatch.setattr(replay, "deal", evenly)
    total = np.full(200, 40.0 * LOOK)
    gates = {
        "first-token": GatePast(total, total * 0.02, total * 0.02, 1.0),
        "errors": GatePast(total, total * 0.002, total * 0.002),
    }
    found = run(Past(0.0, LOOK, 5.0, total, total * 0.002, gates))
    assert found.end is End.FINISHED
    assert found.seconds == pytest.approx(took, abs=5 * LOOK)


def test_equal_sides_finish_and_a_worse_target_is_caught_by_the_gate_that_sees_it() -> None:
    past = a_past()
    assert run(past).end is End.FINISHED
    slower, failing = run(past, harm=Harm(slower=True)), run(past, harm=Harm(failing=0.05))
    assert (slower.end, slower.who) == (End.GATE, "first-token")
    assert (failing.end, failing.who) == (End.GATE, "errors")
    assert slower.seconds < run(past).seconds
    assert "target requests took longer than 1 s" in slower.message


def test_a_burst_of_the_sources_own_calls_the_guard_unless_it_is_disabled() -> None:
    def burst(total: np.ndarray, fails: np.ndarray) -> None:
        fails[5:11] = 0.9 * total[5:11]

    past = a_past(alter=burst)
    found = run(past)
    assert (found.end, found.who) == (End.GUARD, "ErrorBurst")
    calm = plan_of(quick(guards={"disabled": ["ErrorBurst"]}))
    assert run(past, plan=calm).end is not End.GUARD


def test_without_requests_enough_a_step_runs_out_of_time() -> None:
    found = run(a_past(rate=0.1))
    assert found.end is End.OUT_OF_TIME
    assert found.seconds == pytest.approx(600, abs=LOOK)
    assert found.weight == 5


def test_missing_looks_are_waited_for_and_too_many_pause() -> None:
    def gap(length: int) -> Callable[[np.ndarray, np.ndarray], None]:
        def alter(total: np.ndarray, _: np.ndarray) -> None:
            total[4 : 4 + length] = np.nan

        return alter

    short, long = run(a_past(alter=gap(3))), run(a_past(alter=gap(12)))
    assert short.end is End.FINISHED
    assert short.seconds >= run(a_past()).seconds
    assert long.end is End.OUTAGE


def test_the_end_of_the_past_cuts_off_and_counts_for_nothing() -> None:
    past = a_past(looks=30)
    assert run(past, start=25).end is End.CUT_OFF
    trial = replay_all(PLAN, PLAN.gates, past, [0, 25], seed=1)
    assert [one.end for one in trial.told] == [End.FINISHED]


def test_where_there_is_room_no_plan_begins_that_could_be_cut_off() -> None:
    past = a_past(looks=1000)
    begins = starts(PLAN, past, every=600)
    longest = (4 * 600 + 60) / LOOK
    assert begins[1] - begins[0] == 600 / LOOK
    assert begins[-1] + longest <= 1000
    assert begins[-1] + longest > 1000 - 600 / LOOK


def test_the_same_seed_tells_the_same_and_every_gate_is_told_of() -> None:
    past = a_past(slow=0.04)
    begins = range(0, 100, 20)
    one, again, other = (
        replay_all(PLAN, PLAN.gates, past, begins, seed=seed) for seed in (1, 1, 2)
    )
    assert one == again
    assert one.runs != other.runs
    assert list(one.alarms())[:4] == [
        "gate first-token",
        "gate errors",
        "guard ErrorBurst",
        "guard LatencyBurst",
    ]
    assert sum(one.alarms().values()) == len(one.unfinished)


def test_requests_are_dealt_out_whole_and_by_the_weight() -> None:
    past = a_past(looks=2000)
    for name, one in past.gates.items():
        dealt = deal(one, 0, 2000, 25, SOUND, rng=np.random.default_rng(3))
        assert (dealt.source + dealt.target == one.total).all(), name
        assert (dealt.source_bad + dealt.target_bad == one.bad).all()
        assert dealt.target.sum() / one.total.sum() == pytest.approx(0.25, abs=0.003)
        assert dealt.target_bad.sum() / one.bad.sum() == pytest.approx(0.25, abs=0.04)


def test_harm_is_done_to_the_target_alone_and_as_much_as_was_asked() -> None:
    past = a_past(looks=2000)
    one = past.gates["first-token"]
    dealt = deal(one, 0, 2000, 50, Harm(slower=True), rng=np.random.default_rng(3))
    assert dealt.source_bad.sum() / dealt.source.sum() == pytest.approx(one.share, rel=0.05)
    worse = one.worse.sum() / one.total.sum()
    assert dealt.target_bad.sum() / dealt.target.sum() == pytest.approx(worse, rel=0.03)
    errors = past.gates["errors"]
    dealt = deal(errors, 0, 2000, 50, Harm(failing=0.03), rng=np.random.default_rng(3))
    assert dealt.target_bad.sum() / dealt.target.sum() == pytest.approx(0.032, rel=0.03)


@pytest.mark.parametrize(
    ("count", "of", "bound"),
    # 3/n, and scipy.stats.binomtest(1, 100, alternative="less").proportion_ci(0.95).high
    [(0, 299, 0.00997), (1, 100, 0.04656), (5, 5, 1.0)],
)
def test_the_bound_is_clopper_and_pearsons(count: int, of: int, bound: float) -> None:
    assert at_most(count, of) == pytest.approx(bound, rel=0.002)


def test_a_gate_that_is_left_out_is_not_judged() -> None:
    gates: list[Gate] = [gate for gate in PLAN.gates if gate.error_rate is not None]
    found = Replayer(PLAN, gates, a_past(slow=0.4)).run(0, np.random.default_rng(1))
    assert found.end in (End.FINISHED, End.GUARD)
    assert found.who != "first-token"


def test_a_step_is_judged_by_its_own_durations_and_gates() -> None:
    steps: list[dict[str, Any]] = [
        {"weight": 50, "minDuration": "5m", "gates": ["errors"]},
        {"weight": 100},
    ]
    found = run(a_past(slow=0.04), plan=plan_of(quick(steps)), harm=Harm(slower=True))
    assert found.weight == 100, "first-token is not judged at 50"
    assert found.seconds >= 300
    assert found.fired


def test_a_gate_that_only_reports_holds_up_nothing() -> None:
    reporting = [
        {
            "name": "first-token",
            "latency": {
                "metric": "TimeToFirstToken",
                "threshold": "1s",
                "maxAbove": "5%",
                "margin": "2.5%",
            },
            "onFail": "Report",
        },
        {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}},
    ]
    found = run(a_past(), plan=plan_of(quick(gates=reporting)), harm=Harm(slower=True))
    assert found.end is End.FINISHED


def test_a_shadow_step_is_waited_for_and_said_not_to_be_judged() -> None:
    past = a_past()
    shadow = {"shadow": {"duration": "10m"}}
    plan = plan_of(quick([shadow, {"weight": 25}, {"weight": 100}]))
    bare = plan_of(quick([{"weight": 25}, {"weight": 100}]))
    begun, later = run(past, plan=bare, start=30), run(past, plan=plan)
    assert later.seconds == pytest.approx(begun.seconds + 600, abs=5 * LOOK)
    trial = Trial(SOUND, (later,), ("errors",))
    out = Console(file=StringIO(), width=200, record=True)
    out.print(draw_trials("chat", plan, past, [trial], 1.0))
    assert "shadow 100%: waited for and not judged" in out.export_text()
