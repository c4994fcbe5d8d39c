"""Writes what the documents show of the code itself: `python -m tests.docs --write`."""

import sys
from collections.abc import Iterable
from pathlib import Path

from cutover.decide.transitions import mermaid
from cutover.metrics.profiles import NAMES
from cutover.metrics.profiles.defaults import DEFAULT_GATES
from cutover.metrics.profiles.gateways import GATEWAYS
from cutover.metrics.profiles.names import Names

ROOT = Path(__file__).parents[1]
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- states: make generate -->", "<!-- end of states -->"
PROFILES = ROOT / "docs" / "profiles.md"
PROFILES_BEGIN, PROFILES_END = "<!-- profiles: make generate -->", "<!-- end of profiles -->"


def with_diagram(text: str) -> str:
    """The document with the state diagram as the transition table has it."""
    return _with(text, BEGIN, END, f"```mermaid\n{mermaid()}\n```")


def with_profiles(text: str) -> str:
    """The document with what each profile can tell, as its data has it."""
    lines = [
        "| profile | latency | meanLatency, besides | errorRate | how full | default gates |",
        "|---|---|---|---|---|---|",
        *(
            _row(profile.value, names, ", ".join(gate.name for gate in DEFAULT_GATES[profile]))
            for profile, names in NAMES.items()
        ),
        "",
        "What to know about each:",
        "",
        *(
            f"- **{profile.value}**: {' '.join(names.cannot)}"
            for profile, names in NAMES.items()
            if names.cannot
        ),
        "",
        "And about each gateway:",
        "",
        *(
            f"- **{profile.value}**: {gateway.labelled}. {' '.join(gateway.names.cannot)}"
            for profile, gateway in GATEWAYS.items()
        ),
    ]
    return _with(text, PROFILES_BEGIN, PROFILES_END, "\n".join(lines))


def _row(profile: str, names: Names, gates: str) -> str:
    only = [name for name in names.means if name not in names.latencies]
    full = [
        word
        for word, told in (
            ("running", names.running),
            ("waiting", names.waiting),
            ("KV cache", names.kv_cache),
        )
        if told
    ]
    counted = "yes" if names.errors else "no: at the gateway"
    cells = (profile, _listed(names.latencies), _listed(only), counted, _listed(full), gates)
    return f"| {' | '.join(cells)} |"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "–"


def _with(text: str, begin: str, end: str, shown: str) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{shown}\n{end}{after}"


def main() -> None:
    for path, render in ((ARCHITECTURE, with_diagram), (PROFILES, with_profiles)):
        text = path.read_text()
        if "--write" in sys.argv:
            path.write_text(render(text))
        elif render(text) != text:
            sys.exit(f"{path.name} shows what the code no longer is: run make generate")


if __name__ == "__main__":
    main()
