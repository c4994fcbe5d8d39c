"""PURE: which rules name both sides, and what to tell people where one does not.

The same for every kind whose rules list destinations; what differs are the words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.traffic.layout import (
    BACKEND_NOT_FOUND,
    BACKEND_REPEATED,
    RULE_NOT_COVERED,
    Place,
    Problem,
)


@dataclass(frozen=True, slots=True)
class Words:
    """How this kind's sides and fields are called."""

    source: str
    """``Service llama-chat``."""
    target: str
    source_field: str
    """Where a spec names the source: ``spec.traffic.httpRoute.sourceBackend``."""
    target_field: str
    missing: str
    """What to do where no rule names a side: ``add it to backendRefs with weight 0``."""
    narrower: str
    """How to leave out a rule that is not meant: ``list the rules meant in spec.traffic.httpRoute.rules``."""
    closer: str
    """How to tell two entries of one side apart: ``name the backend's port in spec.traffic.httpRoute``."""


@dataclass(frozen=True, slots=True)
class Named:
    """One rule, and how people call it."""

    place: Place
    called: str
    listed: str = ""
    """The field that lists it; empty where none does."""


def whole(rules: Sequence[Named]) -> tuple[Place, ...]:
    """Return the rules that name both sides."""
    return tuple(one.place for one in rules if one.place.sources and one.place.targets)


def problem(rules: Sequence[Named], words: Words) -> Problem | None:
    """Return the first reason why nothing may be raised on these rules."""
    for side, field, found in (
        (words.source, words.source_field, any(one.place.sources for one in rules)),
        (words.target, words.target_field, any(one.place.targets for one in rules)),
    ):
        if not found:
            return Problem(
                BACKEND_NOT_FOUND,
                f"no rule of the route names {side}: {words.missing} or correct {field}",
            )
    return next(filter(None, (_of_rule(one, words) for one in rules)), None)


def _of_rule(rule: Named, words: Words) -> Problem | None:
    sources, targets = rule.place.sources, rule.place.targets
    for side, entries in ((words.source, sources), (words.target, targets)):
        if len(entries) > 1:
            return Problem(
                BACKEND_REPEATED,
                f"{rule.called} names {side} {len(entries)} times: keep one entry, or {words.closer}",
            )
    if sources and not targets:
        return Problem(
            RULE_NOT_COVERED,
            f"{rule.called} names {words.source} but not {words.target}: add {words.target} with"
            f" weight 0, or {words.narrower}",
        )
    if rule.listed and not (sources and targets):
        return Problem(
            RULE_NOT_COVERED,
            f"{rule.called} is listed in {rule.listed} but does not name both {words.source}"
            f" and {words.target}: add the missing one or correct the list",
        )
    return None
