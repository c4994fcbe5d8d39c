"""Rows into numbers: one quantity of one window at a time."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cutover.decide.readings import Gap, Missing
from cutover.judge.histogram import Buckets
from cutover.metrics import promql
from cutover.metrics.answers import Row
from cutover.metrics.promql import GATE, SPAN

_EDGES: Final = 4096
"""Texts that are remembered."""

Sorted = Mapping[tuple[str, str], list[Row]]
"""Rows by their tags: (gate, window)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one look brought."""

    windows: tuple[float, ...]
    rows: Sorted
    at: float | None
    """The instant, by the server's clock (Unix seconds)."""
    gaps: Mapping[str, Gap]
    """By quantity: why it could not even be asked."""
    long: float | None = None
    """The window over which distributions were asked for; None: they were not."""

    def vital(self, name: str) -> float | None:
        """Return a number about the side as a whole."""
        found = self.rows.get((name, ""), ())
        return found[0].value if found else None

    def of(self, name: str, seconds: float) -> Sequence[Row]:
        """Return the rows of one quantity over one window."""
        return self.rows.get((name, promql.duration(seconds)), ())

    def has(self, name: str) -> bool:
        """Whether any window holds this quantity."""
        return any(self.of(name, seconds) for seconds in self.windows)


def sort_rows(rows: Iterable[Row]) -> Sorted:
    """Sort the rows of a joined answer by their tags."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        labels = row.labels
        found.setdefault((labels.get(GATE, ""), labels.get(SPAN, "")), []).append(row)
    return found


def read_number(what: str, rows: Collection[Row]) -> float | Gap:
    """Read a count; there is at least one row."""
    if len(rows) > 1:
        return Gap(
            Missing.INVALID_QUERY,
            f"{what} gives {len(rows)} numbers where one is needed: put sum(…) around it",
        )
    (row,) = rows
    if not math.isfinite(row.value):
        return _not_finite(what, row.value)
    if row.value < 0:
        return Gap(Missing.INVALID_QUERY, f"{what} gives {row.value:g}, which is no count")
    return row.value


def read_buckets(what: str, rows: Iterable[Row], series: Mapping[float, float]) -> Buckets | Gap:
    """Read a histogram.

    ``series`` says by edge how many series have it: where servers with different edges stand
    together, an edge that only some of them have holds only their requests, and is left out.
    Empty: not known.
    """
    counts: dict[str, float] = {}
    for row in rows:
        le = row.labels.get("le", "")
        if edge_of(le) is None or le in counts or len(row.labels) > 3:
            return Gap(
                Missing.INVALID_QUERY,
                f"{what} is no histogram by le: put sum by (le) (…) around it",
            )
        if not math.isfinite(row.value):
            return _not_finite(what, row.value)
        counts[le] = row.value
    if series:
        most = max(series.values())
        counts = {le: n for le, n in counts.items() if series.get(float(le), most) >= most}
    buckets = Buckets.parse(counts)
    if buckets is None:
        return Gap(
            Missing.INVALID_QUERY,
            f"{what} is no histogram: it has no +Inf bucket, or its counts fall as le rises, as when"
            " servers with different buckets are added up",
        )
    return buckets


def read_series(rows: Iterable[Row]) -> dict[float, float]:
    """Count the series by edge; one edge may be written in two ways (``1`` and ``1.0``)."""
    found: dict[float, float] = {}
    for row in rows:
        edge = edge_of(row.labels.get("le", ""))
        if edge is not None:
            found[edge] = found.get(edge, 0.0) + row.value
    return found


@lru_cache(_EDGES)
def edge_of(le: str) -> float | None:
    """Read a bucket's ``le``; None where it is no number."""
    try:
        edge = float(le)
    except ValueError:
        return None
    return None if math.isnan(edge) else edge


def _not_finite(what: str, value: float) -> Gap:
    return Gap(
        Missing.NOT_FINITE,
        f"{what} gives {value}: a division by nothing? Return counts, which are divided here",
    )
