"""Every kind of router: a whole run changes the two weights and nothing else, and a rollback leaves no trace."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutover.api import CLAIM
from cutover.decide.route import Claim, RuleWeights
from cutover.decide.weights import inexpressible, restored, weights_at
from cutover.ports import RouteChange
from cutover.traffic.claim import from_text, to_text
from cutover.traffic.layout import Layout
from cutover.traffic.patch import build_patch
from cutover.traffic.seen import MOST_RULES, ObjectSeen, see
from tests.fakes.routers import ALB, ROUTED, Json, Routed, bytes_of, record

CLAIMED = Claim("cl", "ns", "chat", "u", 1, 3, ())
KINDS = sorted(ROUTED)

# --- any object of each kind ----------------------------------------------------------------------

scalar = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=4))
unknown = st.dictionaries(
    st.text(alphabet="xyz/~", min_size=2, max_size=4),
    st.one_of(scalar, st.lists(scalar, max_size=2)),
    max_size=2,
)
"""Fields that we know nothing of; none of them is one that we know."""
weight = st.integers(0, 1000)


@st.composite
def listed(draw: st.DrawFn, extra: Json | None = None) -> list[Json]:
    """A rule's backends: both sides and others, in any order."""
    others = [
        {**draw(unknown), "name": name, "weight": draw(weight), **(extra or {})}
        for name in draw(st.lists(st.sampled_from(["c", "d", "e"]), max_size=3))
    ]
    share = draw(st.integers(1, 20)) * 100
    pair = [
        {**draw(unknown), "name": "a", "weight": share, **(extra or {})},
        {**draw(unknown), "name": "b", "weight": 0, **(extra or {})},
    ]
    backends: list[Json] = draw(st.permutations(pair + others))
    return backends


@st.composite
def documents(draw: st.DrawFn, kind: str) -> Json:
    """An object of the kind, with more in it than anybody asked for."""
    routed = ROUTED[kind]
    document = deepcopy(routed.document)
    document["metadata"] |= {"namespace": "ns", "resourceVersion": "7", "labels": draw(unknown)}
    if draw(st.booleans()):
        document["metadata"].setdefault("annotations", {})["somebody/else"] = draw(
            st.text(max_size=5)
        )
    document |= draw(unknown)
    spec = document.get("spec", {})
    match routed.field:
        case "httpRoute" | "grpcRoute":
            rule = {**draw(unknown), "backendRefs": draw(listed({"port": 80}))}
            spec["rules"] = draw(st.permutations([*spec["rules"], rule, draw(unknown)]))
        case "contourHTTPProxy":
            mirror = {"name": "b", "port": 80, "mirror": True, "weight": 7}
            route = {**draw(unknown), "services": [*draw(listed({"port": 80})), mirror]}
            spec["routes"] = draw(st.permutations([*spec["routes"], route]))
        case "traefikService":
            spec["weighted"] = {**draw(unknown), "services": draw(listed())}
        case "virtualService":
            routes = [
                {"destination": destination(each.pop("name")), **each} for each in draw(listed())
            ]
            kind = draw(st.sampled_from(["http", "tls", "tcp"]))
            spec[kind] = draw(st.permutations([*spec[kind], {**draw(unknown), "route": routes}]))
        case "dnsEndpoint":
            kind = draw(st.sampled_from(["CNAME", "AAAA"]))
            others = draw(st.dictionaries(st.sampled_from("cde"), st.integers(0, 255)))
            pair = [] if kind == "CNAME" else [("a", draw(st.sampled_from([100, 200]))), ("b", 0)]
            if kind == "CNAME" and others:
                spec["endpoints"][0]["providerSpecific"][1]["value"] = "100"
            more = [
                record(name, n, recordType=kind, **draw(unknown))
                for name, n in [*pair, *others.items()]
            ]
            spec["endpoints"] = draw(st.permutations([*spec["endpoints"], *more]))
        case "albIngress":
            document["metadata"]["annotations"][ALB] = draw(actions())
        case _:
            pass  # its numbers stand at fixed places
    return document


def destination(host: str) -> Json:
    return {"host": host, "subset": "new"} if host == "b" else {"host": host}


@st.composite
def actions(draw: st.DrawFn) -> str:
    """JSON of any layout, however it is indented and spelled."""
    upper = draw(st.booleans())

    def spelled(name: str) -> str:
        return name[0].upper() + name[1:] if upper else name

    groups = [
        {spelled("serviceName"): each.pop("name"), spelled("weight"): each.pop("weight"), **each}
        for each in draw(listed({spelled("servicePort"): "80"}))
    ]
    forward = {**draw(unknown), spelled("targetGroups"): groups}
    text = json.dumps(
        {spelled("type"): "forward", **draw(unknown), spelled("forwardConfig"): forward},
        indent=draw(st.sampled_from([None, 1, 3])),
        ensure_ascii=draw(st.booleans()),
    )
    return draw(st.sampled_from(["", " ", "\n"])) + text


# --- the run --------------------------------------------------------------------------------------


def written(document: Json, layout: Layout, change: RouteChange) -> Json:
    seen = see(document, layout)
    operations = build_patch(seen, change, layout)
    assert isinstance(operations, list), operations
    # RFC 6902 knows no test for absence, Kubernetes does: the feature tests hold those.
    known = [each for each in operations if (each["op"], each.get("value")) != ("test", None)]
    return apply(document, known)


def apply(document: Json, operations: Sequence[Json]) -> Json:
    result: Json = jsonpatch.apply_patch(document, operations)
    return result


def without_numbers(document: Json, seen: ObjectSeen) -> str:
    """All that is not ours: with the digits taken out of where the weights stand."""
    rest = deepcopy(document)
    annotations = rest["metadata"].get("annotations", {})
    annotations.pop(CLAIM, None)
    if not annotations:
        rest["metadata"].pop("annotations", None)
    for place in seen.places:
        for entry in (*place.sources, *place.targets):
            if entry.text is None:
                rest = apply(rest, [{"op": "add", "path": entry.pointer, "value": "N"}])
        texts = sorted(
            (entry for entry in (*place.sources, *place.targets) if entry.text is not None),
            key=lambda entry: entry.span,
            reverse=True,
        )
        text = next((entry.text for entry in texts), None) or ""
        for entry in texts:
            text = f"{text[: entry.span[0]]}N{text[entry.span[1] :]}"
            rest = apply(rest, [{"op": "replace", "path": entry.pointer, "value": text}])
    return bytes_of(rest)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(data=st.data())
def test_a_run_and_its_rollback_leave_all_else_byte_for_byte(
    kind: str, data: st.DataObject
) -> None:
    layout = ROUTED[kind].made()
    before = data.draw(documents(kind))
    seen = see(before, layout)
    assert seen.problem is None, seen.problem
    steps = data.draw(
        st.lists(st.integers(1, 100), min_size=1, max_size=4, unique=True).map(sorted)
    )
    assert inexpressible(seen.rules, steps, seen.whole, seen.largest) is None
    claim = replace(CLAIMED, original=seen.rules)
    now = written(before, layout, RouteChange((), claim))
    for step in steps:
        now = written(now, layout, RouteChange(weights_at(seen.rules, step), claim))
        here = see(now, layout)
        assert here.declared == step
        assert [(rule.rule, rule.others) for rule in here.rules] == [
            (rule.rule, rule.others) for rule in seen.rules
        ]
        assert without_numbers(now, here) == without_numbers(before, seen)
    live = see(now, layout)
    assert live.claim == claim
    now = written(now, layout, RouteChange(restored(live.rules, live.claim.original), claim))
    now = written(now, layout, RouteChange((), None))
    if "annotations" not in before["metadata"]:
        assert now["metadata"].pop("annotations") == {}
    assert bytes_of(now) == bytes_of(before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_backend_that_moved_is_not_written_to(kind: str) -> None:
    """Of lists the names are tested, of text the whole text."""
    routed = ROUTED[kind]
    layout, document = routed.made(), started(routed)
    seen = see(document, layout)
    operations = build_patch(seen, RouteChange(weights_at(seen.rules, 5), CLAIMED), layout)
    assert isinstance(operations, list)
    known = [each for each in operations if (each["op"], each.get("value")) != ("test", None)]
    tested = {each["path"] for each in known if each["op"] == "test"}
    assert tested
    for path in sorted(tested - {"/metadata/annotations"}):
        changed = apply(document, [{"op": "replace", "path": path, "value": "else"}])
        with pytest.raises(jsonpatch.JsonPatchTestFailed):
            apply(changed, known)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_gone_from_the_object_is_a_problem_with_a_sentence(kind: str) -> None:
    routed = ROUTED[kind]
    empty: Json = {"metadata": {"name": "chat", "namespace": "ns", "resourceVersion": "1"}}
    seen = see(empty, routed.made())
    assert seen.rules == ()
    assert seen.problem_reason in ("BackendNotFound", "NumberMissing", "RuleNotCovered")
    assert seen.problem


def started(routed: Routed) -> Json:
    document = deepcopy(routed.document)
    document["metadata"] |= {"namespace": "ns", "resourceVersion": "7"}
    return document


# --- what is special about one kind -----------------------------------------------------------------


def changed(kind: str, *operations: tuple[str, str, Any]) -> ObjectSeen:
    document = started(ROUTED[kind])
    patch = [{"op": op, "path": path, "value": value} for op, path, value in operations]
    return see(apply(document, patch), ROUTED[kind].made())


def test_an_httpproxy_without_weights_is_even_traffic_and_refused() -> None:
    weights = [("add", f"/spec/routes/0/services/{index}/weight", 0) for index in range(3)]
    seen = changed("contourHTTPProxy", *weights)
    assert seen.problem_reason == "WeightsUnset"
    assert "which Contour reads as even traffic" in str(seen.problem)


@pytest.mark.parametrize("value", [-1, 1_000_001, 2**40])
@pytest.mark.parametrize("kind", ["httpRoute", "contourHTTPProxy", "traefikService", "patch"])
def test_numbers_that_no_claim_can_hold_are_refused(kind: str, value: int) -> None:
    entry = changed(kind).places[0].sources[0]
    seen = changed(kind, ("replace", entry.pointer, value))
    assert seen.problem_reason in ("TooMuchForAClaim", "ScaleDiffers")


def test_more_rules_than_a_claim_can_hold_are_refused() -> None:
    route = ROUTED["contourHTTPProxy"].document["spec"]["routes"][0]
    for count, reason in ((32, None), (33, "TooMuchForAClaim"), (200, "TooMuchForAClaim")):
        seen = changed("contourHTTPProxy", ("replace", "/spec/routes", [route] * count))
        assert seen.problem_reason == reason
    few = [{"services": []}] * 128 + [route]
    assert "none after rule 127" in str(
        changed("contourHTTPProxy", ("replace", "/spec/routes", few)).problem
    )


def test_the_claim_of_the_most_rules_with_the_largest_numbers_can_be_read() -> None:
    largest = tuple(RuleWeights(96 + n, 1_000_000, 0, 1_000_000) for n in range(MOST_RULES))
    claim = replace(CLAIMED, original=largest)
    assert from_text(to_text(claim)) == claim


def test_a_mirror_of_an_httpproxy_is_neither_target_nor_other() -> None:
    seen = changed("contourHTTPProxy")
    assert seen.rules == (RuleWeights(0, 100, 0, 50),)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (None, "Contour has not answered yet"),
        ({"type": "Valid", "status": "True", "observedGeneration": 3}, "for the newest change"),
        (
            {
                "type": "Valid",
                "status": "False",
                "reason": "ErrorPresent",
                "observedGeneration": 4,
                "errors": [{"message": "Spec.Routes unresolved"}],
            },
            "Contour says Valid=False (ErrorPresent: Spec.Routes unresolved)",
        ),
        ({"type": "Valid", "status": "True", "observedGeneration": 4}, ""),
    ],
)
def test_contour_says_whether_it_took_the_proxy(condition: Json | None, words: str) -> None:
    status = {"conditions": [condition] if condition else []}
    seen = changed(
        "contourHTTPProxy", ("add", "/metadata/generation", 4), ("add", "/status", status)
    )
    assert seen.accepted is (words == "")
    assert words in seen.acceptance


def test_nginx_weights_are_of_their_total() -> None:
    assert changed("nginxCanary").rules == (RuleWeights(0, 1000, 0),)
    at = "/metadata/annotations/nginx.ingress.kubernetes.io~1canary-weight"
    assert changed("nginxCanary", ("replace", at, "55")).declared == 5.5
    few = changed("nginxCanary", ("replace", f"{at}-total", "10"))
    assert inexpressible(few.rules, [10, 50], few.whole) is None
    assert "multiples of 10" in str(inexpressible(few.rules, [5, 50], few.whole))
    for path, value in ((at, "many"), (f"{at}-total", "0"), (at, "1001")):
        seen = changed("nginxCanary", ("replace", path, value))
        assert seen.problem_reason == "NumberMissing"
    assert "is no canary" in str(
        changed("nginxCanary", ("replace", at.removesuffix("-weight"), "false")).problem
    )


def test_an_alb_action_that_cannot_be_read_or_names_no_weight_is_refused() -> None:
    at = "/metadata/annotations/" + ALB.replace("/", "~1")
    for text in ("{", "[]", '{"type":"forward"}', "{}"):
        assert "no target groups" in str(changed("albIngress", ("replace", at, text)).problem)
    groups = [{"serviceName": "a", "servicePort": 80}, {"serviceName": "b", "weight": 0}]
    action = json.dumps({"forwardConfig": {"targetGroups": groups}})
    assert "gives a no weight" in str(changed("albIngress", ("replace", at, action)).problem)
    groups[0]["weight"], groups[1]["serviceName"] = 1, "c"
    action = json.dumps({"forwardConfig": {"targetGroups": groups}})
    seen = changed("albIngress", ("replace", at, action))
    assert "names no Service b: add it" in str(seen.problem)


def test_a_patch_whose_neighbour_changed_names_both() -> None:
    at = "/spec/http/1/route/0/destination/host"
    seen = changed("patch", ("replace", at, "z"))
    assert seen.problem_reason == "BackendNotFound"
    assert f"has z at {at}, not b" in str(seen.problem)


def test_patched_numbers_that_miss_the_scale_are_refused() -> None:
    seen = changed("patch", ("replace", "/spec/http/1/route/1/weight", 90))
    assert seen.problem_reason == "ScaleDiffers"
    assert "90 and 0, which do not add up to spec.traffic.patch.scale 100" in str(seen.problem)


def test_who_changed_the_weights_last_is_told_of_any_kind() -> None:
    entry = {"manager": "argocd", "time": "2026-01-01T00:00:00Z"}
    for kind, fields in (
        ("contourHTTPProxy", {"f:spec": {"f:routes": {}}}),
        ("patch", {"f:spec": {"f:http": {}}}),
        ("virtualService", {"f:spec": {"f:tcp": {}}}),
        ("dnsEndpoint", {"f:spec": {"f:endpoints": {}}}),
        ("albIngress", {"f:metadata": {"f:annotations": {f"f:{ALB}": {}}}}),
    ):
        managed = [
            entry | {"fieldsV1": fields},
            entry | {"manager": "zeta", "fieldsV1": {"f:spec": {}}},
        ]
        seen = changed(kind, ("add", "/metadata/managedFields", managed))
        assert seen.last_manager == "argocd"
