"""Two means, watched at every look: for servers that tell sums of time and nothing about single requests.

What one request took is not known, so the unit is the look: its summed time and its number of events on
both sides. The difference of the means is a ratio estimate, and its variance is taken between looks
(Cochran, "Sampling Techniques", 1977, §6.3), which holds however requests within a look hang together;
what moves both sides in the same look cancels out. Looks that resemble their neighbours count less: by
(1 + φ)/(1 − φ), φ their correlation at lag one, as in a first-order autoregression.

The boundary is the one of the other gates (:func:`cutover.judge.proportions.boundary`) with the variance
estimated: the t-statistic's Bayes factor with a normal prior on the effect and the right Haar prior on the
scale (Gönen et al. 2005), which is an e-process for normal looks (Wang and Ramdas, "Anytime-valid t-tests
and confidence sequences for Gaussian means with unknown variance", 2025) and for many looks the same as the
normal mixture. Means of looks are normal enough where they hold a few tens of events, or many looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite, log, log1p
from typing import Final

TUNED_FOR: Final = 20.0
"""Looks at which the boundary is tightest."""
FEWEST_LOOKS: Final = 5.0
"""Effective looks below which no variance is believed."""
_MOST_ALIKE: Final = 0.9
"""No lag-one correlation beyond this is believed: few looks would show it by chance."""
_DUST: Final = 1e-6

_PARTS: Final = 4
"""Of a look: the source's time and events, the target's time and events."""
_PAIRS: Final = tuple((i, j) for i in range(_PARTS) for j in range(i, _PARTS))


@dataclass(frozen=True, slots=True)
class Total:
    """One side in one look, or since the evidence began."""

    seconds: float = 0.0
    """The time of all events together."""
    events: float = 0.0

    @property
    def mean(self) -> float:
        """Seconds of one event; 0 without any."""
        return self.seconds / self.events if self.events else 0.0


@dataclass(frozen=True, slots=True)
class MeanReference:
    """The source's mean of the last step in which it could be compared with."""

    mean: float
    variance: float
    """Of that mean, in seconds squared."""
    events: float


@dataclass(frozen=True, slots=True)
class MeanEvidence:
    """Sums over looks in which something was counted: 33 numbers, whatever their number."""

    looks: float = 0.0
    sums: tuple[float, ...] = (0.0,) * _PARTS
    """Σv, v = (source seconds, source events, target seconds, target events) of a look."""
    squares: tuple[float, ...] = (0.0,) * len(_PAIRS)
    """Σvᵢvⱼ, the upper triangle row by row."""
    neighbours: tuple[float, ...] = (0.0,) * len(_PAIRS)
    """Σ(vᵢv′ⱼ + vⱼv′ᵢ)/2, v′ the look before."""
    last: tuple[float, ...] = (0.0,) * _PARTS
    counted: tuple[float, ...] = (0.0,) * _PARTS
    """All that was there since the evidence began; of what came at once only one look's worth is in the sums."""

    @property
    def source(self) -> Total:
        return Total(self.sums[0], self.sums[1])

    @property
    def target(self) -> Total:
        return Total(self.sums[2], self.sums[3])

    def upto(self, source: Total, target: Total, looks: float) -> "MeanEvidence":
        """Add what came since the last look, given all there is since the evidence began.

        As many ``looks`` as would have been taken lie in it. How they differed is not known, and as one look
        they would outweigh all that follow: they count as one, of their mean.
        """
        there = (source.seconds, source.events, target.seconds, target.events)
        came = [max(0.0, a - b) / max(1.0, looks) for a, b in zip(there, self.counted, strict=True)]
        return replace(self.add(Total(*came[:2]), Total(*came[2:])), counted=there)

    def add(self, source: Total, target: Total) -> "MeanEvidence":
        """Add one look; one without any event on the target is none."""
        if target.events < _DUST:
            return self
        now, last = (source.seconds, source.events, target.seconds, target.events), self.last
        return MeanEvidence(
            self.looks + 1,
            tuple(a + b for a, b in zip(self.sums, now, strict=True)),
            tuple(s + now[i] * now[j] for s, (i, j) in zip(self.squares, _PAIRS, strict=True)),
            tuple(
                s + (now[i] * last[j] + now[j] * last[i]) / 2.0
                for s, (i, j) in zip(self.neighbours, _PAIRS, strict=True)
            ),
            now,
            tuple(a + b for a, b in zip(self.counted, now, strict=True)),
        )

    def numbers(self) -> list[float]:
        """33 plain numbers for the status; :meth:`from_numbers` is the way back."""
        return [self.looks, *self.sums, *self.squares, *self.neighbours, *self.last, *self.counted]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> "MeanEvidence":
        if len(numbers) != 33 or not all(isfinite(number) and number >= 0 for number in numbers):
            raise ValueError("evidence of means is 33 finite numbers from 0 up")
        one = tuple(numbers)
        return cls(one[0], one[1:5], one[5:15], one[15:25], one[25:29], one[29:])


@dataclass(frozen=True, slots=True)
class Contrast:
    """By how much the target's mean differs from ``ratio`` times the source's."""

    difference: float
    """Seconds; above 0: the target is slower than that."""
    variance: float
    looks: float
    """Effective ones: of unequal size or alike they are fewer."""


def contrast(
    evidence: MeanEvidence, ratio: float, reference: MeanReference | None = None
) -> Contrast | None:
    """Compare; with a ``reference`` the source's looks count for nothing. None: of fewer than two looks."""
    source, target = evidence.source, evidence.target
    if target.events <= 0 or (reference is None and source.events <= 0):
        return None
    # Each look's share in the difference, linearised: r = c·v, and Σr = 0.
    against = (1.0 / target.events, -target.mean / target.events)
    if reference is None:
        weight = ratio / source.events
        coefficients = (-weight, weight * source.mean, *against)
    else:
        coefficients = (0.0, 0.0, *against)
    total = _form(evidence.squares, coefficients)
    looks = _kish(evidence, 3)
    if reference is None:
        looks = min(looks, _kish(evidence, 1))
    if looks < 2:
        return None
    total = max(0.0, total)
    seen = _form(evidence.neighbours, coefficients) / total if total else 0.0
    phi = min(_MOST_ALIKE, max(0.0, seen + (1.0 + 3.0 * max(0.0, seen)) / looks))  # Kendall 1954
    inflation = (1.0 + phi) / (1.0 - phi)
    variance = total * looks / (looks - 1.0) * inflation
    effective = looks / inflation
    if reference is None:
        return Contrast(target.mean - ratio * source.mean, variance, effective)
    known = ratio * ratio * reference.variance
    return Contrast(target.mean - ratio * reference.mean, variance + known, effective)


def freeze_mean(evidence: MeanEvidence) -> MeanReference | None:
    """Keep the source's mean and its variance for later steps; None: of fewer than two looks."""
    mirrored = MeanEvidence(
        evidence.looks,
        _swapped(evidence.sums),
        _swapped_pairs(evidence.squares),
        _swapped_pairs(evidence.neighbours),
        _swapped(evidence.last),
    )
    nothing = MeanReference(0.0, 0.0, 0.0)
    found = contrast(mirrored, 0.0, nothing) if evidence.source.events > 0 else None
    if found is None:
        return None
    return MeanReference(evidence.source.mean, found.variance, evidence.source.events)


def proven(found: Contrast | None, alpha: float, *, above: bool) -> bool:
    """Whether the difference is proven above (or below) 0, at any look ever with error about ``alpha``."""
    if found is None or found.looks < FEWEST_LOOKS or not found.difference:
        return False
    if (found.difference > 0) is not above:
        return False
    if not found.variance:
        return True
    n, rho = found.looks, _prior(alpha)
    t_square = found.difference**2 / found.variance / (n - 1.0)
    shrunk = rho / (n + rho)
    log_e = 0.5 * log(shrunk) + 0.5 * n * (log1p(t_square) - log1p(shrunk * t_square))
    return log_e >= -log(2.0 * alpha)


@lru_cache(maxsize=8)
def _prior(alpha: float) -> float:
    """ρ as in :func:`cutover.judge.proportions.mixture_variance`, in looks."""
    a = -2.0 * log(2.0 * alpha)
    return TUNED_FOR / (a + log(1.0 + a))


def _form(moments: tuple[float, ...], c: tuple[float, ...]) -> float:
    """cᵀMc of a symmetric matrix kept as its upper triangle."""
    return sum(
        m * c[i] * c[j] * (1.0 if i == j else 2.0)
        for m, (i, j) in zip(moments, _PAIRS, strict=True)
    )


def _kish(evidence: MeanEvidence, part: int) -> float:
    """(Σn)²/Σn²: how many looks of equal size say as much."""
    square = evidence.squares[_PAIRS.index((part, part))]
    return evidence.sums[part] ** 2 / square if square else 0.0


def _swapped(parts: tuple[float, ...]) -> tuple[float, ...]:
    return (*parts[2:], *parts[:2])


def _swapped_pairs(moments: tuple[float, ...]) -> tuple[float, ...]:
    at = dict(zip(_PAIRS, moments, strict=True))
    turned = {0: 2, 1: 3, 2: 0, 3: 1}
    return tuple(at[min(a, b), max(a, b)] for a, b in ((turned[i], turned[j]) for i, j in _PAIRS))
