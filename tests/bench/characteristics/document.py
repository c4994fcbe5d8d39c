"""docs/operating-characteristics.md, written from results; and the same tables for the terminal."""

from collections.abc import Iterable, Sequence

from cutover.judge.wording import about
from tests.bench.characteristics import preflight
from tests.bench.characteristics.figures import PlanFigures, PowerFigures, Results
from tests.bench.characteristics.fixed_size import least_median
from tests.bench.characteristics.outcome import End
from tests.bench.characteristics.plans import MADE
from tests.bench.characteristics.text import (
    NONE,
    hours,
    percent_of,
    power_verdict,
    share_of,
    verdict,
)
from tests.bench.characteristics.worlds import CHANGES, WEIGHTS, WORLDS, Change, World

ALTERNATIVES = tuple(rule for rule in MADE if rule != "cutover")

INTRODUCTION = """\
# Operating characteristics

What the judging gets wrong, how often, and how soon it gets it right. Everything here is simulated with a seed and
judged by the operator's own code (`cutover.judge`). `make bench-judge` prints the same from fewer plans in a few
minutes; `{command}` writes this file again with 5,000 plans a world.
Each row states its n (the first n plans of seed {seed}) and, after every share, its 95 % Clopper–Pearson interval in percent.

A plan is 7 steps (1, 5, 10, 25, 50, 75, 100 %) under the default analysis: 5 gates (4 latency gates with at most
5 % of requests above the edge and a margin of 2.5 percentage points, 1 error gate with at most 1 % and twice the
source's share), a look every 30 s, of 1,000 requests unless said otherwise, settle 2 min, minDuration 5 min,
maxDuration 60 min, minRequests 300. It ends *finished*, *rolled back by a gate*, *rolled back by a guard*, *paused* (a
Fail at 100 %, against the source's frozen evidence) or *out of time* (a step still Inconclusive after maxDuration,
which pauses too).

- **steady**: 1,000 requests in every look, all independent; nothing moves. The world that formulas assume.
- **real**: the load swings by ±40 % over the day, arrivals are Poisson, latencies are lognormal about levels that
  wander (AR(1), 0.8 from look to look) by 5 % on both sides together and by 2 % on each side alone: two sides
  that are "identical" differ a little at any time. **rough**: by 10 % together and by 3 % alone.
- **bursts**: errors come in bursts. Each look's share of errors is drawn from a Beta distribution with a within-look
  correlation of 0.05, for each side by itself. At 0.3 % that means no errors in most looks and 5 % in some.
"""

WHY = """\
## Goals that are not met, and what can be promised

Goals: identical sides are rolled back by gates in at most 1 % of plans (2 % under bursts), at least 99 % finish, in a
median of at most 1.1 h, while the source keeps its limits; the worse targets above are caught by their look in 99 %.

{unmet}

- **What is promised instead.** Of every worse target above at least 99.9 % are caught within the hour; *99 % by look* says when. A plan
  that is not finished waits or pauses; it is not rolled back.
- **Real traffic.** Levels that wander on both sides together are correlation within looks, too, and evidence is
  discounted for it. That delays a Fail, and the median of a source near its limit.
- **Rough traffic near the limit.** At 100 % the target is held against the source as it was some minutes before. A share
  of 4.5 % that wanders by a third cannot then be told from one over the limit: the plan waits, then pauses.
- **Bursty errors.** A look of 1,000 requests in which errors correlate at 0.05 is worth 1,000 / (1 + 999 · 0.05) = 20
  independent requests, so that an hour of looks shows little of a share below 1 %: the plan is held and pauses for a
  person. More traffic does not help, a longer `maxDuration` does. What is promised is that gates do not take
  bursts for a bad target.
- **Few requests.** See *Slow services*: at 3 requests a second the first steps do not fit into their hour; such a plan
  should begin higher, or have a longer `maxDuration`.
- **What no rule can see.** A share that triples below the limit, or moves within the margin, passes; that is what limit
  and margin mean. The rows there say which alternatives notice, the tables before what that costs on identical sides.
"""

GUARDS = """\
Guards are limits without statistics (20 % errors, 50 % slow): a burst that breaks one rolls back at once, and is
meant to.
"""
ONCE = """\
One step with a worse target. *Best fixed-size test*: the fewest looks after which a test of the same level, looking
once, catches 99 % (on steady traffic). The median is to be at most twice that, or five looks.
"""


def paragraphs(results: Results, command: str) -> str:
    """Everything, as Markdown."""
    parts = [
        INTRODUCTION.format(command=command, seed=_seeds(results)),
        "![The figures as a plot](operating-characteristics.png)\n",
        "## Whole plans under the operator's rule\n",
        table(*plan_table(results)),
        *_not_run(results),
        GUARDS,
        "## The same data under the usual alternatives\n",
        "\n".join(f"- **{rule}**: {MADE[rule]}." for rule in MADE) + "\n",
        "Rolled back (by gates, or guards where the rule has them), then finished, in percent.\n",
        table(*alternatives_table(results)),
        "At 100 % neither alternative has a source to compare with; Kayenta's passes unseen.\n",
        "## How soon a worse target is caught\n",
        ONCE,
        table(*power_table(results, caught=True)),
        "The alternatives on the same data: caught within their step (10 looks, or 50).\n",
        table(*power_alternatives(results, caught=True)),
        "## What is not caught\n",
        "Each stays under the limit or within what the gate allows. *Passed* steps let it through.\n",
        table(*power_table(results, caught=False)),
        table(*power_alternatives(results, caught=False)),
        slow_services(results),
        WHY.format(unmet=unmet_goals(results)),
    ]
    return "\n".join(parts)


def _not_run(results: Results) -> list[str]:
    """Name what is simulated by the command and not in this document."""
    found = {one.world for one in results.plans if one.rule == "cutover"}
    missing = [world.name for world in WORLDS if world.name not in found]
    return [f"Not run for this document, the command does: {'; '.join(missing)}.\n"] * bool(missing)


def _seeds(results: Results) -> str:
    seeds = {one.seed for one in results.plans} | {one.seed for one in results.power}
    return ", ".join(str(seed) for seed in sorted(seeds))


Table = tuple[Sequence[str], list[list[str]]]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _by_world(results: Results) -> dict[tuple[str, str], PlanFigures]:
    return {(one.world, one.rule): one for one in results.plans}


def plan_table(results: Results) -> Table:
    head = (
        "world", "n", "rolled back by gates, %", "by guards, %", "finished, %", "paused", "out of time",
        "time to finish: median (5–95 %)", "held or broken by", "goal",
    )  # fmt: skip
    found = _by_world(results)
    rows = [
        plan_row(world, row)
        for world in WORLDS
        if (row := found.get((world.name, "cutover"))) is not None
    ]
    return head, rows


def plan_row(world: World, row: PlanFigures) -> list[str]:
    return [
        world.name,
        f"{row.n:,}",
        share_of(row.count(End.ROLLED_BACK), row.n),
        share_of(row.count(End.GUARD), row.n),
        share_of(row.count(End.PASSED), row.n),
        percent_of(row.count(End.PAUSED), row.n),
        percent_of(row.count(End.OUT_OF_TIME), row.n),
        hours(row),
        row.blame or NONE,
        verdict(world, row),
    ]


def alternatives_table(results: Results) -> Table:
    found = _by_world(results)
    rows = []
    for world in WORLDS:
        cells = [found.get((world.name, rule)) for rule in MADE]
        if any(cells):
            rows.append([world.name, *(_both(cell) for cell in cells)])
    return ("world", *MADE), rows


def _both(row: PlanFigures | None) -> str:
    if row is None:
        return NONE
    back = row.count(End.ROLLED_BACK, End.GUARD)
    return f"{share_of(back, row.n)}; {share_of(row.count(End.PASSED), row.n)} (n={row.n:,})"


def _changes(caught: bool) -> list[Change]:
    return [change for change in CHANGES if bool(change.by_look) is caught]


def _by_change(results: Results) -> dict[tuple[str, str], PowerFigures]:
    return {(one.change, one.rule): one for one in results.power}


def power_table(results: Results, *, caught: bool) -> Table:
    head = (
        "change", "n", "by look", "caught by then, %", "caught within the hour, %", "passed, %", "median look", "99 % by look",
        "best fixed-size test", "median at most", "goal",
    )  # fmt: skip
    found = _by_change(results)
    rows = [
        power_row(change, row, results.fixed.get(change.name))
        for change in _changes(caught)
        if (row := found.get((change.name, "cutover"))) is not None
    ]
    return head, rows


def power_row(change: Change, row: PowerFigures, fixed: int | None) -> list[str]:
    latest = least_median(fixed)
    return [
        change.name,
        f"{row.n:,}",
        str(change.by_look or NONE),
        share_of(row.by(change.by_look), row.n) if change.by_look else NONE,
        share_of(row.caught, row.n),
        share_of(row.passed, row.n),
        str(row.median or NONE),
        str(row.sure or NONE),
        f"{fixed} looks" if fixed else "not within an hour",
        str(latest or NONE),
        power_verdict(change, row, fixed),
    ]


def power_alternatives(results: Results, *, caught: bool) -> Table:
    found = _by_change(results)
    rows = []
    for change in _changes(caught):
        cells = [found.get((change.name, rule)) for rule in ALTERNATIVES]
        if any(cells):
            shown = [f"{share_of(one.caught, one.n)}" if one else NONE for one in cells]
            n = next(one.n for one in cells if one)
            rows.append([change.name, f"{n:,}", *shown])
    return ("change", "n", *ALTERNATIVES), rows


SLOW = ((10.0, 0.03, 0.003), (3.0, 0.03, 0.003), (3.0, 0.01, 0.001))


def slow_services(results: Results) -> str:
    """What finishes at 10 and 3 requests a second, and that the forecast says so beforehand."""
    del results
    head = ("requests a second, shares", *(f"{weight} %" for weight in WEIGHTS))
    rows = []
    for rate, slow, failing in SLOW:
        found = preflight.forecasts(rate, slow, failing)
        cells = []
        for weight in WEIGHTS:
            worst = max(
                (one for one in found if one.weight == weight),
                key=lambda one: one.minutes or float("inf"),
            )
            if worst.minutes is None or worst.requests is None:
                cells.append("no end in sight")
                continue
            fits = "" if worst.feasible else " **too long**"
            cells.append(f"{worst.minutes:.0f} min ({worst.gate}, {about(worst.requests)}){fits}")
        rows.append([f"{rate:g}/s, slow {100 * slow:g} %, errors {100 * failing:g} %", *cells])
    return (
        "## Slow services\n\nWhat the operator forecasts before anything moves"
        " (`cutover.judge.foretelling.requests_for_a_pass`, as `Feasible` does): minutes of evidence at each weight, the"
        " gate that needs most, and target requests; one step in ten takes longer. The simulated plans at these rates are in the first table.\n\n"
        + table(head, rows)
    )


def unmet_goals(results: Results) -> str:
    found = _by_world(results)
    lines = [
        f"- {world.name}: {verdict(world, row)} ({share_of(row.count(End.ROLLED_BACK), row.n)} rolled back by gates,"
        f" {share_of(row.count(End.PASSED), row.n)} finished, {hours(row)})"
        for world in WORLDS
        if (row := found.get((world.name, "cutover"))) is not None
        and "not met" in verdict(world, row)
    ]
    powers = _by_change(results)
    lines += [
        f"- {change.name}: {told}"
        for change in CHANGES
        if (row_ := powers.get((change.name, "cutover"))) is not None
        and "not met" in (told := power_verdict(change, row_, results.fixed.get(change.name)))
    ]
    return "\n".join(lines) or "All goals that are set are met."
