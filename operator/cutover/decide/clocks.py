"""How long something has waited. All clocks are timestamps in the status; ``now`` is given.

A clock that seems to run backwards has waited nothing: waiting is never shortened.
"""

from datetime import datetime, timedelta

from cutover.api.analysis import Analysis
from cutover.api.quantities import parse_duration
from cutover.api.status import Status
from cutover.api.steps import Step

NOTHING = timedelta(0)
AT_ONCE = timedelta(0)
SOON = timedelta(seconds=1)
"""After a write whose effect somebody else may have undone at once."""

EVIDENCE_LIMIT = timedelta(hours=1)
"""Evidence older than this starts afresh in a long pause or soak, so that it cannot bury what is new."""


def waited(since: datetime | None, now: datetime) -> timedelta:
    """Time since ``since``, never negative; nothing when it has not begun."""
    return max(NOTHING, now - since) if since is not None else NOTHING


def step_length(step: Step) -> timedelta:
    """How long a pause or soak step waits; nothing for the others."""
    if step.pause is not None:
        return parse_duration(step.pause.duration)
    if step.soak is not None:
        return parse_duration(step.soak.duration)
    return NOTHING


def shortest(step: Step) -> timedelta:
    """How long a step lasts at least whatever is proven meanwhile: pause, soak and shadow; nothing for the others."""
    if step.shadow is not None:
        return parse_duration(step.shadow.duration)
    return step_length(step)


def settled(status: Status, analysis: Analysis, now: datetime) -> bool:
    """Whether ``settle`` is over since the gateway took the weight in force."""
    applied = status.weights.applied_at
    return applied is not None and waited(applied, now) >= parse_duration(analysis.settle)


def min_duration_over(status: Status, analysis: Analysis, now: datetime) -> bool:
    """Whether ``settle`` and then ``minDuration`` are over since the gateway took the weight in force."""
    applied = status.weights.applied_at
    needed = parse_duration(analysis.settle) + parse_duration(analysis.min_duration)
    return applied is not None and waited(applied, now) >= needed


def max_duration_over(status: Status, analysis: Analysis, now: datetime) -> bool:
    """Whether the weight in force has been there for ``maxDuration``."""
    applied = status.weights.applied_at
    longest = parse_duration(analysis.max_duration)
    return applied is not None and waited(applied, now) >= longest


def evidence_limit(analysis: Analysis) -> timedelta:
    """How long evidence may be gathered before it starts afresh."""
    return max(EVIDENCE_LIMIT, parse_duration(analysis.max_duration))


def moved_on(status: Status, by: timedelta) -> Status:
    """Move every waiting clock on by the time spent paused, so that what was waited stays waited."""
    step, weights, end = status.step, status.weights, status.after_completion
    if step is not None:
        step = step.model_copy(update={"started_at": step.started_at + by})
    if weights.applied_at is not None:
        weights = weights.model_copy(update={"applied_at": weights.applied_at + by})
    if end is not None:
        end = end.model_copy(update={"since": end.since + by})
    return status.model_copy(update={"step": step, "weights": weights, "after_completion": end})
