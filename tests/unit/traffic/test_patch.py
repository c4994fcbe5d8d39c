"""The one patch that a write is: tests first, then only weights and claim."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest

from cutover.api import CLAIM
from cutover.api.routes import HttpRoute
from cutover.decide.route import Claim, RuleWeights
from cutover.ports import RouteChange
from cutover.traffic.claim import to_text
from cutover.traffic.gatewayapi import gateway_layout
from cutover.traffic.patch import build_patch
from cutover.traffic.seen import see

WANTED = HttpRoute.model_validate(
    {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
)
LAYOUT = gateway_layout(WANTED)
OURS = Claim("cl", "ns", "chat", "u", 1, 3, (RuleWeights(0, 100, 0),))
BACKENDS: list[dict[str, Any]] = [
    {"name": "c", "weight": 4, "filters": [{"type": "X"}]},
    {"name": "b", "kind": "Service", "port": 80, "weight": 0},
    {"name": "a"},
]


def route(claim: str | None = None, *, annotations: bool = True) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "chat", "namespace": "ns", "resourceVersion": "7"}
    if annotations:
        metadata["annotations"] = {"other": "kept"} | ({CLAIM: claim} if claim else {})
    rules = [{"backendRefs": [{"name": "c"}]}, {"backendRefs": deepcopy(BACKENDS)}]
    return {"metadata": metadata, "spec": {"rules": rules}}


def apply(document: dict[str, Any], change: RouteChange, **seen: Any) -> dict[str, Any]:
    operations = build_patch(replace(see(document, LAYOUT), **seen), change, LAYOUT)
    assert isinstance(operations, list)
    # RFC 6902 knows no test for absence, Kubernetes does: the feature tests hold those.
    known = [each for each in operations if (each["op"], each.get("value")) != ("test", None)]
    result: dict[str, Any] = jsonpatch.apply_patch(document, known)
    return result


def change(target: int, claim: Claim | None = OURS, **fields: Any) -> RouteChange:
    return RouteChange((RuleWeights(1, 100 - target, target, 4),), claim, **fields)


def test_only_the_two_weights_and_the_claim_are_written() -> None:
    before = route()
    after = apply(before, change(5))
    expected = deepcopy(before)
    backends = expected["spec"]["rules"][1]["backendRefs"]
    backends[1]["weight"], backends[2]["weight"] = 5, 95
    expected["metadata"]["annotations"][CLAIM] = to_text(OURS)
    assert after == expected


@pytest.mark.parametrize("field", ["name", "kind", "port"])
def test_every_identifying_field_that_is_written_is_tested(field: str) -> None:
    document = route()
    operations = build_patch(see(document, LAYOUT), change(5), LAYOUT)
    assert {
        "op": "test",
        "path": f"/spec/rules/1/backendRefs/1/{field}",
        "value": BACKENDS[1][field],
    } in operations


def test_pinned_demands_the_version_and_unpinned_does_not() -> None:
    pin = {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    seen = see(route(), LAYOUT)
    assert pin in build_patch(seen, change(5), LAYOUT)
    assert pin not in build_patch(seen, change(5, pinned=False), LAYOUT)


def test_a_claim_is_tested_as_it_was_read() -> None:
    theirs = to_text(replace(OURS, epoch=2))
    operations = build_patch(see(route(theirs), LAYOUT), change(5), LAYOUT)
    path = "/metadata/annotations/cutover.dev~1claim"
    assert {"op": "test", "path": path, "value": theirs} in operations
    assert isinstance(operations, list)
    assert operations[-1] == {"op": "add", "path": path, "value": to_text(OURS)}


def test_absence_of_a_claim_is_tested_with_null() -> None:
    test = {"op": "test", "path": "/metadata/annotations/cutover.dev~1claim", "value": None}
    assert test in build_patch(see(route(), LAYOUT), change(5), LAYOUT)
    bare = route(annotations=False)
    test = {"op": "test", "path": "/metadata/annotations", "value": None}
    assert test in build_patch(see(bare, LAYOUT), change(5), LAYOUT)
    assert apply(bare, change(5))["metadata"]["annotations"] == {CLAIM: to_text(OURS)}


def test_the_claim_is_removed_and_other_annotations_stay() -> None:
    after = apply(route(to_text(OURS)), RouteChange((), None))
    assert after["metadata"]["annotations"] == {"other": "kept"}
    assert after["spec"] == route()["spec"]


def test_a_claim_that_is_already_right_is_not_written_again() -> None:
    operations = build_patch(see(route(to_text(OURS)), LAYOUT), RouteChange((), OURS), LAYOUT)
    assert isinstance(operations, list)
    assert [each["op"] for each in operations] == ["test", "replace"]


def test_a_repeated_backend_gets_its_weight_once() -> None:
    document = route()
    document["spec"]["rules"][1]["backendRefs"].append({"name": "b", "weight": 30})
    backends = apply(document, change(40))["spec"]["rules"][1]["backendRefs"]
    assert [each["weight"] for each in backends] == [4, 40, 60, 0]


def test_a_rule_that_is_no_longer_there_is_a_sentence() -> None:
    refused = build_patch(see(route(), LAYOUT), RouteChange((RuleWeights(5, 1, 0),), OURS), LAYOUT)
    assert "rule 5" in refused
