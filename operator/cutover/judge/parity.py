"""Parity: how many answers of the target differ from the source's, beyond how far the source differs from itself.

s is the share of items that the source answers otherwise when it is asked again, t the share on which
the target differs from the source. The gate holds t − s, the excess, against ``maxMismatch``.

**Pass**: the excess is proven to be within the limit, 95 % sure, on all items (Clopper–Pearson; where the
source never differed from itself t alone is held against the limit, else t's upper and s's lower bound, each
97.5 % sure). **Fail**: the excess is proven to be above the limit, 99 % sure, during the replay or at its end
(the signed root of the likelihood ratio against t = s + limit, Farrington–Manning); or prompts are counted
otherwise. A pair with a side that gave no answer is no pair; too many of them are an ``Error``.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import log
from typing import Final, Self

from scipy.special import ndtri

from cutover.api.parity import Compare, Precision
from cutover.api.verdict import Unit, Verdict
from cutover.judge import exact
from cutover.judge.comparing import compare, served_otherwise
from cutover.judge.evidence import Count
from cutover.judge.golden import Answer, Item, Unanswered
from cutover.judge.proportions import boundary, information, log_e_above, z_difference
from cutover.judge.verdict import Judgement
from cutover.judge.wording import count, percent

FAIL_ALPHA: Final = 0.01
"""Half of it is spent while the replay goes on (at any look ever), half at its end."""
LEAST_DIFFERING: Final = 5
"""Fewer differing answers never fail."""
MOST_UNANSWERED: Final = 0.05
"""Share of the items that one side may leave unanswered before the rest says too little."""
EXAMPLES: Final = 5
THE_FIELDS_GOAL: Final = 0.001
"""The limit that the field asks for: it is told how many pairs would show it."""


class ParityReason(StrEnum):
    """Why a parity gate says what it says."""

    WITHIN_LIMIT = "WithinLimit"
    DIFFERS = "AnswersDiffer"
    PROMPT_TOKENS_DIFFER = "PromptTokensDiffer"
    REPLAYING = "Replaying"
    TOO_FEW_ITEMS = "TooFewItems"
    NOT_PROVEN = "NotProven"
    UNANSWERED = "TooManyUnanswered"


@dataclass(frozen=True, slots=True)
class ParityRule:
    """What a gate asks."""

    name: str
    compare: Compare
    precision: Precision | None = None
    max_mismatch: float = 0.01
    """Share, 0–1, of the excess."""
    prompt_tokens_equal: bool = True


@dataclass(frozen=True, slots=True)
class Tally:
    """Pairs counted: compared, differing, near ties, and items that gave no pair."""

    pairs: int = 0
    differing: int = 0
    near_ties: int = 0
    source_unanswered: int = 0
    target_unanswered: int = 0
    distance: float = 0.0
    """Sum over the pairs, in the measure of the comparison."""
    places: int = 0
    """Tokens of teacher-forced texts at which both told the most probable one."""
    agreeing: int = 0
    """Of these, how often it was the same."""

    def plus(self, rule: ParityRule, first: Answer, second: Answer) -> tuple[Self, bool, bool]:
        """Add one pair; tell whether its answers, and whether its prompts' token counts, differ."""
        lost = {
            "source_unanswered": self.source_unanswered + isinstance(first, Unanswered),
            "target_unanswered": self.target_unanswered + isinstance(second, Unanswered),
        }
        if isinstance(first, Unanswered) or isinstance(second, Unanswered):
            return replace(self, **lost), False, False
        found = compare(rule.compare, rule.precision, first, second)
        if isinstance(found, Unanswered):
            lost = {name: number + 1 for name, number in lost.items()}
            return replace(self, **lost), False, False
        more = replace(
            self,
            pairs=self.pairs + 1,
            differing=self.differing + found.differs,
            near_ties=self.near_ties + found.near_tie,
            distance=self.distance + found.distance,
            places=self.places + found.places,
            agreeing=self.agreeing + found.agreeing,
        )
        return more, found.differs, found.prompt_tokens_differ

    @property
    def count(self) -> Count:
        """Pairs, and how many of them differ."""
        return Count(float(self.pairs), float(self.differing))


@dataclass(frozen=True, slots=True)
class Parity:
    """`judge.golden.Fold` of a parity gate: everything counted so far."""

    rule: ParityRule
    digest: str = ""
    total: int = 0
    repeats: int = 0
    calibrated: int = 0
    asked: int = 0
    itself: Tally = Tally()
    """The source against itself."""
    sides: Tally = Tally()
    """The target against the source."""
    prompts_differ: int = 0
    examples: tuple[str, ...] = ()
    """Ids of the first items that differ; never their content."""
    trouble: str = ""
    """How the last item without an answer looked."""
    served: str = ""
    """In what the two servers say of themselves first differed; never a reason to fail."""

    def begun(self, digest: str, total: int, repeats: int) -> Self:
        """The golden set was read; another one than before starts everything anew."""
        if digest == self.digest and total == self.total and repeats == self.repeats:
            return self
        return replace(type(self)(self.rule), digest=digest, total=total, repeats=repeats)

    def repeated(self, item: Item, first: Answer, second: Answer) -> Self:  # noqa: ARG002 - a Fold's
        """The source was asked the same twice."""
        tally, _, _ = self.itself.plus(self.rule, first, second)
        return replace(
            self,
            calibrated=self.calibrated + 1,
            itself=tally,
            trouble=_trouble(first, second) or self.trouble,
        )

    def paired(self, item: Item, source: Answer, target: Answer) -> Self:
        """Both sides were asked."""
        tally, differs, prompts = self.sides.plus(self.rule, source, target)
        examples = self.examples
        if (differs or prompts) and len(examples) < EXAMPLES:
            examples = (*examples, item.id)
        return replace(
            self,
            asked=self.asked + 1,
            sides=tally,
            prompts_differ=self.prompts_differ + prompts,
            examples=examples,
            trouble=_trouble(source, target) or self.trouble,
            served=self.served or served_otherwise(source, target)[:256],
        )

    @property
    def is_settled(self) -> bool:
        """Whether the target already failed: no further answer can undo that."""
        return self._fails(at_any_look=True) is not None

    def _fails(self, *, at_any_look: bool) -> ParityReason | None:
        if self.prompts_differ and self.rule.prompt_tokens_equal:
            return ParityReason.PROMPT_TOKENS_DIFFER
        if self.sides.differing < LEAST_DIFFERING:
            return None
        source, target = self.itself.count, self.sides.count
        alpha, limit = FAIL_ALPHA / 2, self.rule.max_mismatch
        if not source.total:
            proven = log_e_above(target, limit) >= -log(alpha)
        else:
            h = information(source.total, target.total)
            needed = boundary(alpha, h) if at_any_look else -float(ndtri(alpha))
            proven = z_difference(source, target, limit) > needed
        return ParityReason.DIFFERS if proven else None

    @property
    def most_excess(self) -> float:
        """Upper bound (0–1) of the excess, 95 % sure."""
        sides, itself = self.sides, self.itself
        if not itself.differing:
            return exact.upper(sides.differing, sides.pairs)
        sure = 1.0 - (1.0 - exact.SURE) / 2.0
        bound = exact.upper(sides.differing, sides.pairs, sure)
        return max(0.0, bound - exact.lower(itself.differing, itself.pairs, sure))

    @property
    def silent(self) -> str | None:
        """The side that left too many items unanswered."""
        for side, lost in (
            ("source", self.sides.source_unanswered),
            ("target", self.sides.target_unanswered),
        ):
            if lost > MOST_UNANSWERED * max(1, self.asked):
                return side
        return None

    def judge(self, *, finished: bool) -> Judgement:
        """What the answers so far say."""
        reason = self._fails(at_any_look=True)
        if reason is None and finished:
            reason = self._at_the_end()
        reason = reason or ParityReason.REPLAYING
        sides = self.sides
        return Judgement(
            verdict=VERDICTS[reason],
            reason=reason.value,
            message=f"{self.rule.name}: {self._sentence(reason)}{self._served()}",
            value=sides.count.share if sides.pairs else None,
            bound=self.rule.max_mismatch,
            unit=Unit.SHARE,
            source_count=float(self.itself.pairs),
            target_count=float(sides.pairs),
        )

    def _at_the_end(self) -> ParityReason:
        failing = self._fails(at_any_look=False)
        if failing is not None:
            return failing
        if self.silent is not None:
            return ParityReason.UNANSWERED
        if self.most_excess <= self.rule.max_mismatch:
            return ParityReason.WITHIN_LIMIT
        clean = not self.itself.differing
        few = clean and self.sides.count.share <= self.rule.max_mismatch / 2
        return ParityReason.TOO_FEW_ITEMS if few else ParityReason.NOT_PROVEN

    # --- in words -------------------------------------------------------------------------------

    def _sentence(self, reason: ParityReason) -> str:
        if reason is ParityReason.REPLAYING:
            return self._progress()
        limit = f"the limit is {percent(self.rule.max_mismatch)}"
        seen = self._seen()
        match reason:
            case ParityReason.PROMPT_TOKENS_DIFFER:
                return (
                    f"the sides count {count(self.prompts_differ)} of {count(self.sides.pairs)} prompts in"
                    f" different numbers of tokens{self._such_as()}: another tokenizer or chat template; fails"
                )
            case ParityReason.UNANSWERED:
                lost = getattr(self.sides, f"{self.silent}_unanswered")
                return (
                    f"the {self.silent} left {count(lost)} of {count(self.asked)} golden inputs unanswered,"
                    f" too many to judge by ({self.trouble})"
                )
            case ParityReason.DIFFERS:
                return f"{seen}{self._such_as()}; {limit}: fails"
            case ParityReason.WITHIN_LIMIT:
                return f"{seen}: {self._bound()} ({limit}){self._cleaner()}; passes"
            case _:
                return f"{seen}: {self._bound()}, and {limit}{self._missing(reason)}"

    def _progress(self) -> str:
        if not self.digest:
            return "the golden set is being read"
        if self.calibrated < self.repeats and not self.asked:
            return f"asking the source twice, {count(self.calibrated)} of {count(self.repeats)} inputs so far"
        return (
            f"{count(self.asked)} of {count(self.total)} golden inputs asked on both sides,"
            f" {count(self.sides.differing)} differ so far"
        )

    def _seen(self) -> str:
        sides, itself = self.sides, self.itself
        ties = f" ({count(sides.near_ties)} near ties aside)" if sides.near_ties else ""
        lost = sides.source_unanswered + sides.target_unanswered
        left = f", {count(lost)} unanswered" if lost else ""
        own = (
            f", the source from itself in {count(itself.differing)} of {count(itself.pairs)}"
            if itself.differing
            else ""
        )
        return f"{count(sides.differing)} of {count(sides.pairs)} differ{ties}{own}{self._agreement()}{left}"

    def _agreement(self) -> str:
        sides = self.sides
        if not sides.places:
            return ""
        share = percent(sides.agreeing / sides.places)
        return f", the most probable token is the same at {share} of {count(sides.places)} places"

    def _served(self) -> str:
        return f" ({self.served})" if self.served else ""

    def _bound(self) -> str:
        more = " more than from itself" if self.itself.differing else ""
        return f"at most {percent(self.most_excess)}{more}, 95 % sure"

    def _such_as(self) -> str:
        return f" (such as {', '.join(self.examples)})" if self.examples else ""

    def _cleaner(self) -> str:
        if self.most_excess <= THE_FIELDS_GOAL:
            return ""
        goal = percent(THE_FIELDS_GOAL)
        return f"; {count(exact.clean_needed(THE_FIELDS_GOAL))} clean pairs would show {goal}"

    def _missing(self, reason: ParityReason) -> str:
        if reason is ParityReason.NOT_PROVEN:
            return f"{self._such_as()}: too many differ to pass, too few to fail; look at these, or give more items"
        needed = exact.total_needed(self.sides.differing, self.rule.max_mismatch)
        further = "no further one" if self.sides.differing else "none"
        return f": give {count(needed)} items, of which {further} may differ"


VERDICTS: Final = {
    ParityReason.WITHIN_LIMIT: Verdict.PASS,
    ParityReason.DIFFERS: Verdict.FAIL,
    ParityReason.PROMPT_TOKENS_DIFFER: Verdict.FAIL,
    ParityReason.REPLAYING: Verdict.INCONCLUSIVE,
    ParityReason.TOO_FEW_ITEMS: Verdict.INCONCLUSIVE,
    ParityReason.NOT_PROVEN: Verdict.INCONCLUSIVE,
    ParityReason.UNANSWERED: Verdict.ERROR,
}


def _trouble(first: Answer, second: Answer) -> str:
    return next((one.message for one in (second, first) if isinstance(one, Unanswered)), "")[:256]
