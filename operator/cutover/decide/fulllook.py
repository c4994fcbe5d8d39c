"""One full look at both sides: the windows of the guards and one that reaches back over the evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cutover.api.gates import Gate
from cutover.decide.observation import ReplaySeen, ResultsSeen
from cutover.decide.readings import Gap, Missing, Reading, SideReading, Values, WindowReading

NO_VALUES = Values()


@dataclass(frozen=True, slots=True)
class FullLook:
    """One look at both sides, over one window that begins with the evidence."""

    source: Reading
    target: Reading
    window: float
    """Seconds back to where the evidence (or the weight) begins."""
    now: datetime
    gathering: bool
    """``settle`` is over; before that nothing is counted."""
    values: Values = NO_VALUES
    replays: Mapping[str, ReplaySeen] = field(default_factory=dict)
    """By name of the gate: golden inputs being replayed, as far as that got."""
    results: Mapping[str, ResultsSeen] = field(default_factory=dict)
    """By name of the gate: evaluations that were made elsewhere."""


def window_of(reading: Reading | None, seconds: float) -> WindowReading | Gap | None:
    """Pick the window of that length; the whole side's gap when the side could not be read."""
    if reading is None or isinstance(reading, Gap):
        return reading
    return next((one for one in reading.windows if one.seconds == seconds), None)


def at_vantage(gate: Gate, window: WindowReading) -> WindowReading | Gap:
    """Return the window as the gate's vantage point shows it."""
    if not gate.at_gateway:
        return window
    if window.gateway is None:
        return Gap(Missing.NO_DATA, "the gateway was not asked about this window")
    return window.gateway


def both_windows(look: FullLook) -> tuple[WindowReading, WindowReading] | Gap:
    """Return the long window of both sides, or why they cannot be compared."""
    left, right = window_of(look.source, look.window), window_of(look.target, look.window)
    if isinstance(left, Gap):
        return Gap(left.missing, f"source: {left.message}")
    if isinstance(right, Gap):
        return Gap(right.missing, f"target: {right.message}")
    if left is None or right is None:
        return Gap(Missing.NO_DATA, "this window was not asked for")
    return overlap(look) or (left, right)


def overlap(look: FullLook) -> Gap | None:
    """Say that both sides select a common series; None when they do not."""
    if not (_overlaps(look.source) or _overlaps(look.target)):
        return None
    return Gap(
        Missing.SIDES_OVERLAP,
        "source and target select the same series, so they would be compared with themselves:"
        " make spec.source.prometheus.matchers and spec.target.prometheus.matchers disjoint",
    )


def _overlaps(reading: Reading) -> bool:
    return isinstance(reading, SideReading) and reading.overlaps
