"""All that one look at the world gives. What could not be seen is a value, never an exception."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cutover.api.status import Plan, Status, Streak
from cutover.judge.distribution import Classes
from cutover.judge.golden import Fold
from cutover.judge.histogram import Buckets
from cutover.judge.means import Total
from cutover.judge.past import Clustering

# --- the route ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleWeights:
    """The two backends' weights in one rule, as integers on the route (0 to 1,000,000)."""

    rule: int
    source: int
    target: int
    others: int = 0
    """Sum of the other backends' weights; they are never touched."""


@dataclass(frozen=True, slots=True)
class GoingBack:
    """Why the weights on the route are those of a rollback."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The annotation that says who moves a route's weights, and what they were before."""

    cluster: str
    """Identity of the cluster that holds the rollout (its kube-system namespace's uid)."""
    namespace: str
    name: str
    uid: str
    attempt: int
    epoch: int
    original: tuple[RuleWeights, ...]
    going_back: "GoingBack | None" = None
    """Set with the weights of a rollback: the record in the status may come later, or never."""

    @property
    def owner(self) -> str:
        """``namespace/name`` of the rollout."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """The route as its API server has it."""

    resource_version: str
    generation: int
    rules: tuple[RuleWeights, ...]
    """The rules meant that name both backends. With a ``problem`` some of the rules meant are missing."""
    claim: Claim | None
    accepted: bool
    """Accepted and ResolvedRefs are True for every parent, observed at this generation."""
    acceptance: str
    """Why not accepted, in words; empty when it is."""
    problem: str | None = None
    """BackendNotFound, RuleNotCovered or ClaimUnreadable with a sentence: nothing may be raised."""
    problem_reason: str | None = None
    last_manager: str = ""
    """Field manager of the newest change to the route's spec."""
    claim_text: str | None = None
    """The annotation as written, for the patch's test."""

    @property
    def declared(self) -> float | None:
        """The target's share of the pair in percent; None when rules differ or nothing is declared."""
        shares = {
            round(100.0 * rule.target / (rule.source + rule.target), 6)
            for rule in self.rules
            if rule.source + rule.target > 0
        }
        empty = any(rule.source + rule.target == 0 for rule in self.rules)
        return shares.pop() if len(shares) == 1 and not empty else None

    @property
    def highest(self) -> float:
        """The largest target share over the rules, in percent; 0 where nothing is declared."""
        return max(
            (
                100.0 * rule.target / (rule.source + rule.target)
                for rule in self.rules
                if rule.source + rule.target > 0
            ),
            default=0.0,
        )


@dataclass(frozen=True, slots=True)
class RouteGone:
    """The route or its kind no longer exists."""

    message: str


@dataclass(frozen=True, slots=True)
class RouteUnreadable:
    """The route's API server could not be asked."""

    reason: str
    """Unreachable, Forbidden, Unauthorised, CredentialsMissing or CredentialsRefused."""
    message: str


Route = RouteSeen | RouteGone | RouteUnreadable


# --- metrics ------------------------------------------------------------------------------------


class Missing(StrEnum):
    """Why a number is not there. None of them is zero, none is bad, none passes a gate."""

    NO_SERIES = "NoSeries"
    """The server knows no such metric under these matchers."""
    NO_DATA = "NoData"
    """The metric exists and the window holds nothing."""
    NOT_FINITE = "NotFinite"
    """NaN or infinite."""
    STALE = "Stale"
    """The newest sample is too old."""
    PARTIAL = "Partial"
    """The server warned that its answer is not whole."""
    UNAUTHORISED = "Unauthorised"
    UNREACHABLE = "Unreachable"
    """No answer in time, connection refused, 5xx, or no Prometheus at that address."""
    INVALID_QUERY = "InvalidQuery"
    """The server refused the expression."""
    CREDENTIALS = "CredentialsMissing"
    """A Secret that the spec names is missing, malformed or not labelled for use."""
    UNUSABLE = "Unusable"
    """It is there and not as it should be."""
    SIDES_OVERLAP = "SidesOverlap"
    """Both sides select a common series."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A number that is not there, with one sentence: what happened, where, what to do."""

    missing: Missing
    message: str


@dataclass(frozen=True, slots=True)
class WindowReading:
    """One side over one trailing window. Counts come from ``increase()`` and are no integers."""

    seconds: float
    requests: float | Gap
    errors: float | Gap
    latencies: Mapping[str, Buckets | Gap] = field(default_factory=dict)
    """By metric name of the gates, e.g. ``TimeToFirstToken``; edges in seconds."""
    distributions: Mapping[str, Buckets | Classes | Gap] = field(default_factory=dict)
    """What drift gates compare, by ``DriftGate.key``; in the long window of a full look alone."""
    means: Mapping[str, Total | Gap] = field(default_factory=dict)
    """By metric name of the gates on means."""
    gateway: "WindowReading | Gap | None" = None
    """The same window as the gateway saw the side's backend; None: nobody asked it."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """What the DCGM exporter says of one side's GPUs, now."""

    count: int
    xids: Mapping[str, int]
    """By GPU ("node-3 GPU 1"): the code of its last XID error. It stays there until the next one comes, so
    only one that was not there before is news; a GPU that never had one is not named."""
    busy: float | None = None
    """Mean share of the time that they computed anything, 0 to 1; near 1 on any LLM server. None: not
    asked for (a guard look) or not told."""
    memory_used_mib: float | None = None
    memory_mib: float | None = None
    """Over all GPUs; None as above."""


NOT_ASKED = Gap(Missing.NO_SERIES, "was not asked for")


@dataclass(frozen=True, slots=True)
class Gauges:
    """How full one side's servers are, now. Each number or why it is not there."""

    instances: float | Gap = NOT_ASKED
    """Servers whose scrape told ``running``."""
    running: float | Gap = NOT_ASKED
    """Requests being served, over all servers."""
    waiting: float | Gap = NOT_ASKED
    """Requests that wait for a place, over all servers."""
    most_waiting: float | Gap = NOT_ASKED
    """Of the one server where most of them wait."""
    kv_cache: float | Gap = NOT_ASKED
    """The share of the KV cache in use on the fullest server, 0 to 1."""
    gpus: Gpus | Gap = NOT_ASKED


@dataclass(frozen=True, slots=True)
class SideReading:
    """One side at one instant: the windows asked for, in the order asked for."""

    windows: tuple[WindowReading, ...]
    scrape_seconds: float | None
    """The measured time between scrapes; None when it cannot be told."""
    newest_sample: datetime | None
    """When the newest sample of the request counter was scraped."""
    queries: Mapping[str, str] = field(default_factory=dict)
    """By gate metric (``Requests``, ``Errors`` or a latency's name): the PromQL that was asked."""
    overlaps: bool = False
    """Both sides' matchers select a common series."""
    unscraped: bool = False
    """Prometheus tries and none of this side's servers answers the scrape: ``up`` is 0 for all of them."""
    gauges: Gauges = Gauges()


Reading = SideReading | Gap


def gateway_key(name: str) -> str:
    """Name a quantity as the gateway tells it, among ``SideReading.queries``."""
    return f"Gateway.{name}"


@dataclass(frozen=True, slots=True)
class Value:
    """What a query gate's expression gives on one side, now."""

    number: float | Gap
    """Reduced to one; finite."""
    query: str
    """As it was asked."""


@dataclass(frozen=True, slots=True)
class Values:
    """By name of the gate, of each side that was asked."""

    source: Mapping[str, Value] = field(default_factory=dict)
    target: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PastSeen:
    """What the source's past shows of each gate, or why nothing can be seen of it."""

    gates: Mapping[str, Clustering | Gap] | Gap
    """By name of the gate."""
    look: float
    """Seconds of one look of the past."""
    at: datetime
    """When it was asked."""


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


@dataclass(frozen=True, slots=True)
class SideReach:
    """Whether one side's API server answers; None: not looked at."""

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
    values: Values = Values()
    """What query gates ask for, at full looks."""
    health: Health = Health()
    past: PastSeen | None = None
    """The source's past, in Preflight; None: not asked, or no answer yet."""
    replays: Mapping[str, ReplaySeen] = field(default_factory=dict)
    """By name of the gate: replays that are wanted now, as far as they got."""
    results: Mapping[str, ResultsSeen] = field(default_factory=dict)
    """By name of the gate: evaluations that are wanted now and were read."""
    source_reach: SideReach = SideReach()
    target_reach: SideReach = SideReach()
    latched: str | None = None
    """A rollback decided earlier whose record may not have reached the status yet: its reason."""
    latched_message: str = ""
    trouble: str = ""
    """Why this process's last write to the route did not get through; empty when it did, or none was tried."""
