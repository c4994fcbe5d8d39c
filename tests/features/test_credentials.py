"""Every way to name a cluster, against a real API server whose certificate is verified.

Of each: the right credentials, rotated ones, expired ones, permissions that were taken away, and a CA that
did not sign the server. What goes wrong is told with the Secret and its key, and never with its content.
The clouds' token servers are stood in for on loopback; the tokens that they give are the API server's own.
"""

import asyncio
import base64
import http.server
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import botocore.session
import pytest

from cutover.api.clusters import ClusterRef
from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.connection import Connection
from cutover.clusters.logins import EksLogin
from cutover.clusters.registry import Clusters
from cutover.clusters.secrets import Secrets
from cutover.clusters.sources import Sources
from cutover.clusters.tokens.issuer import Issuer
from cutover.clusters.tokens.rs256 import signed_jwt
from cutover.decide.observation import Refusal
from tests.features.authority import Authority
from tests.features.connecting import connected
from tests.lab import Cluster, Lab, parts
from tests.lab.credentials import kubeconfig
from tests.lab.dns import route53

pytestmark = pytest.mark.lab

USE = {"cutover.dev/use": "true"}
ACCOUNT = "mover"


# --- the target cluster, and tokens for it --------------------------------------------------------


class Target:
    """A namespace of the target with an account that may read ConfigMaps there."""

    def __init__(self, lab: Lab, cluster: Cluster) -> None:
        self.cluster = cluster
        self.namespace = f"credentials-{uuid.uuid4().hex[:8]}"
        self._key = (Path(lab.description.folder) / "credentials/service-accounts.key").read_text()
        cluster.ensure_namespace(self.namespace)
        metadata = {"name": ACCOUNT, "namespace": self.namespace}
        made = cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        self._uid = made["metadata"]["uid"]
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
        rbac = "rbac.authorization.k8s.io/v1"
        cluster.apply({"apiVersion": rbac, "kind": "Role", "metadata": metadata, "rules": rules})
        self._binding = {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": ACCOUNT,
            },
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.namespace}],
        }
        self.allow()

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps"

    def allow(self) -> None:
        self.cluster.apply(self._binding)

    def forbid(self) -> None:
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/rolebindings"
        self.cluster.call("DELETE", f"{path}/{ACCOUNT}")

    def token(self, life: float = 3600) -> str:
        """A token of the account, signed with the API server's own key; a negative life has ended."""
        now, issuer = int(time.time()), "https://kubernetes.default.svc"
        account = {"name": ACCOUNT, "uid": self._uid}
        claims = {
            "iss": issuer,
            "aud": [issuer],
            "sub": f"system:serviceaccount:{self.namespace}:{ACCOUNT}",
            "iat": now - 7200,
            "nbf": now - 7200,
            "exp": int(now + life),
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": self.namespace, "serviceaccount": account},
        }
        return signed_jwt(claims, self._key, "")


# --- token servers of clouds ----------------------------------------------------------------------


class Cloud(http.server.BaseHTTPRequestHandler):
    """Gives the token of whoever shows the right secret."""

    known: dict[str, str]
    """Secret to token."""

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        given = (sent.get("client_secret") or sent.get("refresh_token") or [""])[0]
        token = self.known.get(given)
        body = {"access_token": token, "expires_in": 3600} if token else {"error": "invalid_grant"}
        text = json.dumps(body).encode()
        self.send_response(200 if token else 401)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@dataclass
class TokenServer:
    url: str
    known: dict[str, str]


@pytest.fixture(scope="module")
def token_server() -> Iterator[TokenServer]:
    known: dict[str, str] = {}
    handler = type("Handler", (Cloud,), {"known": known})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05))
        thread.start()
        yield TokenServer(f"http://127.0.0.1:{server.server_port}", known)
        server.shutdown()
        thread.join()


# --- the ways -------------------------------------------------------------------------------------


@dataclass
class Way:
    """One way to name the target, and where its credentials are stored in the source cluster."""

    subject: "Subject"
    ref: dict[str, Any]
    store: Callable[[str, str], None]
    """With a token and the base64 of a CA."""
    named: str
    """The Secret and key, as sentences name them."""
    ca: str = "certificate-authority-data"
    """What the field is called that holds the CA."""
    secrets: list[str] = field(default_factory=list)
    """What no sentence may hold."""


class Subject:
    def __init__(self, cluster: Cluster, target: Target, cloud: TokenServer) -> None:
        self.cluster = cluster
        self.target = target
        self.cloud = cloud
        self.namespace = f"ways-{uuid.uuid4().hex[:8]}"
        self.fleet = f"fleet-{uuid.uuid4().hex[:8]}"
        for name in (self.namespace, self.fleet):
            cluster.ensure_namespace(name)

    def secret(self, namespace: str, name: str, labels: dict[str, str], /, **values: str) -> None:
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": namespace, "labels": USE | labels},
                "stringData": values,
            }
        )

    def kubeconfig(self, token: str, ca: str) -> str:
        pem = base64.b64decode(ca).decode()
        return kubeconfig(self.target.cluster.server, pem, token)

    def cluster_api(self) -> Way:
        """As Cluster API writes it: NAME-kubeconfig, key value; labelled once by its owner."""

        def store(token: str, ca: str) -> None:
            labels = {"cluster.x-k8s.io/cluster-name": "gke"}
            self.secret(self.fleet, "gke-kubeconfig", labels, value=self.kubeconfig(token, ca))

        ref = {"kubeconfigSecretRef": {"name": "gke-kubeconfig", "namespace": self.fleet}}
        return Way(self, ref, store, f"Secret {self.fleet}/gke-kubeconfig key value")

    def argocd(self) -> Way:
        def store(token: str, ca: str) -> None:
            config = {"bearerToken": token, "tlsClientConfig": {"caData": ca, "insecure": False}}
            labels = {"argocd.argoproj.io/secret-type": "cluster"}
            server = self.target.cluster.server
            self.secret(
                self.fleet,
                "cluster-gke",
                labels,
                name="gke",
                server=server,
                config=json.dumps(config),
            )

        ref = {"argocdClusterRef": {"name": "cluster-gke", "namespace": self.fleet}}
        named = f"Secret {self.fleet}/cluster-gke key config"
        return Way(self, ref, store, named, ca="tlsClientConfig.caData")

    def secretreader(self) -> Way:
        def store(token: str, ca: str) -> None:
            self.profile(ca, "secretreader", {"clusterName": "gke"})
            self.secret(self.namespace, "gke", {}, token=token)

        ref = {"clusterProfileRef": {"name": "gke", "namespace": self.fleet}}
        return Way(self, ref, store, f"Secret {self.namespace}/gke key token")

    def kubeconfig_secretreader(self) -> Way:
        def store(token: str, ca: str) -> None:
            where = {"name": "gke", "key": "config", "namespace": self.fleet}
            self.profile(ca, "kubeconfig-secretreader", where)
            self.secret(self.fleet, "gke", {}, config=self.kubeconfig(token, ca))

        ref = {"clusterProfileRef": {"name": "gke", "namespace": self.fleet}}
        return Way(self, ref, store, f"Secret {self.fleet}/gke key config")

    def profile(self, ca: str, provider: str, extension: dict[str, str]) -> None:
        """A ClusterProfile with its status, as a cluster manager writes both."""
        key = "client.authentication.k8s.io/exec"
        cluster = {
            "server": self.target.cluster.server,
            "certificate-authority-data": ca,
            "extensions": [{"name": key, "extension": extension}],
        }
        profile = {
            "apiVersion": "multicluster.x-k8s.io/v1alpha1",
            "kind": "ClusterProfile",
            "metadata": {"name": "gke", "namespace": self.fleet},
        }
        path = f"/apis/multicluster.x-k8s.io/v1alpha1/namespaces/{self.fleet}/clusterprofiles/gke"
        query, headers = (
            "fieldManager=fleet&force=true",
            {"Content-Type": "application/apply-patch+yaml"},
        )
        spec = {"spec": {"clusterManager": {"name": "fleet"}}}
        self.cluster.call("PATCH", f"{path}?{query}", profile | spec, headers)
        providers = [
            {"name": "gcp", "cluster": {"server": self.target.cluster.server}},
            {"name": provider, "cluster": cluster},
        ]
        status = {"status": {"conditions": [], "accessProviders": providers}}
        self.cluster.call("PATCH", f"{path}/status?{query}", profile | status, headers)

    def gke(self) -> Way:
        ref: dict[str, Any] = {}

        def store(token: str, ca: str) -> None:
            refresh = uuid.uuid4().hex
            self.cloud.known.clear()
            self.cloud.known[refresh] = token
            user = {
                "type": "authorized_user",
                "client_id": "c",
                "client_secret": "",
                "refresh_token": refresh,
            }
            self.secret(self.namespace, "google", {}, **{"credentials.json": json.dumps(user)})
            given = {"name": "google"}
            server = self.target.cluster.server
            ref["gke"] = {"server": server, "caData": ca, "credentialsSecretRef": given}
            made.secrets.append(refresh)

        made = Way(
            self, ref, store, f"Secret {self.namespace}/google key credentials.json", ca="caData"
        )
        return made

    def aks(self) -> Way:
        ref: dict[str, Any] = {}

        def store(token: str, ca: str) -> None:
            secret = uuid.uuid4().hex
            self.cloud.known.clear()
            self.cloud.known[secret] = token
            self.secret(self.namespace, "azure", {}, clientSecret=secret)
            ref["aks"] = {
                "server": self.target.cluster.server,
                "caData": ca,
                "tenantId": "tenant",
                "clientId": "client",
                "credentialsSecretRef": {"name": "azure"},
            }
            made.secrets.append(secret)

        made = Way(self, ref, store, f"Secret {self.namespace}/azure key clientSecret", ca="caData")
        return made


WAYS = ("cluster_api", "argocd", "secretreader", "kubeconfig_secretreader", "gke", "aks")


@pytest.fixture(scope="module")
def target(lab: Lab) -> Target:
    return Target(lab, lab.target)


@pytest.fixture(scope="module")
def profiles(lab: Lab) -> Cluster:
    """The source cluster serves ClusterProfiles by their own definition."""
    folder = parts.ensure(["cluster-profile-crds"])["cluster-profile-crds"]
    lab.source.kubectl("apply", "--server-side", f"--filename={folder}")
    while not lab.source.is_established("clusterprofiles.multicluster.x-k8s.io"):
        pass
    return lab.source


@pytest.fixture(params=WAYS)
def way(
    request: pytest.FixtureRequest, profiles: Cluster, target: Target, token_server: TokenServer
) -> Way:
    made: Way = getattr(Subject(profiles, target, token_server), request.param)()
    return made


# --- the story of each ----------------------------------------------------------------------------


class Story:
    """One holder of a way, from the first connection on; ten seconds pass with each look."""

    def __init__(self, way: Way, own: Connection) -> None:
        subject = way.subject
        self.way = way
        self.now = 0.0
        self.ca = base64.b64encode(subject.target.cluster.ca_pem.encode()).decode()
        self.said: list[str] = []
        self.secrets: list[str] = []
        environment = {"AZURE_AUTHORITY_HOST": subject.cloud.url}
        self.issuer = Issuer(environment)
        self.issuer.google.token_uri = f"{subject.cloud.url}/token"
        sources = Sources(own, Secrets(own, [subject.fleet], lambda: self.now))
        self.clusters = Clusters(own, sources, self.issuer.issue, clock=lambda: self.now)

    async def close(self) -> None:
        await self.clusters.close()
        await self.issuer.aclose()

    def store(self, token: str, ca: str | None = None) -> None:
        self.secrets.append(token)
        self.way.store(token, ca or self.ca)

    async def connection(self, holder: str = "ns/chat") -> Connection:
        self.now += 11
        ref = ClusterRef.model_validate(self.way.ref)
        home = self.way.subject.namespace
        await self.clusters.connect(ref, home, holder)
        await asyncio.gather(*self.clusters._checks)  # no holder waits for the Secret's new content
        found = await self.clusters.connect(ref, home, holder)
        assert not isinstance(found, Refusal), found
        return found

    async def ask(self, holder: str = "ns/chat") -> Answer:
        answer = await (await self.connection(holder)).get(self.way.subject.target.path)
        self.said.append(answer.message if isinstance(answer, Failed) else "")
        return answer

    async def failed(self, reason: Reason, holder: str = "ns/chat") -> str:
        answer = await self.ask(holder)
        assert isinstance(answer, Failed), answer
        assert answer.reason is reason, answer
        return answer.message


async def test_the_life_of_credentials(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    target = way.subject.target
    caplog.set_level(logging.DEBUG, "cutover")
    async with connected(way.subject.cluster) as own:
        story = Story(way, own)
        story.store(target.token())
        await _until_allowed(story)

        before = (await story.connection()).generation
        story.store(target.token())  # rotated
        assert isinstance(await story.ask(), Ok)
        assert (await story.connection()).generation == before + 1

        target.forbid()
        message = await _until_forbidden(story)
        assert way.named in message
        target.allow()
        await _until_allowed(story)

        story.store(target.token(life=-60))  # expired, and then renewed beneath the holder
        message = await story.failed(Reason.UNAUTHORISED)
        assert f"does not accept the credentials of {way.named}" in message
        story.store(target.token())
        connection = story.clusters._entries
        story.now += 2
        held = next(entry.connection for entry in connection.values() if entry.holders)
        assert held is not None
        assert isinstance(await held.get(target.path), Ok)  # one more request, and no failure

        story.store(target.token(), base64.b64encode(Authority().pem).decode())
        message = await story.failed(Reason.UNREACHABLE, "ns/another")
        assert f"check {way.ca}" in message
        assert way.named in message
        await story.close()
    told = [*story.said, caplog.text, *(repr(entry) for entry in story.clusters._pools)]
    for secret in (*story.secrets, *way.secrets):
        assert not any(secret in one for one in told)


async def _until_forbidden(story: Story) -> str:
    while True:
        answer = await story.ask()
        if isinstance(answer, Failed):
            assert answer.reason is Reason.FORBIDDEN
            return answer.message


async def _until_allowed(story: Story) -> None:
    while isinstance(await story.ask(), Failed):
        pass


# --- Amazon ---------------------------------------------------------------------------------------


async def test_a_web_identity_is_who_the_token_for_eks_says_we_are(tmp_path: Path) -> None:
    """Moto plays STS: it takes the projected token, and says whose the keys are that sign for EKS."""
    role = "arn:aws:iam::123456789012:role/mover"
    (tmp_path / "projected").write_text("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
    with route53(tmp_path) as aws:
        environment = {
            "AWS_ENDPOINT_URL_STS": aws.url,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "projected"),
            "AWS_ROLE_ARN": role,
        }
        issuer = Issuer(environment)
        token = await issuer.issue(EksLogin("prod", "eu-west-1"))
        ((keys, ends),) = issuer.aws._kept.values()
        await issuer.aclose()
        sts = botocore.session.get_session().create_client(
            "sts",
            region_name="eu-west-1",
            endpoint_url=aws.url,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
        )
        identity = sts.get_caller_identity()
    assert identity["Arn"].endswith(":assumed-role/mover/cutover")
    assert 0 < ends - time.time() <= 3600
    assert token.life == 14 * 60
