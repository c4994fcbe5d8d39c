"""Gates on a mean: from both sides' long windows to sums over looks, and to a verdict on them."""

from datetime import datetime, timedelta

from cutover.api.evidence import EvidenceSums, FrozenReference, GateStatus
from cutover.api.gates import Gate, GateKind
from cutover.api.quantities import parse_duration, parse_share
from cutover.api.status import Plan, Status
from cutover.decide import clocks
from cutover.decide.applying import analysis_in_force
from cutover.decide.fulllook import FullLook, at_vantage, both_windows
from cutover.decide.readings import Gap, Missing, WindowReading
from cutover.decide.share import target_share
from cutover.decide.telling import Told, missing_verdict
from cutover.judge.meanrule import MeanRule, MeanTerms, judge_mean
from cutover.judge.means import MeanEvidence, MeanReference, Total, freeze_mean


def judge_means(
    plan: Plan, status: Status, gate: Gate, before: GateStatus | None, look: FullLook
) -> Told:
    """Judge a gate on a mean by what was summed up since the evidence began."""
    assert gate.mean_latency is not None  # noqa: S101 - the kind says so
    evidence, until = _kept(before), _kept_until(before, look)
    totals = _totals(gate, look)
    if isinstance(totals, Gap):
        return Told(missing_verdict(totals), EvidenceSums(until=until, sums=evidence.numbers()))
    looks = round((look.now - until) / parse_duration(plan.analysis.interval))
    evidence = evidence.upto(*totals, looks)
    weight = target_share(status)
    analysis = analysis_in_force(plan, status)
    rule = MeanRule(
        gate.name, gate.mean_latency.metric, parse_share(gate.mean_latency.max_increase)
    )
    terms = MeanTerms(
        weight=weight,
        min_requests=analysis.min_requests,
        min_duration_over=clocks.min_duration_over(status, analysis, look.now),
        reference=_reference(status, gate.name, evidence, weight),
    )
    kept = EvidenceSums(until=look.now, sums=evidence.numbers())
    return Told(judge_mean(rule, evidence, terms), kept)


def _kept(gate: GateStatus | None) -> MeanEvidence:
    if gate is None or gate.evidence is None:
        return MeanEvidence()
    return MeanEvidence.from_numbers(gate.evidence.sums)


def _kept_until(before: GateStatus | None, look: FullLook) -> datetime:
    if before is not None and before.evidence is not None:
        return min(look.now, before.evidence.until)
    return look.now - timedelta(seconds=look.window)


def _totals(gate: Gate, look: FullLook) -> tuple[Total, Total] | Gap:
    windows = both_windows(look)
    if isinstance(windows, Gap):
        return windows
    found: list[Total] = []
    for window in windows:
        total = mean_total(gate, window)
        if isinstance(total, Gap):
            return total
        found.append(total)
    return found[0], found[1]


def mean_total(gate: Gate, window: WindowReading) -> Total | Gap:
    """Return what one side summed up for a gate on a mean, or why it is not there."""
    assert gate.mean_latency is not None  # noqa: S101 - the caller looked
    seen, metric = at_vantage(gate, window), gate.mean_latency.metric
    if isinstance(seen, Gap):
        return seen
    total = seen.means.get(metric)
    return total or Gap(Missing.NO_SERIES, f"the mean of {metric} was not asked for")


def _reference(
    status: Status, gate: str, evidence: MeanEvidence, weight: float
) -> MeanReference | None:
    """The frozen reference, where the source gets too few requests to compare with; else None."""
    frozen = next((one for one in status.reference if one.gate == gate), None)
    if frozen is None or frozen.mean_seconds is None or frozen.mean_variance is None:
        return None
    enough = min(evidence.target.events, frozen.requests)
    if weight < 100 and evidence.source.events * 10 >= enough:
        return None
    return MeanReference(frozen.mean_seconds, frozen.mean_variance, frozen.requests)


def frozen_means(plan: Plan, status: Status, step: int, enough: float) -> list[FrozenReference]:
    """The references to keep when a step ends: what the source's means were in it."""
    if (status.weights.applied or 0) >= 100:
        return []
    kinds = {gate.name: gate.kind for gate in plan.gates}
    found: list[FrozenReference] = []
    for gate in status.gates:
        if kinds.get(gate.name) is not GateKind.MEAN_LATENCY:
            continue
        reference = freeze_mean(_kept(gate))
        if reference is not None and reference.events >= enough:
            found.append(
                FrozenReference(
                    gate=gate.name,
                    share=0.0,
                    requests=reference.events,
                    mean_seconds=reference.mean,
                    mean_variance=reference.variance,
                    step=step,
                )
            )
    return found
