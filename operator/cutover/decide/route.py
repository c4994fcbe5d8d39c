"""The route as one look sees it: its weights, its claim, and whether the gateway took it."""

from dataclasses import dataclass
from typing import Final

RULES: Final = 128
"""Most rules of one route. Of several routes that move together, rule R of route N (both from 0) is N * 128 + R."""


def rule_name(rule: int) -> str:
    """What a person calls a rule."""
    route, number = divmod(rule, RULES)
    return f"rule {number} of route {route + 1}" if route else f"rule {number} of the route"


@dataclass(frozen=True, slots=True)
class RuleWeights:
    """The two backends' weights in one rule, as integers on the route (0 to 1,000,000)."""

    rule: int
    source: int
    target: int
    others: int = 0
    """Sum of the other backends' weights; they are never touched."""


@dataclass(frozen=True, slots=True)
class RuleMirror:
    """How much of one rule's requests is copied to the target, by the filter that we put there."""

    rule: int
    percent: int
    """0: the claim says that we mirror, and this rule has no such filter."""


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
    mirror: int = 0
    """Percent of the requests that we mirror to the target; 0: none. Written with the filters themselves, so
    that whoever comes next knows what to take away."""
    written: tuple[RuleWeights, ...] = ()
    """Of several routes: the weights that were written with the claim, so that a write that broke off between two
    routes is told from somebody else's hand."""

    @property
    def owner(self) -> str:
        """``namespace/name`` of the rollout."""
        return f"{self.namespace}/{self.name}"


def belongs_to_another(found: Claim, ours: Claim) -> bool:
    """Whether a claim on a route is another rollout's, or that of a later leader."""
    same = (found.cluster, found.namespace, found.name) == (ours.cluster, ours.namespace, ours.name)
    return not same or (found.uid == ours.uid and found.epoch > ours.epoch)


@dataclass(frozen=True, slots=True)
class AnswerLimit:
    """A gateway's own limit on how long a whole answer may take, streams included, where nobody has set one."""

    seconds: float
    gateway: str
    """Whose default it is: ``Envoy under Contour``."""
    field: str
    """What sets another on the route: ``rules[].timeouts.request``."""
    off: str
    """The value of that field which means no limit."""


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
    whole: int | None = None
    """What the two numbers of a rule always add up to on this kind of route; None: they may be any."""
    largest: int = 1_000_000
    """The largest number that one backend may have on this kind of route."""
    delivery_seconds: float = 0.0
    """How long a change takes to reach every client once it is accepted: 0 at proxies, what caches keep in DNS."""
    mirrors: tuple[RuleMirror, ...] = ()
    """Of each rule that names both backends, where the claim says that we mirror; else empty."""
    mirror_refusal: str | None = None
    """Why this route cannot mirror requests to the target, in one sentence; None: nothing speaks against it."""
    answer_limit: AnswerLimit | None = None
    """None: somebody has set one, or the gateway's default is none or not known."""

    @property
    def mirrored(self) -> int | None:
        """Percent of the requests that our filters mirror; None when rules differ."""
        shares = {one.percent for one in self.mirrors} or {0}
        return shares.pop() if len(shares) == 1 else None

    @property
    def mirrors_any(self) -> bool:
        """Whether any filter of ours is there."""
        return any(one.percent for one in self.mirrors)

    claims: tuple[Claim, ...] = ()
    """Of several routes: every claim that is on them. ``claim`` is then the one that is the furthest behind, or
    None where a route has none."""
    written: tuple[RuleWeights, ...] = ()
    """Of several routes: what the claims say was written; empty where one of them does not say."""
    gone: frozenset[int] = frozenset()
    """Of several routes: the numbers (from 0) of those that no longer exist."""

    @property
    def every_claim(self) -> tuple[Claim, ...]:
        """All claims, of one route or of several."""
        return self.claims or (() if self.claim is None else (self.claim,))

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
    seen: RouteSeen | None = None
    """Of several routes: those that could be read, for a rollback must not wait for the others."""


Route = RouteSeen | RouteGone | RouteUnreadable
