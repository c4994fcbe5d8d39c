"""What keeps the next weight back although everything is proven: a target that is not ready for it.

Nothing here is a verdict and nothing calls traffic back: it is looked at again, and said in words.
"""

from cutover.api.guards import Guard
from cutover.api.quantities import parse_share
from cutover.api.status import Plan, Status
from cutover.decide.applying import before_traffic, shadow_percent
from cutover.decide.health import (
    gauges_of,
    new_critical_xid,
    ready_replicas,
    workload_name,
)
from cutover.decide.observation import Observation, Refusal, Replicas
from cutover.decide.readings import Gap, SideReading
from cutover.decide.route import RouteSeen
from cutover.decide.windows import OUTSIDE, outside
from cutover.judge.capacity import Room, projected, shortfall

WARMING_UP = "WarmingUp"
WAITS_FOR_ITSELF = frozenset({WARMING_UP, OUTSIDE})
"""What ends without anybody doing anything."""


def held_back(seen: Observation, status: Status, plan: Plan) -> Refusal | None:
    """Say what keeps the weight (or the mirror) that is desired from being written; None: nothing."""
    return (
        unfit(seen, status, plan)
        or outside(plan, seen.now)
        or _cold(status, plan)
        or _cramped(seen, status, plan)
    )


def unfit(seen: Observation, status: Status, plan: Plan) -> Refusal | None:
    """The guards would take the next weight away again at once."""
    disabled = frozenset(plan.guards.disabled)
    probes = seen.health.probes
    if Guard.NO_READY_REPLICA not in disabled and ready_replicas(seen, plan) == 0:
        message = f"{workload_name(plan)} has no ready replica: bring one up"
        return Refusal("TargetNotReady", message)
    if probes is not None and probes.failures and Guard.FAILED_PROBES not in disabled:
        return Refusal("EndpointNotReady", f"the target's endpoint: {probes.message}")
    if Guard.CRITICAL_XID not in disabled:
        breach = new_critical_xid(seen, status, plan)
        if breach is not None:
            return Refusal("CriticalXid", breach.message)
    return None


# --- before the first weight --------------------------------------------------------------------


def is_cold(status: Status, plan: Plan) -> bool:
    """Whether warm-up requests are still to be answered before the first weight."""
    if plan.warm_up is None or not before_traffic(status):
        return False
    return status.warm_up is None or status.warm_up.failed > 0


def _cold(status: Status, plan: Plan) -> Refusal | None:
    if not is_cold(status, plan):
        return None
    warmed = status.warm_up
    if warmed is None:
        return Refusal(WARMING_UP, "the target is being warmed up")
    return Refusal(
        "WarmUpFailed",
        f"{warmed.failed} of {warmed.sent} warm-up requests failed, and are sent again every half a"
        f" minute: {warmed.message}",
    )


# --- capacity -----------------------------------------------------------------------------------


def _cramped(seen: Observation, status: Status, plan: Plan) -> Refusal | None:
    """Whether the servers that are ready would have no room for the weight that is desired."""
    desired = shadow_percent(plan, status) or status.weights.desired
    return _no_room(seen, status, plan, desired) if desired else None


def preflight_room(seen: Observation, plan: Plan, first: int) -> Refusal | None:
    """Whether they would have none for the first weight."""
    return _no_room(seen, seen.status, plan, first)


def _no_room(seen: Observation, status: Status, plan: Plan, desired: int) -> Refusal | None:
    capacity = plan.capacity
    if capacity is None:
        return None
    replicas = counted_replicas(seen.health.target_replicas, gauges_of(seen.target).instances)
    if replicas is None:
        return _unknown(
            "how many of the target's replicas are ready", "name the Deployment in target.workload"
        )
    running, kv_cache = _load_at(seen, status, desired)
    if isinstance(running, Gap):
        return _unknown("how many requests would run on the target", running.message)
    room = Room(replicas, capacity.concurrency_per_replica, parse_share(capacity.headroom))
    short = shortfall(room, running=running, kv_cache=kv_cache, weight=desired)
    return None if short is None else Refusal("CapacityProjectionExceeded", short.message)


def _unknown(what: str, why: str) -> Refusal:
    return Refusal("CapacityUnknown", f"spec.capacity is set and it cannot be told {what}: {why}")


def counted_replicas(found: Replicas | Gap | None, instances: float | Gap) -> int | None:
    """How many servers of a side are ready: its workload's word, else what its metrics count."""
    if isinstance(found, Replicas) and not found.at_least:
        return found.ready
    return None if isinstance(instances, Gap) else round(instances)


def _load_at(seen: Observation, status: Status, desired: int) -> tuple[float | Gap, float | None]:
    """Project the requests running and the KV cache in use to the desired weight.

    The most of the last minute counts. From the target's own numbers, or before its first weight from the source's; what share of another
    server's cache that would be nobody knows.
    """
    now = _weight(seen, status)
    source, target = gauges_of(seen.source), gauges_of(seen.target)
    if not now:
        if isinstance(source.running, Gap):
            return source.running, None
        most = max([source.running, *(one.source_running or 0.0 for one in seen.health.loads)])
        return projected(most, 100.0, desired), None
    if isinstance(target.running, Gap):
        return target.running, None
    loads, used = seen.health.loads, target.kv_cache
    running = max([target.running, *(one.target_running or 0.0 for one in loads)])
    if isinstance(used, Gap):
        return projected(running, now, desired), None
    fullest = max([used, *(one.target_kv_cache or 0.0 for one in loads)])
    return projected(running, now, desired), projected(fullest, now, desired)


def _weight(seen: Observation, status: Status) -> float:
    if isinstance(seen.route, RouteSeen):
        return seen.route.highest
    return float(status.weights.applied or 0)


def source_cannot_take_all(seen: Observation, status: Status, plan: Plan) -> Refusal | None:
    """Say why the source could not take everything back; None: it could, as far as is known.

    It keeps nobody from putting the traffic back: a source that is too small is still the one that was
    proven good.
    """
    found = source_replicas(seen, plan)
    workload = plan.source.workload
    name = f"{workload.kind} {workload.name} of the source" if workload else "the source"
    if found is None:
        return None
    if found.ready == 0:
        return Refusal(
            "SourceNotReady",
            f"{name} has no ready replica: a rollback would send everything to nobody; bring it up",
        )
    if found.at_least:
        return None
    need = _need_of_all(seen, plan)
    if need is not None and plan.capacity is not None:
        room = Room(found.ready, plan.capacity.concurrency_per_replica, 1.0)
        if need <= room.most_running:
            return None
        return Refusal(
            "SourceTooSmall",
            f"{name} has {found.ready} ready replicas, which take {room.most_running:,.0f} requests at a"
            f" time, and about {need:,.0f} run on both sides: scale it up before a rollback needs it",
        )
    before = status.source_replicas
    if before is not None and found.ready < before:
        return Refusal(
            "SourceScaledDown",
            f"{name} has {found.ready} ready replicas and had {before} when it served everything: scale it"
            " up again before a rollback needs it",
        )
    return None


def source_replicas(seen: Observation, plan: Plan) -> Replicas | None:
    """How many of the source's servers are ready: its workload's word, or where none is named its metrics'.

    A server that answers no scrape is none; None: not known.
    """
    found = seen.health.source_replicas
    if isinstance(found, Replicas):
        return found
    if plan.source.workload is not None:
        return None
    if isinstance(seen.source, SideReading) and seen.source.unscraped:
        return Replicas(0)
    told = gauges_of(seen.source).instances
    return None if isinstance(told, Gap) else Replicas(round(told))


def _need_of_all(seen: Observation, plan: Plan) -> float | None:
    """Requests running on both sides now; None: not known."""
    running = [gauges_of(one).running for one in (seen.source, seen.target)]
    if plan.capacity is None or any(isinstance(one, Gap) for one in running):
        return None
    return sum(one for one in running if not isinstance(one, Gap))
