"""What the latency and the error rule have in common: alphas, reasons, terms, sides corrected for bursts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

from cutover.api.verdict import Verdict
from cutover.judge.evidence import Count, Evidence, Reference, correlation, design_effect
from cutover.judge.load import Load
from cutover.judge.proportions import information

ALPHA_FAIL = 0.01
"""For "worse than the source by more than the margin"."""
ALPHA_LIMIT = 0.001
"""For each half of "over the limit, and worse than the source"."""
ALPHA_PASS = 0.05
FAIL_FROM = 50.0
"""Target requests before a gate may fail."""
SPREAD = 4.0
"""(Σe)²/Σe² from which an excess is no burst."""


class Reason(StrEnum):
    """Why a latency or error gate says what it says."""

    WITHIN_MARGIN = "WithinMargin"
    """Pass: proven not worse than the source by more than the margin."""
    BELOW_LIMIT = "BelowLimit"
    """Pass: proven below the limit."""
    WORSE_THAN_SOURCE = "WorseThanSource"
    """Fail: proven worse than the source by more than the margin."""
    OVER_LIMIT = "OverLimit"
    """Fail: proven over the limit, and worse than the source."""
    OVER_REFERENCE_AND_LIMIT = "OverReferenceAndLimit"
    """Fail that pauses: worse than the source once was, and over the limit."""
    TOO_FEW_REQUESTS = "TooFewRequests"
    TOO_FEW_ERRORS = "TooFewErrors"
    """It would fail, but on fewer errors than a verdict may rest on."""
    NO_SOURCE_REQUESTS = "NoSourceRequests"
    BURST = "Burst"
    """It would fail, but the excess lies in too few looks."""
    NOT_PROVEN = "NotProven"
    LOAD_DIFFERS = "LoadDiffers"
    """It would pass or fail by comparison with the source, but the loads are too different to compare."""
    TOO_SOON = "TooSoon"
    """It would pass, but ``minDuration`` is not over."""

    @property
    def verdict(self) -> Verdict:
        match self:
            case Reason.WITHIN_MARGIN | Reason.BELOW_LIMIT:
                return Verdict.PASS
            case Reason.WORSE_THAN_SOURCE | Reason.OVER_LIMIT | Reason.OVER_REFERENCE_AND_LIMIT:
                return Verdict.FAIL
            case _:
                return Verdict.INCONCLUSIVE


def slack_at(weight: float) -> float:
    """Slack k = min(4, max(1, 10 % / weight)): at small weights (percent) the proof asked for is coarser."""
    return min(4.0, max(1.0, 10.0 / weight)) if weight > 0 else 4.0


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what terms a gate is judged at this look."""

    weight: float
    """Percent of the traffic on the target, 0-100."""
    min_requests: int
    min_duration_over: bool
    reference: Reference | None
    history_correlation: float
    load: Load | None = None
    """Both sides' loads, where a comparison has to be refused when they differ too much."""

    @property
    def fuller(self) -> bool:
        """The target's load may be why it is worse than the source."""
        return self.load is not None and self.reference is None and self.load.target_is_fuller

    @property
    def emptier(self) -> bool:
        """The target's load may be why it is not worse than the source."""
        return self.load is not None and self.reference is None and self.load.target_is_emptier

    @property
    def slack(self) -> float:
        """See ``slack_at``."""
        return slack_at(self.weight)

    @property
    def needed(self) -> float:
        """Target requests before a Pass: a quarter of ``min_requests`` at 1 %, half at 5 %, all from 10 %."""
        return self.min_requests / self.slack

    @property
    def alone(self) -> bool:
        """No source to compare with, now or once: only the limit can be judged."""
        return self.reference is None and self.weight >= 100

    def limit_passes(self, rule: "Rule") -> bool:
        """Whether being proven below the limit is a way to pass."""
        alone = self.weight >= 100 or self.reference is not None
        return rule.below_limit_passes or alone or self.emptier


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides after the correction for bursts: every count divided by its design effect."""

    source: Count
    target: Count

    @property
    def information(self) -> float:
        return information(self.source.total, self.target.total)

    @classmethod
    def of(cls, evidence: Evidence, terms: Terms) -> Self:
        """Divide by 1 + (n̄ − 1)·r; r is the larger of this step's (both sides) and the known one."""
        reference = terms.reference
        known = terms.history_correlation
        if reference is not None:
            source, size = reference.count, reference.look_size
            r = max(known, reference.correlation, correlation(evidence.target))
        else:
            source, size = evidence.source.count, evidence.source.look_size
            r = max(known, correlation(evidence.source, evidence.target))
        target_effect = design_effect(evidence.target.look_size, r)
        return cls(source.over(design_effect(size, r)), evidence.target.count.over(target_effect))


class Rule(Protocol):
    """What the latency and the error rule prove, from effective counts. Each proof holds at every look."""

    @property
    def name(self) -> str: ...
    @property
    def limit(self) -> float:
        """L: the share that is too much by itself, 0-1."""
        ...

    @property
    def fewest_bad(self) -> float:
        """Effective bad target requests without which nothing fails."""
        ...

    @property
    def below_limit_passes(self) -> bool:
        """Whether being below the limit is enough while there is a source to compare with."""
        ...

    @property
    def what_is_bad(self) -> str: ...
    def worse(self, sides: Sides) -> bool:
        """Prove that the target is worse than the source by more than the margin (α .01)."""
        ...

    def worse_at_all(self, sides: Sides) -> bool:
        """Prove that the target is worse than the source (α .001)."""
        ...

    def within_margin(self, sides: Sides, slack: float) -> bool:
        """Prove that the target is not worse than the source by the margin, made coarser by the slack (α .05)."""
        ...

    def margin_bound(self, source_share: float, slack: float) -> float: ...
    def margin_words(self, slack: float) -> str: ...
