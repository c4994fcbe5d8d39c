"""Windows of forward motion: when they are open, in their own zone and through its summer time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.windows import Window
from cutover.decide.windows import closing, is_open, next_opening, open_time, windows_refusal
from tests.fakes.chaos import tried

MINUTE = timedelta(minutes=1)
OFFICE = ("0 9 * * 1-5", "8h", "Europe/Berlin")


def window(schedule: str, duration: str, zone: str) -> Window:
    return Window(schedule=schedule, duration=duration, time_zone=zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "opened"),
    [
        ("2026-03-02 07:59:59", False),  # Monday, before nine in Berlin's winter
        ("2026-03-02 08:00:00", True),
        ("2026-03-02 15:59:59", True),
        ("2026-03-02 16:00:00", False),
        ("2026-03-06 12:00:00", True),  # Friday
        ("2026-03-07 12:00:00", False),  # Saturday
        ("2026-07-01 06:59:59", False),  # nine in summer is seven in UTC
        ("2026-07-01 07:00:00", True),
        ("2026-07-01 15:00:00", False),
    ],
)
def test_office_hours_are_the_zones_own(now: str, opened: bool) -> None:
    assert is_open([window(*OFFICE)], utc(now)) is opened


SPRING, FALL = "2026-03-29 ", "2026-10-25 "
"""Berlin sets its clocks at 01:00 UTC: in spring 02:00 becomes 03:00, in autumn 03:00 becomes 02:00."""


@pytest.mark.parametrize(
    ("schedule", "duration", "opens", "closes"),
    [
        # The hour that is skipped: it opens right after it, and stays open as long as ever.
        ("30 2 * * *", "1h", SPRING + "01:00", SPRING + "02:00"),
        # Open across the change: eight hours are eight hours, whatever the clock on the wall says.
        ("0 22 * * *", "8h", "2026-03-28 21:00", SPRING + "05:00"),
        ("0 22 * * *", "8h", "2026-10-24 20:00", FALL + "04:00"),
        # The hour that comes twice: it opens once, the first time.
        ("30 2 * * *", "20m", FALL + "00:30", FALL + "00:50"),
        # With a star it is real time that counts.
        ("*/30 * * * *", "10m", FALL + "01:30", FALL + "01:40"),
    ],
)
def test_summer_time(schedule: str, duration: str, opens: str, closes: str) -> None:
    windows = [window(schedule, duration, "Europe/Berlin")]
    begin, end = utc(opens), utc(closes)
    assert not is_open(windows, begin - MINUTE)
    assert is_open(windows, begin)
    assert is_open(windows, end - MINUTE)
    assert not is_open(windows, end)


def test_the_hour_that_comes_twice_opens_it_no_second_time() -> None:
    windows = [window("30 2 * * *", "20m", "Europe/Berlin")]
    assert not is_open(windows, utc(FALL + "01:35"))
    following = next_opening(windows, utc(FALL + "00:30"))
    assert following is not None and following.at == utc("2026-10-26 01:30")


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
CHANGES = [
    *("2026-03-29 00:00", "2026-10-25 00:00", "2026-03-08 06:00", "2026-11-01 05:00"),
    *("2026-10-03 14:00", "2026-04-04 14:00", "2026-07-01 12:00"),
]
"""Around each of these hours one of the zones sets its clocks; around the last none does."""


def _openings(hour: int, minute: int, zone: str, begin: datetime, end: datetime) -> set[datetime]:
    """By hand: walk through real minutes; a wall-clock time that a jump passes over opens at the jump."""
    found: set[datetime] = set()
    seen: set[datetime] = set()
    at, before = begin, None
    while at <= end:
        wall = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        wanted = wall.replace(hour=hour, minute=minute)
        passed = before is not None and before < wanted < wall
        if (wall == wanted or passed) and wanted not in seen:
            seen.add(wanted)
            found.add(at)
        before, at = wall, at + MINUTE
    return found


@tried
@given(
    place=st.sampled_from([(zone, change) for zone in ZONES for change in CHANGES]),
    clock=st.tuples(st.integers(0, 5), st.integers(0, 59)),
    length=st.integers(1, 300),
    offset=st.integers(-300, 300),
)
def test_it_is_open_when_counting_real_minutes_says_so(
    place: tuple[str, str], clock: tuple[int, int], length: int, offset: int
) -> None:
    """Around changes of summer time, against a walk through every real minute."""
    (zone, change), (hour, minute) = place, clock
    now = utc(change) + offset * MINUTE
    one = [window(f"{minute} {hour} * * *", f"{length}m", zone)]
    openings = _openings(hour, minute, zone, now - 6 * 60 * MINUTE, now + 26 * 60 * MINUTE)
    open_by_hand = any(at <= now < at + length * MINUTE for at in openings)
    assert is_open(one, now) is open_by_hand
    following = next_opening(one, now)
    assert following is not None
    assert following.at == min(at for at in openings if at > now)


@tried
@given(
    schedule=st.sampled_from(["0 9 * * 1-5", "*/7 * * * *", "5,35 8-17 1-14 * MON", "0 0 1 1 *"]),
    zone=st.sampled_from(ZONES),
    length=st.sampled_from(["1m", "7m", "8h", "168h"]),
    minutes=st.integers(0, 3 * 366 * 24 * 60),
)
def test_it_opens_at_the_next_opening_and_no_sooner(
    schedule: str, zone: str, length: str, minutes: int
) -> None:
    windows = [window(schedule, length, zone)]
    moment = utc("2025-01-01") + minutes * MINUTE
    opens = next_opening(windows, moment)
    assert opens is not None and opens.at > moment
    assert is_open(windows, opens.at)
    if not is_open(windows, moment):
        assert not is_open(windows, opens.at - timedelta(microseconds=1))
        assert closing(windows, moment) is None
        return
    closes = closing(windows, moment)
    if closes is not None:
        assert not is_open(windows, closes.at)
        assert is_open(windows, closes.at - timedelta(microseconds=1))


def test_windows_that_touch_are_one() -> None:
    windows = [window("0 9 * * *", "3h", "UTC"), window("0 12 * * *", "5h", "UTC")]
    closes = closing(windows, utc("2026-03-02 10:00"))
    assert closes is not None and closes.at == utc("2026-03-02 17:00")


def test_an_opening_is_told_in_utc_and_in_its_zone() -> None:
    assert str(next_opening([window(*OFFICE)], utc("2026-03-06 20:00"))) == (
        "Mon 09 Mar 08:00Z (Mon 09:00 Europe/Berlin)"
    )
    assert str(next_opening([window("0 9 * * *", "1h", "UTC")], utc("2026-03-06 20:00"))) == (
        "Sat 07 Mar 09:00Z"
    )


@pytest.mark.parametrize(
    ("since", "now", "minutes"),
    [
        ("2026-03-02 07:00", "2026-03-02 09:30", 90),
        ("2026-03-02 15:50", "2026-03-03 08:20", 30),
        ("2026-03-06 15:50", "2026-03-09 08:00", 10),
        ("2026-03-06 17:00", "2026-03-09 07:00", 0),
        ("2026-03-02 09:00", "2026-03-02 08:00", 0),
    ],
)
def test_time_in_windows_is_counted(since: str, now: str, minutes: int) -> None:
    counted = open_time([window(*OFFICE)], utc(since), utc(now), enough=timedelta(days=9))
    assert counted == minutes * MINUTE


def test_a_window_that_opens_every_minute_costs_no_more_than_any_other() -> None:
    """What it comes to is bounded: at most so many openings are looked at."""
    dense = [window("* * * * *", "1m", "Europe/Berlin")]
    since, now = utc("2026-01-01 00:00"), utc("2026-12-01 00:00")
    assert open_time(dense, since, now, enough=timedelta(hours=1)) == timedelta(hours=1)
    assert open_time(dense, since, now, enough=timedelta(days=7)) == timedelta(days=7)
    assert closing(dense, now) is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"zone": "Europe/Berln"}, "is not in the IANA database"),
        ({"schedule": "0 0 30 2 *"}, "is no cron expression (Bad day-of-month)"),
        ({"schedule": "0 9 * * FRI-MON"}, "is no cron expression (Bad day-of-week)"),
        ({"schedule": "0 9 * FOO *"}, "is no cron expression (Bad month)"),
    ],
)
def test_a_window_that_can_never_open_is_refused(changed: dict[str, str], says: str) -> None:
    good = window(*OFFICE)
    bad = window(changed.get("schedule", OFFICE[0]), "8h", changed.get("zone", OFFICE[2]))
    assert windows_refusal([good]) is None
    refusal = windows_refusal([good, bad])
    assert refusal is not None and says in refusal.message
    assert refusal.message.startswith("spec.windows[1].")
    assert not is_open([bad], utc("2026-03-02 10:00"))
