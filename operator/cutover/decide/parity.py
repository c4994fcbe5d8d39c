"""Parity gates: what is to be replayed, what the status keeps of it, and the verdict on it."""

import hashlib
import json

from cutover.api.evidence import GateStatus, ReplayStatus, ReplayTally
from cutover.api.gates import Gate
from cutover.api.parity import Compare, ParityGate, PromptTokens
from cutover.api.quantities import parse_duration, parse_share
from cutover.api.status import Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide.asking import Asking, ReplayWanted
from cutover.decide.fulllook import FullLook
from cutover.decide.observation import ReplaySeen
from cutover.decide.share import mirrored
from cutover.decide.telling import Told
from cutover.judge.parity import Parity, ParityRule, Tally
from cutover.judge.verdict import Judgement

MAX_MISMATCH, REPEAT, RATE, CONCURRENCY, TIMEOUT = "1%", "20%", 10, 4, "1m"
"""Where the gate says nothing."""


def parity_wanted(
    plan: Plan, status: Status, gate: Gate, before: GateStatus | None
) -> ReplayWanted | None:
    """Return the replay that this gate needs; None: its verdict is known."""
    spec = _spec(gate)
    about = about_of(plan, status, gate)
    known = _kept(before, about)
    if known is not None and known.finished:
        return None
    return ReplayWanted(
        gate.name,
        about,
        Asking(
            dataset=spec.dataset,
            protocol=spec.protocol,
            scoring=spec.comparison is Compare.TEACHER_FORCED,
            logprobs=spec.comparison is not Compare.EXACT,
            rate=float(spec.rate or RATE),
            concurrency=spec.concurrency or CONCURRENCY,
            deadline=parse_duration(spec.timeout or TIMEOUT).total_seconds(),
        ),
        _fold(gate, known),
        parse_share(spec.repeat or REPEAT),
    )


def judge_parity(
    plan: Plan, status: Status, gate: Gate, before: GateStatus | None, look: FullLook
) -> Told:
    """Judge what was replayed up to this look."""
    about = about_of(plan, status, gate)
    known = _kept(before, about)
    seen = look.replays.get(gate.name)
    if seen is None or seen.about != about or not isinstance(seen.fold, Parity):
        fold, finished = _fold(gate, known), known is not None and known.finished
        return Told(fold.judge(finished=finished), replay=_stored(about, fold, finished=finished))
    judgement = seen.fold.judge(finished=seen.finished)
    if seen.problem is not None and judgement.verdict is Verdict.INCONCLUSIVE:
        judgement = _broken_off(gate, seen, judgement)
    return Told(judgement, replay=_stored(about, seen.fold, finished=seen.finished))


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
    """Whatever makes an earlier replay count for nothing, in 16 hexadecimal digits.

    A gate that runs at each step asks anew at each weight.
    """
    sides = [side.endpoint for side in (plan.source, plan.target)]
    what = [
        _spec(gate).model_dump(mode="json"),
        [side.model_dump(mode="json") if side else None for side in sides],
        plan.attempt,
        None if gate.before_traffic else _when(status),
    ]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


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


def _kept(before: GateStatus | None, about: str) -> ReplayStatus | None:
    replay = before.replay if before is not None else None
    return replay if replay is not None and replay.about == about else None


# --- as the status keeps it ---------------------------------------------------------------------


def _stored(about: str, fold: Parity, *, finished: bool) -> ReplayStatus:
    return ReplayStatus(
        about=about,
        golden_set=fold.digest,
        total=fold.total,
        repeats=fold.repeats,
        calibrated=fold.calibrated,
        asked=fold.asked,
        itself=_stored_tally(fold.itself),
        sides=_stored_tally(fold.sides),
        prompts_differ=fold.prompts_differ,
        examples=list(fold.examples),
        trouble=fold.trouble,
        served=fold.served,
        finished=finished,
    )


def _stored_tally(tally: Tally) -> ReplayTally:
    return ReplayTally(
        pairs=tally.pairs,
        differing=tally.differing,
        near_ties=tally.near_ties,
        source_unanswered=tally.source_unanswered,
        target_unanswered=tally.target_unanswered,
        distance=tally.distance,
        places=tally.places,
        agreeing=tally.agreeing,
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
        itself=_tally(known.itself),
        sides=_tally(known.sides),
        prompts_differ=known.prompts_differ,
        examples=tuple(known.examples),
        trouble=known.trouble,
        served=known.served,
    )


def _tally(kept: ReplayTally) -> Tally:
    return Tally(
        kept.pairs,
        kept.differing,
        kept.near_ties,
        kept.source_unanswered,
        kept.target_unanswered,
        kept.distance,
        kept.places,
        kept.agreeing,
    )
