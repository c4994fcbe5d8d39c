"""What both sides answer to golden inputs, gathered as one quantity a side and judged by its distribution.

The sides are asked the same items, so that their answers go along with each other, while the tests of
``judge.drift`` take them to be independent: they then see less chance than they allow for, which errs on the
side of no Fail. What the test cannot see is which item was answered how: that is what a parity gate compares.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from cutover.api.drift import Output
from cutover.judge.drift import DriftReason, DriftRule, judge_labels, judge_numbers
from cutover.judge.golden import Answer, Item, Text, Unanswered
from cutover.judge.labelled import MOST_CLASSES, UNREADABLE, Kept, Silence
from cutover.judge.predictions import Where, as_class, as_score
from cutover.judge.verdict import Judgement
from cutover.judge.wording import count

MOST_UNREADABLE: Final = 0.01
"""Share (0-1) of a side's answers that may hold no number."""
MOST_UNREADABLE_LABELS: Final = 0.5
"""Share of the source's answers that may hold no label: with more it is looked for in the wrong place."""


@dataclass(frozen=True, slots=True)
class OutputsFold:
    """`judge.golden.Fold` of a drift gate: every item's output on both sides, judged when all are asked."""

    output: Output
    where: Where = field(default_factory=Where)
    digest: str = ""
    total: int = 0
    asked: int = 0
    source: Silence = field(default_factory=Silence)
    target: Silence = field(default_factory=Silence)
    kept: Kept = field(default_factory=Kept)
    """Of items that both sides answered: the line, the source's output, the target's."""

    @property
    def calibrated(self) -> int:
        """Distributions are compared: the source is not asked twice."""
        return 0

    @property
    def is_settled(self) -> bool:
        """It is judged once, on all items."""
        return False

    def begun(self, digest: str, total: int, repeats: int) -> "OutputsFold":  # noqa: ARG002
        """The golden set was read; with another one everything starts anew."""
        fresh = self if digest == self.digest else OutputsFold(self.output, self.where)
        return replace(fresh, digest=digest, total=total)

    def repeated(self, item: Item, first: Answer, second: Answer) -> Self:  # noqa: ARG002
        """The source was asked the same twice: never wanted."""
        return self

    def paired(self, item: Item, source: Answer, target: Answer) -> "OutputsFold":
        """Both sides were asked."""
        values = self._read(source), self._read(target)
        heard = replace(
            self,
            asked=self.asked + 1,
            source=self.source.heard(source, readable=values[0] is not None),
            target=self.target.heard(target, readable=values[1] is not None),
        )
        if isinstance(source, Unanswered) or isinstance(target, Unanswered):
            return heard
        if self.output is Output.LABEL:
            mine, other = (UNREADABLE if one is None else one for one in values)
            return replace(heard, kept=self.kept.plus((item.line, mine, other)))
        if None in values:
            return heard
        return replace(heard, kept=self.kept.plus((item.line, *values)))

    def _read(self, answer: Answer) -> str | float | None:
        match self.output:
            case Output.LENGTH:
                return float(len(answer.text)) if isinstance(answer, Text) else None
            case Output.LABEL:
                return as_class(answer, self.where)
            case Output.SCORE:
                return as_score(answer, self.where)

    def fault(self) -> str | None:
        """Say that outputs are looked for in the wrong place; None: they can be compared.

        An answer that holds no label is a class of its own: a target that more often gives none has drifted.
        """
        for name, side in (("source", self.source), ("target", self.target)):
            if side.unreadable > self._most_unreadable(name) * self.asked:
                return (
                    f"{count(side.unreadable)} of {count(self.asked)} answers of the {name} hold no"
                    f" {self.output.lower()}: correct golden.prediction"
                )
        if self.output is not Output.LABEL:
            return None
        classes = {name for _, *labels in self.kept.triples for name in labels}
        if len(classes) > MOST_CLASSES:
            return (
                f"the answers hold {count(len(classes))} labels, more than {MOST_CLASSES}: correct"
                " golden.prediction"
            )
        return None

    def _most_unreadable(self, side: str) -> float:
        if self.output is not Output.LABEL:
            return MOST_UNREADABLE
        return MOST_UNREADABLE_LABELS if side == "source" else 1.0

    def judge(self, rule: DriftRule) -> Judgement:
        """Judge all that was gathered, once; what there is too little of is told in items."""
        found = self._judged(rule)
        if found.reason != DriftReason.TOO_FEW_REQUESTS or found.requests_missing is None:
            return found
        seen = found.message.partition(";")[0]
        would = len(self.kept) + found.requests_missing
        message = (
            f"{seen}; too few items to hold against {rule.max:g}: about {count(_up(would))} would"
        )
        return replace(found, reason="TooFewItems", message=message, requests_missing=None)

    def _judged(self, rule: DriftRule) -> Judgement:
        if self.output is Output.LABEL:
            return judge_labels(rule, self._side(1), self._side(2))
        return judge_numbers(rule, self._side(1), self._side(2))

    def _side(self, place: int) -> Sequence[float | str]:
        return [triple[place] for triple in self.kept.triples]


def _up(items: float) -> int:
    """A whole number that is surely enough."""
    return int(-(-items // 1))
