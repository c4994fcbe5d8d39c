"""Whether the declared weight is what requests see: the sample-ratio test on both sides' counters."""

from dataclasses import dataclass
from enum import StrEnum
from math import erfc, inf, log, sqrt

from cutover.judge.wording import count, percent

ALPHA = 0.001
TOLERANCE = 0.02
"""Two percentage points: a smaller difference is never "not delivered"."""
BASELINE_SWAY = 0.10
"""By how much of itself the target's traffic from other callers may change unnoticed."""
ENOUGH = 100.0
"""Requests of both sides before anything is said."""
NO_TRAFFIC_FROM = 500.0
"""Requests of both sides after which none on the target at 1 % is no chance (0.7 %)."""


class SplitReason(StrEnum):
    """What the counters say of the declared weight."""

    DELIVERED = "Delivered"
    NOT_DELIVERED = "NotDelivered"
    NO_TRAFFIC = "NoTraffic"
    TOO_FEW_REQUESTS = "TooFewRequests"


@dataclass(frozen=True, slots=True)
class Baseline:
    """Requests a second of each side while the target's weight was 0."""

    source: float
    target: float


@dataclass(frozen=True, slots=True)
class Split:
    """The delivered weight and whether it is the declared one."""

    delivered: float | None
    """Percent, 0-100; None before enough requests."""
    ok: bool | None
    """None: not enough requests to say."""
    reason: SplitReason
    message: str


def delivered_share(source: float, target: float) -> float:
    """Share of the requests that the target got, 0-1; 0 without any."""
    total = source + target
    return target / total if total else 0.0


def judge_split(
    weight: float,
    source: float,
    target: float,
    *,
    seconds: float = 0.0,
    baseline: Baseline | None = None,
    gateway: bool = False,
) -> Split:
    """Compare requests counted on each side with the declared ``weight`` (percent, 0-100).

    The counts are of the last ``seconds``, all of them after the weight took effect. A ``gateway``'s counters
    need no ``baseline``: only another route to the same backend counts besides. The servers' own also count other callers: then only what the target gets
    beyond its rate at weight 0 was moved. Other callers of the source cannot be told from routed ones, they
    make the delivered weight look smaller than it is; the sentence of a failed test says so.
    """
    others = baseline.target * seconds if baseline else 0.0
    moved = max(0.0, target - others)
    total = source + moved
    share = delivered_share(source, moved)
    expected = weight / 100.0
    if total < ENOUGH:
        message = f"too few requests ({count(total)}) to tell the delivered weight"
        return Split(None, None, SplitReason.TOO_FEW_REQUESTS, message)
    tolerance = TOLERANCE + BASELINE_SWAY * others / total
    differs = (
        abs(share - expected) > tolerance and _p_value(expected, source, moved, others) < ALPHA
    )
    reason = _reason(weight, moved, total, others, differs=differs)
    hint = _hint(baseline, gateway=gateway) if share < expected else ""
    message = _sentence(reason, weight, share, total, hint)
    return Split(100.0 * share, _OK[reason], reason, message)


def judge_mirror(
    percent: float,
    source: float,
    target: float,
    *,
    seconds: float = 0.0,
    baseline: Baseline | None = None,
    gateway: bool = False,
) -> Split:
    """Compare the copies that the target got with what was due: ``percent`` of the source's requests.

    The same test as for a weight, since ``p`` copies beside 100 requests are ``p / (100 + p)`` of what is
    counted. Nothing of it is a delivered weight.
    """
    share = 100.0 * percent / (100.0 + percent)
    result = judge_split(share, source, target, seconds=seconds, baseline=baseline, gateway=gateway)
    others = baseline.target * seconds if baseline else 0.0
    seen = (
        f"the target got {count(max(0.0, target - others))} copies of {count(source)} requests, of which"
        f" {percent:g} % are to be mirrored"
    )
    few = result.reason is SplitReason.TOO_FEW_REQUESTS
    message = f"too few requests ({count(source)}) to tell what is mirrored" if few else seen
    if result.ok is False:
        more = result.delivered is not None and result.delivered > share
        hint = "" if more else _hint(baseline, gateway=gateway)
        message = f"{seen}: the gateway does not do what the route says{hint}"
    return Split(None, result.ok, result.reason, message)


_OK = {
    SplitReason.DELIVERED: True,
    SplitReason.NOT_DELIVERED: False,
    SplitReason.NO_TRAFFIC: False,
    SplitReason.TOO_FEW_REQUESTS: None,
}


def _reason(
    weight: float, moved: float, total: float, others: float, *, differs: bool
) -> SplitReason:
    if weight <= 0 or moved >= 0.5:
        return SplitReason.NOT_DELIVERED if differs else SplitReason.DELIVERED
    noise = sqrt(2.0 * others)
    proven = weight >= 1 and total >= NO_TRAFFIC_FROM and weight / 100.0 * total >= 2.5 * noise
    return SplitReason.NO_TRAFFIC if differs or proven else SplitReason.TOO_FEW_REQUESTS


def _p_value(expected: float, source: float, moved: float, others: float) -> float:
    """Two-sided p of the split, both sides' counts Poisson.

    Without other callers the likelihood ratio (G) test, which stays honest where few requests are expected;
    with them the score test, whose variance includes theirs now and in the baseline.
    """
    total = source + moved
    if not others:
        parts = ((moved, expected * total), (source, (1.0 - expected) * total))
        g = sum(2.0 * seen * (log(seen) - log(due)) if due else inf for seen, due in parts if seen)
        return erfc(sqrt(max(0.0, g) / 2.0))
    variance = expected * (1 - expected) * total + 2.0 * (1 - expected) ** 2 * others
    difference = abs(moved - expected * total)
    return erfc(difference / sqrt(2.0 * variance)) if variance else float(difference == 0)


def _sentence(reason: SplitReason, weight: float, share: float, total: float, hint: str) -> str:
    seen = f"{percent(share)} of {count(total)} requests reached the target at weight {weight:g}"
    match reason:
        case SplitReason.DELIVERED:
            return seen
        case SplitReason.TOO_FEW_REQUESTS:
            return f"none of {count(total)} requests reached the target at weight {weight:g} yet"
        case SplitReason.NO_TRAFFIC:
            return (
                f"none of {count(total)} requests reached the target at weight {weight:g}:"
                " the route's weight has no effect"
            )
        case SplitReason.NOT_DELIVERED:
            return f"{seen}: the route's weight is not what requests see{hint}"


def _hint(baseline: Baseline | None, *, gateway: bool) -> str:
    """What else may make the delivered share look smaller than it is."""
    if gateway:
        return _OTHER_ROUTES
    return _OTHER_CALLERS if baseline else ""


_OTHER_CALLERS = (
    " (or the source has callers beside the route: let the gateway count, traffic.gateway)"
)
_OTHER_ROUTES = " (or another route sends requests to the source's backend)"
