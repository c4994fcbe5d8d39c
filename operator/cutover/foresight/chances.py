"""One gate in one step, simulated: how long until it passes, and how often it notices a target that is worse.

Requests arrive as a Poisson process and each is bad by itself with a fixed chance: no bursts, no days
and nights. What is drawn is judged by the operator's own rule (:func:`cutover.judge.comparison.reason_of`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite

import numpy as np
from numpy.typing import NDArray

from cutover.api.verdict import Verdict
from cutover.judge.comparison import reason_of
from cutover.judge.evidence import Count, Evidence, Reference, accumulate
from cutover.judge.terms import Rule, Terms

Floats = NDArray[np.float64]

RUNS = 200
"""Simulated steps for a time; a chance of 90 % is then known to within 4 points (95 %)."""
TRIED = 100
"""And for each share that is tried for what is seen: to within 6 points."""
SURE = 0.9
"""The chance from which a regression counts as seen, and a step as fitting its time."""
EVERY_LOOK = 12
"""So many looks are judged each; later ones are put together, ever more of them."""
GROWTH = 1.15
FINENESS = 1.08
"""Between two shares that are tried for what is seen: 8 % more."""
COARSE = 4
ROUGHLY = 30
"""What is seen is searched in strides of four such shares with so many steps each, then one by one."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a step gives its gates to judge by. Times in seconds."""

    weight: float
    """Percent on the target, above 0 to 100."""
    rate: float
    """Requests a second that come by the route, both sides together."""
    interval: float
    settle: float
    min_duration: float
    max_duration: float
    min_requests: int
    reference: float = 0.0
    """Source requests that the frozen reference rests on; only at weight 100."""

    @property
    def target_rate(self) -> float:
        """Requests a second on the target."""
        return self.rate * self.weight / 100.0

    @property
    def most_looks(self) -> int:
        """Looks after ``settle`` within ``max_duration``."""
        return max(0, floor((self.max_duration - self.settle) / self.interval + 1e-9))

    def terms(self, looks: int, reference: Reference | None) -> Terms:
        """What the rule is told after so many looks."""
        over = looks * self.interval >= self.min_duration - 1e-9
        return Terms(self.weight, self.min_requests, over, reference, 0.0)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How simulated steps went for one gate. Seconds since the weight was set; infinite: not within the time."""

    passed: Floats
    failed: Floats

    @property
    def pass_chance(self) -> float:
        return float(np.isfinite(self.passed).mean())

    @property
    def fail_chance(self) -> float:
        return float(np.isfinite(self.failed).mean())


def simulate(
    rule: Rule,
    setting: Setting,
    source: float,
    target: float,
    *,
    rng: np.random.Generator,
    runs: int = RUNS,
) -> Outcomes:
    """Let a gate judge ``runs`` steps until it passes, fails or runs out of time.

    ``source`` and ``target`` are the two sides' shares of bad requests, 0-1.
    """
    passed, failed = np.full(runs, inf), np.full(runs, inf)
    steps = _steps(rule, setting, source, target, rng=rng, runs=runs)
    for run, (looks, verdict) in enumerate(steps):
        at = setting.settle + looks * setting.interval
        if verdict is Verdict.PASS:
            passed[run] = at
        elif verdict is Verdict.FAIL:
            failed[run] = at
    return Outcomes(passed, failed)


def sees(
    rule: Rule,
    setting: Setting,
    source: float,
    target: float,
    *,
    rng: np.random.Generator,
    runs: int = TRIED,
) -> bool:
    """Whether the gate fails such a target before it passes it, 9 times in 10; no more is drawn than tells."""
    missed = 0
    for _, verdict in _steps(rule, setting, source, target, rng=rng, runs=runs):
        missed += verdict is not Verdict.FAIL
        if missed > (1.0 - SURE) * runs:
            return False
    return True


def _steps(
    rule: Rule,
    setting: Setting,
    source: float,
    target: float,
    *,
    rng: np.random.Generator,
    runs: int,
) -> Iterator[tuple[int, Verdict]]:
    """Draw steps and judge them: after how many looks each ended, and how."""
    ends = judged_looks(setting)
    lengths = np.diff([0, *ends]) * setting.interval
    shape = (runs, len(ends))
    target_n = rng.poisson(setting.target_rate * lengths, shape)
    source_n = rng.poisson((setting.rate - setting.target_rate) * lengths, shape)
    drawn = (source_n, rng.binomial(source_n, source), target_n, rng.binomial(target_n, target))
    frozen = float(round(setting.reference))
    known = rng.binomial(round(setting.reference), source, runs)
    for run in range(runs):
        reference = Reference(known[run] / frozen, frozen) if frozen else None
        yield _one(rule, setting, ends, [part[run] for part in drawn], reference)


def judged_looks(setting: Setting) -> list[int]:
    """After how many looks the rule is asked: each of the first dozen, then ever fewer, and the last."""
    last = setting.most_looks
    soonest = ceil(setting.min_duration / setting.interval - 1e-9)
    chosen = {*range(1, min(EVERY_LOOK, last) + 1), last, min(last, max(1, soonest))}
    at = float(EVERY_LOOK)
    while at < last:
        at = max(at + 1, at * GROWTH)
        chosen.add(min(last, int(at)))
    return sorted(chosen - {0})


def _one(
    rule: Rule,
    setting: Setting,
    ends: list[int],
    drawn: list[NDArray[np.int64]],
    reference: Reference | None,
) -> tuple[int, Verdict]:
    evidence = Evidence.EMPTY
    for looks, ns, xs, nt, xt in zip(ends, *(part.tolist() for part in drawn), strict=True):
        evidence = accumulate(evidence, Count(ns, xs), Count(nt, xt), reference)
        verdict = reason_of(rule, evidence, setting.terms(looks, reference)).verdict
        if verdict in (Verdict.PASS, Verdict.FAIL):
            return looks, verdict
    return 0, Verdict.INCONCLUSIVE


def smallest_seen(
    rule: Rule, setting: Setting, source: float, *, rng: np.random.Generator
) -> float | None:
    """Find the smallest share of bad target requests (0-1) that fails the gate before it passes, 9 times in 10.

    To within 8 %; None: not even if every request is bad, for want of requests.
    """
    least = max(source, 1e-4)
    shares = [least]
    while shares[-1] < 1.0:
        shares.append(min(1.0, shares[-1] * FINENESS))

    coarse = first_from(
        shares[::COARSE] + shares[-1:], lambda t: _sees_some(rule, setting, source, t, rng)
    )
    if coarse is None:
        return None
    at = shares.index(coarse)
    near = shares[max(0, at - COARSE - 1) : at + COARSE + 1] + shares[-1:]
    return first_from(near, lambda t: sees(rule, setting, source, t, rng=rng))


def _sees_some(
    rule: Rule, setting: Setting, source: float, share: float, rng: np.random.Generator
) -> bool:
    return sees(rule, setting, source, share, rng=rng, runs=ROUGHLY)


def first_from(rising: list[float], holds: Callable[[float], bool]) -> float | None:
    """Find the first of them from which on it holds."""
    if not holds(rising[-1]):
        return None
    low, high = 0, len(rising) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(rising[middle]) else (middle + 1, high)
    return rising[high]


def quantile(seconds: Floats, share: float) -> float:
    """Return a quantile of times, some of which may be infinite."""
    ordered = np.sort(seconds)
    found = float(ordered[min(len(ordered) - 1, ceil(share * len(ordered)) - 1)])
    return found if isfinite(found) else inf
