"""All that one look at the world gives. What could not be seen is a value, never an exception."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cutover.api.facts import Streak
from cutover.api.status import Plan, Status
from cutover.decide.readings import Gap, PastSeen, Reading, Values
from cutover.decide.route import Route
from cutover.decide.surroundings import Surroundings
from cutover.judge.golden import Fold

# --- golden inputs ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReplaySeen:
    """How far a replay of golden inputs got: it goes on in the background, whoever looks."""

    about: str
    """Of the `ReplayWanted` that began it."""
    fold: Fold
    """What the gate's own rule has made of the answers so far."""
    finished: bool = False
    """Every item was asked, or the fold is settled."""
    problem: "Refusal | None" = None
    """Why it does not go on: no golden set, a side that answers nothing. It is tried again by itself."""


# --- what is asked beside the metrics -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replicas:
    """What a side's workload says of itself."""

    ready: int
    desired: int | None = None
    """How many there should be; None: it does not say."""
    at: datetime | None = None
    at_least: bool = False
    """It says that it is ready and not how many replicas are."""


class Outcome(StrEnum):
    """What came of one probe."""

    ANSWERED = "Answered"
    FAILED = "Failed"
    """No answer, or one that says that the server cannot serve."""
    UNSENT = "Unsent"
    """It could not be sent, or met something that says nothing about the server: ours to mend."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of the target's endpoint."""

    outcome: Outcome
    message: str = ""
    """One sentence, where it was not answered."""


@dataclass(frozen=True, slots=True)
class Probes:
    """How the target's endpoint has answered the operator's own probes up to now."""

    failures: int = 0
    """In a row, the last one included."""
    at: datetime | None = None
    """When the last one that came to a result was sent; None: none has yet."""
    message: str = ""
    """How the last failure looked."""
    unsent: str = ""
    """Why the last one says nothing about the server; empty where it does."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """What came of the requests that were to warm the target up."""

    sent: int
    failed: int
    message: str = ""
    """How the last failure looked."""
    under_way: bool = False
    """Not all of them have been answered yet."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much ran at one look; None: not known."""

    at: datetime
    source_running: float | None
    target_running: float | None
    target_kv_cache: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """What is asked of workloads and endpoints, beside the metrics and never in their way."""

    source_replicas: Replicas | Gap | None = None
    """None: not asked for, or not answered yet."""
    target_replicas: Replicas | Gap | None = None
    probes: Probes | None = None
    warmed: Warmed | None = None
    queue: Streak | None = None
    """Since when more requests wait on the target than guards.queue allows."""
    kv_cache: Streak | None = None
    """Since when its KV cache is fuller than guards.kvCache allows."""
    loads: tuple[Load, ...] = ()
    """Of the last minute: a gauge is one moment, and the lowest of many would always have room."""


# --- the source's workload, once it may be scaled down ------------------------------------------


@dataclass(frozen=True, slots=True)
class Mark:
    """What the annotation on a workload says that was scaled to zero."""

    by: str
    """``namespace/name`` of the rollout."""
    uid: str
    at: datetime
    replicas: int | None = None
    """How many there were; None: the kind is stopped by an annotation."""
    before: str | None = None
    """What that annotation said; None: it was not there."""


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """What else sets the replicas of a workload."""

    kind: str
    name: str
    holds: bool
    """It leaves a workload of no replicas alone, as it stands now."""
    resource_version: str = ""
    mark: Mark | None = None
    before: str | None = None
    """A ScaledObject's own paused-replicas; None: it is not paused."""


@dataclass(frozen=True, slots=True)
class WorkloadSeen:
    """The source's workload as its API server has it."""

    resource_version: str
    stopped: bool
    """It is to have no replicas."""
    replicas: int | None = None
    """How many there are to be; None: the kind does not say."""
    ready: int | None = None
    """How many are ready at least; None: it does not say."""
    mark: Mark | None = None
    before: str | None = None
    """What the annotation says that stops its kind; None: it is not there."""
    owner: str = ""
    """Kind and name of its controller, which would undo a change; empty: it has none."""
    is_target: bool = False
    """It is the target's workload, too."""
    autoscalers: tuple[Autoscaler, ...] = ()


# --- evaluations that were made elsewhere -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ResultsWanted:
    """Two ConfigMaps, one of each side, that hold what a user's own evaluation wrote."""

    gate: str
    source: str
    """Name in the source's cluster and namespace."""
    target: str


ResultsSeen = tuple["Mapping[str, str] | Gap", "Mapping[str, str] | Gap"]
"""What the source's and the target's ConfigMap hold, or why they cannot be read."""


# --- everything ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Commands:
    """What people say, read straight from the object: no schema stands before them."""

    generation: int
    attempt: int = 1
    paused: bool = False
    abort: bool = False
    approved: frozenset[tuple[str, int]] = frozenset()
    """(name, attempt) pairs."""
    deleting: bool = False
    keep_on_delete: bool = False
    has_finalizer: bool = False
    keeps_source: bool = True
    """``spec.afterCompletion`` does not ask for the source to be scaled to zero."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are towards other writers."""

    cluster: str
    namespace: str
    name: str
    uid: str
    epoch: int
    operator_version: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The spec cannot be tried: a condition's reason and a sentence naming the field and the fix."""

    reason: str
    message: str


NOT_ANSWERED = "NotAnswered"
"""It was asked, and nothing has come back yet."""


@dataclass(frozen=True, slots=True)
class SideReach:
    """Whether one side's API server answers; None: not looked at, or not answered yet."""

    reachable: bool | None = None
    reason: str = "NotLookedAt"
    message: str = ""


@dataclass(frozen=True, slots=True)
class ClaimOwner:
    """What is known about the rollout that holds another claim on our route."""

    alive: bool | None
    """False only when it was proven gone in our own cluster; None: cannot be told."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One look. Fields left at None were not due or not asked for at this look."""

    now: datetime
    identity: Identity
    commands: Commands
    status: Status
    status_lost: bool
    """The object is not new (it holds our finalizer) and yet it has no status."""
    draft: Plan | Refusal
    """The spec as it stands now, resolved; or why it cannot be."""
    route: Route | None = None
    claim_owner: ClaimOwner | None = None
    source: Reading | None = None
    target: Reading | None = None
    long_window: float | None = None
    """Seconds back to where the evidence (or the weight) begins; None: only the guards looked."""
    values: Values = field(default_factory=Values)
    """What query gates ask for, at full looks."""
    health: Health = Health()
    past: PastSeen | None = None
    """The source's past, in Preflight; None: not asked, or no answer yet."""
    surroundings: Surroundings | None = None
    """What preflight asks beside the looks; None: nothing of it is wanted."""
    replays: Mapping[str, ReplaySeen] = field(default_factory=dict)
    """By name of the gate: replays that are wanted now, as far as they got."""
    results: Mapping[str, ResultsSeen] = field(default_factory=dict)
    """By name of the gate: evaluations that are wanted now and were read."""
    workload: WorkloadSeen | Gap | None = None
    """The source's, where it may be scaled down or brought back now."""
    source_reach: SideReach = SideReach()
    target_reach: SideReach = SideReach()
    latched: str | None = None
    """A rollback decided earlier whose record may not have reached the status yet: its reason."""
    latched_message: str = ""
    trouble: str = ""
    """Why this process's last write to the route did not get through; empty when it did, or none was tried."""
    raced: bool = False
    """This process's last write was an enforcement that lost a race: it is decided on again from what stands now."""
