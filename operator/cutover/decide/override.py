"""Somebody else's change of the weights (law 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cutover.api.status import Status
from cutover.decide.observation import RouteSeen, RuleWeights
from cutover.decide.record import from_status
from cutover.decide.weights import matches, weights_at

ENFORCEMENTS = 5
ENFORCEMENT_SPAN = timedelta(minutes=10)


class OverrideKind(StrEnum):
    """Which way the target's share was moved."""

    LOWERED = "Lowered"
    """An emergency stop: never undone."""
    RAISED = "Raised"


@dataclass(frozen=True, slots=True)
class Override:
    """What somebody did to the weights."""

    kind: OverrideKind
    manager: str
    live: float
    """The target's largest share over the rules now, in percent."""


def find_override(status: Status, route: RouteSeen) -> Override | None:
    """Tell whether the route carries weights that are neither the ones last applied nor the ones intended."""
    original = from_status(status.original)
    if not original or not route.rules:
        return None
    weights = status.weights
    if weights.desired is not None and matches(route.rules, original, weights.desired):
        return None
    if weights.standing is not None:
        expected = from_status(weights.standing)
        if _same(route.rules, expected):
            return None
    else:
        expected = weights_at(original, weights.applied or 0)
        if matches(route.rules, original, weights.applied or 0):
            return None
    lowered = any(
        _share(seen) < _share(want) - 1e-9 for seen, want in _pairs(route.rules, expected)
    )
    raised = any(_share(seen) > _share(want) + 1e-9 for seen, want in _pairs(route.rules, expected))
    if lowered:
        kind = OverrideKind.LOWERED
    elif raised:
        kind = OverrideKind.RAISED
    else:
        return None
    return Override(kind, route.last_manager or "somebody", route.highest)


def contested(status: Status, now: datetime) -> bool:
    """Whether enforcing once more would be the sixth time within ten minutes."""
    recent = [at for at in status.enforced_at if now - at < ENFORCEMENT_SPAN]
    return len(recent) >= ENFORCEMENTS


def enforced(status: Status, now: datetime) -> Status:
    """Count one enforcement."""
    return status.model_copy(update={"enforced_at": [*status.enforced_at, now][-ENFORCEMENTS:]})


def _share(rule: RuleWeights) -> float:
    total = rule.source + rule.target
    return rule.target / total if total else 0.0


def _pairs(
    seen: Sequence[RuleWeights], expected: Sequence[RuleWeights]
) -> list[tuple[RuleWeights, RuleWeights]]:
    by_rule = {rule.rule: rule for rule in expected}
    return [(rule, by_rule[rule.rule]) for rule in seen if rule.rule in by_rule]


def _same(seen: Sequence[RuleWeights], expected: Sequence[RuleWeights]) -> bool:
    return all(abs(_share(a) - _share(b)) < 1e-9 for a, b in _pairs(seen, expected))
