"""When the target's weight may rise."""

from typing import Annotated, Final

from pydantic import Field

from cutover.api.quantities import Duration
from cutover.api.rules import Rule, within
from cutover.api.wire import Wire

MAX_WINDOWS: Final = 16


def _items(value: str) -> str:
    """One field of a cron expression: values, ranges, steps and lists of them."""
    item = rf"([*]|({value})(-({value}))?)(/[1-9][0-9]?)?"
    return f"{item}(,{item})*"


_MINUTE: Final = "[0-5]?[0-9]"
_HOUR: Final = "[01]?[0-9]|2[0-3]"
_DAY: Final = "0?[1-9]|[12][0-9]|3[01]"
_MONTH: Final = "0?[1-9]|1[0-2]|[A-Za-z]{3}"
_WEEKDAY: Final = "[0-7]|[A-Za-z]{3}"
SCHEDULE_PATTERN: Final = (
    "^" + " +".join(_items(one) for one in (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)) + "$"
)
ZONE_PATTERN: Final = "^(UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]+){1,2})$"


class Window(Wire):
    """One time in which the weight may rise, again and again."""

    schedule: Annotated[
        str,
        Field(min_length=9, max_length=100),
        Rule(
            f"self.matches(r'{SCHEDULE_PATTERN}')",
            "write a cron expression of five fields (minute, hour, day of month, month, day of week),"
            ' such as "0 9 * * 1-5"',
        ),
    ]
    """When it opens: a cron expression of five fields, such as "0 9 * * 1-5" (Monday to Friday at nine), read as Debian's cron reads it."""
    duration: Annotated[Duration, within("1m", "168h", named="7 days")]
    """How long it stays open, 1m to 168h (7 days), on the clock that knows no summer time."""
    time_zone: Annotated[
        str,
        Field(min_length=3, max_length=64),
        Rule(
            f"self.matches(r'{ZONE_PATTERN}')",
            "write UTC or a time zone by its name in the IANA database, such as Europe/Berlin",
        ),
    ]
    """The time zone of the schedule: UTC, or a name of the IANA database, such as Europe/Berlin."""
