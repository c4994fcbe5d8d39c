"""PURE: the text of a kubeconfig becomes an `Access`, or a sentence that says why it cannot be used.

Only inline data is read. Nothing is executed, no file is opened, and what would weaken the
connection is refused instead of ignored.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml

MAX_TEXT = 64 * 1024
"""Characters; dense YAML of this size takes a second, and the quick parser dies of deep nesting."""

FILES = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
    "tokenFile": "token",
}
"""Fields that point to files, and the inline ones that say the same."""
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")
_CERTIFICATE = re.compile("-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----")


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


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a kubeconfig cannot be used, in one sentence without its secrets."""

    message: str


class _UnusableError(Exception):
    """Carries the sentence out of the readers below; never leaves this module."""


def parse(text: str, where: str, *, allow_insecure: bool = False) -> Access | Unusable:
    """Read the current context; ``where`` names the Secret and key, or the file, in sentences."""
    try:
        document = _load(text)
        cluster, user = _current(document)
        return _access(cluster, user, allow_insecure=allow_insecure)
    except _UnusableError as unusable:
        return Unusable(f"{where}: {unusable}")


def entries_in_use(document: object) -> tuple[dict[str, Any], ...]:
    """Return the cluster and the user of the current context; nothing where `parse` would refuse."""
    try:
        return _current(document) if isinstance(document, dict) else ()
    except _UnusableError:
        return ()


def _current(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    name = document.get("current-context")
    if not isinstance(name, str) or not name:
        raise _UnusableError("the kubeconfig has no current-context: set it")
    context = _named(document, "contexts", "context", name)
    cluster = _named(document, "clusters", "cluster", context.get("cluster"))
    return cluster, _named(document, "users", "user", context.get("user"))


def _load(text: str) -> Mapping[str, Any]:
    if len(text) > MAX_TEXT:
        raise _UnusableError(
            f"the kubeconfig has more than {MAX_TEXT // 1024} KiB: keep only the context in use"
        )
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError):
        document = None  # the parser's own words would quote the content
    if not isinstance(document, dict) or "clusters" not in document:
        raise _UnusableError(
            "this is no kubeconfig: it must be YAML with clusters, users, contexts"
        )
    return document


def _named(document: Mapping[str, Any], plural: str, singular: str, name: object) -> dict[str, Any]:
    entries = document.get(plural)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name and name:
            content = entry.get(singular)
            if isinstance(content, dict):
                return content
    raise _UnusableError(
        f"the current context names a {singular} that is not among the {plural}: add it"
    )


def _access(cluster: Mapping[str, Any], user: Mapping[str, Any], *, allow_insecure: bool) -> Access:
    _refuse_what_is_not_inline(cluster, user)
    insecure = cluster.get("insecure-skip-tls-verify") is True
    server = _server(cluster)
    if (insecure or server.startswith("http://")) and not allow_insecure:
        raise _UnusableError(
            "the kubeconfig asks for a connection that is not verified (insecure-skip-tls-verify or"
            " http://): give certificate-authority-data and https://,"
            " or start the operator with --allow-insecure-tls"
        )
    certificate = _pem(user, "client-certificate-data", _CERTIFICATE)
    key = _pem(user, "client-key-data", re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----"))
    if (certificate is None) != (key is None):
        raise _UnusableError("client-certificate-data and client-key-data must both be given")
    access = Access(
        server=server,
        ca=_pem(cluster, "certificate-authority-data", _CERTIFICATE),
        token=_token(user),
        username=_text(user, "username"),
        password=_text(user, "password"),
        certificate=certificate,
        key=key,
        tls_server_name=_text(cluster, "tls-server-name"),
        proxy=_proxy(cluster),
        insecure=insecure,
    )
    if not (access.token or access.username or access.certificate):
        raise _UnusableError(
            "the user has no credentials: give token, client-certificate-data with client-key-data,"
            " or username with password"
        )
    return access


def _refuse_what_is_not_inline(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    if user.get("exec"):
        raise _UnusableError(
            "exec credentials are never run: put a token or a client certificate in their place"
        )
    if user.get("auth-provider"):
        raise _UnusableError(
            "auth-provider is not supported: put a token or a client certificate in its place"
        )
    for name, inline in FILES.items():
        if cluster.get(name) or user.get(name):
            raise _UnusableError(f"{name} points to a file: give its content as {inline}")
    if any(user.get(name) for name in _IMPERSONATION):
        raise _UnusableError(
            "impersonation (as, as-groups) is not supported: use credentials of that account"
        )


def _server(cluster: Mapping[str, Any]) -> str:
    server = (_text(cluster, "server") or "").rstrip("/")
    if _host(server, ("https", "http")) is None:
        raise _UnusableError("the cluster's server is no https:// address: correct it")
    if "@" in server or "?" in server or "#" in server:
        raise _UnusableError(
            "the cluster's server must be a plain address, with credentials in the user's entry"
        )
    return server


def _proxy(cluster: Mapping[str, Any]) -> str | None:
    proxy = _text(cluster, "proxy-url")
    if proxy is not None and _host(proxy, ("https", "http")) is None:
        raise _UnusableError("proxy-url must be an http:// or https:// address")
    return proxy


def _host(address: str, schemes: Sequence[str]) -> str | None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts.hostname if parts.scheme in schemes else None


def _token(user: Mapping[str, Any]) -> str | None:
    token = (_text(user, "token") or "").strip()
    if any(ord(letter) < 33 or ord(letter) > 126 for letter in token):
        raise _UnusableError("the token has letters that no token has: paste it again")
    return token or None


def _pem(entry: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str | None:
    encoded = _text(entry, name)
    if encoded is None:
        return None
    try:
        text = base64.b64decode("".join(encoded.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not pattern.search(text):
        raise _UnusableError(f"{name} is no base64 of a PEM: encode the file again")
    return text


def _text(entry: Mapping[str, Any], name: str) -> str | None:
    value = entry.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _UnusableError(f"{name} must be text")
    return value
