"""From both sides' answers to the same labelled items to one contrast of a metric."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import sqrt
from typing import Self

import numpy as np
import numpy.typing as npt

from cutover.judge.contrast import Estimated, PairedShares
from cutover.judge.scores import F1, Floats, Scored, placements


@dataclass(frozen=True, slots=True)
class Undefined:
    """The metric is no number for these items: why, in words."""

    why: str


NO_ITEMS = Undefined("there are no items")


def right_answers(
    labels: Sequence[str], source: Sequence[str], target: Sequence[str]
) -> PairedShares | Undefined:
    """Accuracy and exact match."""
    if not labels:
        return NO_ITEMS
    s = np.fromiter((a == b for a, b in zip(labels, source, strict=True)), bool, len(labels))
    t = np.fromiter((a == b for a, b in zip(labels, target, strict=True)), bool, len(labels))
    return right_or_wrong(s, t)


def right_or_wrong(
    source: npt.NDArray[np.bool_], target: npt.NDArray[np.bool_]
) -> PairedShares | Undefined:
    """The same, from which answers are right."""
    if not source.size:
        return NO_ITEMS
    return PairedShares(
        items=source.size,
        both=int((source & target).sum()),
        only_source=int((source & ~target).sum()),
        only_target=int((target & ~source).sum()),
    )


# --- F1 -----------------------------------------------------------------------------------------


def f1(
    rule: F1, labels: Sequence[str], source: Sequence[str], target: Sequence[str]
) -> Estimated | Undefined:
    """F1 of both sides."""
    return f1_of(rule, Counter(zip(labels, source, target, strict=True)))


def f1_of(rule: F1, triples: Mapping[tuple[str, str, str], int]) -> Estimated | Undefined:
    """The same, from how often each (label, source's answer, target's answer) occurs.

    The standard error of the difference is the jackknife's (Miller 1974): each item left out in turn.
    """
    items = sum(triples.values())
    if not items:
        return NO_ITEMS
    s = rule.over(_pairs(triples, 1))
    t = rule.over(_pairs(triples, 2))
    if s.value is None or t.value is None:
        return Undefined(f"neither labels nor answers hold the positive class {rule.positive}")
    left_out: list[float] = []
    for label, mine, other in triples:
        without_s = s.changed(without=(label, mine))
        without_t = t.changed(without=(label, other))
        if without_s is None or without_t is None:
            return Undefined("it rests on a single item")
        left_out.append(without_t - without_s)
    return Estimated(
        source=s.value,
        target=t.value,
        difference=t.value - s.value,
        standard_error=_jackknife(np.array(left_out), np.array(list(triples.values()))),
        items=items,
        degrees=items - 1,
        differing=sum(n for (_, mine, other), n in triples.items() if mine != other),
        influence=items * max(_most_changed(s), _most_changed(t)),
    )


def _pairs(triples: Mapping[tuple[str, str, str], int], side: int) -> Mapping[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for triple, times in triples.items():
        found[triple[0], triple[side]] += times
    return found


def _most_changed(scored: Scored) -> float:
    """By how much one other answer can change an F1 at most: a right one that becomes a wrong one.

    Of the wrong ones those that name a rare class do the most harm.
    """
    value = scored.value or 0.0
    rarest = sorted(scored.classes, key=lambda name: scored.classes[name].label)[:3]
    largest = 0.0
    for label in scored.classes:
        if not scored.classes[label].both:
            continue
        for wrong in [name for name in rarest if name != label] or [f"not {label}"]:
            changed = scored.changed(without=(label, label), instead=(label, wrong))
            largest = max(largest, abs(value - changed) if changed is not None else 0.0)
    return largest


def _jackknife(left_out: Floats, times: npt.NDArray[np.int64]) -> float:
    """√((n−1)/n · Σ(θ₍ᵢ₎ − mean)²), each θ₍ᵢ₎ so many times."""
    n = float(times.sum())
    mean = float((left_out * times).sum()) / n
    return sqrt((n - 1.0) / n * float((times * (left_out - mean) ** 2).sum()))


# --- errors in numbers --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ErrorSums:
    """Sums over items of both sides' errors: absolute ones for MAE, squared ones for RMSE."""

    power: float
    """1 for MAE, ½ for RMSE: of the mean error."""
    items: float = 0.0
    source: float = 0.0
    target: float = 0.0
    source_squared: float = 0.0
    target_squared: float = 0.0
    product: float = 0.0
    differing: float = 0.0
    largest: float = 0.0
    """The largest error of either side."""
    label: float = 0.0
    label_squared: float = 0.0

    def plus(self, label: float, source: float, target: float) -> Self:
        """Add one item: what is true, and what both sides said."""
        s, t = (abs(answer - label) ** (1.0 / self.power) for answer in (source, target))
        return type(self)(
            self.power,
            self.items + 1.0,
            self.source + s,
            self.target + t,
            self.source_squared + s * s,
            self.target_squared + t * t,
            self.product + s * t,
            self.differing + (s != t),
            max(self.largest, s, t),
            self.label + label,
            self.label_squared + label * label,
        )

    def numbers(self) -> list[float]:
        """All but the power."""
        return [getattr(self, one.name) for one in fields(self)][1:]

    def contrast(self) -> Estimated | Undefined:
        """(Σ target / Σ source)^power − 1, with the delta method's standard error (Cramér 1946)."""
        n = self.items
        if not n:
            return NO_ITEMS
        if not self.source or n < 2:
            return Undefined("the source makes no error, so there is nothing to compare with")
        ratio = self.target / self.source
        squares = self.target_squared - 2.0 * ratio * self.product
        squares = max(0.0, squares + ratio * ratio * self.source_squared)
        slope = self.power * ratio ** (self.power - 1.0) if ratio else self.power
        spread = max(0.0, self.label_squared / n - (self.label / n) ** 2) ** (0.5 / self.power)
        return Estimated(
            source=(self.source / n) ** self.power,
            target=(self.target / n) ** self.power,
            difference=ratio**self.power - 1.0,
            standard_error=slope * sqrt(squares * n / (n - 1.0)) / self.source,
            items=round(n),
            degrees=n - 1.0,
            differing=self.differing,
            influence=self.power * max(self.largest, spread) * n / self.source,
        )


# --- AUROC --------------------------------------------------------------------------------------


def auroc(positive: npt.NDArray[np.bool_], source: Floats, target: Floats) -> Estimated | Undefined:
    """AUROC with DeLong's standard error of the difference (DeLong, DeLong and Clarke-Pearson 1988)."""
    s, t = placements(positive, source), placements(positive, target)
    if not s.size:
        return Undefined("the labels hold one class only, so nothing can be ranked")
    apart = t - s
    up, down = apart[positive], apart[~positive]
    if min(up.size, down.size) < 2:
        return Undefined("one class has a single item")
    return Estimated(
        source=float(s[positive].mean()),
        target=float(t[positive].mean()),
        difference=float(up.mean()),
        standard_error=sqrt(up.var(ddof=1) / up.size + down.var(ddof=1) / down.size),
        items=positive.size,
        degrees=min(up.size, down.size) - 1,
        differing=int((apart != 0).sum()),
        influence=positive.size / min(up.size, down.size),
    )
