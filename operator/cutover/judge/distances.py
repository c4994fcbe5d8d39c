r"""How far two distributions are apart, and how far equal ones would be by chance.

p and q are the sides' shares by cell, n and m their sizes, N_eff = n·m/(n+m), B the number of cells. Each
method has a null test of its own at α .01, so that a distance alone, however large, proves nothing, and a
size from which equal sides stay below ``max`` with 99 % probability.

============= ==================================== ===============================================
method        distance                             null test
============= ==================================== ===============================================
PSI           Σ (p−q)·ln(p/q), less (B−1)·(1/n+1/m) N_eff·Σ (p−q)·ln(p/q) ~ χ²(B−1) (Yurdakul 2018)
JS            √(Jensen–Shannon divergence), bits   G test of homogeneity (Wilks): χ²(B−1)
TV            ½·Σ \|p−q\|                          Pearson's χ²(B−1)
ChiSquare     Cramér's V as of equally large sides Pearson's χ²(B−1)
KS            sup \|F−G\|                          Kolmogorov's distribution of √N_eff·D (Smirnov 1948)
Wasserstein   ∫ \|F−G\| dx / sd of the source      ∫ \|Brownian bridge\|, its two moments, as a gamma
============= ==================================== ===============================================

PSI counts half a request more in each cell (Jeffreys), so that an empty cell is not infinitely far: both
its size under equality and its level then agree with χ² (simulated: 0.6-1.0 % at α .01). Grouped KS looks
at the cells' edges alone, where the largest gap need not lie, so its level is below α.
"""

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, gammaincc, gammainccinv, kolmogi, kolmogorov, rel_entr

from cutover.api.drift import DriftMethod
from cutover.judge.distribution import Array, Cells, Ordered, Paired

ALPHA = 0.01
LEAST_SIZE = 30.0
"""N_eff below which no limit theorem is trusted, however wide the limit."""
FARTHEST = 1e6
"""Stands for a distance without bound: every number of a status is finite."""
_NODES = 128
"""Points at which the Brownian bridge is looked at; more change the third figure."""


@dataclass(frozen=True, slots=True)
class Distance:
    """One method's answer."""

    value: float
    """What ``max`` is held against."""
    p: float
    """Probability of at least this distance between equal sides, 0-1."""
    needed: float
    """N_eff from which equal sides stay below ``max`` in 99 of 100 cases."""
    cells: int


def distance(method: DriftMethod, pair: Paired, limit: float) -> Distance:
    """Measure by ``method``; ``limit`` is the gate's ``max`` (> 0). Both sides must have something."""
    if method is DriftMethod.KS:
        return _ks(_ordered(method, pair), limit)
    if method is DriftMethod.WASSERSTEIN:
        return _wasserstein(_ordered(method, pair), limit)
    return _by_cells(method, pair.tested(), limit)


def _ordered(method: DriftMethod, pair: Paired) -> Ordered:
    if not isinstance(pair, Ordered):
        raise TypeError(f"{method} needs an ordered quantity: classes have no order")
    return pair


def _by_cells(method: DriftMethod, cells: Cells, limit: float) -> Distance:
    freedom = max(1, len(cells.source) - 1)
    size, critical = cells.effective, float(chdtri(freedom, ALPHA))
    match method:
        case DriftMethod.PSI:
            raw = psi(cells)
            value = max(0.0, raw - freedom / size) if len(cells.source) > 1 else 0.0
            statistic, needed = size * raw, critical / limit
        case DriftMethod.JS:
            value = jensen_shannon(cells)
            statistic, needed = g_statistic(cells), critical / (8.0 * log(2.0) * limit**2)
        case DriftMethod.TV:
            value = total_variation(cells)
            statistic, needed = pearson(cells), critical / (4.0 * limit**2)
        case _:
            value = cramers_v(cells)
            statistic, needed = pearson(cells), critical / (4.0 * limit**2)
    p = float(chdtrc(freedom, statistic)) if len(cells.source) > 1 else 1.0
    return Distance(value, p, max(LEAST_SIZE, needed), len(cells.source))


# --- by cells -----------------------------------------------------------------------------------


def psi(cells: Cells) -> float:
    """Population stability index Σ (p−q)·ln(p/q), in nats, with half a request more in each cell."""
    p, q = Cells(cells.source + 0.5, cells.target + 0.5).shares
    return float(((p - q) * np.log(p / q)).sum())


def jensen_shannon(cells: Cells) -> float:
    """Jensen–Shannon distance, 0-1: the root of the divergence in bits (Endres and Schindelin 2003)."""
    p, q = cells.shares
    middle = (p + q) / 2.0
    nats = float(rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2.0
    return min(1.0, sqrt(max(0.0, nats) / log(2.0)))


def total_variation(cells: Cells) -> float:
    """Half of Σ |p−q|, 0-1: the share of requests that would have to move to another cell."""
    p, q = cells.shares
    return float(np.abs(p - q).sum()) / 2.0


def cramers_v(cells: Cells) -> float:
    """√(½·Σ (p−q)²/(p+q)), 0-1: Cramér's V of the 2×B table if both sides were equally large.

    V itself falls with the target's weight, down to nothing, for the very same difference.
    """
    p, q = cells.shares
    both = p + q
    terms = np.divide((p - q) ** 2, both, out=np.zeros_like(both), where=both > 0)
    return min(1.0, sqrt(float(terms.sum()) / 2.0))


def pearson(cells: Cells) -> float:
    """Pearson's X² of the 2×B table: N_eff·Σ (p−q)²/π, π the pooled shares."""
    p, q = cells.shares
    pooled = cells.source + cells.target
    pooled = pooled / (pooled.sum() or 1.0)
    terms = np.divide((p - q) ** 2, pooled, out=np.zeros_like(pooled), where=pooled > 0)
    return cells.effective * float(terms.sum())


def g_statistic(cells: Cells) -> float:
    """G = 2·Σ O·ln(O/E) of the 2×B table: 2·(n+m) times the Jensen–Shannon divergence weighted by size."""
    n, m = cells.sizes
    pooled = (cells.source + cells.target) / ((n + m) or 1.0)
    parts = rel_entr(cells.source, pooled * n).sum() + rel_entr(cells.target, pooled * m).sum()
    return max(0.0, 2.0 * float(parts))


# --- by order -----------------------------------------------------------------------------------


def largest_gap(pair: Ordered) -> float:
    """Take sup |F−G| over the cells' edges, 0-1: at most what it is between the samples themselves."""
    return float(np.abs(_gaps(pair)).max())


def _gaps(pair: Ordered) -> Array:
    """F − G at each cell's upper edge."""
    p, q = pair.shares
    return np.cumsum(p) - np.cumsum(q)


def _ks(pair: Ordered, limit: float) -> Distance:
    gap = largest_gap(pair)
    p = float(kolmogorov(sqrt(pair.effective) * gap))
    needed = (float(kolmogi(ALPHA)) / limit) ** 2
    return Distance(gap, p, max(LEAST_SIZE, needed), len(pair.source))


def area(pair: Ordered) -> float:
    """∫ |F−G| dx (Wasserstein-1) in the quantity's unit; what lies above the last finite edge is left out.

    Between edges F and G are taken to be straight and the area by the trapezoid rule; with a cell for
    every distinct value they are the steps that they are, and the area is exact.
    """
    at, widths = _nodes(pair)
    return float((np.abs(_gaps(pair)[at]) * widths).sum()) + pair.beyond


def source_sd(pair: Ordered) -> float:
    """Standard deviation of the source below the last finite edge, spread evenly within each cell."""
    if pair.sd is not None:
        return pair.sd
    closed = np.isfinite(pair.edges[1:])
    low, high, counts = pair.edges[:-1][closed], pair.edges[1:][closed], pair.source[closed]
    if not counts.sum():
        return 0.0
    middle = high if pair.atoms else (low + high) / 2.0
    within = 0.0 if pair.atoms else (high - low) ** 2 / 12.0
    mean = np.average(middle, weights=counts)
    return sqrt(float(np.average((middle - mean) ** 2 + within, weights=counts)))


def _nodes(pair: Ordered) -> tuple[NDArray[np.intp], Array]:
    """Which upper edges carry the area between the CDFs, and how much of the axis each stands for."""
    uppers = pair.edges[1:]
    at = np.flatnonzero(np.isfinite(uppers))
    if pair.atoms:
        at = at[:-1]
        return at, np.diff(uppers)[at]
    steps = np.diff(pair.edges)[at]
    widths = steps / 2.0
    widths[:-1] += steps[1:] / 2.0
    return at, widths


def _wasserstein(pair: Ordered, limit: float) -> Distance:
    moved, sd = area(pair), source_sd(pair)
    mean, variance = _bridge_area(pair)
    value = min(FARTHEST, moved / sd) if sd > 0 else (FARTHEST if moved > 0 else 0.0)
    if variance <= 0 or mean <= 0:
        return Distance(value, 1.0, LEAST_SIZE, len(pair.source))
    shape, scale = mean * mean / variance, variance / mean
    p = float(gammaincc(shape, sqrt(pair.effective) * moved / scale))
    if sd <= 0:
        return Distance(value, p, LEAST_SIZE, len(pair.source))
    needed = (float(gammainccinv(shape, ALPHA)) * scale / (sd * limit)) ** 2
    return Distance(value, p, max(LEAST_SIZE, needed), len(pair.source))


def _bridge_area(pair: Ordered) -> tuple[float, float]:
    """Mean and variance of ∫ |B(F(x))| dx, B the Brownian bridge: what √N_eff·∫ |F−G| tends to if F = G.

    Of two joint normals with mean 0, deviations s, t and correlation r, E|X| = s·√(2/π) and
    E|X·Y| = s·t·(2/π)·(√(1−r²) + r·asin r) (Nabeya 1951).
    """
    at, widths = _nodes(pair)
    if not len(at):
        return 0.0, 0.0
    pooled = pair.source + pair.target
    below = np.cumsum(pooled)[at] / pooled.sum()
    below, widths = _thinned(below, widths)
    spread = np.sqrt(below * (1.0 - below))
    kept = spread > 1e-9
    below, widths, spread = below[kept], widths[kept], spread[kept]
    if not len(below):
        return 0.0, 0.0
    odds = np.sqrt(below / (1.0 - below))
    r = np.minimum.outer(odds, odds) / np.maximum.outer(odds, odds)
    weights = widths * spread
    products = np.outer(weights, weights) * (2.0 / pi)
    together = np.sqrt(np.maximum(0.0, 1.0 - r * r)) + r * np.arcsin(r)
    mean = sqrt(2.0 / pi) * float(weights.sum())
    return mean, max(0.0, float((products * together).sum()) - mean * mean)


def _thinned(below: Array, widths: Array) -> tuple[Array, Array]:
    """Stand for neighbouring points by one that has their widths."""
    if len(below) <= _NODES:
        return below, widths
    begins = np.linspace(0, len(below), _NODES, endpoint=False).astype(np.intp)
    sums = np.add.reduceat(widths, begins)
    middles = np.add.reduceat(below * widths, begins)
    return np.where(sums > 0, middles / np.where(sums > 0, sums, 1.0), 0.0), sums
