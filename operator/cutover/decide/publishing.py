"""Whether a status is worth a write: what people act on at once, mere numbers seldom."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cutover.api.evidence import GateStatus
from cutover.api.gates import Run
from cutover.api.status import Status
from cutover.api.verdict import Verdict
from cutover.decide.looking import has_traffic
from cutover.decide.transitions import FINISHED
from cutover.judge.bounds import BoundReason
from cutover.judge.terms import Reason

NUMBERS_EVERY = timedelta(minutes=1)
LASTING = timedelta(seconds=30)
"""From then on a streak is worth remembering."""
NUMBERS_EVERY_WHILE_PAUSED = timedelta(minutes=10)


def worth_writing(old: Status, new: Status, now: datetime, last_written: datetime | None) -> bool:
    """Tell whether ``new`` must be written now, given when the status was last written."""
    if _essence(old, now) != _essence(new, now):
        return True
    if old == new or new.phase in FINISHED:
        return False
    if not has_traffic(new):
        return new.pause is None and _sayings(old) != _sayings(new) and _due(new, now, last_written)
    return _due(new, now, last_written)


def _due(new: Status, now: datetime, last_written: datetime | None) -> bool:
    every = NUMBERS_EVERY if new.pause is None else NUMBERS_EVERY_WHILE_PAUSED
    return last_written is None or not timedelta(0) <= now - last_written < every


def _essence(status: Status, now: datetime) -> Mapping[str, Any]:
    """What a person or the next leader acts on, without the numbers that change at every look."""
    weights, step = status.weights, status.step
    return {
        "phase": status.phase,
        "attempt": status.attempt,
        "generation": status.observed_generation,
        "epoch": status.leader_epoch,
        "plan": status.plan.generation if status.plan else None,
        "step": (step.index, step.total, step.started_at) if step else None,
        "weights": (
            weights.desired,
            weights.declared,
            weights.applied,
            weights.applied_at,
            weights.mirrored,
        ),
        "standing": weights.standing,
        "delivery": weights.delivery_ok,
        "pause": (status.pause.cause, status.pause.acknowledged) if status.pause else None,
        "rollback": status.rollback,
        "evidence": status.evidence_since,
        "gates": _verdicts(status),
        "outage": status.outage_since,
        "health": _health(status, now),
        "source": _source(status),
        "release": status.release_failing_since,
        "enforced": status.enforced_at,
        "original": status.original,
        "preflight": [(one.name, one.state) for one in status.preflight],
        "conditions": [(one.type, one.status, one.reason) for one in status.conditions],
    }


def _source(status: Status) -> tuple[Any, ...] | None:
    """What has become of the source; not how many requests it still works on."""
    end = status.after_completion
    if end is None:
        return None
    said = "".join(one for one in end.message if not one.isdigit())
    return (end.source, end.since, said, end.left_behind)


def _health(status: Status, now: datetime) -> tuple[Any, ...]:
    """What the health guards go on from after a restart.

    One lost probe, and a limit that was passed a moment ago, come and go: they are not worth a write.
    """
    failures = status.probes.failures if status.probes else 0
    lasting = [
        one.since if one is not None and now - one.since >= LASTING else None
        for one in (status.queue, status.kv_cache)
    ]
    known = (status.xids is not None, status.source_replicas, status.warm_up)
    return (failures if failures > 1 else 0, *lasting, *known)


def _verdicts(status: Status) -> list[tuple[Any, ...]]:
    """Verdicts; before traffic what they wait for, too; when one was given for good; and of one that begins to fail every look: how it lies over them decides.

    While paused nothing waits for a Pass, so that only what is bad or becomes so counts.
    """
    if status.pause is None:
        return [_verdict(gate) for gate in status.gates]
    return [_verdict(gate) for gate in status.gates if _is_bad(gate) or _is_growing(gate)]


def _verdict(gate: GateStatus) -> tuple[Any, ...]:
    if _is_bad(gate):
        return (gate.name, gate.verdict, gate.reason, gate.failing_since)
    growing = gate.evidence if _is_growing(gate) else None
    waits_for = gate.reason if gate.run is Run.BEFORE_TRAFFIC else None
    judged = gate.judged.at if gate.judged is not None else None
    return (gate.name, gate.verdict, waits_for, growing, gate.breaches, judged)


def _is_bad(gate: GateStatus) -> bool:
    return gate.verdict in (Verdict.FAIL, Verdict.ERROR)


def _is_growing(gate: GateStatus) -> bool:
    return gate.reason in (Reason.BURST, Reason.TOO_FEW_ERRORS, BoundReason.BROKEN)


def _sayings(status: Status) -> tuple[Any, ...]:
    return status.message, [one.message for one in status.conditions]
