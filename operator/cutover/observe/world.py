"""One look at one rollout: the object, its route, both sides; all at once where they are independent."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from cutover import api
from cutover.api.gates import Gate
from cutover.api.sides import Profile
from cutover.api.status import Plan, Status
from cutover.decide.asking import Asking
from cutover.decide.looking import Wanted, wanted
from cutover.decide.observation import (
    ClaimOwner,
    Commands,
    Health,
    Identity,
    Observation,
    Refusal,
    ResultsSeen,
    SideReach,
    WorkloadSeen,
)
from cutover.decide.plan import read_commands, resolve
from cutover.decide.readings import Gap, Missing, Reading, SideReading
from cutover.decide.route import Route, RouteSeen, RouteUnreadable
from cutover.decide.sufficing import windows_needed
from cutover.decide.tellable import Tells
from cutover.observe.beside import Asked, Beside
from cutover.observe.inspecting import A_MOMENT, Inspection
from cutover.observe.memory import Memory
from cutover.observe.past import forget, recall
from cutover.observe.replaying import attend
from cutover.observe.results import attend_results, forget_results
from cutover.observe.values import begin_values, take_values
from cutover.ports import Adapters, Metrics, NotWritten, Replayer, Rollouts


@dataclass(frozen=True, slots=True)
class Known:
    """What a profile brings along: data of the adapters, given at the start."""

    operator_version: str
    default_gates: Mapping[Profile, Sequence[Gate]]
    metrics: Mapping[Profile, Tells]


@dataclass(frozen=True, slots=True)
class Object:
    """A rollout as read, taken apart."""

    raw: Mapping[str, Any]
    namespace: str
    name: str
    commands: Commands
    status: Status
    status_lost: bool
    draft: Plan | Refusal


def take_apart_once(rollout: Mapping[str, Any], known: Known, memory: Memory) -> Object:
    """Take an object apart, unless that version of it was the last one that was."""
    version = rollout["metadata"]["resourceVersion"]
    before: Object | None = memory.taken_apart
    if before is None or before.raw["metadata"]["resourceVersion"] != version:
        before = memory.taken_apart = take_apart(rollout, known, before)
    return before


def take_apart(rollout: Mapping[str, Any], known: Known, before: Object | None = None) -> Object:
    """Read an object of any age: neither its spec nor its status has to fit today's models.

    What the spec means is taken from ``before``, another version of it, where that says the same.
    """
    meta = rollout["metadata"]
    annotations = meta.get("annotations") or {}
    commands = read_commands(
        rollout,
        finalizer=api.FINALIZER,
        keep=annotations.get(api.ON_DELETE) == "Keep",
    )
    try:
        status = Status.model_validate(rollout.get("status") or {})
    except ValidationError:
        status = Status()
    draft = before.draft if before is not None and _same_spec(before.raw, rollout) else None
    draft = draft or resolve(
        rollout,
        operator_version=known.operator_version,
        default_gates=known.default_gates,
        metrics=known.metrics,
    )
    if isinstance(draft, Plan) and draft == status.plan:
        status = status.model_copy(update={"plan": draft})  # one of them is enough to keep
    return Object(
        raw=rollout,
        namespace=str(meta["namespace"]),
        name=str(meta["name"]),
        commands=commands,
        status=status,
        status_lost=commands.has_finalizer and status.phase is None,
        draft=draft,
    )


def _same_spec(before: Mapping[str, Any], rollout: Mapping[str, Any]) -> bool:
    old, new = before["metadata"], rollout["metadata"]
    same = old.get("uid") == new.get("uid") and old.get("generation") == new.get("generation")
    return same and before.get("spec") == rollout.get("spec")


async def observe(
    thing: Object, identity: Identity, memory: Memory, adapters: Adapters, rollouts: Rollouts
) -> tuple[Observation, Wanted]:
    """Look at what the next decision needs, and at nothing else."""
    plan = _plan_in_force(thing)
    now = adapters.now()
    want = wanted(
        thing.status,
        thing.commands,
        plan,
        now=now,
        last_full_look=memory.last_full_look,
        scrape_seconds=memory.scrape_seconds,
        latched=memory.latched is not None,
    )
    holder = f"{thing.namespace}/{thing.name}"
    sides = adapters.metrics(plan, thing.namespace, holder) if plan and want.windows else None
    asked = None if plan is None else Asked(plan, thing.namespace, holder, adapters)
    beside = _beside(asked, want, memory, thing.status, now)
    inspection = _inspection(asked, want, memory, now)
    sought = begin_values(memory, plan, want, sides, thing.status)
    route, source, target, reach = await _look(thing, plan, want, memory, adapters)
    values = await take_values(sought)
    _learn(memory, want, now, source, target)
    if inspection is not None:
        await inspection.settle(A_MOMENT)
    health = (
        beside.seen(source, target, plan, now)
        if beside is not None and plan is not None
        else Health()
    )
    past = None
    if plan is not None and want.past and want.long_window is not None:
        past = await recall(
            memory,
            plan,
            now,
            readings=(source, target),
            window=want.long_window,
            source=adapters.metrics(plan, thing.namespace, f"{thing.namespace}/{thing.name}")[0],
        )
    else:
        forget(memory)
    replays = attend(memory, want.replays, lambda asking: _replayer(thing, plan, asking, adapters))
    results = _results(thing, plan, want, memory, adapters)
    owner = await _owner(route, identity, rollouts)
    workload = await _workload(thing, plan, adapters) if plan and want.workload else None
    reason, message = memory.latched or (None, "")
    return Observation(
        now=now,
        identity=identity,
        commands=thing.commands,
        status=thing.status,
        status_lost=thing.status_lost,
        draft=thing.draft,
        route=route,
        claim_owner=owner,
        source=source,
        target=target,
        long_window=want.long_window,
        values=values,
        health=health,
        past=past,
        results=results,
        workload=workload,
        replays=replays,
        surroundings=inspection.seen() if inspection is not None else None,
        source_reach=reach[0],
        target_reach=reach[1],
        latched=reason,
        latched_message=message,
        trouble=memory.trouble[:1024],
        raced=memory.raced,
    ), want


def _replayer(thing: Object, plan: Plan | None, asking: Asking, adapters: Adapters) -> Replayer:
    assert plan is not None  # noqa: S101 - without a plan nothing is wanted
    return adapters.replayer(plan, thing.namespace, asking)


def _beside(
    asked: Asked | None, want: Wanted, memory: Memory, status: Status, now: datetime
) -> Beside | None:
    """Begin what is to be asked beside the look; break everything off where nothing is."""
    if asked is None or want.health is None:
        end_beside(memory)
        return None
    about = asked.about
    if memory.beside is None or memory.beside.about != about:
        end_beside(memory)
        memory.beside = Beside(about, status, now)
    memory.beside.about = about  # found equal at no cost next time
    memory.beside.ask(asked, want, now)
    return memory.beside


def end_beside(memory: Memory) -> None:
    """Ask workloads and endpoints nothing more."""
    if memory.beside is not None:
        memory.beside.cancel()
        memory.beside = None


def _inspection(
    asked: Asked | None, want: Wanted, memory: Memory, now: datetime
) -> Inspection | None:
    """Begin what is to be asked in Preflight; break it off where nothing is."""
    if asked is None or not want.surroundings:
        end_inspection(memory)
        return None
    about = (asked.plan.generation, asked.plan.attempt)
    if memory.inspection is None or memory.inspection.about != about:
        end_inspection(memory)
        memory.inspection = Inspection(about)
    inspector = asked.adapters.inspector(asked.plan, asked.namespace, asked.holder)
    memory.inspection.ask(inspector, asked.plan, now)
    return memory.inspection


def end_inspection(memory: Memory) -> None:
    """Ask nothing more of it."""
    if memory.inspection is not None:
        memory.inspection.cancel()
        memory.inspection = None


def _results(
    thing: Object, plan: Plan | None, want: Wanted, memory: Memory, adapters: Adapters
) -> Mapping[str, ResultsSeen]:
    """Evaluations are read on from full look to full look; a look of the guards leaves them alone.

    What was read before a pause ended says nothing of what was mended during it.
    """
    if thing.status.pause is not None:
        forget_results(memory)
    if plan is None or want.long_window is None:
        return {}
    holder = f"{thing.namespace}/{thing.name}"
    return attend_results(memory, want.results, plan, (thing.namespace, holder), adapters)


def _plan_in_force(thing: Object) -> Plan | None:
    if thing.status.plan is not None:
        return thing.status.plan
    return thing.draft if isinstance(thing.draft, Plan) else None


_Seen = tuple[Route | None, Reading | None, Reading | None, tuple[SideReach, SideReach]]


async def _look(
    thing: Object, plan: Plan | None, want: Wanted, memory: Memory, adapters: Adapters
) -> _Seen:
    if plan is None or not want.route:
        return None, None, None, (SideReach(), SideReach())
    holder = f"{thing.namespace}/{thing.name}"
    if not want.windows and not want.reach:
        route = await _route(thing, plan, want, adapters, holder, insist=want.going_back)
        return route, None, None, (SideReach(), SideReach())
    metrics = adapters.metrics(plan, thing.namespace, holder)
    if not want.reach:
        route, readings = await asyncio.gather(
            _route(thing, plan, want, adapters, holder, insist=False), _both(metrics, want, memory)
        )
        return route, *readings, (SideReach(), SideReach())
    route, readings, near, far = await asyncio.gather(
        _route(thing, plan, want, adapters, holder, insist=False),
        _both(metrics, want, memory),
        adapters.reach(plan.source.cluster, thing.namespace, holder),
        adapters.reach(plan.target.cluster, thing.namespace, holder),
    )
    left, right = readings if want.windows else (None, None)
    return route, left, right, (near, far)


async def _both(
    sides: tuple[Metrics, Metrics], want: Wanted, memory: Memory
) -> tuple[Reading, Reading]:
    """Read both sides. The guards' longer windows are most of the cost and are seldom needed.

    So a guard look begins with as many as the last one needed; should they not suffice this time,
    all are asked for at once.
    """
    source, target = sides
    if want.long_window is None and memory.windows_needed is not None:
        few = want.windows[: memory.windows_needed]
        readings = await asyncio.gather(source.look(few, full=False), target.look(few, full=False))
        memory.windows_needed = windows_needed(*readings)
        if memory.windows_needed is not None or few == want.windows:
            return readings
    full = want.long_window is not None
    readings = await asyncio.gather(
        source.look(want.windows, full=full, long=want.long_window),
        target.look(want.windows, full=full, long=want.long_window),
    )
    memory.windows_needed = windows_needed(*readings)
    return readings


async def _route(
    thing: Object, plan: Plan, want: Wanted, adapters: Adapters, holder: str, *, insist: bool
) -> Route:
    router = await adapters.router(plan, thing.namespace, holder)
    if isinstance(router, Refusal):
        return RouteUnreadable(router.reason, router.message)
    route = await router.look(insist=insist)
    if not want.mirror or not isinstance(route, RouteSeen) or route.mirror_refusal is not None:
        return route
    return replace(route, mirror_refusal=await router.mirrorable(route, want.mirror))


def _learn(
    memory: Memory, want: Wanted, now: datetime, source: Reading | None, target: Reading | None
) -> None:
    for reading in (source, target):
        if isinstance(reading, SideReading) and reading.scrape_seconds:
            memory.scrape_seconds = reading.scrape_seconds
    if want.long_window is not None:
        memory.last_full_look = now


async def _workload(thing: Object, plan: Plan, adapters: Adapters) -> WorkloadSeen | Gap:
    """Read the source's workload; waited for, since a completed rollout has nothing else to watch."""
    holder = f"{thing.namespace}/{thing.name}"
    workload = await adapters.source_workload(plan, thing.namespace, holder)
    if isinstance(workload, Refusal):
        return Gap(Missing.CREDENTIALS, workload.message)
    return await workload.look()


async def _owner(route: Route | None, identity: Identity, rollouts: Rollouts) -> ClaimOwner | None:
    """Whether the rollout behind a foreign claim still exists, where that can be told."""
    every = route.every_claim if isinstance(route, RouteSeen) else ()
    claim = next((one for one in every if one.uid != identity.uid), None)
    if claim is None:
        return None
    if claim.cluster != identity.cluster:
        return ClaimOwner(alive=None)
    found = await rollouts.get(claim.namespace, claim.name)
    if isinstance(found, NotWritten):
        return ClaimOwner(alive=None)
    gone = found is None or found["metadata"].get("uid") != claim.uid
    return ClaimOwner(alive=not gone)
