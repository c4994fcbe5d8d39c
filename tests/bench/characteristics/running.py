"""Spreads the runs over processes and collects what they counted."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

from tests.bench.characteristics import fixed_size, power
from tests.bench.characteristics.figures import PlanEnd, PlanFigures, PowerFigures
from tests.bench.characteristics.outcome import StepEnd
from tests.bench.characteristics.plans import run_batch
from tests.bench.characteristics.worlds import Change, World

BATCH = 100
"""Plans that are drawn together; part of what a seed means."""


@dataclass(frozen=True)
class Size:
    """How much is run."""

    plans: int
    seed: int
    jobs: int
    rules: tuple[str, ...]
    others: int
    """Plans for the alternatives: the first of the same plans."""

    def rules_of(self, batch: int) -> tuple[str, ...]:
        few = batch * BATCH >= self.others
        return tuple(rule for rule in self.rules if rule == OPERATOR or not few)


OPERATOR = "cutover"


def batches(plans: int) -> list[int]:
    return [min(BATCH, plans - begun) for begun in range(0, plans, BATCH)]


def run_worlds(
    worlds: Sequence[World], size: Size, tell: Callable[[list[PlanFigures], float], None]
) -> None:
    """Run every world under every rule; ``tell`` hears of each world's figures as it ends."""
    with ProcessPoolExecutor(size.jobs) as pool:
        for world in worlds:
            began = time.monotonic()
            parts: list[Future[dict[str, list[PlanEnd]]]] = [
                pool.submit(run_batch, world, size.seed, batch, plans, size.rules_of(batch))
                for batch, plans in enumerate(batches(size.plans))
            ]
            found = [part.result() for part in parts]
            rows = [
                PlanFigures.of(
                    world.name, rule, size.seed, [end for one in found for end in one.get(rule, [])]
                )
                for rule in size.rules
            ]
            tell(rows, time.monotonic() - began)


def run_changes(
    changes: Sequence[Change],
    size: Size,
    tell: Callable[[list[PowerFigures], int | None], None],
) -> None:
    """Run every change under every rule, and the test that looks once."""
    with ProcessPoolExecutor(size.jobs) as pool:
        for change in changes:
            parts: list[Future[dict[str, list[StepEnd]]]] = [
                pool.submit(power.run_steps, change, size.seed, batch, plans, size.rules_of(batch))
                for batch, plans in enumerate(batches(size.plans))
            ]
            needed = pool.submit(fixed_size.looks_needed, change, size.seed)
            found = [part.result() for part in parts]
            rows = [
                _power_figures(
                    change, rule, size.seed, [end for one in found for end in one.get(rule, [])]
                )
                for rule in size.rules
            ]
            tell(rows, needed.result())


def _power_figures(change: Change, rule: str, seed: int, ends: list[StepEnd]) -> PowerFigures:
    passed = sum(end.end.value == "passed" for end in ends)
    return PowerFigures(change.name, rule, len(ends), seed, power.caught_by(ends), passed)
