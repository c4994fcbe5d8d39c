"""An HTTPRoute as it was sent becomes what the decision sees."""

from copy import deepcopy
from typing import Any

import pytest

from cutover.api import CLAIM
from cutover.api.routes import HttpRoute
from cutover.decide.route import Claim, RuleWeights
from cutover.traffic.claim import to_text
from cutover.traffic.gatewayapi import gateway_layout
from cutover.traffic.seen import ObjectSeen, see

WANTED = HttpRoute.model_validate(
    {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
)
LAYOUT = gateway_layout(WANTED)
OURS = Claim("cl", "ns", "chat", "u", 1, 3, (RuleWeights(0, 100, 0),))


def condition(kind: str, status: str = "True", seen: int = 4) -> dict[str, Any]:
    words = {"reason": "Because", "message": "of it"}
    return {"type": kind, "status": status, "observedGeneration": seen, **words}


def parent(*conditions: dict[str, Any], **reference: Any) -> dict[str, Any]:
    return {"parentRef": {"name": "edge", **reference}, "conditions": list(conditions)}


GOOD = (condition("Accepted"), condition("ResolvedRefs"))


def route(
    *parents: dict[str, Any], wanted: tuple[dict[str, Any], ...] = ({"name": "edge"},)
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "chat",
            "namespace": "ns",
            "resourceVersion": "7",
            "generation": 4,
            "annotations": {CLAIM: to_text(OURS)},
        },
        "spec": {
            "parentRefs": list(wanted),
            "rules": [{"backendRefs": [{"name": "a", "weight": 9}, {"name": "b", "weight": 1}]}],
        },
        "status": {"parents": list(parents)},
    }


def test_everything_is_read() -> None:
    seen = see(route(parent(*GOOD)), LAYOUT)
    assert seen.rules == (RuleWeights(0, 9, 1),)
    assert (seen.resource_version, seen.generation) == ("7", 4)
    assert (seen.claim, seen.claim_text, seen.annotated) == (OURS, to_text(OURS), True)
    assert (seen.accepted, seen.acceptance, seen.problem) == (True, "", None)
    assert seen.declared == 10.0


@pytest.mark.parametrize(
    ("parents", "words"),
    [
        pytest.param([], "has not answered yet", id="nobody-answered"),
        pytest.param([parent(*GOOD, name="other")], "has not answered yet", id="another-gateway"),
        pytest.param([parent(GOOD[0])], "not answered yet for the newest", id="no-resolved-refs"),
        pytest.param(
            [parent(condition("Accepted", seen=3), GOOD[1])], "newest change", id="older-answer"
        ),
        pytest.param(
            [parent(condition("Accepted", "False"), GOOD[1])],
            "Gateway edge says Accepted=False (Because: of it)",
            id="not-accepted",
        ),
        pytest.param(
            [parent(GOOD[0], condition("ResolvedRefs", "False"))],
            "ResolvedRefs=False",
            id="refs-unresolved",
        ),
        pytest.param(
            [parent(*GOOD, condition("PartiallyInvalid"))], "only a part", id="partially-invalid"
        ),
        pytest.param(
            [parent(*GOOD), parent(condition("Accepted", "False"), GOOD[1])],
            "Accepted=False",
            id="a-second-controller-refuses",
        ),
    ],
)
def test_not_accepted(parents: list[dict[str, Any]], words: str) -> None:
    seen = see(route(*parents), LAYOUT)
    assert not seen.accepted
    assert words in seen.acceptance


@pytest.mark.parametrize(
    ("wanted", "answered"),
    [
        pytest.param({}, {"group": "gateway.networking.k8s.io", "kind": "Gateway"}, id="defaults"),
        pytest.param({}, {"namespace": "ns"}, id="namespace-filled-in"),
        pytest.param({"namespace": "ns"}, {}, id="namespace-left-out"),
        pytest.param({"sectionName": "http"}, {"sectionName": "http"}, id="section"),
        pytest.param({"port": 80}, {"port": 80}, id="port"),
    ],
)
def test_the_same_parent(wanted: dict[str, Any], answered: dict[str, Any]) -> None:
    assert see(
        route(parent(*GOOD, **answered), wanted=({"name": "edge", **wanted},)), LAYOUT
    ).accepted


@pytest.mark.parametrize(
    "answered",
    [{"sectionName": "https"}, {"port": 81}, {"namespace": "other"}, {"kind": "Service"}],
    ids=str,
)
def test_another_parent_says_nothing(answered: dict[str, Any]) -> None:
    assert not see(route(parent(*GOOD, **answered)), LAYOUT).accepted


def test_every_parent_must_accept() -> None:
    wanted = ({"name": "edge"}, {"name": "inside"})
    one = see(route(parent(*GOOD), wanted=wanted), LAYOUT)
    assert "Gateway inside has not answered" in one.acceptance
    assert see(route(parent(*GOOD), parent(*GOOD, name="inside"), wanted=wanted), LAYOUT).accepted


def test_a_route_without_parents_or_status_is_not_accepted() -> None:
    assert "names no gateway" in see(route(wanted=()), LAYOUT).acceptance
    bare = route()
    del bare["status"]
    assert not see(bare, LAYOUT).accepted


def entry(manager: str, at: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "time": at, "fieldsV1": fields, **more}


def test_the_last_manager_is_the_newest_owner_of_the_rules() -> None:
    rules: dict[str, Any] = {"f:spec": {"f:rules": {}}}
    document = route()
    document["metadata"]["managedFields"] = [
        entry("cutover", "2026-01-01T00:00:01Z", rules),
        entry("argocd", "2026-01-01T00:00:03Z", rules),
        entry("labeller", "2026-01-01T00:00:09Z", {"f:metadata": {}}),
        entry("contour", "2026-01-01T00:00:09Z", rules, subresource="status"),
    ]
    assert see(document, LAYOUT).last_manager == "argocd"
    assert see(route(), LAYOUT).last_manager == ""


def test_a_claim_that_cannot_be_read_is_a_problem_with_the_way_out() -> None:
    document = route(parent(*GOOD))
    document["metadata"]["annotations"] = {CLAIM: "mine"}
    seen = see(document, LAYOUT)
    assert (seen.problem_reason, seen.claim, seen.claim_text) == ("ClaimUnreadable", None, "mine")
    assert "kubectl annotate httproute -n ns chat cutover.dev/claim-" in str(seen.problem)
    assert seen.rules == (RuleWeights(0, 9, 1),)


def test_reading_changes_nothing() -> None:
    document = route(parent(*GOOD))
    before = deepcopy(document)
    assert isinstance(see(document, LAYOUT), ObjectSeen)
    assert document == before


@pytest.mark.parametrize(
    ("controller", "timeouts", "limit"),
    [
        ("projectcontour.io/gateway-controller", None, 15.0),
        ("projectcontour.io/gateway-controller", {"request": "0s"}, None),
        ("projectcontour.io/gateway-controller", {"backendRequest": "60s"}, None),
        ("istio.io/gateway-controller", None, None),
    ],
)
def test_a_limit_on_answers_is_told_where_its_default_was_measured_and_nobody_set_one(
    controller: str, timeouts: dict[str, str] | None, limit: float | None
) -> None:
    found = route({**parent(*GOOD), "controllerName": controller})
    if timeouts is not None:
        found["spec"]["rules"][0]["timeouts"] = timeouts
    seen = see(found, LAYOUT)
    assert (seen.answer_limit.seconds if seen.answer_limit else None) == limit
