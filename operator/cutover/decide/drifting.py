"""Drift gates: both sides' distributions over the long window, and one verdict for each step's evidence.

**Once.** The evidence grows from look to look, and a test that is repeated on it finds in the end what is
not there. So a drift gate is judged at the first look at which ``minDuration`` is over, both sides have
enough and it is known that they get like prompts; that verdict stands (``GateStatus.judged``) until there
is other evidence: another weight, an edited spec, a pause or soak that outlasts its evidence. An answer that
is missing meanwhile shows as missing, and does not have the gate judged twice.

**When it does not count.** Below weight 10 the target gets too few requests for distributions: the gate
says how far apart they are, passes as ``ReportedOnly`` and holds nothing. From weight 10 on it waits for
enough; where they cannot come within ``maxDuration`` at the rate seen, it only reports as well, and says
so. Either way it passes no sooner than a latency gate could: not on fewer than ``minRequests`` (a quarter
at weight 1, half at 5). What is missing altogether is never reported as a Pass.

**Without a source to compare with** (at weight 100, while soaking) the source's distribution of the last
step that had enough stands for it (``status.referenceDistributions``); a Fail then pauses, since what
people ask changes with the time of day. Where there never was enough, the gate says that and only reports.

The prompts (``input_mix``) are looked at each time: see ``judge.drift.judge_mix``.
"""

from dataclasses import replace

from cutover.api.drift import DriftGate
from cutover.api.evidence import FrozenDistribution, GateStatus, JudgedOnce
from cutover.api.gates import Gate
from cutover.api.quantities import parse_duration, parse_ratio
from cutover.api.status import Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide import clocks
from cutover.decide.fulllook import FullLook, both_windows, window_of
from cutover.decide.readings import Gap, Missing, Reading, WindowReading
from cutover.decide.share import target_share
from cutover.decide.telling import Told, missing_verdict
from cutover.judge.distribution import Classes, Paired, of_buckets, of_classes
from cutover.judge.drift import PROMPT_TOKENS, DriftReason, DriftRule, judge_drift, judge_mix
from cutover.judge.freezing import folded, frozen_cells, thawed
from cutover.judge.histogram import Buckets
from cutover.judge.terms import Reason, slack_at
from cutover.judge.verdict import Judgement

FROM_WEIGHT = 10
"""Percent on the target from which a drift gate is judged in earnest."""
LITTLE = 10.0
"""A source with less than this part of the target's and of its own frozen requests is not compared with."""


def judge_drifting(
    plan: Plan,
    status: Status,
    gate: Gate,
    before: GateStatus | None,
    look: FullLook,
    *,
    mix: Judgement | None,
) -> Told:
    """Judge a drift gate, or tell what it said of this step's evidence; ``mix`` is this look's `input_mix`."""
    assert gate.drift is not None  # noqa: S101 - the caller looked
    judged = before.judged if before is not None else None
    windows = both_windows(look)
    if isinstance(windows, Gap):
        return Told(missing_verdict(windows), judged=judged)
    target = _of(windows[1], gate)
    if isinstance(target, Gap):
        return Told(missing_verdict(target), judged=judged)
    if judged is not None:
        return Told(_again(judged), judged=judged)
    source = _source(status, gate, windows[0], target)
    if isinstance(source, Gap):
        return Told(missing_verdict(source))
    if source is None:
        return Told(_alone(gate, target.total, plan, status))
    distribution, frozen = source
    if frozen and isinstance(distribution, Classes) and isinstance(target, Classes):
        target = folded(target, distribution)
    pair = _paired(distribution, target)
    if pair is None:
        return Told(missing_verdict(_no_common_edge(gate)))
    found = judge_drift(_rule(gate.name, gate.drift), pair, frozen=frozen)
    verdict = _in_this_step(found, plan, status, look, mix=mix)
    once = verdict is found and found.verdict in (Verdict.PASS, Verdict.FAIL)
    return Told(verdict, judged=_kept(found, look) if once else None)


def _rule(name: str, drift: DriftGate) -> DriftRule:
    return DriftRule(name, drift.what, drift.method, parse_ratio(drift.max))


# --- what is compared ---------------------------------------------------------------------------


def _of(window: WindowReading, gate: Gate) -> Buckets | Classes | Gap:
    assert gate.drift is not None  # noqa: S101 - the caller looked
    found = window.distributions.get(gate.drift.key(gate.name))
    if found is None:
        return Gap(
            Missing.NO_SERIES, f"gate {gate.name}: {gate.drift.what} was not told at this look"
        )
    return found


def _source(
    status: Status, gate: Gate, window: WindowReading, target: Buckets | Classes
) -> tuple[Buckets | Classes, bool] | Gap | None:
    """What the target is compared with, and whether that is a frozen one; None: with nothing."""
    live = _of(window, gate)
    kept = next((one for one in status.reference_distributions if one.gate == gate.name), None)
    frozen = thawed(kept.edges, kept.classes, kept.counts) if kept is not None else None
    at_all = (status.weights.applied or 0) >= 100
    if frozen is None:
        return None if at_all else live if isinstance(live, Gap) else (live, False)
    nothing = isinstance(live, Gap) and live.missing is Missing.NO_DATA
    if at_all or nothing:
        return frozen, True
    if isinstance(live, Gap):
        return live
    few = live.total * LITTLE < min(target.total, frozen.total)
    return (frozen, True) if few else (live, False)


def _paired(source: Buckets | Classes, target: Buckets | Classes) -> Paired | None:
    if isinstance(source, Buckets) and isinstance(target, Buckets):
        return of_buckets(source, target)
    if isinstance(source, Classes) and isinstance(target, Classes):
        return of_classes(source, target)
    return None


def _no_common_edge(gate: Gate) -> Gap:
    return Gap(
        Missing.NO_DATA,
        f"gate {gate.name}: the two sides' distributions have no bucket edge in common: give both servers"
        " the same buckets",
    )


# --- what it counts for in this step ------------------------------------------------------------


def _in_this_step(
    found: Judgement, plan: Plan, status: Status, look: FullLook, *, mix: Judgement | None
) -> Judgement:
    """The judgement itself where it counts; else what is waited for, or that it is only reported."""
    weight = target_share(status)
    few = found.reason == DriftReason.TOO_FEW_REQUESTS
    if weight < FROM_WEIGHT:
        why = f"from weight {FROM_WEIGHT} on it counts"
        return _only_reported(found, plan, weight, why)
    if not clocks.min_duration_over(status, plan.analysis, look.now):
        return found if few else _unsettled(found, DriftReason.TOO_SOON, _TOO_SOON)
    if few:
        if _in_reach(found, plan, status, look):
            return found
        longest = plan.analysis.max_duration
        why = f"so many will not come within maxDuration {longest}"
        return _only_reported(found, plan, weight, why)
    if mix is not None and mix.verdict is Verdict.FAIL:
        return _unsettled(found, DriftReason.INPUT_MIX_DIFFERS, _OTHER_PROMPTS)
    if mix is not None and mix.verdict is Verdict.INCONCLUSIVE:
        if not _in_reach(mix, plan, status, look):
            why = "the prompts are too few to tell whether both sides get the same"
            return _only_reported(found, plan, weight, why)
        return _unsettled(found, DriftReason.TOO_FEW_REQUESTS, _MIX_UNKNOWN, mix.requests_missing)
    return found


_TOO_SOON = "it will be judged once, when the step's minimum duration is over"
_OTHER_PROMPTS = "the two sides get different prompts"
_MIX_UNKNOWN = "it will be judged when it is known that both sides get like prompts"


def _unsettled(
    found: Judgement, reason: DriftReason, why: str, missing: float | None = None
) -> Judgement:
    return Judgement(
        verdict=Verdict.INCONCLUSIVE,
        reason=reason,
        message=f"{_so_far(found)}; {why}",
        value=found.value,
        bound=found.bound,
        source_count=found.source_count,
        target_count=found.target_count,
        requests_missing=missing,
    )


def _so_far(found: Judgement) -> str:
    """What was measured, without what it would have meant."""
    return found.message.partition(";")[0]


def _only_reported(found: Judgement, plan: Plan, weight: float, why: str) -> Judgement:
    """A Pass that holds nothing, as soon as the target has as many requests as any gate needs to pass."""
    needed = plan.analysis.min_requests / slack_at(weight)
    seen = found.target_count or 0.0
    if seen < needed or not found.source_count:
        missing = max(1.0, needed - seen)
        return _unsettled(found, DriftReason.TOO_FEW_REQUESTS, f"only reported: {why}", missing)
    return Judgement(
        verdict=Verdict.PASS,
        reason=DriftReason.REPORTED_ONLY,
        message=f"{_so_far(found)}; only reported: {why}",
        value=found.value,
        bound=found.bound,
        source_count=found.source_count,
        target_count=found.target_count,
    )


def _in_reach(found: Judgement, plan: Plan, status: Status, look: FullLook) -> bool:
    """Whether what is missing comes within ``maxDuration`` if requests go on coming as they have."""
    if found.requests_missing is None:
        return False
    waited = clocks.waited(status.weights.applied_at, look.now)
    left = (parse_duration(plan.analysis.max_duration) - waited).total_seconds()
    rate = (found.target_count or 0.0) / look.window if look.window else 0.0
    return found.requests_missing <= rate * max(0.0, left)


def _alone(gate: Gate, requests: float, plan: Plan, status: Status) -> Judgement:
    assert gate.drift is not None  # noqa: S101 - the caller looked
    enough = requests >= plan.analysis.min_requests / slack_at(target_share(status))
    return Judgement(
        verdict=Verdict.PASS if enough else Verdict.INCONCLUSIVE,
        reason=DriftReason.REPORTED_ONLY if enough else DriftReason.TOO_FEW_REQUESTS,
        message=f"{gate.name}: the source has no requests, and no earlier step had enough of them to compare"
        f" {gate.drift.what} with; only reported",
        source_count=0.0,
        target_count=requests,
    )


# --- once ---------------------------------------------------------------------------------------


def _kept(found: Judgement, look: FullLook) -> JudgedOnce:
    told = {name: getattr(found, name) for name in JudgedOnce.model_fields if name != "at"}
    return JudgedOnce(at=look.now, **told | {"message": found.message[:1024]})


def _again(judged: JudgedOnce) -> Judgement:
    found = Judgement(**judged.model_dump(exclude={"at"}))
    words = f"{judged.message} (judged once for this evidence, at {judged.at:%H:%MZ})"
    return replace(found, message=words)


# --- what comes in ------------------------------------------------------------------------------


def input_mix(status: Status, look: FullLook) -> Judgement | None:
    """Whether both sides get like prompts; None where that cannot be told, or there is no source to compare."""
    windows = both_windows(look)
    if isinstance(windows, Gap) or (status.weights.applied or 0) >= 100:
        return None
    source, target = (one.distributions.get(PROMPT_TOKENS) for one in windows)
    if not isinstance(source, Buckets) or not isinstance(target, Buckets):
        return None
    return judge_mix(source, target)


def with_mix(gate: Gate, told: Told, mix: Judgement | None) -> Told:
    """Let no comparison count while the two sides get different prompts; limits of one side stay."""
    if mix is None or mix.verdict is not Verdict.FAIL or not _compares(gate, told.judgement):
        return told
    judgement = Judgement(
        verdict=Verdict.INCONCLUSIVE,
        reason=DriftReason.INPUT_MIX_DIFFERS,
        message=f"{gate.name}: cannot be compared while the two sides get different prompts: {_so_far(mix)}"
        f" (the limit is {mix.bound:g}); is the split by user, tenant or region instead of random?",
        value=told.judgement.value,
        bound=told.judgement.bound,
        source_count=told.judgement.source_count,
        target_count=told.judgement.target_count,
        unit=told.judgement.unit,
    )
    return replace(told, judgement=judgement)


def _compares(gate: Gate, judgement: Judgement) -> bool:
    """Whether a verdict rests on a comparison with what the source answers now."""
    if judgement.verdict is Verdict.ERROR or judgement.pauses:
        return False
    if judgement.reason == Reason.BELOW_LIMIT:
        return False
    return gate.latency is not None or gate.traffic_drift is not None


# --- the reference ------------------------------------------------------------------------------


def frozen_distributions(
    status: Status,
    plan: Plan,
    source: Reading | None,
    window: float | None,
    *,
    step: int,
    enough: float,
) -> list[FrozenDistribution]:
    """The references to keep when a step ends: the source's distributions, where it had ``enough`` requests."""
    kept = {one.gate: one for one in status.reference_distributions}
    seen = window_of(source, window) if window is not None else None
    if not isinstance(seen, WindowReading) or (status.weights.applied or 0) >= 100:
        return list(kept.values())
    for gate in plan.gates:
        if gate.traffic_drift is None:
            continue
        found = seen.distributions.get(gate.traffic_drift.key(gate.name))
        if found is None or isinstance(found, Gap) or found.total < enough:
            continue
        edges, classes, counts = frozen_cells(found)
        kept[gate.name] = FrozenDistribution(
            gate=gate.name, edges=edges, classes=classes, counts=counts, step=step
        )
    return list(kept.values())
