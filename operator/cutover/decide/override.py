"""Somebody else's change of the weights (law 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cutover.api.status import Status
from cutover.decide.record import from_status
from cutover.decide.route import RouteSeen, RuleWeights
from cutover.decide.weights import shows, weights_at

ENFORCEMENTS = 5
ENFORCEMENT_SPAN = timedelta(minutes=10)
SAME = 1e-6


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


def find_override(before: Status, status: Status, route: RouteSeen) -> Override | None:
    """Tell whether the route carries weights that are neither the ones last seen nor the ones intended.

    ``before`` is the status as read: what it says was declared was on the route already.
    """
    original = from_status(status.original)
    desired = status.weights.desired
    if not original or not route.rules:
        return None
    if desired is not None and shows(route.rules, original, desired):
        return None
    expected = _expected(before, status, original)
    if _same(route.rules, expected):
        return None
    pairs = _pairs(route.rules, _left_by_us(status, route) or expected)
    if any(_share(seen) < _share(want) - SAME for seen, want in pairs):
        kind = OverrideKind.LOWERED
    elif any(_share(seen) > _share(want) + SAME for seen, want in pairs):
        kind = OverrideKind.RAISED
    else:
        return None
    return Override(kind, route.last_manager or "somebody", route.highest)


def is_half_written(status: Status, route: RouteSeen) -> bool:
    """Whether a raise of ours reached only some of several routes: the process died between two of them.

    Each shows what its own claim says was written, none less than it should, and they are not at one.
    """
    desired, original = status.weights.desired, from_status(status.original)
    if not route.written or route.written != route.rules or not original:
        return False
    if desired is not None and shows(route.rules, original, desired):
        return False
    pairs = _pairs(route.rules, expected_weights(status))
    return any(_share(seen) > _share(want) + SAME for seen, want in pairs) and not any(
        _share(seen) < _share(want) - SAME for seen, want in pairs
    )


def _left_by_us(status: Status, route: RouteSeen) -> tuple[RuleWeights, ...]:
    """What several routes' claims say was written last; nothing where weights of others are left standing."""
    known = {rule.rule for rule in route.written} == {rule.rule for rule in route.rules}
    return route.written if known and status.weights.standing is None else ()


def expected_weights(status: Status) -> tuple[RuleWeights, ...]:
    """What the route has to show until the desired weight is written."""
    weights = status.weights
    if weights.standing is not None:
        return from_status(weights.standing)
    return weights_at(from_status(status.original), weights.applied or 0)


def contested(status: Status, now: datetime) -> bool:
    """Whether enforcing once more would be the sixth time within ten minutes."""
    recent = [at for at in status.enforced_at if now - at < ENFORCEMENT_SPAN]
    return len(recent) >= ENFORCEMENTS


def enforced(status: Status, now: datetime) -> Status:
    """Count one enforcement."""
    return status.model_copy(update={"enforced_at": [*status.enforced_at, now][-ENFORCEMENTS:]})


def _expected(
    before: Status, status: Status, original: tuple[RuleWeights, ...]
) -> tuple[RuleWeights, ...]:
    """The weights that stood at the last look.

    A raise that was seen on the route counts before the gateway has taken it: who lowers it again
    in between stops the rollout as much as later.
    """
    desired, declared = before.weights.desired, before.weights.declared
    raised = (
        desired is not None
        and declared is not None
        and desired == status.weights.desired
        and abs(declared - desired) < SAME
    )
    return weights_at(original, desired) if raised and desired else expected_weights(status)


def _share(rule: RuleWeights) -> float:
    total = rule.source + rule.target
    return 100.0 * rule.target / total if total else 0.0


def _pairs(
    seen: Sequence[RuleWeights], expected: Sequence[RuleWeights]
) -> list[tuple[RuleWeights, RuleWeights]]:
    by_rule = {rule.rule: rule for rule in expected}
    return [(rule, by_rule[rule.rule]) for rule in seen if rule.rule in by_rule]


def _same(seen: Sequence[RuleWeights], expected: Sequence[RuleWeights]) -> bool:
    return all(abs(_share(a) - _share(b)) < SAME for a, b in _pairs(seen, expected))
