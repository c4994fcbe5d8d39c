"""Holdout gates that ask both sides themselves: what is to be replayed, what the status keeps, the verdict."""

from typing import Final

from cutover.api.evidence import GateStatus, ReplayStatus
from cutover.api.gates import Gate
from cutover.api.golden import MODEL_IN_PATH, GoldenProtocol
from cutover.api.holdout import Average, HoldoutGate, HoldoutMetric, Prediction
from cutover.api.quantities import parse_share
from cutover.api.status import Plan
from cutover.api.verdict import Unit, Verdict
from cutover.decide.asking import ReplayWanted
from cutover.decide.fulllook import FullLook
from cutover.decide.observation import Refusal, ReplaySeen
from cutover.decide.replayed import about, asked_once, asking, kept, silences
from cutover.decide.telling import Told
from cutover.judge.holdout import HoldoutRule, judge_holdout
from cutover.judge.labelled import LabelledFold, Silence, Task
from cutover.judge.predictions import Where
from cutover.judge.verdict import Judgement
from cutover.judge.wording import count, percent

MOST_LOST: Final = 0.01
"""Share of the items that one side may leave unanswered: what it would have said is not known, and the
limit is a matter of tenths of a percent."""


def unaskable(plan: Plan, gate: Gate) -> Refusal | None:
    """Say what keeps both sides from being asked, or from being understood."""
    wanted = _spec(gate)
    protocol = wanted.protocol
    if wanted.dataset is None or protocol is None:
        return Refusal(
            "InvalidSpec", f"gate {gate.name} needs dataset and protocol, or results: set them"
        )
    gives_text = protocol.value.startswith("OpenAI")
    if protocol is GoldenProtocol.OPENAI_EMBEDDINGS or (
        gives_text and wanted.metric is HoldoutMetric.AUROC
    ):
        return Refusal(
            "InvalidSpec",
            f"gate {gate.name} cannot compute {wanted.metric} from answers of {protocol}: use another"
            " protocol or metric, or evaluate elsewhere and name holdout.results",
        )
    if (wanted.metric is HoldoutMetric.F1) != (wanted.average is not None):
        return Refusal("InvalidSpec", f"gate {gate.name}: average belongs to F1, and F1 needs it")
    if _task(wanted).needs_positive != (wanted.positive is not None):
        return Refusal(
            "InvalidSpec",
            f"gate {gate.name}: positive belongs to AUROC and binary F1, which need it",
        )
    return unreachable(plan, gate, protocol, ", or evaluate elsewhere and name holdout.results")


def unreachable(
    plan: Plan, gate: Gate, protocol: GoldenProtocol, instead: str = ""
) -> Refusal | None:
    """Say which side's model server is not named, and what can be done instead."""
    for name, side in (("source", plan.source), ("target", plan.target)):
        if side.endpoint is None:
            return Refusal(
                "InvalidSpec",
                f"gate {gate.name} asks both sides' model servers: name the {name}'s in"
                f" spec.{name}.endpoint{instead}",
            )
        if protocol in MODEL_IN_PATH and side.endpoint.model is None:
            return Refusal(
                "InvalidSpec",
                f"gate {gate.name} speaks {protocol}, which names the model in the path: set"
                f" spec.{name}.endpoint.model",
            )
    return None


def holdout_wanted(plan: Plan, gate: Gate, before: GateStatus | None) -> ReplayWanted | None:
    """Return the replay that this gate needs; None: it asks nobody, or its verdict is known."""
    spec = _spec(gate)
    if spec.dataset is None or spec.protocol is None:
        return None
    topic = about_of(plan, gate)
    known = kept(before, topic)
    if known is not None and known.finished and known.sums:
        return None
    asked = asking(spec, spec.dataset, spec.protocol)
    return ReplayWanted(gate.name, topic, asked, _fold(gate, known), repeat=0.0)


def judge_asked(plan: Plan, gate: Gate, before: GateStatus | None, look: FullLook) -> Told:
    """Judge what was answered up to this look."""
    topic = about_of(plan, gate)
    seen = look.replays.get(gate.name)
    if seen is None or seen.about != topic or not isinstance(seen.fold, LabelledFold):
        known = kept(before, topic)
        fold = _fold(gate, known)
        finished = known is not None and known.finished and bool(known.sums)
        return Told(
            _judge(gate, fold, finished=finished), replay=_stored(topic, fold, finished=finished)
        )
    judgement = _judge(gate, seen.fold, finished=seen.finished)
    if seen.problem is not None and not seen.finished:
        judgement = _broken_off(gate, seen)
    return Told(judgement, replay=_stored(topic, seen.fold, finished=seen.finished))


def rule_of(gate: Gate) -> HoldoutRule:
    """The gate's numbers."""
    spec = _spec(gate)
    return HoldoutRule(gate.name, spec.metric, parse_share(spec.delta))


def about_of(plan: Plan, gate: Gate) -> str:
    """What the gate's answers are about: they are asked once for the attempt."""
    return about(plan, _spec(gate))


# --- the verdict --------------------------------------------------------------------------------


def _judge(gate: Gate, fold: LabelledFold, *, finished: bool) -> Judgement:
    bound = parse_share(_spec(gate).delta)
    if fold.fault:
        return _said(Verdict.ERROR, "GoldenSetInvalid", f"{gate.name}: {fold.fault}", bound)
    if not finished:
        return _said(Verdict.INCONCLUSIVE, "Replaying", f"{gate.name}: {_progress(fold)}", bound)
    lost = unanswered(fold.asked, fold.source, fold.target) or _unreadable(gate, fold)
    if lost is not None:
        return _said(Verdict.ERROR, lost.reason, f"{gate.name}: {lost.message}", bound)
    return judge_holdout(rule_of(gate), fold.contrast(), aside=_aside(fold))


def _said(verdict: Verdict, reason: str, message: str, bound: float) -> Judgement:
    return Judgement(verdict, reason, message, bound=bound, unit=Unit.SHARE)


def _progress(fold: LabelledFold) -> str:
    if not fold.digest:
        return "the labelled items are being read"
    return f"{count(fold.asked)} of {count(fold.total)} labelled items asked on both sides"


def unanswered(asked: int, source: Silence, target: Silence) -> Refusal | None:
    """Say which side left too many of the items asked without an answer."""
    for name, side in (("source", source), ("target", target)):
        if side.unanswered > MOST_LOST * asked:
            return Refusal(
                "Unanswered",
                f"the {name} left {count(side.unanswered)} of {count(asked)} items unanswered, more"
                f" than {percent(MOST_LOST)} ({side.last})",
            )
    return None


def _unreadable(gate: Gate, fold: LabelledFold) -> Refusal | None:
    """Say that predictions are looked for in the wrong place.

    An answer that holds no class is a wrong one. But a source that hardly ever gives one is asked
    for something else; and nothing can be computed from an answer that is no number.
    """
    sides = {"source": fold.source, "target": fold.target}
    for name, side in sides.items():
        if side.unreadable > fold.task.most_unreadable(name) * fold.asked:
            return Refusal(
                "Unreadable",
                f"{count(side.unreadable)} of {count(fold.asked)} answers of the {name} hold no prediction"
                f" for {_spec(gate).metric}: correct holdout.prediction",
            )
    return None


def _aside(fold: LabelledFold) -> str:
    lost = fold.source.unanswered + fold.target.unanswered
    return f" ({count(lost)} unanswered items count for nothing)" if lost else ""


def _broken_off(gate: Gate, seen: ReplaySeen) -> Judgement:
    """The replay stands still: nothing was looked at, and nothing is held against the target."""
    assert seen.problem is not None  # noqa: S101 - the caller looked
    message = f"{gate.name}: {seen.problem.message}; tried again every minute"
    return _said(Verdict.ERROR, seen.problem.reason, message, parse_share(_spec(gate).delta))


# --- what the gate says, as judging needs it ----------------------------------------------------


def _spec(gate: Gate) -> HoldoutGate:
    assert gate.holdout is not None  # noqa: S101 - the caller looked at its kind
    return gate.holdout


def _task(spec: HoldoutGate) -> Task:
    found = spec.prediction or Prediction()
    where = Where(found.after or "", found.until or "", found.output or "", found.index)
    return Task(spec.metric, spec.average or Average.BINARY, spec.positive or "", where)


# --- as the status keeps it ---------------------------------------------------------------------


def _stored(topic: str, fold: LabelledFold, *, finished: bool) -> ReplayStatus:
    unreadable = [float(fold.source.unreadable), float(fold.target.unreadable)]
    numbers = fold.numbers()
    sums = [*unreadable, *numbers] if numbers and not fold.fault else []
    return asked_once(topic, fold, finished=finished, sums=sums)


def _fold(gate: Gate, known: ReplayStatus | None) -> LabelledFold:
    """Go on from what was kept; where it takes every item, all are asked again."""
    fresh = LabelledFold.of(_task(_spec(gate)))
    if known is None or len(known.sums) != 2 + fresh.task.sums:
        return fresh
    source, target = silences(known)
    return fresh.resumed(
        known.sums[2:],
        digest=known.golden_set,
        total=known.total,
        asked=known.asked,
        source=source,
        target=target,
    )
