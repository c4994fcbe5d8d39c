"""What a request to a Prometheus carries, resolved from Secrets; never printed, never logged."""

import os
import re
import ssl
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from cutover.api.sides import (
    Authorization,
    BasicAuth,
    Endpoint,
    HeadersFrom,
    Prometheus,
    SecretKey,
    SecretRef,
    TlsConfig,
)
from cutover.decide.readings import Gap, Missing

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]+")
_OURS: Final = frozenset(
    ("connection", "content-length", "content-type", "host", "te", "transfer-encoding", "upgrade")
)
_LEAST_HIDDEN: Final = 4
"""Shorter pieces are everyday letters: hiding them would garble a sentence and hide nothing."""


class Secrets(Protocol):
    """Secrets that a rollout may use."""

    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        """Return one key of a Secret, or all; missing or not labelled for use: a sentence."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What tells one client of an address from another: equal content is one client."""

    headers: tuple[tuple[str, str], ...] = ()
    ca: str | None = None
    certificate: str | None = None
    """The client's certificate and its key: PEM, in one text."""
    server_name: str | None = None

    def __repr__(self) -> str:
        """Name no content."""
        return "Credentials(…)"

    def hide(self, text: str) -> str:
        """Take our own header values out of something a server said."""
        for _, value in self.headers:
            for word in (value, *value.split()):
                if len(word) >= _LEAST_HIDDEN:
                    text = text.replace(word, "…")
        return text


NONE: Final = Credentials()


class _Unusable(Exception):  # noqa: N818 - says what a Secret is
    """Carries the gap that a Secret leaves; never leaves this module."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(gap.message)
        self.gap = gap


async def resolve(secrets: Secrets, namespace: str, where: Prometheus) -> Credentials | Gap:
    """Read the Secrets that one side's ``prometheus`` names."""
    tls = where.tls_config
    if not (where.authorization or where.basic_auth or where.headers_from or tls):
        return NONE
    reader = _Reader(secrets, namespace)
    try:
        headers: list[tuple[str, str]] = []
        if where.authorization:
            headers.append(await reader.authorization(where.authorization))
        if where.basic_auth:
            headers.append(await reader.basic(where.basic_auth))
        return await reader.credentials(headers, where.headers_from, tls)
    except _Unusable as unusable:
        return unusable.gap


async def resolve_endpoint(secrets: Secrets, namespace: str, where: Endpoint) -> Credentials | Gap:
    """Read the Secrets that one side's ``endpoint`` names."""
    if not (where.headers_from or where.tls_config):
        return NONE
    try:
        reader = _Reader(secrets, namespace)
        return await reader.credentials([], where.headers_from, where.tls_config)
    except _Unusable as unusable:
        return unusable.gap


def tls_context(credentials: Credentials) -> ssl.SSLContext | Gap:
    """Build the TLS settings. A ``ca`` replaces the system's authorities, as in Prometheus' own clients."""
    part = "tlsConfig.ca"
    try:
        context = ssl.create_default_context(cadata=credentials.ca)
        if credentials.certificate is not None:
            part = "tlsConfig.cert with keySecret"
            with _as_file(credentials.certificate) as path:
                context.load_cert_chain(path, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        return Gap(Missing.CREDENTIALS, f"{part} holds no usable PEM ({reason}): renew the Secret")
    return context


class _Reader:
    """The Secrets of one namespace; raises what cannot be used."""

    def __init__(self, secrets: Secrets, namespace: str) -> None:
        self._secrets = secrets
        self._namespace = namespace

    async def credentials(
        self, headers: list[tuple[str, str]], further: HeadersFrom | None, tls: TlsConfig | None
    ) -> Credentials:
        """Everything that a request carries."""
        if further:
            headers = [*headers, *await self.headers(further.secret_ref)]
        _refuse_repeated(headers)
        return Credentials(
            headers=tuple(headers),
            ca=await self.text(tls.ca.secret) if tls and tls.ca else None,
            certificate=await self.certificate(tls) if tls else None,
            server_name=tls.server_name if tls else None,
        )

    async def text(self, ref: SecretKey) -> str:
        """One key's value without the white space around it: most token files end in a line break."""
        content = await self._secrets.read(self._namespace, ref.name, ref.key)
        if isinstance(content, Gap):
            raise _Unusable(content)
        if not content.get(ref.key):
            raise self._unusable(ref.name, ref.key, "is missing or empty")
        return self._decoded(ref.name, ref.key, content[ref.key])

    async def authorization(self, wanted: Authorization) -> tuple[str, str]:
        ref = wanted.credentials
        value = f"{wanted.type} {await self.text(ref)}"
        return self._header(ref.name, ref.key, "Authorization", value)

    async def basic(self, wanted: BasicAuth) -> tuple[str, str]:
        user, password = await self.text(wanted.username), await self.text(wanted.password)
        return "Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode()

    async def headers(self, ref: SecretRef) -> list[tuple[str, str]]:
        content = await self._secrets.read(self._namespace, ref.name, None)
        if isinstance(content, Gap):
            raise _Unusable(content)
        return [
            self._header(ref.name, key, key, self._decoded(ref.name, key, value))
            for key, value in sorted(content.items())
        ]

    async def certificate(self, tls: TlsConfig) -> str | None:
        if tls.cert is None or tls.key_secret is None:
            return None
        return await self.text(tls.cert.secret) + "\n" + await self.text(tls.key_secret) + "\n"

    def _decoded(self, name: str, key: str, value: bytes) -> str:
        try:
            return value.decode().strip()
        except UnicodeDecodeError:
            raise self._unusable(name, key, "is not text") from None

    def _header(self, name: str, key: str, header: str, value: str) -> tuple[str, str]:
        if not _HEADER_NAME.fullmatch(header) or header.lower() in _OURS:
            raise self._unusable(name, key, "cannot be the name of a header")
        if not _HEADER_VALUE.fullmatch(value):
            raise self._unusable(name, key, "cannot be a header: one line of plain ASCII is needed")
        return header, value

    def _unusable(self, name: str, key: str, why: str) -> _Unusable:
        sentence = f"key {key} of Secret {self._namespace}/{name} {why}: correct the Secret"
        return _Unusable(Gap(Missing.CREDENTIALS, sentence))


def _refuse_repeated(headers: list[tuple[str, str]]) -> None:
    names = [name.lower() for name, _ in headers]
    for name in names:
        if names.count(name) > 1:
            sentence = f"the header {name} is given twice by authorization, basicAuth and headersFrom: keep one"
            raise _Unusable(Gap(Missing.CREDENTIALS, sentence))


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Put a private key where OpenSSL wants it, in a file: one without a name where there are such."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("tls"), "w+b") as unnamed:
            unnamed.write(text.encode())
            unnamed.flush()
            yield f"/proc/self/fd/{unnamed.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as named:
        named.write(text.encode())
        named.flush()
        yield named.name
