"""What a protocol is to a replay: how a request of a golden set is spelled, and how its answer is read.

Requests are made as repeatable as the protocol lets them be: greedy, a fixed seed, one answer, no
stream. What a line says otherwise is refused with a sentence rather than compared as if it were so.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from cutover.judge.golden import Answer

LONGEST_NAME: Final = 96
"""Characters of what a server calls its model."""
Body = dict[str, Any]


class UnfitRequest(Exception):  # noqa: N818 - says what a line is
    """A line is no request of the protocol; the text says why, without its content."""


class UnfitAnswer(Exception):  # noqa: N818 - says what an answer is
    """An answer lacks what the protocol promises; the text says what, without its content."""


class Spelling(Protocol):
    """One protocol."""

    def path(self, model: str | None) -> str:
        """Where requests go, behind the endpoint's url."""

    def prepared(self, body: Body, label: Any) -> Body:
        """Complete a line's request, or raise `UnfitRequest`."""

    def read(self, answer: Mapping[str, Any]) -> Answer:
        """Take an answer apart, or raise `UnfitAnswer`."""


def name_of(said: Any) -> str:
    """A server's name for something, fit for a sentence; empty where it is none."""
    printable = said.isprintable() if isinstance(said, str) else False
    return said[:LONGEST_NAME] if printable else ""
