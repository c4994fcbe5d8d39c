"""How a status is changed: phases, steps, history. Every function returns a new status."""

from collections.abc import Set as AbstractSet
from datetime import datetime

from cutover.api.status import (
    MAX_HISTORY,
    OriginalWeights,
    PauseCause,
    PauseStatus,
    Phase,
    Plan,
    RollbackStatus,
    Status,
    StepStatus,
    Transition,
    Weights,
)
from cutover.decide import clocks
from cutover.decide.route import RuleWeights
from cutover.decide.transitions import allowed


class IllegalTransitionError(AssertionError):
    """A phase was to follow that the table does not allow: a fault of ours."""


def in_phase(status: Status, phase: Phase, now: datetime, reason: str, message: str) -> Status:
    """Enter a phase; staying in it records nothing."""
    if not allowed(status.phase, phase):
        raise IllegalTransitionError(f"{status.phase} -> {phase}")
    if status.phase == phase:
        return status
    entry = Transition(
        at=now,
        from_phase=status.phase or "",
        to_phase=phase,
        weight=status.weights.desired,
        reason=reason,
        message=message[:1024],
    )
    return status.model_copy(
        update={"phase": phase, "history": [*status.history, entry][-MAX_HISTORY:]}
    )


def noted(status: Status, now: datetime, reason: str, message: str) -> Status:
    """Record something that happened within a phase."""
    phase = status.phase or ""
    entry = Transition(
        at=now,
        from_phase=phase,
        to_phase=phase,
        weight=status.weights.desired,
        reason=reason,
        message=message[:1024],
    )
    return status.model_copy(update={"history": [*status.history, entry][-MAX_HISTORY:]})


def at_step(status: Status, plan: Plan, index: int, now: datetime) -> Status:
    """Enter step ``index`` (from 0). A weight step only states its intent here; the route comes later.

    The verdicts on the weight in force stay: the raise that follows rests on them.
    """
    step = plan.steps[index]
    weights = status.weights
    update: dict[str, object] = {
        "step": StepStatus(
            index=index,
            total=len(plan.steps),
            kind=step.kind,
            description=step.description,
            started_at=now,
        ),
        "executed_steps": list(plan.steps[:index]),
        "after_completion": None,
    }
    if step.weight is not None:
        update["weights"] = weights.model_copy(update={"desired": step.weight})
    return status.model_copy(update=update)


def applied(status: Status, now: datetime) -> Status:
    """The gateway has the desired weight: its clock starts, and evidence from nothing."""
    taken = {"applied": status.weights.desired, "standing": None}
    weights = status.weights.model_copy(update=taken)
    return clock_started(status.model_copy(update={"weights": weights}), now)


def mirrored(status: Status, percent: int, now: datetime) -> Status:
    """The gateway mirrors so much of the requests: as a weight's, its clock starts, and evidence from nothing."""
    weights = status.weights.model_copy(update={"applied": 0, "mirrored": percent})
    return clock_started(status.model_copy(update={"weights": weights}), now)


def mirror_left(status: Status) -> Status:
    """Nothing is mirrored any more, and what was counted was counted of copies."""
    weights = status.weights.model_copy(update={"applied_at": None, "mirrored": None})
    return proof_afresh(status.model_copy(update={"weights": weights}), None)


def clock_started(status: Status, now: datetime) -> Status:
    """The gateway has the weight in force: it and the step have lasted for nothing so far."""
    weights = status.weights.model_copy(update={"applied_at": now})
    step = status.step
    if step is not None:
        step = step.model_copy(update={"started_at": now})
    status = status.model_copy(update={"weights": weights, "step": step})
    return proof_afresh(status, None)


def clock_stopped(status: Status) -> Status:
    """What the gateway has now is not the weight in force: once it is again, it begins anew."""
    weights = status.weights.model_copy(update={"applied_at": None})
    return proof_afresh(status.model_copy(update={"weights": weights}), None)


def evidence_afresh(status: Status, since: datetime | None) -> Status:
    """Forget what the gates have gathered; what is counted next begins at ``since``.

    A Pass that was given before traffic stands for the attempt, and golden inputs that were asked need
    not be asked again.
    """
    standing = [gate for gate in status.gates if gate.stands or gate.is_replaying]
    return status.model_copy(update={"evidence_since": since, "gates": standing})


def standing_only(status: Status, names: AbstractSet[str]) -> Status:
    """Forget the verdicts of all gates but these."""
    kept = [gate for gate in status.gates if gate.name in names]
    return status.model_copy(update={"gates": kept})


def proof_afresh(status: Status, since: datetime | None) -> Status:
    """Forget the evidence and whether the weight was seen delivered: both were counted at other weights."""
    unknown = {"delivery_ok": None, "delivery_message": ""}
    weights = status.weights.model_copy(update=unknown)
    return evidence_afresh(status.model_copy(update={"weights": weights}), since)


def paused(
    status: Status, cause: PauseCause, now: datetime, message: str, *, acknowledged: bool = False
) -> Status:
    """Stop forward motion; a new cause takes the place of the old one, from whose time on nothing is waited."""
    since = status.pause.since if status.pause is not None else now
    pause = PauseStatus(cause=cause, since=since, message=message[:1024], acknowledged=acknowledged)
    status = noted(status, now, f"Paused{cause}", message)
    return status.model_copy(update={"pause": pause})


def resumed(status: Status, now: datetime) -> Status:
    """End the pause; what was waited before it stays waited, the pause itself counts for nothing."""
    if status.pause is None:
        return status
    moved = clocks.moved_on(status, clocks.waited(status.pause.since, now))
    return noted(moved.model_copy(update={"pause": None}), now, "Resumed", "")


def rolling_back(status: Status, now: datetime, reason: str, message: str) -> Status:
    """Enter RollingBack; the first reason stays."""
    rollback = status.rollback or RollbackStatus(
        reason=reason, message=message[:1024], decided_at=now
    )
    weights = status.weights.model_copy(update={"desired": 0})
    status = in_phase(status, Phase.ROLLING_BACK, now, reason, message)
    gone = {"pause": None, "after_completion": None}
    return status.model_copy(update={"rollback": rollback, "weights": weights, **gone})


def new_attempt(status: Status, attempt: int, now: datetime) -> Status:
    """Begin again from Pending; only the history is kept."""
    fresh = Status(
        phase=status.phase,
        attempt=attempt,
        history=status.history,
        conditions=status.conditions,
        observed_generation=status.observed_generation,
        leader_epoch=status.leader_epoch,
        weights=Weights(declared=status.weights.declared),
    )
    return in_phase(fresh, Phase.PENDING, now, "AttemptRaised", f"attempt {attempt}")


def to_status(rules: tuple[RuleWeights, ...]) -> list[OriginalWeights]:
    """The route's numbers as the status keeps them."""
    return [
        OriginalWeights(rule=r.rule, source=r.source, target=r.target, others=r.others)
        for r in rules
    ]


def from_status(rules: list[OriginalWeights]) -> tuple[RuleWeights, ...]:
    """The numbers that the status keeps, as the route's."""
    return tuple(RuleWeights(r.rule, r.source, r.target, r.others) for r in rules)
