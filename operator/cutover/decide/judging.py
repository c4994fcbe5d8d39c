"""Every gate's verdict at a full look: one module for each kind of gate, one place that asks them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_never

from cutover.api.evidence import GateStatus
from cutover.api.gates import Gate, GateKind
from cutover.api.quantities import format_duration, parse_duration
from cutover.api.status import Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide import clocks
from cutover.decide.applying import analysis_in_force, in_force
from cutover.decide.counting import judge_counted
from cutover.decide.drifting import input_mix, judge_drifting, with_mix
from cutover.decide.fulllook import FullLook
from cutover.decide.holdout import judge_holdout_gate
from cutover.decide.loading import load_seen, running_each, with_load
from cutover.decide.means import judge_means
from cutover.decide.outputs import judge_outputs
from cutover.decide.parity import judge_parity
from cutover.decide.querying import asked_query, judge_query
from cutover.decide.readings import Gap, gateway_key
from cutover.decide.telling import Told
from cutover.judge.verdict import Judgement

REQUESTS = "Requests"
ERRORS = "Errors"


def judge_gates(plan: Plan, status: Status, look: FullLook) -> list[GateStatus]:
    """The verdict at this look of every gate that applies now."""
    before = {one.name: one for one in status.gates}
    plan = plan.model_copy(update={"analysis": analysis_in_force(plan, status)})
    mix = input_mix(status, look) if look.gathering else None
    return [
        _verdict(plan, status, gate, before.get(gate.name), look, mix=mix)
        for gate in in_force(plan, status)
    ]


def _verdict(
    plan: Plan,
    status: Status,
    gate: Gate,
    before: GateStatus | None,
    look: FullLook,
    *,
    mix: Judgement | None,
) -> GateStatus:
    if before is not None and before.stands:
        return before
    if look.gathering or gate.before_traffic:
        return _judge_one(plan, status, gate, before, look, mix=mix)
    return _settling(plan, gate, status, look.now)


def _judge_one(
    plan: Plan,
    status: Status,
    gate: Gate,
    before: GateStatus | None,
    look: FullLook,
    *,
    mix: Judgement | None,
) -> GateStatus:
    told = with_mix(gate, _told(plan, status, gate, before, look, mix=mix), mix)
    told = with_load(plan, gate, told, load_seen(status, look))
    judgement = told.judgement
    return GateStatus(
        name=gate.name,
        verdict=judgement.verdict,
        reason=judgement.reason,
        message=judgement.message[:1024],
        value=judgement.value,
        bound=judgement.bound,
        unit=judgement.unit,
        source_count=judgement.source_count,
        target_count=judgement.target_count,
        source_running=running_each(look.source) if gate.counts_requests else None,
        target_running=running_each(look.target) if gate.counts_requests else None,
        query=_query(gate, look),
        window=f"{round(look.window)}s",
        looked_at=look.now,
        failing_since=_failing_since(judgement, before, look.now),
        evidence=told.evidence,
        breaches=told.breaches,
        judged=told.judged,
        replay=told.replay,
        final=judgement.final,
        pauses=judgement.pauses,
        requests_missing=judgement.requests_missing,
        on_fail=gate.consequence,
        run=gate.time,
    )


def _told(
    plan: Plan,
    status: Status,
    gate: Gate,
    before: GateStatus | None,
    look: FullLook,
    *,
    mix: Judgement | None,
) -> Told:
    match gate.kind:
        case GateKind.LATENCY | GateKind.ERROR_RATE:
            return judge_counted(plan, status, gate, before, look)
        case GateKind.MEAN_LATENCY:
            return judge_means(plan, status, gate, before, look)
        case GateKind.QUERY:
            return judge_query(plan, status, gate, before, look)
        case GateKind.DRIFT if gate.golden_drift is not None:
            return judge_outputs(plan, gate, before, look)
        case GateKind.DRIFT:
            return judge_drifting(plan, status, gate, before, look, mix=mix)
        case GateKind.PARITY:
            return judge_parity(plan, status, gate, before, look)
        case GateKind.HOLDOUT:
            return judge_holdout_gate(plan, gate, before, look)
        case _ as never:
            assert_never(never)


def _settling(plan: Plan, gate: Gate, status: Status, now: datetime) -> GateStatus:
    if status.weights.applied_at is None:
        message = f"{gate.name}: waits for the gateway to take the weight"
    else:
        left = parse_duration(plan.analysis.settle) - clocks.waited(status.weights.applied_at, now)
        message = f"{gate.name}: settling for another {format_duration(left)}"
    return GateStatus(
        name=gate.name,
        verdict=Verdict.INCONCLUSIVE,
        reason="Settling",
        message=message,
        on_fail=gate.consequence,
        run=gate.time,
    )


def _failing_since(
    judgement: Judgement, before: GateStatus | None, now: datetime
) -> datetime | None:
    if judgement.verdict not in (Verdict.FAIL, Verdict.ERROR):
        return None
    return before.failing_since if before and before.failing_since else now


def _query(gate: Gate, look: FullLook) -> str | None:
    if gate.kind is GateKind.QUERY:
        text = asked_query(gate, look)
    elif isinstance(look.target, Gap) or not gate.needs_traffic:
        text = None
    else:
        queries: Mapping[str, str] = look.target.queries
        text = queries.get(gateway_key(_asked(gate)) if gate.at_gateway else _asked(gate))
    return text[:4096] if text else None


def _asked(gate: Gate) -> str:
    """By what name a reading tells the gate's query."""
    if gate.latency is not None:
        return gate.latency.metric
    if gate.mean_latency is not None:
        return f"{gate.mean_latency.metric}.seconds"
    return gate.drift.key(gate.name) if gate.drift is not None else ERRORS


def worst(gates: Sequence[GateStatus]) -> Verdict:
    """The one word for all gates that can hold up anything: Fail, then Error, then Inconclusive, then Pass."""
    order = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)
    verdicts = {gate.verdict for gate in gates if not gate.only_reports}
    return next((one for one in order if one in verdicts), Verdict.PASS)
