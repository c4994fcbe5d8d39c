"""What has become of the source, and what is left behind, as it is reported."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from cutover.api.names import Message
from cutover.api.wire import Wire

MAX_LEFT = 16


class SourceFate(StrEnum):
    """How far the end of the source has come."""

    DRAINING = "Draining"
    """The last step has passed, and the source still works on something; a rollback is possible."""
    SCALING_DOWN = "ScalingDown"
    SCALED_TO_ZERO = "ScaledToZero"
    KEPT = "Kept"
    RESTORED = "Restored"


class LeftBehind(Wire):
    """One thing that the rollout leaves where it is."""

    object: Annotated[str, Field(max_length=350)] = Field(description="Kind and name.")
    of: Literal["source", "route"] = "source"
    state: Annotated[str, Field(max_length=200)] = ""


class AfterCompletionStatus(Wire):
    """What has become of the source."""

    source: SourceFate
    since: datetime = Field(description="Moved on by the time spent paused.")
    message: Message = ""
    left_behind: Annotated[list[LeftBehind], Field(max_length=MAX_LEFT)] = Field(
        default_factory=list
    )
