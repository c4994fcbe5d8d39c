"""The usual alternative: compare this look's p95 with the source's, and count strikes (as Argo Rollouts and Flagger do).

A strike: the target's ``histogram_quantile(0.95)`` is more than 1.1 times the source's or over 1 s; or more than 1 %
of the requests failed. Each look asks about itself, or about the last five minutes. Three strikes of one gate
within a step roll back; a step passes after ten looks. At weight 100 only the limits are left. No requests, no strike.
"""

import numpy as np

from tests.bench.characteristics.operator_rule import ERRORS, LATENCY, NAMES
from tests.bench.characteristics.outcome import End, StepEnd
from tests.bench.characteristics.traffic import Bools, Ints, Looks, bucket_counts, trailing
from tests.bench.characteristics.worlds import LATENCY_GATES, MIN_LOOKS, SETTLE_LOOKS

RATIO = 1.1
STRIKES = 3


class PointRule:
    """Remembers nothing from step to step. ``window``: over how many looks each query reaches back."""

    def __init__(self, window: int = 1) -> None:
        self._window = window

    def step(
        self, weight: int, looks: Looks, plans: Ints, rng: np.random.Generator
    ) -> list[StepEnd]:
        del weight
        seen = looks.of(np.arange(len(plans)), slice(SETTLE_LOOKS, SETTLE_LOOKS + MIN_LOOKS))
        struck = strikes(seen, rng, self._window).cumsum(axis=1) >= STRIKES
        return [_end(one) for one in struck]


def _end(struck: Bools) -> StepEnd:
    out = struck.any(axis=1)
    if not out.any():
        return StepEnd(End.PASSED, SETTLE_LOOKS + len(struck))
    look = int(out.argmax())
    return StepEnd(End.ROLLED_BACK, SETTLE_LOOKS + look + 1, NAMES[int(struck[look].argmax())])


def strikes(looks: Looks, rng: np.random.Generator, window: int) -> Bools:
    """Plan × look × gate."""
    slow = slice(LATENCY_GATES)
    source, target = (
        bucket_counts(rng, *side).trailing(window).percentile_95()
        for side in (
            (looks.source, looks.source_bad[..., slow], looks.source_slow),
            (looks.target, looks.target_bad[..., slow], looks.target_slow),
        )
    )
    with np.errstate(invalid="ignore"):
        late = (target > RATIO * source) | (target > LATENCY.edge_seconds)
    bad, all_of_them = (
        trailing(part, window) for part in (looks.target_bad[..., LATENCY_GATES], looks.target)
    )
    return np.concatenate([late, (bad > ERRORS.max * all_of_them)[..., None]], axis=2)
