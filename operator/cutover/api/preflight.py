"""What is checked before the first step, as the status reports it."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from cutover.api.wire import Wire

MAX_CHECKS: Final = 40


class CheckState(StrEnum):
    """What came of a check."""

    PASSED = "Passed"
    FAILED = "Failed"
    """The rollout stays in Preflight until it is mended."""
    WARNING = "Warning"
    """A person should know; it does not keep the rollout back."""
    UNKNOWN = "Unknown"
    """It is being asked, or cannot be told; the message says which."""


class PreflightCheck(Wire):
    """One thing that was looked at before the first step."""

    name: Annotated[str, Field(max_length=80)]
    state: CheckState
    message: Annotated[str, Field(max_length=512)] = ""
