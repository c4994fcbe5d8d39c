"""The arithmetic of weights: what a rollout's weight (0 to 100) is in the route's own numbers.

A rule whose only weighted backends are the two gets (100 - w, w). In a rule that shares its traffic
with others, the sum of the two is kept, so that the others' share stays what it was; a weight that
this sum cannot express in whole numbers is refused before anything starts (`inexpressible`).
"""

from collections.abc import Sequence
from dataclasses import replace
from math import gcd, lcm

from cutover.decide.route import RuleWeights, rule_name

MAX_WEIGHT = 1_000_000
"""The largest weight that Gateway API allows on one backend."""


def weights_at(original: Sequence[RuleWeights], weight: int) -> tuple[RuleWeights, ...]:
    """Return the numbers that declare ``weight`` percent on the target, rule by rule.

    At 0 a rule whose original numbers have the target at 0 gets exactly those. A weight that a rule
    cannot express is rounded towards the source; `inexpressible` tells beforehand.
    """
    return tuple(_rule_at(rule, weight) for rule in original)


def restored(
    seen: Sequence[RuleWeights], original: Sequence[RuleWeights]
) -> tuple[RuleWeights, ...]:
    """Return what a rollback writes, for the rules that are on the route now.

    Each rule gets its original numbers. One that is not known (added, moved or shared with others
    since, or no claim can be read) keeps its sum, all of it on the source: this never fails.
    """
    known = {(rule.rule, rule.others): rule for rule in original if rule.target == 0}
    return tuple(known.get((rule.rule, rule.others)) or _all_on_source(rule) for rule in seen)


def matches(seen: Sequence[RuleWeights], original: Sequence[RuleWeights], weight: int) -> bool:
    """Tell whether the route declares ``weight`` in every rule of ``original``, and has no more rules.

    Without other backends only the share counts: (50, 50) and (1, 1) are the same. With others the
    numbers themselves count, because the sum of the two decides what the others get.
    """
    wanted = {rule.rule: rule for rule in weights_at(original, weight)}
    return {rule.rule for rule in seen} == set(wanted) and all(
        _same_share(rule, wanted[rule.rule]) for rule in seen
    )


def shows(seen: Sequence[RuleWeights], original: Sequence[RuleWeights], weight: int) -> bool:
    """Tell whether the route declares ``weight``, whatever the other backends have been given since."""
    others = {rule.rule: rule.others for rule in original}
    known = [replace(rule, others=others.get(rule.rule, rule.others)) for rule in seen]
    return matches(known, original, weight)


def inexpressible(
    original: Sequence[RuleWeights],
    weights: Sequence[int],
    whole: int | None = None,
    largest: int = MAX_WEIGHT,
) -> str | None:
    """Return a sentence naming the first weight that the route's numbers cannot express.

    ``whole``: what the two numbers of a rule always add up to on this kind of route. ``largest``: what one number may be.
    """
    for rule in original:
        total = rule.source + rule.target
        if total == 0:
            return (
                f"{rule_name(rule.rule)} sends nothing to either backend (both weights are 0):"
                " give the source backend a weight, for example 100"
            )
        if rule.others == 0 and whole is None:
            continue
        shared = total if rule.others or whole is None else whole
        for weight in weights:
            if shared * weight % 100:
                if rule.others:
                    return _sentence(rule, weight, weights, largest)
                return _coarse(shared, weight)
    return None


def _coarse(whole: int, weight: int) -> str:
    finest = 100 // gcd(whole, 100)
    return (
        f"100 % is {whole} in the route's numbers, and {weight} % of that is no whole number:"
        f" use weights that are multiples of {finest}, or a route whose numbers are finer"
    )


def scaled(rule: RuleWeights, whole: int | None) -> RuleWeights:
    """Return the same share in numbers that add up to ``whole``, rounded towards the source.

    A rule that shares its traffic with others keeps its sum, and one that sends nothing stays as it is.
    """
    total = rule.source + rule.target
    if whole is None or rule.others or total in (0, whole):
        return rule
    target = rule.target * whole // total
    return RuleWeights(rule.rule, whole - target, target)


def _rule_at(rule: RuleWeights, weight: int) -> RuleWeights:
    if weight == 0 and rule.target == 0:
        return rule
    total = 100 if rule.others == 0 else rule.source + rule.target
    target = total * weight // 100
    return RuleWeights(rule.rule, total - target, target, rule.others)


def _all_on_source(rule: RuleWeights) -> RuleWeights:
    return RuleWeights(rule.rule, rule.source + rule.target, 0, rule.others)


def _same_share(seen: RuleWeights, wanted: RuleWeights) -> bool:
    if wanted.others or seen.others:
        return seen == wanted
    seen_total, wanted_total = seen.source + seen.target, wanted.source + wanted.target
    if seen_total == 0 or wanted_total == 0:
        return seen_total == wanted_total
    return seen.target * wanted_total == wanted.target * seen_total


def _sentence(rule: RuleWeights, weight: int, weights: Sequence[int], largest: int) -> str:
    total = rule.source + rule.target
    factor = lcm(*(100 // gcd(total * each, 100) for each in weights))
    problem = (
        f"{rule_name(rule.rule)} has other backends, and {weight} % of the two backends'"
        f" sum {total} is no whole number"
    )
    if factor * max(total, rule.others) > largest:
        return f"{problem}: change the rule's weights so that the two add up to 100"
    return f"{problem}: multiply every weight of that rule by {factor}"
