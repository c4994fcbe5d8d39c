"""The best test that looks once: how many looks must it wait to catch a change as surely as is promised?

Its level is the operator's (α .01 against the margin, or α .001 against both the limit and the source) and so are
its statistics, with the critical value of a single look; power 99 %, on steady traffic.
"""

from math import ceil

import numpy as np
from scipy.special import ndtri

from cutover.judge.evidence import Count
from cutover.judge.proportions import z_difference, z_ratio
from cutover.judge.terms import ALPHA_FAIL, ALPHA_LIMIT
from tests.bench.characteristics.operator_rule import ERRORS, LATENCY
from tests.bench.characteristics.plans import generator
from tests.bench.characteristics.worlds import MAX_LOOKS, Change

POWER = 0.99
DRAWS = 4000


def looks_needed(change: Change, seed: int, draws: int = DRAWS) -> int | None:
    """Fewest looks with that power; None: more than ``maxDuration`` holds."""
    if _power(change, MAX_LOOKS, seed, draws) < POWER:
        return None
    low, high = 0, MAX_LOOKS
    while high - low > 1:
        middle = (low + high) // 2
        if _power(change, middle, seed, draws) >= POWER:
            high = middle
        else:
            low = middle
    return high


def least_median(fixed: int | None) -> int | None:
    """By which look half must be caught: twice as late, or five looks, whichever is later."""
    return None if fixed is None else max(5, ceil(2 * fixed))


def _power(change: Change, looks: int, seed: int, draws: int) -> float:
    rng = generator(seed, change.name, looks)
    requests = change.world.requests * looks
    n_t = round(requests * change.weight / 100)
    n_s = round(requests - n_t)
    source = rng.binomial(n_s, change.source, draws)
    target = rng.binomial(n_t, change.target, draws)
    caught = sum(
        _proven(change, Count(n_s, x), Count(n_t, y))
        for x, y in zip(source.tolist(), target.tolist(), strict=True)
    )
    return caught / draws


def _proven(change: Change, source: Count, target: Count) -> bool:
    once, limit = float(-ndtri(ALPHA_FAIL)), float(-ndtri(ALPHA_LIMIT))
    if change.gate == "latency":
        beyond = z_difference(source, target, LATENCY.margin) > once
        worse, most = z_difference(source, target, 0.0) > limit, LATENCY.max_above
    else:
        beyond = z_ratio(source, target, ERRORS.ratio) > once
        worse, most = z_ratio(source, target, 1.0) > limit, ERRORS.max
    alone = (target.share - most) / np.sqrt(most * (1 - most) / target.total) > limit
    return bool(beyond or (worse and alone))
