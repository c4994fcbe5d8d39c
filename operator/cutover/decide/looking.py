"""What has to be looked at now, so that no look asks for more than its decision needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cutover.api.analysis import Analysis
from cutover.api.completion import Drain
from cutover.api.leftovers import SourceFate
from cutover.api.quantities import parse_duration
from cutover.api.status import Phase, Plan, Status
from cutover.api.steps import StepKind
from cutover.decide import clocks
from cutover.decide.applying import analysis_in_force, before_traffic, open_before_traffic
from cutover.decide.asking import ReplayWanted
from cutover.decide.holdout import results_wanted
from cutover.decide.observation import Commands, ResultsWanted
from cutover.decide.replaying import replays_wanted
from cutover.decide.transitions import FINISHED
from cutover.decide.windows import is_open
from cutover.judge.guards import guard_windows

SCRAPE_UNKNOWN = 15.0
"""Seconds between scrapes until it has been measured: the usual setting."""

SCRAPES = 4
"""A window of fewer scrapes may hold too little to tell an increase: no look is taken over it."""

REFERENCE_WINDOW = 600.0
"""Seconds of the past that are read before there is traffic: a first reference, and what the gates that run then see."""

WARM_UP_AGAIN = timedelta(seconds=30)
"""After warm-up requests that failed."""

RELAXED = timedelta(minutes=1)
"""Between looks at a route that carries no traffic of ours and is not to be moved now."""

EARLY = timedelta(milliseconds=100)
"""A look that comes this much before its time is on time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to observe at this look."""

    route: bool = False
    windows: tuple[float, ...] = ()
    """Trailing windows, in seconds, to read on both sides; none: metrics are not needed."""
    long_window: float | None = None
    """The one of them that reaches back to where the evidence (or the weight) begins."""
    going_back: bool = False
    """Whether a rollback waits for it."""
    reach: bool = False
    """Whether the sides' API servers are to be asked."""
    past: bool = False
    """Whether the source's past is to be known."""
    surroundings: bool = False
    """Whether rights, models, pods and golden sets are to be asked about, and waited for a moment."""
    results: tuple[ResultsWanted, ...] = ()
    """Evaluations to be read in the background."""
    replays: tuple[ReplayWanted, ...] = ()
    """Golden inputs to be replayed in the background; one that is not here is cancelled."""
    health: timedelta | None = None
    """How often the target's endpoint and workload are to be asked; None: not at all, and what is under
    way is broken off."""
    warm_up: bool = False
    """Whether the target is to be warmed up."""
    mirror: tuple[int, ...] = ()
    """Percents that the shadow steps mirror: the route is to be tried with them."""
    workload: bool = False
    """Whether the source's workload itself is to be read, to scale it down or to bring it back."""


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
        due = commands.has_finalizer or status.phase not in FINISHED
        return Wanted(route=due, going_back=due)
    if status.phase in FINISHED:
        return _ending(status, commands, plan)
    interval = parse_duration(plan.analysis.interval)
    since = None if last_full_look is None else now - last_full_look
    full = since is None or not clocks.NOTHING <= since < interval - EARLY
    if status.phase in (None, Phase.PENDING):
        return Wanted(route=True)
    scrape = scrape_seconds or SCRAPE_UNKNOWN
    if status.phase is Phase.PREFLIGHT:
        windows = (baseline_window(scrape), REFERENCE_WINDOW)
        return Wanted(
            route=True,
            windows=windows,
            long_window=REFERENCE_WINDOW,
            reach=True,
            past=True,
            surroundings=True,
            health=guard_interval(plan),
            mirror=tuple(step.shadow.parts for step in plan.steps if step.shadow is not None),
        )
    moving = _while_moving(status, plan, now, scrape, full=full)
    return replace(moving, replays=replays_wanted(plan, status))


def source_is_open(status: Status, commands: Commands) -> bool:
    """Whether the source of a completed rollout is still to be stopped, or now to be brought back."""
    end = status.after_completion
    if status.phase is not Phase.COMPLETED or end is None or status.plan is None:
        return False
    if end.source is SourceFate.SCALING_DOWN:
        return True
    return end.source is SourceFate.SCALED_TO_ZERO and commands.keeps_source


def _ending(status: Status, commands: Commands, plan: Plan) -> Wanted:
    if not source_is_open(status, commands):
        return Wanted(route=commands.has_finalizer)
    drain, end = plan.after_completion.drained, status.after_completion
    if drain is None or end is None or end.source is SourceFate.SCALED_TO_ZERO:
        return Wanted(route=commands.has_finalizer, workload=True)
    return Wanted(route=True, windows=(_quiet(drain),), workload=True)


def _quiet(drain: Drain) -> float:
    return float(parse_duration(drain.quiet).total_seconds())


def _while_moving(
    status: Status, plan: Plan, now: datetime, scrape: float, *, full: bool
) -> Wanted:
    guards = guard_lengths(status, scrape, now) if has_traffic(status) else ()
    cold = has_traffic(status) and _is_cold(status, plan, now)
    if full and before_traffic(status) and open_before_traffic(plan, status):
        windows = _distinct((*guards, REFERENCE_WINDOW))
        return Wanted(
            route=True,
            windows=windows,
            long_window=REFERENCE_WINDOW,
            reach=True,
            health=watching(status, plan),
            warm_up=cold,
            results=results_wanted(plan, status),
        )
    if not has_traffic(status):
        return Wanted(route=True, reach=full, health=watching(status, plan))
    every = guard_interval(plan)
    since = evidence_start(status, analysis_in_force(plan, status), now)
    long = float(round(clocks.waited(since, now).total_seconds()))
    if not full or long < SCRAPES * scrape:
        return Wanted(route=True, windows=guards, reach=full, health=every, warm_up=cold)
    drain = plan.after_completion.drained
    quiet = () if status.after_completion is None or drain is None else (_quiet(drain),)
    return Wanted(
        route=True,
        windows=_distinct((*guards, long, *quiet)),
        long_window=long,
        reach=True,
        health=every,
        warm_up=cold,
        results=results_wanted(plan, status),
    )


def _is_cold(status: Status, plan: Plan, now: datetime) -> bool:
    """Whether warm-up requests are due: before the first weight, and again after some that failed."""
    if plan.warm_up is None or not before_traffic(status) or status.pause is not None:
        return False
    if not is_open(plan.windows, now):
        return False
    done = status.warm_up
    if done is None:
        return True
    return done.failed > 0 and not clocks.NOTHING <= now - done.finished_at < WARM_UP_AGAIN


def guard_lengths(status: Status, scrape: float, now: datetime) -> tuple[float, ...]:
    """Seconds of the guards' trailing windows: none reaches back before this attempt's preflight ended.

    What the target did to an earlier attempt, or to somebody else, must not call this one back.
    """
    windows = guard_windows(scrape)
    if status.baseline is None or now < status.baseline.measured_at:
        return windows
    since = clocks.waited(status.baseline.measured_at, now).total_seconds()
    longest = max(windows[0], float(int(since)))
    return tuple(sorted({min(window, longest) for window in windows}))


def has_traffic(status: Status) -> bool:
    """Whether the target has, or is about to have, traffic through our route, mirrored or its own."""
    weights = status.weights
    if any((weights.desired, weights.declared, weights.applied, weights.mirrored)):
        return True
    return status.step is not None and status.step.kind is StepKind.SHADOW


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
    return max(10.0, 4 * scrape)


def guard_interval(plan: Plan) -> timedelta:
    """The time between guard looks."""
    return parse_duration(plan.analysis.guard_interval)


def watching(status: Status, plan: Plan) -> timedelta:
    """When to look again while waiting: often with traffic on the target, else for somebody's change."""
    if has_traffic(status):
        return guard_interval(plan)
    return RELAXED if status.pause is not None else parse_duration(plan.analysis.interval)


def _distinct(windows: Sequence[float]) -> tuple[float, ...]:
    return tuple(dict.fromkeys(windows))
