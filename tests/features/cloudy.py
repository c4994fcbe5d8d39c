"""How does a rollout come to tokens of a cloud? Each way of `eks`, `gke` and `aks`, with what can befall it."""

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.clusters.tokens.issuer import Issuer
from tests.features.accounts import Account
from tests.lab import Cluster, Lab
from tests.lab.clouds import Clouds, amazon, entra, google
from tests.lab.clouds.keys import SigningKey
from tests.lab.clouds.server import EKS_CLUSTER

REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/mover"
SESSION = "arn:aws:sts::123456789012:assumed-role/mover/cutover"
MOVER = "mover@lab.iam.gserviceaccount.com"


@dataclass
class Way:
    """One source of tokens for one kind of cluster."""

    ref: dict[str, Any]
    user: str
    """Whom the cluster sees."""
    named: str
    """What sentences call the credentials."""
    renew: Callable[[], None]
    """Give it good credentials that differ from those before, which are good no more."""
    spoil: Callable[[], None]
    """Have the cloud refuse its credentials."""
    refusal: str
    """What is told then of the cloud; empty: the cluster alone says no."""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return next(iter(self.ref))

    @property
    def lends_identity(self) -> bool:
        return "credentialsSecretRef" not in self.ref[self.kind]

    def with_ca(self, pem: str) -> dict[str, Any]:
        given = {"caData": base64.b64encode(pem.encode()).decode()}
        return {self.kind: self.ref[self.kind] | given}


class Scene:
    """A namespace with Secrets, a projected token, and a cluster that believes the clouds."""

    def __init__(
        self, lab: Lab, cluster: Cluster, target: Cluster, clouds: Clouds, folder: Path
    ) -> None:
        self.cluster = cluster
        self.target = target
        self.clouds = clouds
        self.namespace = f"clouds-{uuid.uuid4().hex[:8]}"
        self._account = Account(lab, cluster, self.namespace, "cutover")
        self._projected = folder / "projected"
        self._folder = folder
        ca = base64.b64encode(target.ca_pem.encode()).decode()
        self._given = {"server": target.server, "caData": ca}

    def issuer(self, environment: Mapping[str, str]) -> Issuer:
        """With the operator's environment, and the clouds' clock."""
        issuer = Issuer(self.environment | dict(environment), google_iam=self.clouds.url)
        issuer.google.token_uri = f"{self.clouds.url}/google/token"
        issuer.aws._now = self.clouds.ground.moment
        issuer.google._now = self.clouds.ground.now
        issuer._http.timeout = issuer._beside.timeout = 60.0
        return issuer

    @property
    def environment(self) -> dict[str, str]:
        """Where the clouds are."""
        return {
            "AWS_ENDPOINT_URL_STS": self.clouds.url,
            "GCE_METADATA_HOST": self.clouds.url.removeprefix("http://"),
            "AZURE_AUTHORITY_HOST": self.clouds.url,
        }

    def secret(self, name: str, values: Mapping[str, str]) -> None:
        labels = {"cutover.dev/use": "true"}
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": self.namespace, "labels": labels},
                "stringData": dict(values),
            }
        )

    # --- Amazon ---------------------------------------------------------------------------------

    def _eks(self, **more: Any) -> dict[str, Any]:
        return {"eks": self._given | {"clusterName": EKS_CLUSTER, "region": REGION} | more}

    def eks_keys(self) -> Way:
        """A user's access key in a Secret."""
        cloud, name = self.clouds.amazon, f"user-{uuid.uuid4().hex[:8]}"
        cloud.add_user(name)
        named = "keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

        def renew() -> None:
            cloud.drop_keys()
            self.secret("aws", cloud.add_key(name))

        ref = self._eks(credentialsSecretRef={"name": "aws"})
        user = f"arn:aws:iam::123456789012:user/{name}"
        return Way(ref, user, f"Secret {self.namespace}/aws {named}", renew, cloud.drop_keys, "")

    def eks_role(self) -> Way:
        """A role that is assumed with such a key."""
        way = self.eks_keys()
        way.ref["eks"]["roleArn"] = ROLE
        way.user = SESSION
        way.refusal = f"asked for role {ROLE}, gave no token (403, InvalidClientTokenId)"
        return way

    def eks_web_identity(self) -> Way:
        """The operator's own role (IRSA)."""
        cloud = self.clouds.amazon

        def renew() -> None:
            cloud.drop_keys()
            self._project(amazon.AUDIENCE)

        def spoil() -> None:
            cloud.drop_keys()
            self._project(amazon.AUDIENCE, life=-60)

        return Way(
            self._eks(),
            SESSION,
            "eks (the operator's own identity)",
            renew,
            spoil,
            f"asked for role {ROLE} by the operator's web identity, gave no token"
            " (400, InvalidIdentityToken)",
            {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(self._projected)},
        )

    # --- Google ---------------------------------------------------------------------------------

    def _by_json(self, add: Callable[[], str], refusal: str) -> Way:
        cloud = self.clouds.google

        def renew() -> None:
            cloud.drop_keys()
            self.secret("google", {"credentials.json": add()})

        ref = {"gke": self._given | {"credentialsSecretRef": {"name": "google"}}}
        named = f"Secret {self.namespace}/google key credentials.json"
        return Way(ref, MOVER, named, renew, cloud.drop_keys, refusal)

    def gke_key(self) -> Way:
        """A service account's key in a Secret."""
        cloud = self.clouds.google
        refusal = f"({MOVER}), gave no token (400, invalid_grant)"
        return self._by_json(lambda: cloud.add_key(MOVER, SigningKey()), refusal)

    def gke_user(self) -> Way:
        """A user's login in a Secret."""
        refusal = "(authorized_user), gave no token (400, invalid_grant)"
        return self._by_json(lambda: self.clouds.google.add_user(MOVER), refusal)

    def gke_metadata(self) -> Way:
        """The operator's own service account (Workload Identity Federation for GKE)."""
        cloud = self.clouds.google

        def serve(right: bool) -> None:
            cloud.serves_metadata = right
            cloud.end_tokens()

        return Way(
            {"gke": dict(self._given)},
            google.NODE,
            "gke (the operator's own identity)",
            lambda: serve(True),
            lambda: serve(False),
            "Google's metadata server",
        )

    def gke_federation(self) -> Way:
        """A projected token, and a service account that is impersonated with what Google gives for it."""
        file = self._folder / "federation.json"
        file.write_text(
            json.dumps(
                {
                    "type": "external_account",
                    "audience": google.AUDIENCE,
                    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                    "token_url": f"{self.clouds.url}/google/sts",
                    "credential_source": {"file": str(self._projected)},
                }
            )
        )

        def renew(life: float = 3600) -> None:
            self.clouds.google.end_tokens()
            self._project(google.AUDIENCE, life)

        return Way(
            {"gke": self._given | {"serviceAccount": MOVER}},
            MOVER,
            "gke (the operator's own identity)",
            renew,
            lambda: renew(-60),
            "asked by the file of GOOGLE_APPLICATION_CREDENTIALS, gave no token (400, invalid_grant)",
            {"GOOGLE_APPLICATION_CREDENTIALS": str(file)},
        )

    # --- Azure ----------------------------------------------------------------------------------

    def aks_secret(self) -> Way:
        """An application's client secret."""
        cloud, client = self.clouds.entra, f"app-{uuid.uuid4().hex[:8]}"
        user = cloud.add_application(client)

        def renew() -> None:
            cloud.drop_secrets()
            self.secret("azure", {"clientSecret": cloud.add_secret(client)})

        more = {
            "tenantId": entra.TENANT,
            "clientId": client,
            "credentialsSecretRef": {"name": "azure"},
        }
        named = f"Secret {self.namespace}/azure key clientSecret"
        refusal = f"asked by application {client} of tenant {entra.TENANT}, gave no token (401, AADSTS7000222)"
        return Way({"aks": self._given | more}, user, named, renew, cloud.drop_secrets, refusal)

    def aks_workload_identity(self) -> Way:
        """The operator's own application (Entra workload identity)."""
        client = f"app-{uuid.uuid4().hex[:8]}"
        user = self.clouds.entra.add_application(client)
        return Way(
            {"aks": dict(self._given)},
            user,
            "aks (the operator's own identity)",
            lambda: self._project(entra.AUDIENCE),
            lambda: self._project(entra.AUDIENCE, life=-60),
            "gave no token (401, AADSTS700024)",
            {
                "AZURE_TENANT_ID": entra.TENANT,
                "AZURE_CLIENT_ID": client,
                "AZURE_FEDERATED_TOKEN_FILE": str(self._projected),
            },
        )

    def _project(self, audience: str, life: float = 3600) -> None:
        """As the kubelet replaces the token in a pod."""
        token = self._account.token(audience, life)
        self.clouds.ground.confided.add(token)
        self._projected.write_text(token)


WAYS = (
    *("eks_keys", "eks_role", "eks_web_identity"),
    *("gke_key", "gke_user", "gke_metadata", "gke_federation"),
    *("aks_secret", "aks_workload_identity"),
)


class Right:
    """A namespace of the target whose ConfigMaps one user may list."""

    def __init__(self, cluster: Cluster, user: str) -> None:
        self._cluster = cluster
        self._namespace = f"right-{uuid.uuid4().hex[:8]}"
        metadata = {"name": "mover", "namespace": self._namespace}
        cluster.ensure_namespace(self._namespace)
        group = "rbac.authorization.k8s.io"
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
        role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules}
        cluster.apply(role)
        self._binding = {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "mover"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }
        self.grant()

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self._namespace}/configmaps"

    def grant(self) -> None:
        self._cluster.apply(self._binding)

    def revoke(self) -> None:
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self._namespace}/rolebindings"
        self._cluster.call("DELETE", f"{path}/mover")
