"""`ports.Router` for several routes that must not diverge: forward all or none, back each as soon as it can be.

Rule R of route N is rule ``N * RULES + R`` of the whole. Each route carries a claim of its own, with its own
original weights and with the weights that were written together with it: a process that dies between two
writes leaves routes that show what their claims say, and that nobody else has touched.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Protocol

from cutover.decide.route import (
    RULES,
    Claim,
    Route,
    RouteGone,
    RouteSeen,
    RouteUnreadable,
    RuleMirror,
    RuleWeights,
    belongs_to_another,
)
from cutover.ports import Conflict, NotWritten, RouteChange, WriteResult, Written
from cutover.traffic.seen import TOO_MUCH

DEADLINE = 5.0
PINNED_TRIES = 3
TRIES = 8
"""For each route of a write that lowers: it loses races without making the others wait."""
SAME = 1e-6
MOST_RULES = 128
"""Of all routes together: the status holds their numbers."""


class Part(Protocol):
    """One of the routes."""

    async def look(self, *, deadline: float = DEADLINE, insist: bool = False) -> Route:
        """As a `Router`."""

    async def write(
        self, seen: RouteSeen, change: RouteChange, *, deadline: float = DEADLINE
    ) -> WriteResult:
        """As a `Router`."""

    async def rehearse(
        self, seen: RouteSeen, change: RouteChange, *, deadline: float = DEADLINE
    ) -> WriteResult:
        """Have the API server take a write without keeping it."""

    def expressible(self, seen: RouteSeen, weights: Sequence[int]) -> str | None:
        """As a `Router`."""

    async def mirrorable(
        self, seen: RouteSeen, percents: Sequence[int], *, deadline: float = DEADLINE
    ) -> str | None:
        """As a `Router`."""

    def own_echo(self) -> RouteSeen | None:
        """The watch's newest copy if its weights are those that we wrote."""


@dataclass(frozen=True, slots=True)
class SeveralSeen(RouteSeen):
    """Several routes as one; ``parts`` are the looks that it is made of, in their order."""

    parts: tuple[Route, ...] = ()


class SeveralRouters:
    """Several routes' weights, moved as one."""

    def __init__(
        self,
        routers: Sequence[Part],
        names: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routers = tuple(routers)
        self._names = tuple(names)
        self._clock = clock

    async def look(self, *, deadline: float = DEADLINE, insist: bool = False) -> Route:
        """Look at all of them at once."""
        looks = await asyncio.gather(
            *(one.look(deadline=deadline, insist=insist) for one in self._routers)
        )
        return united(looks, self._names)

    async def write(
        self, seen: RouteSeen, change: RouteChange, *, deadline: float = DEADLINE
    ) -> WriteResult:
        """Write all: one after the other upwards, and then all or none; at once in every other case."""
        if not isinstance(seen, SeveralSeen):
            raise TypeError("write() needs what its own look() returned")
        changes = [
            (number, part, _part_of(change, number, part))
            for number, part in enumerate(seen.parts)
            if isinstance(part, RouteSeen)
        ]
        if any(_rises(part, one) for _, part, one in changes):
            return await self._raise(changes, deadline)
        results = await asyncio.gather(
            *(self._lower(number, part, one, deadline) for number, part, one in changes)
        )
        return _worst(results)

    def expressible(self, seen: RouteSeen, weights: Sequence[int]) -> str | None:
        """Return a sentence naming the first weight that one of the routes cannot express."""
        parts = seen.parts if isinstance(seen, SeveralSeen) else ()
        for number, part in enumerate(parts):
            if isinstance(part, RouteSeen):
                sentence = self._routers[number].expressible(part, weights)
                if sentence is not None:
                    return f"{self._names[number]}: {sentence}"
        return None

    async def mirrorable(
        self, seen: RouteSeen, percents: Sequence[int], *, deadline: float = DEADLINE
    ) -> str | None:
        """Return why so much cannot be mirrored on one of the routes; all are tried at once."""
        parts = seen.parts if isinstance(seen, SeveralSeen) else ()
        there = [(n, part) for n, part in enumerate(parts) if isinstance(part, RouteSeen)]
        tried = await asyncio.gather(
            *(self._routers[n].mirrorable(part, percents, deadline=deadline) for n, part in there)
        )
        refused = ((n, why) for (n, _), why in zip(there, tried, strict=True) if why is not None)
        return next((f"{self._names[number]}: {why}" for number, why in refused), None)

    def own_echo(self) -> RouteSeen | None:
        """Return what the watches show if all of it is what we wrote."""
        echoes = [one.own_echo() for one in self._routers]
        whole = [one for one in echoes if one is not None]
        found = united(whole, self._names) if len(whole) == len(echoes) else None
        return found if isinstance(found, RouteSeen) else None

    async def _raise(
        self, changes: Sequence[tuple[int, RouteSeen, RouteChange]], deadline: float
    ) -> WriteResult:
        """All or none: rehearsed on all first; what was raised before one failed is lowered again at once.

        All of it within the deadline of one write, so that a Lease that was valid still is.
        """
        ends = self._clock() + deadline
        rehearsed = await asyncio.gather(
            *(self._routers[n].rehearse(part, one, deadline=deadline) for n, part, one in changes)
        )
        for (number, _, _), tried in zip(changes, rehearsed, strict=True):
            if not isinstance(tried, Written):
                return _named(tried, self._names[number])
        written: list[str] = []
        for place, (number, part, change) in enumerate(changes):
            left = ends - self._clock()
            result: WriteResult = NotWritten("Unreachable", "no time was left to write this route")
            if left > 0:
                result = await self._routers[number].write(part, change, deadline=left)
            if isinstance(result, Written):
                written.append(result.resource_version)
                continue
            # A write without an answer may have arrived.
            touched = changes[: place + isinstance(result, NotWritten)]
            await asyncio.gather(*(self._take_back(*one) for one in touched))
            return _named(result, self._names[number])
        return Written("/".join(written))

    async def _take_back(self, number: int, before: RouteSeen, raised: RouteChange) -> None:
        """Lower one route to what it showed before, where it shows what we raised it to."""
        for turn in range(PINNED_TRIES):
            now = await self._routers[number].look(insist=True)
            if not isinstance(now, RouteSeen) or not _shows(now, raised):
                return
            claim = raised.claim and replace(
                raised.claim, written=before.rules, mirror=_claimed(before)
            )
            change = RouteChange(before.rules if raised.weights else (), claim, pinned=turn == 0)
            if not isinstance(await self._routers[number].write(now, change), Conflict):
                return

    async def _lower(
        self, number: int, part: RouteSeen, change: RouteChange, deadline: float
    ) -> WriteResult:
        """Write one route, whatever becomes of the others; only a lowering tries again by itself."""
        router, name = self._routers[number], self._names[number]
        result: WriteResult = Conflict(f"{name}: not tried yet")
        lowers = bool(change.weights) or change.mirror < _claimed(part)
        for turn in range(TRIES if lowers else 1):
            if change.claim and part.claim and belongs_to_another(part.claim, change.claim):
                return NotWritten("RouteInUse", f"{name} is claimed by {part.claim.owner}")
            pinned = change.pinned and turn < PINNED_TRIES
            result = await router.write(part, replace(change, pinned=pinned), deadline=deadline)
            if not isinstance(result, Conflict):
                break
            again = await router.look(deadline=deadline, insist=True)
            if not isinstance(again, RouteSeen):
                break
            here = {rule.rule for rule in again.rules}
            kept = tuple(rule for rule in change.weights if rule.rule in here)
            part, change = again, replace(change, weights=kept)
        return _named(result, name)


# --- many looks, one look -------------------------------------------------------------------------


def united(looks: Sequence[Route], names: Sequence[str]) -> Route:
    """Make one of several looks: the least of each decides."""
    seen = [(n, one) for n, one in enumerate(looks) if isinstance(one, RouteSeen)]
    unread = [(n, one) for n, one in enumerate(looks) if isinstance(one, RouteUnreadable)]
    gone = [(n, one) for n, one in enumerate(looks) if isinstance(one, RouteGone)]
    part = _united(looks, seen, names) if seen else None
    if unread:
        number, first = unread[0]
        return RouteUnreadable(first.reason, f"{names[number]}: {first.message}", part)
    if part is None:
        return RouteGone(gone[0][1].message)
    if gone:
        return replace(
            part,
            problem=gone[0][1].message,
            problem_reason="RouteNotFound",
            gone=frozenset(number for number, _ in gone),
        )
    return part


def _united(
    looks: Sequence[Route], seen: Sequence[tuple[int, RouteSeen]], names: Sequence[str]
) -> SeveralSeen:
    claims = tuple(_numbered(one.claim, number) for number, one in seen if one.claim is not None)
    refused = next((n for n, one in seen if not one.accepted), None)
    troubled = next(((n, one) for n, one in seen if one.problem is not None), None)
    unreadable = (one.claim_text for _, one in seen if one.claim is None and one.claim_text)
    rules = tuple(rule for number, one in seen for rule in _moved(one.rules, number))
    still = next(((n, one) for n, one in seen if one.mirror_refusal is not None), None)
    others = (one.last_manager for _, one in seen if one.last_manager != "cutover")
    whole = [one.whole for _, one in seen if one.whole is not None]
    written = tuple(rule for claim in claims for rule in claim.written)
    says = len(claims) == len(seen) and all(claim.written for claim in claims)
    return SeveralSeen(
        resource_version="/".join(one.resource_version for _, one in seen),
        generation=sum(one.generation for _, one in seen),
        rules=rules,
        claim=_least(claims) if len(claims) == len(seen) else None,
        accepted=refused is None,
        acceptance="" if refused is None else f"{names[refused]}: {_acceptance(looks[refused])}",
        problem=f"{names[troubled[0]]}: {troubled[1].problem}" if troubled else _beyond(rules),
        problem_reason=troubled[1].problem_reason if troubled else _beyond(rules) and TOO_MUCH,
        last_manager=next(others, seen[0][1].last_manager),
        claim_text=next(unreadable, None)
        if len(claims) < len(seen)
        else "/".join(str(one.claim_text) for _, one in seen),
        whole=gcd(*whole) or None,
        largest=min(one.largest for _, one in seen),
        delivery_seconds=max(one.delivery_seconds for _, one in seen),
        answer_limit=next((one.answer_limit for _, one in seen if one.answer_limit), None),
        mirrors=tuple(mirror for number, one in seen for mirror in _mirrors(one, number))
        if any(claim.mirror for claim in claims)
        else (),
        mirror_refusal=f"{names[still[0]]}: {still[1].mirror_refusal}" if still else None,
        claims=claims,
        written=written if says else (),
        parts=tuple(looks),
    )


def _beyond(rules: Sequence[RuleWeights]) -> str | None:
    if len(rules) <= MOST_RULES:
        return None
    return (
        f"{len(rules)} rules of all routes together name both backends: at most {MOST_RULES} are moved by one"
        " rollout; list fewer in the routes' rules"
    )


def _acceptance(look: Route) -> str:
    return look.acceptance if isinstance(look, RouteSeen) else ""


def _least(claims: Sequence[Claim]) -> Claim | None:
    """The claim that is the furthest behind, with the original weights of all; what was written stays with each.

    What any of them mirrors is mirrored: it has to be taken away.
    """
    if not claims:
        return None
    behind = min(claims, key=lambda one: (one.epoch, one.attempt, one.going_back is not None))
    original = tuple(rule for claim in claims for rule in claim.original)
    mirror = max(claim.mirror for claim in claims)
    return replace(behind, original=original, written=(), mirror=mirror)


def _numbered(claim: Claim, number: int) -> Claim:
    return replace(
        claim,
        original=_moved(claim.original, number),
        written=_moved(claim.written, number),
    )


def _mirrors(one: RouteSeen, number: int) -> tuple[RuleMirror, ...]:
    """What one route mirrors; a rule of a route that claims no mirror has none of ours."""
    known = one.mirrors or tuple(RuleMirror(rule.rule, 0) for rule in one.rules)
    return tuple(replace(mirror, rule=number * RULES + mirror.rule) for mirror in known)


def _moved(rules: Sequence[RuleWeights], number: int) -> tuple[RuleWeights, ...]:
    return tuple(replace(rule, rule=number * RULES + rule.rule) for rule in rules)


# --- one change, many changes ---------------------------------------------------------------------


def _own(rules: Sequence[RuleWeights], number: int) -> tuple[RuleWeights, ...]:
    return tuple(
        replace(rule, rule=rule.rule % RULES) for rule in rules if rule.rule // RULES == number
    )


def _part_of(change: RouteChange, number: int, part: RouteSeen) -> RouteChange:
    """What the change means for one route; its claim says what is written with it."""
    weights = _own(change.weights, number)
    claim = change.claim
    if claim is not None:
        known = part.claim.written if part.claim is not None else ()
        written = weights or known or part.rules
        claim = replace(claim, original=_own(claim.original, number), written=written)
    return RouteChange(weights, claim, change.pinned)


def _claimed(part: RouteSeen) -> int:
    """Percent that the claim on one route says is mirrored."""
    return part.claim.mirror if part.claim is not None else 0


def _rises(part: RouteSeen, change: RouteChange) -> bool:
    now = {rule.rule: _share(rule) for rule in part.rules}
    more = any(_share(rule) > now.get(rule.rule, 0.0) + SAME for rule in change.weights)
    return more or change.mirror > _claimed(part)


def _shows(part: RouteSeen, raised: RouteChange) -> bool:
    """Whether the route still is as a raise has left it."""
    now = {rule.rule: _share(rule) for rule in part.rules}
    same = all(abs(now.get(rule.rule, -1.0) - _share(rule)) < SAME for rule in raised.weights)
    return same and _claimed(part) == raised.mirror


def _share(rule: RuleWeights) -> float:
    total = rule.source + rule.target
    return 100.0 * rule.target / total if total else 0.0


def _worst(results: Sequence[WriteResult]) -> WriteResult:
    """What is left to be done: a failure, else a lost race."""
    for kind in (NotWritten, Conflict):
        found = next((one for one in results if isinstance(one, kind)), None)
        if found is not None:
            return found
    return Written("/".join(one.resource_version for one in results if isinstance(one, Written)))


def _named(result: WriteResult, name: str) -> WriteResult:
    match result:
        case NotWritten(reason=reason, message=message):
            return NotWritten(reason, message if message.startswith(name) else f"{name}: {message}")
        case Conflict(message=message):
            return Conflict(f"{name}: {message}")
        case Written():
            return result
