"""From two sides' readings to each gate's verdict and to the delivered weight.

The windows asked for at a look are in ``windows``; the longest one begins with the evidence (or,
until ``settle`` is over, with the weight), so its counts are all there is since then: what a look
adds is the difference to the sums so far.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cutover.api.gates import Gate
from cutover.api.quantities import format_duration, parse_duration, parse_ratio, parse_share
from cutover.api.status import (
    EvidenceSums,
    FrozenReference,
    GateStatus,
    Plan,
    Status,
)
from cutover.api.verdict import Verdict
from cutover.decide import clocks
from cutover.decide.observation import Gap, Missing, Reading, SideReading, WindowReading
from cutover.judge.errors import ErrorRule, judge_errors
from cutover.judge.evidence import Count, Evidence, Reference, SideSums, accumulate, freeze
from cutover.judge.histogram import Buckets, aligned, share_above, snap
from cutover.judge.latency import LatencyRule, judge_latency
from cutover.judge.verdict import Judgement

REQUESTS = "Requests"
ERRORS = "Errors"


@dataclass(frozen=True, slots=True)
class FullLook:
    """One look at both sides, over one window that begins with the evidence."""

    source: Reading
    target: Reading
    window: float
    """Seconds back to where the evidence (or the weight) begins."""
    now: datetime
    gathering: bool
    """``settle`` is over; before that nothing is counted."""


@dataclass(frozen=True, slots=True)
class GateCounts:
    """Both sides of one gate over the same window, ready to be judged."""

    source: Count
    target: Count
    edge_seconds: float = 0.0


def window_of(reading: Reading | None, seconds: float) -> WindowReading | Gap | None:
    """Pick the window of that length; the whole side's gap when the side could not be read."""
    if reading is None or isinstance(reading, Gap):
        return reading
    return next((one for one in reading.windows if one.seconds == seconds), None)


def gate_counts(gate: Gate, source: WindowReading, target: WindowReading) -> GateCounts | Gap:
    """Count requests and bad requests of both sides for one gate, or say what is missing."""
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
) -> Judgement:
    """Apply the gate's rule to the evidence of this step."""
    weight = float(status.weights.applied or 0)
    terms = {
        "weight": weight,
        "min_requests": plan.analysis.min_requests,
        "min_duration_over": min_duration_over,
        "reference": reference_for(status, gate.name, evidence, weight),
        "history_correlation": history_correlation(status, gate.name),
    }
    if gate.latency is not None:
        rule = LatencyRule(
            name=gate.name,
            metric=gate.latency.metric,
            edge_seconds=edge_seconds,
            max_above=parse_share(gate.latency.max_above),
            margin=parse_share(gate.latency.margin),
        )
        return judge_latency(rule, evidence, **terms)  # type: ignore[arg-type]
    assert gate.error_rate is not None  # noqa: S101 - admission and resolve() allow no third kind
    error_rule = ErrorRule(
        name=gate.name,
        max=parse_share(gate.error_rate.max),
        ratio=parse_ratio(gate.error_rate.ratio),
    )
    return judge_errors(error_rule, evidence, **terms)  # type: ignore[arg-type]


def reference_for(status: Status, gate: str, evidence: Evidence, weight: float) -> Reference | None:
    """The frozen reference, where the source gets too few requests to compare with; else None."""
    frozen = next((one for one in status.reference if one.gate == gate), None)
    if frozen is None:
        return None
    if weight < 100 and evidence.source.n * 10 >= min(evidence.target.n, frozen.requests):
        return None
    return Reference(frozen.share, frozen.requests, frozen.correlation, frozen.look_size)


MOST_HISTORY = 0.025
"""What the past may claim at most, half of a within-look correlation of 0.05 (what was simulated).

One outage of a minute makes a day's correlation 0.25: no rollout would find evidence enough that day,
though nothing of it is to be expected in this step. What does come in this step counts in full.
"""


def history_correlation(status: Status, gate: str) -> float:
    """Half of the within-look correlation of the source's past, bounded; 0.0 where it is not known."""
    past = next((one for one in status.source_history if one.gate == gate), None)
    return min(MOST_HISTORY, (past.correlation or 0.0) / 2.0) if past else 0.0


def frozen_references(status: Status, step: int, enough: float) -> list[FrozenReference]:
    """The references to keep when a step ends: this step's, where the source had enough requests."""
    kept = {one.gate: one for one in status.reference}
    for gate in status.gates:
        evidence = evidence_of(gate)
        reference = freeze(evidence)
        if reference is not None and reference.n >= enough and (status.weights.applied or 0) < 100:
            kept[gate.name] = FrozenReference(
                gate=gate.name,
                share=reference.share,
                requests=reference.n,
                correlation=reference.correlation,
                look_size=reference.look_size,
                step=step,
            )
    return list(kept.values())


def evidence_of(gate: GateStatus | None) -> Evidence:
    """The sums that the status keeps for a gate."""
    return Evidence.from_numbers(gate.evidence.sums) if gate and gate.evidence else Evidence.EMPTY


def missing_verdict(gap: Gap) -> Judgement:
    """A gap is never a Pass: nothing in the window may yet come, everything else could not be looked at."""
    verdict = Verdict.INCONCLUSIVE if gap.missing is Missing.NO_DATA else Verdict.ERROR
    return Judgement(verdict=verdict, reason=gap.missing.value, message=gap.message)


def judge_gates(plan: Plan, status: Status, look: FullLook) -> list[GateStatus]:
    """Every gate's verdict at this look."""
    before = {one.name: one for one in status.gates}
    return [
        _judge_one(plan, status, gate, before.get(gate.name), look)
        if look.gathering
        else _settling(plan, gate, status, look.now)
        for gate in plan.gates
    ]


def _settling(plan: Plan, gate: Gate, status: Status, now: datetime) -> GateStatus:
    if status.weights.applied_at is None:
        message = f"{gate.name}: waits for the gateway to take the weight"
    else:
        left = parse_duration(plan.analysis.settle) - clocks.waited(status.weights.applied_at, now)
        message = f"{gate.name}: settling for another {format_duration(left)}"
    return GateStatus(
        name=gate.name, verdict=Verdict.INCONCLUSIVE, reason="Settling", message=message
    )


def _judge_one(
    plan: Plan, status: Status, gate: Gate, before: GateStatus | None, look: FullLook
) -> GateStatus:
    evidence = evidence_of(before)
    until = _kept_until(before, look)
    counts = _counts(gate, look)
    if isinstance(counts, Gap):
        judgement = missing_verdict(counts)
    else:
        weight = float(status.weights.applied or 0)
        reference = reference_for(status, gate.name, evidence, weight)
        looks = (look.now - until) / parse_duration(plan.analysis.interval)
        evidence = gathered(evidence, added(evidence, counts), reference, round(looks))
        until = look.now
        over = clocks.min_duration_over(status, plan.analysis, look.now)
        judgement = judge_gate(
            plan, status, gate, evidence, counts.edge_seconds, min_duration_over=over
        )
    return GateStatus(
        name=gate.name,
        verdict=judgement.verdict,
        reason=judgement.reason,
        message=judgement.message[:1024],
        value=judgement.value,
        bound=judgement.bound,
        source_count=judgement.source_count,
        target_count=judgement.target_count,
        query=_query(gate, look.target),
        window=f"{round(look.window)}s",
        looked_at=look.now,
        failing_since=_failing_since(judgement, before, look.now),
        evidence=EvidenceSums(until=until, sums=evidence.numbers()),
        pauses=judgement.pauses,
        requests_missing=judgement.requests_missing,
    )


def _kept_until(before: GateStatus | None, look: FullLook) -> datetime:
    """Where the sums end that were kept: what came since is new."""
    if before is not None and before.evidence is not None:
        return min(look.now, before.evidence.until)
    return look.now - timedelta(seconds=look.window)


def _failing_since(
    judgement: Judgement, before: GateStatus | None, now: datetime
) -> datetime | None:
    if judgement.verdict not in (Verdict.FAIL, Verdict.ERROR):
        return None
    return before.failing_since if before and before.failing_since else now


def _counts(gate: Gate, look: FullLook) -> GateCounts | Gap:
    left, right = window_of(look.source, look.window), window_of(look.target, look.window)
    if isinstance(left, Gap):
        return Gap(left.missing, f"source: {left.message}")
    if isinstance(right, Gap):
        return Gap(right.missing, f"target: {right.message}")
    if left is None or right is None:
        return Gap(Missing.NO_DATA, f"{gate.name}: this window was not asked for")
    if _overlaps(look.source) or _overlaps(look.target):
        return Gap(
            Missing.SIDES_OVERLAP,
            "source and target select the same series, so they would be compared with themselves:"
            " make spec.source.prometheus.matchers and spec.target.prometheus.matchers disjoint",
        )
    return gate_counts(gate, left, right)


def _overlaps(reading: Reading) -> bool:
    return isinstance(reading, SideReading) and reading.overlaps


def _query(gate: Gate, reading: Reading) -> str | None:
    if isinstance(reading, Gap):
        return None
    queries: Mapping[str, str] = reading.queries
    text = queries.get(gate.latency.metric if gate.latency else ERRORS)
    return text[:4096] if text else None


def worst(gates: Sequence[GateStatus]) -> Verdict:
    """The one word for all gates: Fail, then Error, then Inconclusive, then Pass."""
    order = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)
    verdicts = {gate.verdict for gate in gates}
    return next((one for one in order if one in verdicts), Verdict.PASS)
