"""Holdout gates: what both sides made of labelled items, asked by ourselves or evaluated elsewhere."""

from datetime import datetime, timedelta
from typing import Final

from cutover.api.evidence import GateStatus
from cutover.api.gates import Gate
from cutover.api.holdout import DEFAULT_AGE, HoldoutGate
from cutover.api.quantities import format_duration, parse_duration
from cutover.api.status import Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide.fulllook import FullLook
from cutover.decide.labelling import judge_asked, rule_of, unaskable
from cutover.decide.observation import Refusal, ResultsSeen, ResultsWanted
from cutover.decide.readings import Gap, Missing
from cutover.decide.telling import Told, as_before, missing_verdict
from cutover.judge.holdout import judge_holdout
from cutover.judge.results import Result, Unusable, contrast_of, read_result
from cutover.judge.verdict import Judgement

AHEAD: Final = timedelta(minutes=5)
"""How far another machine's clock may be ahead of ours."""


def results_wanted(plan: Plan, status: Status) -> tuple[ResultsWanted, ...]:
    """The evaluations to be read now: none while paused, and none of a gate that passed once and for all."""
    if status.pause is not None:
        return ()
    passed = {gate.name for gate in status.gates if gate.stands}
    return tuple(
        ResultsWanted(gate.name, gate.holdout.results.source, gate.holdout.results.target)
        for gate in plan.gates
        if gate.holdout is not None and gate.holdout.results is not None and gate.name not in passed
    )


def holdout_refusal(plan: Plan, gate: Gate) -> Refusal | None:
    """Say what keeps a holdout gate from ever being judged."""
    wanted = gate.holdout
    if wanted is None:
        return None
    if not gate.before_traffic:
        return Refusal(
            "InvalidSpec",
            f"gate {gate.name} is judged once, before any traffic: leave its run out",
        )
    if wanted.results is None:
        return unaskable(plan, gate)
    near, far = plan.source.cluster, plan.target.cluster
    if near == far and wanted.results.source == wanted.results.target:
        return Refusal(
            "InvalidSpec",
            f"gate {gate.name} reads ConfigMap {wanted.results.source} for both sides, which are in one"
            " cluster: give each side's results a ConfigMap of its own",
        )
    return None


def judge_holdout_gate(plan: Plan, gate: Gate, before: GateStatus | None, look: FullLook) -> Told:
    """Judge a holdout gate on what is known of its items."""
    assert gate.holdout is not None  # noqa: S101 - the caller looked
    if gate.holdout.results is None:
        return judge_asked(plan, gate, before, look)
    return Told(_on_results(gate, gate.holdout, before, look))


# --- evaluated elsewhere ------------------------------------------------------------------------


def _on_results(
    gate: Gate, wanted: HoldoutGate, before: GateStatus | None, look: FullLook
) -> Judgement:
    seen = look.results.get(gate.name)
    if seen is None and before is not None:
        return as_before(before)
    if seen is None:
        message = f"{gate.name}: the results of both sides are being read"
        return Judgement(Verdict.INCONCLUSIVE, "Reading", message)
    sides = _both(gate, wanted, seen, look.now)
    if isinstance(sides, Gap):
        return missing_verdict(sides)
    source, target = sides
    contrast = contrast_of(source, target, wanted.metric)
    if isinstance(contrast, Unusable):
        return missing_verdict(Gap(Missing.UNUSABLE, f"{gate.name}: {contrast.why}"))
    return judge_holdout(rule_of(gate), contrast)


def _both(
    gate: Gate, wanted: HoldoutGate, seen: ResultsSeen, now: datetime
) -> tuple[Result, Result] | Gap:
    found: list[Result] = []
    for side, values in zip(("source", "target"), seen, strict=True):
        result = _one(gate, wanted, side, values, now)
        if isinstance(result, Gap):
            return result
        found.append(result)
    source, target = found
    if source.dataset != target.dataset:
        return Gap(
            Missing.UNUSABLE,
            f"{gate.name}: the two results are of different datasets: evaluate the same items on both"
            " sides and write the same dataset",
        )
    return source, target


def _one(gate: Gate, wanted: HoldoutGate, side: str, values: object, now: datetime) -> Result | Gap:
    """One side's result, if it is there, whole, and of these days."""
    if isinstance(values, Gap):
        return Gap(values.missing, f"{gate.name}: {side}: {values.message}")
    assert isinstance(values, dict)  # noqa: S101 - all else is a gap
    assert wanted.results is not None  # noqa: S101 - the caller looked
    name = wanted.results.source if side == "source" else wanted.results.target
    result = read_result(values, wanted.metric)
    if isinstance(result, Unusable):
        return Gap(Missing.UNUSABLE, f"{gate.name}: {side}: ConfigMap {name} {result.why}")
    age = now - result.finished_at
    oldest = wanted.results.max_age or DEFAULT_AGE
    if age > parse_duration(oldest):
        return Gap(
            Missing.STALE,
            f"{gate.name}: {side}: the result in ConfigMap {name} was finished {format_duration(age)} ago,"
            f" more than maxAge {oldest}: evaluate again",
        )
    if age < -AHEAD:
        return Gap(
            Missing.UNUSABLE,
            f"{gate.name}: {side}: ConfigMap {name} has a finishedAt that is yet to come: correct it",
        )
    return result
