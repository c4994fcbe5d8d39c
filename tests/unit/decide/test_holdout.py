"""Holdout gates on evaluations that were made elsewhere: each thing that can be wrong, and what follows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cutover.api.evidence import GateStatus
from cutover.api.gates import Gate
from cutover.api.holdout import HoldoutGate, HoldoutMetric, HoldoutResults
from cutover.api.status import PauseCause, PauseStatus, Phase, Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide.alarms import unshown
from cutover.decide.fulllook import FullLook
from cutover.decide.holdout import judge_holdout_gate, results_wanted
from cutover.decide.labelling import about_of
from cutover.decide.observation import Refusal, ReplaySeen, ResultsWanted
from cutover.decide.plan import resolve
from cutover.decide.publishing import worth_writing
from cutover.decide.readings import Gap, Missing
from cutover.decide.replaying import replays_wanted
from cutover.decide.telling import Told
from cutover.judge.labelled import LabelledFold, Silence, Task
from tests.fakes import plans

NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)
GATE = Gate(
    name="quality",
    holdout=HoldoutGate(
        metric=HoldoutMetric.ACCURACY, results=HoldoutResults(source="eval-a", target="eval-b")
    ),
)
FINE = {
    "metric": "Accuracy",
    "dataset": "imdb",
    "finishedAt": "2026-03-01T12:00:00Z",
    "value": "0.9",
    "items": "1000000",
}


def planned(gate: dict[str, Any], **changes: Any) -> Plan | Refusal:
    spec = plans.spec(gates=[gate], **changes)
    rollout = {"metadata": {"generation": 1, "namespace": "ns", "name": "chat"}, "spec": spec}
    return resolve(
        rollout,
        operator_version="0",
        default_gates=plans.GATES,
        metrics=plans.METRICS,
    )


RESULTS = {"metric": "Accuracy", "results": {"source": "eval-a", "target": "eval-b"}}
UNREAD = Gap(Missing.NO_DATA, "not asked")


def in_force(gate: dict[str, Any], **changes: Any) -> Plan:
    plan = planned(gate, **changes)
    assert isinstance(plan, Plan), plan
    return plan


PLAN = in_force({"name": "quality", "holdout": RESULTS})


def told(source, target, now=NOW):
    look = FullLook(
        UNREAD, UNREAD, 600.0, now, gathering=False, results={"quality": (source, target)}
    )
    return judge_holdout_gate(PLAN, GATE, None, look).judgement


def test_results_that_are_still_being_read_are_waited_for():
    look = FullLook(UNREAD, UNREAD, 600.0, NOW, gathering=False)
    judgement = judge_holdout_gate(PLAN, GATE, None, look).judgement
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert not judgement.final
    assert judgement.message == "quality: the results of both sides are being read"


CASES = [
    pytest.param(
        FINE, FINE, Verdict.PASS, "WithinDelta", "quality: accuracy 90 % on the", id="equal"
    ),
    pytest.param(
        FINE,
        {**FINE, "value": "0.85"},
        Verdict.FAIL,
        "WorseThanSource",
        "quality: accuracy 85 % on the target and 90 % on the source over 1,000,000 items, 5 points worse",
        id="worse",
    ),
    pytest.param(
        {**FINE, "items": "2000"},
        {**FINE, "items": "2000"},
        Verdict.INCONCLUSIVE,
        "TooFewItems",
        "too few items to show 0.1 %: about 488,000 would",
        id="too-few",
    ),
    pytest.param(
        Gap(Missing.NO_DATA, "ConfigMap ns/eval-a does not exist yet: it is waited for"),
        FINE,
        Verdict.INCONCLUSIVE,
        "NoData",
        "quality: source: ConfigMap ns/eval-a does not exist yet: it is waited for",
        id="not-there-yet",
    ),
    pytest.param(
        FINE,
        Gap(Missing.UNAUTHORISED, "the operator may not read it"),
        Verdict.ERROR,
        "Unauthorised",
        "quality: target: the operator may not read it",
        id="forbidden",
    ),
    pytest.param(
        FINE,
        {**FINE, "value": "much"},
        Verdict.ERROR,
        "Unusable",
        "quality: target: ConfigMap eval-b has a value that is no finite number",
        id="malformed",
    ),
    pytest.param(
        FINE,
        {**FINE, "dataset": "other"},
        Verdict.ERROR,
        "Unusable",
        "quality: the two results are of different datasets",
        id="other-dataset",
    ),
    pytest.param(
        {**FINE, "finishedAt": "2026-02-27T12:00:00Z"},
        FINE,
        Verdict.ERROR,
        "Stale",
        "quality: source: the result in ConfigMap eval-a was finished 49h ago, more than maxAge 24h",
        id="old",
    ),
    pytest.param(
        {**FINE, "finishedAt": "2026-03-01T14:00:00Z"},
        FINE,
        Verdict.ERROR,
        "Unusable",
        "quality: source: ConfigMap eval-a has a finishedAt that is yet to come",
        id="of-tomorrow",
    ),
]


@pytest.mark.parametrize(("source", "target", "verdict", "reason", "sentence"), CASES)
def test_each_thing_has_its_own_reason(source, target, verdict, reason, sentence):
    judgement = told(source, target)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)
    assert sentence in judgement.message


def test_a_look_that_read_nothing_leaves_the_verdict_as_it_was():
    """Else a pause would hide what it was begun for."""
    worse = told(FINE, {**FINE, "value": "0.85"})
    before = GateStatus(
        name="quality",
        verdict=worse.verdict,
        reason=worse.reason,
        message=worse.message,
        value=worse.value,
        bound=worse.bound,
        source_count=worse.source_count,
        target_count=worse.target_count,
        unit=worse.unit,
    )
    look = FullLook(UNREAD, UNREAD, 600.0, NOW, gathering=False)
    assert judge_holdout_gate(PLAN, GATE, before, look).judgement == worse


def test_only_what_no_further_look_can_change_is_final():
    few = {**FINE, "items": "2000"}
    assert told(few, few).final
    assert not told(FINE, Gap(Missing.NO_DATA, "not yet")).final
    assert not told(FINE, {**FINE, "value": "much"}).final


def test_a_holdout_gate_runs_before_traffic_and_reads_until_it_has_passed():
    plan = planned({"name": "quality", "holdout": RESULTS})
    assert isinstance(plan, Plan)
    assert plan.gates[0].before_traffic
    status = Status(plan=plan)
    assert results_wanted(plan, status) == (ResultsWanted("quality", "eval-a", "eval-b"),)
    passed = GateStatus(
        name="quality", verdict=Verdict.PASS, reason="", message="", run=plan.gates[0].time
    )
    assert results_wanted(plan, status.model_copy(update={"gates": [passed]})) == ()
    pause = PauseStatus(cause=PauseCause.INCONCLUSIVE, since=NOW, message="")
    assert results_wanted(plan, status.model_copy(update={"pause": pause})) == ()


def test_one_configmap_cannot_be_both_sides_of_one_cluster():
    one = {"metric": "Accuracy", "results": {"source": "eval", "target": "eval"}}
    assert isinstance(planned({"name": "quality", "holdout": one}), Plan)  # two clusters
    prometheus = {"address": "http://prometheus:9090", "matchers": {"c": "b"}}
    refusal = planned({"name": "quality", "holdout": one}, target={"prometheus": prometheus})
    assert isinstance(refusal, Refusal)
    assert "give each side's results a ConfigMap of its own" in refusal.message


def test_a_holdout_gate_is_never_judged_at_each_step():
    refusal = planned({"name": "quality", "holdout": RESULTS, "run": "EachStep"})
    assert isinstance(refusal, Refusal)
    assert "judged once, before any traffic" in refusal.message


def test_the_oldest_age_is_the_gates_own():
    old = FINE | {"finishedAt": (NOW - timedelta(hours=30)).isoformat()}
    gate = GATE.model_copy(
        update={
            "holdout": HoldoutGate(
                metric=HoldoutMetric.ACCURACY,
                results=HoldoutResults(source="a", target="b", max_age="48h"),
            )
        }
    )
    look = FullLook(UNREAD, UNREAD, 600.0, NOW, gathering=False, results={"quality": (old, old)})
    assert judge_holdout_gate(PLAN, gate, None, look).judgement.verdict is Verdict.PASS


# --- asked by ourselves -------------------------------------------------------------------------

ENDPOINTS: dict[str, Any] = {
    name: side | {"endpoint": {"url": "http://m:8000", "model": "tiny"}}
    for name, side in plans.spec().items()
    if name in ("source", "target")
}
ASKED: dict[str, Any] = {
    "metric": "Accuracy",
    "maxDelta": "1%",
    "dataset": {"configMapKeyRef": {"name": "golden"}},
    "protocol": "OpenAIChat",
}


def asked_plan(**change: Any) -> Plan | Refusal:
    return planned({"name": "quality", "holdout": {**ASKED, **change}}, **ENDPOINTS)


UNASKABLE = [
    ({"protocol": "OpenAIEmbeddings"}, "cannot compute Accuracy from answers of OpenAIEmbeddings"),
    ({"metric": "AUROC", "positive": "1"}, "cannot compute AUROC from answers of OpenAIChat"),
    ({"metric": "F1"}, "average belongs to F1, and F1 needs it"),
    ({"average": "Macro"}, "average belongs to F1, and F1 needs it"),
    ({"metric": "F1", "average": "Binary"}, "positive belongs to AUROC and binary F1"),
    ({"positive": "1"}, "positive belongs to AUROC and binary F1"),
    ({"protocol": None}, "needs dataset and protocol, or results"),
]


@pytest.mark.parametrize(("change", "sentence"), UNASKABLE)
def test_what_cannot_be_asked_is_refused(change, sentence):
    refusal = asked_plan(**change)
    assert isinstance(refusal, Refusal)
    assert sentence in refusal.message


def test_without_an_endpoint_nobody_can_be_asked():
    refusal = planned({"name": "quality", "holdout": ASKED})
    assert isinstance(refusal, Refusal)
    assert "name the source's in spec.source.endpoint" in refusal.message


def fold_of(right: tuple[int, int, int, int], *, total: int = 400) -> LabelledFold:
    fold = LabelledFold.of(Task(HoldoutMetric.ACCURACY))
    return replace(fold, digest="0" * 16, total=total, asked=sum(right), shares=right)


def asked(fold: LabelledFold, *, finished: bool = True, before: GateStatus | None = None) -> Told:
    plan = in_force({"name": "quality", "holdout": ASKED}, **ENDPOINTS)
    gate = plan.gates[0]
    seen = ReplaySeen(about_of(plan, gate), fold, finished=finished)
    look = FullLook(UNREAD, UNREAD, 600.0, NOW, gathering=False, replays={"quality": seen})
    return judge_holdout_gate(plan, gate, before, look)


def test_while_items_are_being_asked_the_gate_says_how_far_that_got():
    judgement = asked(fold_of((100, 0, 0, 0)), finished=False).judgement
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.message == "quality: 100 of 400 labelled items asked on both sides"


def test_equal_sides_pass_once_all_items_were_asked():
    told_now = asked(fold_of((360, 0, 0, 40)))
    assert told_now.judgement.verdict is Verdict.PASS
    assert "no difference; at most 0.75 points apart, 95 % sure" in told_now.judgement.message
    assert told_now.replay is not None
    assert told_now.replay.sums == [0, 0, 360, 0, 0, 40]


def test_a_target_five_points_worse_fails():
    judgement = asked(fold_of((1710, 120, 20, 150), total=2000)).judgement
    assert (judgement.verdict, judgement.reason) == (Verdict.FAIL, "WorseThanSource")


def test_items_without_answers_are_told_and_too_many_say_nothing():
    some = replace(fold_of((356, 0, 0, 40)), target=Silence(unanswered=4, last="503"), asked=400)
    judgement = asked(some).judgement
    assert judgement.verdict is Verdict.PASS
    assert judgement.message.endswith("(4 unanswered items count for nothing)")
    many = replace(some, target=Silence(unanswered=5, last="503"))
    judgement = asked(many).judgement
    assert (judgement.verdict, judgement.reason) == (Verdict.ERROR, "Unanswered")
    assert "the target left 5 of 400 items unanswered, more than 1 % (503)" in judgement.message


def test_a_source_that_hardly_ever_gives_a_class_is_asked_for_something_else():
    fold = replace(fold_of((0, 0, 0, 400)), source=Silence(unreadable=201))
    judgement = asked(fold).judgement
    assert (judgement.verdict, judgement.reason) == (Verdict.ERROR, "Unreadable")
    assert "201 of 400 answers of the source hold no prediction for Accuracy" in judgement.message


def test_a_replay_that_stands_still_says_why():
    plan = in_force({"name": "quality", "holdout": ASKED}, **ENDPOINTS)
    gate = plan.gates[0]
    problem = Refusal("GoldenSetMissing", "ConfigMap ns/golden does not exist: create it")
    seen = ReplaySeen(about_of(plan, gate), fold_of((0, 0, 0, 0)), problem=problem)
    look = FullLook(UNREAD, UNREAD, 600.0, NOW, gathering=False, replays={"quality": seen})
    judgement = judge_holdout_gate(plan, gate, None, look).judgement
    assert (judgement.verdict, judgement.reason) == (Verdict.ERROR, "GoldenSetMissing")
    assert judgement.message.endswith("create it; tried again every minute")


def test_a_restart_asks_only_what_was_not_asked_and_knows_a_finished_verdict():
    plan = in_force({"name": "quality", "holdout": ASKED}, **ENDPOINTS)
    gate = plan.gates[0]

    def after(fold: LabelledFold, *, finished: bool) -> GateStatus:
        stored = asked(fold, finished=finished)
        return GateStatus(
            name="quality",
            verdict=stored.judgement.verdict,
            reason="",
            message="",
            replay=stored.replay,
            run=gate.time,
        )

    half = after(fold_of((190, 3, 2, 5)), finished=False)
    status = Status(plan=plan, phase=Phase.PROGRESSING, gates=[half])
    (wanted,) = replays_wanted(plan, status)
    assert wanted.fold == fold_of((190, 3, 2, 5))
    assert wanted.repeat == 0
    few = after(fold_of((95, 0, 0, 5), total=100), finished=True)
    assert replays_wanted(plan, status.model_copy(update={"gates": [few]})) == ()
    look = FullLook(UNREAD, UNREAD, 600.0, NOW, gathering=False)
    judgement = judge_holdout_gate(plan, gate, few, look).judgement
    assert (judgement.reason, judgement.final) == ("TooFewItems", True)
    assert "too few items to show 1 %: about 299 would" in judgement.message


# --- what follows -------------------------------------------------------------------------------


def judged(verdict: Verdict, *, final: bool, only_reports: bool = False) -> tuple[Status, Plan]:
    on_fail = "Report" if only_reports else "RollBack"
    plan = in_force({"name": "quality", "holdout": RESULTS, "onFail": on_fail})
    gate = GateStatus(
        name="quality",
        verdict=verdict,
        reason="TooFewItems",
        message="quality: too few",
        final=final,
        run=plan.gates[0].time,
        on_fail=plan.gates[0].consequence,
    )
    return Status(plan=plan, phase=Phase.PROGRESSING, gates=[gate]), plan


def test_what_no_look_will_decide_is_not_waited_for():
    assert unshown(*judged(Verdict.INCONCLUSIVE, final=True)) == "quality: too few"


def test_what_a_look_may_decide_is_waited_for():
    assert unshown(*judged(Verdict.INCONCLUSIVE, final=False)) is None


def test_a_gate_that_only_reports_holds_up_nothing():
    assert unshown(*judged(Verdict.INCONCLUSIVE, final=True, only_reports=True)) is None


def test_what_a_gate_before_traffic_waits_for_is_worth_a_write():
    status, _ = judged(Verdict.INCONCLUSIVE, final=False)
    (gate,) = status.gates
    other = gate.model_copy(update={"reason": "NoData", "message": "not there yet"})
    changed = status.model_copy(update={"gates": [other]})
    assert worth_writing(status, changed, NOW, NOW)
