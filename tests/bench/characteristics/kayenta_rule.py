"""The other usual alternative: Mann–Whitney on the series of per-look values, as Kayenta's judge does it.

Per gate one value a look and side: p95, or the share of failed requests. After the step's looks the 98 % confidence
interval of the shift (Hodges–Lehmann) is held against ±0.25 of the estimated shift itself; above it the metric is
"High", which rolls back (every gate counts as critical). Looks without requests are left out. At weight 100 there is
no source to compare with, and the step passes.
"""

from math import sqrt

import numpy as np
from scipy.special import ndtri

from tests.bench.characteristics.operator_rule import NAMES
from tests.bench.characteristics.outcome import End, StepEnd
from tests.bench.characteristics.traffic import Bools, Floats, Ints, Looks, bucket_counts
from tests.bench.characteristics.worlds import LATENCY_GATES, MIN_LOOKS, SETTLE_LOOKS

CONFIDENCE = 0.98
TOLERANCE = 0.25


class KayentaRule:
    """One comparison at the end of each step, of as many values a side as the step has looks."""

    def __init__(self, looks: int = MIN_LOOKS) -> None:
        self._looks = looks

    def step(
        self, weight: int, looks: Looks, plans: Ints, rng: np.random.Generator
    ) -> list[StepEnd]:
        length = SETTLE_LOOKS + self._looks
        if weight == 100:
            return [StepEnd(End.PASSED, length)] * len(plans)
        seen = looks.of(np.arange(len(plans)), slice(SETTLE_LOOKS, length))
        source, target = (
            _values(rng, *side)
            for side in (
                (seen.source, seen.source_bad, seen.source_slow),
                (seen.target, seen.target_bad, seen.target_slow),
            )
        )
        high = are_high(source, target)
        return [
            StepEnd(End.ROLLED_BACK, length, NAMES[int(one.argmax())])
            if one.any()
            else StepEnd(End.PASSED, length)
            for one in high
        ]


def _values(rng: np.random.Generator, requests: Ints, bad: Ints, share: Floats) -> Floats:
    """Plan × gate × look."""
    late = bucket_counts(rng, requests, bad[..., :LATENCY_GATES], share).percentile_95()
    with np.errstate(invalid="ignore", divide="ignore"):
        failed = np.where(requests > 0, bad[..., LATENCY_GATES] / requests, np.nan)
    return np.moveaxis(np.concatenate([late, failed[..., None]], axis=2), 2, 1)


def are_high(source: Floats, target: Floats) -> Bools:
    """Plan × gate: whether the target's values are higher beyond the tolerance."""
    high = np.zeros(source.shape[:2], bool)
    whole = ~(np.isnan(source).any(axis=2) | np.isnan(target).any(axis=2))
    if whole.any():
        high[whole] = is_high(source[whole], target[whole])
    for plan, gate in np.argwhere(~whole):
        there, here = (side[plan, gate][~np.isnan(side[plan, gate])] for side in (source, target))
        if len(there) and len(here):
            high[plan, gate] = is_high(there[None], here[None])[0]
    return high


def is_high(source: Floats, target: Floats) -> Bools:
    """Rows of values. The interval's ends are order statistics of all differences (normal approximation)."""
    n, m = source.shape[1], target.shape[1]
    differences = np.sort(
        (target[:, :, None] - source[:, None, :]).reshape(len(source), n * m), axis=1
    )
    z = float(ndtri(1 - (1 - CONFIDENCE) / 2))
    rank = round(n * m / 2 - z * sqrt(n * m * (n + m + 1) / 12))
    if rank < 1:
        return np.zeros(len(source), bool)
    shift = np.median(differences, axis=1)
    return np.asarray((differences[:, rank - 1] > TOLERANCE * np.abs(shift)) & (shift > 0))
