"""Drift gates over golden outputs: what is asked of both sides before traffic, and the one verdict on it.

Nothing but the progress is kept in the status: a distribution takes every answer. A replay that was broken
off by a restart or a pause asks all items again; one that is finished leaves its verdict, which stays until a
person resumes from the pause it led to.
"""

from cutover.api.drift import GIVES, DriftGate, DriftGolden, DriftMethod, Output
from cutover.api.evidence import GateStatus
from cutover.api.gates import Gate
from cutover.api.holdout import Prediction
from cutover.api.quantities import parse_ratio
from cutover.api.status import Plan
from cutover.api.verdict import Verdict
from cutover.decide.asking import ReplayWanted
from cutover.decide.fulllook import FullLook
from cutover.decide.labelling import unanswered, unreachable
from cutover.decide.observation import Refusal
from cutover.decide.replayed import about, asked_once, asking, kept
from cutover.decide.telling import Told, as_before
from cutover.judge.drift import DriftRule
from cutover.judge.outputs import OutputsFold
from cutover.judge.predictions import Where
from cutover.judge.verdict import Judgement
from cutover.judge.wording import count


def outputs_refusal(plan: Plan, gate: Gate) -> Refusal | None:
    """Say what keeps golden outputs from being asked for, or from being compared."""
    if gate.golden_drift is None:
        return None
    drift, spec = _specs(gate)
    if not gate.before_traffic:
        return Refusal(
            "InvalidSpec",
            f"gate {gate.name} is judged once, before any traffic: leave its run out",
        )
    if spec.protocol not in GIVES[spec.output]:
        return Refusal(
            "InvalidSpec",
            f"gate {gate.name} compares a {spec.output}, which answers of {spec.protocol} do not hold: use"
            f" {' or '.join(GIVES[spec.output])}",
        )
    if spec.output is Output.LABEL and drift.method in (DriftMethod.KS, DriftMethod.WASSERSTEIN):
        return Refusal(
            "InvalidSpec",
            f"gate {gate.name} compares labels by {drift.method}, but labels have no order: use TV, JS, PSI"
            " or ChiSquare",
        )
    return unreachable(plan, gate, spec.protocol)


def outputs_wanted(plan: Plan, gate: Gate, before: GateStatus | None) -> ReplayWanted | None:
    """Return the replay that this gate needs; None: its verdict is known."""
    drift, spec = _specs(gate)
    topic = about(plan, drift)
    known = kept(before, topic)
    if known is not None and known.finished:
        return None
    asked = asking(spec, spec.dataset, spec.protocol)
    return ReplayWanted(gate.name, topic, asked, _fresh(spec), repeat=0.0)


def judge_outputs(plan: Plan, gate: Gate, before: GateStatus | None, look: FullLook) -> Told:
    """Judge what was answered when all is asked; before that, and ever after, tell what is known."""
    drift, spec = _specs(gate)
    topic = about(plan, drift)
    seen = look.replays.get(gate.name)
    if seen is None or seen.about != topic or not isinstance(seen.fold, OutputsFold):
        known = kept(before, topic)
        if before is not None and known is not None and known.finished:
            return Told(as_before(before), replay=known)
        return Told(
            _asking(gate, _fresh(spec)),
            replay=asked_once(topic, _fresh(spec), finished=False, sums=[]),
        )
    replay = asked_once(topic, seen.fold, finished=seen.finished, sums=[])
    if seen.finished:
        return Told(_judge(gate, seen.fold), replay=replay)
    if seen.problem is not None:
        message = f"{gate.name}: {seen.problem.message}; tried again every minute"
        return Told(_said(gate, Verdict.ERROR, seen.problem.reason, message), replay=replay)
    return Told(_asking(gate, seen.fold), replay=replay)


# --- the verdict --------------------------------------------------------------------------------


def _judge(gate: Gate, fold: OutputsFold) -> Judgement:
    drift, _ = _specs(gate)
    lost = unanswered(fold.asked, fold.source, fold.target)
    if lost is not None:
        return _said(gate, Verdict.ERROR, lost.reason, f"{gate.name}: {lost.message}")
    fault = fold.fault()
    if fault is not None:
        return _said(gate, Verdict.ERROR, "Unreadable", f"{gate.name}: {fault}")
    rule = DriftRule(gate.name, drift.what, drift.method, parse_ratio(drift.max), unit="answers")
    return fold.judge(rule)


def _asking(gate: Gate, fold: OutputsFold) -> Judgement:
    progress = "the golden inputs are being read"
    if fold.digest:
        progress = f"{count(fold.asked)} of {count(fold.total)} golden inputs asked on both sides"
    return _said(gate, Verdict.INCONCLUSIVE, "Replaying", f"{gate.name}: {progress}")


def _said(gate: Gate, verdict: Verdict, reason: str, message: str) -> Judgement:
    return Judgement(verdict, reason, message, bound=parse_ratio(_specs(gate)[0].max))


# --- what the gate says, and what is kept -------------------------------------------------------


def _specs(gate: Gate) -> tuple[DriftGate, DriftGolden]:
    assert gate.drift is not None  # noqa: S101 - the caller looked
    assert gate.drift.golden is not None  # noqa: S101 - the caller looked
    return gate.drift, gate.drift.golden


def _fresh(spec: DriftGolden) -> OutputsFold:
    found = spec.prediction or Prediction()
    where = Where(found.after or "", found.until or "", found.output or "", found.index)
    return OutputsFold(spec.output, where)
