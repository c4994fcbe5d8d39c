"""A gate on a mean in one step, simulated: when it passes, and how much slower a target it notices.

How far requests differ in what they take is not known offline. They are drawn as independent and exponential
(their standard deviation is their mean); where they vary more, all of it takes longer. What is drawn is judged
by the operator's own rule (:func:`cutover.judge.meanrule.reason_of`).
"""

from math import inf

import numpy as np

from cutover.api.verdict import Verdict
from cutover.foresight.chances import SURE, TRIED, Outcomes, Setting, first_from, judged_looks
from cutover.judge.meanrule import MeanRule, MeanTerms, reason_of
from cutover.judge.means import MeanEvidence, MeanReference, Total

RATIOS = tuple(1.02 * 1.08**number for number in range(40))
"""Of the target's mean to the source's, tried for what is seen."""


def simulate_mean(
    rule: MeanRule, setting: Setting, ratio: float, *, rng: np.random.Generator, runs: int = TRIED
) -> Outcomes:
    """Let the gate judge ``runs`` steps of a target whose mean is ``ratio`` times the source's."""
    passed, failed = np.full(runs, inf), np.full(runs, inf)
    for run in range(runs):
        looks, verdict = _one(rule, setting, ratio, rng)
        at = setting.settle + looks * setting.interval
        if verdict is Verdict.PASS:
            passed[run] = at
        elif verdict is Verdict.FAIL:
            failed[run] = at
    return Outcomes(passed, failed)


def smallest_ratio(
    rule: MeanRule, setting: Setting, *, rng: np.random.Generator, runs: int = TRIED
) -> float | None:
    """Find the smallest ratio that fails the gate before it passes, 9 times in 10; None: not even 20 times."""

    def seen(ratio: float) -> bool:
        missed = 0
        for _ in range(runs):
            missed += _one(rule, setting, ratio, rng)[1] is not Verdict.FAIL
            if missed > (1.0 - SURE) * runs:
                return False
        return True

    return first_from(list(RATIOS), seen)


def _one(
    rule: MeanRule, setting: Setting, ratio: float, rng: np.random.Generator
) -> tuple[int, Verdict]:
    """Draw one step: after how many looks it ended, and how."""
    rates = (setting.rate - setting.target_rate, setting.target_rate)
    events = [rng.poisson(rate * setting.interval, setting.most_looks) for rate in rates]
    times = [rng.gamma(n, mean) for n, mean in zip(events, (1.0, ratio), strict=True)]
    frozen = setting.reference
    reference = MeanReference(1.0, 1.0 / frozen, frozen) if frozen else None
    asked = set(judged_looks(setting))
    evidence = MeanEvidence()
    for look in range(setting.most_looks):
        totals = (Total(float(t[look]), float(n[look])) for t, n in zip(times, events, strict=True))
        evidence = evidence.add(*totals)
        if look + 1 not in asked:
            continue
        over = (look + 1) * setting.interval >= setting.min_duration - 1e-9
        terms = MeanTerms(setting.weight, setting.min_requests, over, reference)
        verdict = reason_of(rule, evidence, terms).verdict
        if verdict in (Verdict.PASS, Verdict.FAIL):
            return look + 1, verdict
    return 0, Verdict.INCONCLUSIVE
