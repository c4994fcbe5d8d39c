"""The limits that roll back at once."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cutover.api.rules import AS_SET
from cutover.api.wire import Wire


class Guard(StrEnum):
    """The limits that roll back at once."""

    UNANSWERED = "Unanswered"
    ERROR_BURST = "ErrorBurst"
    LATENCY_BURST = "LatencyBurst"


class Guards(Wire):
    """All guards are on unless named here."""

    disabled: Annotated[list[Guard], Field(max_length=8), AS_SET] = Field(default_factory=list)
    """Guards to switch off. Omitted: none."""
