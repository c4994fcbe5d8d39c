"""What one process remembers of a rollout between looks.

Losing all of it costs a look, never a decision: what must survive is in the status. The one thing
that is more than a shortcut is a rollback decided and not yet recorded, and its cause is seen again.
"""

from asyncio import Task
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cutover.decide.observation import ReplaySeen, ResultsSeen, ResultsWanted
from cutover.decide.readings import PastSeen, Values
from cutover.observe.beside import Beside
from cutover.observe.inspecting import Inspection


@dataclass(frozen=True, slots=True)
class Recollection:
    """What was asked about the source's past, and when."""

    about: tuple[int, int]
    """Generation and attempt of the plan."""
    at: datetime
    task: Task[PastSeen]


@dataclass(slots=True)
class Replay:
    """Golden inputs being replayed in the background; the task puts into ``seen`` how far it got."""

    seen: ReplaySeen
    task: Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Both sides' results being read in the background."""

    task: Task[ResultsSeen]
    seen: ResultsSeen | None
    """What was read before."""


@dataclass(frozen=True, slots=True)
class AskedValues:
    """What query gates ask for, being asked in the background since the last full look."""

    about: object
    """The evidence that it was asked of: of other evidence an answer says nothing."""
    task: Task[Values]
    before: Values | None
    """What was answered to the look before that."""


@dataclass(slots=True)
class Memory:
    """Of one rollout."""

    rollout: Mapping[str, Any] = field(default_factory=dict)
    """As last read: a rollback goes on from it while the rollouts' own API server is gone."""
    taken_apart: Any = None
    """What it holds (`world.Object`)."""
    last_full_look: datetime | None = None
    scrape_seconds: float | None = None
    windows_needed: int | None = None
    """How many of the guards' windows, shortest first, held enough at the last look; None: all."""
    last_written: datetime | None = None
    latched: tuple[str, str] | None = None
    """A rollback decided by this process: reason and message."""
    latched_at: datetime | None = None
    trouble: str = ""
    """Why the last write to the route did not succeed."""
    raced: bool = False
    """The last write was an enforcement, and somebody changed the route before it got through."""
    past: Recollection | None = None
    """Only during Preflight."""
    values: AskedValues | None = None
    results: dict[ResultsWanted, Evaluation] = field(default_factory=dict)
    """Those that were wanted at the last look."""
    replays: dict[str, Replay] = field(default_factory=dict)
    """By name of the gate: those that were wanted at the last look."""
    beside: Beside | None = None
    """What is asked of workloads and endpoints while something moves, or may."""
    inspection: Inspection | None = None
    """What Preflight asks about all that is around the rollout."""
