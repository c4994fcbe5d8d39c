"""PURE: `eks`, `gke` and `aks` of a spec become an `Access`, or a sentence that says why they cannot be used."""

from collections.abc import Mapping
from typing import Final

from cutover.api.clusters import AKS_SERVER, Aks, CloudCluster, ClusterRef, Eks, Gke
from cutover.clusters.access import Access, Names, Unusable, UnusableError, read_access
from cutover.clusters.logins import AksLogin, AwsKeys, EksLogin, GkeLogin, Login

AWS_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def native_of(ref: ClusterRef) -> tuple[str, CloudCluster] | None:
    """Return the kind and the cluster where the reference names one of a cloud."""
    for kind, cluster in (("eks", ref.eks), ("gke", ref.gke), ("aks", ref.aks)):
        if cluster is not None:
            return kind, cluster
    return None


def secret_of(cluster: CloudCluster) -> tuple[str, str | None] | None:
    """Return name and key (None: several) of the Secret with the cloud's credentials."""
    match cluster:
        case Eks(credentials_secret_ref=ref) if ref is not None:
            return ref.name, None
        case Gke(credentials_secret_ref=ref) if ref is not None:
            return ref.name, ref.key or "credentials.json"
        case Aks(credentials_secret_ref=ref) if ref is not None:
            return ref.name, ref.key or "clientSecret"
        case _:
            return None


def parse_native(
    kind: str, cluster: CloudCluster, values: Mapping[str, str] | None, where: str
) -> Access | Unusable:
    """Make an access; ``values``: what the Secret holds, None where none is named."""
    names = Names(
        ca=f"{kind}.caData",
        server=f"{kind}.server",
        server_name=f"{kind}.tlsServerName",
        proxy=f"{kind}.proxyUrl",
        beside="the rollout's spec",
    )
    entry = {
        "server": cluster.server,
        "certificate-authority-data": cluster.ca_data,
        "tls-server-name": cluster.tls_server_name,
        "proxy-url": cluster.proxy_url,
    }
    try:
        return read_access(entry, {}, names=names, login=_login(cluster, values))
    except UnusableError as unusable:
        return Unusable(f"{where}: {unusable}")


def _login(cluster: CloudCluster, values: Mapping[str, str] | None) -> Login:
    given = secret_of(cluster)
    value = values[given[1]].strip() if values and given and given[1] else None
    match cluster:
        case Eks():
            keys = None if values is None else _aws_keys(values)
            return EksLogin(cluster.cluster_name, cluster.region, cluster.role_arn, keys)
        case Gke():
            return GkeLogin(cluster.service_account, value)
        case Aks():
            server = cluster.server_id or AKS_SERVER
            return AksLogin(server, cluster.tenant_id, cluster.client_id, value)
        case _:
            raise TypeError(f"no such cloud: {type(cluster).__name__}")


def _aws_keys(values: Mapping[str, str]) -> AwsKeys:
    missing = [name for name in AWS_KEYS if not values.get(name)]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise UnusableError(f"{' and '.join(missing)} {are} not there: add what is missing")
    key, secret = (values[name].strip() for name in AWS_KEYS)
    return AwsKeys(key, secret, (values.get("AWS_SESSION_TOKEN") or "").strip() or None)
