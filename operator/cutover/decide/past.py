"""What is asked about the source's past, once, before anything is moved; and what is kept of the answer.

Gates count requests as fewer than they are where the bad ones come in bursts. A step may be too short
to show that, so half of what the source's last day shows is taken for granted. An unknown past is no
obstacle: then the step speaks for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from cutover.api.analysis import Analysis
from cutover.api.evidence import SourceHistory
from cutover.api.gates import Gate
from cutover.api.quantities import parse_duration
from cutover.api.status import Plan
from cutover.decide.fulllook import at_vantage, window_of
from cutover.decide.readings import Gap, PastSeen, Reading, SideReading, WindowReading
from cutover.judge.histogram import Buckets, common_edges, snap

DAY = 86_400.0
"""Seconds of the past."""
MOST_LOOKS = 2_880
"""Looks into which it is cut at most: half a minute each over a day."""
FEWEST_SCRAPES = 4
"""Scrapes in a look of the past, so that it holds whole intervals between samples."""
LONGEST_WAIT = 10.0
"""Seconds for the answer; never more than one look."""


@dataclass(frozen=True, slots=True)
class PastQuestion:
    """One side's past, cut into looks of equal length."""

    until: datetime
    span: float
    """Seconds before ``until``."""
    look: float
    """Seconds of one look: a whole number of scrapes."""
    scrape: float
    """Seconds between scrapes."""
    edges: Mapping[str, float]
    """By name of each latency gate: the bucket edge in force."""
    deadline: float
    """Seconds for the answer."""


def question(
    plan: Plan, source: Reading | None, target: Reading | None, window: float
) -> PastQuestion | None:
    """Ask about the last day; None as long as the source cannot be read well enough to ask.

    The edges in force are those of what came last where the long window cannot be added up, as of
    servers that were started with other buckets meanwhile.
    """
    if not isinstance(source, SideReading) or window_of(source, window) is None:
        return None
    shortest = min(one.seconds for one in source.windows)
    found = (
        _edges(plan.gates, window_of(source, seconds), window_of(target, seconds))
        for seconds in (window, shortest)
    )
    edges = next((one for one in found if one is not None), None)
    if edges is None:
        return None
    until, scrape = source.newest_sample, source.scrape_seconds
    if until is None or not scrape or scrape <= 0:
        return None
    interval = parse_duration(plan.analysis.interval).total_seconds()
    look = look_length(interval, scrape)
    return PastQuestion(until, DAY, look, scrape, edges, _patience(plan.analysis))


def look_length(interval: float, scrape: float, span: float = DAY) -> float:
    """Seconds of one look of the past: the analysis interval, but of whole scrapes and not too many looks."""
    shortest = max(interval, span / MOST_LOOKS)
    return round(max(FEWEST_SCRAPES, ceil(shortest / scrape - 1e-6)) * scrape, 3)


def _patience(analysis: Analysis) -> float:
    return min(LONGEST_WAIT, parse_duration(analysis.interval).total_seconds())


def _edges(
    gates: Sequence[Gate],
    source: WindowReading | Gap | None,
    target: WindowReading | Gap | None,
) -> Mapping[str, float] | None:
    """Snap each latency gate's threshold; a target that has nothing to show yet is left out of it."""
    if not isinstance(source, WindowReading):
        return None
    found: dict[str, float] = {}
    for gate in gates:
        if gate.latency is None:
            continue
        ours, theirs = _buckets(gate, source), _buckets(gate, target)
        if not isinstance(ours, Buckets):
            return None
        edges = (
            common_edges(ours.edges, theirs.edges) if isinstance(theirs, Buckets) else ours.edges
        )
        snapped = snap(parse_duration(gate.latency.threshold).total_seconds(), edges)
        if snapped is not None:
            found[gate.name] = snapped.edge
    return found


def _buckets(gate: Gate, window: WindowReading | Gap | None) -> Buckets | Gap | None:
    """Return the histogram of a latency gate, from its vantage point."""
    seen = at_vantage(gate, window) if isinstance(window, WindowReading) else window
    if gate.latency is None or not isinstance(seen, WindowReading):
        return None
    return seen.latencies.get(gate.latency.metric)


def recorded(plan: Plan, past: PastSeen | None) -> list[SourceHistory]:
    """Keep one entry per gate; what could not be measured says why."""
    if past is None:
        return []
    return [_entry(gate.name, past) for gate in plan.gates if gate.counts_requests]


def _entry(gate: str, past: PastSeen) -> SourceHistory:
    found = past.gates.get(gate) if not isinstance(past.gates, Gap) else past.gates
    if found is None or isinstance(found, Gap):
        why = found.message if found else "it was not asked for"
        return SourceHistory(
            gate=gate, look_seconds=past.look, measured_at=past.at, message=why[:1024]
        )
    few = f"{found.looks} looks with requests are too few to tell"
    return SourceHistory(
        gate=gate,
        correlation=found.correlation,
        looks=found.looks,
        look_seconds=past.look,
        measured_at=past.at,
        message=few if found.correlation is None else "",
    )
