"""Limits whose breach rolls back at once: no statistics, also during ``settle``.

Each looks at trailing windows that end now and decides on the shortest that holds enough requests,
so that a target that turns bad is seen within seconds and one that recovers is not held to its past.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from cutover.judge.evidence import Count
from cutover.judge.wording import count, duration, percent

ENOUGH = 50.0
"""Requests (or completions that were due) before a guard says anything."""
ERROR_BURST = 0.20
LATENCY_BURST = 0.50
LATENCY_SOURCE = 0.20
"""A source at or above it is slow itself: the latency guard stays silent."""
UNANSWERED = 0.10
SOURCE_SEEN = 10.0
"""Source completions from which what was due on the target can be told, however high the weight."""
PROBES = 5
FRESH_SCRAPES = 2.5
"""A side is fresh while its newest sample is younger than this many scrapes: two, and half a one of delay."""
UNKNOWN_P99 = 60.0
"""Seconds taken for the source's p99 where no histogram tells it."""


class Guard(StrEnum):
    """Which limit was broken; the reason of the rollback."""

    ERROR_BURST = "ErrorBurst"
    LATENCY_BURST = "LatencyBurst"
    UNANSWERED = "Unanswered"
    NO_READY_REPLICA = "NoReadyReplica"
    FAILED_PROBES = "FailedProbes"
    CRITICAL_XID = "CriticalXid"
    QUEUE = "Queue"
    KV_CACHE = "KvCache"


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """Both sides over one trailing window; None for a side that could not be seen."""

    seconds: float
    source: Count | None
    target: Count | None


@dataclass(frozen=True, slots=True)
class Breach:
    """A guard's limit, broken."""

    guard: Guard
    message: str
    """One sentence with the numbers."""
    window_seconds: float = 0.0
    value: float = 0.0
    bound: float = 0.0
    source_count: float = 0.0
    target_count: float = 0.0


def guard_windows(scrape_seconds: float) -> tuple[float, ...]:
    """Seconds of the trailing windows, rising: four scrapes, 30 s, 2 min, 10 min; none under four scrapes.

    A shorter window may hold a single sample, of which no increase can be told.
    """
    least = 4.0 * scrape_seconds
    return tuple(sorted({max(least, seconds) for seconds in (least, 30.0, 120.0, 600.0)}))


def error_burst(windows: Sequence[WindowCounts]) -> Breach | None:
    """At least 20 % of at least 50 target requests failed. ``bad`` counts failed requests."""
    window = _shortest(windows, target=True)
    if window is None or window.target is None or window.target.share < ERROR_BURST:
        return None
    target = window.target
    aside = f", source {percent(window.source.share)}" if window.source else ""
    return Breach(
        Guard.ERROR_BURST,
        f"{percent(target.share)} of {count(target.total)} target requests failed in the last"
        f" {duration(window.seconds)}{aside}; from {percent(ERROR_BURST)} traffic goes back at once",
        window_seconds=window.seconds,
        value=target.share,
        bound=ERROR_BURST,
        source_count=window.source.total if window.source else 0.0,
        target_count=target.total,
    )


def latency_burst(
    windows: Sequence[WindowCounts],
    *,
    gate: str,
    edge_seconds: float,
    reference_share: float | None = None,
) -> Breach | None:
    """At least 50 % of at least 50 target requests above the gate's edge, and under 20 % of the source's.

    ``bad`` counts requests above the edge. The source's share comes from its own shortest window with 50
    requests, or else (always at weight 100) from ``reference_share``, the frozen one (0-1); with neither
    nothing is said, since both may be slow.
    """
    window = _shortest(windows, target=True)
    if window is None or window.target is None or window.target.share < LATENCY_BURST:
        return None
    beside = _shortest(windows, target=False)
    source = beside.source if beside else None
    source_share = source.share if source else reference_share
    if source_share is None or source_share >= LATENCY_SOURCE:
        return None
    target = window.target
    return Breach(
        Guard.LATENCY_BURST,
        f"{gate}: {percent(target.share)} of {count(target.total)} target requests took longer than"
        f" {duration(edge_seconds)} in the last {duration(window.seconds)}, source {percent(source_share)};"
        f" from {percent(LATENCY_BURST)} traffic goes back at once",
        window_seconds=window.seconds,
        value=target.share,
        bound=LATENCY_BURST,
        source_count=source.total if source else 0.0,
        target_count=target.total,
    )


def patience_of(source_p99: float | None, scrape: float) -> float:
    """How many seconds silence is normal: the longer of the source's p99 and two scrapes."""
    return max(UNKNOWN_P99 if source_p99 is None else source_p99, 2.0 * scrape)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What must be known before silence proves anything. All times in seconds."""

    weight: float
    """Percent on the target, 0-100, as the gateway has it."""
    since_raise: float
    """Since the gateway accepted this weight and the router's own delay (DNS: 2×TTL) was over."""
    scrape: float
    source_age: float | None
    """Age of the newest sample; None when unknown."""
    target_age: float | None
    source_p99: float | None = None
    """Of a whole request. The upper end of its bracket; None when no histogram tells it."""
    target_down: bool = False
    """None of the target's servers answers its scrape, and that is fresh: not missing, but silent."""
    routed_share: float = 1.0
    """How much of what the source completes came by the route, 0-1: other callers give the target nothing."""

    @property
    def fresh(self) -> bool:
        newest = FRESH_SCRAPES * self.scrape
        ages = (self.source_age, 0.0 if self.target_down else self.target_age)
        return all(age is not None and age <= newest for age in ages)

    @property
    def patience(self) -> float:
        """The longer of the source's p99 and two scrapes: until then silence is normal."""
        return patience_of(self.source_p99, self.scrape)


def unanswered(windows: Sequence[WindowCounts], delivery: Delivery) -> Breach | None:
    """At least 50 completions were due on the target and under 10 % came: it hangs or refuses.

    Due = what the source completed · w / (100 − w). A window counts only when it is at least ``patience``
    long and begins at least ``patience`` after the raise: what completes in it was then sent under this
    weight, and a target up to twice as slow as the source's p99 has had the time to answer. ``total``
    counts completed requests. At weight 100 the source completes nothing and silence proves nothing.
    """
    if not 0 < delivery.weight < 100 or not delivery.fresh or not isfinite(delivery.patience):
        return None
    odds = delivery.routed_share * delivery.weight / (100.0 - delivery.weight)
    for window in sorted(windows, key=lambda one: one.seconds):
        within = delivery.patience <= window.seconds <= delivery.since_raise - delivery.patience
        if not within or window.source is None or window.target is None:
            continue
        due, came = window.source.total * odds, window.target.total
        if due >= ENOUGH and window.source.total >= SOURCE_SEEN:
            return _silence(window, due, came) if came < UNANSWERED * due else None
    return None


@dataclass(frozen=True, slots=True)
class SentCounts:
    """What a gateway has sent to each side over one trailing window, and what was answered of it."""

    seconds: float
    sent: float
    answered: float
    """Answers begun in the window, whenever their requests were sent."""
    source_sent: float = 0.0
    source_answered: float = 0.0


def unanswered_at_gateway(windows: Sequence[SentCounts], *, patience: float) -> Breach | None:
    """At least 50 requests were sent to the target long enough ago, and answers to under 10 % of them came.

    Nothing of the source is needed, so that a target that hangs is found at weight 100 too. Of what was sent
    evenly over a window the part before its last ``patience`` seconds was due; a window shorter than twice
    that says nothing. Where the source's requests go unanswered as well, the gateway or its callers are ill.
    """
    for window in sorted(windows, key=lambda one: one.seconds):
        due = window.sent * max(0.0, 1.0 - patience / window.seconds)
        if window.seconds < 2.0 * patience or due < ENOUGH:
            continue
        if window.answered >= UNANSWERED * due:
            return None
        if window.source_sent >= ENOUGH and window.source_answered < 0.5 * window.source_sent:
            return None
        return Breach(
            Guard.UNANSWERED,
            f"the gateway sent {count(window.sent)} requests to the target in the last"
            f" {duration(window.seconds)}, of which about {count(due)} were due and"
            f" {count(window.answered)} were answered: it hangs",
            window_seconds=window.seconds,
            value=window.answered / due,
            bound=UNANSWERED,
            source_count=window.source_sent,
            target_count=window.answered,
        )
    return None


def _silence(window: WindowCounts, due: float, came: float) -> Breach:
    source = window.source.total if window.source else 0.0
    return Breach(
        Guard.UNANSWERED,
        f"the target answered {count(came)} of about {count(due)} requests due in the last"
        f" {duration(window.seconds)}, while the source answered {count(source)}: it hangs or refuses",
        window_seconds=window.seconds,
        value=came / due,
        bound=UNANSWERED,
        source_count=source,
        target_count=came,
    )


def no_ready_replica(ready: int | None, *, workload: str = "the target") -> Breach | None:
    """No ready replica on the target; None: not known, which is no breach."""
    if ready is None or ready > 0:
        return None
    message = f"{workload} has no ready replica while the route sends it requests"
    return Breach(Guard.NO_READY_REPLICA, message, bound=1.0)


def failed_probes(in_a_row: int, last: str = "") -> Breach | None:
    """Five probes of the target failed, one after the other; ``last`` says how the last one did."""
    if in_a_row < PROBES:
        return None
    message = f"{in_a_row} probes of the target's endpoint failed one after the other"
    return Breach(
        Guard.FAILED_PROBES,
        f"{message}: {last}" if last else message,
        value=float(in_a_row),
        bound=float(PROBES),
    )


def critical_xid(
    before: Mapping[str, int], now: Mapping[str, int], critical: Collection[int]
) -> Breach | None:
    """A GPU of the target tells of a critical XID error that it did not tell of when the rollout began.

    Both by GPU: the code of its last error; a GPU that never had one is not named. The exporter's gauge
    stays at the last code until the next error, so that the same code once more cannot be seen.
    """
    found = {
        gpu: xid for gpu, xid in sorted(now.items()) if xid in critical and before.get(gpu) != xid
    }
    if not found:
        return None
    gpu, xid = next(iter(found.items()))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Breach(
        Guard.CRITICAL_XID,
        f"{gpu} of the target reports XID {xid}{more}, which it did not when the rollout began: the GPU"
        " must be reset or replaced",
        value=float(xid),
    )


def queue_too_long(waiting: float, most: float, seconds: float) -> Breach:
    """More than ``most`` requests have waited on each of the target's servers, on average, for so long."""
    return Breach(
        Guard.QUEUE,
        f"{waiting:.3g} requests wait on each of the target's servers, and more than {most:g} have for"
        f" {duration(seconds)}",
        window_seconds=seconds,
        value=waiting,
        bound=most,
    )


def kv_cache_full(share: float, most: float, seconds: float) -> Breach:
    """More than ``most`` (0-1) of the fullest server's KV cache has been in use for so long."""
    return Breach(
        Guard.KV_CACHE,
        f"{percent(share)} of the KV cache of the target's fullest server is in use, and more than"
        f" {percent(most)} has been for {duration(seconds)}",
        window_seconds=seconds,
        value=share,
        bound=most,
    )


def _shortest(windows: Sequence[WindowCounts], *, target: bool) -> WindowCounts | None:
    """Pick the shortest window in which that side has enough requests."""
    for window in sorted(windows, key=lambda one: one.seconds):
        side = window.target if target else window.source
        if side is not None and side.total >= ENOUGH:
            return window
    return None
