"""The error gate: the share of failed requests, against a multiple of the source's and a limit."""

from dataclasses import dataclass
from typing import ClassVar

from cutover.judge.comparison import judge
from cutover.judge.evidence import Evidence, Reference
from cutover.judge.load import Load
from cutover.judge.proportions import boundary, z_ratio
from cutover.judge.terms import ALPHA_FAIL, ALPHA_LIMIT, ALPHA_PASS, Sides, Terms
from cutover.judge.verdict import Judgement


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """t, the target's share of failed requests, held against ratio·s and against the limit."""

    fewest_bad: ClassVar[float] = 5.0
    below_limit_passes: ClassVar[bool] = True
    what_is_bad: ClassVar[str] = "failed"

    name: str
    max: float
    """L, 0-1."""
    ratio: float
    """How many times the source's share, 1 or more."""

    @property
    def limit(self) -> float:
        return self.max

    def worse(self, sides: Sides) -> bool:
        z = z_ratio(sides.source, sides.target, self.ratio)
        return z > boundary(ALPHA_FAIL, sides.information)

    def worse_at_all(self, sides: Sides) -> bool:
        z = z_ratio(sides.source, sides.target, 1.0)
        return z > boundary(ALPHA_LIMIT, sides.information)

    def within_margin(self, sides: Sides, slack: float) -> bool:
        z = z_ratio(sides.source, sides.target, slack * self.ratio)
        return -z > boundary(ALPHA_PASS, sides.information)

    def margin_bound(self, source_share: float, slack: float) -> float:
        return min(1.0, source_share * slack * self.ratio)

    def margin_words(self, slack: float) -> str:
        return f"{slack * self.ratio:.3g} × source"


def judge_errors(
    rule: ErrorRule,
    evidence: Evidence,
    *,
    weight: float,
    min_requests: int,
    min_duration_over: bool,
    reference: Reference | None = None,
    history_correlation: float = 0.0,
    load: Load | None = None,
) -> Judgement:
    """Judge one look; the arguments are those of :func:`cutover.judge.latency.judge_latency`."""
    terms = Terms(weight, min_requests, min_duration_over, reference, history_correlation, load)
    return judge(rule, evidence, terms)
