"""Runs whole plans: every rule gets the same looks at each step."""

from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np

from tests.bench.characteristics.figures import PlanEnd
from tests.bench.characteristics.kayenta_rule import KayentaRule
from tests.bench.characteristics.operator_rule import OperatorRule, known_past
from tests.bench.characteristics.outcome import End, Rule, StepEnd
from tests.bench.characteristics.plain_rule import PlainRule
from tests.bench.characteristics.point_rule import PointRule
from tests.bench.characteristics.traffic import draw
from tests.bench.characteristics.worlds import (
    MAX_LOOKS,
    MIN_LOOKS,
    SETTLE_LOOKS,
    WEIGHTS,
    World,
)

KAYENTA_LOOKS = 50
"""What Kayenta's own documentation asks for as the least that its test should be given."""

FIVE_MINUTES = 10
"""In looks."""

Maker = Callable[[int, list[float]], Rule]
RULES: dict[str, Maker] = {
    "cutover": OperatorRule,
    "point": lambda *_: PointRule(),
    "point-5m": lambda *_: PointRule(FIVE_MINUTES),
    "kayenta": lambda *_: KayentaRule(),
    "kayenta-50": lambda *_: KayentaRule(KAYENTA_LOOKS),
    "plain": lambda plans, _: PlainRule(plans),
}
MADE = {
    "cutover": "the operator's own code",
    "point": f"p95 of each look, ratio 1.1 or over the limit, three strikes, {MIN_LOOKS} looks a step",
    "point-5m": "the same, of the last five minutes at each look",
    "kayenta": f"Mann–Whitney on {MIN_LOOKS} per-look values a step and side",
    "kayenta-50": f"the same on {KAYENTA_LOOKS} values",
    "plain": "mixture confidence sequence and e-process, without slack, bursts or the source's say in limits",
}


def generator(seed: int, name: str, *more: int) -> np.random.Generator:
    return np.random.default_rng([seed, crc32(name.encode()), *more])


def run_batch(
    world: World, seed: int, batch: int, plans: int, rules: tuple[str, ...]
) -> dict[str, list[PlanEnd]]:
    """Run the same plans under every rule. They begin at all times of the day."""
    rng = generator(seed, world.name, batch)
    past = known_past(rng, world)
    hours = rng.uniform(0, 24, plans)
    judging = {name: RULES[name](plans, past) for name in rules}
    ends: dict[str, list[PlanEnd | None]] = {name: [None] * plans for name in rules}
    spent = {name: np.zeros(plans, int) for name in rules}
    for number, weight in enumerate(WEIGHTS):
        if all(None not in found for found in ends.values()):
            break
        # The clock of the load goes on by the shortest step, whatever a rule needs: all see the same looks.
        later = number * (SETTLE_LOOKS + MIN_LOOKS) / 120
        looks = draw(rng, world, weight, (plans, SETTLE_LOOKS + MAX_LOOKS), hours + later)
        for which, name in enumerate(rules):
            alive = np.array([i for i, end in enumerate(ends[name]) if end is None], int)
            if len(alive):
                found = judging[name].step(
                    weight,
                    looks.of(alive, slice(None)),
                    alive,
                    generator(seed, world.name, batch, number, which),
                )
                _note(ends[name], spent[name], alive.tolist(), weight, found)
    return {name: [end for end in found if end is not None] for name, found in ends.items()}


def _note(
    ends: list[PlanEnd | None],
    spent: np.ndarray,
    alive: list[int],
    weight: int,
    found: Sequence[StepEnd],
) -> None:
    for plan, end in zip(alive, found, strict=True):
        spent[plan] += end.looks
        if end.end is not End.PASSED:
            ends[plan] = PlanEnd(end.end, int(spent[plan]), f"{end.gate}@{weight}")
        elif weight == WEIGHTS[-1]:
            ends[plan] = PlanEnd(End.PASSED, int(spent[plan]))
