"""Which phase may follow which: the whole state machine, as data.

The diagram in ARCHITECTURE.md is drawn from this table (``make generate``). Staying where one is
is always allowed and not listed.
"""

from collections.abc import Mapping
from typing import Final

from cutover.api.status import Phase

START: Final = Phase.PENDING

TRANSITIONS: Final[Mapping[Phase, Mapping[Phase, str]]] = {
    Phase.PENDING: {
        Phase.PREFLIGHT: "spec accepted",
        Phase.SHADOWING: "status was lost, claim found, no weight on the target",
        Phase.PROGRESSING: "status was lost, claim found",
        Phase.ROLLED_BACK: "aborted before any traffic moved",
        Phase.ROLLING_BACK: "abort or deletion, and our claim is on the route",
    },
    Phase.PREFLIGHT: {
        Phase.PENDING: "spec no longer acceptable, or the route is claimed by another",
        Phase.SHADOWING: "checks passed, route claimed, a shadow step comes first",
        Phase.PROGRESSING: "checks passed, route claimed",
        Phase.ROLLING_BACK: "abort or deletion",
    },
    Phase.SHADOWING: {
        Phase.PROGRESSING: "the last shadow step passed, or resumed at another's weight",
        Phase.ROLLING_BACK: "abort, guard, failed gate or deletion",
    },
    Phase.PROGRESSING: {
        Phase.SOAKING: "100 % passed, soak begins",
        Phase.COMPLETED: "100 % passed, no soak",
        Phase.ROLLING_BACK: "abort, guard, failed gate or deletion",
    },
    Phase.SOAKING: {
        Phase.PROGRESSING: "resumed after somebody lowered the weight",
        Phase.COMPLETED: "soak passed, or deleted with Keep",
        Phase.ROLLING_BACK: "abort, guard, failed gate or deletion",
    },
    Phase.ROLLING_BACK: {Phase.ROLLED_BACK: "original weights are back on the route"},
    Phase.ROLLED_BACK: {Phase.PENDING: "attempt raised"},
    Phase.COMPLETED: {},
}

FINISHED: Final = frozenset({Phase.COMPLETED, Phase.ROLLED_BACK})
FORWARD: Final = frozenset({Phase.SHADOWING, Phase.PROGRESSING, Phase.SOAKING})
"""Phases in which step follows step."""
MOVED: Final = FORWARD | {Phase.ROLLING_BACK}
"""Phases in which the target may have traffic of ours, mirrored or its own."""


def allowed(before: Phase | None, after: Phase) -> bool:
    """Whether ``after`` may follow ``before`` (None: the rollout is new)."""
    if before is None:
        return after == START
    return before == after or after in TRANSITIONS[before]


def mermaid() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {START}"]
    for before, targets in TRANSITIONS.items():
        lines += [f"    {before} --> {after}: {why}" for after, why in targets.items()]
    lines += [f"    {Phase.COMPLETED} --> [*]"]
    return "\n".join(lines)
