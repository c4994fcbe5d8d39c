"""PURE: how a ClusterProfile (multicluster.x-k8s.io/v1alpha1) says that its cluster is reached.

Credentials come from plugins that a consumer would run. The two that only read a Secret are done
without running anything: ``secretreader`` (key ``token`` of the Secret that its extension names) and
``kubeconfig-secretreader`` (the user of a kubeconfig; the address is the profile's all the same).
After kubernetes-sigs/cluster-inventory-api, plugins/.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cutover.clusters.access import Access, Unusable, UnusableError, read_access
from cutover.clusters.kubeconfig import user_of

GROUP: Final = "multicluster.x-k8s.io"
VERSION: Final = "v1alpha1"
_EXTENSION: Final = "client.authentication.k8s.io/exec"
_TOKEN, _KUBECONFIG = "secretreader", "kubeconfig-secretreader"


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a profile's cluster is, and which Secret opens it."""

    cluster: Mapping[str, Any]
    """As in a kubeconfig."""
    secret: str
    key: str
    namespace: str | None = None
    """None: the rollout's own."""
    kubeconfig: bool = False
    context: str | None = None
    """The kubeconfig's; None: its current one."""


def entrance_of(profile: Mapping[str, Any], where: str) -> Entrance | Unusable:
    """Choose the first provider that can be done without running anything."""
    status = profile.get("status") or {}
    providers = _providers(status)
    for provider in providers:
        if provider.get("name") in {_TOKEN, _KUBECONFIG}:
            return _entrance(provider, str(profile["metadata"]["name"]), where)
    named = ", ".join(str(provider.get("name")) for provider in providers)
    return Unusable(
        f"{where} has no access provider {_TOKEN} or {_KUBECONFIG} in its status"
        f" ({named or 'it has none at all'}): have its cluster manager offer one, or name the cluster"
        " by kubeconfigSecretRef"
    )


def parse_entrance(
    entrance: Entrance, text: str, where: str, *, allow_insecure: bool = False
) -> Access | Unusable:
    """Make an access of the profile's cluster and what the Secret holds."""
    try:
        user = user_of(text, entrance.context) if entrance.kubeconfig else {"token": text.strip()}
        return read_access(entrance.cluster, user, allow_insecure=allow_insecure)
    except UnusableError as unusable:
        return Unusable(f"{where}: {unusable}")


def _providers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List ``accessProviders``, then what only the deprecated ``credentialProviders`` name."""
    found: dict[str, Mapping[str, Any]] = {}
    for field in ("accessProviders", "credentialProviders"):
        for provider in status.get(field) or ():
            found.setdefault(str(provider.get("name")), provider)
    return list(found.values())


def _entrance(provider: Mapping[str, Any], name: str, where: str) -> Entrance | Unusable:
    cluster = {k: v for k, v in (provider.get("cluster") or {}).items() if k != "extensions"}
    extension = _extension(provider)
    if provider.get("name") == _TOKEN:
        secret = extension.get("clusterName") or name
        return Entrance(cluster, str(secret), "token")
    missing = [field for field in ("name", "key") if not extension.get(field)]
    if missing:
        return Unusable(
            f"{where}: its extension {_EXTENSION} names no {' and no '.join(missing)} of a Secret:"
            " have its cluster manager add it"
        )
    return Entrance(
        cluster,
        secret=str(extension["name"]),
        key=str(extension["key"]),
        namespace=extension.get("namespace") or None,
        kubeconfig=True,
        context=extension.get("context") or None,
    )


def _extension(provider: Mapping[str, Any]) -> Mapping[str, Any]:
    for each in (provider.get("cluster") or {}).get("extensions") or ():
        content = each.get("extension")
        if each.get("name") == _EXTENSION and isinstance(content, dict):
            return content
    return {}
