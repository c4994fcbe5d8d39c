"""Take a golden set apart: JSON Lines in, items out; the first line that is not usable is named.

Done in short slices, so that a large set never keeps a look waiting.
"""

import asyncio
import hashlib
import json
from time import monotonic
from typing import Any, Final

from cutover.decide.asking import MOST_ITEMS
from cutover.decide.observation import Refusal
from cutover.judge.golden import GoldenSet, Item
from cutover.replay.spelling import Spelling, UnfitRequest

LARGEST_SET: Final = 32 * 2**20
"""Bytes."""
LARGEST_LINE: Final = 2**20
_SLICE: Final = 0.005
"""Seconds of work between two breaths."""
_LONGEST_ID: Final = 128

INVALID: Final = "GoldenSetInvalid"


class _InvalidLine(Exception):  # noqa: N818 - says what a line is
    """The sentence about one line."""


async def take_apart(content: bytes, spelling: Spelling) -> GoldenSet | Refusal:
    """Return every item, or a sentence about the first line that cannot be used."""
    digest = (await asyncio.to_thread(hashlib.sha256, content)).hexdigest()[:16]
    items: list[Item] = []
    lines: dict[str, int] = {}
    breath = monotonic()
    for number, line in enumerate(content.split(b"\n"), start=1):
        if monotonic() - breath > _SLICE:
            await asyncio.sleep(0)
            breath = monotonic()
        if not line.strip():
            continue
        try:
            item = _item(line, number, spelling)
        except _InvalidLine as invalid:
            return Refusal(INVALID, f"line {number} of the golden set {invalid}")
        if item.id in lines:
            return Refusal(
                INVALID,
                f"line {number} of the golden set has the same id as line {lines[item.id]}: give each its own",
            )
        lines[item.id] = number
        items.append(item)
        if len(items) > MOST_ITEMS:
            return Refusal(INVALID, f"the golden set has more than {MOST_ITEMS:,} lines: use fewer")
    if not items:
        return Refusal(INVALID, "the golden set is empty: write one request to a line")
    return GoldenSet(digest, tuple(items))


def _item(line: bytes, number: int, spelling: Spelling) -> Item:
    if len(line) > LARGEST_LINE:
        raise _InvalidLine(f"is longer than {LARGEST_LINE >> 20} MiB: use a smaller input")
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        raise _InvalidLine("is no JSON: write one whole request to a line") from None
    if not isinstance(body, dict):
        raise _InvalidLine("is no JSON object: write one request to a line")
    name, label, model = body.pop("id", None), body.pop("label", None), body.pop("model", None)
    if model is not None and not isinstance(model, str):
        raise _InvalidLine("has a model that is no text")
    try:
        whole = spelling.prepared(body, label)
    except UnfitRequest as unfit:
        raise _InvalidLine(f"is not valid for the protocol: {unfit}") from None
    return Item(_id(name, number), number, json.dumps(whole).encode(), label, model)


def _id(name: Any, number: int) -> str:
    if name is None:
        return f"line {number}"
    if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
        raise _InvalidLine("has an id that is neither text nor a whole number")
    text = str(name)
    if len(text) > _LONGEST_ID or not text.isprintable():
        raise _InvalidLine(
            f"has an id that is longer than {_LONGEST_ID} characters or not printable"
        )
    return text


def only_value(values: Any, key: str | None, where: str) -> bytes | Refusal:
    """Return the value of ``key``, or of the only key there is."""
    names = sorted(values)
    if key is None and len(names) != 1:
        found = "no key" if not names else f"{len(names)} keys"
        return Refusal(
            "GoldenSetMissing", f"{where} has {found}: name the one that is meant in key"
        )
    name = names[0] if key is None else key
    if name not in values:
        return Refusal("GoldenSetMissing", f"{where} has no key {name}: add it, or name another")
    value = values[name]
    return value if isinstance(value, bytes) else str(value).encode()
