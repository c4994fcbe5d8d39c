"""The way to 100 %, one step after the other."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cutover.api.names import Label
from cutover.api.quantities import Duration
from cutover.api.rules import Rule, exactly_one, ruled_by, within
from cutover.api.wire import Wire


class Pause(Wire):
    """Wait, watched by the guards."""

    duration: Annotated[Duration, within("1s", "720h", named="30 days")]
    """How long to wait, 1s to 720h (30 days)."""


class Approval(Wire):
    """Wait for a person."""

    name: Label
    """The name that spec.approved must carry for the rollout to go on."""


class Soak(Wire):
    """The target has everything; the way back is still open."""

    duration: Annotated[Duration, within("1s", "720h", named="30 days")]
    """How long to watch, 1s to 720h (30 days)."""


class StepKind(StrEnum):
    """What a step is."""

    WEIGHT = "weight"
    PAUSE = "pause"
    APPROVAL = "approval"
    SOAK = "soak"


class Step(Wire):
    """One step; exactly one of its fields is set."""

    model_config = ruled_by(
        exactly_one(
            "weight",
            "pause",
            "approval",
            "soak",
            says="a step does one thing: set exactly one of weight, pause, approval and soak",
        )
    )

    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Share of the traffic for the target, in percent, 1 to 100; held until every gate passes."""
    pause: Pause | None = None
    """Wait for a time, watched by the guards."""
    approval: Approval | None = None
    """Wait until a person adds the name to spec.approved."""
    soak: Soak | None = None
    """Keep watching with all traffic on the target; the last step. Rollback is still possible."""

    @property
    def kind(self) -> StepKind:
        """Which of the fields is set."""
        if self.weight is not None:
            return StepKind.WEIGHT
        if self.pause is not None:
            return StepKind.PAUSE
        if self.approval is not None:
            return StepKind.APPROVAL
        return StepKind.SOAK

    @property
    def description(self) -> str:
        """The step in two or three words."""
        if self.weight is not None:
            return f"weight {self.weight}"
        if self.pause is not None:
            return f"pause {self.pause.duration}"
        if self.approval is not None:
            return f"approval {self.approval.name}"
        return f"soak {self.soak.duration}" if self.soak is not None else "empty"


STEPS_RISE = Rule(
    "self.filter(s, has(s.weight)).map(s, s.weight).isSorted()"
    " && self.all(s, !has(s.weight) || self.exists_one(t, has(t.weight) && t.weight == s.weight))",
    "weights must rise from step to step: put the smaller weight first and write each weight once",
)
STEPS_END_AT_ALL = Rule(
    "self.exists(s, has(s.weight) && s.weight == 100)",
    "the last weight must be 100: add a step weight: 100",
)
STEPS_SOAK_LAST = Rule(
    "!self.exists(s, has(s.soak))"
    " || (has(self[size(self) - 1].soak) && self.exists_one(s, has(s.soak)))",
    "write at most one soak, as the last step",
)
STEPS_APPROVALS_DIFFER = Rule(
    "self.all(s, !has(s.approval)"
    " || self.exists_one(t, has(t.approval) && t.approval.name == s.approval.name))",
    "two approval steps have the same name: give each its own, so that one yes counts for one step",
)
