"""How durations, shares and ratios are written in YAML, and what they mean.

Wire values stay the strings the user wrote; these functions give them a meaning.
All raise ``ValueError`` with a sentence on text that is none of ours.
"""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Final

from pydantic import Field

DURATION_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
SHARE_PATTERN: Final = r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,4})?)%$"
RATIO_PATTERN: Final = r"^[0-9]{1,6}(\.[0-9]{1,6})?$"
NUMBER_PATTERN: Final = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?$"

Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
"""A length of time as Go writes it: ``90s``, ``1h30m``, ``250ms``."""

Share = Annotated[str, Field(pattern=SHARE_PATTERN, max_length=9)]
"""A share of a whole: ``5%``, ``0.1%``."""

Ratio = Annotated[str, Field(pattern=RATIO_PATTERN, max_length=13)]
"""A decimal number as a string: ``2``, ``1.5``."""

Number = Annotated[str, Field(pattern=NUMBER_PATTERN, max_length=23)]
"""A decimal number of either sign as a string: ``3``, ``-0.5``."""

_REMEMBERED: Final = 4096
"""Durations: each look asks the same few again and again, and to read one takes 3 µs."""
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")


@lru_cache(_REMEMBERED)
def parse_duration(text: str) -> timedelta:
    """Return the length of time that ``text`` names."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f'"{text}" is no duration; write it like 30s, 5m or 1h30m')
    return timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text)))


def parse_share(text: str) -> float:
    """Return the share, 0 to 1, that ``text`` names."""
    if not re.fullmatch(SHARE_PATTERN, text):
        raise ValueError(f'"{text}" is no share; write it like 5% or 0.1%')
    return float(text[:-1]) / 100.0


def parse_ratio(text: str) -> float:
    """Return the number that ``text`` names."""
    if not re.fullmatch(RATIO_PATTERN, text):
        raise ValueError(f'"{text}" is no decimal number; write it like 2 or 1.5')
    return float(text)


def parse_number(text: str) -> float:
    """Return the number, of either sign, that ``text`` names."""
    if not re.fullmatch(NUMBER_PATTERN, text):
        raise ValueError(f'"{text}" is no decimal number; write it like 3, 0.5 or -2')
    return float(text)


def format_duration(length: timedelta) -> str:
    """Write a length of time the way people read it: ``45s``, ``12m``, ``1h30m``."""
    seconds = max(0, round(length.total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{seconds}s" if seconds and minutes < 10 else f"{minutes}m"
    return f"{seconds}s"
