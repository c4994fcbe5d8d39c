"""Tells what `sampled` noted of an operator: processor time of a look by part, and the dearest functions."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.bench.staging import Meter
from tests.features.rollouts.stage import Stage

PARTS = (
    ("Prometheus: httpx", ("httpx:", "httpx.", "httpcore.", "h11.")),
    ("Prometheus: ours", ("cutover.metrics.",)),
    ("API servers: aiohttp", ("aiohttp.",)),
    ("API servers: ours", ("cutover.clusters.",)),
    ("the route", ("cutover.traffic.",)),
    ("taking the object apart", ("cutover.observe.world:take_apart",)),
    ("decide", ("cutover.decide.", "cutover.judge.")),
    ("report", ("cutover.report",)),
    ("observe", ("cutover.observe.",)),
    ("models", ("cutover.api.", "pydantic")),
    ("the shell", ("cutover.",)),
    ("event loop", ("asyncio.", "selectors:")),
)
"""The innermost frame that begins with one of these says to which part a note belongs."""
DEAREST = 45


def program(stage: Stage) -> Sequence[str]:
    """How the operator is started so that it is sampled."""
    return ("-P", str(Path(__file__).with_name("sampled.py")), str(_notes(stage)))


def tell(stage: Stage, meter: Meter) -> None:
    """Print what a look costs by part; sampled every four milliseconds, so read no figure below a hundredth."""
    noted = json.loads(_notes(stage).read_text())
    stacks: list[tuple[list[str], float]] = noted["stacks"]
    whole = sum(seconds for _, seconds in stacks) + noted["others"]
    each = 1e3 * meter.operator / max(1, meter.looks) / whole
    parts: defaultdict[str, float] = defaultdict(float)
    within: defaultdict[str, float] = defaultdict(float)
    parts["other threads (Kopf's watch)"] = noted["others"]
    for stack, seconds in stacks:
        parts[_part(stack)] += seconds
        for name in set(stack):
            within[name] += seconds
    for part, seconds in _dearest_first(parts):
        print(f"    {part:<34} {each * seconds:6.2f} ms")
    print(f"    of these, within ({len(stacks)} stacks, {whole:.1f} s):")
    for name, seconds in _ours(_dearest_first(within)):
        print(f"      {each * seconds:6.2f} ms  {name}")


def _dearest_first(spent: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(spent.items(), key=lambda row: -row[1])


def _ours(rows: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    shell = ("asyncio.", "runpy:", "__main__:", "threading:")
    return [row for row in rows if not row[0].startswith(shell)][:DEAREST]


def _part(stack: Sequence[str]) -> str:
    for name in reversed(stack):
        for part, beginnings in PARTS[:-1]:
            if name.startswith(beginnings):
                return part
    return "event loop"


def _notes(stage: Stage) -> Path:
    return stage.folder / "notes.json"
