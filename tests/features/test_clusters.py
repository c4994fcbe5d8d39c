"""Clusters named by Secrets, on real API servers."""

import asyncio
import base64
import json
import shlex
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cutover.api.clusters import ClusterRef
from cutover.clusters.answers import Failed, Ok, Reason
from cutover.clusters.connection import Connection
from cutover.clusters.own import connect_own
from cutover.clusters.registry import Clusters
from cutover.clusters.secrets import Secrets
from cutover.clusters.sources import Sources
from cutover.decide.observation import Refusal
from tests.features.authority import Authority, cluster_that_trusts
from tests.features.connecting import connected
from tests.lab import Cluster, Lab
from tests.lab.credentials import kubeconfig

pytestmark = pytest.mark.lab

REF = ClusterRef.model_validate({"kubeconfigSecretRef": {"name": "remote"}})
HOLDER = "ns/chat"


class Subject:
    """A namespace with a Secret called remote, and the registry under test."""

    def __init__(self, cluster: Cluster, own: Connection) -> None:
        self.cluster = cluster
        self.own = own
        self.namespace = f"clusters-{uuid.uuid4().hex[:8]}"
        self.now = 0.0
        cluster.ensure_namespace(self.namespace)
        secrets = Secrets(own, clock=lambda: self.now)
        self.clusters = Clusters(own, Sources(own, secrets), clock=lambda: self.now)

    def store(self, kubeconfig: str, *, label: bool = True, key: str = "kubeconfig") -> None:
        """Replace the Secret whole."""
        labels = {"cutover.dev/use": "true" if label else None}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "remote", "namespace": self.namespace, "labels": labels},
            "stringData": {key: kubeconfig},
        }
        self.cluster.kubectl("apply", "--filename=-", input=json.dumps(secret))

    def delete(self) -> None:
        self.cluster.kubectl("delete", "secret", "remote", f"--namespace={self.namespace}")

    async def connect(self, holder: str = HOLDER) -> Connection | Refusal:
        """Ten seconds after the last time."""
        self.now += 10
        first = await self.clusters.connect(REF, self.namespace, holder)
        await asyncio.gather(*self.clusters._checks)
        return first

    async def connected(self) -> Connection:
        connection = await self.connect()
        assert isinstance(connection, Connection), connection
        return connection

    async def refused(self, holder: str = HOLDER) -> Refusal:
        refusal = await self.connect(holder)
        assert isinstance(refusal, Refusal)
        return refusal


@asynccontextmanager
async def subject_on(cluster: Cluster, server: str | None = None) -> AsyncIterator[Subject]:
    async with connected(cluster, server=server) as own:
        made = Subject(cluster, own)
        yield made
        await made.clusters.close()


@pytest.fixture
async def subject(clusters: tuple[Cluster, Cluster]) -> AsyncIterator[Subject]:
    async with subject_on(clusters[0]) as made:
        yield made


@pytest.fixture
def target(clusters: tuple[Cluster, Cluster]) -> Cluster:
    return clusters[1]


async def who(connection: Connection) -> str:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await connection.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert isinstance(answer, Ok), answer
    return str(answer.body["status"]["userInfo"]["username"])


def edited(text: str, *, cluster: Any = None, user: Any = None) -> str:
    document = json.loads(text)
    document["clusters"][0]["cluster"].update(cluster or {})
    document["users"][0]["user"] = user or document["users"][0]["user"]
    return json.dumps(document)


# --- kubeconfigs ----------------------------------------------------------------------------------


async def test_a_token_of_a_user_and_of_a_service_account(
    subject: Subject, target: Cluster
) -> None:
    subject.store(target.kubeconfig_for("alice"))
    assert await who(await subject.connected()) == "alice"
    account = "system:serviceaccount:movers:cutover"
    subject.store(target.kubeconfig_for(account), key="value")
    await subject.connect()
    assert await who(await subject.connected()) == "alice"  # kubeconfig comes before value
    subject.cluster.kubectl(
        *("patch", "secret", "remote", f"--namespace={subject.namespace}", "--type=json"),
        '-p=[{"op": "remove", "path": "/data/kubeconfig"}]',
    )
    await subject.connect()
    assert await who(await subject.connected()) == account


async def test_a_client_certificate(subject: Subject, lab: Lab, tmp_path: Path) -> None:
    authority = Authority()
    with cluster_that_trusts(lab, authority, tmp_path) as private:
        user = authority.user("carol-by-certificate")
        text = kubeconfig(private.url, private.cluster.ca_pem, "unused")
        subject.store(edited(text, user=user))
        assert await who(await subject.connected()) == "carol-by-certificate"
        stranger = Authority().user("mallory")
        subject.store(edited(text, user=stranger))
        await subject.connect()
        answer = await (await subject.connected()).get("/version")
        assert isinstance(answer, Failed)
        assert answer.reason in {Reason.UNAUTHORISED, Reason.UNREACHABLE}


async def test_a_key_of_another_certificate(subject: Subject, target: Cluster) -> None:
    one, other = Authority().user("one"), Authority().user("other")
    mixed = one | {"client-key-data": other["client-key-data"]}
    subject.store(edited(target.kubeconfig_for(), user=mixed))
    assert "no pair" in (await subject.refused()).message


async def test_basic_credentials_reach_a_server_that_asks_for_them(
    subject: Subject, target: Cluster, lab: Lab
) -> None:
    """API servers dropped basic authentication; proxies in front of them did not."""
    with lab.proxy(target) as proxy:
        proxy.fail("/version", status=200, body='{"gitVersion": "v1"}')
        user = {"username": "ann", "password": "secret"}
        subject.store(edited(target.kubeconfig_for(server=proxy.url), user=user))
        connection = await subject.connected()
        assert isinstance(await connection.get("/version"), Ok)
        assert connection.pool.access.username == "ann"


async def test_a_server_name_of_its_own(subject: Subject, target: Cluster) -> None:
    right, wrong = {"tls-server-name": "localhost"}, {"tls-server-name": "elsewhere.example"}
    subject.store(edited(target.kubeconfig_for(), cluster=right))
    assert isinstance(await (await subject.connected()).get("/version"), Ok)
    subject.store(edited(target.kubeconfig_for(), cluster=wrong))
    await subject.connect()
    answer = await (await subject.connected()).get("/version")
    assert isinstance(answer, Failed)
    assert "tls-server-name" in answer.message


async def test_a_ca_that_did_not_sign_the_server(subject: Subject, target: Cluster) -> None:
    ca = base64.b64encode(Authority().pem).decode()
    subject.store(edited(target.kubeconfig_for(), cluster={"certificate-authority-data": ca}))
    reach = await subject.clusters.reach(REF, subject.namespace, HOLDER)
    assert (reach.reachable, reach.reason) == (False, "Unreachable")
    assert "certificate-authority-data" in reach.message


@pytest.mark.parametrize(
    ("cluster", "user", "words"),
    [
        pytest.param(None, {"exec": {"command": "aws"}}, "exec credentials", id="exec"),
        pytest.param(None, {"auth-provider": {"name": "gcp"}}, "auth-provider", id="provider"),
        pytest.param({"insecure-skip-tls-verify": True}, None, "--allow-insecure", id="insecure"),
        pytest.param({"certificate-authority-data": "!!"}, None, "certificate-authority", id="ca"),
    ],
)
async def test_what_is_refused_names_the_secret(
    subject: Subject, target: Cluster, cluster: Any, user: Any, words: str
) -> None:
    subject.store(edited(target.kubeconfig_for(), cluster=cluster, user=user))
    refusal = await subject.refused()
    assert refusal.reason == "CredentialsRefused"
    assert f"Secret {subject.namespace}/remote" in refusal.message
    assert words in refusal.message


async def test_a_secret_without_the_label_is_not_used(subject: Subject, target: Cluster) -> None:
    subject.store(target.kubeconfig_for(), label=False)
    refusal = await subject.refused()
    command = f"kubectl label secret -n {subject.namespace} remote cutover.dev/use=true"
    assert command in refusal.message
    subject.cluster.kubectl(*shlex.split(command)[1:])
    assert isinstance(await subject.connect(), Connection)


async def test_our_own_kubeconfig_outside_a_cluster(clusters: tuple[Cluster, Cluster]) -> None:
    own = connect_own({"KUBECONFIG": str(clusters[0].kubeconfig)})
    assert await who(own) == "admin"
    await own.pool.close()


# --- rotation and loss ----------------------------------------------------------------------------


async def test_a_rotated_secret_is_picked_up(subject: Subject, target: Cluster) -> None:
    subject.store(target.kubeconfig_for("alice"))
    connection = await subject.connected()
    assert await who(connection) == "alice"
    old = connection.pool
    subject.store(target.kubeconfig_for("bob"))
    assert await subject.connect() is connection
    assert await who(connection) == "bob"
    await asyncio.gather(*subject.clusters._closings)
    assert old._closed


async def test_an_expired_token_is_replaced_within_one_request(
    subject: Subject, target: Cluster
) -> None:
    subject.store(target.kubeconfig_for(token="no-longer-good"))
    connection = await subject.connected()
    assert isinstance(await connection.get("/version"), Failed)
    subject.store(target.kubeconfig_for("alice"))
    subject.now += 2
    assert await who(connection) == "alice"


async def test_the_way_back_outlives_the_secret_and_our_own_api_server(
    subject: Subject, target: Cluster, lab: Lab
) -> None:
    with lab.proxy(subject.cluster) as proxy:
        async with subject_on(subject.cluster, proxy.url) as cut_off:
            cut_off.store(target.kubeconfig_for("alice"))
            connection = await cut_off.connected()
            cut_off.delete()
            await cut_off.connect()
            assert await cut_off.connect() is connection
            assert (await cut_off.refused("ns/another")).reason == "CredentialsMissing"
            reach = await cut_off.clusters.reach(REF, cut_off.namespace, HOLDER)
            assert (reach.reachable, reach.reason) == (False, "CredentialsMissing")
            proxy.hang()
            cut_off.now += 10
            began = time.monotonic()
            again = await cut_off.clusters.connect(REF, cut_off.namespace, HOLDER)
            assert again is connection
            assert await who(connection) == "alice"
            assert time.monotonic() - began < 1
            proxy.pass_through()


async def test_a_cluster_that_hangs_costs_no_more_than_the_deadline(
    subject: Subject, target: Cluster, lab: Lab
) -> None:
    with lab.proxy(target) as proxy:
        proxy.hang()
        subject.store(target.kubeconfig_for(server=proxy.url))
        connection = await subject.connected()
        began = time.monotonic()
        answers = await asyncio.gather(
            *(connection.get("/version", deadline=0.5) for _ in range(80))
        )
        assert time.monotonic() - began < 80 * 0.5 / 4
        assert {type(answer) for answer in answers} == {Failed}
        proxy.pass_through()
        assert isinstance(await connection.get("/version"), Ok)


async def test_connections_that_somebody_between_forgot_cost_one_deadline(
    target: Cluster, lab: Lab
) -> None:
    with lab.proxy(target) as proxy:
        async with connected(target, server=proxy.url) as connection:
            await asyncio.gather(*(connection.get("/version") for _ in range(20)))
            assert proxy.open_connections > 10
            proxy.cut()
            lost = await connection.get("/version", deadline=0.5)
            assert isinstance(lost, Failed)
            assert isinstance(await connection.get("/version", deadline=0.5), Ok)


async def test_identity_is_stable_and_differs(
    subject: Subject, clusters: tuple[Cluster, Cluster]
) -> None:
    uid = clusters[0].call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert await subject.clusters.identity() == uid
    async with connected(clusters[0], "erin") as own:
        without = Clusters(own, Sources(own, Secrets(own)))
        identity = await without.identity()
        assert isinstance(identity, str)
        assert identity.startswith("ca-")
