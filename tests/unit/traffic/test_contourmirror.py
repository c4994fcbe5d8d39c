"""A mirror of an HTTPProxy's route is one more service, and no backend."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest

from cutover.api.proxies import ContourHttpProxy
from cutover.decide.route import Claim, RuleWeights
from cutover.ports import RouteChange
from cutover.traffic.contour import HttpProxyLayout
from cutover.traffic.patch import build_patch
from cutover.traffic.seen import see

Json = dict[str, Any]

LAYOUT = HttpProxyLayout(
    ContourHttpProxy.model_validate(
        {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}
    )
)
OURS = Claim("cl", "ns", "chat", "u", 1, 3, (RuleWeights(0, 100, 0),))
PAIR = [{"name": "a", "port": 80, "weight": 100}, {"name": "b", "port": 81, "protocol": "h2c"}]
MIRROR = {"name": "b", "port": 81, "protocol": "h2c", "mirror": True}


def proxy(*more: Json) -> Json:
    metadata = {"name": "chat", "namespace": "ns", "resourceVersion": "7", "annotations": {}}
    return {"metadata": metadata, "spec": {"routes": [{"services": [*deepcopy(PAIR), *more]}]}}


def written(document: Json, percent: int, *weights: RuleWeights) -> Json:
    change = RouteChange(weights, replace(OURS, mirror=percent))
    operations = build_patch(see(document, LAYOUT), change, LAYOUT)
    assert isinstance(operations, list), operations
    known = [one for one in operations if (one["op"], one.get("value")) != ("test", None)]
    result: Json = jsonpatch.apply_patch(document, known)
    return result


@pytest.mark.parametrize(("percent", "share"), [(100, {}), (10, {"weight": 10})])
def test_copies_are_sent_by_one_more_service_which_goes_again(percent: int, share: Json) -> None:
    after = written(proxy(), percent)
    assert after["spec"]["routes"][0]["services"] == [*PAIR, MIRROR | share]
    seen = see(after, LAYOUT)
    assert (seen.mirrored, seen.rules, seen.problem) == (percent, (RuleWeights(0, 100, 0),), None)
    assert written(after, 0)["spec"] == proxy()["spec"]


def test_a_rollback_writes_weights_and_takes_the_mirror_away_at_once() -> None:
    after = written(proxy(), 100)
    after["spec"]["routes"][0]["services"][1]["weight"] = 30
    back = written(after, 0, RuleWeights(0, 100, 0))
    services = back["spec"]["routes"][0]["services"]
    assert [one["weight"] for one in services] == [100, 0]


@pytest.mark.parametrize(
    ("mirror", "says"),
    [
        ({"name": "audit", "port": 80, "mirror": True}, "Contour takes one alone"),
        (MIRROR, "has a mirror to the target already"),
    ],
)
def test_a_mirror_of_the_users_is_left_alone_and_refuses_the_shadow(
    mirror: Json, says: str
) -> None:
    seen = see(proxy(mirror), LAYOUT)
    assert says in str(seen.mirror_refusal)
    assert seen.mirrors == ()
    refused = build_patch(seen, RouteChange((), replace(OURS, mirror=100)), LAYOUT)
    assert refused == seen.mirror_refusal
