"""What a judgement can come to."""

from enum import StrEnum


class Verdict(StrEnum):
    """The four outcomes of a gate; only ``Pass`` lets a rollout go on."""

    PASS = "Pass"  # noqa: S105 - a verdict, not a password
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    """Looked, and there is not enough evidence yet."""
    ERROR = "Error"
    """Could not look."""


class Unit(StrEnum):
    """What a gate's value and bound are numbers of; a plain number has no unit."""

    SHARE = "Share"
    """0 to 1, told in percent."""
    SECONDS = "Seconds"
