"""The latency gate: the share of requests above a bucket edge, never a quantile."""

from dataclasses import dataclass
from typing import ClassVar

from cutover.judge.comparison import judge
from cutover.judge.evidence import Evidence, Reference
from cutover.judge.load import Load
from cutover.judge.proportions import boundary, z_difference
from cutover.judge.terms import ALPHA_FAIL, ALPHA_LIMIT, ALPHA_PASS, Sides, Terms
from cutover.judge.verdict import Judgement
from cutover.judge.wording import duration, percent


@dataclass(frozen=True, slots=True)
class LatencyRule:
    """t, the target's share of requests above the edge, held against s + m and against L."""

    fewest_bad: ClassVar[float] = 0.0
    below_limit_passes: ClassVar[bool] = False

    name: str
    metric: str
    edge_seconds: float
    """The bucket edge in force: the threshold, snapped (:func:`cutover.judge.histogram.snap`)."""
    max_above: float
    """L, 0-1."""
    margin: float
    """m, 0-1."""

    @property
    def limit(self) -> float:
        return self.max_above

    @property
    def what_is_bad(self) -> str:
        return f"took longer than {duration(self.edge_seconds)}"

    def worse(self, sides: Sides) -> bool:
        z = z_difference(sides.source, sides.target, self.margin)
        return z > boundary(ALPHA_FAIL, sides.information)

    def worse_at_all(self, sides: Sides) -> bool:
        z = z_difference(sides.source, sides.target, 0.0)
        return z > boundary(ALPHA_LIMIT, sides.information)

    def within_margin(self, sides: Sides, slack: float) -> bool:
        z = z_difference(sides.source, sides.target, slack * self.margin)
        return -z > boundary(ALPHA_PASS, sides.information)

    def margin_bound(self, source_share: float, slack: float) -> float:
        return min(1.0, source_share + slack * self.margin)

    def margin_words(self, slack: float) -> str:
        return f"source + {percent(slack * self.margin)}"


def judge_latency(
    rule: LatencyRule,
    evidence: Evidence,
    *,
    weight: float,
    min_requests: int,
    min_duration_over: bool,
    reference: Reference | None = None,
    history_correlation: float = 0.0,
    load: Load | None = None,
) -> Judgement:
    """Judge one look. ``weight`` in percent (0-100); ``min_requests`` before the slack at small weights.

    ``reference`` is passed only where it is to be used: at weight 100, while soaking, and where the source
    gets too few requests. ``history_correlation``: half of the source's over the last day, 0 when unknown.
    """
    terms = Terms(weight, min_requests, min_duration_over, reference, history_correlation, load)
    return judge(rule, evidence, terms)
