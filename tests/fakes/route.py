"""One HTTPRoute, the gateway that reads it, and whoever else writes to it. The port ``Router``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cutover.decide.route import (
    Claim,
    Route,
    RouteGone,
    RouteSeen,
    RouteUnreadable,
    RuleMirror,
    RuleWeights,
)
from cutover.decide.weights import inexpressible
from cutover.ports import Conflict, NotWritten, RouteChange, WriteResult, Written
from cutover.traffic.claim import Unreadable, from_text, to_text


@dataclass(frozen=True)
class Change:
    """One write to the weights or the claim."""

    who: str
    before: tuple[RuleWeights, ...]
    after: tuple[RuleWeights, ...]
    claim_before: str | None
    claim_after: str | None
    mirror_before: int = 0
    mirror_after: int = 0
    """Percent that a filter mirrors to the target."""

    @property
    def raises(self) -> bool:
        return any(share(b) > share(a) + 1e-9 for a, b in self._pairs)

    @property
    def lowers(self) -> bool:
        return any(share(b) < share(a) - 1e-9 for a, b in self._pairs)

    @property
    def _pairs(self) -> list[tuple[RuleWeights, RuleWeights]]:
        by_rule = {rule.rule: rule for rule in self.before}
        return [(by_rule[rule.rule], rule) for rule in self.after if rule.rule in by_rule]


def share(rule: RuleWeights) -> float:
    """The target's share of the pair, in percent."""
    total = rule.source + rule.target
    return 100.0 * rule.target / total if total else 0.0


class FakeRoute:
    """Weights, claim and acceptance; gone, unreadable or unwritable when told to be."""

    def __init__(self, rules: Sequence[RuleWeights] = (RuleWeights(0, 1, 0),)) -> None:
        self.rules = tuple(rules)
        self.claim_text: str | None = None
        self.unreadable = ""
        """Why it cannot be read, as ``reason: message``."""
        self.unwritable = ""
        self.exists = True
        self.problem: tuple[str, str] | None = None
        self.gateway_stuck = False
        self.delivery_seconds = 0.0
        """DNS: for so long caches go on with the weights before."""
        self.generation = 1
        self.observed = 1
        self.accepted_rules = self.rules
        self.last_manager = "kubectl"
        self.mirror = 0
        """Percent that the filter mirrors to the target."""
        self.accepted_mirror = 0
        self.mirror_refusal: str | None = None
        self.changes: list[Change] = []
        self.before_write: Callable[[], object] = lambda: None
        """Called when the operator's write arrives: somebody may be faster."""
        self.mutated: Callable[[tuple[RuleWeights, ...]], tuple[RuleWeights, ...]] | None = None
        """A mutating webhook."""
        self._version = 1

    # --- what the gateway does ------------------------------------------------------------------

    def gateway_reads(self) -> bool:
        """Take the newest weights; tell whether anything changed."""
        if self.gateway_stuck or not self.exists or self.observed == self.generation:
            return False
        self.observed, self.accepted_mirror = self.generation, self.mirror
        if not self.delivery_seconds:
            self.accepted_rules = self.rules
        return True

    def caches_forget(self, rules: tuple[RuleWeights, ...]) -> None:
        """Clients learn what was taken a while ago."""
        self.accepted_rules = rules

    @property
    def delivered_mirror(self) -> float:
        """What the gateway copies to the target, in percent of all requests."""
        return float(self.accepted_mirror) if self.exists else 0.0

    @property
    def delivered_share(self) -> float:
        """What the gateway sends to the target, in percent, over all rules alike."""
        shares = [share(rule) for rule in self.accepted_rules]
        return sum(shares) / len(shares) if shares and self.exists else 0.0

    @property
    def highest(self) -> float:
        return max((share(rule) for rule in self.rules), default=0.0)

    # --- what others do -------------------------------------------------------------------------

    def set_by(self, who: str, target: int | Sequence[RuleWeights]) -> None:
        """Somebody else sets the target's share (percent, in every rule) or whole rules."""
        if isinstance(target, int):
            after = tuple(replace(rule, source=100 - target, target=target) for rule in self.rules)
        else:
            after = tuple(target)
        self._put(who, after, self.claim_text)

    def claim_by(self, who: str, claim: Claim | str | None) -> None:
        """Somebody else changes the claim."""
        text = to_text(claim) if isinstance(claim, Claim) else claim
        self._put(who, self.rules, text)

    def mirror_by(self, who: str, percent: int) -> None:
        """Somebody else changes or removes the filter that mirrors."""
        self._put(who, self.rules, self.claim_text, percent)

    def touch(self) -> None:
        """Something of no interest changes."""
        self._version += 1

    # --- the port -------------------------------------------------------------------------------

    async def look(self, *, deadline: float = 5.0, insist: bool = False) -> Route:
        if self.unreadable:
            reason, message = self.unreadable.split(": ", 1)
            return RouteUnreadable(reason, message)
        if not self.exists:
            return RouteGone("HTTPRoute inference/llama-chat does not exist")
        return self.seen()

    def seen(self) -> RouteSeen:
        claim = None if self.claim_text is None else from_text(self.claim_text)
        reason, problem = self.problem or (None, None)
        if isinstance(claim, Unreadable):
            reason, problem = "ClaimUnreadable", f"the claim cannot be read: {claim.why}"
            claim = None
        accepted = self.observed == self.generation
        return RouteSeen(
            resource_version=str(self._version),
            generation=self.generation,
            rules=self.rules,
            claim=claim,
            accepted=accepted,
            acceptance="" if accepted else "Gateway edge has not answered yet",
            problem=problem,
            problem_reason=reason,
            last_manager=self.last_manager,
            claim_text=self.claim_text,
            mirrors=tuple(RuleMirror(rule.rule, self.mirror) for rule in self.rules)
            if claim is not None and claim.mirror
            else (),
            mirror_refusal=self.mirror_refusal,
            delivery_seconds=self.delivery_seconds,
        )

    async def write(
        self,
        seen: RouteSeen,
        change: RouteChange,
        *,
        deadline: float = 5.0,
    ) -> WriteResult:
        self.before_write()
        refused = self._refused(seen, change)
        if refused is not None:
            return refused
        wanted = {rule.rule: rule for rule in change.weights}
        after = tuple(
            replace(rule, source=wanted[rule.rule].source, target=wanted[rule.rule].target)
            if rule.rule in wanted
            else rule
            for rule in self.rules
        )
        if self.mutated is not None and change.weights:
            after = self.mutated(after)
        claim = None if change.claim is None else to_text(change.claim)
        self._put("cutover", after, claim, change.mirror)
        return Written(str(self._version))

    def expressible(self, seen: RouteSeen, weights: Sequence[int]) -> str | None:
        return inexpressible(seen.rules, weights)

    async def mirrorable(
        self, seen: RouteSeen, percents: Sequence[int], *, deadline: float = 5.0
    ) -> str | None:
        return seen.mirror_refusal

    def _refused(self, seen: RouteSeen, change: RouteChange) -> WriteResult | None:
        if self.unreadable:
            return NotWritten(*self.unreadable.split(": ", 1))
        if not self.exists:
            return NotWritten("Gone", "HTTPRoute inference/llama-chat does not exist")
        if self.unwritable:
            return NotWritten("Forbidden", self.unwritable)
        if change.pinned and seen.resource_version != str(self._version):
            return Conflict("somebody changed the route since it was looked at")
        known = {rule.rule for rule in self.rules}
        if seen.claim_text != self.claim_text or not {r.rule for r in change.weights} <= known:
            return Conflict("the route is no longer what was looked at")
        return None

    def _put(
        self,
        who: str,
        rules: tuple[RuleWeights, ...],
        claim: str | None,
        mirror: int | None = None,
    ) -> None:
        mirror = self.mirror if mirror is None else mirror
        if (rules, claim, mirror) == (self.rules, self.claim_text, self.mirror):
            return
        texts, mirrors = (self.claim_text, claim), (self.mirror, mirror)
        self.changes.append(Change(who, self.rules, rules, *texts, *mirrors))
        self._version += 1
        if (rules, mirror) != (self.rules, self.mirror):
            self.generation += 1
            self.last_manager = who
        self.rules, self.claim_text, self.mirror = rules, claim, mirror
