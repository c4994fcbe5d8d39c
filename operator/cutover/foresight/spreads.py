"""What drift gates compare, in each look of the source's past: read in bulk, and dealt out to two sides."""

from collections.abc import Iterable, Mapping
from math import inf, isclose
from typing import Any

import numpy as np

from cutover.foresight.past import Floats, Spread
from cutover.metrics.distributions import CLASS
from cutover.metrics.quantities import Quantity
from cutover.metrics.readings import edge_of


def deal_cells(
    one: Spread, look: int, weight: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Deal the requests of one look out by chance, source first; the target's share is ``weight`` percent."""
    cells = np.rint(np.nan_to_num(one.counts[look])).astype(np.int64)
    target = rng.binomial(cells, weight / 100.0)
    return (cells - target).astype(np.float64), target.astype(np.float64)


def read_spread(
    quantity: Quantity, series: Iterable[Mapping[str, Any]], first: float, look: float, looks: int
) -> Spread | None:
    """Make a distribution of an answer over a range; None: there is none in it."""
    by_cell: dict[str | float, Floats] = {}
    for one in series:
        cell = _cell(quantity, one["metric"], by_cell)
        if cell is None:
            continue
        values = np.array(one["values"], dtype=np.float64).reshape(-1, 2)
        at = np.rint((values[:, 0] - first) / look).astype(int)
        inside = (at >= 0) & (at < looks)
        array = by_cell.setdefault(cell, np.full(looks, np.nan))
        at, found = at[inside], np.maximum(values[inside, 1], 0.0)
        array[at] = np.where(np.isnan(array[at]), found, array[at] + found)
    if not by_cell or (quantity.is_histogram and inf not in by_cell):
        return None
    names = sorted(
        by_cell, key=lambda cell: (str(cell), 0.0) if isinstance(cell, str) else ("", cell)
    )
    counts = np.stack([by_cell[name] for name in names], axis=1)
    known = np.isfinite(counts).any(axis=1)
    counts[known] = np.nan_to_num(counts[known])
    if not quantity.is_histogram:
        return Spread(counts, classes=tuple(map(str, names)))
    # Scrapes that hit a histogram's buckets at different moments make a higher one a little smaller.
    risen = np.maximum.accumulate(counts, axis=1)
    cells = np.diff(risen, axis=1, prepend=0.0)
    return Spread(cells, edges=tuple(float(name) for name in names))


def _cell(
    quantity: Quantity, labels: Mapping[str, str], known: Mapping[str | float, Floats]
) -> str | float | None:
    """A class by its name, a bucket by its edge, however that is written."""
    if not quantity.is_histogram:
        return labels.get(CLASS, "")
    edge = edge_of(labels.get("le", ""))
    if edge is None:
        return None
    return next((one for one in known if isinstance(one, float) and isclose(one, edge)), edge)
