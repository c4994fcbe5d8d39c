"""What a replay of golden inputs is asked to do: data, made by the rule of the gate that wants it.

How another kind of gate reuses it: its module makes a `ReplayWanted` whose ``fold`` is its own rule's
`judge.golden.Fold` (as far as it got, from the status), `replaying.replays_wanted` lists it, and what
came of it is found in `Observation.replays` under the gate's name, with the same ``about``.
"""

from dataclasses import dataclass

from cutover.api.golden import Dataset, GoldenProtocol
from cutover.judge.golden import Fold

MOST_ITEMS = 100_000


@dataclass(frozen=True, slots=True)
class Asking:
    """What is sent to both sides, and how fast."""

    dataset: Dataset
    protocol: GoldenProtocol
    scoring: bool = False
    """Completions only: score the given text token by token instead of going on with it."""
    logprobs: bool = True
    """Chat and completions: ask for the logprobs of the five most probable tokens."""
    rate: float = 10.0
    """Requests a second to each side, at most."""
    concurrency: int = 4
    """Requests to each side at the same time, at most."""
    deadline: float = 60.0
    """Seconds for one answer, all in all."""


@dataclass(frozen=True, slots=True)
class ReplayWanted:
    """One replay that should be under way now; one that is no longer wanted is cancelled."""

    gate: str
    """Name of the gate."""
    about: str
    """Changes with all that the replay depends on (spec of the gate, endpoints, attempt, step): another
    one is another replay, and what is known of the old one counts for nothing."""
    asking: Asking
    fold: Fold
    """What is already known: its ``asked`` items are not asked again."""
    repeat: float = 0.2
    """Share (0-1) of the items that the source is asked twice, before the comparison begins."""
