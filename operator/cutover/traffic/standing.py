"""PURE: numbers as they stand in objects: integers, strings of digits, or inside JSON that a string holds.

Of JSON in a string only the digits are exchanged, so that nothing else in it changes by a byte.
"""

import json
import re
from collections.abc import Mapping, Sequence
from json.decoder import WHITESPACE  # type: ignore[attr-defined]
from typing import Any, Final

from cutover.traffic.layout import Entry

Parts = Sequence[str]
"""A JSON pointer, taken apart."""

_DECODER: Final = json.JSONDecoder()
_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,6}")
_INDEX: Final = re.compile(r"0|[1-9][0-9]*")


class AbsentType:
    """Nothing stands there; unlike None, which may."""


ABSENT: Final = AbsentType()


def parts_of(pointer: str) -> Parts:
    """Take a JSON pointer (RFC 6901) apart."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def value_at(thing: Any, parts: Parts) -> Any:
    """Return what stands there, or `ABSENT`."""
    for part in parts:
        if isinstance(thing, Mapping) and part in thing:
            thing = thing[part]
        elif isinstance(thing, list | tuple) and _INDEX.fullmatch(part) and int(part) < len(thing):
            thing = thing[int(part)]
        else:
            return ABSENT
    return thing


def number_at(thing: Any, pointer: str) -> Entry | None:
    """Return the number that stands there, with what has to be tested; None: there is none."""
    found = value_at(thing, parts_of(pointer))
    if isinstance(found, int) and not isinstance(found, bool):
        return Entry(pointer, found)
    if isinstance(found, str) and _DIGITS.fullmatch(found):
        return Entry(pointer, int(found), text=found, span=(0, len(found)))
    return None


def number_inside(thing: Any, holder: str, parts: Parts) -> Entry | None:
    """Return the number inside the JSON that the string at ``holder`` holds; None: there is none."""
    text = value_at(thing, parts_of(holder))
    if not isinstance(text, str):
        return None
    span = _span(text, parts)
    if span is None:
        return None
    start, end = span
    if text[start] == '"':
        start, end = start + 1, end - 1
    if not _DIGITS.fullmatch(text[start:end]):
        return None
    number = int(text[start:end])
    return Entry(holder, number, ((holder, text),), text=text, span=(start, end))


def parsed(text: Any) -> Any:
    """Return what the JSON in a string says, or `ABSENT` where it is no string of JSON."""
    try:
        return json.loads(text) if isinstance(text, str) else ABSENT
    except ValueError:
        return ABSENT


def _span(text: str, parts: Parts) -> tuple[int, int] | None:
    """Where in the text of a JSON document a value begins and ends."""
    if parsed(text) is ABSENT:
        return None
    start = _blank(text, 0)
    for part in parts:
        found = _below(text, start, part)
        if found is None:
            return None
        start = found
    return start, _DECODER.raw_decode(text, start)[1]


def _below(text: str, start: int, part: str) -> int | None:
    """Where a member of the object, or an element of the list, that begins at ``start`` begins."""
    named = text[start] == "{"
    if not named and text[start] != "[":
        return None
    at, number, found = _blank(text, start + 1), 0, None
    while text[at] not in "}]":
        name: Any = str(number)
        if named:
            name, at = _DECODER.raw_decode(text, at)
            at = _blank(text, _blank(text, at) + 1)  # over the colon
        if name == part:
            found = at  # of a repeated name the last counts, as in every parser
        at = _blank(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _blank(text, at + 1)
        number += 1
    return found


def _blank(text: str, at: int) -> int:
    end: int = WHITESPACE.match(text, at).end()
    return end
