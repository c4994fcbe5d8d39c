"""Somebody else's weights: told from ours, and which way they go."""

import pytest

from cutover.api.status import OriginalWeights, Status, Weights
from cutover.decide.override import OverrideKind, find_override
from cutover.decide.record import to_status
from cutover.decide.route import RouteSeen, RuleWeights

LOWERED, RAISED = OverrideKind.LOWERED, OverrideKind.RAISED
ONE = (RuleWeights(0, 1, 0),)
TWO = (RuleWeights(0, 1, 0), RuleWeights(1, 10, 0, 5))


def _route(*rules: RuleWeights, manager: str = "argocd") -> RouteSeen:
    return RouteSeen("1", 1, rules, None, accepted=True, acceptance="", last_manager=manager)


def _status(
    original: tuple[RuleWeights, ...],
    applied: int | None,
    desired: int | None = None,
    standing: tuple[RuleWeights, ...] | None = None,
) -> Status:
    weights = Weights(
        applied=applied,
        desired=applied if desired is None else desired,
        standing=None if standing is None else to_status(standing),
    )
    return Status(original=to_status(original), weights=weights)


def _pair(target: int) -> RuleWeights:
    return RuleWeights(0, 100 - target, target)


@pytest.mark.parametrize(
    ("status", "route", "kind"),
    [
        pytest.param(_status(ONE, 25), _route(_pair(25)), None, id="as-applied"),
        pytest.param(_status(ONE, 25), _route(RuleWeights(0, 3, 1)), None, id="same-share"),
        pytest.param(_status(ONE, 25), _route(_pair(10)), LOWERED, id="lowered"),
        pytest.param(_status(ONE, 25), _route(_pair(0)), LOWERED, id="stopped"),
        pytest.param(_status(ONE, 25), _route(_pair(26)), RAISED, id="raised"),
        pytest.param(_status(ONE, 0), _route(_pair(1)), RAISED, id="raised-from-nothing"),
        pytest.param(_status(ONE, 5, 25), _route(_pair(5)), None, id="not-written-yet"),
        pytest.param(_status(ONE, 5, 25), _route(_pair(25)), None, id="as-intended"),
        pytest.param(_status(ONE, 5, 25), _route(_pair(15)), RAISED, id="in-between"),
        pytest.param(_status(ONE, 5, 25), _route(_pair(60)), RAISED, id="beyond"),
        pytest.param(_status(ONE, 5, 25), _route(_pair(2)), LOWERED, id="below"),
        pytest.param(
            _status(ONE, 13, 13, (RuleWeights(0, 7, 1),)),
            _route(RuleWeights(0, 7, 1)), None, id="standing",
        ),
        pytest.param(
            _status(ONE, 13, 13, (RuleWeights(0, 7, 1),)),
            _route(RuleWeights(0, 8, 1)), LOWERED, id="below-standing",
        ),
        pytest.param(
            _status(TWO, 50), _route(_pair(50), RuleWeights(1, 5, 5, 5)), None, id="two-rules"
        ),
        pytest.param(
            _status(TWO, 50), _route(_pair(80), RuleWeights(1, 9, 1, 5)), LOWERED, id="both-ways"
        ),
        pytest.param(
            _status(TWO, 50), _route(_pair(50), RuleWeights(1, 5, 5, 50)), None, id="others-moved"
        ),
        pytest.param(
            _status(TWO, 50), _route(_pair(50)), None, id="a-rule-is-missing"
        ),
        pytest.param(_status(ONE, 50), _route(), None, id="no-rules"),
        pytest.param(_status((), 50), _route(_pair(3)), None, id="nothing-known"),
    ],
)  # fmt: skip
def test_an_override_is_told_from_what_is_ours(
    status: Status, route: RouteSeen, kind: OverrideKind | None
) -> None:
    found = find_override(status, status, route)
    assert (found and found.kind) == kind
    if found is not None:
        assert found.manager == "argocd"


@pytest.mark.parametrize(("declared", "kind"), [(25.0, LOWERED), (5.0, None), (None, None)])
def test_a_raise_counts_from_when_it_was_seen_on_the_route(
    declared: float | None, kind: OverrideKind | None
) -> None:
    """The gateway has not taken 25 yet; somebody writes 5 again."""
    status = _status(ONE, 5, 25)
    before = status.model_copy(
        update={"weights": status.weights.model_copy(update={"declared": declared})}
    )
    found = find_override(before, status, _route(_pair(5)))
    assert (found and found.kind) == kind


def test_an_unknown_writer_is_somebody() -> None:
    found = find_override(_status(ONE, 25), _status(ONE, 25), _route(_pair(10), manager=""))
    assert found is not None
    assert found.manager == "somebody"


def test_original_weights_survive_the_status() -> None:
    assert to_status(TWO)[1] == OriginalWeights(rule=1, source=10, target=0, others=5)
