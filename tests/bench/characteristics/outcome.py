"""How a step ended under a rule, and what a rule is to the simulation."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from tests.bench.characteristics.traffic import Ints, Looks


class End(StrEnum):
    """How a step, and with it a plan, can end."""

    PASSED = "passed"
    """Of the last step: the plan finished."""
    ROLLED_BACK = "rolled back"
    """A gate failed."""
    GUARD = "guard"
    """A guard's limit was broken: also rolled back."""
    PAUSED = "paused"
    """A Fail that pauses, since it rests on a frozen reference."""
    OUT_OF_TIME = "out of time"
    """Still Inconclusive after ``maxDuration``."""


@dataclass(frozen=True)
class StepEnd:
    """How one step of one plan went."""

    end: End
    looks: int
    """From the raise on, ``settle`` included."""
    gate: str = ""
    """``latency`` or ``errors``: which one ended it, or was not proven."""


class Rule(Protocol):
    """Judges many plans at a time, one step after the other; keeps what it needs from step to step."""

    def step(
        self, weight: int, looks: Looks, plans: Ints, rng: np.random.Generator
    ) -> Sequence[StepEnd]:
        """Judge these ``plans`` (their numbers in ``looks``), which begins with ``settle``."""
        ...
