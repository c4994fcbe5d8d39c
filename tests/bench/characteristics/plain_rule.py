"""The plain rule: mixture confidence sequences for latency, an e-process for errors (reference §D.3).

300 target requests before any verdict, a Fail on two consecutive looks, and absolute limits held the same
way. At weight 100 the source's last counts stand in for it.
"""

from math import log

import numpy as np
from scipy.special import betainc, betaln

from tests.bench.characteristics.operator_rule import ERRORS, LATENCY
from tests.bench.characteristics.outcome import End, StepEnd
from tests.bench.characteristics.traffic import Bools, Floats, Ints, Looks
from tests.bench.characteristics.worlds import (
    GATES,
    LATENCY_GATES,
    MIN_LOOKS,
    MIN_REQUESTS,
    SETTLE_LOOKS,
)

ALPHA = 0.01


class PlainRule:
    """Keeps the source's counts of the last step that had any."""

    def __init__(self, plans: int) -> None:
        self._kept = np.zeros((plans, GATES, 2))

    def step(
        self, weight: int, looks: Looks, plans: Ints, rng: np.random.Generator
    ) -> list[StepEnd]:
        del rng
        parts = (looks.source, looks.source_bad, looks.target, looks.target_bad)
        n, x, m, y = (
            np.broadcast_to(
                part[:, SETTLE_LOOKS:, None] if part.ndim == 2 else part[:, SETTLE_LOOKS:],
                looks.source_bad[:, SETTLE_LOOKS:].shape,
            ).cumsum(axis=1)
            for part in parts
        )
        if weight == 100:
            n, x = (np.broadcast_to(self._kept[plans][:, None, :, i], m.shape) for i in range(2))
        failed, passed = _verdicts(
            n.astype(float), x.astype(float), m.astype(float), y.astype(float)
        )
        failed[:, 1:] &= failed[:, :-1].copy()
        failed[:, 0] = False
        passed[:, : MIN_LOOKS - 1] = False
        ends = [_end(failed[at], passed[at]) for at in range(len(plans))]
        for at, (plan, end) in enumerate(zip(plans, ends, strict=True)):
            last = end.looks - SETTLE_LOOKS - 1
            self._kept[plan] = np.stack([n[at, last], x[at, last]], axis=-1)
        return ends


def _end(failed: Bools, passed: Bools) -> StepEnd:
    """``failed`` and ``passed``: look × gate."""
    fails: Bools = np.asarray(failed.any(axis=1))
    passes: Bools = np.asarray(passed.all(axis=1))
    first_fail = int(fails.argmax()) if fails.any() else len(fails)
    first_pass = int(passes.argmax()) if passes.any() else len(passes)
    if first_fail < len(fails) and first_fail <= first_pass:
        return StepEnd(End.ROLLED_BACK, SETTLE_LOOKS + first_fail + 1, _gate(failed[first_fail]))
    if first_pass < len(passes):
        return StepEnd(End.PASSED, SETTLE_LOOKS + first_pass + 1)
    return StepEnd(End.OUT_OF_TIME, SETTLE_LOOKS + len(passes), _gate(~passed[-1]))


def _gate(which: Bools) -> str:
    return "latency" if which[:LATENCY_GATES].any() else "errors"


def _verdicts(n: Floats, x: Floats, m: Floats, y: Floats) -> tuple[Bools, Bools]:
    enough = m >= MIN_REQUESTS
    a, b = (x + 0.5) / (n + 1), (y + 0.5) / (m + 1)
    variance = b * (1 - b) / (m + 1e-9)
    limit = np.array([LATENCY.max_above] * LATENCY_GATES + [ERRORS.max])
    alone = half_width(1 / variance, limit)
    both = half_width(1 / (a * (1 - a) / (n + 1e-9) + variance), limit)
    worse = b - a - LATENCY.margin > both
    better = b - a - LATENCY.margin < -both
    e = LATENCY_GATES
    worse[..., e] = log_e_ratio(n[..., e], x[..., e], m[..., e], y[..., e]) >= -log(ALPHA)
    better[..., e] = True
    failed = enough & (worse | (b - limit > alone))
    return failed, enough & ~failed & better & (b - limit < -alone)


def half_width(tau: Floats, share: Floats) -> Floats:
    """√((τ+ρ)·ln((τ+ρ)/(ρ(2α)²)))/τ, ρ tuned for 300 requests at ``share``."""
    a = -2 * log(2 * ALPHA)
    rho = 300 / (share * (1 - share)) / (a + log(1 + a))
    return np.asarray(np.sqrt((tau + rho) * np.log((tau + rho) / (rho * 4 * ALPHA * ALPHA))) / tau)


def log_e_ratio(n: Floats, x: Floats, m: Floats, y: Floats) -> Floats:
    """Log of the conditional binomial e-process that the target fails at most ``ratio`` times as often."""
    pi = m * ERRORS.ratio / np.maximum(n + m * ERRORS.ratio, 1e-9)
    pi = np.clip(pi, 1e-12, 1 - 1e-12)
    tail = np.maximum(1 - betainc(1 + y, 1 + x, pi), 1e-300)
    e = betaln(1 + y, 1 + x) + np.log(tail) - np.log(1 - pi) - y * np.log(pi) - x * np.log(1 - pi)
    return np.where(x + y > 0, e, 0.0)
