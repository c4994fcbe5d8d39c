"""What the reconciler needs from the world: Protocols of a few methods, one adapter folder behind each.

Every method has a deadline of its own and answers with a value for everything that the world can
say; an exception out of one of these is a fault of ours.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from cutover.api.clusters import ClusterRef
from cutover.api.sides import Side
from cutover.api.status import Plan
from cutover.decide.asking import Asking
from cutover.decide.observation import Mark, Probe, Refusal, Replicas, SideReach, WorkloadSeen
from cutover.decide.past import PastQuestion
from cutover.decide.readings import Gap, Reading, Value
from cutover.decide.route import Claim, Route, RouteSeen, RuleWeights
from cutover.decide.surroundings import Ending, Model, Prompts, Rights, Thing, Unfit
from cutover.judge.evidence import Count
from cutover.judge.golden import Answer, GoldenSet, Item

Object = Mapping[str, Any]
"""A Kubernetes object as its API server sent it."""

SideName = Literal["source", "target"]


# --- one route ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One idempotent write to a route: the weights, and who holds the claim afterwards."""

    weights: tuple[RuleWeights, ...]
    """The numbers wanted per rule; rules not named here stay as they are."""
    claim: Claim | None
    """The claim to leave on the route; None removes it. What it says of a mirror is done in the same write."""
    pinned: bool = True
    """Demand the resourceVersion of the look. A rollback that lost three races drops this alone;
    the tests on backend names and on the claim stay."""

    @property
    def mirror(self) -> int:
        """Percent of the requests that are to be mirrored to the target afterwards; 0: ours is taken away."""
        return self.claim.mirror if self.claim is not None else 0


@dataclass(frozen=True, slots=True)
class Written:
    """The API server took it."""

    resource_version: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody was faster (409), or the route is no longer what was looked at (422): look again."""

    message: str


@dataclass(frozen=True, slots=True)
class NotWritten:
    """Unreachable, Forbidden, Unauthorised, Gone or Refused, with one sentence."""

    reason: str
    message: str


WriteResult = Written | Conflict | NotWritten


class Router(Protocol):
    """One route's weights."""

    async def look(self, *, deadline: float = 5.0, insist: bool = False) -> Route:
        """Read the declared weights, the claim and the gateway's acceptance.

        ``insist``: a rollback waits for it, so ask even a cluster that has not answered for a while.
        """

    async def write(
        self, seen: RouteSeen, change: RouteChange, *, deadline: float = 5.0
    ) -> WriteResult:
        """Write once; never retries."""

    def expressible(self, seen: RouteSeen, weights: Sequence[int]) -> str | None:
        """Return a sentence naming the first weight that the route's numbers cannot express."""

    async def mirrorable(
        self, seen: RouteSeen, percents: Sequence[int], *, deadline: float = 5.0
    ) -> str | None:
        """Return why so much cannot be mirrored on this route, having tried it on the API server without doing it."""


class SourceWorkload(Protocol):
    """The workload that runs the source's servers, with what else sets its replicas."""

    async def look(self) -> WorkloadSeen | Gap:
        """Read it; what it does not say is no zero."""

    async def stop(self, seen: WorkloadSeen, mark: Mark) -> WriteResult:
        """Scale it to zero, autoscalers first, and leave the mark; only if it is as it was seen."""

    async def start(self, seen: WorkloadSeen, uid: str) -> WriteResult:
        """Bring back what the marks of that rollout say, and take them away; only if it is as it was seen."""


# --- one side's metrics -------------------------------------------------------------------------


class Metrics(Protocol):
    """One side's counters and histograms, for the gates of one rollout."""

    async def look(
        self, windows: Sequence[float], *, full: bool = True, long: float | None = None
    ) -> Reading:
        """Read trailing windows (seconds) that end now, in one request where possible.

        Not ``full``: what no guard needs may be left out. ``long``: the one of the windows over which
        distributions are read too.
        """

    async def values(self, seconds: float) -> Mapping[str, Value]:
        """Ask what the query gates want to know of this side, over the last ``seconds``; by name of the gate."""

    async def history(self, question: PastQuestion) -> Mapping[str, Sequence[Count] | Gap] | Gap:
        """Read each gate's counts in the looks of a past, in one request; looks without data are left out."""


# --- golden inputs ------------------------------------------------------------------------------


class Replayer(Protocol):
    """Golden inputs of one gate, and the model servers of both sides that are asked them.

    Rate, concurrency, deadlines and the few retries of transport failures are its own business: ``ask``
    may be called for many items at once, and whatever goes wrong is an `Unanswered`.
    """

    def turn(self) -> AbstractAsyncContextManager[object]:
        """Wait until this process has room for one more replay, and take it."""

    async def golden_set(self) -> GoldenSet | Refusal:
        """Fetch, check and take apart the golden set; an invalid line is named in the refusal."""

    async def ask(self, side: SideName, item: Item) -> Answer:
        """Send one item to one side."""


# --- what is around a rollout, before it begins ---------------------------------------------------


class Inspector(Protocol):
    """Asks once what preflight wants to know; it reads, and changes nothing."""

    async def rights(self) -> Rights | Gap:
        """What the API servers allow of all that the run will do."""

    async def model(self, side: SideName) -> Model | Gap:
        """What a side's endpoint says that it serves."""

    async def prompts(self) -> Prompts | Gap:
        """How many tokens both sides count in one golden input."""

    async def references(self) -> tuple[Thing, ...] | Gap:
        """Which Secrets and ConfigMaps the target's pods name, by name and never by content."""

    async def images(self) -> tuple[Thing, ...] | Gap:
        """Which images the target's pods name, and whether their registries have them."""

    async def golden(self) -> Mapping[str, int | Unfit] | Gap:
        """How many items each golden set has, or what is wrong with it."""

    async def ending(self) -> Ending | Gap:
        """What scaling the source to zero would come to now."""


# --- the rollouts' own API server ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes Event to be posted about a rollout."""

    reason: str
    message: str
    warning: bool = False
    action: str = "Reconcile"


class Rollouts(Protocol):
    """MigrationRollout objects."""

    async def get(self, namespace: str, name: str) -> Object | NotWritten | None:
        """Read one afresh; None: it does not exist; NotWritten: the API server did not answer."""

    async def write_status(self, rollout: Object, status: Mapping[str, Any]) -> WriteResult:
        """Replace the status, demanding the resourceVersion of ``rollout``."""

    async def set_finalizer(self, rollout: Object, *, present: bool) -> WriteResult:
        """Add or remove our finalizer, demanding the resourceVersion of ``rollout``."""

    async def post(self, rollout: Object, notice: Notice) -> None:
        """Post an Event; failing is logged and nothing else."""


class Leadership(Protocol):
    """Whether we may write at this very moment."""

    @property
    def epoch(self) -> int:
        """Grows with every new leader."""

    def may_write(self) -> bool:
        """Whether the Lease is valid now, with a margin."""


# --- everything of one rollout, made from its plan ------------------------------------------------


class Adapters(Protocol):
    """Makes what a plan names, once per holder (``namespace/name`` of a rollout) and change of plan."""

    def now(self) -> datetime:
        """The time in UTC; no jump of the wall clock shows in it while the process lives."""

    async def router(self, plan: Plan, namespace: str, holder: str) -> Router | Refusal:
        """The plan's route; a Refusal where its cluster's credentials are missing or unusable."""

    def metrics(self, plan: Plan, namespace: str, holder: str) -> tuple[Metrics, Metrics]:
        """The source's and the target's metrics."""

    def replayer(self, plan: Plan, namespace: str, asking: Asking) -> Replayer:
        """Both sides' endpoints, asked so; cheap to make, nothing is connected before the first question."""

    async def config_map(
        self, ref: ClusterRef, name: str, namespace: str, holder: str
    ) -> Mapping[str, str] | Gap:
        """Read a ConfigMap's data in a side's cluster and namespace."""

    async def reach(self, ref: ClusterRef, namespace: str, holder: str) -> SideReach:
        """Whether a cluster's API server answers."""

    async def replicas(self, side: Side, namespace: str, holder: str) -> Replicas | Gap:
        """How many replicas of a side's workload are ready."""

    def inspector(self, plan: Plan, namespace: str, holder: str) -> Inspector:
        """What preflight asks of this plan; cheap to make."""

    async def source_workload(
        self, plan: Plan, namespace: str, holder: str
    ) -> SourceWorkload | Refusal:
        """The source's workload, to be scaled; a Refusal where its cluster's credentials are unusable."""

    async def probe(self, plan: Plan, namespace: str, *, deadline: float) -> Probe:
        """Ask the target's endpoint for its health, once."""

    def release(self, holder: str) -> None:
        """Close what nobody else uses."""
