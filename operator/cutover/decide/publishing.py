"""Whether a status is worth a write: what people act on at once, mere numbers seldom."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cutover.api.status import Phase, Status
from cutover.decide.looking import has_traffic

NUMBERS_EVERY = timedelta(minutes=1)
NUMBERS_EVERY_WHILE_PAUSED = timedelta(minutes=10)


def worth_writing(old: Status, new: Status, now: datetime, last_written: datetime | None) -> bool:
    """Tell whether ``new`` must be written now, given when the status was last written."""
    if _essence(old) != _essence(new):
        return True
    if old == new or new.phase in (Phase.COMPLETED, Phase.ROLLED_BACK):
        return False
    if not has_traffic(new):
        return False
    every = NUMBERS_EVERY if new.pause is None else NUMBERS_EVERY_WHILE_PAUSED
    return last_written is None or now - last_written >= every


def _essence(status: Status) -> Mapping[str, Any]:
    """What a person or the next leader acts on, without the numbers that change at every look."""
    weights, step = status.weights, status.step
    return {
        "phase": status.phase,
        "attempt": status.attempt,
        "generation": status.observed_generation,
        "epoch": status.leader_epoch,
        "plan": status.plan.generation if status.plan else None,
        "step": (step.index, step.total, step.started_at) if step else None,
        "weights": (weights.desired, weights.declared, weights.applied, weights.applied_at),
        "standing": weights.standing,
        "delivery": weights.delivery_ok,
        "pause": (status.pause.cause, status.pause.acknowledged) if status.pause else None,
        "rollback": status.rollback,
        "gates": [
            (gate.name, gate.verdict, gate.reason, gate.failing_since) for gate in status.gates
        ],
        "outage": status.outage_since,
        "release": status.release_failing_since,
        "enforced": status.enforced_at,
        "original": status.original,
        "conditions": [(one.type, one.status, one.reason) for one in status.conditions],
    }
