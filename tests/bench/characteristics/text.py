"""How figures read: shares with their interval, goals met or not."""

from cutover.judge.wording import percent
from tests.bench.characteristics.figures import PlanFigures, PowerFigures, clopper_pearson
from tests.bench.characteristics.fixed_size import least_median
from tests.bench.characteristics.outcome import End
from tests.bench.characteristics.worlds import Change, World

NONE = "–"


def share_of(k: int, n: int) -> str:
    """``0.32 % [0.18, 0.52]``: k of n with the 95 % Clopper–Pearson interval."""
    low, high = (f"{100 * end:.2f}".rstrip("0").rstrip(".") for end in clopper_pearson(k, n))
    return f"{percent_of(k, n)} [{low}, {high}]"


def percent_of(k: int, n: int) -> str:
    """Never 100 % where one is missing, never 0 % where there is one."""
    return percent(k / n) if k in (0, n) or 0.0005 < k / n < 0.9995 else f"{100 * k / n:.2f} %"


def hours(row: PlanFigures) -> str:
    if row.hours is None:
        return NONE
    low, median, high = row.hours
    return f"{median:.2f} h ({low:.2f}–{high:.2f})"


def unmet(world: World, row: PlanFigures) -> list[str]:
    """Which of the world's goals this row misses, in words; empty: none, or none set."""
    goal, missed = world.goal, []
    gates, finished = row.count(End.ROLLED_BACK), row.count(End.PASSED)
    caught = row.count(End.ROLLED_BACK, End.GUARD)
    if goal.most_rolled_back is not None and gates > goal.most_rolled_back * row.n:
        missed.append(f"rolled back > {percent(goal.most_rolled_back)}")
    if goal.least_finished is not None and finished < goal.least_finished * row.n:
        missed.append(f"finished < {percent(goal.least_finished)}")
    if goal.most_hours is not None and row.hours and row.hours[1] > goal.most_hours:
        missed.append(f"median > {goal.most_hours:g} h")
    if goal.least_caught is not None and caught < goal.least_caught * row.n:
        missed.append(f"caught < {percent(goal.least_caught)}")
    return missed


def verdict(world: World, row: PlanFigures) -> str:
    goal = world.goal
    if goal == type(goal)():
        return "none set"
    missed = unmet(world, row)
    return "**not met**: " + ", ".join(missed) if missed else "met"


def power_verdict(change: Change, row: PowerFigures, fixed: int | None) -> str:
    if not change.by_look:
        return "none set"
    missed = []
    if row.by(change.by_look) < 0.99 * row.n:
        missed.append(f"< 99 % by look {change.by_look}")
    latest = least_median(fixed)
    if latest is not None and (row.median is None or row.median > latest):
        missed.append(f"median after look {latest}")
    return "**not met**: " + ", ".join(missed) if missed else "met"
