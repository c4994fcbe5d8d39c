"""Which rules name the two backends, and what is said when they do not."""

from typing import Any

import pytest

from cutover.api.routes import HttpRoute
from cutover.decide.route import RuleWeights
from cutover.traffic.gatewayapi import find_in_rules


def wanted(**fields: Any) -> HttpRoute:
    document = {"name": "r", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
    return HttpRoute.model_validate({**document, **fields})


def rule(*backends: Any, **fields: Any) -> dict[str, Any]:
    return {"backendRefs": [{"name": b} if isinstance(b, str) else b for b in backends], **fields}


def weights(*rules: dict[str, Any], route: HttpRoute | None = None) -> list[RuleWeights]:
    places, problem = find_in_rules(rules, route or wanted(), "ns")
    assert problem is None, problem
    return [place.weights for place in places]


def test_a_weight_that_is_absent_is_one() -> None:
    assert weights(rule("a", {"name": "b", "weight": 0})) == [RuleWeights(0, 1, 0)]


def test_others_are_summed_and_rules_without_the_two_left_alone() -> None:
    third = {"name": "c", "weight": 7}
    rules: tuple[dict[str, Any], ...] = (
        rule("c"),
        {"filters": []},
        rule(third, "b", "d", "a"),
        rule("b"),
    )
    assert weights(*rules) == [RuleWeights(2, 1, 1, 8)]


@pytest.mark.parametrize(
    ("written", "named"),
    [
        pytest.param({"name": "a", "group": "", "kind": "Service"}, {"name": "a"}, id="defaults"),
        pytest.param({"name": "a", "namespace": "ns"}, {"name": "a"}, id="own-namespace-written"),
        pytest.param({"name": "a"}, {"name": "a", "namespace": "ns"}, id="own-namespace-named"),
        pytest.param({"name": "a", "port": 80}, {"name": "a"}, id="any-port"),
        pytest.param({"name": "a", "port": 80}, {"name": "a", "port": 80}, id="same-port"),
        pytest.param(
            {"name": "a", "group": "x.io", "kind": "Backend"},
            {"name": "a", "group": "x.io", "kind": "Backend"},
            id="another-kind",
        ),
    ],
)
def test_the_same_backend(written: dict[str, Any], named: dict[str, Any]) -> None:
    assert weights(rule(written, "b"), route=wanted(sourceBackend=named))


@pytest.mark.parametrize(
    ("written", "named"),
    [
        pytest.param({"name": "a", "port": 80}, {"name": "a", "port": 81}, id="port"),
        pytest.param({"name": "a", "kind": "Backend", "group": "x.io"}, {"name": "a"}, id="kind"),
        pytest.param({"name": "a", "namespace": "other"}, {"name": "a"}, id="namespace"),
        pytest.param({"name": "a"}, {"name": "a", "group": "x.io"}, id="group"),
    ],
)
def test_not_the_same_backend(written: dict[str, Any], named: dict[str, Any]) -> None:
    places, problem = find_in_rules([rule(written, "b")], wanted(sourceBackend=named), "ns")
    assert places == ()
    assert problem is not None
    assert problem.reason == "BackendNotFound"
    assert "sourceBackend" in problem.message


@pytest.mark.parametrize(
    ("rules", "fields", "reason", "words"),
    [
        pytest.param([rule("a")], {}, "BackendNotFound", "Service b", id="no-target"),
        pytest.param([rule("b")], {}, "BackendNotFound", "Service a", id="no-source"),
        pytest.param([], {}, "BackendNotFound", "Service a", id="no-rules"),
        pytest.param(
            [rule("a", "b"), rule("a", name="chat")],
            {},
            "RuleNotCovered",
            "rule 1 (chat) names Service a but not Service b",
            id="source-without-target",
        ),
        pytest.param(
            [rule("a", "b"), rule("b")], {"rules": [0, 1]}, "RuleNotCovered", "rule 1", id="listed"
        ),
        pytest.param(
            [rule("a", "b")], {"rules": [3]}, "RuleNotCovered", "lists rule 3", id="no-such-rule"
        ),
        pytest.param(
            [rule("a", "b", "a")], {}, "BackendRepeated", "Service a 2 times", id="repeated"
        ),
    ],
)
def test_what_is_wrong(
    rules: list[dict[str, Any]], fields: dict[str, Any], reason: str, words: str
) -> None:
    _, problem = find_in_rules(rules, wanted(**fields), "ns")
    assert problem is not None
    assert (problem.reason, words in problem.message) == (reason, True), problem.message


def test_rules_that_are_not_listed_may_name_the_source_alone() -> None:
    rules = (rule("a"), rule("a", "b"))
    assert weights(*rules, route=wanted(rules=[1])) == [RuleWeights(1, 1, 1)]


def test_beside_a_problem_the_whole_rules_are_still_there() -> None:
    places, problem = find_in_rules([rule("a", "b", "a"), rule("a")], wanted(), "ns")
    assert problem is not None
    assert [place.weights for place in places] == [RuleWeights(0, 2, 1)]
