"""Parity gates: what is to be replayed, what the status keeps of it, and the verdict on it."""

from cutover.api.evidence import GateStatus, ReplayStatus
from cutover.api.gates import Gate
from cutover.api.parity import Compare, ParityGate, PromptTokens
from cutover.api.quantities import parse_share
from cutover.api.status import Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide.asking import ReplayWanted
from cutover.decide.fulllook import FullLook
from cutover.decide.observation import ReplaySeen
from cutover.decide.replayed import about, asking, kept, read_tally, stored_tally
from cutover.decide.share import mirrored
from cutover.decide.telling import Told
from cutover.judge.parity import Parity, ParityRule
from cutover.judge.verdict import Judgement

MAX_MISMATCH, REPEAT = "1%", "20%"
"""Where the gate says nothing."""


def parity_wanted(
    plan: Plan, status: Status, gate: Gate, before: GateStatus | None
) -> ReplayWanted | None:
    """Return the replay that this gate needs; None: its verdict is known."""
    spec = _spec(gate)
    topic = about_of(plan, status, gate)
    known = kept(before, topic)
    if known is not None and known.finished:
        return None
    asked = asking(
        spec,
        spec.dataset,
        spec.protocol,
        scoring=spec.comparison is Compare.TEACHER_FORCED,
        logprobs=spec.comparison is not Compare.EXACT,
    )
    return ReplayWanted(
        gate.name,
        topic,
        asked,
        _fold(gate, known),
        parse_share(spec.repeat or REPEAT),
    )


def judge_parity(
    plan: Plan, status: Status, gate: Gate, before: GateStatus | None, look: FullLook
) -> Told:
    """Judge what was replayed up to this look."""
    topic = about_of(plan, status, gate)
    known = kept(before, topic)
    seen = look.replays.get(gate.name)
    if seen is None or seen.about != topic or not isinstance(seen.fold, Parity):
        fold, finished = _fold(gate, known), known is not None and known.finished
        return Told(fold.judge(finished=finished), replay=_stored(topic, fold, finished=finished))
    judgement = seen.fold.judge(finished=seen.finished)
    if seen.problem is not None and judgement.verdict is Verdict.INCONCLUSIVE:
        judgement = _broken_off(gate, seen, judgement)
    return Told(judgement, replay=_stored(topic, seen.fold, finished=seen.finished))


def _broken_off(gate: Gate, seen: ReplaySeen, judgement: Judgement) -> Judgement:
    """The replay stands still: nothing was looked at, and nothing is held against the target."""
    assert seen.problem is not None  # noqa: S101 - the caller looked
    return Judgement(
        verdict=Verdict.ERROR,
        reason=seen.problem.reason,
        message=f"{gate.name}: {seen.problem.message}; tried again every minute",
        value=judgement.value,
        bound=judgement.bound,
        source_count=judgement.source_count,
        target_count=judgement.target_count,
        unit=judgement.unit,
    )


def about_of(plan: Plan, status: Status, gate: Gate) -> str:
    """What a replay is about: a gate that runs at each step asks anew at each weight."""
    return about(plan, _spec(gate), None if gate.before_traffic else _when(status))


def _when(status: Status) -> int | list[str | int] | None:
    """What the gate is judged at; it asks anew at each."""
    copies = mirrored(status)
    return ["mirrored", copies] if copies else status.weights.applied


def rule_of(gate: Gate) -> ParityRule:
    """Return the gate's rule with every default resolved."""
    spec = _spec(gate)
    return ParityRule(
        name=gate.name,
        compare=spec.comparison,
        precision=spec.precision,
        max_mismatch=parse_share(spec.max_mismatch or MAX_MISMATCH),
        prompt_tokens_equal=spec.prompt_tokens is not PromptTokens.REPORT,
    )


def _spec(gate: Gate) -> ParityGate:
    assert gate.parity is not None  # noqa: S101 - the caller looked at its kind
    return gate.parity


# --- as the status keeps it ---------------------------------------------------------------------


def _stored(topic: str, fold: Parity, *, finished: bool) -> ReplayStatus:
    return ReplayStatus(
        about=topic,
        golden_set=fold.digest,
        total=fold.total,
        repeats=fold.repeats,
        calibrated=fold.calibrated,
        asked=fold.asked,
        itself=stored_tally(fold.itself),
        sides=stored_tally(fold.sides),
        prompts_differ=fold.prompts_differ,
        examples=list(fold.examples),
        trouble=fold.trouble,
        served=fold.served,
        finished=finished,
    )


def _fold(gate: Gate, known: ReplayStatus | None) -> Parity:
    rule = rule_of(gate)
    if known is None:
        return Parity(rule)
    return Parity(
        rule=rule,
        digest=known.golden_set,
        total=known.total,
        repeats=known.repeats,
        calibrated=known.calibrated,
        asked=known.asked,
        itself=read_tally(known.itself),
        sides=read_tally(known.sides),
        prompts_differ=known.prompts_differ,
        examples=tuple(known.examples),
        trouble=known.trouble,
        served=known.served,
    )
