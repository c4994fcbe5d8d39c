"""Random schedules of what can happen to a rollout, as hypothesis strategies that shrink and read well."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, currently_in_test_context, note, settings
from hypothesis import strategies as st

from cutover.decide.observation import Outcome, Probe
from cutover.decide.readings import Gap, Gauges, Gpus, Missing
from cutover.decide.route import Claim, RuleWeights
from tests.fakes.plans import quick
from tests.fakes.sides import FIRST_TOKEN, Server
from tests.fakes.world import World

EXAMPLES = int(os.environ.get("CUTOVER_EXAMPLES", "0"))
"""Set it to look longer than the suite does, for example to 2000 and with another seed each time."""
SHRINKS = "CUTOVER_NO_SHRINKING" not in os.environ
tried = settings(
    max_examples=EXAMPLES or 25,
    phases=list(Phase) if SHRINKS else [Phase.explicit, Phase.generate],
    derandomize=not EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

BRISK: dict[str, Any] = {
    "interval": "10s",
    "guardInterval": "10s",
    "settle": "10s",
    "minDuration": "20s",
    "maxDuration": "5m",
    "minRequests": 50,
    "outageLimit": "1m",
}
BRISK_STEPS: Sequence[dict[str, Any]] = (
    {"weight": 10},
    {"weight": 50},
    {"weight": 100},
    {"soak": {"duration": "30s"}},
)
ENOUGH = 240.0
"""Seconds in which an undisturbed brisk rollout is over."""


def brisk(steps: Sequence[dict[str, Any]] = BRISK_STEPS, **more: Any) -> dict[str, Any]:
    """A spec whose steps take half a minute each."""
    return quick(steps, analysis={**BRISK, **more.pop("analysis", {})}, **more)


def brisk_world(given: dict[str, Any] | None = None, **more: Any) -> World:
    world = World(given or brisk(), rate=100.0, **more)
    world.sides.scrape = 1.0
    return world


@dataclass(frozen=True)
class Event:
    """Something that happens some seconds after the event before it."""

    after: float
    name: str
    deed: Callable[[World], object] = field(repr=False, compare=False)


def play(world: World, events: Sequence[Event], *, rest: float = ENOUGH) -> World:
    """Let the events happen one after the other, and then nothing more."""
    for event in events:
        if currently_in_test_context():
            note(f"after {event.after:g} s: {event.name}")
        world.run(event.after)
        world.do(event.deed)
    world.run(rest)
    return world


def schedules(
    *kinds: st.SearchStrategy[Event], most: int = 6, least: int = 0
) -> st.SearchStrategy[list[Event]]:
    return st.lists(st.one_of(*kinds), min_size=least, max_size=most)


def _event(
    name: str, deed: Callable[..., object], *given: st.SearchStrategy[Any]
) -> st.SearchStrategy[Event]:
    def build(drawn: tuple[float, tuple[Any, ...]]) -> Event:
        after, values = drawn
        shown = ", ".join(str(value) for value in values)
        return Event(after, f"{name}({shown})", lambda world: deed(world, *values))

    gap = st.sampled_from([0.0, 0.5, 3.0, 11.0, 27.0, 61.0])
    return st.tuples(gap, st.tuples(*given)).map(build)


def _for_a_while(
    set_to: Callable[[World], object], back: Callable[[World], object]
) -> Callable[[World, float], None]:
    def deed(world: World, seconds: float) -> None:
        set_to(world)
        world.at(world.since_start + timedelta(seconds=seconds), back)

    return deed


def _with(target: str, attribute: str, value: Any, normal: Any) -> Callable[[World, float], None]:
    """Set an attribute of the world's ``route``, ``rollouts`` or ``sides`` for some seconds."""

    def change(to: Any) -> Callable[[World], object]:
        return lambda world: setattr(getattr(world, target), attribute, to)

    return _for_a_while(change(value), change(normal))


seconds = st.sampled_from([1.0, 7.0, 25.0, 70.0, 130.0])

# --- operators ----------------------------------------------------------------------------------


def _restart(world: World, down: float) -> None:
    world.restart(after=timedelta(seconds=down))


def _crash(world: World, point: int) -> None:
    world.crash_in_next_turn(point)


def _leader_with_another_clock(world: World, skew: float) -> None:
    world.restart(skew=timedelta(seconds=skew))


def _clock_jumps(world: World, by: float) -> None:
    world.process.skew += timedelta(seconds=by)


restarts = _event("restart", _restart, st.sampled_from([0.0, 2.0, 20.0, 90.0]))
crashes = _event("crash", _crash, st.integers(0, 6))
other_clocks = _event(
    "leader with another clock", _leader_with_another_clock, st.sampled_from([-600.0, -15.0, 5.0])
)
jumps_back = _event("clock jumps back", _clock_jumps, st.sampled_from([-3600.0, -30.0, -1.0]))
jumps_forward = _event("clock jumps forward", _clock_jumps, st.sampled_from([1.0, 20.0, 600.0]))

# --- metrics ------------------------------------------------------------------------------------


def _servers(world: World, which: str) -> list[Server]:
    return [one for one in world.sides.servers if which in (one.name, "both")]


def _gap(world: World, which: str, missing: Missing, length: float) -> None:
    def put(world: World) -> None:
        for server in _servers(world, which):
            server.gap = Gap(missing, f"{server.name}: {missing}")

    def take(world: World) -> None:
        for server in _servers(world, which):
            server.gap = None

    _for_a_while(put, take)(world, length)


def _gate_gap(world: World, which: str, metric: str, missing: Missing, length: float) -> None:
    def put(world: World) -> None:
        for server in _servers(world, which):
            server.gate_gaps[metric] = Gap(missing, f"{server.name} {metric}: {missing}")

    def take(world: World) -> None:
        for server in _servers(world, which):
            server.gate_gaps.pop(metric, None)

    _for_a_while(put, take)(world, length)


def _overlap(world: World, length: float) -> None:
    def change(to: bool) -> Callable[[World], None]:
        def deed(world: World) -> None:
            for server in world.sides.servers:
                server.overlaps = to

        return deed

    _for_a_while(change(True), change(False))(world, length)


sides = st.sampled_from(["source", "target", "both"])
kinds_of_missing = st.sampled_from(list(Missing))
gaps = _event("gap", _gap, sides, kinds_of_missing, seconds)
gate_gaps = _event(
    "gate gap",
    _gate_gap,
    sides,
    st.sampled_from(["Requests", "Errors", FIRST_TOKEN]),
    kinds_of_missing,
    seconds,
)
overlaps = _event("overlap", _overlap, seconds)


def _requests(world: World, rate: float) -> None:
    world.sides.rate = rate


requests = _event("requests a second", _requests, st.sampled_from([0.0, 0.5, 5.0, 100.0]))

# --- servers ------------------------------------------------------------------------------------


def _ill(world: World, which: str, how: str, length: float) -> None:
    def change(to_ill: bool) -> Callable[[World], None]:
        def deed(world: World) -> None:
            for server in _servers(world, which):
                server.slow = 0.6 if to_ill and how == "slow" else 0.02
                server.failing = 0.5 if to_ill and how == "failing" else 0.002
                server.answers = not (to_ill and how == "silent")

        return deed

    _for_a_while(change(True), change(False))(world, length)


ill_target = _event(
    "ill target",
    _ill,
    st.just("target"),
    st.sampled_from(["slow", "failing", "silent"]),
    seconds,
)
ill_source = _event(
    "ill source", _ill, st.just("source"), st.sampled_from(["slow", "failing"]), seconds
)
ill_both = _event("ill both", _ill, st.just("both"), st.sampled_from(["slow", "failing"]), seconds)

# --- workloads, endpoints and gauges ------------------------------------------------------------

NOTHING_KNOWN: dict[str, dict[str, Any]] = {
    "workload unreadable": {"replicas": Gap(Missing.UNREACHABLE, "no route to host")},
    "workload forbidden": {"replicas": Gap(Missing.UNAUTHORISED, "forbidden")},
    "workload not asked": {"replicas": None},
    "probe unsent": {"probed": Probe(Outcome.UNSENT, "no such Secret")},
    "no gauges": {"gauges": Gauges()},
    "GPUs gone": {"gauges": Gauges(running=3.0, gpus=Gap(Missing.NO_SERIES, "no exporter"))},
    "harmless XID": {"gauges": Gauges(gpus=Gpus(2, {"node-1 GPU 0": 31}))},
}
BROKEN: dict[str, dict[str, Any]] = {
    "no replica": {"replicas": 0},
    "probes fail": {"probed": Probe(Outcome.FAILED, "answered 503")},
    "critical XID": {"gauges": Gauges(gpus=Gpus(2, {"node-1 GPU 0": 79}))},
}


def _health(world: World, which: str, what: str, length: float) -> None:
    given = (NOTHING_KNOWN | BROKEN)[what]

    def put(world: World) -> None:
        for server in _servers(world, which):
            for name, value in given.items():
                setattr(server, name, value)

    def take(world: World) -> None:
        for server in _servers(world, which):
            for name, value in HEALTHY.items():
                setattr(server, name, value)

    _for_a_while(put, take)(world, length)


HEALTHY: dict[str, Any] = {
    "replicas": 4,
    "probed": Probe(Outcome.ANSWERED),
    "gauges": Gauges(instances=4.0, running=8.0, waiting=0.0, kv_cache=0.1, gpus=Gpus(2, {})),
}


def healthy(world: World) -> World:
    """Both sides name a workload and an endpoint, and all is well."""
    for server in world.sides.servers:
        for name, value in HEALTHY.items():
            setattr(server, name, value)
    return world


unknown_health = _event("health", _health, sides, st.sampled_from(list(NOTHING_KNOWN)), seconds)
broken_health = _event("health", _health, sides, st.sampled_from(list(BROKEN)), seconds)

# --- the route ----------------------------------------------------------------------------------

reasons = st.sampled_from(["Unreachable", "Forbidden", "Unauthorised", "CredentialsMissing"])


def _route_away(world: World, reason: str, length: float) -> None:
    _with("route", "unreadable", f"{reason}: the route's API server says {reason}", "")(
        world, length
    )


def conflicting(world: World, times: int) -> None:
    """Somebody changes the route each time just before the operator's write arrives."""
    left = [times]

    def touch() -> None:
        if left[0] > 0:
            left[0] -= 1
            world.route.touch()

    world.route.before_write = touch


def _hand(world: World, who: str, weight: int) -> None:
    world.route.set_by(who, weight)


def _claim(world: World, whose: str, length: float) -> None:
    mine = world.route.claim_text
    claims: dict[str, Claim | str | None] = {
        "nobody": None,
        "garbage": "{}",
        "another": Claim("c-1", "inference", "other", "u-other", 1, 1, (RuleWeights(0, 1, 0),)),
    }
    world.route.claim_by(whose, claims[whose])

    def back(world: World) -> None:
        if world.route.claim_text in ("{}", None) or "u-other" in (world.route.claim_text or ""):
            world.route.claim_by("whoever", mine if whose == "garbage" else None)

    world.at(world.since_start + timedelta(seconds=length), back)


def _rules(world: World, how: str, length: float) -> None:
    before = world.route.rules
    if world.route.problem is not None:
        return
    changed = {
        "added": (*before, RuleWeights(7, 1, 0)),
        "removed": (),
        "shared": tuple(RuleWeights(r.rule, r.source, r.target, 10) for r in before),
    }[how]
    world.route.set_by("git", changed)
    if how == "removed":
        world.route.problem = ("BackendNotFound", "no rule of the route names Service llama-chat")

    def back(world: World) -> None:
        world.route.problem = None
        kept = {rule.rule: rule for rule in world.route.rules}
        world.route.set_by("git", [kept.get(rule.rule, rule) for rule in before])

    world.at(world.since_start + timedelta(seconds=length), back)


route_away = _event("route away", _route_away, reasons, seconds)
route_unwritable = _event(
    "route unwritable",
    _with("route", "unwritable", "httproutes may not be patched", ""),
    seconds,
)
route_gone = _event("route gone", _with("route", "exists", False, True), seconds)
gateway_stuck = _event("gateway stuck", _with("route", "gateway_stuck", True, False), seconds)
conflicts = _event("conflicts", conflicting, st.integers(1, 7))
hands = _event(
    "weight set by",
    _hand,
    st.sampled_from(["kubectl-edit", "argocd"]),
    st.sampled_from([0, 3, 10, 30, 50, 77, 100]),
)
claims = _event("claim of", _claim, st.sampled_from(["nobody", "garbage", "another"]), seconds)
rules = _event("rules", _rules, st.sampled_from(["added", "removed", "shared"]), seconds)

# --- the rollouts' API server and people --------------------------------------------------------

server_away = _event("rollouts away", _with("rollouts", "reachable", False, True), seconds)
status_refused = _event(
    "status refused", _with("rollouts", "refuses_status", "no space left", ""), seconds
)
answers_lost = _event(
    "answers lost", _with("rollouts", "takes_but_says_nothing", True, False), seconds
)


def edit(world: World, **fields: Any) -> None:
    world.rollouts.edit(lambda spec: spec.update(fields))


def _pause(world: World, length: float) -> None:
    _for_a_while(lambda w: edit(w, paused=True), lambda w: edit(w, paused=False))(world, length)


def _abort(world: World) -> None:
    edit(world, abort=True)


def _retry(world: World) -> None:
    """As admission allows it: only from RolledBack."""
    status = world.status
    if status.phase == "RolledBack":
        edit(world, attempt=(status.attempt or 1) + 1, abort=False)


def _delete(world: World) -> None:
    world.rollouts.delete()


def _lose_status(world: World) -> None:
    world.rollouts.lose_status()


def _steps(world: World, which: str) -> None:
    edits: dict[str, dict[str, Any]] = {
        "one more": {"steps": [{"weight": 10}, {"weight": 50}, {"weight": 80}, {"weight": 100}]},
        "another past": {"steps": [{"weight": 20}, {"weight": 60}, {"weight": 100}]},
        "no soak": {"steps": [{"weight": 10}, {"weight": 50}, {"weight": 100}]},
        "as before": {"steps": [dict(step) for step in BRISK_STEPS]},
        "nonsense": {"steps": [{"weight": 10}]},
        "stricter": {"analysis": {**BRISK, "minRequests": 80}},
    }
    edit(world, **edits[which])


pauses = _event("pause", _pause, seconds)
aborts = _event("abort", _abort)
retries = _event("retry", _retry)
deletions = _event("delete", _delete)
losses = _event("status lost", _lose_status)
edits = _event(
    "edit",
    _steps,
    st.sampled_from(["one more", "another past", "no soak", "as before", "nonsense", "stricter"]),
)

FAULTS = (
    restarts,
    crashes,
    jumps_back,
    gaps,
    gate_gaps,
    overlaps,
    requests,
    ill_source,
    unknown_health,
    route_away,
    route_unwritable,
    gateway_stuck,
    conflicts,
    server_away,
    status_refused,
    answers_lost,
)
"""What may break without anybody asking for anything."""
PEOPLE = (pauses, edits, hands, claims, rules)
EVERYTHING = (
    *FAULTS,
    *PEOPLE,
    ill_target,
    ill_both,
    broken_health,
    route_gone,
    other_clocks,
    jumps_forward,
    aborts,
    retries,
    deletions,
    losses,
)
