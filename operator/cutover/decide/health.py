"""The health of the target's servers: replicas, probes, GPUs, queue and KV cache.

What is not known is neither bad nor good here: it breaks no limit and mends none.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from cutover.api.facts import MAX_XIDS, ProbesStatus, Streak, WarmUpStatus
from cutover.api.guards import CRITICAL_XIDS, Guard
from cutover.api.quantities import parse_duration, parse_share
from cutover.api.status import Plan, Status
from cutover.decide import clocks
from cutover.decide.looking import guard_interval, has_traffic
from cutover.decide.observation import Load, Observation, Replicas
from cutover.decide.readings import Gap, Gauges, Gpus, Reading, SideReading
from cutover.decide.route import RouteSeen
from cutover.judge import guards

STALE_AFTER = timedelta(seconds=30)
"""What was asked longer ago, and three looks of the guards, says nothing about now."""

LOADS_KEPT = timedelta(minutes=1)
MOST_LOADS = 120


# --- what is kept -------------------------------------------------------------------------------


def noted(seen: Observation, status: Status) -> Status:
    """Keep what this look shows of the target's health: what lasts, and what was so at the beginning."""
    update: dict[str, object] = {
        "xids": _xids_before(seen, status),
        "queue": seen.health.queue,
        "kv_cache": seen.health.kv_cache,
    }
    probes, warmed = seen.health.probes, seen.health.warmed
    if probes is not None:
        update["probes"] = ProbesStatus(
            failures=probes.failures, at=probes.at, message=(probes.message or probes.unsent)[:1024]
        )
    if warmed is not None and not warmed.under_way:
        update["warm_up"] = WarmUpStatus(
            sent=warmed.sent,
            failed=warmed.failed,
            finished_at=seen.now,
            message=warmed.message[:1024],
        )
    return status.model_copy(update=update)


def _xids_before(seen: Observation, status: Status) -> Mapping[str, int] | None:
    """What the target's GPUs told when they could first be seen in this attempt."""
    gpus = gauges_of(seen.target).gpus
    if status.xids is not None or not isinstance(gpus, Gpus):
        return status.xids
    return dict(sorted(gpus.xids.items())[:MAX_XIDS])


def gauges_of(reading: Reading | None) -> Gauges:
    """What a side's servers tell of how full they are; where it could not be read, nothing."""
    return reading.gauges if isinstance(reading, SideReading) else Gauges()


Streaks = tuple[Streak | None, Streak | None]
"""Since when the queue has been too long, and the KV cache too full."""


def lasting(before: Streaks, target: Reading | None, plan: Plan, now: datetime) -> Streaks:
    """Go on with what lasts, by what this look shows of the target."""
    queue = _streak(before[0], now, plan, is_so=_queue_is_long(target, plan))
    return queue, _streak(before[1], now, plan, is_so=_cache_is_full(target, plan))


def _streak(
    before: Streak | None, now: datetime, plan: Plan, *, is_so: bool | None
) -> Streak | None:
    """Go on with a streak; None for ``is_so``: not known, which neither ends it nor goes on with it."""
    if is_so is None:
        return before
    if not is_so:
        return None
    if before is None or not clocks.NOTHING <= now - before.seen_at <= _recently(plan):
        return Streak(since=now, seen_at=now)
    return Streak(since=before.since, seen_at=now)


def _recently(plan: Plan) -> timedelta:
    return STALE_AFTER + 3 * guard_interval(plan)


def _queue_is_long(target: Reading | None, plan: Plan) -> bool | None:
    limit, waiting = plan.guards.queue, waiting_per_replica(target)
    if limit is None or waiting is None:
        return None
    return waiting > limit.max_waiting_per_replica


def _cache_is_full(target: Reading | None, plan: Plan) -> bool | None:
    limit, used = plan.guards.kv_cache, gauges_of(target).kv_cache
    if limit is None or isinstance(used, Gap):
        return None
    return used > parse_share(limit.max)


def recent_loads(
    before: tuple[Load, ...], source: Reading | None, target: Reading | None, now: datetime
) -> tuple[Load, ...]:
    """Add what this look shows, and forget what is older than a minute."""
    near, far = gauges_of(source), gauges_of(target)
    load = Load(now, _known(near.running), _known(far.running), _known(far.kv_cache))
    kept = (one for one in before if clocks.NOTHING <= now - one.at <= LOADS_KEPT)
    return (*kept, load)[-MOST_LOADS:]


def _known(value: float | Gap) -> float | None:
    return None if isinstance(value, Gap) else value


def waiting_per_replica(target: Reading | None) -> float | None:
    """Requests that wait on each of the target's servers, on average; None: not known."""
    gauges = gauges_of(target)
    if isinstance(gauges.waiting, Gap) or isinstance(gauges.instances, Gap):
        return None
    return gauges.waiting / gauges.instances if gauges.instances >= 1.0 else None


# --- what calls the traffic back ----------------------------------------------------------------


def unwell(
    seen: Observation, status: Status, plan: Plan, disabled: AbstractSet[Guard]
) -> guards.Breach | None:
    """Return the first breach: no replica, failed probes, a GPU's error, then what has lasted too long.

    ``status`` has noted this look.
    """
    if not _carries(seen, status):
        return None
    if Guard.NO_READY_REPLICA not in disabled:
        breach = guards.no_ready_replica(ready_replicas(seen, plan), workload=workload_name(plan))
        if breach is not None:
            return breach
    if Guard.FAILED_PROBES not in disabled:
        breach = _failed_probes(seen, plan)
        if breach is not None:
            return breach
    if Guard.CRITICAL_XID not in disabled:
        breach = new_critical_xid(seen, status, plan)
        if breach is not None:
            return breach
    return _saturated(seen, status, plan, disabled)


def _carries(seen: Observation, status: Status) -> bool:
    """Whether the target gets requests by our route: where the route shows that it gets none, it does not."""
    route = seen.route
    if isinstance(route, RouteSeen) and route.highest <= 0 and not route.mirrors_any:
        return False
    return has_traffic(status)


def ready_replicas(seen: Observation, plan: Plan) -> int | None:
    """How many of the target's replicas are ready at least; None: not known, or too long ago."""
    found = seen.health.target_replicas
    if not isinstance(found, Replicas) or found.at is None:
        return None
    return found.ready if _is_recent(found.at, seen.now, plan) else None


def _is_recent(at: datetime, now: datetime, plan: Plan) -> bool:
    return -STALE_AFTER <= now - at <= _recently(plan)


def workload_name(plan: Plan) -> str:
    """What a person calls the target's servers."""
    one = plan.target.workload
    return f"{one.kind} {one.name} of the target" if one else "the target"


def _failed_probes(seen: Observation, plan: Plan) -> guards.Breach | None:
    probes = seen.health.probes
    if probes is None or probes.at is None or not _is_recent(probes.at, seen.now, plan):
        return None
    return guards.failed_probes(probes.failures, probes.message)


def new_critical_xid(seen: Observation, status: Status, plan: Plan) -> guards.Breach | None:
    """Whether a GPU of the target has had a critical error since the attempt began."""
    gpus = gauges_of(seen.target).gpus
    if status.xids is None or not isinstance(gpus, Gpus):
        return None
    critical = frozenset(plan.guards.critical_xids or CRITICAL_XIDS)
    return guards.critical_xid(status.xids, gpus.xids, critical)


def _saturated(
    seen: Observation, status: Status, plan: Plan, disabled: AbstractSet[Guard]
) -> guards.Breach | None:
    queue, cache = plan.guards.queue, plan.guards.kv_cache
    waiting, used = waiting_per_replica(seen.target), gauges_of(seen.target).kv_cache
    if queue and waiting is not None and Guard.QUEUE not in disabled:
        lasted = _lasted(status.queue, seen.now, queue.sustained)
        if lasted is not None:
            return guards.queue_too_long(waiting, float(queue.max_waiting_per_replica), lasted)
    if cache and not isinstance(used, Gap) and Guard.KV_CACHE not in disabled:
        lasted = _lasted(status.kv_cache, seen.now, cache.sustained)
        if lasted is not None:
            return guards.kv_cache_full(used, parse_share(cache.max), lasted)
    return None


def _lasted(streak: Streak | None, now: datetime, limit: str) -> float | None:
    """Seconds that a streak has lasted, if this look saw it and it has lasted for its limit."""
    if streak is None or streak.seen_at != now or now - streak.since < parse_duration(limit):
        return None
    return (now - streak.since).total_seconds()
