"""Requests mirrored to the target before its first weight, through a real Contour and Envoy."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import httpx
import pytest

from tests.features.rollouts.stage import Stage

pytestmark = pytest.mark.lab

SHADOW = [{"shadow": {"duration": "3s"}}, {"weight": 100}]
LASTING = [{"shadow": {"duration": "1h"}}, {"weight": 100}]
HEADER = {"name": "x-lab", "value": "kept"}
OWN = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": [HEADER]}}


def rules(stage: Stage) -> list[dict[str, Any]]:
    """What the route says, without the two backends' weights."""
    found: list[dict[str, Any]] = deepcopy(stage.route.read()["spec"]["rules"])
    for rule in found:
        for backend in rule["backendRefs"]:
            del backend["weight"]
    return found


def mirrors(stage: Stage) -> list[int]:
    """How many filters of each rule mirror requests."""
    every = [rule.get("filters", []) for rule in stage.route.read()["spec"]["rules"]]
    return [sum(one["type"] == "RequestMirror" for one in filters) for filters in every]


def claim(stage: Stage) -> str:
    annotations: dict[str, str] = stage.route.read()["metadata"].get("annotations") or {}
    return annotations.get("cutover.dev/claim", "")


def counted(url: str) -> float:
    """Requests that a model server itself says it has answered."""
    lines = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("vllm:request_success_total{")
    )


def with_a_filter(stage: Stage) -> list[dict[str, Any]]:
    """Give the route's first rule a filter of its own; return what it says then."""
    patch = [{"op": "add", "path": "/spec/rules/0/filters", "value": [OWN]}]
    headers = {"Content-Type": "application/json-patch+json"}
    stage.cluster.call("PATCH", stage.route.path, patch, headers)
    return rules(stage)


def test_users_see_the_source_alone_while_the_target_answers_copies_and_is_judged(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(rules=2)
    before, already = with_a_filter(stage), counted(stage.slot.target.url)
    stage.begin(steps=SHADOW)
    stage.wait_phase("Shadowing")
    stage.wait("a mirror in both rules", lambda: mirrors(stage) == [1, 1])
    assert '"mirror":100' in claim(stage)
    assert stage.traffic is not None
    unmirrored = len(stage.traffic.records())
    stage.wait("copies at the target", lambda: counted(stage.slot.target.url) - already > 200)
    shadowing = stage.status
    stage.wait_phase("Progressing")
    copies = counted(stage.slot.target.url) - already
    assert copies > 0.5 * (len(stage.traffic.records()) - unmirrored)
    stage.wait_phase("Completed")

    assert [one.target for one in stage.log.history] == [0, 100]
    raised = stage.log.changes[1].at
    answered = [one for one in stage.traffic.records() if one.ok and one.finished < raised]
    assert {one.side for one in answered} == {"source"}
    assert shadowing["weights"]["mirrored"] == 100
    assert "100 % of the requests mirrored" in shadowing["message"], shadowing["message"]
    assert shadowing["summary"]["weight"] == 0
    assert mirrors(stage) == [0, 0]
    assert rules(stage) == before
    assert [
        (one["from"], one["to"]) for one in stage.status["history"] if one["from"] != one["to"]
    ] == [
        ("", "Pending"),
        ("Pending", "Preflight"),
        ("Preflight", "Shadowing"),
        ("Shadowing", "Progressing"),
        ("Progressing", "Completed"),
    ]


def test_a_target_that_fails_on_copies_never_gets_a_request(stage: Stage) -> None:
    before = rules(stage)
    stage.begin(steps=SHADOW)
    stage.wait("the mirror", lambda: mirrors(stage) == [1])
    asyncio.run(stage.slot.target.set(error_rate=0.3))
    stage.wait_phase("RolledBack")
    assert stage.status["rollback"]["reason"] in ("ErrorBurst", "GateFailed")
    assert stage.targets == [0]
    assert rules(stage) == before
    assert stage.traffic is not None
    assert {one.side for one in stage.traffic.records() if one.ok} == {"source"}


@pytest.mark.long
def test_a_target_that_answers_no_copy_is_found_silent(stage: Stage) -> None:
    stage.begin(steps=LASTING)
    stage.wait("the mirror", lambda: mirrors(stage) == [1])
    asyncio.run(stage.slot.target.set(hang=True))
    stage.wait_phase("RolledBack")
    assert stage.status["rollback"]["reason"] == "Unanswered"
    assert mirrors(stage) == [0]
    assert stage.targets == [0]


@pytest.mark.parametrize(
    "how", ["abort", "delete", pytest.param("status lost", marks=pytest.mark.long)]
)
def test_the_mirror_is_gone_after(how: str, stage: Stage) -> None:
    before = rules(stage)
    stage.begin(steps=LASTING)
    stage.wait("mirroring", lambda: stage.status.get("weights", {}).get("mirrored") == 100)
    assert stage.operator is not None
    if how == "abort":
        stage.patch({"spec": {"abort": True}})
    else:
        stage.operator.kill()  # whoever leads next knows nothing but what is written
        stage.free_lease()
        if how == "delete":
            stage.delete()
        else:
            lost = {"leaderEpoch": stage.status["leaderEpoch"]}
            stage.cluster.call(
                "PUT", f"{stage.path}/status", {**(stage.get() or {}), "status": lost}
            )
        stage.operator.start()
    stage.wait("no mirror", lambda: mirrors(stage) == [0], 60)
    assert rules(stage) == before
    if how == "status lost":
        stage.wait_condition("Paused", "True")
        assert '"mirror"' not in claim(stage)
    elif how == "abort":
        stage.wait_phase("RolledBack")
    else:
        stage.wait_gone()


def test_what_contour_cannot_do_is_refused_before_anything_begins(stage: Stage) -> None:
    steps = [{"shadow": {"percent": "10%", "duration": "3s"}}, {"weight": 100}]
    stage.begin(steps=steps)
    stage.wait_event("MirrorNotPossible")
    stage.wait(
        "why", lambda: "copies every request where 10 % are asked for" in stage.status["message"]
    )
    assert stage.phase == "Preflight"
    assert mirrors(stage) == [0]
    assert claim(stage) == ""
