"""When the target's weight may rise: `spec.windows`, against the time of the observation.

A schedule is read in its own zone, as Debian's cron reads one: what would open in an hour that a
summer time skips opens right after it, what would open twice opens once, the first time; with a star
in minutes or hours real time counts. Time zones are data of the package tzdata, or of the system.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from cutover.api.quantities import parse_duration
from cutover.api.status import Phase, Plan, Status
from cutover.api.windows import Window
from cutover.decide.observation import Refusal

OUTSIDE: Final = "OutsideWindow"
MINUTE: Final = timedelta(minutes=1)
CHAIN: Final = 64
"""Openings that follow one another without a gap; after so many it is not asked when the last one ends."""
MOST: Final = 1000
"""Openings that are looked at to tell how long the windows were open."""
SHIFT: Final = timedelta(hours=2)
"""No summer time sets clocks by more."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One time that a window opens, or closes."""

    at: datetime
    """In UTC."""
    zone: str

    def __str__(self) -> str:
        local = self.at.astimezone(ZoneInfo(self.zone))
        if self.zone == "UTC":
            return f"{self.at:%a %d %b %H:%MZ}"
        return f"{self.at:%a %d %b %H:%MZ} ({local:%a %H:%M} {self.zone})"


def is_open(windows: Sequence[Window], now: datetime) -> bool:
    """Whether the weight may rise now; always, where no windows are named."""
    return not windows or _open_until(windows, now) is not None


def next_opening(windows: Sequence[Window], now: datetime) -> Opening | None:
    """The first opening after ``now``; None where none ever comes."""
    found = [
        Opening(at, one.time_zone)
        for one in windows
        if (at := _opens(one.schedule, one.time_zone, _minute(now))) is not None
    ]
    return min(found, key=lambda one: one.at, default=None)


def closing(windows: Sequence[Window], now: datetime) -> Opening | None:
    """When the windows that are open now, and those that open before they close, are over.

    None where none is open, or no end is in sight.
    """
    found: Opening | None = None
    at = now
    for _ in range(CHAIN):
        ends = [
            Opening(end, one.time_zone) for one in windows if (end := _closes(one, at)) is not None
        ]
        last = max(ends, key=lambda one: one.at, default=None)
        if last is None:
            return found
        found, at = last, last.at
    return None


def open_time(
    windows: Sequence[Window], since: datetime, now: datetime, *, enough: timedelta
) -> timedelta:
    """How much of the time since then the windows were open; no more than ``enough`` is counted."""
    if not windows:
        return min(max(timedelta(0), now - since), enough)
    counted, at = timedelta(0), since
    for _ in range(MOST):
        if at >= now or counted >= enough:
            return min(counted, enough)
        end = _open_until(windows, at)
        if end is None:
            opens = next_opening(windows, at)
            at = now if opens is None else opens.at
        else:
            counted += min(end, now) - at
            at = end
    return enough


def told(windows: Sequence[Window], now: datetime) -> str:
    """Say in a few words whether one is open, and until or from when."""
    if is_open(windows, now):
        closes = closing(windows, now)
        return f"open until {closes}" if closes else "open"
    opens = next_opening(windows, now)
    return f"closed; the next one opens {opens}" if opens else "closed, and none ever opens again"


def outside(plan: Plan, now: datetime) -> Refusal | None:
    """Say that the weight may not rise now, and when it may again; None: it may."""
    if is_open(plan.windows, now):
        return None
    opens = next_opening(plan.windows, now)
    when = f"the next one opens {opens}" if opens else "none ever opens again: change spec.windows"
    return Refusal(OUTSIDE, f"outside spec.windows: {when}")


def rises_later(status: Status, plan: Plan) -> bool:
    """Whether a window is still needed: a higher weight than the one in force is to come."""
    if (
        status.phase not in (Phase.PREFLIGHT, Phase.SHADOWING, Phase.PROGRESSING)
        or not plan.windows
    ):
        return False
    return (status.weights.applied or 0) < 100


def windows_refusal(windows: Sequence[Window]) -> Refusal | None:
    """Say which window can never open, and why."""
    for index, one in enumerate(windows):
        fault = _fault(one)
        if fault:
            return Refusal("InvalidSpec", f"spec.windows[{index}]{fault}")
    return None


def _fault(window: Window) -> str:
    try:
        ZoneInfo(window.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return (
            f".timeZone: {window.time_zone} is not in the IANA database: write a name such as"
            " Europe/Berlin"
        )
    schedule = f'.schedule: "{window.schedule}"'
    try:
        comes = any(CronSim(window.schedule, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        return f"{schedule} is no cron expression ({error}): write it like 0 9 * * 1-5"
    return "" if comes else f"{schedule} never comes: the calendar has no such day"


# --- one window ---------------------------------------------------------------------------------


def _open_until(windows: Sequence[Window], at: datetime) -> datetime | None:
    """When the window that is open longest closes; None: none is open."""
    ends = (end for one in windows if (end := _closes(one, at)) is not None)
    return max(ends, default=None)


def _closes(window: Window, now: datetime) -> datetime | None:
    """When it closes that is open now; None: it is not."""
    opened = _opened(window.schedule, window.time_zone, _minute(now))
    if opened is None:
        return None
    end = opened + parse_duration(window.duration)
    return end if end > now else None


def _minute(moment: datetime) -> datetime:
    """The minute that a moment is in: schedules know nothing smaller."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


@lru_cache(maxsize=4096)
def _opened(schedule: str, zone: str, minute: datetime) -> datetime | None:
    """The newest opening up to that minute, in UTC; None: none, or the schedule means nothing."""
    minutes, hours, *_ = schedule.split()
    real_time = minutes.startswith("*") or hours.startswith("*")
    start = minute + (MINUTE if real_time else SHIFT + MINUTE)
    return next((at for at in _run(schedule, zone, start, back=True) if at <= minute), None)


@lru_cache(maxsize=4096)
def _opens(schedule: str, zone: str, minute: datetime) -> datetime | None:
    """The first opening after that minute, in UTC."""
    return next((at for at in _run(schedule, zone, minute, back=False) if at > minute), None)


def _run(schedule: str, zone: str, start: datetime, *, back: bool) -> Iterator[datetime]:
    """Openings from about ``start`` on, in UTC: around a change of summer time also some from before it."""
    try:
        for local in CronSim(schedule, start.astimezone(ZoneInfo(zone)), reverse=back):
            yield local.astimezone(UTC)
    except (CronSimError, ZoneInfoNotFoundError, ValueError):
        return
