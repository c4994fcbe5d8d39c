"""The one sentence of a latency or error gate, for a person at three in the morning."""

from cutover.api.verdict import Verdict
from cutover.judge.evidence import Count
from cutover.judge.load import UNEQUAL
from cutover.judge.terms import Reason, Rule, Terms
from cutover.judge.wording import about, count, percent


def sentence(
    rule: Rule, reason: Reason, source: Count, target: Count, terms: Terms, *, missing: float | None
) -> str:
    """Say who, what was seen on both sides, what it is held against, and what that means."""
    if reason is Reason.TOO_FEW_REQUESTS:
        return f"{rule.name}: {_needs(missing)}"
    if reason is Reason.NO_SOURCE_REQUESTS:
        return (
            f"{rule.name}: no source requests to compare {count(target.total)} of the target with"
        )
    seen = f"{percent(target.share)} of {count(target.total)} target requests {rule.what_is_bad}"
    ending = _ending(rule, reason, terms, missing)
    aside = ""
    if reason.verdict is not Verdict.FAIL and source.share > rule.limit:
        aside = f" (the source itself is over the limit of {percent(rule.limit)})"
    return f"{rule.name}: {seen}, {_compared(source, terms)}; {ending}{aside}"


def _compared(source: Count, terms: Terms) -> str:
    if terms.alone:
        return "no source to compare with"
    whose = "the source's last" if terms.reference is not None else "source"
    return f"{whose} {percent(source.share)} of {count(source.total)}"


def _ending(rule: Rule, reason: Reason, terms: Terms, missing: float | None) -> str:
    match reason.verdict:
        case Verdict.PASS:
            held_against = _limit if reason is Reason.BELOW_LIMIT else _margin
            return f"{held_against(rule, terms)}: passes"
        case Verdict.FAIL:
            return _failed(rule, reason, terms)
        case _:
            return _waiting(rule, reason, terms, missing)


def _failed(rule: Rule, reason: Reason, terms: Terms) -> str:
    limit = percent(rule.limit)
    if terms.alone:
        return f"the limit is {limit}: pauses"
    if reason is Reason.OVER_REFERENCE_AND_LIMIT:
        both = f"over {rule.margin_words(1.0)} and over the limit of {limit}"
        return f"{both}: pauses, since the source's share is an old one"
    if reason is Reason.OVER_LIMIT:
        return f"the limit is {limit} and the source does better: fails"
    return f"the limit is {rule.margin_words(1.0)}: fails"


def _waiting(rule: Rule, reason: Reason, terms: Terms, missing: float | None) -> str:
    match reason:
        case Reason.BURST:
            return "too many, but in too few looks to tell it from a burst: waits"
        case Reason.TOO_FEW_ERRORS:
            return "too many, but on too few errors to judge by: waits"
        case Reason.LOAD_DIFFERS:
            return _loads(terms)
        case Reason.TOO_SOON:
            return f"{_goal(rule, terms)}: will pass when the step's minimum duration is over"
        case _:
            return f"not yet proven, {_goal(rule, terms)}: {_needs(missing)}"


def _loads(terms: Terms) -> str:
    words = terms.load.words if terms.load is not None else "the loads differ"
    return f"{words}: {UNEQUAL}"


def _goal(rule: Rule, terms: Terms) -> str:
    if terms.alone:
        return _limit(rule, terms)
    other = f" or {percent(rule.limit * terms.slack)}" if terms.limit_passes(rule) else ""
    return _margin(rule, terms) + other


def _margin(rule: Rule, terms: Terms) -> str:
    return f"{_the_limit(terms)} {rule.margin_words(terms.slack)}"


def _limit(rule: Rule, terms: Terms) -> str:
    return f"{_the_limit(terms)} {percent(rule.limit * terms.slack)}"


def _the_limit(terms: Terms) -> str:
    return "the limit is" if terms.slack == 1 else f"at weight {terms.weight:g} the limit is"


def _needs(missing: float | None) -> str:
    if missing is None:
        return "no end in sight at these shares"
    return f"needs about {about(missing)} more target requests"
