"""Which cluster is meant, and how the operator logs in to it."""

from typing import Annotated

from pydantic import Field

from cutover.api.names import KeyName, Label, ObjectName
from cutover.api.rules import ONE_OWNER, Rule, ruled_by
from cutover.api.wire import Wire

ARGOCD_NAMESPACE = "argocd"
AKS_SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""Microsoft's own application behind every AKS cluster with Entra integration."""


class KubeconfigSecretRef(Wire):
    """A Secret that holds a kubeconfig with a token, a client certificate or basic credentials, such as Cluster API's NAME-kubeconfig.

    Entries with exec or auth-provider are refused: the operator runs no commands.
    """

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the Secret; it must carry the label cutover.dev/use: "true"."""
    namespace: Label | None = None
    """Its namespace. Omitted: the rollout's own; another must be among the operator's --secret-namespaces."""
    key: KeyName | None = None
    """The key that holds the kubeconfig. Omitted: kubeconfig, then value (as Cluster API names it)."""


class ArgocdClusterRef(Wire):
    """A cluster Secret of Argo CD, with the label argocd.argoproj.io/secret-type: cluster."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the Secret; it must carry the label cutover.dev/use: "true" too."""
    namespace: Label | None = None
    """Its namespace. Omitted: argocd. Unless it is the rollout's own it must be among the operator's --secret-namespaces."""


class ClusterProfileRef(Wire):
    """A ClusterProfile (multicluster.x-k8s.io) of the operator's own cluster, with the access provider secretreader or kubeconfig-secretreader."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the ClusterProfile."""
    namespace: Label | None = None
    """Its namespace. Omitted: the rollout's own; another must be among the operator's --secret-namespaces."""


class CredentialsSecretRef(Wire):
    """A Secret of the rollout's namespace that holds the cloud's credentials."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the Secret; it must carry the label cutover.dev/use: "true"."""


class CredentialsKeyRef(CredentialsSecretRef):
    """One key of a Secret of the rollout's namespace, with the cloud's credentials."""

    key: KeyName | None = None
    """The key that holds them."""


class CloudCluster(Wire):
    """A cluster whose API server is given, and whose tokens come from its cloud."""

    server: Annotated[
        str,
        Field(min_length=9, max_length=512),
        Rule(
            "isURL(self) && self.matches('^https://[^/@?#]+/?$')",
            "write the API server's address without path and credentials, such as"
            " https://ABC.gr7.eu-west-1.eks.amazonaws.com",
        ),
    ]
    """Address of the API server, https:// only."""
    ca_data: (
        Annotated[
            str,
            Field(min_length=1, max_length=32768),
            Rule(
                "self.matches('^[A-Za-z0-9+/]+={0,2}$')",
                "write the cluster's CA certificate in PEM, encoded as base64 without line breaks,"
                " as the cloud's command line prints it",
            ),
        ]
        | None
    ) = None
    """The CA of the API server (base64 of PEM). Omitted: the authorities of the operator's system."""
    tls_server_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name that the API server's certificate must carry. Omitted: the host of the address."""
    proxy_url: (
        Annotated[
            str,
            Field(min_length=8, max_length=512),
            Rule(
                "isURL(self) && self.matches('^https?://[^/@?#]+/?$')",
                "write the proxy's address without path and credentials, such as http://proxy:3128",
            ),
        ]
        | None
    ) = None
    """Proxy on the way to the API server. Omitted: the proxy of the operator's environment, if any."""


class Eks(CloudCluster):
    """An Amazon EKS cluster; tokens are signed by the operator itself."""

    cluster_name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]*$")
    ]
    """The cluster's name in EKS, for which the token is signed."""
    region: Annotated[
        str, Field(min_length=4, max_length=30, pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]+$")
    ]
    """The cluster's region, such as eu-west-1."""
    role_arn: (
        Annotated[
            str,
            Field(
                min_length=20,
                max_length=2048,
                pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[^\s]+$",
            ),
        ]
        | None
    ) = None
    """A role to assume first. Omitted: the identity itself is what EKS sees."""
    credentials_secret_ref: CredentialsSecretRef | None = None
    """A Secret with the keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary ones, AWS_SESSION_TOKEN. Omitted: the operator's own identity (IRSA or EKS Pod Identity)."""


class Gke(CloudCluster):
    """A Google GKE cluster; tokens come from Google's token servers."""

    service_account: (
        Annotated[
            str,
            Field(
                min_length=6,
                max_length=253,
                pattern=r"^[a-z0-9-]+@[a-z0-9.:-]+\.gserviceaccount\.com$",
            ),
        ]
        | None
    ) = None
    """A Google service account to impersonate. Omitted: the identity itself is what GKE sees."""
    credentials_secret_ref: CredentialsKeyRef | None = None
    """A Secret with the JSON of a service account's key or of an authorized user; key omitted: credentials.json. Omitted: the operator's own identity (GOOGLE_APPLICATION_CREDENTIALS, else the metadata server)."""


class Aks(CloudCluster):
    """An Azure AKS cluster with Entra integration; tokens come from Microsoft Entra ID."""

    tenant_id: (
        Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.-]+$")] | None
    ) = None
    """The Entra tenant. Omitted: the operator's AZURE_TENANT_ID."""
    client_id: (
        Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9-]+$")] | None
    ) = None
    """The application or managed identity. Omitted: the operator's AZURE_CLIENT_ID."""
    server_id: (
        Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9-]+$")] | None
    ) = None
    """The application that the token is for. Omitted: that of all AKS clusters (6dae42f8-4368-4678-94ff-3960e28e3630)."""
    credentials_secret_ref: CredentialsKeyRef | None = None
    """A Secret with a client secret of the application; key omitted: clientSecret. Omitted: the operator's own identity (Entra workload identity)."""


_KINDS = (
    "kubeconfigSecretRef",
    "argocdClusterRef",
    "clusterProfileRef",
    "eks",
    "gke",
    "aks",
)


class ClusterRef(Wire):
    """Which cluster. Empty: the operator's own."""

    model_config = ruled_by(
        Rule(
            f"[{', '.join(f'has(self.{kind})' for kind in _KINDS)}].filter(x, x).size() <= 1",
            f"name one cluster: at most one of {', '.join(_KINDS)}",
        )
    )

    kubeconfig_secret_ref: KubeconfigSecretRef | None = None
    """A Secret that holds the cluster's kubeconfig."""
    argocd_cluster_ref: ArgocdClusterRef | None = None
    """A cluster that Argo CD knows."""
    cluster_profile_ref: ClusterProfileRef | None = None
    """A cluster of the cluster inventory."""
    eks: Eks | None = None
    """An Amazon EKS cluster."""
    gke: Gke | None = None
    """A Google GKE cluster."""
    aks: Aks | None = None
    """An Azure AKS cluster."""
    namespace: Label | None = None
    """Namespace in that cluster. Omitted: one of the same name as the rollout's own; in the operator's own cluster no other may be named."""

    @property
    def is_own(self) -> bool:
        """Whether it is the operator's own cluster."""
        return self == ClusterRef(namespace=self.namespace)

    @property
    def called(self) -> str:
        """What a person calls the cluster."""
        ref = self.kubeconfig_secret_ref or self.argocd_cluster_ref or self.cluster_profile_ref
        if ref is not None:
            return ref.name
        if self.eks is not None:
            return self.eks.cluster_name
        cloud = self.gke or self.aks
        return "in-cluster" if cloud is None else cloud.server.removeprefix("https://").rstrip("/")
