"""Several routes moved as one: upwards all or none, back each as soon as it can be."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cutover.api.status import PauseCause
from cutover.decide.route import (
    RULES,
    Claim,
    Route,
    RouteGone,
    RouteSeen,
    RouteUnreadable,
    RuleWeights,
)
from cutover.decide.weights import inexpressible
from cutover.ports import Conflict, NotWritten, RouteChange, WriteResult, Written
from cutover.traffic.several import SeveralRouters, united
from tests.fakes.chaos import BRISK_STEPS, brisk, brisk_world, edit
from tests.fakes.route import FakeRoute, share
from tests.fakes.world import World

NAMES = ("HTTPRoute chat", "GRPCRoute chat", "HTTPRoute embed")


class KilledError(Exception):
    """The process is gone in the middle of a write."""


class Part(FakeRoute):
    """One of them, on an API server that can rehearse."""

    def __init__(self, whole: "Routes") -> None:
        super().__init__()
        self.whole = whole

    async def rehearse(
        self, seen: RouteSeen, change: RouteChange, *, deadline: float = 5.0
    ) -> WriteResult:
        assert deadline
        return self._refused(seen, change) or Written("")

    async def write(
        self, seen: RouteSeen, change: RouteChange, *, deadline: float = 5.0
    ) -> WriteResult:
        result = await super().write(seen, change, deadline=deadline)
        self.whole.wrote()
        return result

    def own_echo(self) -> RouteSeen | None:
        return self.seen() if self.last_manager == "cutover" else None


class Routes:
    """What a world takes for its one route."""

    delivery_seconds = 0.0
    gateway_stuck = False
    exists = True

    def __init__(self, many: int = 3) -> None:
        self.parts = [Part(self) for _ in range(many)]
        self.router = SeveralRouters(self.parts, NAMES[:many])
        self.dies_after: int | None = None
        """So many single writes."""
        self.writes = 0
        self.at_death: list[float] = []
        self.after_write: Callable[[], object] = lambda: None

    def wrote(self) -> None:
        self.writes += 1
        if self.writes == self.dies_after:
            self.at_death = self.shares
            raise KilledError
        self.after_write()

    async def look(self, *, deadline: float = 5.0, insist: bool = False) -> Route:
        return asyncio.run(self.router.look(deadline=deadline, insist=insist))

    async def write(
        self, seen: RouteSeen, change: RouteChange, *, deadline: float = 5.0
    ) -> WriteResult:
        return asyncio.run(self.router.write(seen, change, deadline=deadline))

    @property
    def rules(self) -> tuple[RuleWeights, ...]:
        return tuple(rule for part in self.parts for rule in part.rules)

    @property
    def shares(self) -> list[float]:
        return [share(rule) for rule in self.rules]

    @property
    def highest(self) -> float:
        return max(self.shares)

    @property
    def delivered_share(self) -> float:
        return sum(part.delivered_share for part in self.parts) / len(self.parts)

    @property
    def delivered_mirror(self) -> float:
        return sum(part.delivered_mirror for part in self.parts) / len(self.parts)

    @property
    def mirrors(self) -> list[int]:
        return [part.mirror for part in self.parts]

    @property
    def generation(self) -> int:
        return sum(part.generation for part in self.parts)

    @property
    def observed(self) -> int:
        return sum(part.observed for part in self.parts)

    def gateway_reads(self) -> bool:
        return bool(sum(part.gateway_reads() for part in self.parts))


def several(many: int = 3, steps: Sequence[dict[str, Any]] = BRISK_STEPS) -> tuple[World, Routes]:
    """A rollout over several routes."""
    more = [{"grpcRoute": _route("chat")}, {"httpRoute": _route("embed")}][: many - 1]
    given = brisk(steps)
    given["traffic"]["additionalRoutes"] = more
    world = brisk_world(given)
    routes = Routes(many)
    world.route = routes  # type: ignore[assignment]
    world.watchers.append(lambda w: _never_above_intent(w, routes))
    return world, routes


def _route(name: str) -> dict[str, Any]:
    return {"name": name, "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}


def _never_above_intent(world: World, routes: Routes) -> None:
    if world.status.phase in ("Progressing", "RollingBack"):
        assert max(routes.shares) <= (world.status.weights.desired or 0) or _stands(world)


def _stands(world: World) -> bool:
    return world.status.pause is not None or world.status.phase == "RollingBack"


def run(world: World, seconds: float) -> None:
    """Go on until then; a process that dies is followed by another."""
    try:
        world.run(seconds)
    except KilledError:
        world.restart()
        world.run(seconds)


def said(world: World) -> set[str]:
    return {one.reason for _, one in world.events}


def test_they_move_together_through_a_whole_rollout() -> None:
    world, routes = several()
    uneven = []
    world.watchers.append(
        lambda _: uneven.append(routes.shares) if len(set(routes.shares)) > 1 else None
    )
    world.run(240.0)
    assert world.status.phase == "Completed"
    assert routes.shares == [100, 100, 100]
    assert not uneven, "at the end of each turn all have the same weight"
    assert [part.claim_text for part in routes.parts] == [None] * 3, "every claim is released"


@pytest.mark.parametrize("writes", range(1, 16))
def test_whichever_write_is_the_last_of_a_process_the_next_one_brings_them_together(
    writes: int,
) -> None:
    """Three claims, then three raises a step, and three releases: a death after each of them."""
    world, routes = several()
    routes.dies_after = writes
    run(world, 300.0)
    assert world.status.phase == "Completed"
    assert routes.shares == [100, 100, 100]
    assert not said(world) & {"EmergencyStop", "TrafficOverridden", "TrafficContested"}
    assert ("HalfWritten" in said(world)) is (len(set(routes.at_death)) > 1)


@pytest.mark.parametrize("writes", range(7, 10))
def test_a_rollback_that_broke_off_is_gone_on_with(writes: int) -> None:
    world, routes = several()
    world.run(30.0)
    assert routes.shares == [10, 10, 10]
    routes.dies_after = writes
    edit(world, abort=True)
    world.wake()
    run(world, 60.0)
    assert world.status.phase == "RolledBack"
    assert routes.shares == [0, 0, 0]


# --- other hands --------------------------------------------------------------------------------


def test_a_lowering_of_one_is_an_emergency_stop_for_all() -> None:
    world, routes = several()
    world.run(30.0)
    world.do(lambda _: routes.parts[1].set_by("kubectl-edit", 0))
    world.run(60.0)
    assert world.status.pause is not None
    assert world.status.pause.cause is PauseCause.EMERGENCY_STOP
    assert "kubectl-edit" in world.status.pause.message
    assert routes.shares == [10, 0, 10], "left as they are"


def test_a_lowering_that_comes_right_after_the_raise_is_one_too() -> None:
    """Nobody has looked at the raise yet: the claim tells that it was made."""
    world, routes = several()

    def brake() -> None:
        if routes.shares == [10, 10, 10]:
            routes.after_write = lambda: None
            routes.parts[2].set_by("kubectl-edit", 0)

    routes.after_write = brake
    world.run(60.0)
    assert world.status.pause is not None
    assert world.status.pause.cause is PauseCause.EMERGENCY_STOP
    assert routes.shares == [10, 10, 0]


def test_a_raise_of_one_is_put_back() -> None:
    world, routes = several()
    world.run(30.0)
    world.watchers.clear()
    world.do(lambda _: routes.parts[0].set_by("git", 70))
    world.run(2.0)
    assert routes.shares == [10, 10, 10]
    assert "TrafficOverridden" in said(world)


def test_a_claim_that_is_taken_from_one_is_put_back() -> None:
    world, routes = several()
    world.run(30.0)
    world.do(lambda _: routes.parts[1].claim_by("git", None))
    world.run(2.0)
    assert all(part.claim_text for part in routes.parts)
    assert routes.shares == [10, 10, 10]


# --- one that cannot ------------------------------------------------------------------------------


def test_none_is_raised_where_one_cannot_be_and_all_go_back() -> None:
    world, routes = several()
    world.run(30.0)
    routes.parts[1].unwritable = "no"
    world.run(120.0)
    assert routes.shares == [10, 10, 10]
    assert world.status.trouble.startswith("GRPCRoute chat: no")
    routes.parts[1].unwritable = ""
    routes.parts[2].unreadable = "Unreachable: no route to host"
    world.do(lambda w: edit(w, abort=True))
    world.run(5.0)
    assert routes.shares == [0, 0, 10], "what can be put back does not wait for what cannot"
    assert world.status.phase == "RollingBack"
    assert world.status.trouble.startswith("HTTPRoute embed: ")
    routes.parts[2].unreadable = ""
    world.run(5.0)
    assert routes.shares == [0, 0, 0]
    assert world.status.phase == "RolledBack"


def test_a_route_that_is_deleted_stops_the_rest_and_holds_up_no_rollback() -> None:
    world, routes = several()
    world.run(30.0)
    routes.parts[1].exists = False
    world.wake()
    world.run(60.0)
    assert [routes.shares[0], routes.shares[2]] == [10, 10]
    assert "does not exist" in world.status.trouble
    world.do(lambda w: edit(w, abort=True))
    world.run(5.0)
    assert world.status.phase == "RolledBack"
    assert [routes.shares[0], routes.shares[2]] == [0, 0]


# --- copies ---------------------------------------------------------------------------------------

SHADOW = ({"shadow": {"duration": "30s"}}, {"weight": 50}, {"weight": 100})


def test_all_mirror_or_none_does_and_none_beside_a_weight() -> None:
    world, routes = several(steps=SHADOW)
    uneven: list[Any] = []
    world.watchers.append(
        lambda _: (
            uneven.append((routes.mirrors, routes.shares))
            if len(set(routes.mirrors)) > 1 or (max(routes.mirrors) and routes.highest)
            else None
        )
    )
    world.run(300.0, until=lambda: world.status.weights.mirrored == 100)
    assert routes.mirrors == [100, 100, 100]
    world.run(300.0)
    assert world.status.phase == "Completed"
    assert routes.mirrors == [0, 0, 0]
    assert not uneven


@pytest.mark.parametrize("writes", range(4, 11))
def test_whichever_write_is_the_last_while_shadowing_the_next_process_brings_them_together(
    writes: int,
) -> None:
    """After three claims: three mirrors, three removals, a raise: a death after each of them."""
    world, routes = several(steps=SHADOW)
    routes.dies_after = writes
    run(world, 400.0)
    assert world.status.phase == "Completed"
    assert (routes.shares, routes.mirrors) == ([100, 100, 100], [0, 0, 0])
    assert not said(world) & {"EmergencyStop", "TrafficOverridden", "TrafficContested"}


@pytest.mark.parametrize("writes", range(4, 7))
def test_what_mirrors_on_some_when_it_is_aborted_is_taken_away(writes: int) -> None:
    world, routes = several(steps=SHADOW)
    routes.dies_after = writes
    with pytest.raises(KilledError):
        world.run(100.0)
    assert routes.mirrors.count(100) == writes - 3
    edit(world, abort=True)
    world.restart()
    world.run(30.0)
    assert world.status.phase == "RolledBack"
    assert routes.mirrors == [0, 0, 0]


def test_a_mirror_that_is_taken_from_one_is_an_emergency_stop_for_all() -> None:
    world, routes = several(steps=SHADOW)
    world.run(300.0, until=lambda: world.status.weights.mirrored == 100)
    world.do(lambda _: routes.parts[1].mirror_by("kubectl-edit", 0))
    world.run(10.0)
    assert world.status.pause is not None
    assert world.status.pause.cause is PauseCause.EMERGENCY_STOP
    assert routes.mirrors == [0, 0, 0]


def test_a_mirror_that_reached_some_and_could_not_be_taken_back_is_nobody_elses_hand() -> None:
    world, routes = several(2, steps=SHADOW)

    def break_off() -> None:
        if routes.mirrors == [100, 0]:
            for part in routes.parts:
                part.unwritable = "no"

    routes.parts[1].before_write = break_off
    world.run(100.0, until=lambda: routes.mirrors == [100, 0])
    world.run(2.0)
    assert (routes.mirrors, world.status.pause) == ([100, 0], None)
    routes.parts[1].before_write = lambda: None
    for part in routes.parts:
        part.unwritable = ""
    world.run(300.0)
    assert world.status.phase == "Completed"
    assert "EmergencyStop" not in said(world)


def test_none_mirrors_where_one_does_not_take_it() -> None:
    routes = Routes(2)
    seen = _look(routes)
    routes.parts[1].before_write = lambda: setattr(routes.parts[1], "unwritable", "no")
    change = RouteChange((), replace(CLAIM, mirror=100))
    result = asyncio.run(routes.router.write(seen, change))
    assert result == NotWritten("Forbidden", "GRPCRoute chat: no")
    assert routes.mirrors == [0, 0]
    assert [change.mirror_after for change in routes.parts[0].changes] == [100, 0]


def test_a_route_that_cannot_mirror_is_named() -> None:
    routes = Routes(2)
    assert asyncio.run(routes.router.mirrorable(_look(routes), [100])) is None
    routes.parts[1].mirror_refusal = "no TraefikService can: remove the shadow steps"
    seen = _look(routes)
    why = "GRPCRoute chat: no TraefikService can: remove the shadow steps"
    assert seen.mirror_refusal == asyncio.run(routes.router.mirrorable(seen, [100])) == why


def test_the_numbers_of_all_kinds_have_to_express_a_weight() -> None:
    """A hundred is 20 on one, 50 on another: what both can say are multiples of ten."""
    routes = Routes(2)
    looks = [
        replace(part.seen(), whole=whole)
        for part, whole in zip(routes.parts, (20, 50), strict=True)
    ]
    seen = united(looks, NAMES[:2])
    assert isinstance(seen, RouteSeen)
    assert [w for w in range(1, 101) if inexpressible(seen.rules, [w], seen.whole) is None] == [
        *range(10, 101, 10)
    ]


def test_no_more_rules_are_moved_than_the_status_holds() -> None:
    routes = Routes(2)
    for part, many in zip(routes.parts, (64, 64), strict=True):
        part.rules = tuple(RuleWeights(n, 1, 0) for n in range(many))
    assert _look(routes).problem is None
    routes.parts[0].rules = tuple(RuleWeights(n, 1, 0) for n in range(65))
    seen = _look(routes)
    assert seen.problem_reason == "TooMuchForAClaim"
    assert seen.problem is not None and seen.problem.startswith("129 rules of all routes together")


def _look(routes: Routes) -> RouteSeen:
    seen = asyncio.run(routes.router.look())
    assert isinstance(seen, RouteSeen)
    return seen


CLAIM = Claim("c", "ns", "chat", "u", 1, 1, (RuleWeights(0, 1, 0), RuleWeights(RULES, 1, 0)))


def to(percent: int) -> tuple[RuleWeights, ...]:
    return tuple(RuleWeights(n * RULES, 100 - percent, percent) for n in range(2))


def test_what_was_raised_is_taken_back_at_once_where_the_next_is_not() -> None:
    """The rehearsal went well, and then somebody was faster."""
    routes = Routes(2)
    seen = _look(routes)
    routes.parts[1].before_write = lambda: setattr(routes.parts[1], "unwritable", "no")
    result = asyncio.run(routes.router.write(seen, RouteChange(to(25), CLAIM)))
    assert result == NotWritten("Forbidden", "GRPCRoute chat: no")
    assert routes.shares == [0, 0]
    assert [change.after for change in routes.parts[0].changes] == [
        (RuleWeights(0, 75, 25),),
        (RuleWeights(0, 1, 0),),
    ]


def test_nothing_is_raised_at_all_where_the_rehearsal_fails() -> None:
    routes = Routes(2)
    routes.parts[1].unwritable = "a policy forbids it"
    result = asyncio.run(routes.router.write(_look(routes), RouteChange(to(25), CLAIM)))
    assert isinstance(result, NotWritten)
    assert not routes.parts[0].changes


def test_a_lowering_loses_races_on_one_without_holding_up_the_other() -> None:
    routes = Routes(2)
    assert isinstance(
        asyncio.run(routes.router.write(_look(routes), RouteChange(to(25), CLAIM))), Written
    )
    seen = _look(routes)
    races = iter(range(5))
    routes.parts[0].before_write = lambda: (
        routes.parts[0].touch() if next(races, None) is not None else None
    )
    lowered = replace(CLAIM, epoch=1)
    result = asyncio.run(routes.router.write(seen, RouteChange(to(0), lowered)))
    assert isinstance(result, Written)
    assert routes.shares == [0, 0]


def test_the_whole_is_no_better_than_its_worst_part() -> None:
    routes = Routes(2)
    routes.parts[1].observed = 0
    seen = _look(routes)
    assert (seen.accepted, seen.claim) == (False, None)
    assert seen.acceptance == "GRPCRoute chat: Gateway edge has not answered yet"
    looks: list[Route] = [routes.parts[0].seen(), RouteUnreadable("Forbidden", "no")]
    unread = united(looks, NAMES[:2])
    assert isinstance(unread, RouteUnreadable)
    assert unread.message == "GRPCRoute chat: no"
    assert unread.seen is not None and len(unread.seen.rules) == 1
    half_gone = united([RouteGone("it is gone"), routes.parts[1].seen()], NAMES[:2])
    assert isinstance(half_gone, RouteSeen)
    assert (half_gone.problem_reason, half_gone.gone) == ("RouteNotFound", frozenset({0}))
    assert isinstance(united([RouteGone("a"), RouteGone("b")], NAMES[:2]), RouteGone)


def test_a_lost_race_upwards_leaves_everything_to_the_next_look() -> None:
    routes = Routes(2)
    seen = _look(routes)
    routes.parts[1].touch()
    result = asyncio.run(routes.router.write(seen, RouteChange(to(25), CLAIM)))
    assert isinstance(result, Conflict)
    assert routes.shares == [0, 0]
