"""How numbers and times are written for a person."""

from datetime import datetime

from cutover.api.quantities import format_duration
from cutover.cli.sight import Sight


def percent(value: float | None) -> str:
    """Write a percentage, 0 to 100, with what counts of its digits."""
    if value is None:
        return "unknown"
    return f"{value:.1f}".removesuffix(".0") + " %" if value >= 1 else f"{value:.3g} %"


def share(value: float | None) -> str:
    """Write a share, 0 to 1, as a percentage."""
    return "–" if value is None else percent(100.0 * value)


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
