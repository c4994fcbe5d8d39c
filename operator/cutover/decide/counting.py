"""Gates that count requests: from both sides' long windows to running sums, and to a verdict on them.

The long window begins with the evidence, so its counts are all there is since then: what a look adds
is the difference to the sums so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cutover.api.evidence import EvidenceSums, FrozenReference, GateStatus
from cutover.api.gates import Gate
from cutover.api.quantities import parse_duration, parse_ratio, parse_share
from cutover.api.status import Plan, Status
from cutover.decide import clocks
from cutover.decide.fulllook import FullLook, at_vantage, both_windows
from cutover.decide.loading import load_seen
from cutover.decide.readings import Gap, Missing, WindowReading
from cutover.decide.share import target_share
from cutover.decide.telling import Told, missing_verdict
from cutover.judge.errors import ErrorRule, judge_errors
from cutover.judge.evidence import Count, Evidence, Reference, SideSums, accumulate, freeze, pooled
from cutover.judge.histogram import Buckets, aligned, share_above, snap
from cutover.judge.latency import LatencyRule, judge_latency
from cutover.judge.load import Load
from cutover.judge.verdict import Judgement


@dataclass(frozen=True, slots=True)
class GateCounts:
    """Both sides of one gate over the same window, ready to be judged."""

    source: Count
    target: Count
    edge_seconds: float = 0.0


def judge_counted(
    plan: Plan, status: Status, gate: Gate, before: GateStatus | None, look: FullLook
) -> Told:
    """Judge a latency or error gate on what was counted since the evidence began."""
    evidence = evidence_of(before)
    until = _kept_until(before, look)
    counts = _counts(gate, look)
    if isinstance(counts, Gap):
        judgement = missing_verdict(counts)
    else:
        weight = target_share(status)
        reference = reference_for(status, gate.name, evidence, weight)
        looks = (look.now - until) / parse_duration(plan.analysis.interval)
        evidence = gathered(evidence, added(evidence, counts), reference, round(looks))
        until = look.now
        over = clocks.min_duration_over(status, plan.analysis, look.now)
        judgement = judge_gate(
            plan,
            status,
            gate,
            evidence,
            counts.edge_seconds,
            min_duration_over=over,
            load=load_seen(status, look),
        )
    return Told(judgement, EvidenceSums(until=until, sums=evidence.numbers()))


def _kept_until(before: GateStatus | None, look: FullLook) -> datetime:
    """Where the sums end that were kept: what came since is new."""
    if before is not None and before.evidence is not None:
        return min(look.now, before.evidence.until)
    return look.now - timedelta(seconds=look.window)


def _counts(gate: Gate, look: FullLook) -> GateCounts | Gap:
    windows = both_windows(look)
    return windows if isinstance(windows, Gap) else gate_counts(gate, *windows)


def gate_counts(gate: Gate, source: WindowReading, target: WindowReading) -> GateCounts | Gap:
    """Count requests and bad requests of both sides for one gate, or say what is missing."""
    ours, theirs = at_vantage(gate, source), at_vantage(gate, target)
    if isinstance(ours, Gap):
        return ours
    return theirs if isinstance(theirs, Gap) else _seen_counts(gate, ours, theirs)


def _seen_counts(gate: Gate, source: WindowReading, target: WindowReading) -> GateCounts | Gap:
    if gate.latency is not None:
        return _latency_counts(gate, source, target)
    counts: list[Count] = []
    for side in (source, target):
        if isinstance(side.requests, Gap):
            return side.requests
        if isinstance(side.errors, Gap):
            return side.errors
        counts.append(Count(side.requests, min(side.errors, side.requests)))
    return GateCounts(counts[0], counts[1])


def _latency_counts(gate: Gate, source: WindowReading, target: WindowReading) -> GateCounts | Gap:
    assert gate.latency is not None  # noqa: S101 - the caller looked
    found: list[Buckets] = []
    for side in (source, target):
        buckets = side.latencies.get(gate.latency.metric)
        if buckets is None or isinstance(buckets, Gap):
            return buckets or Gap(
                Missing.NO_SERIES, f"gate {gate.name}: {gate.latency.metric} was not asked for"
            )
        found.append(buckets)
    left, right = aligned(found[0], found[1])
    threshold = parse_duration(gate.latency.threshold).total_seconds()
    snapped = snap(threshold, left.edges)
    if snapped is None:
        return Gap(
            Missing.NO_DATA,
            f"gate {gate.name}: the two sides' histograms of {gate.latency.metric} have no bucket edge in"
            " common; give both servers the same buckets",
        )
    edge = snapped.edge
    return GateCounts(share_above(left, edge), share_above(right, edge), edge)


def added(sums: Evidence, counts: GateCounts) -> tuple[Count, Count]:
    """What this look adds to the sums, given all there is since the evidence began."""
    return (
        _more(sums.source.count, counts.source),
        _more(sums.target.count, counts.target),
    )


def _more(before: Count, now: Count) -> Count:
    total = max(0.0, now.total - before.total)
    return Count(total, min(total, max(0.0, now.bad - before.bad)))


def gathered(
    evidence: Evidence,
    counts: tuple[Count, Count],
    reference: Reference | None,
    looks: int,
) -> Evidence:
    """Add what came since the sums were kept; as many ``looks`` as would have been taken lie in it.

    After an outage, or because numbers are stored but once in a while, it is more than one. How bad
    requests lay over them is not known: as one look they would outweigh all that follow, so they
    are counted as equal looks, and of more than two the excess is not counted at all.
    """
    whole = accumulate(evidence, *counts, reference)
    if looks <= 1:
        return whole
    source, target = counts
    spread = whole if looks == 2 else evidence
    return Evidence(
        source=_in_parts(evidence.source, source, looks),
        target=_in_parts(evidence.target, target, looks),
        excess=spread.excess,
        excess_squared=spread.excess_squared,
    )


def _in_parts(sums: SideSums, count: Count, looks: int) -> SideSums:
    if not count.total:
        return sums
    n, bad = count.total, min(count.bad, count.total)
    return SideSums(
        sums.n + n,
        sums.bad + bad,
        sums.looks + looks,
        sums.squares + n * n / looks,
        sums.bad_squares + bad * bad / n,
    )


def judge_gate(
    plan: Plan,
    status: Status,
    gate: Gate,
    evidence: Evidence,
    edge_seconds: float,
    *,
    min_duration_over: bool,
    load: Load | None = None,
) -> Judgement:
    """Apply the gate's rule to the evidence of this step."""
    weight = target_share(status)
    terms = {
        "weight": weight,
        "min_requests": plan.analysis.min_requests,
        "min_duration_over": min_duration_over,
        "reference": reference_for(status, gate.name, evidence, weight),
        "history_correlation": history_correlation(status, gate.name),
        "load": None if plan.analysis.allow_load_mismatch else load,
    }
    rule = rule_of(gate, edge_seconds)
    if isinstance(rule, LatencyRule):
        return judge_latency(rule, evidence, **terms)  # type: ignore[arg-type]
    return judge_errors(rule, evidence, **terms)  # type: ignore[arg-type]


def rule_of(gate: Gate, edge_seconds: float) -> LatencyRule | ErrorRule:
    """Read the gate's limits; ``edge_seconds`` is the bucket edge in force of a latency gate."""
    if gate.latency is not None:
        return LatencyRule(
            name=gate.name,
            metric=gate.latency.metric,
            edge_seconds=edge_seconds,
            max_above=parse_share(gate.latency.max_above),
            margin=parse_share(gate.latency.margin),
        )
    assert gate.error_rate is not None  # noqa: S101 - admission and resolve() allow no third kind
    return ErrorRule(
        name=gate.name,
        max=parse_share(gate.error_rate.max),
        ratio=parse_ratio(gate.error_rate.ratio),
    )


def reference_for(status: Status, gate: str, evidence: Evidence, weight: float) -> Reference | None:
    """The frozen reference, where the source gets too few requests to compare with; else None."""
    frozen = next((one for one in status.reference if one.gate == gate), None)
    if frozen is None:
        return None
    if weight < 100 and evidence.source.n * 10 >= min(evidence.target.n, frozen.requests):
        return None
    return _as_reference(frozen)


MOST_HISTORY = 0.025
"""What the past may claim at most, half of a within-look correlation of 0.05 (what was simulated).

One outage of a minute makes a day's correlation 0.25: no rollout would find evidence enough that day,
though nothing of it is to be expected in this step. What does come in this step counts in full.
"""


def history_correlation(status: Status, gate: str) -> float:
    """Half of the within-look correlation of the source's past, bounded; 0.0 where it is not known."""
    past = next((one for one in status.source_history if one.gate == gate), None)
    return min(MOST_HISTORY, (past.correlation or 0.0) / 2.0) if past else 0.0


def frozen_references(
    gates: Sequence[Gate], status: Status, step: int, enough: float
) -> list[FrozenReference]:
    """The references to keep when a step ends: this step's, where the source had enough requests.

    Steps that follow one another count together. A pause or approval between them begins anew, since rates
    move with the time of day; so does what was measured before the first step, of which no looks are known.
    """
    kept = {one.gate: one for one in status.reference}
    counting = {gate.name for gate in gates if gate.counts_requests}
    for gate in status.gates:
        if gate.name not in counting:
            continue
        evidence = evidence_of(gate)
        reference = freeze(evidence)
        if reference is not None and reference.n >= enough and (status.weights.applied or 0) < 100:
            reference = pooled(_before(kept.get(gate.name), step), reference)
            kept[gate.name] = FrozenReference(
                gate=gate.name,
                share=reference.share,
                requests=reference.n,
                correlation=reference.correlation,
                look_size=reference.look_size,
                step=step,
            )
    return list(kept.values())


def _before(kept: FrozenReference | None, step: int) -> Reference | None:
    """The reference that the step before this one left, if it did."""
    if kept is None or kept.step != step - 1 or kept.look_size <= 1:
        return None
    return _as_reference(kept)


def _as_reference(kept: FrozenReference) -> Reference:
    return Reference(kept.share, kept.requests, kept.correlation, kept.look_size)


def evidence_of(gate: GateStatus | None) -> Evidence:
    """The sums that the status keeps for a gate."""
    return Evidence.from_numbers(gate.evidence.sums) if gate and gate.evidence else Evidence.EMPTY
