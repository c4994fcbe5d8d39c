"""The filter that mirrors requests is put there and taken away to the byte; everybody else's stay."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api import CLAIM
from cutover.api.routes import BackendRef, GrpcRoute, HttpRoute
from cutover.decide.route import Claim, RuleMirror, RuleWeights
from cutover.ports import RouteChange
from cutover.traffic.claim import from_text, to_text
from cutover.traffic.gatewayapi import gateway_layout
from cutover.traffic.layout import Operation
from cutover.traffic.patch import build_patch
from cutover.traffic.seen import ObjectSeen, see

LAYOUT = gateway_layout(
    HttpRoute.model_validate(
        {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
    )
)
OURS = Claim("cl", "ns", "chat", "u", 1, 3, (RuleWeights(0, 100, 0),))
TARGET = {"group": "", "kind": "Service", "name": "b", "port": 80}
OTHER = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "audit", "port": 80}}}
HEADER = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}
ALL = {"type": "RequestMirror", "requestMirror": {"backendRef": TARGET}}


def some(percent: int) -> dict[str, Any]:
    return {"type": "RequestMirror", "requestMirror": {"backendRef": TARGET, "percent": percent}}


def rule(filters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    backends = [{"name": "a", "port": 80, "weight": 100}, {**TARGET, "weight": 0}]
    return {"backendRefs": backends} | ({} if filters is None else {"filters": filters})


def route(*rules: dict[str, Any], claim: Claim | None = None) -> dict[str, Any]:
    annotations = {CLAIM: to_text(claim)} if claim is not None else {}
    metadata = {"name": "chat", "namespace": "ns", "resourceVersion": "7"}
    return {
        "metadata": {**metadata, "annotations": annotations},
        "spec": {"rules": deepcopy(list(rules))},
    }


def look(document: dict[str, Any]) -> ObjectSeen:
    return see(document, LAYOUT)


def patched(document: dict[str, Any], change: RouteChange) -> list[Operation]:
    operations = build_patch(look(document), change, LAYOUT)
    assert isinstance(operations, list), operations
    return operations


def written(document: dict[str, Any], change: RouteChange) -> dict[str, Any]:
    """What the API server makes of the write; jsonpatch knows no test for absence."""
    known = [
        each
        for each in patched(document, change)
        if (each["op"], each.get("value")) != ("test", None)
    ]
    result: dict[str, Any] = jsonpatch.apply_patch(document, known)
    return result


def mirrored(percent: int, *weights: RuleWeights) -> RouteChange:
    return RouteChange(weights, replace(OURS, mirror=percent))


def filters(document: dict[str, Any]) -> list[Any]:
    return [one.get("filters") for one in document["spec"]["rules"]]


def test_all_requests_are_mirrored_without_a_percent_that_old_versions_do_not_know() -> None:
    after = written(route(rule(), rule([HEADER])), mirrored(100))
    assert filters(after) == [[ALL], [HEADER, ALL]]
    assert look(after).mirrors == (RuleMirror(0, 100), RuleMirror(1, 100))
    assert look(after).mirrored == 100


def test_a_share_of_them_is_mirrored_with_one() -> None:
    after = written(route(rule()), mirrored(10))
    assert filters(after) == [[some(10)]]
    assert look(after).mirrored == 10


def test_a_rule_that_does_not_name_both_backends_is_left_alone() -> None:
    alone = {"backendRefs": [{"name": "a", "port": 80}]}
    after = written(route(rule(), alone), mirrored(100))
    assert filters(after) == [[ALL], None]


_own = st.lists(st.sampled_from([OTHER, HEADER]), max_size=3).map(deepcopy)
_rules = st.lists(st.one_of(st.none(), _own.filter(bool)).map(rule), min_size=1, max_size=4)


@given(_rules, st.lists(st.integers(1, 100), min_size=1, max_size=3), st.integers(0, 100))
def test_whatever_was_mirrored_the_route_is_the_same_afterwards(
    rules: list[dict[str, Any]], percents: list[int], weight: int
) -> None:
    before = route(*rules)
    after = before
    for percent in percents:
        after = written(after, mirrored(percent))
        assert look(after).mirrored == percent
    weights = [RuleWeights(index, 100 - weight, weight) for index in range(len(rules))]
    raised = written(after, mirrored(0, *weights))
    assert look(raised).mirrors == ()
    back = written(raised, mirrored(0, *(RuleWeights(i, 100, 0) for i in range(len(rules)))))
    assert back["spec"] == before["spec"]


def test_a_rollback_writes_weights_and_mirror_together_and_tests_both() -> None:
    document = written(route(rule([HEADER])), mirrored(100))
    change = RouteChange((RuleWeights(0, 100, 0),), OURS, pinned=False)
    operations = patched(document, change)
    assert {"op": "test", "path": "/spec/rules/0/filters/1", "value": ALL} in operations
    assert {"op": "remove", "path": "/spec/rules/0/filters/1"} in operations
    assert {"op": "test", "path": "/spec/rules/0/backendRefs/1/name", "value": "b"} in operations
    assert written(document, change)["spec"] == route(rule([HEADER]))["spec"]


def test_a_list_of_filters_that_changed_since_the_look_is_not_removed() -> None:
    document = written(route(rule()), mirrored(100))
    operations = patched(document, RouteChange((), OURS))
    assert {"op": "test", "path": "/spec/rules/0/filters", "value": [ALL]} in operations
    document["spec"]["rules"][0]["filters"].append(HEADER)
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(document, operations)


def test_a_mirror_of_the_users_to_the_target_is_nobody_elses_and_refuses_the_shadow() -> None:
    document = route(rule(), rule([ALL]))
    assert "rule 1 of the route has a mirror to the target already" in str(
        look(document).mirror_refusal
    )
    assert look(document).mirrors == ()
    assert filters(written(document, RouteChange((), None))) == [None, [ALL]]
    assert look(route(rule([OTHER]))).mirror_refusal is None


def test_another_share_written_by_somebody_is_seen_and_taken_away() -> None:
    document = written(route(rule([HEADER])), mirrored(10))
    document["spec"]["rules"][0]["filters"][1] = some(70)
    assert look(document).mirrors == (RuleMirror(0, 70),)
    assert filters(written(document, RouteChange((), OURS))) == [[HEADER]]


def test_a_second_mirror_to_the_target_that_somebody_adds_stays() -> None:
    document = written(route(rule([HEADER])), mirrored(10))
    document["spec"]["rules"][0]["filters"].insert(0, some(70))
    assert look(document).mirrored == 10
    assert filters(written(document, RouteChange((), OURS))) == [[some(70), HEADER]]


def test_a_removed_filter_is_seen_to_be_gone() -> None:
    document = written(route(rule(), rule()), mirrored(100))
    del document["spec"]["rules"][1]["filters"]
    assert look(document).mirrored is None
    assert look(document).mirrors_any
    assert filters(written(document, mirrored(0))) == [None, None]


def test_a_fraction_is_read_as_a_percentage() -> None:
    document = route(rule(), claim=replace(OURS, mirror=40))
    fraction = {"numerator": 2, "denominator": 5}
    mirror = {"backendRef": TARGET, "fraction": fraction}
    document["spec"]["rules"][0]["filters"] = [{"type": "RequestMirror", "requestMirror": mirror}]
    assert look(document).mirrored == 40


def test_contour_is_known_to_mirror_all_or_nothing() -> None:
    document = route(rule())
    parent = {"controllerName": "projectcontour.io/gateway-controller"}
    document["status"] = {"parents": [parent]}
    mirroring = look(document).mirroring
    assert mirroring.refused_share([100]) is None
    assert "copies every request where 10 % are asked for" in str(
        mirroring.refused_share([10, 100])
    )


def test_contour_is_known_to_copy_grpc_calls_as_http_1() -> None:
    pair = {"source_backend": BackendRef(name="a"), "target_backend": BackendRef(name="b")}
    layout = gateway_layout(GrpcRoute(name="chat", **pair))
    document = route(rule()) | {"kind": "GRPCRoute"}
    assert see(document, layout).mirror_refusal is None
    parent = {"controllerName": "projectcontour.io/gateway-controller"}
    document["status"] = {"parents": [parent]}
    assert "as HTTP/1.1, which gRPC servers do not answer" in str(
        see(document, layout).mirror_refusal
    )
    assert look(document).mirror_refusal is None, "an HTTPRoute's copies arrive"


def test_the_claim_says_what_is_mirrored_and_older_claims_say_nothing() -> None:
    claim = replace(OURS, mirror=100)
    assert from_text(to_text(claim)) == claim
    assert '"mirror"' not in to_text(OURS)
    assert from_text(to_text(OURS)) == OURS
