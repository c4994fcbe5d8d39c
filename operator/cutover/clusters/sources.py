"""Where a reference to a cluster leads: the Secrets and objects it names, read and ready to be parsed.

Nothing is parsed again while the versions of what was read stay the same.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import quote, urlsplit

from cutover.api.clusters import (
    ARGOCD_NAMESPACE,
    ArgocdClusterRef,
    CloudCluster,
    ClusterProfileRef,
    ClusterRef,
    KubeconfigSecretRef,
)
from cutover.clusters.access import Access, Unusable
from cutover.clusters.answers import Failed, Reason
from cutover.clusters.argocd import TYPE_LABEL, parse_argocd
from cutover.clusters.connection import Connection
from cutover.clusters.inventory import GROUP, VERSION, entrance_of, parse_entrance
from cutover.clusters.kubeconfig import parse
from cutover.clusters.native import AWS_KEYS, native_of, parse_native, secret_of
from cutover.clusters.secrets import MISSING, REFUSED, Secret, Secrets
from cutover.decide.observation import Refusal

_KUBECONFIG_KEYS = ("kubeconfig", "value")


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference leads to."""

    where: str
    """In words, for sentences: the Secret and the key."""
    version: str
    """Equal versions have the same content."""
    parse: Callable[[], Access | Unusable]
    """May take a second: dense YAML does."""
    trusted: bool = False
    """The address is written where only those write whom the operator's owner trusts."""


class Sources:
    """Reads what references name.

    The operator's own cloud identity goes to no address that a rollout's writer could choose: tokens are
    the bearer's. ``identity_servers`` are the hosts (with a ``*`` if need be) that it is lent to; an address
    out of a namespace of --secret-namespaces is trusted too.
    """

    def __init__(
        self,
        own: Connection,
        secrets: Secrets,
        *,
        allow_insecure: bool = False,
        identity_servers: Collection[str] = (),
    ) -> None:
        self._own = own
        self._secrets = secrets
        self._allow_insecure = allow_insecure
        self._identity_servers = tuple(identity_servers)

    def where(self, ref: ClusterRef, home: str) -> str:
        """Say what a reference names, before it is read."""
        if (one := ref.kubeconfig_secret_ref) is not None:
            key = f" key {one.key}" if one.key else ""
            return f"Secret {one.namespace or home}/{one.name}{key}"
        if (argocd := ref.argocd_cluster_ref) is not None:
            return f"Secret {argocd.namespace or ARGOCD_NAMESPACE}/{argocd.name}"
        if (profile := ref.cluster_profile_ref) is not None:
            return f"ClusterProfile {profile.namespace or home}/{profile.name}"
        native = native_of(ref)
        if native is None:
            return "the operator's own cluster"
        kind, cluster = native
        given = secret_of(cluster)
        if given is None:
            return f"{kind} (the operator's own identity)"
        keys = f"key {given[1]}" if given[1] else f"keys {' and '.join(AWS_KEYS)}"
        return f"Secret {home}/{given[0]} {keys}"

    async def find(self, ref: ClusterRef, home: str, max_age: float) -> Found | Refusal:
        """Read what the reference of a rollout in ``home`` names."""
        if ref.kubeconfig_secret_ref is not None:
            return await self._kubeconfig(ref.kubeconfig_secret_ref, home, max_age)
        if ref.argocd_cluster_ref is not None:
            return await self._argocd(ref.argocd_cluster_ref, home, max_age)
        if ref.cluster_profile_ref is not None:
            return await self._profile(ref.cluster_profile_ref, home, max_age)
        native = native_of(ref)
        if native is None:
            raise ValueError("the operator's own cluster has no credentials to be found")
        return await self._native(ref, native, home, max_age)

    async def access(self, found: Found) -> Access | Refusal:
        """Parse what was found, and see whether our own identity may go there."""
        access = await asyncio.to_thread(found.parse)
        if isinstance(access, Unusable):
            return Refusal(REFUSED, access.message)
        login = access.login
        if login is not None and login.lends_identity and not found.trusted:
            return self._not_lent(access.server, found.where) or access
        return access

    def _not_lent(self, server: str, where: str) -> Refusal | None:
        host = urlsplit(server).hostname or ""
        if any(fnmatchcase(host, pattern) for pattern in self._identity_servers):
            return None
        return Refusal(
            "IdentityNotLent",
            f"{where}: the operator's own cloud identity is not lent to {host}, an address that the"
            " rollout's writer chose: start the operator with --identity-servers, or name a"
            " credentialsSecretRef",
        )

    async def _kubeconfig(
        self, ref: KubeconfigSecretRef, home: str, max_age: float
    ) -> Found | Refusal:
        secret = await self._secrets.read(home, ref.name, ref.namespace, max_age=max_age)
        if isinstance(secret, Refusal):
            return secret
        key = secret.key(*((ref.key,) if ref.key else _KUBECONFIG_KEYS))
        text = key if isinstance(key, Refusal) else secret.text(key)
        if isinstance(text, Refusal):
            return text
        where, insecure = f"{secret} key {key}", self._allow_insecure
        return Found(where, _version(secret), lambda: parse(text, where, allow_insecure=insecure))

    async def _argocd(self, ref: ArgocdClusterRef, home: str, max_age: float) -> Found | Refusal:
        namespace = ref.namespace or ARGOCD_NAMESPACE
        secret = await self._secrets.read(home, ref.name, namespace, max_age=max_age)
        if isinstance(secret, Refusal):
            return secret
        if secret.labels.get(TYPE_LABEL) != "cluster":
            return Refusal(
                REFUSED,
                f"{secret} has no label {TYPE_LABEL}: cluster: name a cluster Secret of Argo CD",
            )
        values = _texts(secret, "server", "config")
        if isinstance(values, Refusal):
            return values
        where, insecure = f"{secret} key config", self._allow_insecure
        return Found(
            where,
            _version(secret),
            lambda: parse_argocd(values, where, allow_insecure=insecure),
            trusted=namespace != home,
        )

    async def _profile(self, ref: ClusterProfileRef, home: str, max_age: float) -> Found | Refusal:
        namespace = ref.namespace or home
        where = f"ClusterProfile {namespace}/{ref.name}"
        if not self._secrets.allows(home, namespace):
            return Refusal(
                REFUSED,
                f"{where} is outside the rollout's namespace {home}: start the operator with"
                f" --secret-namespaces={namespace}",
            )
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/clusterprofiles/{quote(ref.name)}"
        answer = await self._own.get(path)
        if isinstance(answer, Failed):
            return _profile_unread(answer, where)
        entrance = entrance_of(answer.body, where)
        if isinstance(entrance, Unusable):
            return Refusal(REFUSED, entrance.message)
        secret = await self._secrets.read(
            home, entrance.secret, entrance.namespace, max_age=max_age
        )
        text = secret if isinstance(secret, Refusal) else secret.text(entrance.key)
        if isinstance(secret, Refusal) or isinstance(text, Refusal):
            problem = secret if isinstance(secret, Refusal) else text
            assert isinstance(problem, Refusal)  # noqa: S101 - told by the branch
            return Refusal(problem.reason, f"{where}: {problem.message}")
        version = f"{answer.body['metadata'].get('resourceVersion')} {_version(secret)}"
        said, insecure = f"{secret} key {entrance.key} (of {where})", self._allow_insecure
        return Found(
            said,
            version,
            lambda: parse_entrance(entrance, text, said, allow_insecure=insecure),
        )

    async def _native(
        self, ref: ClusterRef, native: tuple[str, CloudCluster], home: str, max_age: float
    ) -> Found | Refusal:
        kind, cluster = native
        where, given = self.where(ref, home), secret_of(cluster)
        if given is None:
            return Found(where, "spec", lambda: parse_native(kind, cluster, None, where))
        secret = await self._secrets.read(home, given[0], max_age=max_age)
        if isinstance(secret, Refusal):
            return secret
        values = _texts(secret, *((given[1],) if given[1] else secret.values))
        if isinstance(values, Refusal):
            return values
        return Found(where, _version(secret), lambda: parse_native(kind, cluster, values, where))


def _version(secret: Secret) -> str:
    return f"{secret.namespace}/{secret.name} {secret.resource_version}"


def _texts(secret: Secret, *keys: str) -> Mapping[str, str] | Refusal:
    values: dict[str, str] = {}
    for key in keys:
        text = secret.text(key)
        if isinstance(text, Refusal):
            return text
        values[key] = text
    return values


def _profile_unread(answer: Failed, where: str) -> Refusal:
    match answer.reason:
        case Reason.NOT_FOUND:
            return Refusal(
                MISSING,
                f"{where} does not exist, or ClusterProfiles of {GROUP}/{VERSION} are not installed:"
                " create it, or correct clusterProfileRef",
            )
        case Reason.FORBIDDEN:
            return Refusal(
                "Forbidden",
                f"the operator may not read {where}: bind its account to a role that may get"
                " clusterprofiles there",
            )
        case _:
            return Refusal(str(answer.reason), f"{where} cannot be read: {answer.message}")
