"""Two proportions, and one proportion against a bound, watched at every look without inflating false alarms.

s is the source's share of bad requests, t the target's. Counts may be fractions (they are corrected for bursts).
Plain floats and ``math``: one gate's judgement takes microseconds, and importing this takes nothing.
"""

from functools import lru_cache
from math import acos, cos, exp, inf, log, log1p, pi, sqrt

from cutover.judge.evidence import Count

TUNED_FOR = 300.0
"""The information h (requests) at which the boundary is tightest."""

_ODDS_ABOVE = (1.15, 1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0)
"""The fixed alternatives to "t ≤ bound": its odds, times these. For "t ≥ bound": divided by these."""
_ABOVE = tuple((odds, log(odds)) for odds in _ODDS_ABOVE)
_BELOW = tuple((1 / odds, -log(odds)) for odds in _ODDS_ABOVE)


@lru_cache(maxsize=32)
def mixture_variance(alpha: float) -> float:
    """ρ = 300 / (−2 ln 2α + ln(1 − 2 ln 2α)): makes the boundary tightest at h = 300 (Howard et al. 2021)."""
    a = -2.0 * log(2.0 * alpha)
    return TUNED_FOR / (a + log(1.0 + a))


def information(source_n: float, target_n: float) -> float:
    """Information h = n_s·n_t / (n_s + n_t), in requests."""
    total = source_n + target_n
    return source_n * target_n / total if total else 0.0


def boundary(alpha: float, h: float) -> float:
    """c(α) = √((h+ρ)/h · ln((h+ρ)/(4ρα²))): a null z exceeds it, at any look ever, with probability about α.

    The one-sided normal mixture of Robbins and of Howard, Ramdas, McAuliffe and Sekhon (2021), on z's scale.
    """
    if h <= 0:
        return inf
    rho = mixture_variance(alpha)
    return sqrt((h + rho) / h * log((h + rho) / (4.0 * rho * alpha * alpha)))


def z_difference(source: Count, target: Count, margin: float) -> float:
    """Signed root of the likelihood ratio against t = s + margin: above 0 when t is larger. 0 with an empty side.

    The constrained maximum is the root of a cubic (Farrington and Manning 1990, appendix).
    """
    if not source.total or not target.total:
        return 0.0
    if margin >= 1.0:
        return -inf
    low, high = max(0.0, -margin), min(1.0, 1.0 - margin)
    if margin == 0:
        fitted = (source.bad + target.bad) / (source.total + target.total)
    else:
        fitted = _farrington_manning(source, target, margin) - margin
    fitted = min(high, max(low, fitted))
    root = _root(source, target, fitted, fitted + margin)
    return root if target.share > source.share + margin else -root


def z_ratio(source: Count, target: Count, ratio: float) -> float:
    """Signed root of the likelihood ratio against t = ratio·s: above 0 when t is larger. 0 with an empty side.

    The constrained maximum is the smaller root of a quadratic (Miettinen and Nurminen 1985).
    """
    if not source.total or not target.total:
        return 0.0
    bad = source.bad + target.bad
    a = (source.total + target.total) * ratio
    b = target.total * ratio + target.bad + source.total + source.bad * ratio
    fitted = 2.0 * bad / (b + sqrt(max(0.0, b * b - 4.0 * a * bad)))
    fitted = min(1.0, 1.0 / ratio if ratio else 1.0, fitted)
    root = _root(source, target, fitted, fitted * ratio)
    return root if target.share > ratio * source.share else -root


def log_e_above(count: Count, bound: float) -> float:
    """Natural log of the e-process against "t ≤ bound": at α, t > bound is proven from −ln α up."""
    if bound <= 0:
        return inf if count.bad else -inf
    return _log_mean_ratio(count, bound, _ABOVE) if bound < 1 else -inf


def log_e_below(count: Count, bound: float) -> float:
    """Natural log of the e-process against "t ≥ bound": at α, t < bound is proven from −ln α up."""
    if bound >= 1:
        return inf
    return _log_mean_ratio(count, bound, _BELOW) if bound > 0 else -inf


def _log_mean_ratio(count: Count, bound: float, grid: tuple[tuple[float, float], ...]) -> float:
    """Log of the mean over alternatives a of (a/b)ˣ·((1−a)/(1−b))ⁿ⁻ˣ, b the bound.

    With odds(a) = θ·odds(b) each ratio is θˣ / (1 + b(θ − 1))ⁿ.
    """
    n, bad = count.total, count.bad
    logs = [bad * log_odds - n * log1p(bound * (odds - 1.0)) for odds, log_odds in grid]
    largest = max(logs)
    return largest + log(sum(exp(value - largest) for value in logs) / len(logs))


def _farrington_manning(source: Count, target: Count, margin: float) -> float:
    """Find the target's share that maximises the likelihood under t = s + margin."""
    theta = source.total / target.total
    t, s = target.share, source.share
    a = 1.0 + theta
    b = -(a + t + theta * s + margin * (theta + 2.0))
    c = margin * margin + margin * (2.0 * t + a) + t + theta * s
    d = -t * margin * (1.0 + margin)
    third = b / (3.0 * a)
    v = third**3 - b * c / (6.0 * a * a) + d / (2.0 * a)
    u = sqrt(max(0.0, third * third - c / (3.0 * a)))
    if v < 0:
        u = -u
    cube = u * u * u
    angle = acos(min(1.0, max(-1.0, v / cube))) if cube else 0.0
    return 2.0 * u * cos((pi + angle) / 3.0) - third


def _root(source: Count, target: Count, source_share: float, target_share: float) -> float:
    """√(2·(loglik at the observed shares − loglik at the fitted ones))."""
    distance = _divergence(source, source_share) + _divergence(target, target_share)
    return sqrt(max(0.0, 2.0 * distance))


def _divergence(count: Count, share: float) -> float:
    """n·KL(observed ‖ share), in nats; infinite when the share makes the observation impossible."""
    bad, good = min(count.bad, count.total), max(0.0, count.total - count.bad)
    value = 0.0
    if bad:
        if share <= 0:
            return inf
        value += bad * log(bad / (count.total * share))
    if good:
        if share >= 1:
            return inf
        value += good * log(good / (count.total * (1.0 - share)))
    return max(0.0, value)
