"""PromQL as text: pieces that are put together, and nothing that is sent."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import inf
from typing import Final
from urllib.parse import quote_plus

MATCHERS: Final = "$matchers"
WINDOW: Final = "$window"
EDGES: Final = "$edges"
"""Bucket edges as a regular expression over ``le``; only in the profiles' own queries."""
SECONDS: Final = "$seconds"
"""The window as a bare number, for comparisons with ``time()``; only in the profiles' own queries."""

GATE: Final = "gate"
SPAN: Final = "window"
"""The two labels that tell the rows of a joined answer apart."""

_SPANS: Final = 4096
"""Lengths of time that are remembered: each is written several times a look."""
_PLAIN_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SELECTED: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{")


def quoted(text: str) -> str:
    """Write a string literal. A dollar sign is written as an escape: no placeholder can arise in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + escaped.replace("$", "\\x24") + '"'


def rendered(matchers: Mapping[str, str]) -> str:
    """Write equality matchers without braces: ``cluster="gke",namespace="chat"``.

    A name that needs it is quoted, which Prometheus reads from 3.0 on; it can never end the selector.
    """
    return ",".join(
        f"{name if _PLAIN_NAME.fullmatch(name) else quoted(name)}={quoted(value)}"
        for name, value in matchers.items()
    )


def selector(metric: str, *matchers: str) -> str:
    """Write one instant selector: ``metric{a="b",c="d"}``."""
    return f"{metric}{{{','.join(one for one in matchers if one)}}}"


@lru_cache(_SPANS)
def duration(seconds: float) -> str:
    """Write a length of time: ``754s``, or whole milliseconds (``7500ms``) where it is no whole second."""
    whole = round(seconds)
    return f"{whole}s" if abs(seconds - whole) < 5e-4 else f"{round(seconds * 1000)}ms"


def over(expression: str, seconds: float) -> str:
    """Fill the window into an expression that has its matchers already."""
    bare = f"{seconds:.3f}".rstrip("0").rstrip(".")
    return expression.replace(WINDOW, duration(seconds)).replace(SECONDS, bare)


def le_texts(edge: float) -> tuple[str, ...]:
    """Write a bucket edge as clients do: ``1`` and ``1.0``."""
    if edge == inf:
        return ("+Inf",)
    text = repr(float(edge))
    return (text, text.removesuffix(".0")) if text.endswith(".0") else (text,)


def at_edges(expression: str, edges: Iterable[float]) -> str:
    """Fill bucket edges into an expression."""
    texts = [re.escape(text).replace("\\", "\\\\") for edge in edges for text in le_texts(edge)]
    return expression.replace(EDGES, "|".join(texts))


def with_edges(expression: str, edges: Iterable[float]) -> str:
    """Keep of any expression's rows those whose ``le`` is one of the edges."""
    kept = [f'label_replace(vector(1),"le","{text}","","")' for e in edges for text in le_texts(e)]
    return f"{expression} and on(le)({joined(kept)})"


def tagged(expression: str, label: str, value: str) -> str:
    """Give every row of an expression a label."""
    return f'label_replace({expression},"{label}","{value}","","")'


def joined(expressions: Iterable[str]) -> str:
    """Ask for all of them at one instant; tags keep their rows apart."""
    return " or ".join(expressions)


class Encoded(str):
    """PromQL as a form carries it; placeholders are still readable.

    Encoding ten kilobytes takes a millisecond, so what is asked again and again is encoded once.
    """

    __slots__ = ()

    @classmethod
    def of(cls, expression: str) -> "Encoded":
        """Encode; what is encoded already stays as it is."""
        return expression if isinstance(expression, cls) else cls(quote_plus(expression, safe="$"))

    @classmethod
    def joined(cls, expressions: Iterable[str]) -> "Encoded":
        """Do what ``joined`` does."""
        return cls("+or+".join(cls.of(one) for one in expressions))

    def over(self, seconds: float) -> "Encoded":
        """Do what ``over`` does."""
        return Encoded(over(self, seconds))


def metrics_in(expression: str) -> tuple[str, ...]:
    """Return the metric names that are followed by a brace, each once; a heuristic, for sentences only."""
    return tuple(dict.fromkeys(_SELECTED.findall(expression)))
