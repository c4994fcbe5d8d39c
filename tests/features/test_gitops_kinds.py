"""Every kind of route in Git, by Argo CD's and Flux's own packages: what the settings in `manifests/` leave alone."""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cutover.clusters.connection import Connection
from cutover.decide.weights import restored, weights_at
from cutover.ports import RouteChange
from cutover.traffic.seen import ObjectSeen
from tests.fakes.routers import ROUTED, Json, Routed
from tests.features.connecting import connected
from tests.features.gitops import SSA, ArgoCd, Flux, Tool, ToolError, documented
from tests.features.subject_object import Thing, define, unmade
from tests.features.subject_route import MINE
from tests.lab import Cluster

pytestmark = pytest.mark.lab

Make = Callable[[str, list[Json]], Tool]
LONG = pytest.mark.long
ARGO = pytest.mark.part("argo-cd")


def cases(kinds: Iterable[str]) -> list[Any]:
    """Flux in every run; Argo CD in the long one, since its packages take minutes to build and seconds to run."""
    by_client = set(kinds) & {"httpRoute", "dnsEndpoint", "albIngress"}
    tools = {"flux": kinds, "argocd": kinds, "argocd-client-side": by_client}
    return [
        pytest.param(tool, kind, marks=() if tool == "flux" else [LONG, ARGO])
        for tool, some in tools.items()
        for kind in sorted(some)
    ]


OTHERWISE: dict[str, tuple[tuple[str | int, ...], Any]] = {
    "httpRoute": (("spec", "rules", 1, "timeouts", "request"), "30s"),
    "grpcRoute": (("spec", "rules", 0, "matches", 0, "method", "method"), "ModelInfer"),
    "virtualService": (("spec", "http", 1, "timeout"), "7s"),
    "dnsEndpoint": (("spec", "endpoints", 0, "recordTTL"), 30),
    "contourHTTPProxy": (("spec", "routes", 0, "timeoutPolicy", "response"), "30s"),
    "traefikService": (("spec", "weighted", "sticky", "cookie", "name"), "y"),
    "albIngress": (("metadata", "annotations", "kept"), "otherwise"),
    "nginxCanary": (("spec", "rules", 0, "host"), "other.example"),
    "patch": (("spec", "http", 1, "timeout"), "7s"),
    "patch of text": (("data", "other"), "y"),
}
"""What else of the object is changed in Git while its weights are moved."""

IN_THE_LIST = {
    "httpRoute",
    "grpcRoute",
    "virtualService",
    "dnsEndpoint",
    "contourHTTPProxy",
    "patch",
}
"""Kinds of which that stands in the very list in which the weights stand."""

LISTS = {
    "httpRoute": "/spec/rules",
    "grpcRoute": "/spec/rules",
    "virtualService": "/spec/http",
    "contourHTTPProxy": "/spec/routes",
}
"""What is ignored as a whole where copies of requests are sent."""


@pytest.fixture(scope="module")
def cluster(clusters: tuple[Cluster, Cluster]) -> Iterator[Cluster]:
    define(clusters[0])
    yield clusters[0]


@pytest.fixture
async def connection(cluster: Cluster) -> AsyncIterator[Connection]:
    async with connected(cluster) as one:
        yield one


@pytest.fixture
def make(cluster: Cluster, tmp_path: Path) -> Make:
    def made(tool: str, ignored: list[Json]) -> Tool:
        if tool == "flux":
            return Flux.set_up(cluster, tmp_path, ignored)
        return ArgoCd.set_up(cluster, tmp_path, ignored, server_side=tool == "argocd")

    return made


def settings(tool: str, thing: Thing, seen: ObjectSeen) -> list[Json]:
    """As our manifests say for this kind, by the places that its numbers have in this object."""
    kind = thing.layout.kind
    pointers = sorted(
        {entry.pointer for place in seen.places for entry in (*place.sources, *place.targets)}
    )
    patched = thing.routed.field == "patch"
    if tool == "flux":
        target = {"kind": kind.name, "name": "chat"}
        if not patched:
            rules = documented("flux")["spec"]["ignore"]
            known = {
                shape(path) for one in rules if one["target"] == target for path in one["paths"]
            }
            assert {shape(one) for one in pointers} - UNSHOWN <= known
        return [{"target": target, "paths": pointers}]
    if patched:
        about = {"group": kind.group, "kind": kind.name, "name": "chat"}
        return [{**about, "jsonPointers": pointers}]
    rules = documented("argocd")["spec"]["ignoreDifferences"]
    return [one for one in rules if (one["group"], one["kind"]) == (kind.group, kind.name)]


UNSHOWN = {"/spec/tls/N/route/N/weight", "/spec/tcp/N/route/N/weight"}
"""Said in words in the manifest for Flux."""


def shape(pointer: str) -> str:
    """A pointer whatever the places in it."""
    return re.sub(r"/\d+(?=/|$)", "/N", pointer)


def changed(git: Json, kind: str) -> Json:
    """Git's manifest with a label more and one other value beside the weights."""
    git = deepcopy(git)
    git["metadata"]["labels"] = {"team": "chat"}
    (*way, last), value = OTHERWISE[kind]
    into: Any = git
    for part in way:
        into = into[part]
    into[last] = value
    return git


def found(live: Json, kind: str) -> Any:
    at: Any = live
    for part in OTHERWISE[kind][0]:
        at = at.get(part) if isinstance(at, dict) else at[part]
    return at


def waits(tool: str, kind: str) -> bool:
    """Argo CD takes a whole list from the cluster of which it ignores one value."""
    return tool != "flux" and kind in IN_THE_LIST


async def moved(thing: Thing, tool: Tool, mirror: int = 0) -> ObjectSeen:
    """An object that came from Git, of which half the traffic is on the target."""
    tool.sync(thing.document)
    seen = await thing.look()
    assert (seen.problem, seen.declared) == (None, 0.0)
    claim = replace(MINE, original=seen.rules, mirror=mirror)
    await thing.write(RouteChange(weights_at(seen.rules, 50), claim))
    return await thing.look()


@pytest.mark.parametrize(("tool", "kind"), cases(ROUTED))
async def test_weights_and_claim_stand_while_the_rest_comes_from_git(
    tool: str,
    kind: str,
    cluster: Cluster,
    connection: Connection,
    make: Make,
) -> None:
    thing = await unmade(cluster, connection, kind)
    seen = await moved(thing, make(tool, []))
    assert seen.declared == 50
    engine = make(tool, settings(tool, thing, seen))
    assert not engine.heal(thing.document), "it finds nothing to mend"
    git = changed(thing.document, kind)
    engine.sync(git)
    now = await thing.look()
    assert (now.rules, now.claim) == (seen.rules, seen.claim)
    live = thing.read()
    assert live["metadata"]["labels"]["team"] == "chat"
    assert (found(live, kind) == OTHERWISE[kind][1]) is not waits(tool, kind)
    assert engine.heal(git) is waits(tool, kind)
    assert (await thing.look()).rules == seen.rules

    assert seen.claim is not None
    await thing.write(RouteChange(restored(now.rules, seen.claim.original), seen.claim))
    await thing.write(RouteChange((), None))
    assert (await thing.look()).declared == 0
    assert engine.heal(git) is waits(tool, kind)


@pytest.mark.parametrize(("tool", "kind"), cases(ROUTED))
async def test_a_tool_that_is_not_told_takes_the_weights_back_and_is_named(
    tool: str, kind: str, cluster: Cluster, connection: Connection, make: Make
) -> None:
    thing = await unmade(cluster, connection, kind)
    engine = make(tool, [])
    seen = await moved(thing, engine)
    assert engine.heal(thing.document)
    now = await thing.look()
    assert (now.declared, now.claim) == (0.0, seen.claim)
    assert now.last_manager == engine.manager


@pytest.mark.parametrize(("tool", "kind"), cases(LISTS))
async def test_a_mirror_stands_where_the_whole_list_is_ignored(
    tool: str, kind: str, cluster: Cluster, connection: Connection, make: Make
) -> None:
    thing = await unmade(cluster, connection, kind, mirroring(kind))
    seen = await moved(thing, make(tool, []), mirror=10)
    assert (seen.declared, seen.mirrored) == (50, 10)
    engine = make(tool, whole_list(tool, thing, kind))
    assert not engine.heal(thing.document)
    git = changed(thing.document, kind)
    engine.sync(git)
    now = await thing.look()
    assert (now.rules, now.mirrored, now.claim) == (seen.rules, 10, seen.claim)
    live = thing.read()
    assert live["metadata"]["labels"]["team"] == "chat"
    assert found(live, kind) != OTHERWISE[kind][1], "an edit of the list waits"

    # With the settings for the weights alone the copies are taken away, and the weights are not.
    make(tool, settings(tool, thing, seen)).heal(git)
    now = await thing.look()
    assert (now.rules, now.claim) == (seen.rules, seen.claim)
    assert now.mirrored == (0 if tool == "flux" else 10)


def mirroring(kind: str) -> Routed:
    """The object without what stands in a mirror's way."""
    routed = ROUTED[kind]
    if kind == "virtualService":
        return replace(routed, router=routed.router | {"rules": ["http/1"]})
    document = deepcopy(routed.document)
    if kind == "grpcRoute":  # Contour's copies of gRPC calls are refused; here no gateway answers
        document["spec"]["parentRefs"] = [{"name": "elsewhere"}]
    if kind == "contourHTTPProxy":
        del document["spec"]["routes"][0]["services"][3]
    return replace(routed, document=document)


def whole_list(tool: str, thing: Thing, kind: str) -> list[Json]:
    named = {"kind": thing.layout.kind.name, "name": "chat"}
    pointers = [LISTS[kind]]
    if tool == "flux":
        return [{"target": named, "paths": pointers}]
    return [{**named, "group": thing.layout.kind.group, "jsonPointers": pointers}]


# --- Flux -----------------------------------------------------------------------------------------


async def test_flux_can_keep_only_a_weight_that_git_states(
    cluster: Cluster, connection: Connection, make: Make
) -> None:
    """It replaces the value in what it applies; what is not there cannot be replaced, and nothing is applied."""
    thing = await unmade(cluster, connection, "virtualService")
    target = thing.document["spec"]["http"][1]["route"][0]
    assert (target["destination"]["host"], target.pop("weight")) == ("b", 0)
    seen = await moved(thing, make("flux", []))
    engine = make("flux", settings("flux", thing, seen))
    assert not engine.heal(thing.document)
    with pytest.raises(ToolError, match=r"missing key: /spec/http/1/route/0/weight"):
        engine.sync(changed(thing.document, "virtualService"))
    assert "team" not in thing.read()["metadata"]["labels"]
    assert (await thing.look()).rules == seen.rules


@pytest.mark.parametrize(("policy", "stands"), [("IfNotPresent", True), ("Merge", False)])
async def test_an_older_flux_leaves_a_route_alone_as_a_whole(
    policy: str, stands: bool, cluster: Cluster, connection: Connection, make: Make
) -> None:
    thing = await unmade(cluster, connection, "httpRoute")
    thing.document["metadata"]["annotations"] = {SSA: policy}
    engine = make("flux", [])
    seen = await moved(thing, engine)
    assert engine.heal(changed(thing.document, "httpRoute")) is not stands
    assert (await thing.look()).declared == (seen.declared if stands else 0)
    assert ("team" in thing.read()["metadata"]["labels"]) is not stands


# --- Argo CD --------------------------------------------------------------------------------------


@LONG
@ARGO
@pytest.mark.parametrize("kind", ["httpRoute", "albIngress"])
async def test_argo_cd_that_only_compares_writes_what_it_ignores(
    kind: str, cluster: Cluster, connection: Connection, make: Make, tmp_path: Path
) -> None:
    thing = await unmade(cluster, connection, kind)
    seen = await moved(thing, make("argocd", []))
    ignored = settings("argocd", thing, seen)
    engine = ArgoCd.set_up(cluster, tmp_path, ignored, without=["RespectIgnoreDifferences=true"])
    assert not engine.heal(thing.document)
    engine.sync(changed(thing.document, kind))
    now = await thing.look()
    assert (now.declared, now.claim, now.last_manager) == (0.0, seen.claim, engine.manager)


@LONG
@ARGO
async def test_trusting_cutover_as_a_manager_hides_every_edit_of_the_rules(
    cluster: Cluster, connection: Connection, make: Make, tmp_path: Path
) -> None:
    """One weight of an atomic list makes its writer the owner of the list."""
    thing = await unmade(cluster, connection, "httpRoute")
    seen = await moved(thing, make("argocd", []))
    rule = settings("argocd", thing, seen)[0]
    del rule["jqPathExpressions"]
    trusting = ArgoCd.set_up(cluster, tmp_path, [{**rule, "managedFieldsManagers": ["cutover"]}])
    assert not trusting.differs(thing.document)
    git = deepcopy(thing.document)
    git["spec"]["rules"][0]["backendRefs"][0]["name"] = "d"
    assert not trusting.differs(git)
    trusting.sync(git)
    assert (await thing.look()).rules == seen.rules
    weights_alone = ArgoCd.set_up(cluster, tmp_path, settings("argocd", thing, seen))
    assert weights_alone.differs(git), "the path of the weights hides the weights alone"


@LONG
@ARGO
async def test_a_sync_that_replaces_takes_weights_and_claim(
    cluster: Cluster, connection: Connection, make: Make, tmp_path: Path
) -> None:
    thing = await unmade(cluster, connection, "httpRoute")
    seen = await moved(thing, make("argocd", []))
    ignored = settings("argocd", thing, seen)
    replacing = ArgoCd.set_up(cluster, tmp_path, ignored, options=["Replace=true"])
    replacing.sync(changed(thing.document, "httpRoute"))
    now = await thing.look()
    assert now.claim is None
    assert now.rules == seen.rules, "what is ignored comes from the cluster all the same"
