"""What a holdout gate makes of both sides' answers to labelled golden inputs, as they come in."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np

from cutover.api.holdout import Average, HoldoutMetric
from cutover.judge import paired
from cutover.judge.contrast import Contrast, PairedShares
from cutover.judge.golden import Answer, Item, Unanswered
from cutover.judge.paired import ErrorSums, Undefined
from cutover.judge.predictions import (
    Where,
    as_class,
    as_number,
    as_score,
    as_whole,
    label_number,
    label_text,
)
from cutover.judge.scores import F1

UNREADABLE: Final = "\0"
"""The class of an answer that holds none: no label is written so."""
MOST_CLASSES: Final = 200
"""With more, answers are texts and no classes."""
Triple = tuple[Any, Any, Any]
"""Label, the source's answer, the target's."""
SHARES: Final = frozenset({HoldoutMetric.ACCURACY, HoldoutMetric.EXACT_MATCH})
NUMBERS: Final = frozenset({HoldoutMetric.MAE, HoldoutMetric.RMSE})


@dataclass(frozen=True, slots=True)
class Task:
    """What is computed, and how predictions are read."""

    metric: HoldoutMetric
    average: Average = Average.BINARY
    """Of F1."""
    positive: str = ""
    """The class that counts, with AUROC and binary F1."""
    where: Where = field(default_factory=Where)

    @property
    def counts_right_answers(self) -> bool:
        """Micro-averaged over single labels, F1 is the accuracy."""
        micro = self.metric is HoldoutMetric.F1 and self.average is Average.MICRO
        return self.metric in SHARES or micro

    @property
    def needs_positive(self) -> bool:
        """Whether one class counts."""
        binary = self.metric is HoldoutMetric.F1 and self.average is Average.BINARY
        return binary or self.metric is HoldoutMetric.AUROC

    def most_unreadable(self, side: str) -> float:
        """Share (0-1) of a side's answers that may hold nothing to compute from."""
        if self.metric in NUMBERS or self.metric is HoldoutMetric.AUROC:
            return 0.01
        return 0.5 if side == "source" else 1.0

    @property
    def sums(self) -> int:
        """How many sums hold all there is to know; 0: it takes every item."""
        if self.counts_right_answers:
            return 4
        if self.metric in NUMBERS:
            return 10
        is_binary = self.metric is HoldoutMetric.F1 and self.average is Average.BINARY
        return 8 if is_binary else 0


@dataclass(frozen=True, slots=True)
class Silence:
    """Items to which one side gave nothing that could be compared."""

    unanswered: int = 0
    unreadable: int = 0
    last: str = ""
    """Why the last one was not answered."""

    def heard(self, answer: Answer, *, readable: bool) -> "Silence":
        """Count one more."""
        if isinstance(answer, Unanswered):
            return replace(self, unanswered=self.unanswered + 1, last=answer.message)
        return self if readable else replace(self, unreadable=self.unreadable + 1)


class Kept:
    """Every item's label and both answers; older ones stay what they were, without copying at each step."""

    def __init__(self, kept: "list[Triple] | None" = None, size: int = 0) -> None:
        self._kept = [] if kept is None else kept
        self._size = size

    def plus(self, triple: Triple) -> "Kept":
        """Add one item."""
        kept = self._kept if len(self._kept) == self._size else self._kept[: self._size]
        kept.append(triple)
        return Kept(kept, self._size + 1)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and self.triples == other.triples

    def __hash__(self) -> int:
        return hash(self._size)

    @property
    def triples(self) -> list[Triple]:
        """All of them, in the order in which they came."""
        return self._kept[: self._size]


@dataclass(frozen=True, slots=True)
class LabelledFold:
    """`judge.golden.Fold` of a holdout gate: sums where these are enough, else every item's outcome."""

    task: Task
    digest: str = ""
    total: int = 0
    asked: int = 0
    source: Silence = Silence()
    target: Silence = Silence()
    fault: str = ""
    """The first item whose label cannot be used: nothing more is asked then."""
    shares: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Both right, only the source, only the target, neither."""
    errors: ErrorSums = field(default_factory=lambda: ErrorSums(1.0))
    cells: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """Of binary F1: how often each (label, source, target) occurs; never changed in place."""
    kept: Kept = field(default_factory=Kept)
    """Of metrics that take every item."""

    @classmethod
    def of(cls, task: Task) -> Self:
        """Nothing yet."""
        return cls(task, errors=ErrorSums(0.5 if task.metric is HoldoutMetric.RMSE else 1.0))

    @property
    def calibrated(self) -> int:
        """Labels are the truth: the source is not asked twice."""
        return 0

    @property
    def is_settled(self) -> bool:
        """Whether further answers cannot change the verdict."""
        return bool(self.fault)

    def begun(self, digest: str, total: int, repeats: int) -> "LabelledFold":  # noqa: ARG002
        """The golden set was read; with another one everything starts anew."""
        fresh = self if digest == self.digest else LabelledFold.of(self.task)
        return replace(fresh, digest=digest, total=total)

    def repeated(self, item: Item, first: Answer, second: Answer) -> Self:  # noqa: ARG002
        """The source was asked the same twice: never wanted."""
        return self

    def paired(self, item: Item, source: Answer, target: Answer) -> "LabelledFold":
        """Both sides were asked."""
        label = self._label(item)
        if label is None:
            return replace(self, asked=self.asked + 1, fault=_fault(self.task, item))
        values = self._read(source), self._read(target)
        heard = replace(
            self,
            asked=self.asked + 1,
            source=self.source.heard(source, readable=values[0] is not None),
            target=self.target.heard(target, readable=values[1] is not None),
        )
        if isinstance(source, Unanswered) or isinstance(target, Unanswered):
            return heard
        return heard.plus(label, *values)

    # --- one item -------------------------------------------------------------------------------

    def _label(self, item: Item) -> str | float | None:
        if item.label is None:
            return None
        read = label_number if self.task.metric in NUMBERS else label_text
        return read(item.label)

    def _read(self, answer: Answer) -> str | float | None:
        where = self.task.where
        match self.task.metric:
            case HoldoutMetric.ACCURACY | HoldoutMetric.F1:
                return as_class(answer, where)
            case HoldoutMetric.EXACT_MATCH:
                return as_whole(answer, where)
            case HoldoutMetric.MAE | HoldoutMetric.RMSE:
                return as_number(answer, where)
            case HoldoutMetric.AUROC:
                return as_score(answer, where)

    def plus(
        self, label: str | float, source: str | float | None, target: str | float | None
    ) -> "LabelledFold":
        """Add one item that both sides answered; what is no number cannot be added, a class that is none is wrong."""
        if self.task.counts_right_answers:
            return replace(
                self, shares=_counted(self.shares, source=source == label, target=target == label)
            )
        if self.task.metric is HoldoutMetric.F1:
            cell = self._class(label), self._class(source), self._class(target)
            if self.task.average is not Average.BINARY:
                return replace(self, kept=self.kept.plus(cell))
            return replace(self, cells={**self.cells, cell: self.cells.get(cell, 0) + 1})
        if source is None or target is None:
            return self
        if self.task.metric is HoldoutMetric.AUROC:
            triple = (label == self.task.positive, float(source), float(target))
            return replace(self, kept=self.kept.plus(triple))
        added_errors = self.errors.plus(float(label), float(source), float(target))
        return replace(self, errors=added_errors)

    def _class(self, value: str | float | None) -> str:
        """The class; with binary F1 every other than the positive one is the same."""
        name = UNREADABLE if value is None else str(value)
        if self.task.average is Average.BINARY:
            return "+" if name == self.task.positive else "-"
        return name

    # --- all of them ----------------------------------------------------------------------------

    def contrast(self) -> Contrast | Undefined:
        """Compare the sides on all that was answered so far."""
        if self.task.counts_right_answers:
            both, only_source, only_target, _ = self.shares
            items = sum(self.shares)
            return PairedShares(items, both, only_source, only_target) if items else paired.NO_ITEMS
        if self.task.metric is HoldoutMetric.F1:
            return self._f1()
        if self.task.metric is HoldoutMetric.AUROC:
            return _ranked(self.kept.triples)
        return self.errors.contrast()

    def _f1(self) -> Contrast | Undefined:
        if self.task.average is Average.BINARY:
            found = paired.f1_of(F1(Average.BINARY, "+"), self.cells)
            if isinstance(found, Undefined) and self.cells:
                return Undefined("neither labels nor answers hold the positive label")
            return found
        triples: Counter[Any] = Counter(self.kept.triples)
        classes = {name for triple in triples for name in triple}
        if len(classes) > MOST_CLASSES:
            return Undefined(
                f"labels and answers hold {len(classes):,} classes, more than {MOST_CLASSES}: correct"
                " holdout.prediction, or use Accuracy"
            )
        return paired.f1_of(F1(self.task.average), triples)

    def numbers(self) -> list[float]:
        """All that is needed to go on after a restart; empty where it takes every item."""
        if not self.task.sums:
            return []
        if self.task.counts_right_answers:
            return [float(n) for n in self.shares]
        if self.task.metric is HoldoutMetric.F1:
            return [float(self.cells.get(cell, 0)) for cell in CELLS]
        return self.errors.numbers()

    def resumed(
        self,
        numbers: Sequence[float],
        *,
        digest: str,
        total: int,
        asked: int,
        source: Silence,
        target: Silence,
    ) -> "LabelledFold":
        """Go on from what `numbers` gave, and from the counts beside it."""
        kept = replace(self, digest=digest, total=total, asked=asked, source=source, target=target)
        return kept.summed(numbers)

    def summed(self, numbers: Sequence[float]) -> "LabelledFold":
        """The same with these sums."""
        if self.task.counts_right_answers:
            both, only_source, only_target, neither = (round(n) for n in numbers)
            return replace(self, shares=(both, only_source, only_target, neither))
        if self.task.metric is HoldoutMetric.F1:
            cells = {cell: round(n) for cell, n in zip(CELLS, numbers, strict=True) if n}
            return replace(self, cells=cells)
        return replace(self, errors=ErrorSums(self.errors.power, *numbers))


def _counted(
    shares: tuple[int, int, int, int], *, source: bool, target: bool
) -> tuple[int, int, int, int]:
    both, only_source, only_target, neither = shares
    return (
        both + (source and target),
        only_source + (source and not target),
        only_target + (target and not source),
        neither + (not source and not target),
    )


def _ranked(triples: Sequence[Triple]) -> Contrast | Undefined:
    """Compare the sides' rankings."""
    if not triples:
        return paired.NO_ITEMS
    positive, source, target = (np.array(one) for one in zip(*triples, strict=True))
    return paired.auroc(positive, source, target)


CELLS: Final = tuple((label, s, t) for label in "+-" for s in "+-" for t in "+-")


def _fault(task: Task, item: Item) -> str:
    if item.label is None:
        return f"line {item.line} of the golden set has no label: give every line one"
    kind = "number" if task.metric in NUMBERS else "text, number or list of them"
    return f"line {item.line} of the golden set has a label that is no {kind}: correct it"
