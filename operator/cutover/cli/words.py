"""How numbers and times are written for a person."""

from datetime import datetime
from typing import assert_never

from cutover.api.quantities import format_duration
from cutover.api.verdict import Unit
from cutover.cli.sight import Sight
from cutover.judge.wording import duration


def percent(value: float | None) -> str:
    """Write a percentage, 0 to 100, with what counts of its digits."""
    if value is None:
        return "unknown"
    return f"{value:.1f}".removesuffix(".0") + " %" if value >= 1 else f"{value:.3g} %"


def quantity(value: float, unit: Unit | None) -> str:
    """Write a gate's number in its own unit."""
    match unit:
        case Unit.SHARE:
            return percent(100.0 * value)
        case Unit.SECONDS:
            return duration(value)
        case None:
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        case _ as never:
            assert_never(never)


def count(value: float | None) -> str:
    """Write a number of requests."""
    return "–" if value is None else f"{value:,.0f}"


def since(then: datetime, now: datetime) -> str:
    """Write how long ago something was."""
    return format_duration(now - then)


def clock(then: datetime, now: datetime) -> str:
    """Write a time as people on call do: UTC, and the day only where it is another one."""
    same_day = then.date() == now.date()
    return then.strftime("%H:%MZ" if same_day else "%b %d %H:%MZ")


def line(sight: Sight) -> str:
    """Write a rollout in one line, for a log."""
    summary, weights = sight.status.summary, sight.status.weights
    parts = [
        summary.phase or sight.status.phase or "not yet seen by the operator",
        f"step {summary.step}" if summary.step else "",
        f"desired {percent(weights.desired)}" if weights.desired is not None else "",
        f"delivered {percent(weights.delivered)}" if weights.delivered is not None else "",
        summary.verdict,
        sight.status.message or summary.message,
    ]
    return "  ".join(filter(None, parts))
