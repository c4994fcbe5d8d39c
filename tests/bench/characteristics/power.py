"""Runs one step with a worse target, and notes by which look it was called back."""

import numpy as np

from tests.bench.characteristics.operator_rule import known_past
from tests.bench.characteristics.outcome import End, StepEnd
from tests.bench.characteristics.plans import RULES, generator
from tests.bench.characteristics.traffic import draw
from tests.bench.characteristics.worlds import MAX_LOOKS, SETTLE_LOOKS, Change


def run_steps(
    change: Change, seed: int, batch: int, plans: int, rules: tuple[str, ...]
) -> dict[str, list[StepEnd]]:
    """How each of these steps ended; a pass is one that let the worse target through."""
    rng = generator(seed, change.name, batch)
    past = known_past(rng, change.world)
    hours = rng.uniform(0, 24, plans)
    looks = draw(rng, change.world, change.weight, (plans, SETTLE_LOOKS + MAX_LOOKS), hours)
    everyone = np.arange(plans)
    return {
        name: list(
            RULES[name](plans, past).step(
                change.weight, looks, everyone, generator(seed, change.name, batch, which)
            )
        )
        for which, name in enumerate(rules)
    }


def caught_by(ends: list[StepEnd]) -> list[int]:
    """How many were called back by each look since ``settle``."""
    per_look = np.zeros(MAX_LOOKS, int)
    for end in ends:
        if end.end in (End.ROLLED_BACK, End.GUARD):
            per_look[max(0, end.looks - SETTLE_LOOKS - 1)] += 1
    return [int(k) for k in per_look.cumsum()]
