"""What a Prometheus, or whatever listens at its address, said: rows or a gap with a sentence."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from cutover.decide.readings import Gap, Missing

_MARKUP: Final = re.compile(rb"^\s*<", re.DOTALL)
_LONGEST: Final = 300
"""Characters of a server's own words that go into a sentence."""


class Row(NamedTuple):
    """One series of an instant vector; a scalar has no labels. The value may be NaN or infinite."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Vector:
    """A whole, unwarned answer."""

    rows: tuple[Row, ...]
    at: float | None
    """When it was evaluated, by the server's clock (Unix seconds); None without rows."""


@dataclass(frozen=True, slots=True)
class TooSlow(Gap):
    """Unreachable because the time ran out: a smaller question may still be answered."""


Answer = Vector | Gap


class Series(NamedTuple):
    """One series of a range: its values by evaluation time (Unix seconds)."""

    labels: Mapping[str, str]
    points: Mapping[float, float]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A whole, unwarned answer about a range of time."""

    series: tuple[Series, ...]


_Read = TypeVar("_Read", Vector, Matrix)


def read_answer(
    address: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    hide: Callable[[str], str] = str,
) -> Answer:
    """Judge one HTTP answer to an instant query; ``hide`` takes secrets out of the server's words."""
    return _judge(address, status, headers, body, hide=hide, read=_vector)


def read_range(
    address: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    hide: Callable[[str], str] = str,
) -> Matrix | Gap:
    """Judge one HTTP answer to a range query."""
    return _judge(address, status, headers, body, hide=hide, read=_matrix)


def _judge(
    address: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    hide: Callable[[str], str],
    read: Callable[[Mapping[str, Any]], _Read | Gap],
) -> _Read | Gap:
    if status in (401, 403):
        return Gap(
            Missing.UNAUTHORISED,
            f"{address} refused our credentials (HTTP {status}): check authorization, basicAuth"
            " or headersFrom and the Secrets they name",
        )
    if 300 <= status < 400:
        where = headers.get("location", "").partition("?")[0] or "somewhere else"
        return _foreign(address, f"a redirect to {hide(where)[:_LONGEST]}, which is not followed")
    try:
        content = json.loads(body)
    except ValueError:
        return _foreign(address, _described(status, body, hide))
    if not isinstance(content, dict) or content.get("status") not in ("success", "error"):
        return _foreign(address, f"JSON of another kind (HTTP {status})")
    if content["status"] == "error":
        return _refused(address, status, content, hide)
    return _whole(address, content, hide, read)


def _described(status: int, body: bytes, hide: Callable[[str], str]) -> str:
    if _MARKUP.match(body):
        return f"a web page (HTTP {status})"
    words = " ".join(hide(body.decode(errors="replace")).split())[:80]
    return f'"{words}" (HTTP {status})' if words else f"HTTP {status} and nothing else"


def _foreign(address: str, what: str) -> Gap:
    return Gap(
        Missing.UNREACHABLE,
        f"{address} answered with {what}, not with Prometheus' API: is the address right, is it up,"
        " is there a login page in front?",
    )


def _refused(
    address: str, status: int, content: Mapping[str, Any], hide: Callable[[str], str]
) -> Gap:
    kind = str(content.get("errorType", ""))
    words = " ".join(hide(str(content.get("error", "without a reason"))).split())[:_LONGEST]
    if kind in ("timeout", "canceled"):
        return TooSlow(Missing.UNREACHABLE, f"{address} gave up: {words}")
    if status in (400, 422) or kind in ("bad_data", "execution"):
        return Gap(Missing.INVALID_QUERY, f"{address} refused the query: {words}")
    return Gap(Missing.UNREACHABLE, f"{address} answered HTTP {status}: {words}")


def _whole(
    address: str,
    content: Mapping[str, Any],
    hide: Callable[[str], str],
    read: Callable[[Mapping[str, Any]], _Read | Gap],
) -> _Read | Gap:
    warnings = [text for text in map(str, content.get("warnings") or ()) if not _is_harmless(text)]
    if warnings:
        words = " ".join(hide("; ".join(warnings)).split())[:_LONGEST]
        return Gap(Missing.PARTIAL, f"{address} warned that its answer is not whole: {words}")
    try:
        return read(content["data"])
    except (KeyError, TypeError, ValueError):
        return _foreign(address, "JSON that no query gives")


def _is_harmless(warning: str) -> bool:
    """Prometheus 2 put its hints (``infos`` since 3) among the warnings."""
    return warning.startswith("PromQL info:")


def _vector(data: Mapping[str, Any]) -> Answer:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return Vector((Row({}, float(result[1])),), float(result[0]))
    if kind != "vector":
        return Gap(
            Missing.INVALID_QUERY,
            f"the query gives a {kind}, not one number per series: ask for an instant vector",
        )
    if any("value" not in one for one in result):
        return Gap(
            Missing.INVALID_QUERY,
            "the query gives native histograms, not numbers: ask for classic buckets, by le",
        )
    rows = tuple([Row(one["metric"], float(one["value"][1])) for one in result])
    return Vector(rows, float(result[0]["value"][0]) if result else None)


def _matrix(data: Mapping[str, Any]) -> Matrix | Gap:
    if data["resultType"] != "matrix":
        return Gap(Missing.INVALID_QUERY, f"the query gives a {data['resultType']}, not a range")
    return Matrix(
        tuple(
            # Native histograms have no values and are left out.
            Series(one["metric"], {float(at): float(value) for at, value in one.get("values", ())})
            for one in data["result"]
        )
    )
