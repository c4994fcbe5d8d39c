"""A bar on a terminal while something takes its time; nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def growing(what: str) -> Iterator[Callable[[int], Callable[[], None]]]:
    """Do what ``progress`` does, where how many parts there are is known only later."""
    with ExitStack() as stack:
        yield lambda parts: stack.enter_context(progress(what, parts))


@contextmanager
def progress(what: str, parts: int) -> Iterator[Callable[[], None]]:
    """Show how many of the parts are done; what is given is called after each."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    out = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=out, transient=True) as bar:
        task = bar.add_task(what, total=parts)
        yield lambda: bar.advance(task)
