"""What does a person see while parts are built?"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars


class Progress(Protocol):
    def begin(self, name: str, packages: int) -> None: ...
    def step(self, name: str) -> None: ...
    def finish(self, name: str, outcome: str) -> None: ...


class TerminalProgress:
    """A bar per part; go names a package when it compiles it, not when its cache has it."""

    def __init__(self, bars: Bars, names: list[str]) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {
            name: bars.add_task(name, total=None, outcome="waiting", start=False) for name in names
        }

    def begin(self, name: str, packages: int) -> None:
        self._bars.start_task(self._tasks[name])
        self._bars.update(self._tasks[name], total=packages, outcome="compiling")

    def step(self, name: str) -> None:
        self._bars.advance(self._tasks[name])

    def finish(self, name: str, outcome: str) -> None:
        self._bars.start_task(self._tasks[name])
        self._bars.update(self._tasks[name], total=1, completed=1, outcome=outcome)
        self._bars.stop_task(self._tasks[name])


class LineProgress:
    """For a log: one line when a build begins, one when it ends."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}

    def begin(self, name: str, packages: int) -> None:
        self._began[name] = time.monotonic()
        print(f"lab: building {name} ({packages} packages)", file=sys.stderr, flush=True)

    def step(self, name: str) -> None: ...

    def finish(self, name: str, outcome: str) -> None:
        began = self._began.get(name)
        after = "" if began is None else f" after {time.monotonic() - began:.0f} s"
        print(f"lab: {name} {outcome}{after}", file=sys.stderr, flush=True)


@contextmanager
def progress_display(names: list[str]) -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineProgress()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.fields[outcome]:<12}"),
        TimeElapsedColumn(),
    )
    console.print("Building the lab's parts, once per machine; about ten minutes on two cores.")
    with Bars(*columns, console=console) as bars:
        yield TerminalProgress(bars, names)
