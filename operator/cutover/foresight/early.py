"""What a gate that asks golden inputs needs: how many, how long that takes, and what so many show.

How many a golden set holds is not known offline. Told is the fewest that can pass: all of them alike on both
sides. A set of more takes longer, and shows more.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

from cutover.api.gates import Gate, GateKind
from cutover.api.holdout import HoldoutMetric
from cutover.api.quantities import format_duration, parse_duration, parse_ratio, parse_share
from cutover.decide.parity import MAX_MISMATCH, REPEAT
from cutover.decide.replayed import RATE
from cutover.foresight.drifting import effective_size
from cutover.judge.exact import clean_needed
from cutover.judge.wording import count, percent

BY_THEIR_MEAN: Final = frozenset({HoldoutMetric.ACCURACY, HoldoutMetric.EXACT_MATCH})
"""Metrics of which it is known how many items, all alike on both sides, show a limit."""


@dataclass(frozen=True, slots=True)
class Early:
    """One gate that is judged before any traffic, or that asks golden inputs at each step."""

    gate: str
    inputs: int | None
    """The fewest golden inputs that a Pass needs; None: it asks none, or their answers decide how many."""
    seconds: float | None
    """That asking so many takes at least; None: not known."""
    words: str
    """The same in a sentence, and what it shows."""


def ahead_of_traffic(gate: Gate, interval: str) -> Early:
    """Tell of a gate that needs no traffic; ``interval``: between looks."""
    match gate.kind:
        case GateKind.PARITY:
            return _parity(gate)
        case GateKind.HOLDOUT:
            return _holdout(gate)
        case GateKind.DRIFT:
            return _outputs(gate)
        case _:
            return _query(gate, interval)


def _parity(gate: Gate) -> Early:
    assert gate.parity is not None  # noqa: S101 - its kind says so
    spec = gate.parity
    limit, rate = parse_share(spec.max_mismatch or MAX_MISMATCH), float(spec.rate or RATE)
    pairs = clean_needed(limit)
    twice = ceil(pairs * parse_share(spec.repeat or REPEAT))
    seconds = (2 * twice + pairs) / rate
    return Early(
        gate.name,
        pairs,
        seconds,
        f"{count(pairs)} pairs without a difference show {percent(limit)} (95 % sure); with {count(twice)} asked"
        f" of the source twice first at least {_time(seconds)} at {rate:g}/s",
    )


def _holdout(gate: Gate) -> Early:
    assert gate.holdout is not None  # noqa: S101 - its kind says so
    spec = gate.holdout
    if spec.results is not None:
        return Early(gate.name, None, None, "reads what was evaluated elsewhere and asks nobody")
    limit, rate = parse_share(spec.delta), float(spec.rate or RATE)
    if spec.metric not in BY_THEIR_MEAN:
        return Early(
            gate.name,
            None,
            None,
            f"how many items show {percent(limit)} of {spec.metric} depends on the answers; {rate:g} a second are asked",
        )
    items = clean_needed(limit)
    return Early(
        gate.name,
        items,
        items / rate,
        f"{count(items)} items, all answered alike, show {percent(limit)} (95 % sure): at least"
        f" {_time(items / rate)} at {rate:g}/s",
    )


def _outputs(gate: Gate) -> Early:
    assert gate.drift is not None  # noqa: S101 - its kind says so
    golden = gate.drift.golden
    assert golden is not None  # noqa: S101 - only golden outputs are judged before traffic
    rate = float(golden.rate or RATE)
    items = ceil(2 * effective_size(gate.drift.method, parse_ratio(gate.drift.max)))
    return Early(
        gate.name,
        items,
        items / rate,
        f"{count(items)} golden inputs are enough for {gate.drift.method} of at most {gate.drift.max}"
        f" (ten cells): {_time(items / rate)} at {rate:g}/s",
    )


def _query(gate: Gate, interval: str) -> Early:
    return Early(gate.name, None, 0.0, f"is asked at each look; {bounds(gate, interval)}")


def bounds(gate: Gate, interval: str) -> str:
    """When a query gate passes and when it fails."""
    assert gate.query is not None  # noqa: S101 - the caller looked
    looks = gate.query.looks_to_fail
    if looks == 1:
        return "passes at a look within its bounds, fails at one outside"
    length = _time(looks * parse_duration(interval).total_seconds())
    return f"passes at a look within its bounds, fails after {looks} in a row outside ({length})"


def _time(seconds: float) -> str:
    return format_duration(timedelta(seconds=ceil(seconds)))
