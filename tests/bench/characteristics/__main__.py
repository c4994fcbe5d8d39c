"""Simulate whole plans: false rollbacks, completion, power; and the usual alternatives on the same data.

    python -m tests.bench.characteristics [--full | --plans 200] [--only TEXT] [--rules cutover,point-5m] [--write-docs]

Without options 200 plans a world, in a few minutes on two cores. ``--full`` is what docs/operating-characteristics.md
states: 5,000 plans a world, an hour or so. ``--write-docs`` keeps the figures beside what was kept before (so that
the worlds may be run a few at a time) and writes the document and its plot.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.characteristics import chart, document
from tests.bench.characteristics.figures import (
    NOTHING,
    PlanFigures,
    PowerFigures,
    Results,
)
from tests.bench.characteristics.outcome import End
from tests.bench.characteristics.plans import RULES
from tests.bench.characteristics.running import Size, run_changes, run_worlds
from tests.bench.characteristics.text import hours, power_verdict, share_of, verdict
from tests.bench.characteristics.worlds import CHANGES, WORLDS

DOCS = Path(__file__).parents[3] / "docs"
NAME = "operating-characteristics"
COMMAND = "python -m tests.bench.characteristics --full --write-docs"
FULL, FEW = 5000, 200


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    rules = tuple(chosen.rules.split(","))
    if unknown := set(rules) - set(RULES):
        sys.exit(f"no such rule: {', '.join(sorted(unknown))}; there are {', '.join(RULES)}")
    plans = FULL if chosen.full else chosen.plans
    size = Size(plans, chosen.seed, chosen.jobs, rules, chosen.others or plans)
    began = time.monotonic()
    print(
        f"seed {size.seed}, {size.plans:,} plans a world; shares in % [95 % Clopper–Pearson]\n",
        flush=True,
    )
    worlds = [one for one in WORLDS if chosen.only in one.name]

    def whole_told(rows: list[PlanFigures], seconds: float) -> None:
        _tell_plans(rows, seconds)
        if chosen.write_docs:
            keep(Results([row for row in rows if row.n], [], {}), chosen.into)

    def power_told(rows: list[PowerFigures], fixed: int | None) -> None:
        _tell_power(rows, fixed)
        if chosen.write_docs:
            keep(Results([], [row for row in rows if row.n], {rows[0].change: fixed}), chosen.into)

    run_worlds(worlds, size, whole_told)
    changes = [one for one in CHANGES if chosen.only in one.name]
    if changes:
        print("\none step with a worse target; looks since settle\n")
        run_changes(changes, size, power_told)
    print(f"\n{time.monotonic() - began:.0f} s")
    if chosen.write_docs:
        write(chosen.into)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plans", type=int, default=FEW, help="plans a world")
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} plans a world")
    parser.add_argument("--others", type=int, help="plans for the alternatives; otherwise as many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--only", default="", help="worlds and changes whose name contains this")
    parser.add_argument("--rules", default=",".join(RULES), help="separated by commas")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--into", type=Path, default=DOCS, help="folder of what is written")
    return parser


def _tell_plans(rows: list[PlanFigures], seconds: float) -> None:
    worlds = {one.name: one for one in WORLDS}
    print(f"{rows[0].world}  (n={rows[0].n:,}, {seconds:.0f} s)")
    for row in (one for one in rows if one.n):
        goal = f"  goal {verdict(worlds[row.world], row)}" if row.rule == "cutover" else ""
        print(
            f"  {row.rule:<11} gates {share_of(row.count(End.ROLLED_BACK), row.n):<24}"
            f" guards {share_of(row.count(End.GUARD), row.n):<20}"
            f" finished {share_of(row.count(End.PASSED), row.n):<24}"
            f" paused {row.count(End.PAUSED)} out of time {row.count(End.OUT_OF_TIME)}"
            f"  {hours(row)}  {row.blame}{goal}",
            flush=True,
        )


def _tell_power(rows: list[PowerFigures], fixed: int | None) -> None:
    change = next(one for one in CHANGES if one.name == rows[0].change)
    print(f"{change.name}  (n={rows[0].n:,}; best fixed-size test: {fixed or '–'} looks)")
    for row in rows:
        by = f"by look {change.by_look} {share_of(row.by(change.by_look), row.n):<24}"
        goal = f"  goal {power_verdict(change, row, fixed)}" if row.rule == "cutover" else ""
        print(
            f"  {row.rule:<11} {by if change.by_look else ''} in all"
            f" {share_of(row.caught, row.n):<24} passed {share_of(row.passed, row.n):<24}"
            f" median look {row.median or '–'}{goal}",
            flush=True,
        )


def _lines(results: Results) -> str:
    """JSON with one row a line, so that a change shows what changed."""
    parts = []
    for name, rows in results.as_json().items():
        if isinstance(rows, list):
            lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
            parts.append(f'"{name}": [\n{lines}\n]')
        else:
            parts.append(f'"{name}": {json.dumps(rows, ensure_ascii=False)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read(folder: Path = DOCS) -> Results:
    """The figures that are kept."""
    kept = folder / f"{NAME}.json"
    return Results.from_json(json.loads(kept.read_text())) if kept.exists() else NOTHING


def keep(results: Results, folder: Path = DOCS) -> None:
    """Beside what was kept before, as soon as it is known: a run takes long."""
    folder.mkdir(exist_ok=True)
    (folder / f"{NAME}.json").write_text(_lines(results.over(read(folder))))


def write(folder: Path = DOCS) -> None:
    """Write the document and its plot from what is kept."""
    results = read(folder)
    text, plot = folder / f"{NAME}.md", folder / f"{NAME}.png"
    text.write_text(document.paragraphs(results, COMMAND))
    chart.draw(results, plot)
    print(f"wrote {text} and {plot.name} ({plot.stat().st_size / 1024:.0f} KiB)")


if __name__ == "__main__":
    sys.exit(main())
