"""What has to be looked at now, so that no look asks for more than its decision needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cutover.api.quantities import parse_duration
from cutover.api.spec import Analysis
from cutover.api.status import Phase, Plan, Status
from cutover.decide import clocks
from cutover.decide.observation import Commands
from cutover.decide.transitions import FINISHED
from cutover.judge.guards import guard_windows

SCRAPE_UNKNOWN = 15.0
"""Seconds between scrapes until it has been measured: the usual setting."""

REFERENCE_WINDOW = 600.0
"""Seconds of the source's past that preflight reads as a first reference."""

EARLY = timedelta(milliseconds=100)
"""A look that comes this much before its time is on time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to observe at this look."""

    route: bool = False
    fresh_route: bool = True
    """False: what the watch on the route last said will do."""
    windows: tuple[float, ...] = ()
    """Trailing windows, in seconds, to read on both sides; none: metrics are not needed."""
    long_window: float | None = None
    """The one of them that reaches back to where the evidence (or the weight) begins."""
    guard_windows: tuple[float, ...] = ()
    reach: bool = False
    """Whether the sides' API servers are to be asked."""


NOTHING = Wanted()


def wanted(
    status: Status,
    commands: Commands,
    plan: Plan | None,
    *,
    now: datetime,
    last_full_look: datetime | None,
    scrape_seconds: float | None,
    latched: bool,
) -> Wanted:
    """Choose what to look at. A rollback that is due needs the route and nothing else."""
    if plan is None:
        return NOTHING
    if latched or commands.abort or commands.deleting or status.phase is Phase.ROLLING_BACK:
        return Wanted(route=commands.has_finalizer or status.phase not in FINISHED)
    if status.phase in FINISHED:
        return Wanted(route=commands.has_finalizer)
    interval = parse_duration(plan.analysis.interval)
    full = last_full_look is None or now - last_full_look >= interval - EARLY
    if status.phase in (None, Phase.PENDING):
        return Wanted(route=True)
    scrape = scrape_seconds or SCRAPE_UNKNOWN
    if status.phase is Phase.PREFLIGHT:
        windows = (baseline_window(scrape), REFERENCE_WINDOW)
        return Wanted(route=True, windows=windows, long_window=REFERENCE_WINDOW, reach=full)
    return _while_moving(status, plan, now, scrape, full=full)


def _while_moving(
    status: Status, plan: Plan, now: datetime, scrape: float, *, full: bool
) -> Wanted:
    if not has_traffic(status):
        return Wanted(route=True, fresh_route=full, reach=full)
    guards = guard_windows(scrape)
    since = evidence_start(status, plan.analysis, now)
    if not full or since is None:
        return Wanted(
            route=True, fresh_route=full, windows=guards, guard_windows=guards, reach=full
        )
    long = float(max(1, round(clocks.waited(since, now).total_seconds())))
    return Wanted(
        route=True,
        windows=_distinct((*guards, long)),
        long_window=long,
        guard_windows=guards,
        reach=True,
    )


def has_traffic(status: Status) -> bool:
    """Whether the target has, or is about to have, traffic through our route."""
    weights = status.weights
    return any((weights.desired, weights.declared, weights.applied))


def evidence_start(status: Status, analysis: Analysis, now: datetime) -> datetime | None:
    """Where the long window begins: with the evidence, or until ``settle`` is over with the weight."""
    applied = status.weights.applied_at
    if status.evidence_since is not None or applied is None:
        return status.evidence_since
    if clocks.settled(status, analysis, now):
        return applied + parse_duration(analysis.settle)
    return applied


def baseline_window(scrape: float) -> float:
    """Over how many seconds the rates at weight 0 are measured."""
    return max(30.0, 8 * scrape)


def _distinct(windows: Sequence[float]) -> tuple[float, ...]:
    return tuple(dict.fromkeys(windows))
