"""How good answers are against labels, by scikit-learn's definitions.

None: the metric is not defined for these items (no items; F1 of a positive class that neither labels
nor answers hold; AUROC of labels of one class). scikit-learn warns then and gives 0 or NaN: a number
that would be compared as if it were one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt

import numpy as np
import numpy.typing as npt

from cutover.api.holdout import Average

Floats = npt.NDArray[np.float64]


def accuracy(labels: Sequence[str], answers: Sequence[str]) -> float | None:
    """Share of answers that are the label (``accuracy_score``); exact match is the same on whole texts."""
    if not labels:
        return None
    return sum(a == b for a, b in zip(labels, answers, strict=True)) / len(labels)


def mean_absolute_error(labels: Floats, answers: Floats) -> float | None:
    """Mean of |answer − label| (``mean_absolute_error``)."""
    return float(np.mean(np.abs(answers - labels))) if labels.size else None


def root_mean_squared_error(labels: Floats, answers: Floats) -> float | None:
    """√ of the mean of (answer − label)² (``root_mean_squared_error``)."""
    return sqrt(float(np.mean((answers - labels) ** 2))) if labels.size else None


# --- F1 -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """One class: how often it is the label, how often the answer, how often both."""

    label: float = 0.0
    answer: float = 0.0
    both: float = 0.0

    @property
    def f1(self) -> float:
        """2·tp / (2·tp + fp + fn); 0 for a class that is nowhere (``zero_division=0``)."""
        sum_ = self.label + self.answer
        return 2.0 * self.both / sum_ if sum_ else 0.0

    @property
    def present(self) -> bool:
        return self.label + self.answer > 0

    def plus(self, *, label: float = 0.0, answer: float = 0.0, both: float = 0.0) -> "ClassCounts":
        """Count that many more."""
        return ClassCounts(self.label + label, self.answer + answer, self.both + both)


NOBODY = ClassCounts()


def class_counts(pairs: Mapping[tuple[str, str], float]) -> dict[str, ClassCounts]:
    """Count by class; ``pairs`` says how often each (label, answer) occurs."""
    found: dict[str, ClassCounts] = {}
    for (label, answer), times in pairs.items():
        hit = times if label == answer else 0.0
        found[label] = found.get(label, NOBODY).plus(label=times, both=hit)
        found[answer] = found.get(answer, NOBODY).plus(answer=times)
    return found


@dataclass(frozen=True, slots=True)
class F1:
    """Which F1."""

    average: Average
    positive: str = ""
    """The class that counts, with Binary."""

    def over(self, pairs: Mapping[tuple[str, str], float]) -> "Scored":
        """Score each (label, answer), which occurs so many times."""
        classes = class_counts(pairs)
        total = _Total(0.0, 0.0)
        for name, counts in classes.items():
            total = total.plus(self.part(name, counts))
        return Scored(self, classes, total)

    def part(self, name: str, counts: ClassCounts) -> "_Total":
        """What one class adds."""
        match self.average:
            case Average.BINARY:
                is_it = name == self.positive and counts.present
                return _Total(counts.f1, 1.0) if is_it else _Total(0.0, 0.0)
            case Average.MACRO:
                return _Total(counts.f1, 1.0) if counts.present else _Total(0.0, 0.0)
            case Average.WEIGHTED:
                return _Total(counts.f1 * counts.label, counts.label)
            case Average.MICRO:
                return _Total(2.0 * counts.both, counts.label + counts.answer)


@dataclass(frozen=True, slots=True)
class Scored:
    """One F1 over all classes, and how it changes with a single item."""

    rule: F1
    classes: Mapping[str, ClassCounts]
    total: "_Total"

    @property
    def value(self) -> float | None:
        """The average over the classes that are a label or an answer (``f1_score``)."""
        return self.total.value

    def changed(
        self, *, without: tuple[str, str], instead: tuple[str, str] | None = None
    ) -> float | None:
        """The value with one (label, answer) less, and with another one in its place."""
        total = self.total
        for name in {*without, *(instead or ())}:
            counts = self.classes.get(name, NOBODY)
            total = total.plus(self.rule.part(name, counts), -1.0)
            counts = _counted(counts, name, without, -1.0)
            if instead is not None:
                counts = _counted(counts, name, instead, 1.0)
            total = total.plus(self.rule.part(name, counts))
        return total.value


@dataclass(frozen=True, slots=True)
class _Total:
    sum: float
    weight: float

    def plus(self, other: "_Total", times: float = 1.0) -> "_Total":
        return _Total(self.sum + times * other.sum, self.weight + times * other.weight)

    @property
    def value(self) -> float | None:
        return self.sum / self.weight if self.weight > 0 else None


def _counted(counts: ClassCounts, name: str, pair: tuple[str, str], times: float) -> ClassCounts:
    label, answer = pair
    return counts.plus(
        label=times * (name == label),
        answer=times * (name == answer),
        both=times * (name == label == answer),
    )


def f1(
    labels: Sequence[str], answers: Sequence[str], average: Average, positive: str = ""
) -> float | None:
    """F1 (``f1_score``); with Binary that of the class ``positive``."""
    pairs = Counter(zip(labels, answers, strict=True))
    return F1(average, positive).over(pairs).value


# --- AUROC --------------------------------------------------------------------------------------


def placements(positive: npt.NDArray[np.bool_], scores: Floats) -> Floats:
    """For each item the share of the other class that it is ranked rightly against; a tie is half.

    The mean over either class is the AUROC (DeLong, DeLong and Clarke-Pearson 1988). Empty where one
    class is missing.
    """
    if positive.all() or not positive.any():
        return np.empty(0)
    found = np.empty(scores.size)
    for mine, sign in ((positive, 1.0), (~positive, -1.0)):
        others = np.sort(sign * scores[~mine])
        below = np.searchsorted(others, sign * scores[mine], side="left")
        not_above = np.searchsorted(others, sign * scores[mine], side="right")
        found[mine] = (below + not_above) / (2.0 * others.size)
    return found


def auroc(positive: npt.NDArray[np.bool_], scores: Floats) -> float | None:
    """Area under the ROC curve (``roc_auc_score``)."""
    placed = placements(positive, scores)
    if not placed.size:
        return None
    return fsum(placed[positive]) / int(positive.sum())
