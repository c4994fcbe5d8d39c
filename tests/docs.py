"""Writes what ARCHITECTURE.md shows of the code itself: `python -m tests.docs --write`."""

import sys
from pathlib import Path

from cutover.decide.transitions import mermaid

ARCHITECTURE = Path(__file__).parents[1] / "ARCHITECTURE.md"
BEGIN, END = "<!-- states: make generate -->", "<!-- end of states -->"


def with_diagram(text: str) -> str:
    """The document with the state diagram as the transition table has it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```mermaid\n{mermaid()}\n```\n{END}{after}"


def main() -> None:
    text = ARCHITECTURE.read_text()
    if "--write" in sys.argv:
        ARCHITECTURE.write_text(with_diagram(text))
    elif with_diagram(text) != text:
        sys.exit("ARCHITECTURE.md shows an old state diagram: run make generate")


if __name__ == "__main__":
    main()
