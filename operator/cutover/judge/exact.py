"""Exact bounds of one share, looked at once: what no sample, however clean, can show more of.

Clopper and Pearson (1934): the upper bound is the quantile of Beta(k + 1, n − k), the lower one of
Beta(k, n − k + 1). With no bad one of n the 95 % upper bound is about 3/n.
"""

from math import ceil, log, log1p
from typing import Final

from scipy.special import betaincinv

SURE: Final = 0.95
MOST: Final = 10**9


def upper(bad: float, total: float, sure: float = SURE) -> float:
    """Return the share (0-1) that the true one does not exceed, ``sure`` (0-1); 1.0 of nothing."""
    if total <= 0 or bad >= total:
        return 1.0
    return float(betaincinv(bad + 1.0, total - bad, sure))


def lower(bad: float, total: float, sure: float = SURE) -> float:
    """Return the share (0-1) that the true one does not fall below, ``sure`` (0-1)."""
    if total <= 0 or bad <= 0:
        return 0.0
    return float(betaincinv(min(bad, total), max(0.0, total - bad) + 1.0, 1.0 - sure))


def clean_needed(limit: float, sure: float = SURE) -> int:
    """How many, none of them bad, show that the share is at most ``limit`` (0-1, exclusive)."""
    return ceil(log(1.0 - sure) / log1p(-limit))


def total_needed(bad: int, limit: float, sure: float = SURE) -> int:
    """How many, ``bad`` of them bad and no more, show that the share is at most ``limit``."""
    low, high = bad, max(bad + 1, clean_needed(limit, sure))
    while upper(bad, high, sure) > limit:
        low, high = high, 2 * high
        if high > MOST:
            return MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if upper(bad, middle, sure) <= limit else (middle, high)
    return high
