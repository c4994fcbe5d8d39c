"""A case: what one rule refuses and what it still admits."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.features.admission.rollouts import Json, at


@dataclass(frozen=True)
class Case:
    id: str
    carrier: str
    sentence: str
    refused: list[Json]
    admitted: list[Json]
    blamed: str = ""
    stored: Json | None = None
    """Transition rules: the object before the edit."""
    status: Json = field(default_factory=dict)
    edits_status: bool = False


def value_case(
    carrier: str,
    sentence: str,
    refused: Iterable[Any],
    admitted: Iterable[Any],
    place: Callable[[Any], Json] | None = None,
) -> Case:
    """A rule on one value; `place` makes the edit where the path leads through a list."""
    put = place or (lambda value: at(carrier, value))
    return Case(
        carrier, carrier, sentence, [put(v) for v in refused], [put(v) for v in admitted], carrier
    )


def duration_case(
    carrier: str,
    shortest: str,
    longest: str,
    refused: Iterable[str],
    place: Callable[[str], Json] | None = None,
) -> Case:
    named = {"720h": " (30 days)", "168h": " (7 days)", "8760h": " (a year)"}.get(longest, "")
    sentence = f"write a duration from {shortest} to {longest}{named}, such as 30s"
    nonsense = ("soon", "1d", "-5s", "999999999999999999h")
    return value_case(carrier, sentence, (*refused, *nonsense), (shortest, longest), place)
