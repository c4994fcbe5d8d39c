"""A rollout as the command line reads it: what was asked, what is reported, how it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from cutover.api.conditions import Condition, ConditionStatus, ConditionType
from cutover.api.quantities import format_duration, parse_duration
from cutover.api.status import PauseCause, Phase, Status
from cutover.api.steps import Step, StepKind
from cutover.cli.errors import ExitCode

NUMBERS_WITHIN: Final = timedelta(minutes=3)
"""The operator refreshes a working rollout's numbers about every minute."""


@dataclass(frozen=True)
class Sight:
    """One rollout at one moment."""

    namespace: str
    name: str
    generation: int
    attempt: int
    """As asked: ``spec.attempt``."""
    paused: bool
    abort: bool
    approved: frozenset[tuple[str, int]]
    spec_steps: tuple[Step, ...]
    status: Status
    unread: tuple[str, ...] = ()
    """Parts of the status that this version of the program does not understand."""

    @property
    def is_read(self) -> bool:
        """Whether the operator has read the newest spec."""
        return (self.status.observed_generation or 0) >= self.generation

    @property
    def is_rolled_back(self) -> bool:
        """Whether this very attempt is rolled back; raising the attempt alone leaves that phase."""
        same = (self.status.attempt or 1) >= self.attempt
        return self.status.phase == Phase.ROLLED_BACK and same

    @property
    def is_finished(self) -> bool:
        """Whether nothing will move any more in this attempt."""
        return self.status.phase == Phase.COMPLETED or self.is_rolled_back

    @property
    def standing(self) -> ExitCode:
        """How it stands, as an exit code; what the operator has not read yet is still running."""
        if self.status.phase == Phase.COMPLETED:
            return ExitCode.COMPLETED
        if self.is_rolled_back:
            return ExitCode.ROLLED_BACK
        if self.is_read and self.stalled is not None:
            return ExitCode.NEEDS_A_PERSON
        return ExitCode.RUNNING

    @property
    def stalled(self) -> Condition | None:
        """The condition that says that a person must act."""
        condition = self.condition(ConditionType.STALLED)
        return condition if condition and condition.status == ConditionStatus.TRUE else None

    @property
    def needs_acknowledging(self) -> bool:
        """Whether the pause in force ends only after a person has paused and resumed."""
        pause = self.status.pause
        return pause is not None and pause.cause != PauseCause.REQUESTED and not pause.acknowledged

    @property
    def steps(self) -> Sequence[Step]:
        """The steps in force, or where nothing is in force yet, those asked for."""
        return self.status.plan.steps if self.status.plan else self.spec_steps

    @property
    def waits_for(self) -> str | None:
        """Name of the approval that the rollout waits for."""
        step = self.status.step
        if step is None or step.kind != StepKind.APPROVAL or step.index >= len(self.steps):
            return None
        approval = self.steps[step.index].approval
        given = approval is not None and (approval.name, self.attempt) in self.approved
        return approval.name if approval is not None and not given else None

    def silence(self, now: datetime) -> str | None:
        """How long nothing was reported although numbers should be, or None."""
        plan, looks = self.status.plan, [g.looked_at for g in self.status.gates if g.looked_at]
        at_work = self.status.phase in (Phase.SHADOWING, Phase.PROGRESSING, Phase.SOAKING)
        if not (at_work and plan and looks) or self.paused or self.status.pause:
            return None
        silent = now - max(looks)
        late = silent > NUMBERS_WITHIN + 2 * parse_duration(plan.analysis.interval)
        return format_duration(silent) if late else None

    def condition(self, kind: ConditionType) -> Condition | None:
        """Return one condition."""
        return next((one for one in self.status.conditions if one.type == kind), None)


def see(rollout: Mapping[str, Any]) -> Sight:
    """Read the object; only the status is trusted to have its form."""
    meta, spec = rollout["metadata"], rollout.get("spec") or {}
    status, unread = _read_status(rollout.get("status") or {})
    return Sight(
        namespace=meta["namespace"],
        name=meta["name"],
        generation=meta.get("generation") or 0,
        attempt=spec.get("attempt") or 1,
        paused=spec.get("paused") is True,
        abort=spec.get("abort") is True,
        approved=frozenset((one["name"], one["attempt"]) for one in spec.get("approved") or []),
        spec_steps=_read_steps(spec.get("steps") or []),
        status=status,
        unread=unread,
    )


def _read_status(raw: Mapping[str, Any]) -> tuple[Status, tuple[str, ...]]:
    """Leave out what a newer operator wrote in a way not known here, rather than show nothing."""
    try:
        return Status.model_validate(raw), ()
    except ValidationError as error:
        unread = {str(fault["loc"][0]) for fault in error.errors(include_url=False)}
    kept = {key: value for key, value in raw.items() if key not in unread}
    return Status.model_validate(kept), tuple(sorted(unread))


def _read_steps(raw: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    try:
        return tuple(Step.model_validate(one) for one in raw)
    except ValidationError:
        return ()
