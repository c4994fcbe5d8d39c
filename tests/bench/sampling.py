"""Tells what `sampled` noted of an operator: processor time of a look by part, and the dearest functions."""

import json
import signal
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.features.rollouts.stage import Operator, Stage

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
DEAREST_BESIDE = 25


def program(stage: Stage) -> Sequence[str]:
    """How the operator is started so that it is sampled."""
    return ("-P", str(Path(__file__).with_name("sampled.py")), str(_notes(stage)))


def begin(operator: Operator) -> None:
    """Note from now on."""
    operator.signal(signal.SIGUSR2)


def tell(stage: Stage, per: float, name: str, used: float) -> None:
    """Print what one of ``per`` looks costs by part, of ``used`` seconds of processor time.

    Sampled every four milliseconds, so read no figure below a hundredth of the whole.
    """
    noted = _read(stage)
    stacks: list[tuple[list[str], float]] = noted["stacks"]
    whole = sum(seconds for _, seconds in stacks) + noted["others"]
    each = 1e3 * used / max(1.0, per) / whole
    print(f"    of {1e3 * used / max(1.0, per):.2f} ms of processor time a {name}:")
    parts: defaultdict[str, float] = defaultdict(float)
    within: defaultdict[str, float] = defaultdict(float)
    parts["other threads (Kopf's watch)"] = noted["others"]
    for stack, seconds in stacks:
        parts[_part(stack)] += seconds
        for function in set(stack):
            within[function] += seconds
    print(f"    {'(garbage collection, in any part)':<34} {each * noted['garbage']:6.2f} ms")
    for part, seconds in _dearest_first(parts):
        print(f"    {part:<34} {each * seconds:6.2f} ms")
    beside: defaultdict[str, float] = defaultdict(float)
    for stack, seconds in noted["beside"]:
        for function in set(stack):
            beside[function] += seconds
    for function, seconds in _ours(_dearest_first(beside))[:DEAREST_BESIDE]:
        print(f"      {each * seconds:6.2f} ms  {function} (another thread)")
    print(f"    of these, within ({len(stacks)} stacks, {whole:.1f} s):")
    for function, seconds in _ours(_dearest_first(within)):
        print(f"      {each * seconds:6.2f} ms  {function}")


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


def _read(stage: Stage) -> Any:
    """Have the notes written, and read them."""
    assert stage.operator is not None
    _notes(stage).unlink(missing_ok=True)
    stage.operator.signal(signal.SIGUSR1)
    stage.wait("the notes", _notes(stage).exists)
    return json.loads(_notes(stage).read_text())


def _notes(stage: Stage) -> Path:
    return stage.folder / "notes.json"
