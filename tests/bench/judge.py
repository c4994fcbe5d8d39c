"""Operating characteristics of the gates: whole plans, simulated, judged by the operator's own code.

    python -m tests.bench.judge [--plans 300] [--identical 10000] [--jobs 2] [--seed 1]

A plan is 7 steps (1, 5, 10, 25, 50, 75, 100), 5 gates (4 latency, 1 errors), a look every 30 s of 1,000 requests,
settle 2 m, minDuration 5 m, maxDuration 60 m. A plan ends finished, rolled back (a Fail), paused (a Fail
that pauses) or out of time (a step still Inconclusive after maxDuration). The same data also go through the
plain rule of the reference's §D.3. Intervals are 95 % Clopper–Pearson.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import inf, log, sqrt

import numpy as np
from scipy.special import betainc, betaincinv, betaln

from cutover.api.verdict import Verdict
from cutover.judge.errors import ErrorRule, judge_errors
from cutover.judge.evidence import Count, Evidence, Reference, accumulate, freeze
from cutover.judge.latency import LatencyRule, judge_latency
from cutover.judge.verdict import Judgement

WEIGHTS = (1, 5, 10, 25, 50, 75, 100)
REQUESTS = 1000
LOOK_SECONDS = 30
SETTLE_LOOKS = 4
MIN_LOOKS = 10
MAX_LOOKS = 120 - SETTLE_LOOKS
MIN_REQUESTS = 300
LATENCY_GATES = 4
LATENCY = LatencyRule("latency", "TimeToFirstToken", edge_seconds=1.0, max_above=0.05, margin=0.025)
ERRORS = ErrorRule("errors", max=0.01, ratio=2.0)


@dataclass(frozen=True)
class Cell:
    """One kind of world. Shares are 0-1; the target's are the source's unless given."""

    name: str
    latency: float
    errors: float
    correlation: float = 0.0
    """Within-look correlation of errors: each look's share is drawn from a Beta, for each side by itself."""
    latency_correlation: float = 0.0
    """The same for the latency gates."""
    together: bool = False
    """Errors: both sides share each look's draw (an upstream fault)."""
    history: float = 0.0
    """What the operator knows of the source's correlation over the last day, halved."""
    target_latency: float | None = None
    target_errors: float | None = None
    claim: str = ""
    """What DESIGN §4 says of it."""


PLAIN = "plain: finish 99.5 % far from limits, 14-41 % between, none at 4.5 %"
BURSTS = "0.14-1.4 % rolled back; plain: 28-31 %"
CELLS = (
    Cell(
        "latency 1 %, errors 0.1 %",
        0.01,
        0.001,
        claim=f"0 rolled back, 99.98-100 % finish in 0.8-1.0 h; {PLAIN}",
    ),
    Cell("latency 3 %, errors 0.3 %", 0.03, 0.003, claim="as above"),
    Cell("latency 4.5 %, errors 0.5 %", 0.045, 0.005, claim="as above"),
    Cell("source over limit: 6 %", 0.06, 0.003, claim="0.2 % rolled back"),
    Cell("source over limit: 8 %", 0.08, 0.003, claim="0.2 % rolled back"),
    Cell("bursts, errors 0.1 %", 0.01, 0.001, 0.05, claim=BURSTS),
    Cell("bursts, errors 0.3 %", 0.01, 0.003, 0.05, claim=BURSTS),
    Cell("bursts, errors 0.5 %", 0.01, 0.005, 0.05, claim=BURSTS),
    Cell("bursts, 0.3 %, r known", 0.01, 0.003, 0.05, history=0.025, claim=BURSTS),
    Cell("bursts, 0.3 %, on both at once", 0.01, 0.003, 0.05, together=True, claim=BURSTS),
    Cell("bursts of latency, 3 %", 0.03, 0.001, latency_correlation=0.05, claim="not claimed"),
    Cell(
        "target worse: latency 3 → 10 %", 0.03, 0.003, target_latency=0.10, claim="must roll back"
    ),
    Cell("target worse: errors 0.3 → 2 %", 0.03, 0.003, target_errors=0.02, claim="must roll back"),
)


@dataclass(frozen=True)
class Looks:
    """One step's looks. Rows: looks; columns of the bad ones: gates, the last is errors."""

    source: np.ndarray
    target: np.ndarray
    source_bad: np.ndarray
    target_bad: np.ndarray


def draw(rng: np.random.Generator, cell: Cell, weight: int, looks: int) -> Looks:
    target = rng.binomial(REQUESTS, weight / 100, looks)
    source = REQUESTS - target
    slow = cell.latency, cell.latency if cell.target_latency is None else cell.target_latency
    failing = cell.errors, cell.errors if cell.target_errors is None else cell.target_errors
    errors = [_shares(rng, share, cell.correlation, (looks, 1)) for share in failing]
    if cell.together:
        errors[1] = errors[0]
    bad = []
    for requests, latency, error in zip((source, target), slow, errors, strict=True):
        latencies = _shares(rng, latency, cell.latency_correlation, (looks, LATENCY_GATES))
        bad.append(rng.binomial(requests[:, None], np.hstack([latencies, error])))
    return Looks(source, target, *bad)


def _shares(
    rng: np.random.Generator, mean: float, correlation: float, shape: tuple[int, int]
) -> np.ndarray:
    """Each look's share: the mean itself, or drawn from the Beta with that within-look correlation."""
    if not correlation:
        return np.full(shape, mean)
    size = 1 / correlation - 1
    return rng.beta(mean * size, (1 - mean) * size, shape)


@dataclass
class Plan:
    """How one plan went."""

    end: str
    looks: int
    step: int
    gate: str = ""


# --- the operator's rule ------------------------------------------------------------------------


@dataclass
class Operator:
    """Judges as the operator does, with evidence per gate and the reference frozen at the step before 100."""

    history: float = 0.0
    weight: int = 0
    evidence: list[Evidence] = field(default_factory=list)
    references: list[Reference | None] = field(default_factory=lambda: [None] * (LATENCY_GATES + 1))

    def begin(self, weight: int) -> None:
        if weight == 100:
            self.references = [freeze(evidence) for evidence in self.evidence]
        self.weight = weight
        self.evidence = [Evidence.EMPTY] * (LATENCY_GATES + 1)

    def look(self, number: int, looks: Looks) -> list[Judgement]:
        judged = []
        for gate in range(LATENCY_GATES + 1):
            reference = self.references[gate]
            self.evidence[gate] = accumulate(
                self.evidence[gate],
                Count(int(looks.source[number]), int(looks.source_bad[number, gate])),
                Count(int(looks.target[number]), int(looks.target_bad[number, gate])),
                reference,
            )
            judge = (
                partial(judge_latency, LATENCY)
                if gate < LATENCY_GATES
                else partial(judge_errors, ERRORS)
            )
            judged.append(
                judge(
                    self.evidence[gate],
                    weight=self.weight,
                    min_requests=MIN_REQUESTS,
                    min_duration_over=number + 1 >= MIN_LOOKS,
                    reference=reference,
                    history_correlation=self.history if gate == LATENCY_GATES else 0.0,
                )
            )
        return judged


# --- the plain rule -----------------------------------------------------------------------------


@dataclass
class Plain:
    """The rule of the reference's §D.3: mixture confidence sequences and an error e-process, 300 target requests
    before any verdict, a Fail on two consecutive looks, and the absolute limits held the same way.

    At weight 100 the source's last counts stand in for it.
    """

    history: float = 0.0
    sums: np.ndarray = field(default_factory=lambda: np.zeros((LATENCY_GATES + 1, 4)))
    failed_before: list[bool] = field(default_factory=list)

    def begin(self, weight: int) -> None:
        kept = self.sums[:, :2] if weight == 100 else 0.0
        self.sums = np.zeros((LATENCY_GATES + 1, 4))
        self.sums[:, :2] = kept
        self.failed_before = [False] * (LATENCY_GATES + 1)

    def look(self, number: int, looks: Looks) -> list[Judgement]:
        judged = []
        for gate in range(LATENCY_GATES + 1):
            self.sums[gate] += (
                looks.source[number],
                looks.source_bad[number, gate],
                looks.target[number],
                looks.target_bad[number, gate],
            )
            verdict = self._verdict(gate, number + 1 >= MIN_LOOKS)
            failed, self.failed_before[gate] = self.failed_before[gate], verdict is Verdict.FAIL
            if verdict is Verdict.FAIL and not failed:
                verdict = Verdict.INCONCLUSIVE
            judged.append(Judgement(verdict, "Plain", ""))
        return judged

    def _verdict(self, gate: int, over: bool) -> Verdict:
        n, x, m, y = (float(value) for value in self.sums[gate])
        if m < MIN_REQUESTS:
            return Verdict.INCONCLUSIVE
        a, b = (x + 0.5) / (n + 1), (y + 0.5) / (m + 1)
        limit = LATENCY.max_above if gate < LATENCY_GATES else ERRORS.max
        variance = b * (1 - b) / m
        alone = half_width(1 / variance, limit)
        if gate < LATENCY_GATES:
            both = half_width(1 / (a * (1 - a) / n + variance), limit)
            worse = b - a - LATENCY.margin > both
            better = b - a - LATENCY.margin < -both
        else:
            worse = log_e_ratio(n, x, m, y) >= -log(0.01)
            better = True
        if worse or b - limit > alone:
            return Verdict.FAIL
        return Verdict.PASS if over and better and b - limit < -alone else Verdict.INCONCLUSIVE


def half_width(tau: float, share: float, alpha: float = 0.01) -> float:
    """§D.3: √((τ+ρ)·ln((τ+ρ)/(ρ(2α)²)))/τ, ρ tuned for 300 requests at ``share``."""
    a = -2 * log(2 * alpha)
    rho = 300 / (share * (1 - share)) / (a + log(1 + a))
    return sqrt((tau + rho) * log((tau + rho) / (rho * 4 * alpha * alpha))) / tau


def log_e_ratio(n: float, x: float, m: float, y: float) -> float:
    """§D.3: the conditional binomial e-process that the target fails at most twice as often."""
    if not x + y:
        return 0.0
    pi = m * ERRORS.ratio / (n + m * ERRORS.ratio)
    tail = 1 - betainc(1 + y, 1 + x, pi)
    if tail <= 0:
        return -inf
    return float(betaln(1 + y, 1 + x) + log(tail) - log(1 - pi) - y * log(pi) - x * log(1 - pi))


# --- plans --------------------------------------------------------------------------------------


def run_plan(
    rng: np.random.Generator, cell: Cell, judge: Operator | Plain, weights: Sequence[int] = WEIGHTS
) -> Plan:
    looks = 0
    for step, weight in enumerate(weights):
        judge.begin(weight)
        # The whole step is drawn at once: two rules given one seed see the same data for as long as they agree.
        step_looks = draw(rng, cell, weight, MAX_LOOKS)
        judged: list[Judgement] = []
        for number in range(MAX_LOOKS):
            judged = judge.look(number, step_looks)
            failed = next(
                ((i, one) for i, one in enumerate(judged) if one.verdict is Verdict.FAIL), None
            )
            if failed:
                gate = "errors" if failed[0] == LATENCY_GATES else "latency"
                end = "paused" if failed[1].pauses else "rolled back"
                return Plan(end, looks + SETTLE_LOOKS + number + 1, step, gate)
            if all(one.verdict is Verdict.PASS for one in judged):
                looks += SETTLE_LOOKS + number + 1
                break
        else:
            stuck = [i for i, one in enumerate(judged) if one.verdict is not Verdict.PASS]
            gate = "errors" if stuck == [LATENCY_GATES] else "latency"
            return Plan("out of time", looks + 120, step, gate)
    return Plan("finished", looks, len(weights))


RULES: dict[str, Callable[[float], Operator | Plain]] = {"cutover": Operator, "plain": Plain}


def run_batch(cell: Cell, rule: str, seed: int, plans: int) -> list[Plan]:
    rng = np.random.default_rng([seed, sum(map(ord, cell.name))])
    return [run_plan(rng, cell, RULES[rule](cell.history)) for _ in range(plans)]


# --- the table ----------------------------------------------------------------------------------


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high


def report(cell: Cell, rule: str, plans: list[Plan]) -> str:
    n = len(plans)
    ends = Counter(plan.end for plan in plans)
    low, high = clopper_pearson(ends["rolled back"], n)
    hours = [plan.looks * LOOK_SECONDS / 3600 for plan in plans if plan.end == "finished"]
    typical = "-"
    if hours:
        q = np.quantile(hours, [0.05, 0.5, 0.95])
        typical = f"{q[1]:.2f} h ({q[0]:.2f}-{q[2]:.2f})"
    blame = Counter(f"{plan.gate}@{WEIGHTS[plan.step]}" for plan in plans if plan.end != "finished")
    where = " ".join(f"{what}×{times}" for what, times in blame.most_common(3))
    return (
        f"{cell.name:<31} {rule:<8} {n:>6} {ends['rolled back']:>5} {ends['rolled back'] / n:>7.2%}"
        f" [{low:.2%}, {high:.2%}]".ljust(78)
        + f" {ends['finished'] / n:>7.2%} {ends['paused'] / n:>6.2%} {ends['out of time'] / n:>7.2%}"
        f"  {typical:<20} {where}"
    )


def simulate(
    pool: ProcessPoolExecutor, cell: Cell, rule: str, plans: int, *, seed: int, jobs: int
) -> list[Plan]:
    batch = max(1, -(-plans // (4 * jobs)))
    sizes = [min(batch, plans - start) for start in range(0, plans, batch)]
    futures = [
        pool.submit(run_batch, cell, rule, seed * 10_000 + i, size) for i, size in enumerate(sizes)
    ]
    return [plan for future in futures for plan in future.result()]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--plans", type=int, default=300, help="plans a cell (5000: DESIGN's figures)"
    )
    parser.add_argument(
        "--identical", type=int, default=0, help="plans with identical sides, 0: none"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cells", default="", help="only cells whose name contains this")
    parser.add_argument("--rules", default="cutover,plain")
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    print(
        f"{'world':<31} {'rule':<8} {'plans':>6} {'rolled back [95 %]':<30}"
        f" {'finished':>8} {'paused':>6} {'no end':>7}  {'time to finish':<20} held or broken by"
    )
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for cell in CELLS:
            if chosen.cells not in cell.name:
                continue
            for rule in chosen.rules.split(","):
                plans = simulate(pool, cell, rule, chosen.plans, seed=chosen.seed, jobs=chosen.jobs)
                print(report(cell, rule, plans), flush=True)
            print(f"{'':<31} claimed: {cell.claim}")
        if chosen.identical:
            cell = CELLS[1]
            plans = simulate(
                pool, cell, "cutover", chosen.identical, seed=chosen.seed + 1, jobs=chosen.jobs
            )
            back = sum(plan.end == "rolled back" for plan in plans)
            bound = clopper_pearson(back, len(plans), 0.90)[1]
            print(
                f"identical sides ({cell.name}): {len(plans):,} simulated plans, {back} rolled back;"
                f" false rollback below {bound:.3%} of plans with 95 % confidence"
            )
    print(f"{time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
