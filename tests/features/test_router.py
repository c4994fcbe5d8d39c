"""An HTTPRoute's weights are written: on a real API server, against other writers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import yaml

from cutover.api import CLAIM
from cutover.decide.route import RuleWeights
from cutover.ports import Conflict, NotWritten, RouteChange, Written
from cutover.traffic.claim import to_text
from tests.features.subject_route import (
    MINE,
    PAIR,
    THEIRS,
    Make,
    Subject,
    bare,
    change,
    rule,
    settled,
    subjects,
)
from tests.lab import Cluster, Lab, parts

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def oldest_gateway(lab: Lab) -> Iterator[Cluster]:
    """A cluster with the first HTTPRoute that is v1, and nothing else of the gateway."""
    folder = parts.ensure(["gateway-crds-oldest"])["gateway-crds-oldest"]
    with lab.private_cluster() as running:
        cluster: Cluster = running.cluster
        cluster.kubectl("apply", "--server-side", f"--filename={folder}")
        cluster.kubectl(
            "wait", "--for=condition=Established", "crd/httproutes.gateway.networking.k8s.io"
        )
        yield cluster


@pytest.fixture(
    params=["newest", pytest.param("oldest", marks=[pytest.mark.long, pytest.mark.oldest])]
)
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """On the Gateway API that the lab's gateway has, and on the oldest that is supported."""
    if request.param == "oldest":
        cluster: Cluster = request.getfixturevalue("oldest_gateway")
    else:
        cluster = request.getfixturevalue("clusters")[0]
    async with subjects(cluster) as make:
        yield make


async def test_a_share_that_the_definitions_do_not_know_is_refused_and_all_is_mirrored(
    make: Make, request: pytest.FixtureRequest
) -> None:
    """``percent`` came with Gateway API v1.3; pruned, it would be a mirror of everything."""
    oldest = request.node.callspec.params["make"] == "oldest"
    subject = make()
    document = subject.document([PAIR])
    document["spec"]["parentRefs"] = [{"name": "elsewhere"}]  # Contour cannot mirror a share at all
    subject.cluster.call("POST", subject.path.rpartition("/")[0], document)
    before = bare(subject.read())
    refused = await subject.router.mirrorable(await subject.look(), [10])
    if oldest:
        assert refused == (
            "the route's API server knows no mirror of 10 % (percent came with Gateway API v1.3): update its"
            " definitions, mirror 100%, or remove the shadow steps"
        )
        seen = await subject.look()
        some = RouteChange((), replace(MINE, mirror=10))
        result: object = await subject.router.write(seen, some)
        assert isinstance(result, NotWritten), "nothing is pruned into a mirror of everything"
    else:
        assert refused is None
    assert bare(subject.read()) == before
    assert await subject.router.mirrorable(await subject.look(), [100]) is None
    await subject.write(RouteChange((), replace(MINE, mirror=100)))
    assert (await subject.look()).mirrored == 100
    await subject.write(RouteChange((), None))
    assert bare(subject.read()) == before | {"metadata": bare(subject.read())["metadata"]}
    assert bare(subject.read())["spec"] == before["spec"]


async def test_everything_but_the_two_weights_and_the_claim_stays(make: Make) -> None:
    subject = make()
    header = {"name": "x", "value": "y"}
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}},
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 80}}},
    ]
    third = {"name": "c", "weight": 33, "filters": filters[:1]}
    path = {"type": "Exact", "value": "/v1/chat"}
    subject.create(
        rule("other", matches=[{"path": path}], timeouts={"request": "0s"}),
        rule({"name": "b", "weight": 0, "filters": filters[:1]}, third, "a", filters=filters),
        annotations={"kept": "as it is"},
    )
    before = subject.read()
    seen = await subject.look()
    assert seen.rules == (RuleWeights(1, 1, 0, 33),)
    scaled = RouteChange((RuleWeights(1, 60, 40, 33),), MINE)
    await subject.write(scaled)
    expected = bare(before)
    expected["metadata"]["annotations"][CLAIM] = to_text(MINE)
    backends = expected["spec"]["rules"][1]["backendRefs"]
    backends[0]["weight"], backends[2]["weight"] = 40, 60
    assert bare(subject.read()) == expected
    back = RouteChange((RuleWeights(1, 1, 0, 33),), None)
    await subject.write(back)
    assert bare(subject.read()) == bare(before)


async def test_a_pinned_write_loses_to_whoever_was_faster(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    seen = await subject.look()
    subject.merge({"metadata": {"labels": {"touched": "yes"}}})
    assert isinstance(await subject.router.write(seen, change(5)), Conflict)
    assert subject.weights() == [100, 0]
    assert isinstance(await subject.router.write(seen, change(5, pinned=False)), Written)
    assert subject.weights() == [95, 5]


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_reordered_route_is_not_written_to(make: Make, pinned: bool) -> None:
    subject = make()
    subject.create(PAIR)
    seen = await subject.look()
    subject.merge({"spec": {"rules": [rule({"name": "b", "weight": 0}, {"name": "a"})]}})
    assert isinstance(await subject.router.write(seen, change(5, pinned=pinned)), Conflict)
    assert subject.weights() == [0, 1]
    await subject.write(change(5))
    assert subject.weights() == [5, 95]


@pytest.mark.parametrize("others", [{"other": "annotation"}, None], ids=["a-map", "no-map"])
async def test_a_claim_that_came_meanwhile_stops_an_unpinned_write(
    make: Make, others: dict[str, str] | None
) -> None:
    subject = make()
    subject.create(PAIR, **({"annotations": others} if others else {}))
    seen = await subject.look()
    assert seen.annotated is (others is not None)
    subject.annotate(CLAIM, to_text(THEIRS))
    assert isinstance(await subject.router.write(seen, change(5, pinned=False)), Conflict)
    assert (await subject.look()).claim == THEIRS
    assert subject.weights() == [100, 0]


async def test_a_claim_that_changed_or_went_stops_an_unpinned_write(make: Make) -> None:
    subject = make()
    subject.create(PAIR, annotations={CLAIM: to_text(MINE)})
    for now in (to_text(replace(MINE, epoch=9)), None):
        seen = await subject.look()
        subject.annotate(CLAIM, now)
        assert isinstance(await subject.router.write(seen, change(5, pinned=False)), Conflict)
    assert subject.weights() == [100, 0]


async def test_an_annotation_that_came_first_is_not_lost(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    seen = await subject.look()
    subject.annotate("somebody", "was here")
    assert isinstance(await subject.router.write(seen, change(5, pinned=False)), Conflict)
    await subject.write(change(5, pinned=False))
    annotations = subject.read()["metadata"]["annotations"]
    assert annotations == {"somebody": "was here", CLAIM: to_text(MINE)}


async def test_the_claim_alone_is_written_and_removed(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    generation = (await subject.look()).generation
    await subject.write(RouteChange((), MINE))
    seen = await subject.look()
    assert (seen.claim, seen.generation) == (MINE, generation)
    await subject.write(RouteChange((), None))
    seen = await subject.look()
    assert (seen.claim, seen.claim_text) == (None, None)


@pytest.mark.parametrize("make", ["newest"], indirect=True)  # it waits for a gateway's answer
async def test_writing_what_is_there_writes_nothing(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    await subject.write(change(5))
    # The backends do not exist; having said so, Contour has nothing to write any more.
    seen = await settled(subject.router, lambda seen: "ResolvedRefs=False" in seen.acceptance)
    written = await subject.router.write(seen, change(5))
    assert written == Written(seen.resource_version)


def verdict(number: int) -> dict[str, Any]:
    """What a further gateway controller might say."""
    condition = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
    return {
        "parentRef": {"name": f"noise-{number}"},
        "controllerName": "noise.example/controller",
        "conditions": [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }


@contextmanager
def noise(subject: Subject, per_second: float = 20) -> Iterator[list[int]]:
    """Somebody who writes the status and a label, each so often; gives the writes made."""
    stop, made = threading.Event(), [0]

    def write() -> None:
        while not stop.wait(1 / per_second):
            made[0] += 1
            subject.merge({"metadata": {"labels": {"beat": str(made[0])}}}, "noise")
            subject.merge({"status": {"parents": [verdict(made[0])]}}, "noise", "/status")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join()


async def test_an_unpinned_write_wins_against_a_busy_writer(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    conflicts = 0
    with noise(subject) as made:
        for number in range(1, 26):
            seen = await subject.look()
            await asyncio.sleep(0.06)  # what a decision may take
            pinned = await subject.router.write(seen, change(number))
            conflicts += isinstance(pinned, Conflict)
            seen = replace(seen, claim_text=to_text(MINE), annotated=True) if number > 1 else seen
            if isinstance(pinned, Conflict):
                unpinned = await subject.router.write(seen, change(number, pinned=False))
                assert isinstance(unpinned, Written), (number, unpinned)
            assert subject.weights() == [100 - number, number]
    assert made[0] > 10
    assert conflicts > 10


async def test_a_write_that_validation_refuses_is_no_conflict(make: Make) -> None:
    subject = make()
    subject.create(PAIR)
    beyond = RouteChange((RuleWeights(0, 1_000_001, 0),), MINE)
    refused = await subject.router.write(await subject.look(), replace(beyond, pinned=False))
    assert isinstance(refused, NotWritten)
    assert refused.reason == "Refused"
    assert "1000000" in refused.message


def test_the_patch_in_the_document_is_what_kubectl_shows(make: Make) -> None:
    """The claim is plain JSON for people: no escaping surprises in YAML."""
    subject = make()
    subject.create(PAIR, annotations={CLAIM: to_text(MINE)})
    text = subject.cluster.kubectl("get", "httproute", "chat", "-n", subject.namespace, "-oyaml")
    assert yaml.safe_load(text)["metadata"]["annotations"][CLAIM] == to_text(MINE)
