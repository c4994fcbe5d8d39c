"""PURE: all that a connection to one API server needs, read from a cluster's and a user's entry.

Kubeconfigs, cluster Secrets of Argo CD and ClusterProfiles say the same things under different
names. Only inline data is read. Nothing is executed, no file is opened, and what would weaken the
connection is refused instead of ignored.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cutover.clusters.logins import Login

FILES = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
    "tokenFile": "token",
}
"""Fields that point to files, and the inline ones that say the same."""
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")
_CERTIFICATE = re.compile("-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----")
_KEY = re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----")


@dataclass(frozen=True, slots=True)
class Names:
    """What the fields are called where an access was read, for sentences."""

    ca: str = "certificate-authority-data"
    certificate: str = "client-certificate-data"
    key: str = "client-key-data"
    server: str = "the cluster's server"
    server_name: str = "tls-server-name"
    proxy: str = "proxy-url"
    insecure: str = "insecure-skip-tls-verify"
    token: str = "token"  # noqa: S105 - a field's name
    username: str = "username"
    beside: str | None = None
    """Where CA and names are written if not with the credentials, in words."""


@dataclass(frozen=True, slots=True)
class Access:
    """All that a connection needs; equal values are the same access."""

    server: str
    ca: str | None = None
    """PEM; None: the system's certificate authorities."""
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    """Only for the operator's own cluster: re-read while in use."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    insecure: bool = False
    """The server's certificate is not verified; only with --allow-insecure-tls."""
    login: Login | None = None
    """Where tokens come from that do not last; None: there are credentials above."""
    names: Names = field(default=Names(), repr=False)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why credentials cannot be used, in one sentence without their secrets."""

    message: str


class UnusableError(Exception):
    """Carries the sentence out of the readers; never leaves the modules that read credentials."""


def read_access(
    cluster: Mapping[str, Any],
    user: Mapping[str, Any],
    *,
    names: Names = Names(),
    allow_insecure: bool = False,
    login: Login | None = None,
) -> Access:
    """Read a kubeconfig's cluster and user, whoever wrote them; raises UnusableError."""
    reader = _Reader(names)
    reader.refuse_what_is_not_inline(cluster, user)
    server = reader.server(cluster)
    insecure = cluster.get("insecure-skip-tls-verify") is True
    if (insecure or server.startswith("http://")) and not allow_insecure:
        raise UnusableError(
            f"it asks for a connection that is not verified ({names.insecure} or http://): give"
            f" {names.ca} and https://, or start the operator with --allow-insecure-tls"
        )
    certificate = reader.pem(user, "client-certificate-data", names.certificate, _CERTIFICATE)
    key = reader.pem(user, "client-key-data", names.key, _KEY)
    if (certificate is None) != (key is None):
        raise UnusableError(f"{names.certificate} and {names.key} must both be given")
    access = Access(
        server=server,
        ca=reader.pem(cluster, "certificate-authority-data", names.ca, _CERTIFICATE),
        token=reader.token(user),
        username=reader.text(user, "username", names.username),
        password=reader.text(user, "password", "password"),
        certificate=certificate,
        key=key,
        tls_server_name=reader.text(cluster, "tls-server-name", names.server_name),
        proxy=reader.proxy(cluster),
        insecure=insecure,
        login=login,
        names=names,
    )
    if not (access.token or access.username or access.certificate or login):
        raise UnusableError(
            f"there are no credentials: give {names.token}, {names.certificate} with {names.key},"
            f" or {names.username} with password"
        )
    return access


class _Reader:
    """Reads single fields, and calls them by the names that their writer knows."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def refuse_what_is_not_inline(
        self, cluster: Mapping[str, Any], user: Mapping[str, Any]
    ) -> None:
        if user.get("exec"):
            raise UnusableError(
                "exec credentials are never run: put a token or a client certificate in their place,"
                " or name the cluster by eks, gke or aks"
            )
        if user.get("auth-provider"):
            raise UnusableError(
                "auth-provider is not supported: put a token or a client certificate in its place"
            )
        for name, inline in FILES.items():
            if cluster.get(name) or user.get(name):
                raise UnusableError(f"{name} points to a file: give its content as {inline}")
        if any(user.get(name) for name in _IMPERSONATION):
            raise UnusableError(
                "impersonation (as, as-groups) is not supported: use credentials of that account"
            )

    def server(self, cluster: Mapping[str, Any]) -> str:
        named = self._names.server
        server = (self.text(cluster, "server", named) or "").rstrip("/")
        if _host(server, ("https", "http")) is None:
            raise UnusableError(f"{named} is no https:// address: correct it")
        if "@" in server or "?" in server or "#" in server:
            raise UnusableError(
                f"{named} must be a plain address, with credentials in the user's entry"
            )
        return server

    def proxy(self, cluster: Mapping[str, Any]) -> str | None:
        proxy = self.text(cluster, "proxy-url", self._names.proxy)
        if proxy is not None and _host(proxy, ("https", "http")) is None:
            raise UnusableError(f"{self._names.proxy} must be an http:// or https:// address")
        return proxy

    def token(self, user: Mapping[str, Any]) -> str | None:
        named = self._names.token
        token = (self.text(user, "token", named) or "").strip()
        if any(ord(letter) < 33 or ord(letter) > 126 for letter in token):
            raise UnusableError(f"the {named} has letters that no token has: paste it again")
        return token or None

    def pem(
        self, entry: Mapping[str, Any], name: str, named: str, pattern: re.Pattern[str]
    ) -> str | None:
        encoded = self.text(entry, name, named)
        if encoded is None:
            return None
        try:
            text = base64.b64decode("".join(encoded.split()), validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            text = ""
        if not pattern.search(text):
            raise UnusableError(f"{named} is no base64 of a PEM: encode the file again")
        return text

    def text(self, entry: Mapping[str, Any], name: str, named: str) -> str | None:
        value = entry.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise UnusableError(f"{named} must be text")
        return value


def _host(address: str, schemes: Sequence[str]) -> str | None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts.hostname if parts.scheme in schemes else None
