"""What is chosen after a look: a new status, at most one write to the world, and when to look again."""

from dataclasses import dataclass
from datetime import timedelta

from cutover.api.status import Status
from cutover.decide.observation import Mark, Refusal
from cutover.decide.route import Claim, RuleWeights


@dataclass(frozen=True, slots=True)
class Hold:
    """Write nothing to the route."""


@dataclass(frozen=True, slots=True)
class ClaimRoute:
    """Put our claim (or our epoch) on the route, or end mirroring; the weights stay as they are."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Raise:
    """Give the target more. Written once against exactly what was looked at; never retried blindly."""

    weights: tuple[RuleWeights, ...]
    claim: Claim
    percent: int


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copy requests to the target; the weights stay as they are. Written once, as a raise is."""

    claim: Claim
    """With the percent to mirror."""


@dataclass(frozen=True, slots=True)
class Lower:
    """Put the target back down to a weight that was declared before (enforcement)."""

    weights: tuple[RuleWeights, ...]
    claim: Claim
    percent: int


@dataclass(frozen=True, slots=True)
class RollBack:
    """Give the source everything back. Retried without end; survives races and foreign writes."""

    original: tuple[RuleWeights, ...]
    """What is known of the numbers before the first raise; the route's own claim knows better."""
    claim: Claim
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ReleaseClaim:
    """Take our claim off the route; the weights stay as they are."""


RouteAction = Hold | ClaimRoute | Mirror | Raise | Lower | RollBack | ReleaseClaim


@dataclass(frozen=True, slots=True)
class StopSource:
    """Scale the source's workload to zero, and leave on it what was there before."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class StartSource:
    """Bring back what the marks on the source's workload and its autoscalers say."""

    uid: str
    """Of the rollout that left them."""


Action = RouteAction | StopSource | StartSource


@dataclass(frozen=True, slots=True)
class Said:
    """A Kubernetes Event worth posting."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The action is done first, then the status is written.

    A raise is only ever chosen when the status that was read already holds the intent, and a
    rollback must not wait for a status write.
    """

    status: Status
    action: Action = Hold()
    finalizer: bool | None = None
    """Whether our finalizer must be there; None: leave it."""
    said: tuple[Said, ...] = ()
    refusal: Refusal | None = None
    """Why the spec as it stands cannot be followed; the rollout waits, or goes on by its frozen plan."""
    held: Refusal | None = None
    """What keeps the weight that is desired from being written although everything else is proven."""
    trouble: Refusal | None = None
    """What stands in the way on the route: why a weight is not there, or cannot be put back."""
    look_again: timedelta | None = None
    """None: nothing to wait for; only a change of the object wakes it."""
