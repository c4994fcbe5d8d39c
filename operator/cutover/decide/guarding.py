"""From both sides' trailing windows to a guard's breach."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from cutover.api.gates import Gate
from cutover.api.guards import Guard
from cutover.api.status import Plan, Status
from cutover.decide import clocks
from cutover.decide.counting import gate_counts
from cutover.decide.looking import SCRAPE_UNKNOWN, guard_lengths
from cutover.decide.observation import Observation
from cutover.decide.readings import Gap, Missing, SideReading, WindowReading
from cutover.decide.route import RouteSeen
from cutover.decide.share import mirrored, target_share
from cutover.judge import guards
from cutover.judge.evidence import Count
from cutover.judge.histogram import quantile_bracket

END_TO_END = "EndToEnd"
"""The latency, where a profile has it, that covers a whole request."""


def find_breach(
    seen: Observation, status: Status, plan: Plan, disabled: AbstractSet[Guard]
) -> guards.Breach | None:
    """Return the first breach: unanswered, then errors, then latency gate by gate."""
    target = seen.target
    if not isinstance(target, SideReading):
        return None
    source = seen.source if isinstance(seen.source, SideReading) else None
    lengths = guard_lengths(status, _scrape(source, target), seen.now)
    pairs = _pairs(source, target, lengths)
    if Guard.UNANSWERED not in disabled and source is not None:
        breach = _unanswered(seen, status, source, target, pairs)
        breach = breach or _hangs_at_gateway(seen, status, source, pairs)
        if breach is not None:
            return breach
    if Guard.ERROR_BURST not in disabled:
        breach = guards.error_burst([_errors(*pair) for pair in pairs])
        breach = breach or guards.error_burst([_errors(*pair) for pair in _at_gateway(pairs)])
        if breach is not None:
            return breach
    if Guard.LATENCY_BURST not in disabled:
        return _latency_burst(status, plan, pairs)
    return None


def _scrape(source: SideReading | None, target: SideReading) -> float:
    """Seconds between scrapes; a target that answers none is taken to be scraped like the source."""
    beside = source.scrape_seconds if source is not None else None
    return target.scrape_seconds or beside or SCRAPE_UNKNOWN


_OR_NOBODY_CAME = (
    ", or DNS has brought no client to it: where clients are few or never ask again, set guards.disabled:"
    " [Unanswered] and an endpoint to probe"
)
"""What a route whose changes reach clients late cannot know."""
_Pair = tuple[WindowReading | None, WindowReading]


def _pairs(
    source: SideReading | None, target: SideReading, lengths: tuple[float, ...]
) -> list[_Pair]:
    """The guards' own windows, both sides; the evidence's long window is not theirs."""
    beside = {one.seconds: one for one in source.windows} if source else {}
    asked = [one for one in target.windows if one.seconds <= lengths[-1]]
    exact = [one for one in asked if one.seconds in lengths]
    return [(beside.get(one.seconds), one) for one in (exact or asked)]


def _at_gateway(pairs: list[_Pair]) -> list[_Pair]:
    """The same windows as the gateway saw both backends, where it was asked."""
    seen = [(source.gateway if source else None, target.gateway) for source, target in pairs]
    return [
        (source if isinstance(source, WindowReading) else None, target)
        for source, target in seen
        if isinstance(target, WindowReading)
    ]


def _count(window: WindowReading | None) -> Count | None:
    if window is None or isinstance(window.requests, Gap):
        return None
    return Count(window.requests)


def _errors(source: WindowReading | None, target: WindowReading) -> guards.WindowCounts:
    return guards.WindowCounts(target.seconds, _failed(source), _failed(target))


def _failed(window: WindowReading | None) -> Count | None:
    if window is None or isinstance(window.requests, Gap) or isinstance(window.errors, Gap):
        return None
    return Count(window.requests, min(window.errors, window.requests))


def _latency_burst(status: Status, plan: Plan, pairs: list[_Pair]) -> guards.Breach | None:
    for gate in plan.gates:
        if gate.latency is None:
            continue
        windows: list[guards.WindowCounts] = []
        edge = 0.0
        for source, target in pairs:
            counts = gate_counts(gate, source or target, target)
            if isinstance(counts, Gap):
                continue
            edge = counts.edge_seconds
            windows.append(
                guards.WindowCounts(
                    target.seconds, counts.source if source is not None else None, counts.target
                )
            )
        breach = guards.latency_burst(
            windows, gate=gate.name, edge_seconds=edge, reference_share=_reference(status, gate)
        )
        if breach is not None:
            return breach
    return None


def _reference(status: Status, gate: Gate) -> float | None:
    return next((one.share for one in status.reference if one.gate == gate.name), None)


def _unanswered(
    seen: Observation,
    status: Status,
    source: SideReading,
    target: SideReading,
    pairs: list[_Pair],
) -> guards.Breach | None:
    weights = status.weights
    share = target_share(status)
    if weights.applied_at is None or not share or _taken_off(seen, status):
        return None
    scrape = _scrape(source, target)
    windows = [_silence(*pair, down=target.unscraped) for pair in pairs]
    breach = guards.unanswered(
        windows,
        guards.Delivery(
            weight=share,
            since_raise=_since_delivered(status, seen.now),
            scrape=scrape,
            source_age=_age(source, seen.now),
            target_age=_age(target, seen.now),
            source_p99=_patience(status, source),
            target_down=target.unscraped,
        ),
    )
    if breach is not None and weights.delivery_seconds:
        return replace(breach, message=f"{breach.message}{_OR_NOBODY_CAME}")
    return breach


def _hangs_at_gateway(
    seen: Observation, status: Status, source: SideReading, pairs: list[_Pair]
) -> guards.Breach | None:
    """What the gateway has sent and got no answer to, where it tells."""
    if not target_share(status) or _taken_off(seen, status):
        return None
    windows: list[guards.SentCounts] = []
    for ours, theirs in _at_gateway(pairs):
        sent, answered = theirs.sent, theirs.requests
        if sent is None or isinstance(sent, Gap) or isinstance(answered, Gap):
            continue
        beside = (ours.sent, ours.requests) if ours is not None else (None, 0.0)
        windows.append(
            guards.SentCounts(theirs.seconds, sent, answered, *(_known(one) for one in beside))
        )
    scrape = source.scrape_seconds or SCRAPE_UNKNOWN
    patience = guards.patience_of(_patience(status, source), scrape)
    return guards.unanswered_at_gateway(windows, patience=patience)


def _patience(status: Status, source: SideReading) -> float | None:
    """The source's p99 now, or before there was traffic: at weight 100 it answers nothing."""
    before = status.baseline.source_p99 if status.baseline is not None else None
    return p99_of(source) or before


def _known(number: float | Gap | None) -> float:
    return 0.0 if number is None or isinstance(number, Gap) else number


def _since_delivered(status: Status, now: datetime) -> float:
    """Seconds since the weight in force had reached every client; below 0 while it is on its way."""
    weights = status.weights
    waited = clocks.waited(weights.applied_at, now).total_seconds()
    return waited - (weights.delivery_seconds or 0.0)


def _taken_off(seen: Observation, status: Status) -> bool:
    """Somebody took weight, or the mirror, off the target: silence is what they asked for."""
    route = seen.route
    if not isinstance(route, RouteSeen):
        return False
    if mirrored(status):
        return route.mirrored != mirrored(status)
    return route.highest < (status.weights.applied or 0) - 1e-6


def _silence(
    source: WindowReading | None, target: WindowReading, *, down: bool
) -> guards.WindowCounts:
    """Counts for the guard against silence.

    A fresh target that counted nothing, or one that no longer answers its scrapes, has answered
    nothing; whatever else is missing proves nothing.
    """
    came = _count(target)
    if isinstance(target.requests, Gap):
        gone = down and target.requests.missing is Missing.STALE
        came = Count(0.0) if gone or target.requests.missing is Missing.NO_DATA else None
    return guards.WindowCounts(target.seconds, _count(source), came)


def _age(side: SideReading, now: datetime) -> float | None:
    if side.newest_sample is None:
        return None
    return max(0.0, (now - side.newest_sample).total_seconds())


def p99_of(source: SideReading) -> float | None:
    """The upper end of the bracket around the source's 99th percentile of a whole request, in seconds."""
    for window in sorted(source.windows, key=lambda one: -one.seconds):
        buckets = window.latencies.get(END_TO_END)
        bracket = None
        if buckets is not None and not isinstance(buckets, Gap):
            bracket = quantile_bracket(buckets, 0.99)
        if bracket is not None:
            return bracket[1]
    return None
