"""Many plans replayed over one past, and what they came to."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.special import betaincinv

from cutover.api.expressions import Of
from cutover.api.gates import Gate
from cutover.api.quantities import parse_duration
from cutover.api.status import Plan
from cutover.decide import clocks
from cutover.decide.applying import overridden
from cutover.foresight.dealing import SOUND, Harm
from cutover.foresight.past import Past
from cutover.foresight.replay import End, Replayer, Run
from cutover.judge.guards import Guard

ERROR_BURST, LATENCY_BURST = Guard.ERROR_BURST, Guard.LATENCY_BURST


@dataclass(frozen=True, slots=True)
class Trial:
    """The runs of one kind of target."""

    harm: Harm
    runs: tuple[Run, ...]
    gates: tuple[str, ...]

    @property
    def told(self) -> tuple[Run, ...]:
        """Those that were not cut off by the end of the past."""
        return tuple(run for run in self.runs if run.end is not End.CUT_OFF)

    @property
    def finished(self) -> list[Run]:
        return [run for run in self.runs if run.end is End.FINISHED]

    @property
    def unfinished(self) -> list[Run]:
        return [run for run in self.told if run.end is not End.FINISHED]

    @property
    def fired(self) -> list[Run]:
        return [run for run in self.runs if run.fired]

    def alarms(self) -> dict[str, int]:
        """How often each gate and guard fired; further ends where there were any."""
        names = [f"gate {gate}" for gate in self.gates]
        found = dict.fromkeys([*names, f"guard {ERROR_BURST}", f"guard {LATENCY_BURST}"], 0)
        for run in self.unfinished:
            found[_alarm(run)] = found.get(_alarm(run), 0) + 1
        return found

    def by_whom(self) -> Counter[tuple[End, str]]:
        """How often each gate or guard fired, or was not proven in time."""
        return Counter((run.end, run.who) for run in self.unfinished)


def _alarm(run: Run) -> str:
    match run.end:
        case End.GATE:
            return f"gate {run.who}"
        case End.GUARD:
            return f"guard {run.who}"
        case _:
            return f"{run.end} ({run.who})" if run.who else str(run.end)


def at_most(count: int, of: int, level: float = 0.95) -> float:
    """Bound a chance from above, one-sided, after ``count`` of ``of`` independent tries (Clopper and Pearson 1934)."""
    return 1.0 if count >= of else float(betaincinv(count + 1, of - count, level))


def starts(plan: Plan, past: Past, every: float) -> list[int]:
    """Choose the looks at which plans begin: every so many seconds, as long as one can still end.

    Where the past is twice as long as the slowest plan, as long as even that one ends: then none is cut off.
    """
    shortest, longest = (ceil(seconds / past.look) for seconds in _lengths(plan))
    room = longest if 2 * longest <= past.looks else shortest
    step = max(1, round(every / past.look))
    known = past.known > 0
    return [at for at in range(0, past.looks - room + 1, step) if known[at]]


def _lengths(plan: Plan) -> tuple[float, float]:
    """Seconds that the plan takes at least and at most."""
    least = most = longest = 0.0
    for step in plan.steps:
        waits = clocks.shortest(step).total_seconds()
        least, most = least + waits, most + waits
        if step.weight is not None:
            analysis = overridden(plan.analysis, step)
            settle, shortest, longest = (
                parse_duration(text).total_seconds()
                for text in (analysis.settle, analysis.min_duration, analysis.max_duration)
            )
            least += settle + shortest
        most += longest if step.weight is not None or waits else 0.0
    return least, most


def replay_all(
    plan: Plan,
    gates: Sequence[Gate],
    past: Past,
    begins: Sequence[int],
    *,
    seed: int,
    harm: Harm = SOUND,
    advance: Callable[[], None] = lambda: None,
) -> Trial:
    """Replay the plan from each of the looks; ``seed`` and look decide all that is random."""
    replayer = Replayer(plan, gates, past)
    runs: list[Run] = []
    for begin in begins:
        runs.append(replayer.run(begin, np.random.default_rng([seed, begin]), harm))
        advance()
    return Trial(harm, tuple(runs), tuple(gate.name for gate in replayer.plan.gates))


def left_out(plan: Plan, past: Past) -> dict[str, str]:
    """By gate that is not replayed: why."""
    told = {*past.gates, *past.spreads}
    return {gate.name: _why(gate) for gate in plan.gates if gate.name not in told}


def _why(gate: Gate) -> str:
    if gate.query is not None and gate.query.whose is Of.RATIO:
        return "of two equal sides the ratio is 1 by construction: it could fire in no replay"
    if gate.query is not None:
        return "its expression tells a number of a whole side, which cannot be dealt out to two"
    if gate.mean_latency is not None:
        return "how long each request of a look took is not in the past, only their sum"
    if gate.traffic_drift is not None:
        return "the source's Prometheus has no such distribution in that time"
    return "it asks golden inputs or reads evaluations, which leave no past"
