"""Drift: whether both sides' answers (or prompts) come from one distribution or from two that are far apart.

A Fail needs three things at once: so many requests that equal sides would stay below ``max`` (99 %), a
distance above ``max``, and a null test that rules out chance (α .01). Each method's distance, test and size
are in ``judge.distances``. A mere point excess never fails; neither does a difference that is certain and
small. At the fewest requests allowed, equal sides fail in less than 1 of 100 judgements, and with PSI in far
less, since its bias is taken off besides.

These are tests of one moment, not of every look: they are to be asked once for the evidence of a step
(``decide.drifting`` keeps the answer). Requests are taken to be independent; answers to one client's many
like prompts are not, so ``max`` should be a difference that matters, not one that can just be seen.

On raw samples, such as the two sides' golden outputs::

    rule = DriftRule("score", "score", DriftMethod.KS, max=0.1, unit="answers")
    judge_numbers(rule, source_scores, target_scores)   # scores, lengths: any sequence or array of numbers
    judge_labels(rule, source_labels, target_labels)    # labels: any hashable values; not KS, Wasserstein

Both return a ``Judgement``: Pass, Fail, or Inconclusive with how many more are needed. The two sides need
not be equally many nor paired; leave out what is missing and report it elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from numpy.typing import ArrayLike

from cutover.api.drift import REPORTED_ONLY, DriftMethod
from cutover.api.verdict import Verdict
from cutover.judge.distances import ALPHA, Distance, distance
from cutover.judge.distribution import Ordered, Paired, of_buckets, of_labels, of_numbers
from cutover.judge.histogram import Buckets
from cutover.judge.verdict import Judgement
from cutover.judge.wording import about, count, percent

PROMPT_TOKENS = "PromptTokens"
"""The distribution by which it is told whether both sides get like prompts."""
OPEN_SHARE = 0.01
"""Above the last finite edge; from this share on it is told that the distance there is not known."""


class DriftReason(StrEnum):
    """Why a drift gate says what it says."""

    WITHIN_LIMIT = "WithinLimit"
    """Pass: enough requests, and no distance above the limit that is no chance."""
    DRIFTED = "Drifted"
    """Fail: farther apart than the limit, and it is no chance."""
    DRIFTED_FROM_REFERENCE = "DriftedFromReference"
    """Fail that pauses: apart from what the source's distribution once was."""
    TOO_FEW_REQUESTS = "TooFewRequests"
    TOO_SOON = "TooSoon"
    """Enough requests, but ``minDuration`` is not over."""
    REPORTED_ONLY = REPORTED_ONLY
    """Pass: too little traffic for a judgement in this step; the distance is told and holds nothing."""
    INPUT_MIX_DIFFERS = "InputMixDiffers"
    """The sides get different prompts: comparing what they answer says nothing about the servers."""


@dataclass(frozen=True, slots=True)
class DriftRule:
    """How far apart two distributions may be."""

    name: str
    what: str
    """The distribution's name, as sentences call it: OutputTokens."""
    method: DriftMethod
    max: float
    """In the method's own measure (``judge.distances``), more than 0."""
    unit: str = "requests"
    """What is counted, in the plural."""


def judge_drift(rule: DriftRule, pair: Paired, *, frozen: bool = False) -> Judgement:
    """Judge once. ``frozen``: the source's side is an old one, so that a Fail pauses."""
    n, m = pair.sizes
    if not n or not m:
        side = "source" if not n else "target"
        return _judged(
            DriftReason.TOO_FEW_REQUESTS,
            f"{rule.name}: the {side} has no {rule.unit} with {rule.what} to compare yet",
            pair,
        )
    found = distance(rule.method, pair, rule.max)
    seen = _seen(rule, found, pair, frozen=frozen)
    reason = _reason(rule, found, pair, frozen=frozen)
    missing = None
    if reason is DriftReason.TOO_FEW_REQUESTS:
        missing = _missing(found.needed, n, m, frozen=frozen)
        ending = _needs(rule, missing)
    elif reason is DriftReason.WITHIN_LIMIT:
        chance = f", and that may be chance ({_p(found.p)})" if found.value > rule.max else ""
        ending = f"the limit is {rule.max:g}{chance}: passes"
    else:
        end = "pauses, since the source's distribution is an old one" if frozen else "fails"
        ending = f"the limit is {rule.max:g} and it is no chance ({_p(found.p)}): {end}"
    return _judged(
        reason, f"{seen}; {ending}", pair, value=found.value, bound=rule.max, missing=missing
    )


def judge_numbers(rule: DriftRule, source: ArrayLike, target: ArrayLike) -> Judgement:
    """Judge raw samples of a quantity; 10⁶ against 10⁶ take some 20 ms (``python -m tests.bench.drift``)."""
    return judge_drift(rule, of_numbers(source, target))


def judge_labels(rule: DriftRule, source: Iterable[object], target: Iterable[object]) -> Judgement:
    """Judge raw labels by TV, JS, PSI or ChiSquare."""
    return judge_drift(rule, of_labels(source, target))


def _reason(rule: DriftRule, found: Distance, pair: Paired, *, frozen: bool) -> DriftReason:
    if pair.effective < found.needed:
        return DriftReason.TOO_FEW_REQUESTS
    if found.value > rule.max and found.p < ALPHA:
        return DriftReason.DRIFTED_FROM_REFERENCE if frozen else DriftReason.DRIFTED
    return DriftReason.WITHIN_LIMIT


def _judged(
    reason: DriftReason,
    message: str,
    pair: Paired,
    *,
    value: float | None = None,
    bound: float | None = None,
    missing: float | None = None,
) -> Judgement:
    match reason:
        case DriftReason.WITHIN_LIMIT:
            verdict = Verdict.PASS
        case DriftReason.DRIFTED | DriftReason.DRIFTED_FROM_REFERENCE:
            verdict = Verdict.FAIL
        case _:
            verdict = Verdict.INCONCLUSIVE
    n, m = pair.sizes
    return Judgement(
        verdict=verdict,
        reason=reason,
        message=message,
        value=value,
        bound=bound,
        source_count=n,
        target_count=m,
        requests_missing=missing,
        pauses=reason is DriftReason.DRIFTED_FROM_REFERENCE,
    )


def _missing(needed: float, n: float, m: float, *, frozen: bool) -> float | None:
    """Target requests still to come if both sides go on as they are; None: they can never be enough."""
    if not frozen:
        return m * (needed * (n + m) / (n * m) - 1.0)
    return needed * n / (n - needed) - m if n > needed else None


# --- words --------------------------------------------------------------------------------------


def _seen(rule: DriftRule, found: Distance, pair: Paired, *, frozen: bool) -> str:
    n, m = pair.sizes
    whose = "of the source's last" if frozen else "source"
    text = (
        f"{rule.name}: {rule.method} of {rule.what} is {found.value:.3g} between {count(n)} {whose}"
        f" and {count(m)} target {rule.unit}"
    )
    if rule.method is DriftMethod.WASSERSTEIN and isinstance(pair, Ordered):
        share = pair.open_share
        if share > OPEN_SHARE:
            text += f" ({percent(share)} lie above the last bucket edge, how far is not known)"
    return text


def _needs(rule: DriftRule, missing: float | None) -> str:
    if missing is None:
        return f"the source's last {rule.unit} are too few for a limit of {rule.max:g}"
    return f"needs about {about(missing)} more target {rule.unit} to hold against {rule.max:g}"


def _p(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


# --- what comes in ------------------------------------------------------------------------------

MIX = DriftRule("input mix", PROMPT_TOKENS, DriftMethod.PSI, max=0.1)
"""Prompts further apart than this are different work; 0.1 is where PSI by convention begins to matter."""


def judge_mix(source: Buckets, target: Buckets) -> Judgement:
    """Judge whether both sides get like prompts: a Fail here makes what is compared Inconclusive.

    Asked at every look, unlike a gate: under like prompts PSI less its bias lies more than six of its
    standard deviations below 0.1 from the fewest requests on (N_eff 217 with ten cells), so that looking
    often does not find what is not there, and a wrong answer would only hold until the next look.
    """
    pair = of_buckets(source, target)
    if pair is None:
        return Judgement(
            Verdict.INCONCLUSIVE,
            DriftReason.TOO_FEW_REQUESTS,
            "input mix: the two sides' histograms of PromptTokens have no bucket edge in common",
        )
    return judge_drift(MIX, pair)
