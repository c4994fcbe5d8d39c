"""The gate on a mean: the target's may be larger than the source's by so much, and no more."""

from dataclasses import dataclass
from enum import StrEnum

from cutover.api.verdict import Unit, Verdict
from cutover.judge.means import FEWEST_LOOKS, MeanEvidence, MeanReference, contrast, proven
from cutover.judge.terms import ALPHA_FAIL, ALPHA_PASS, FAIL_FROM
from cutover.judge.verdict import Judgement
from cutover.judge.wording import about, count, duration, percent


class MeanReason(StrEnum):
    """Why a gate on a mean says what it says."""

    WITHIN_INCREASE = "WithinIncrease"
    """Pass: proven not slower than the source by more than the increase."""
    SLOWER_THAN_SOURCE = "SlowerThanSource"
    """Fail: proven slower than the source by more than the increase."""
    SLOWER_THAN_REFERENCE = "SlowerThanReference"
    """Fail that pauses: slower than the source once was."""
    TOO_FEW_REQUESTS = "TooFewRequests"
    TOO_FEW_LOOKS = "TooFewLooks"
    """The looks are too few, or too much alike, to tell how much means vary."""
    NO_SOURCE_REQUESTS = "NoSourceRequests"
    NOT_PROVEN = "NotProven"
    TOO_SOON = "TooSoon"
    """It would pass, but ``minDuration`` is not over."""

    @property
    def verdict(self) -> Verdict:
        match self:
            case MeanReason.WITHIN_INCREASE:
                return Verdict.PASS
            case MeanReason.SLOWER_THAN_SOURCE | MeanReason.SLOWER_THAN_REFERENCE:
                return Verdict.FAIL
            case _:
                return Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class MeanRule:
    """The target's mean of ``metric`` held against (1 + increase) times the source's."""

    name: str
    metric: str
    max_increase: float
    """0-1."""


@dataclass(frozen=True, slots=True)
class MeanTerms:
    """Under what terms it is judged at this look."""

    weight: float
    """Percent of the traffic on the target, 0-100."""
    min_requests: int
    min_duration_over: bool
    reference: MeanReference | None = None
    """Given only where it is to be used."""

    @property
    def slack(self) -> float:
        """k, as for the other gates: at small weights the proof asked for is coarser."""
        return min(4.0, max(1.0, 10.0 / self.weight)) if self.weight > 0 else 4.0


def judge_mean(rule: MeanRule, evidence: MeanEvidence, terms: MeanTerms) -> Judgement:
    """Too little seen, Fail, Pass, otherwise Inconclusive; α as for the other gates."""
    reason = reason_of(rule, evidence, terms)
    source = terms.reference.mean if terms.reference else evidence.source.mean
    needed = terms.min_requests / terms.slack - evidence.target.events
    factor = 1.0 if reason.verdict is Verdict.FAIL else terms.slack
    return Judgement(
        verdict=reason.verdict,
        reason=reason,
        message=_sentence(rule, reason, evidence, terms, needed),
        value=evidence.target.mean if evidence.target.events else None,
        bound=(1.0 + factor * rule.max_increase) * source if source else None,
        source_count=terms.reference.events if terms.reference else evidence.source.events,
        target_count=evidence.target.events,
        requests_missing=needed if needed > 0 and reason.verdict is Verdict.INCONCLUSIVE else None,
        pauses=reason is MeanReason.SLOWER_THAN_REFERENCE,
        unit=Unit.SECONDS,
    )


def reason_of(rule: MeanRule, evidence: MeanEvidence, terms: MeanTerms) -> MeanReason:
    """Decide without a sentence: for simulations."""
    reference, seen = terms.reference, evidence.target.events
    if reference is None and evidence.source.events <= 0:
        return MeanReason.NO_SOURCE_REQUESTS
    if seen < FAIL_FROM:
        return MeanReason.TOO_FEW_REQUESTS
    limit = contrast(evidence, 1.0 + rule.max_increase, reference)
    if limit is None or limit.looks < FEWEST_LOOKS:
        return MeanReason.TOO_FEW_LOOKS
    if proven(limit, ALPHA_FAIL, above=True):
        old = reference is not None
        return MeanReason.SLOWER_THAN_REFERENCE if old else MeanReason.SLOWER_THAN_SOURCE
    if seen < terms.min_requests / terms.slack:
        return MeanReason.TOO_FEW_REQUESTS
    coarse = contrast(evidence, 1.0 + terms.slack * rule.max_increase, reference)
    if not proven(coarse, ALPHA_PASS, above=False):
        return MeanReason.NOT_PROVEN
    return MeanReason.WITHIN_INCREASE if terms.min_duration_over else MeanReason.TOO_SOON


def _sentence(
    rule: MeanRule,
    reason: MeanReason,
    evidence: MeanEvidence,
    terms: MeanTerms,
    needed: float,
) -> str:
    if reason is MeanReason.TOO_FEW_REQUESTS:
        missing = max(needed, FAIL_FROM - evidence.target.events)
        return f"{rule.name}: needs about {about(missing)} more target requests"
    if reason is MeanReason.NO_SOURCE_REQUESTS:
        return f"{rule.name}: no source requests to compare the target's mean with"
    source = terms.reference.mean if terms.reference else evidence.source.mean
    whose = "the source's last" if terms.reference else "source"
    seen = (
        f"mean {rule.metric} {duration(evidence.target.mean)} over"
        f" {count(evidence.target.events)} on the target, {whose} {duration(source)}"
    )
    return f"{rule.name}: {seen}; {_ending(rule, reason, terms)}"


def _ending(rule: MeanRule, reason: MeanReason, terms: MeanTerms) -> str:
    limit = f"source + {percent(rule.max_increase)}"
    coarse = f"source + {percent(terms.slack * rule.max_increase)}"
    if terms.slack != 1:
        coarse = f"at weight {terms.weight:g} the limit is {coarse}"
    else:
        coarse = f"the limit is {coarse}"
    match reason:
        case MeanReason.SLOWER_THAN_SOURCE:
            return f"the limit is {limit}: fails"
        case MeanReason.SLOWER_THAN_REFERENCE:
            return f"the limit is {limit}: pauses, since the source's mean is an old one"
        case MeanReason.WITHIN_INCREASE:
            return f"{coarse}: passes"
        case MeanReason.TOO_SOON:
            return f"{coarse}: will pass when the step's minimum duration is over"
        case MeanReason.TOO_FEW_LOOKS:
            return "too few looks, or too much alike, to tell how far means vary: waits"
        case _:
            return f"not yet proven, {coarse}: waits for more looks"
