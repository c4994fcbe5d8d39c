"""What a picture is put on: a terminal, where it changes in its place, or a log, line by line."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from cutover.cli.drawing import Command, draw
from cutover.cli.sight import Sight
from cutover.cli.words import line

Picture = Callable[[Sight], RenderableType]
"""Draws a sight as it is now."""

UNFOLDED: Final = 1000
"""Columns where nobody has a window: a line stays a line."""


class Screen(Protocol):
    """Where a rollout is followed; the last picture stays when it is left."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self, sight: Sight) -> None:
        """Show the newest sight."""

    def lose(self, why: str) -> None:
        """Say that what is shown may be out of date."""


def console() -> Console:
    """Return the standard output: colours and folding for a terminal, plain lines for a pipe."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=UNFOLDED)


def show_once(sight: Sight, command: Command, *, evidence: bool) -> None:
    """Print one picture."""
    console().print(draw(sight, datetime.now(UTC), command, evidence=evidence))


def open_screen(command: Command, *, evidence: bool) -> Screen:
    """Choose by what the standard output is."""
    out = console()

    def picture(sight: Sight) -> RenderableType:
        return draw(sight, datetime.now(UTC), command, evidence=evidence)

    return Terminal(out, picture) if out.is_terminal else Log(out, picture)


class Terminal:
    """The picture stays in its place; ages go on counting between changes."""

    def __init__(self, out: Console, picture: Picture) -> None:
        self._picture = picture
        self._sight: Sight | None = None
        self._lost = ""
        self._live = Live(console=out, get_renderable=self._render, refresh_per_second=2)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.vertical_overflow = "visible"  # whole at last, however small the window is
        self._live.stop()

    def show(self, sight: Sight) -> None:
        self._sight, self._lost = sight, ""
        self._live.refresh()

    def lose(self, why: str) -> None:
        self._lost = why
        self._live.refresh()

    def _render(self) -> RenderableType:
        if self._sight is None:
            return Text(f"! {self._lost}" if self._lost else "")
        picture = self._picture(self._sight)
        return (
            Group(picture, Text(f"! not up to date: {self._lost}", style="bold magenta"))
            if self._lost
            else picture
        )


class Log:
    """One line for each change, and the picture at the end."""

    def __init__(self, out: Console, picture: Picture) -> None:
        self._out = out
        self._picture = picture
        self._sight: Sight | None = None
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._sight is not None:
            self._out.print(self._picture(self._sight))

    def show(self, sight: Sight) -> None:
        self._sight = sight
        self._say(line(sight))

    def lose(self, why: str) -> None:
        self._say(f"not up to date: {why}")

    def _say(self, text: str) -> None:
        if text != self._last:
            print(f"{datetime.now(UTC):%H:%M:%SZ}  {text}", flush=True)
        self._last = text
