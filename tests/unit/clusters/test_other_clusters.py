"""Clusters that are named otherwise than by a kubeconfig: whose word counts, and who is asked."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from cutover.api.clusters import ClusterRef
from cutover.clusters.answers import Failed, Ok, Reason
from cutover.clusters.connection import Connection
from cutover.clusters.logins import Login
from cutover.clusters.registry import Clusters
from cutover.clusters.secrets import Secrets
from cutover.clusters.sources import Sources
from cutover.clusters.tokens.granted import LoginError, Token
from cutover.decide.observation import NOT_ANSWERED, Refusal
from tests.unit.clusters.conftest import Clock, Server
from tests.unit.clusters.test_registry import kubeconfig, secret

ARGOCD = ClusterRef.model_validate({"argocdClusterRef": {"name": "gke"}})
PROFILE = ClusterRef.model_validate({"clusterProfileRef": {"name": "gke", "namespace": "fleet"}})
EKS_SERVER = "https://abc.gr7.eu-west-1.eks.amazonaws.com"


def eks(server: str = EKS_SERVER, **more: Any) -> ClusterRef:
    cluster = {"server": server, "clusterName": "prod", "region": "eu-west-1", **more}
    return ClusterRef.model_validate({"eks": cluster})


def stored(values: dict[str, str], version: str = "1", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {
            "labels": {"cutover.dev/use": "true", **labels},
            "resourceVersion": version,
        },
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()},
    }


def argocd(server: str, **config: Any) -> dict[str, Any]:
    kind = {"argocd.argoproj.io/secret-type": "cluster"}
    return stored({"name": "gke", "server": server, "config": json.dumps(config)}, **kind)


class Cloud:
    """Gives tokens, one after another."""

    def __init__(self) -> None:
        self.logins: list[Login] = []
        self.problem: LoginError | None = None

    async def issue(self, login: Login, *, afresh: bool = False) -> Token:
        self.logins.append(login)
        if self.problem is not None:
            raise self.problem
        return Token(f"token-{len(self.logins)}", 900)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
async def clusters(server: Server, clock: Clock, cloud: Cloud) -> AsyncIterator[Clusters]:
    own = server.connection(token="own")
    server.answers["/version"] = {"gitVersion": "v1"}
    sources = Sources(
        own,
        Secrets(own, ["argocd", "fleet"], clock),
        allow_insecure=True,
        identity_servers=["*.eks.amazonaws.com", "127.0.0.1"],
    )
    made = Clusters(own, sources, cloud.issue, clock=clock)
    yield made
    await made.close()


async def connected(clusters: Clusters, ref: ClusterRef, home: str = "ns") -> Connection:
    connection = await clusters.connect(ref, home, f"{home}/a")
    assert isinstance(connection, Connection), connection
    return connection


async def refused(clusters: Clusters, ref: ClusterRef, home: str = "ns") -> Refusal:
    refusal = await clusters.connect(ref, home, f"{home}/a")
    assert isinstance(refusal, Refusal)
    return refusal


def last_token(server: Server) -> str:
    return server.asked[-1].headers["Authorization"]


# --- Argo CD and the cluster inventory ------------------------------------------------------------


async def test_a_cluster_of_argo_cd(server: Server, clusters: Clusters) -> None:
    path = "/api/v1/namespaces/argocd/secrets/gke"
    server.answers[path] = argocd(server.url, bearerToken="abc")
    connection = await connected(clusters, ARGOCD)
    assert isinstance(await connection.get("/version"), Ok)
    assert last_token(server) == "Bearer abc"
    assert connection.credentials == "Secret argocd/gke key config"


async def test_a_secret_that_is_no_cluster_of_argo_cd(server: Server, clusters: Clusters) -> None:
    server.answers["/api/v1/namespaces/argocd/secrets/gke"] = stored({"server": server.url})
    assert "argocd.argoproj.io/secret-type" in (await refused(clusters, ARGOCD)).message


async def test_a_profile_and_the_secret_of_its_reader(server: Server, clusters: Clusters) -> None:
    path = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/fleet/clusterprofiles/gke"
    assert "does not exist" in (await refused(clusters, PROFILE)).message
    clusters.release("ns/a")
    provider = {"name": "secretreader", "cluster": {"server": server.url}}
    server.answers[path] = {
        "metadata": {"name": "gke", "resourceVersion": "4"},
        "status": {"accessProviders": [provider]},
    }
    clusters._clock.now += 10  # type: ignore[attr-defined]
    assert "Secret ns/gke does not exist" in (await refused(clusters, PROFILE)).message
    server.answers["/api/v1/namespaces/ns/secrets/gke"] = stored({"token": "abc\n"})
    clusters._clock.now += 10  # type: ignore[attr-defined]
    connection = await connected(clusters, PROFILE)
    assert isinstance(await connection.get("/version"), Ok)
    assert last_token(server) == "Bearer abc"


async def test_another_namespace_needs_the_allow_list(server: Server, clusters: Clusters) -> None:
    for named in (
        {"kubeconfigSecretRef": {"name": "gke", "namespace": "other"}},
        {"argocdClusterRef": {"name": "gke", "namespace": "other"}},
        {"clusterProfileRef": {"name": "gke", "namespace": "other"}},
    ):
        refusal = await refused(clusters, ClusterRef.model_validate(named))
        assert "--secret-namespaces=other" in refusal.message
    assert not server.asked
    server.answers["/api/v1/namespaces/fleet/secrets/gke"] = secret(kubeconfig(server.url, "one"))
    ref = ClusterRef.model_validate({"kubeconfigSecretRef": {"name": "gke", "namespace": "fleet"}})
    assert isinstance(await (await connected(clusters, ref)).get("/version"), Ok)


# --- clouds ---------------------------------------------------------------------------------------


async def test_the_operators_identity_goes_to_no_address_that_a_writer_chose(
    server: Server, clusters: Clusters, cloud: Cloud
) -> None:
    refusal = await refused(clusters, eks("https://evil.example"))
    assert refusal.reason == "IdentityNotLent"
    assert "evil.example" in refusal.message
    assert "--identity-servers" in refusal.message
    lookalike = await refused(clusters, eks("https://a.eks.amazonaws.com.evil.example"))
    assert lookalike.reason == "IdentityNotLent"
    assert isinstance(await connected(clusters, eks()), Connection)
    command = {"command": "argocd-k8s-auth", "args": ["gcp"]}
    mine = ClusterRef.model_validate({"argocdClusterRef": {"name": "gke", "namespace": "ns"}})
    server.answers["/api/v1/namespaces/ns/secrets/gke"] = argocd(
        "https://evil.example", execProviderConfig=command
    )
    assert (await refused(clusters, mine)).reason == "IdentityNotLent"
    # Whoever writes into a namespace of --secret-namespaces is trusted with the address.
    server.answers["/api/v1/namespaces/argocd/secrets/gke"] = argocd(
        "https://10.0.0.7", execProviderConfig=command
    )
    assert isinstance(await connected(clusters, ARGOCD), Connection)
    assert not cloud.logins


async def test_credentials_of_a_secret_go_where_its_owner_lets_rollouts_send_them(
    server: Server, clusters: Clusters
) -> None:
    ref = eks("https://any.example", credentialsSecretRef={"name": "aws"})
    server.answers["/api/v1/namespaces/ns/secrets/aws"] = stored({"AWS_ACCESS_KEY_ID": "AKIA"})
    refusal = await refused(clusters, ref)
    assert refusal.message == (
        "Secret ns/aws keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY:"
        " AWS_SECRET_ACCESS_KEY is not there: add what is missing"
    )
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hush"}
    server.answers["/api/v1/namespaces/ns/secrets/aws"] = stored(keys, "2")
    clusters._clock.now += 10  # type: ignore[attr-defined]
    connection = await connected(clusters, ref)
    assert "hush" not in repr(connection.pool.access)


def token_only(good: str) -> Any:
    def answer(request: web.Request) -> web.Response:
        known = request.headers.get("Authorization") == f"Bearer {good}"
        return web.json_response({}, status=200 if known else 401)

    return answer


@pytest.fixture
async def gke(server: Server, clusters: Clusters, clock: Clock) -> Connection:
    values = {"credentials.json": "{}"}
    server.answers["/api/v1/namespaces/ns/secrets/google"] = stored(values)
    ref = ClusterRef.model_validate(
        {"gke": {"server": "https://10.0.0.1", "credentialsSecretRef": {"name": "google"}}}
    )
    connection = await connected(clusters, ref)
    plain = replace(connection.pool.access, server=server.url)  # loopback has no TLS here
    connection.pool.access = plain
    connection.pool.keeper._clock = clock  # type: ignore[union-attr]
    return connection


async def test_a_token_that_expired_is_one_more_request_and_no_failure(
    server: Server, gke: Connection, clock: Clock
) -> None:
    server.answers["/a"] = token_only("token-1")
    assert isinstance(await gke.get("/a"), Ok)
    clock.now += 5
    server.answers["/a"] = token_only("token-2")
    assert isinstance(await gke.get("/a"), Ok)


async def test_a_token_that_stays_refused_is_renewed_once(
    server: Server, gke: Connection, clock: Clock, cloud: Cloud
) -> None:
    server.answers["/a"] = token_only("never")
    await gke.get("/a")
    clock.now += 5
    answer = await gke.get("/a")
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.UNAUTHORISED
    assert "Secret ns/google key credentials.json" in answer.message
    for _ in range(5):
        await gke.get("/a")
    assert len(cloud.logins) == 2


async def test_a_refused_token_with_no_other_to_be_had_is_told_with_the_clouds_reason(
    server: Server, gke: Connection, clock: Clock, cloud: Cloud
) -> None:
    server.answers["/a"] = token_only("never")
    await gke.get("/a")
    clock.now += 5
    cloud.problem = LoginError("Google's token server gave no token (400): renew it")
    answer = await gke.get("/a")
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.UNAUTHORISED
    assert answer.message.endswith(
        "does not accept the credentials of Secret ns/google key credentials.json (401), and there are"
        " no newer ones: Google's token server gave no token (400): renew it"
    )


async def test_a_cloud_that_gives_no_token_is_told_with_the_secret(
    gke: Connection, cloud: Cloud
) -> None:
    cloud.problem = LoginError("Google's token server gave no token (400): renew it")
    answer = await gke.get("/a")
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.UNAUTHORISED
    assert "Secret ns/google key credentials.json: Google's token server" in answer.message


# --- a cluster that hangs -------------------------------------------------------------------------


async def test_reach_waits_for_a_silent_cluster_once_and_never_again(
    server: Server, clusters: Clusters, clock: Clock
) -> None:
    server.answers["/version"] = "hang"
    own = ClusterRef()
    loop = asyncio.get_running_loop()
    waits = []
    for _ in range(4):
        began = loop.time()
        reach = await clusters.reach(own, "ns", "ns/a")
        waits.append(loop.time() - began)
        clock.now += 30
        assert (reach.reachable, reach.reason) == (None, NOT_ANSWERED)
    assert waits[0] > 0.5
    assert max(waits[1:]) < waits[0] / 2
    assert len(server.asked) == 1


async def test_a_pool_of_its_own_cluster_has_no_breaker(server: Server, clusters: Clusters) -> None:
    path = "/api/v1/namespaces/argocd/secrets/gke"
    server.answers[path] = argocd(server.url, bearerToken="abc")
    assert clusters.own.pool.breaker is None
    assert (await connected(clusters, ARGOCD)).pool.breaker is not None
