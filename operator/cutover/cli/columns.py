"""Rows of cells under each other."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

Cells = Sequence[tuple[str, str]]
"""One row: texts, each with its style."""


def columns(rows: Sequence[Cells]) -> list[Text]:
    """Align rows of cells; the last cell of a row is as long as it is."""
    widths = [max(map(cell_len, column)) for column in _transposed(rows)]
    lines = []
    for row in rows:
        line = Text()
        for (text, style), width in zip(row, widths, strict=False):
            line.append(text, style=style)
            line.append(" " * (width - cell_len(text) + (1 if width == 1 else 2)))
        line.rstrip()
        lines.append(line)
    return lines


def _transposed(rows: Sequence[Cells]) -> list[list[str]]:
    longest = max(map(len, rows), default=0)
    return [[row[i][0] for row in rows if i < len(row)] for i in range(longest)]
