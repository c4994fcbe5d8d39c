"""Every way to name a cluster, against a real API server whose certificate is verified.

Of each: the right credentials, rotated ones, expired ones, permissions that were taken away, and a CA that
did not sign the server. What goes wrong is told with the Secret and its key, and never with its content.
Those that get their tokens from a cloud: `test_cloud_credentials.py`.
"""

import base64
import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from cutover.clusters.answers import Ok, Reason
from cutover.clusters.connection import Connection
from tests.features.accounts import Account
from tests.features.authority import Authority
from tests.features.connecting import connected
from tests.features.holder import Holder
from tests.lab import Cluster, Lab, parts
from tests.lab.credentials import kubeconfig

pytestmark = pytest.mark.lab

USE = {"cutover.dev/use": "true"}
ACCOUNT = "mover"


# --- the target cluster, and tokens for it --------------------------------------------------------


class Target:
    """A namespace of the target with an account that may read ConfigMaps there."""

    def __init__(self, lab: Lab, cluster: Cluster) -> None:
        self.cluster = cluster
        self.namespace = f"credentials-{uuid.uuid4().hex[:8]}"
        self._account = Account(lab, cluster, self.namespace, ACCOUNT)
        metadata = {"name": ACCOUNT, "namespace": self.namespace}
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
        return self._account.token(life=life)


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


class Subject:
    def __init__(self, cluster: Cluster, target: Target) -> None:
        self.cluster = cluster
        self.target = target
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


WAYS = ("cluster_api", "argocd", "secretreader", "kubeconfig_secretreader")


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
def way(request: pytest.FixtureRequest, profiles: Cluster, target: Target) -> Way:
    made: Way = getattr(Subject(profiles, target), request.param)()
    return made


# --- the story of each ----------------------------------------------------------------------------


class Story(Holder):
    """One holder of a way."""

    def __init__(self, way: Way, own: Connection) -> None:
        subject = way.subject
        self._way = way
        self._ca = base64.b64encode(subject.target.cluster.ca_pem.encode()).decode()
        self.secrets: list[str] = []
        super().__init__(
            own,
            lambda: way.ref,
            subject.namespace,
            subject.target.path,
            fleet=[subject.fleet],
        )

    def store(self, token: str, ca: str | None = None) -> None:
        self.secrets.append(token)
        self._way.store(token, ca or self._ca)


async def test_the_life_of_credentials(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    target = way.subject.target
    caplog.set_level(logging.DEBUG, "cutover")
    async with connected(way.subject.cluster) as own:
        story = Story(way, own)
        story.store(target.token())
        await story.until_allowed()

        before = (await story.connection()).generation
        story.store(target.token())  # rotated
        assert isinstance(await story.ask(), Ok)
        assert (await story.connection()).generation == before + 1

        target.forbid()
        message = await story.until_forbidden()
        assert way.named in message
        target.allow()
        await story.until_allowed()

        story.store(target.token(life=-60))  # expired, and then renewed beneath the holder
        message = await story.failed(Reason.UNAUTHORISED)
        assert f"does not accept the credentials of {way.named}" in message
        story.store(target.token())
        assert isinstance(await story.ask_again(), Ok)  # one more request, and no failure

        story.store(target.token(), base64.b64encode(Authority().pem).decode())
        message = await story.failed(Reason.UNREACHABLE, "ns/another")
        assert f"check {way.ca}" in message
        assert way.named in message
        told = caplog.text + story.told()
        await story.clusters.close()
    assert not any(secret in told for secret in story.secrets)
