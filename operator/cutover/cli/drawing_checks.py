"""What preflight found, for a person and as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from cutover.api.preflight import CheckState
from cutover.cli.columns import Cells, columns
from cutover.cli.drawing import MARKS
from cutover.decide.check import Check


def draw_checks(name: str, said: str, checks: Sequence[Check], seconds: float) -> RenderableType:
    """A tick or a sentence for each."""
    rows: list[Cells] = [_row(one) for one in checks]
    return Group(
        Text.assemble((name, "bold"), ("  preflight, ", ""), (said, "dim")),
        *columns(rows),
        Text(""),
        Text.assemble(*_summary(checks), (f"  ({seconds:.1f} s, nothing was changed)", "dim")),
    )


def _row(check: Check) -> Cells:
    mark, style = MARKS[check.state]
    is_good = check.state is CheckState.PASSED
    words = ("dim", "dim") if is_good else ("bold", "")
    message = check.message + (" (no answer in time)" if check.awaited else "")
    return ((mark, style), (check.name, words[0]), (message, words[1]))


def _summary(checks: Sequence[Check]) -> Iterator[tuple[str, str]]:
    back = sum(one.holds_back for one in checks)
    warnings = sum(one.state is CheckState.WARNING for one in checks)
    unknown = sum(one.state is CheckState.UNKNOWN and not one.awaited for one in checks)
    if back:
        yield f"{back} of {len(checks)} checks keep it from beginning", "bold red"
    else:
        yield f"{len(checks)} checks, nothing keeps it from beginning", "bold green"
    if warnings:
        yield f", {warnings} warning{'s' * (warnings > 1)}", "yellow"
    if unknown:
        yield f", {unknown} cannot be told", "magenta"


def as_json(name: str, checks: Sequence[Check], seconds: float) -> dict[str, Any]:
    """Write everything with camelCase keys."""
    return {
        "name": name,
        "seconds": round(seconds, 3),
        "checks": [
            {
                "name": one.name,
                "state": str(one.state),
                "reason": one.reason,
                "message": one.message,
                "holdsBack": one.holds_back,
            }
            for one in checks
        ],
    }
