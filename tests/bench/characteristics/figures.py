"""What is counted of a run, how sure that is, and where it is kept."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import betaincinv

from tests.bench.characteristics.outcome import End
from tests.bench.characteristics.worlds import LOOK_SECONDS


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of k of n, 0-1."""
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high


@dataclass(frozen=True)
class PlanEnd:
    """How one plan went."""

    end: End
    looks: int
    blame: str = ""
    """Gate and weight, where it did not finish."""


@dataclass(frozen=True)
class PlanFigures:
    """One world under one rule."""

    world: str
    rule: str
    n: int
    seed: int
    ends: dict[str, int]
    hours: tuple[float, float, float] | None
    """5 %, median and 95 % of the plans that finished."""
    blame: str

    def count(self, *ends: End) -> int:
        return sum(self.ends.get(end.value, 0) for end in ends)

    @classmethod
    def of(cls, world: str, rule: str, seed: int, plans: Sequence[PlanEnd]) -> "PlanFigures":
        ends = Counter(plan.end.value for plan in plans)
        hours = [plan.looks * LOOK_SECONDS / 3600 for plan in plans if plan.end is End.PASSED]
        low, median, high = np.quantile(hours, [0.05, 0.5, 0.95]) if hours else (0.0,) * 3
        blame = Counter(plan.blame for plan in plans if plan.blame).most_common(3)
        return cls(
            world,
            rule,
            len(plans),
            seed,
            dict(ends),
            (round(low, 3), round(median, 3), round(high, 3)) if hours else None,
            " ".join(f"{what}×{times}" for what, times in blame),
        )


@dataclass(frozen=True)
class PowerFigures:
    """One change under one rule, at one step."""

    change: str
    rule: str
    n: int
    seed: int
    caught_by: list[int]
    """How many were called back by each look since ``settle``, from the first on."""
    passed: int
    """How many steps passed instead."""

    @property
    def caught(self) -> int:
        return self.caught_by[-1]

    @property
    def median(self) -> int | None:
        """The look by which half were caught."""
        return next((i for i, k in enumerate(self.caught_by, 1) if 2 * k >= self.n), None)

    @property
    def sure(self) -> int | None:
        """The look by which 99 % were caught."""
        return next((i for i, k in enumerate(self.caught_by, 1) if k >= 0.99 * self.n), None)

    def by(self, look: int) -> int:
        return self.caught_by[min(look, len(self.caught_by)) - 1]


@dataclass(frozen=True)
class Results:
    """Everything a document is written from."""

    plans: list[PlanFigures]
    power: list[PowerFigures]
    fixed: dict[str, int | None]
    """By change: looks the best fixed-size test needs; None: more than it could have."""

    def over(self, older: "Results") -> "Results":
        """Keep what the older ones have besides."""
        plans = {(one.world, one.rule): one for one in (*older.plans, *self.plans)}
        power = {(one.change, one.rule): one for one in (*older.power, *self.power)}
        return Results(list(plans.values()), list(power.values()), {**older.fixed, **self.fixed})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Results":
        plans = [
            PlanFigures(**{**one, "hours": tuple(one["hours"]) if one["hours"] else None})
            for one in found["plans"]
        ]
        return cls(plans, [PowerFigures(**one) for one in found["power"]], found["fixed"])


NOTHING = Results([], [], {})
