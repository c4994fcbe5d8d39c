"""Every kind of router on a real API server with its own definitions: looked at, written, read back, rolled back."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from cutover.clusters.connection import Connection
from cutover.decide.observation import Refusal
from cutover.decide.route import RouteGone, RouteUnreadable, RuleWeights
from cutover.decide.weights import restored, weights_at
from cutover.ports import Conflict, NotWritten, RouteChange, Written
from cutover.traffic.layouts import layout_of
from cutover.traffic.object import ObjectRouter
from cutover.traffic.seen import ObjectSeen
from cutover.traffic.several import SeveralRouters, SeveralSeen
from cutover.traffic.standing import parts_of, value_at
from tests.fakes.routers import ROUTED, Json
from tests.features.connecting import connected
from tests.features.subject_object import Thing, define, made, unmade
from tests.features.subject_route import MINE, THEIRS, bare
from tests.lab import Cluster

pytestmark = pytest.mark.lab

MIRRORING = ["contourHTTPProxy", "grpcRoute", "httpRoute"]


@pytest.fixture(scope="module")
def cluster(clusters: tuple[Cluster, Cluster]) -> Iterator[Cluster]:
    """Where the definitions of other projects are installed beside those of Gateway API and Contour."""
    source = clusters[0]
    define(source)
    yield source


@pytest.fixture
async def connection(cluster: Cluster) -> AsyncIterator[Connection]:
    async with connected(cluster) as one:
        yield one


def whole(document: Json) -> Json:
    """All of it that no write changes by itself."""
    rest = {key: value for key, value in document.items() if key not in ("metadata", "status")}
    return rest | {"metadata": bare({"spec": {}, **document})["metadata"]}


@pytest.mark.parametrize("kind", sorted(ROUTED))
async def test_a_whole_run_and_back_leaves_the_object_as_it_was(
    kind: str, cluster: Cluster, connection: Connection
) -> None:
    thing = await made(cluster, connection, kind)
    before = thing.read()
    seen = await thing.look()
    assert (seen.problem, seen.declared) == (None, 0.0)
    claim = replace(MINE, original=seen.rules)
    now = seen
    for target in (10, 50, 100):
        await thing.write(RouteChange(weights_at(seen.rules, target), claim))
        now = await thing.look()
        assert (now.declared, now.claim) == (target, claim)
        assert now.last_manager == "cutover"
    assert thing.read() != before
    await thing.write(RouteChange(restored(now.rules, claim.original), claim))
    await thing.write(RouteChange((), None))
    assert whole(thing.read()) == whole(before)


async def unserved(cluster: Cluster, connection: Connection, kind: str) -> Thing:
    """One object, of a gateway that nobody serves: Contour would say what it cannot mirror."""
    thing = await unmade(cluster, connection, kind)
    for parent in thing.document.get("spec", {}).get("parentRefs", ()):
        parent["name"] = "elsewhere"
    return thing.create()


@pytest.mark.parametrize("kind", MIRRORING)
async def test_a_mirror_comes_and_goes_and_leaves_the_object_as_it_was(
    kind: str, cluster: Cluster, connection: Connection
) -> None:
    thing = await unserved(cluster, connection, kind)
    if kind == "contourHTTPProxy":  # its own mirror, beside which Contour takes no other
        thing.patch({"op": "remove", "path": "/spec/routes/0/services/3"})
    before = thing.read()
    seen = await thing.look()
    assert await thing.router.mirrorable(seen, [10, 100]) is None
    assert whole(thing.read()) == whole(before), "a dry run has changed something"
    for percent in (10, 100):
        await thing.write(RouteChange((), replace(MINE, mirror=percent)))
        now = await thing.look()
        assert (now.mirrored, now.declared) == (percent, 0.0)
    await thing.write(RouteChange(seen.rules, None))
    assert whole(thing.read()) == whole(before)


@pytest.mark.parametrize("kind", sorted(set(ROUTED) - {*MIRRORING, "virtualService"}))
async def test_a_kind_that_cannot_mirror_says_so(
    kind: str, cluster: Cluster, connection: Connection
) -> None:
    thing = await made(cluster, connection, kind)
    seen = await thing.look()
    assert "remove the shadow steps" in str(await thing.router.mirrorable(seen, [100]))
    written = await thing.router.write(seen, RouteChange((), replace(MINE, mirror=100)))
    assert isinstance(written, NotWritten)
    assert (await thing.look()).claim is None


@pytest.mark.parametrize("kind", sorted(ROUTED))
async def test_nothing_is_written_to_an_object_that_is_not_what_was_looked_at(
    kind: str, cluster: Cluster, connection: Connection
) -> None:
    """Not even where the version is no longer demanded, as in a rollback that lost three races."""
    thing = await made(cluster, connection, kind)
    seen = await thing.look()
    change = RouteChange(weights_at(seen.rules, 10), MINE, pinned=False)
    thing.patch({"op": "replace", **somebody_elses(seen, thing.read())})
    assert isinstance(await thing.router.write(seen, change), Conflict)
    claimed = await made(cluster, connection, kind)
    seen = await claimed.look()
    await claimed.write(RouteChange((), THEIRS))
    assert isinstance(await claimed.router.write(seen, change), Conflict)
    assert (await claimed.look()).rules == seen.rules


def somebody_elses(seen: ObjectSeen, document: Json) -> Json:
    """Another name where a name is tested, another text where the whole text is."""
    place = seen.places[0]
    tested = [path for entry in (*place.targets, *place.sources) for path, _ in entry.tests]
    named = [path for path in tested if path.endswith(("/name", "/host"))]
    if named:
        return {"path": named[0], "value": "other"}
    return {"path": tested[0], "value": f" {value_at(document, parts_of(tested[0]))}"}


async def every(cluster: Cluster, connection: Connection, *kinds: str) -> list[Thing]:
    """One object of each kind. Of a VirtualService the http rules, which alone can be mirrored."""
    others = (kind for kind in kinds if kind != "virtualService")
    things = [await unserved(cluster, connection, kind) for kind in others]
    if "virtualService" in kinds:
        routed = ROUTED["virtualService"]
        http = replace(routed, router=routed.router | {"rules": ["http/1"]})
        things.append(Thing(cluster, connection, http, http.made()).create())
    return things


def together(things: list[Thing]) -> SeveralRouters:
    names = [f"{one.layout.kind.name} {one.layout.wanted.name}" for one in things]
    return SeveralRouters([one.router for one in things], names)


async def written(routers: SeveralRouters, change: RouteChange) -> SeveralSeen:
    """As a reconciler would, over all of them."""
    result: object = Conflict("")
    while isinstance(result, Conflict):
        result = await routers.write(await seen_of(routers), change)
    assert isinstance(result, Written), result
    return await seen_of(routers)


async def seen_of(routers: SeveralRouters) -> SeveralSeen:
    seen = await routers.look()
    assert isinstance(seen, SeveralSeen), seen
    return seen


async def test_routes_of_every_kind_move_together_and_back(
    cluster: Cluster, connection: Connection
) -> None:
    things = await every(cluster, connection, *ROUTED)
    before = [whole(one.read()) for one in things]
    routers = together(things)
    seen = await seen_of(routers)
    assert (seen.problem, seen.declared) == (None, 0.0)
    claim = replace(MINE, original=seen.rules)
    for target in (10, 50, 100):
        now = await written(routers, RouteChange(weights_at(seen.rules, target), claim))
        assert now.declared == target
        assert len(now.claims) == len(things)
    assert {one["metadata"]["name"] for one in (thing.read() for thing in things)} == {"chat"}
    back = RouteChange(restored((await seen_of(routers)).rules, seen.rules), None)
    assert (await written(routers, back)).declared == 0
    assert [whole(one.read()) for one in things] == before


async def test_routes_of_kinds_that_can_mirror_all_do_or_none_does(
    cluster: Cluster, connection: Connection
) -> None:
    things = await every(cluster, connection, *MIRRORING, "virtualService")
    proxy = next(one for one in things if one.layout.kind.name == "HTTPProxy")
    own = {"op": "remove", "path": "/spec/routes/0/services/3"}
    routers = together(things)
    refused = str(await routers.mirrorable(await seen_of(routers), [100]))
    assert refused.startswith("HTTPProxy chat: ")
    claim = replace(MINE, original=(await seen_of(routers)).rules)
    change = RouteChange((), replace(claim, mirror=100))
    assert isinstance(await routers.write(await seen_of(routers), change), NotWritten)
    assert not (await seen_of(routers)).mirrors_any
    assert not (await seen_of(routers)).claims, "none was written, not even for a moment"

    proxy.patch(own)  # Contour takes one mirror alone
    before = [whole(one.read()) for one in things]
    assert await routers.mirrorable(await seen_of(routers), [10, 100]) is None
    assert [whole(one.read()) for one in things] == before, "a dry run has changed something"
    for percent in (10, 100):
        now = await written(routers, RouteChange((), replace(claim, mirror=percent)))
        assert (now.mirrored, now.declared) == (percent, 0.0)
    await written(routers, RouteChange((), None))
    assert [whole(one.read()) for one in things] == before


async def test_absent_kinds_and_missing_permissions_are_told_apart(
    clusters: tuple[Cluster, Cluster], cluster: Cluster, connection: Connection
) -> None:
    async with connected(clusters[1]) as without:
        for kind in ("contourHTTPProxy", "traefikService", "patch"):
            layout = await layout_of(ROUTED[kind].wanted, without)
            assert not isinstance(layout, Refusal)
            gone = await ObjectRouter(without, "default", layout).look()
            assert isinstance(gone, RouteGone)
            assert f"serves no {layout.kind.name}s of {layout.kind.served_as}" in gone.message
    thing = await made(cluster, connection, "traefikService")
    seen = await thing.look()
    async with connected(cluster, "erin") as forbidden:
        router = ObjectRouter(forbidden, thing.namespace, thing.layout)
        look = await router.look()
        assert isinstance(look, RouteUnreadable)
        written = await router.write(seen, RouteChange((), MINE))
        assert isinstance(written, NotWritten)
        for message in (look.message, written.message):
            assert (
                "it needs get, list, watch and patch of traefikservices.traefik.io in namespace"
                f" {thing.namespace}" in message
            )


async def test_what_a_validating_server_refuses_of_a_number_is_told(
    cluster: Cluster, connection: Connection
) -> None:
    thing = await made(cluster, connection, "contourHTTPProxy")
    beyond = RouteChange((RuleWeights(0, -1, 0, 50),), MINE, pinned=False)
    refused = await thing.router.write(await thing.look(), beyond)
    assert isinstance(refused, NotWritten)
    assert refused.reason == "Refused"


async def test_a_virtualservice_mirrors_and_leaves_no_trace_of_it(
    cluster: Cluster, connection: Connection
) -> None:
    """Of its http rules alone, since Istio copies nothing of the others."""
    routed = ROUTED["virtualService"]
    http = replace(routed, router=routed.router | {"rules": ["http/1"]})
    thing = Thing(cluster, connection, http, http.made()).create()
    before = thing.read()
    seen = await thing.look()
    claim = replace(MINE, original=seen.rules)
    await thing.write(RouteChange((), claim))
    assert await thing.router.mirrorable(await thing.look(), [10, 100]) is None
    for percent in (10, 100):
        await thing.write(RouteChange((), replace(claim, mirror=percent)))
        assert (await thing.look()).mirrored == percent
    await thing.write(RouteChange((), None))
    assert whole(thing.read()) == whole(before)
    every = Thing(cluster, connection, routed, routed.made()).create()
    refused = await every.router.mirrorable(await every.look(), [10])
    assert "of which Istio copies nothing" in str(refused)
