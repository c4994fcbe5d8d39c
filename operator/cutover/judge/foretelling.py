"""How many target requests a gate needs before it passes in nine steps out of ten, in closed form.

:func:`cutover.judge.comparison.requests_needed` expects what happens on average, and half of the steps take
longer. Here both sides are as unlucky as in one step of ten: with σ² = s(1 − s)·(1/n_t + 1/n_s) the two
shares lie 1.5 σ apart, each moved by its own part of the variance. Held against simulated steps
(`tests/unit/judge/test_foretelling.py`) that is 0.7 to 1.3 times the true ninth decile (0.5 from weight 50 on), at a
thousandth of the cost.
"""

from functools import lru_cache
from math import sqrt
from typing import Final

from cutover.judge.comparison import IN_SIGHT, below_limit, first_growth
from cutover.judge.errors import ErrorRule
from cutover.judge.evidence import Count, Reference
from cutover.judge.latency import LatencyRule
from cutover.judge.terms import Rule, Sides, Terms

UNLUCKY: Final = 1.5
"""Standard deviations; 1.28 for one gate, and a little more since several have to pass."""


@lru_cache(maxsize=4096)
def requests_for_a_pass(
    rule: LatencyRule | ErrorRule,
    *,
    share: float,
    weight: float,
    min_requests: int,
    reference: Reference | None = None,
) -> float | None:
    """Return target requests; both sides' share of bad ones is ``share`` (0-1).

    ``weight`` in percent; at 100 a ``reference`` stands in for the source. None: not within a million.
    """
    terms = Terms(weight, min_requests, True, reference, 0.0)

    def passes(growth: float) -> bool:
        return _passes(rule, terms, share, terms.needed * growth)

    if passes(1.0):
        return terms.needed
    growth = first_growth(passes, IN_SIGHT / terms.needed)
    return None if growth is None else terms.needed * growth


def _passes(rule: Rule, terms: Terms, share: float, requests: float) -> bool:
    frozen = terms.reference
    source = frozen.n if frozen else requests * (100.0 - terms.weight) / terms.weight
    spread = share * (1.0 - share)
    if not terms.alone and source > 0:
        ours, theirs = spread / requests, spread / source
        apart = sqrt(ours + theirs) or 1.0
        sides = Sides(
            _count(source, share - UNLUCKY * theirs / apart),
            _count(requests, share + UNLUCKY * ours / apart),
        )
        if rule.within_margin(sides, terms.slack):
            return True
    if not terms.limit_passes(rule):
        return False
    alone = _count(requests, share + UNLUCKY * sqrt(spread / requests))
    return below_limit(Sides(_count(source, share), alone), rule.limit * terms.slack)


def _count(total: float, share: float) -> Count:
    return Count(total, total * min(1.0, max(0.0, share)))
