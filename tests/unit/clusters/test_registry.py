"""Connections by Secret: labelled only, rotated in place, kept for whoever holds them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from cutover.api.clusters import ClusterRef
from cutover.clusters.answers import Failed, Ok
from cutover.clusters.connection import Connection
from cutover.clusters.registry import Clusters
from cutover.clusters.secrets import Secret, Secrets
from cutover.clusters.sources import Sources
from cutover.decide.observation import Refusal
from tests.unit.clusters.conftest import Clock, Server

PATH = "/api/v1/namespaces/ns/secrets/gke"
REF = ClusterRef.model_validate({"kubeconfigSecretRef": {"name": "gke"}})


def kubeconfig(server: str, token: str) -> str:
    return json.dumps(
        {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def secret(text: str, version: str = "1", *, key: str = "kubeconfig", use: str = "true") -> Any:
    labels = {"cutover.dev/use": use} if use else {}
    return {
        "metadata": {"labels": labels, "resourceVersion": version},
        "data": {key: base64.b64encode(text.encode()).decode()},
    }


@pytest.fixture
async def clusters(server: Server, clock: Clock) -> AsyncIterator[Clusters]:
    own = server.connection(token="own")
    server.answers["/version"] = {"gitVersion": "v1"}
    made = Clusters(own, Sources(own, Secrets(own, clock=clock), allow_insecure=True), clock=clock)
    yield made
    await made.close()


async def connected(clusters: Clusters, holder: str = "ns/a", ref: ClusterRef = REF) -> Connection:
    connection = await clusters.connect(ref, "ns", holder)
    assert isinstance(connection, Connection), connection
    return connection


async def refused(clusters: Clusters, holder: str = "ns/a", ref: ClusterRef = REF) -> Refusal:
    refusal = await clusters.connect(ref, "ns", holder)
    assert isinstance(refusal, Refusal)
    return refusal


async def tokens(server: Server, connection: Connection) -> str:
    await connection.get("/version")
    return server.asked[-1].headers["Authorization"]


async def settle(clusters: Clusters) -> None:
    await asyncio.gather(*clusters._checks)
    await asyncio.gather(*clusters._closings)


async def test_no_reference_is_our_own_cluster(clusters: Clusters) -> None:
    assert await clusters.connect(ClusterRef(), "ns", "ns/a") is clusters.own


@pytest.mark.parametrize("key", ["kubeconfig", "value"])
async def test_the_usual_keys_are_found(server: Server, clusters: Clusters, key: str) -> None:
    server.answers[PATH] = secret(kubeconfig(server.url, "one"), key=key)
    assert await tokens(server, await connected(clusters)) == "Bearer one"


async def test_another_key_is_read_when_named(server: Server, clusters: Clusters) -> None:
    server.answers[PATH] = secret(kubeconfig(server.url, "one"), key="k")
    ref = ClusterRef.model_validate({"kubeconfigSecretRef": {"name": "gke", "key": "k"}})
    await connected(clusters, ref=ref)
    assert "no key kubeconfig or value" in (await refused(clusters)).message


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        pytest.param(None, "CredentialsMissing", "does not exist: create it", id="missing"),
        pytest.param(secret("x", use=""), "CredentialsRefused", "kubectl label", id="unlabelled"),
        pytest.param(secret("x", use="false"), "CredentialsRefused", "kubectl label", id="false"),
        pytest.param(secret("x", key="y"), "CredentialsMissing", "has no key", id="no-key"),
        pytest.param(secret("x"), "CredentialsRefused", "no kubeconfig", id="garbled"),
        pytest.param(
            lambda _: web.json_response({"kind": "Status"}, status=403),
            "Forbidden",
            "may not read Secret ns/gke",
            id="forbidden",
        ),
        pytest.param(
            lambda _: web.Response(status=503), "Unreachable", "cannot be read", id="silent"
        ),
    ],
)
async def test_what_is_refused(
    server: Server, clusters: Clusters, answer: Any, reason: str, words: str
) -> None:
    server.answers[PATH] = answer
    refusal = await refused(clusters)
    assert refusal.reason == reason
    assert words in refusal.message
    reach = await clusters.reach(REF, "ns", "ns/a")
    assert (reach.reachable, reach.reason) == (False, reason)


async def test_a_certificate_that_cannot_be_loaded_is_named(
    server: Server, clusters: Clusters
) -> None:
    document = json.loads(kubeconfig("https://127.0.0.1:1", "one"))
    pem = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"
    encoded = base64.b64encode(pem.encode()).decode()
    document["clusters"][0]["cluster"]["certificate-authority-data"] = encoded
    server.answers[PATH] = secret(json.dumps(document))
    message = (await refused(clusters)).message
    assert "Secret ns/gke" in message
    assert "certificate-authority-data" in message


async def test_a_secret_is_read_once_in_ten_seconds(
    server: Server, clusters: Clusters, clock: Clock
) -> None:
    server.answers[PATH] = secret(kubeconfig(server.url, "one"))
    for holder in ("ns/a", "ns/b", "ns/a"):
        await connected(clusters, holder)
    assert len(server.asked) == 1
    clock.now += 10
    await connected(clusters)
    await settle(clusters)
    assert len(server.asked) == 2


async def test_a_rotated_secret_changes_the_credentials_beneath_the_holder(
    server: Server, clusters: Clusters, clock: Clock
) -> None:
    server.answers[PATH] = secret(kubeconfig(server.url, "one"))
    connection = await connected(clusters)
    old = connection.pool
    server.answers[PATH] = secret(kubeconfig(server.url, "two"), "2")
    clock.now += 10
    assert await connected(clusters) is connection
    await settle(clusters)
    assert await tokens(server, connection) == "Bearer two"
    assert (connection.generation, old._closed) == (1, True)


async def test_after_a_401_the_secret_is_read_at_once(
    server: Server, clusters: Clusters, clock: Clock
) -> None:
    def only_two(request: web.Request) -> web.Response:
        good = request.headers["Authorization"] == "Bearer two"
        return web.json_response({}, status=200 if good else 401)

    server.answers[PATH] = secret(kubeconfig(server.url, "one"))
    connection = await connected(clusters)
    server.answers[PATH] = secret(kubeconfig(server.url, "two"), "2")
    server.answers["/a"] = only_two
    clock.now += 2
    assert await connection.get("/a") == Ok({})


async def test_a_wrong_token_is_no_stream_of_reads(
    server: Server, clusters: Clusters, clock: Clock
) -> None:
    server.answers[PATH] = secret(kubeconfig(server.url, "one"))
    connection = await connected(clusters)
    server.answers["/a"] = lambda _: web.json_response({}, status=401)
    clock.now += 2
    for _ in range(5):
        assert isinstance(await connection.get("/a"), Failed)
    assert [request.path for request in server.asked].count(PATH) == 2


@pytest.mark.parametrize(
    "now", [None, secret("nonsense", "2"), secret("x", "2", use=""), "hang"], ids=str
)
async def test_what_was_good_stays_good_for_its_holder_alone(
    server: Server, clusters: Clusters, clock: Clock, now: Any
) -> None:
    server.answers[PATH] = secret(kubeconfig(server.url, "one"))
    connection = await connected(clusters)
    server.answers[PATH] = now
    clock.now += 10
    async with asyncio.timeout(0.2):  # the holder does not wait for the Secret
        assert await connected(clusters) is connection
    assert await tokens(server, connection) == "Bearer one"
    if now == "hang":
        return
    await settle(clusters)
    assert isinstance(await clusters.connect(REF, "ns", "ns/new"), Refusal)
    assert clusters.problem(REF, "ns") is not None
    reach = await clusters.reach(REF, "ns", "ns/a")
    assert (reach.reachable, reach.reason.startswith("Credentials")) == (False, True)
    assert await connected(clusters) is connection


async def test_a_secret_that_comes_back_is_no_problem_any_more(
    server: Server, clusters: Clusters, clock: Clock
) -> None:
    good = secret(kubeconfig(server.url, "one"))
    for answer, expected in ((good, False), (None, True), (good, False)):
        server.answers[PATH] = answer
        clock.now += 10
        await connected(clusters)
        await settle(clusters)
        assert (clusters.problem(REF, "ns") is not None) is expected


async def test_the_last_holder_closes_it(server: Server, clusters: Clusters) -> None:
    server.answers[PATH] = secret(kubeconfig(server.url, "one"))
    connection = await connected(clusters, "ns/a")
    await connected(clusters, "ns/b")
    clusters.release("ns/a")
    assert isinstance(await connection.get("/version"), Ok)
    clusters.release("ns/b")
    await settle(clusters)
    assert isinstance(await connection.get("/version"), Failed)
    assert isinstance(await (await connected(clusters, "ns/c")).get("/version"), Ok)


async def test_equal_accesses_share_their_tcp_connections(
    server: Server, clusters: Clusters
) -> None:
    server.answers[PATH] = secret(kubeconfig(server.url, "one"))
    server.answers[PATH.replace("ns", "copy", 1)] = None
    other = "/api/v1/namespaces/other/secrets/gke"
    server.answers[other] = secret(kubeconfig(server.url, "one"), "9")
    first = await connected(clusters)
    second = await clusters.connect(REF, "other", "other/b")
    assert isinstance(second, Connection)
    assert first is not second
    assert first.pool is second.pool
    clusters.release("ns/a")
    await settle(clusters)
    assert isinstance(await second.get("/version"), Ok)


async def test_reach_is_asked_every_fifteen_seconds_and_a_failure_every_ten(
    server: Server, clusters: Clusters, clock: Clock
) -> None:
    own = ClusterRef()

    async def reached(after: float) -> tuple[bool | None, int]:
        clock.now += after
        reach = await clusters.reach(own, "ns", "ns/a")
        return reach.reachable, len(server.asked)

    assert await reached(0) == (True, 1)
    assert await reached(14) == (True, 1)
    server.answers["/version"] = lambda _: web.Response(status=500)
    assert await reached(1) == (False, 2)
    assert await reached(9) == (False, 2)
    assert await reached(1) == (False, 3)


async def test_identity_is_kube_systems_uid(server: Server, clusters: Clusters) -> None:
    path = "/api/v1/namespaces/kube-system"
    server.answers[path] = lambda _: web.Response(status=500)
    assert isinstance(await clusters.identity(), Failed)
    server.answers[path] = {"metadata": {"uid": "u-1"}}
    assert await clusters.identity() == "u-1"
    del server.answers[path]
    assert await clusters.identity() == "u-1"


async def test_identity_where_kube_system_may_not_be_read(
    server: Server, clusters: Clusters
) -> None:
    path = "/api/v1/namespaces/kube-system"
    server.answers[path] = lambda _: web.json_response({"kind": "Status"}, status=403)
    identity = await clusters.identity()
    assert isinstance(identity, str)
    assert identity.startswith("ca-")


async def test_another_namespaces_secret_needs_the_allow_list(server: Server, clock: Clock) -> None:
    server.answers[PATH] = secret("hidden", key="k")
    own = server.connection()
    closed = await Secrets(own, clock=clock).read("home", "gke", "ns")
    assert isinstance(closed, Refusal)
    assert "--secret-namespaces" in closed.message
    opened = await Secrets(own, ["ns"], clock).read("home", "gke", "ns")
    assert isinstance(opened, Secret)
    assert opened.text("k") == "hidden"
    assert "hidden" not in repr(opened)
