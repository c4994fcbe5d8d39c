"""The order of the decision, the same for latency and errors: too little seen, Fail, Pass, otherwise Inconclusive.

The two rules differ in what they prove (:class:`cutover.judge.terms.Rule`); what follows is decided here.
"""

from collections.abc import Callable
from math import log, sqrt

from cutover.api.verdict import Unit, Verdict
from cutover.judge.evidence import Count, Evidence, Reference, SideSums
from cutover.judge.proportions import log_e_above, log_e_below
from cutover.judge.sentences import sentence
from cutover.judge.terms import (
    ALPHA_LIMIT,
    ALPHA_PASS,
    FAIL_FROM,
    SPREAD,
    Reason,
    Rule,
    Sides,
    Terms,
)
from cutover.judge.verdict import Judgement


def judge(rule: Rule, evidence: Evidence, terms: Terms) -> Judgement:
    sides = Sides.of(evidence, terms)
    reason = _reason(rule, evidence, sides, terms)
    missing = _missing(rule, evidence, sides, terms) if reason in _WAITS_FOR_REQUESTS else None
    verdict = reason.verdict
    source = terms.reference.count if terms.reference else evidence.source.count
    return Judgement(
        verdict=verdict,
        reason=reason,
        message=sentence(rule, reason, source, evidence.target.count, terms, missing=missing),
        value=evidence.target.count.share if evidence.target.n else None,
        bound=_bound(rule, reason, source.share, terms),
        source_count=source.total,
        target_count=evidence.target.n,
        requests_missing=missing,
        pauses=verdict is Verdict.FAIL and (terms.reference is not None or terms.alone),
        unit=Unit.SHARE,
    )


def reason_of(rule: Rule, evidence: Evidence, terms: Terms) -> Reason:
    """Decide as :func:`judge` does, without its sentence: for simulations."""
    return _reason(rule, evidence, Sides.of(evidence, terms), terms)


def requests_needed(
    rule: Rule,
    *,
    share: float,
    weight: float,
    min_requests: int,
    reference: Reference | None = None,
) -> float | None:
    """Expect this many target requests before a Pass, if both sides' share of bad requests is ``share`` (0-1).

    For plans and preflight: without bursts, and about half of the time it takes longer. ``weight`` in
    percent; at 100 a ``reference`` stands in for the source. None: not within a million.
    """
    terms = Terms(weight, min_requests, True, reference, 0.0)
    needed = terms.needed
    source = needed * (100.0 - weight) / weight
    sums = Evidence(
        SideSums().add(Count(source, source * share)), SideSums().add(Count(needed, needed * share))
    )
    sides = Sides.of(sums, terms)
    if _passing(rule, sides, terms):
        return needed
    missing = _missing(rule, sums, sides, terms)
    return None if missing is None else needed + missing


IN_SIGHT = 1e6
"""Target requests beyond which a Pass is not in sight."""
_WAITS_FOR_REQUESTS = frozenset({Reason.TOO_FEW_REQUESTS, Reason.NOT_PROVEN})


def _reason(rule: Rule, evidence: Evidence, sides: Sides, terms: Terms) -> Reason:
    requests = evidence.target.n
    if requests < 1:
        return Reason.TOO_FEW_REQUESTS
    if not sides.source.total and not terms.alone:
        return Reason.NO_SOURCE_REQUESTS
    failing = _failing(rule, sides, terms)
    if failing is Reason.LOAD_DIFFERS:
        return failing
    if failing:
        # No Pass either: what would fail were it not a burst has to be outlived first.
        return _held_back(rule, evidence, sides) or failing
    if requests < terms.needed:
        return Reason.TOO_FEW_REQUESTS
    passing = _passing(rule, sides, terms)
    if passing is not None:
        return passing if terms.min_duration_over else Reason.TOO_SOON
    refused = terms.emptier and rule.within_margin(sides, terms.slack)
    return Reason.LOAD_DIFFERS if refused else Reason.NOT_PROVEN


def _held_back(rule: Rule, evidence: Evidence, sides: Sides) -> Reason | None:
    """Find what keeps a proven Fail from being one."""
    if evidence.target.n < FAIL_FROM:
        return Reason.TOO_FEW_REQUESTS
    if sides.target.bad < rule.fewest_bad:
        return Reason.TOO_FEW_ERRORS
    return Reason.BURST if evidence.spread < SPREAD - 1e-9 else None


def _failing(rule: Rule, sides: Sides, terms: Terms) -> Reason | None:
    if terms.alone:
        return Reason.OVER_LIMIT if over_limit(sides, rule.limit) else None
    if terms.reference is not None:
        broken = rule.worse(sides) and over_limit(sides, rule.limit)
        return Reason.OVER_REFERENCE_AND_LIMIT if broken else None
    worse = rule.worse(sides)
    if worse and not terms.fuller:
        return Reason.WORSE_THAN_SOURCE
    if over_limit(sides, rule.limit) and rule.worse_at_all(sides):
        return Reason.OVER_LIMIT
    return Reason.LOAD_DIFFERS if worse else None


def _passing(rule: Rule, sides: Sides, terms: Terms) -> Reason | None:
    compared = not terms.alone and not terms.emptier
    if compared and rule.within_margin(sides, terms.slack):
        return Reason.WITHIN_MARGIN
    if terms.limit_passes(rule) and below_limit(sides, rule.limit * terms.slack):
        return Reason.BELOW_LIMIT
    return None


def over_limit(sides: Sides, limit: float) -> bool:
    """Prove t > limit, at α .001 and any look."""
    return log_e_above(sides.target, limit) >= -log(ALPHA_LIMIT)


def below_limit(sides: Sides, limit: float) -> bool:
    """Prove t < limit, at α .05 and any look."""
    return log_e_below(sides.target, limit) >= -log(ALPHA_PASS)


def _missing(rule: Rule, evidence: Evidence, sides: Sides, terms: Terms) -> float | None:
    """Target requests until a Pass if both sides go on as they are; None when none is in sight.

    What is still to come from a target seen little of is expected to be bad as often as the source's
    (as if 50 requests of the target had been seen at the source's share).
    """
    seen = evidence.target.n
    if seen < 1 or not (sides.source.total or terms.alone):
        return terms.needed
    target, source = sides.target, sides.source
    prior = target.share if terms.alone else source.share
    expected = (target.bad + prior * FAIL_FROM) / (target.total + FAIL_FROM)

    def passes(growth: float) -> bool:
        more = (growth - 1.0) * target.total
        grown = Count(target.total + more, target.bad + more * expected)
        kept = 1.0 if terms.reference is not None else 1.0 / growth
        return _passing(rule, Sides(source.over(kept), grown), terms) is not None

    growth = first_growth(passes, IN_SIGHT / seen)
    return None if growth is None else max(terms.needed - seen, seen * (growth - 1.0))


def first_growth(passes: Callable[[float], bool], most: float) -> float | None:
    """Find the smallest factor (to a tenth) by which the evidence must grow; None above ``most``."""
    low, high = 1.0, 2.0
    while not passes(high):
        low, high = high, high * 2.0
        if high > most:
            return None
    while high / low > 1.1:
        middle = sqrt(low * high)
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def _bound(rule: Rule, reason: Reason, source_share: float, terms: Terms) -> float | None:
    """Name the share that the target's is held against: what broke, or what it must be proven below."""
    if reason is Reason.NO_SOURCE_REQUESTS:
        return None
    if reason is Reason.WORSE_THAN_SOURCE:
        return rule.margin_bound(source_share, 1.0)
    if reason is Reason.OVER_LIMIT:
        return rule.limit
    limit = rule.limit * terms.slack
    if reason is Reason.BELOW_LIMIT or terms.alone:
        return limit
    margin = rule.margin_bound(source_share, terms.slack)
    if reason is Reason.WITHIN_MARGIN or not terms.limit_passes(rule):
        return margin
    return max(margin, limit)
