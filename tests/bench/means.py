"""How often does the gate on a mean err, and how soon does it see? `python -m tests.bench.means`

Whole steps of looks, seeded. Requests take lognormal time (σ 1: the mean is 1.65 medians); looks hang
together by a first-order autoregression of the log of the load that both sides share, and one of each side
alone; some looks are ten times slower on one side (bursts).
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cutover.judge.meanrule import MeanReason, MeanRule, MeanTerms, reason_of
from cutover.judge.means import MeanEvidence, Total

RULE = MeanRule("mean", "EndToEnd", 0.10)


@dataclass(frozen=True)
class World:
    """One step at one weight."""

    requests: float = 1000.0
    """A look, both sides together."""
    weight: float = 50.0
    sigma: float = 1.0
    shared: float = 0.1
    """Standard deviation over looks of the log of what slows both sides."""
    own: float = 0.02
    """The same of each side alone."""
    phi: float = 0.5
    """How much of both remains in the next look."""
    bursts: float = 0.0
    """Share of looks that are ten times slower on one side."""
    slower: float = 1.0
    """The target's mean, in the source's."""


def steps(world: World, looks: int, count: int, seed: int) -> Iterator[list[tuple[Total, Total]]]:
    """As many steps, each of so many looks."""
    rng = np.random.default_rng(seed)
    share = world.weight / 100.0
    for _ in range(count):
        drift = np.zeros(3)
        sizes = np.array([world.shared, world.own, world.own])
        drift = rng.normal(0.0, sizes)
        step = []
        for _ in range(looks):
            fresh = np.sqrt(1.0 - world.phi**2)
            drift = world.phi * drift + fresh * rng.normal(0.0, sizes)
            totals = []
            for side, part, times in ((1, 1.0 - share, 1.0), (2, share, world.slower)):
                n = rng.poisson(world.requests * part)
                burst = 10.0 if world.bursts and rng.random() < world.bursts else 1.0
                level = 0.1 * times * burst * np.exp(drift[0] + drift[side])
                taken = level * rng.lognormal(-(world.sigma**2) / 2.0, world.sigma, n).sum()
                totals.append(Total(float(taken), float(n)))
            step.append((totals[0], totals[1]))
        yield step


def outcome(world: World, step: list[tuple[Total, Total]]) -> tuple[MeanReason, int]:
    """The first Pass or Fail and its look, as a rollout would take it; minimum duration ten looks."""
    evidence = MeanEvidence()
    reason = MeanReason.NOT_PROVEN
    for number, (source, target) in enumerate(step, 1):
        evidence = evidence.add(source, target)
        terms = MeanTerms(world.weight, 300, number >= 10)
        reason = reason_of(RULE, evidence, terms)
        if reason in (MeanReason.WITHIN_INCREASE, MeanReason.SLOWER_THAN_SOURCE):
            return reason, number
    return reason, len(step)


def told(world: World, looks: int, count: int, seed: int = 1) -> dict[str, float]:
    """Shares of steps that passed and failed, and the median look of each."""
    found: dict[MeanReason, list[int]] = {}
    for step in steps(world, looks, count, seed):
        reason, look = outcome(world, step)
        found.setdefault(reason, []).append(look)
    passed = found.get(MeanReason.WITHIN_INCREASE, [])
    failed = found.get(MeanReason.SLOWER_THAN_SOURCE, [])
    return {
        "pass": len(passed) / count,
        "fail": len(failed) / count,
        "pass look": float(np.median(passed)) if passed else 0.0,
        "fail look": float(np.median(failed)) if failed else 0.0,
    }


CASES = {
    "equal, 50/50": World(),
    "equal, 95/5": World(weight=5.0),
    "equal, 99/1": World(weight=1.0),
    "equal, 99/1, 10 requests/s": World(weight=1.0, requests=300.0),
    "equal, 50/50, sides drift (own 0.1, φ 0.8)": World(own=0.1, phi=0.8),
    "equal, 50/50, 2 % of looks ten times slower": World(bursts=0.02),
    "equal, 50/50, σ 1.5": World(sigma=1.5),
    "at the limit (1.10), 50/50": World(slower=1.10),
    "at the limit (1.10), 50/50, φ 0.8, own 0.05": World(slower=1.10, own=0.05, phi=0.8),
    "at the coarse limit (1.40), 99/1": World(slower=1.40, weight=1.0),
    "1.15, 50/50": World(slower=1.15),
    "1.25, 50/50": World(slower=1.25),
    "1.5, 95/5": World(slower=1.5, weight=5.0),
    "2, 99/1": World(slower=2.0, weight=1.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000, help="of each case")
    parser.add_argument("--looks", type=int, default=120, help="of each step, 30 s each")
    wanted = parser.parse_args()
    print(f"{f'limit +10 %, {wanted.looks} looks':<48}  pass  at    fail  at")
    for name, world in CASES.items():
        t = told(world, wanted.looks, wanted.steps)
        print(
            f"{name:<48} {t['pass']:6.1%} {t['pass look']:3.0f}  {t['fail']:6.2%} {t['fail look']:3.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
