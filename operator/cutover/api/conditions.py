"""Condition types, their reasons, and how a list of conditions is changed."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cutover.api.wire import Wire


class ConditionType(StrEnum):
    """Positive polarity, each with observedGeneration."""

    ACCEPTED = "Accepted"
    """The spec can be tried; False names the field and the fix."""
    TRAFFIC_APPLIED = "TrafficApplied"
    """The route carries the desired weight, the gateway took it and requests show it."""
    ANALYSIS_HEALTHY = "AnalysisHealthy"
    """Both sides' metrics can be read."""
    FEASIBLE = "Feasible"
    """Each step can gather its evidence within its maxDuration, at the source's rate."""
    ROLLBACK_READY = "RollbackReady"
    """Everything that putting the traffic back needs is at hand."""
    SOURCE_REACHABLE = "SourceReachable"
    TARGET_REACHABLE = "TargetReachable"
    PAUSED = "Paused"
    FINISHED = "Finished"
    """True with reason Completed or RolledBack."""
    READY = "Ready"
    """True only when Completed (kstatus)."""
    RECONCILING = "Reconciling"
    """Moving, or waiting for evidence (kstatus)."""
    STALLED = "Stalled"
    """A person must act; the reason says what (kstatus)."""


class ConditionStatus(StrEnum):
    """Kubernetes' three."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Wire):
    """As ``metav1.Condition``."""

    type: Annotated[str, Field(max_length=64)]
    status: ConditionStatus
    reason: Annotated[
        str,
        Field(min_length=1, max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    message: Annotated[str, Field(max_length=1024)] = ""
    observed_generation: int | None = None
    last_transition_time: datetime


def with_condition(conditions: Sequence[Condition], new: Condition) -> list[Condition]:
    """Return the list with ``new`` in its place; its transition time is kept while its status is."""
    kept: list[Condition] = []
    placed = False
    for old in conditions:
        if old.type != new.type:
            kept.append(old)
            continue
        placed = True
        if old.status == new.status:
            kept.append(new.model_copy(update={"last_transition_time": old.last_transition_time}))
        else:
            kept.append(new)
    return kept if placed else [*kept, new]
