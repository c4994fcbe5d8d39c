"""Copies of a VirtualService's requests are put there and taken away to the byte; everybody else's stay."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api import CLAIM
from cutover.api.istio import VirtualService
from cutover.decide.route import Claim, RuleMirror, RuleWeights
from cutover.ports import RouteChange
from cutover.traffic.claim import to_text
from cutover.traffic.patch import build_patch
from cutover.traffic.seen import ObjectSeen, see
from cutover.traffic.virtualservice import VirtualServiceLayout

Json = dict[str, Any]
OURS = Claim("cl", "ns", "chat", "u", 1, 3, (RuleWeights(0, 100, 0),))
TARGET = {"host": "b", "subset": "gke", "port": {"number": 80}}
OTHER = {"destination": {"host": "audit"}, "percentage": {"value": 0.5}}


def layout(*rules: str) -> VirtualServiceLayout:
    named = {
        "sourceDestination": {"host": "a"},
        "targetDestination": {"host": "b", "subset": "gke"},
    }
    listed = {"rules": list(rules)} if rules else {}
    return VirtualServiceLayout(VirtualService.model_validate({"name": "chat", **named, **listed}))


def rule(mirrors: list[Json] | None = None, **more: Any) -> Json:
    both = [{"destination": {"host": "a"}, "weight": 100}, {"destination": TARGET, "weight": 0}]
    return {"route": both, **more} | ({} if mirrors is None else {"mirrors": mirrors})


def service(*http: Json, claim: Claim | None = None, **lists: list[Json]) -> Json:
    annotations = {CLAIM: to_text(claim)} if claim is not None else {}
    metadata = {"name": "chat", "namespace": "ns", "resourceVersion": "7"}
    return deepcopy(
        {
            "metadata": {**metadata, "annotations": annotations},
            "spec": {"http": list(http), **lists},
        }
    )


def look(document: Json, *rules: str) -> ObjectSeen:
    return see(document, layout(*rules))


def mirrored(document: Json, percent: int) -> Json:
    change = RouteChange((), replace(OURS, mirror=percent))
    operations = build_patch(look(document), change, layout())
    assert isinstance(operations, list), operations
    known = [each for each in operations if (each["op"], each.get("value")) != ("test", None)]
    result: Json = jsonpatch.apply_patch(document, known)
    return result


def mirrors(document: Json) -> list[Any]:
    return [one.get("mirrors") for one in document["spec"]["http"]]


def test_each_rule_copies_so_much_to_the_target_as_its_route_names_it() -> None:
    document = mirrored(service({"redirect": {}}, rule([OTHER]), rule()), 10)
    ours = {"destination": TARGET, "percentage": {"value": 10}}
    assert mirrors(document) == [None, [OTHER, ours], [ours]]
    assert look(document).mirrors == (RuleMirror(1, 10), RuleMirror(2, 10))


@given(
    st.lists(
        st.sampled_from([None, [OTHER], [OTHER, OTHER]]).map(deepcopy).map(rule),
        min_size=1,
        max_size=3,
    ),
    st.lists(st.integers(1, 100), min_size=1, max_size=3),
)
def test_whatever_was_mirrored_the_object_is_the_same_afterwards(
    rules: list[Json], percents: list[int]
) -> None:
    before = service(*rules)
    after = before
    for percent in percents:
        after = mirrored(after, percent)
        assert look(after).mirrored == percent
    assert mirrored(after, 0)["spec"] == before["spec"]


@pytest.mark.parametrize(
    ("document", "rules", "words"),
    [
        pytest.param(
            service(rule(), tcp=[rule()]),
            (),
            "rule tcp/0 is meant, of which Istio copies nothing: list the http rules alone",
            id="tcp",
        ),
        pytest.param(service(rule(), tcp=[rule()]), ("http/0",), None, id="http-alone-is-listed"),
        pytest.param(
            service(rule(mirror={"host": "audit"})),
            (),
            "rule http/0 has a mirror, beside which Istio takes no mirrors",
            id="the-old-field",
        ),
        pytest.param(
            service(rule(), rule([{"destination": TARGET}])),
            (),
            "rule 1 of the route has a mirror to the target already",
            id="the-users-own",
        ),
        pytest.param(service(rule([OTHER])), (), None, id="to-somebody-else"),
    ],
)
def test_what_cannot_be_mirrored_says_why(
    document: Json, rules: tuple[str, ...], words: str | None
) -> None:
    refusal = look(document, *rules).mirror_refusal
    assert (refusal is None) == (words is None)
    assert (words or "") in (refusal or "")


def test_a_mirror_without_a_percentage_is_of_everything() -> None:
    document = mirrored(service(rule()), 100)
    del document["spec"]["http"][0]["mirrors"][0]["percentage"]
    assert look(document).mirrored == 100
    assert mirrors(mirrored(document, 0)) == [None]
