"""One side's requests dealt out to two: each goes to the target by chance, as the weight says."""

from dataclasses import dataclass

import numpy as np

from cutover.foresight.past import Floats, GatePast
from cutover.judge.evidence import Count


@dataclass(frozen=True, slots=True)
class Harm:
    """What is wrong with the target; nothing, for an A/A."""

    slower: bool = False
    """Its latencies are those of :attr:`cutover.foresight.past.GatePast.worse`."""
    failing: float = 0.0
    """So many more of its requests fail, 0-1."""


SOUND = Harm()


@dataclass(frozen=True, slots=True)
class Dealt:
    """Both sides' looks of one gate under one weight."""

    source: Floats
    source_bad: Floats
    target: Floats
    target_bad: Floats

    def at(self, look: int) -> tuple[Count, Count]:
        return (
            Count(float(self.source[look]), float(self.source_bad[look])),
            Count(float(self.target[look]), float(self.target_bad[look])),
        )


def deal(
    one: GatePast, begin: int, end: int, weight: int, harm: Harm, *, rng: np.random.Generator
) -> Dealt:
    """Deal out the requests of looks ``begin`` to ``end`` by chance; the target's share is ``weight`` percent.

    Harm is done to requests of the target that were good: each becomes bad with the chance that makes
    up the difference.
    """
    total = np.rint(np.nan_to_num(one.total[begin:end])).astype(np.int64)
    bad = np.minimum(np.rint(np.nan_to_num(one.bad[begin:end])).astype(np.int64), total)
    share = weight / 100.0
    target_bad, target_good = rng.binomial(bad, share), rng.binomial(total - bad, share)
    source, source_bad = total - target_bad - target_good, bad - target_bad
    chance = np.zeros(len(total))
    if harm.slower and one.edge_seconds:
        worse = np.nan_to_num(one.worse[begin:end])
        chance = np.clip((worse - bad) / np.maximum(total - bad, 1), 0.0, 1.0)
    elif harm.failing and not one.edge_seconds:
        chance += harm.failing
    hurt = rng.binomial(target_good, chance)
    parts = (source, source_bad, target_bad + target_good, target_bad + hurt)
    return Dealt(*(part.astype(np.float64) for part in parts))
