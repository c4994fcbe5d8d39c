"""TLS and pooled TCP connections towards one API server, from `kubernetes.aio`'s rest layer.

The rest layer is used without its models: turning every answer into typed objects costs more than
all the rest of a look. Its default deadline of 300 s is never in force (`connection.py`).
"""

import asyncio
import base64
import contextlib
import copy
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from cutover.clusters.access import Access, Unusable
from cutover.clusters.breaker import Breaker
from cutover.clusters.tokens.keeper import Issue, Keeper

MAX_REQUESTS = 32
"""At once, to one server; streams do not count."""
_AGENT = f"cutover/{version('cutover')}"
_KEEP_ALIVE = 60.0
_TOKEN_FILE_AGE = 60.0
_DISTRUST_GAP = 5.0
"""Seconds: a server that is slow for everybody must not get new handshakes on top."""
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)


class Pool:
    """Sends requests to one server. `Connection` sets the deadlines."""

    def __init__(self, access: Access, rest: "_Rest", keeper: Keeper | None = None) -> None:
        self.access = access
        self.keeper = keeper
        self.breaker: Breaker | None = None
        """None: it is asked whatever happens, as our own cluster is."""
        self._rest = rest
        self._streams = rest.twin()
        self._distrusted_at = float("-inf")
        self._room = asyncio.Semaphore(MAX_REQUESTS)
        self._closed = False
        self._token = ""
        self._token_read_at = float("-inf")

    @classmethod
    def build(
        cls,
        access: Access,
        where: str,
        issue: Issue | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> "Pool | Unusable":
        """Load the certificates; a PEM that cannot be loaded is named by its field.

        ``issue`` gets the tokens of an access that logs in to a cloud; they grow old by ``clock``.
        """
        names = access.names
        try:
            rest = _Rest(_configuration(access))
        except (ssl.SSLError, ValueError):
            return Unusable(
                f"{where}: {names.ca} holds no certificate that can be loaded:"
                " give the cluster's CA certificate in PEM"
            )
        try:
            _load_client_certificate(rest.ssl_context, access)
        except (ssl.SSLError, ValueError):
            return Unusable(
                f"{where}: {names.certificate} and {names.key} are no pair that can be"
                " loaded: give a certificate with its own key, not encrypted"
            )
        keeper = Keeper(access.login, issue, clock) if access.login and issue else None
        return cls(access, rest, keeper)

    async def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        *,
        accept: str = "application/json",
    ) -> tuple[int, bytes]:
        """Send one request and read the whole answer; raises aiohttp.ClientError, OSError or LoginError."""
        headers = await self._headers() | {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        async with self._room:
            self._refuse_when_closed()
            rest, url = self._rest, self.url(path, query)
            rest.users += 1
            try:
                async with await rest.send(method, url, headers, body, _NO_TIMEOUT) as response:
                    return response.status, await response.read()
            finally:
                rest.users -= 1
                if rest is not self._rest and not rest.users:
                    await rest.close()

    async def open(
        self, path: str, query: Mapping[str, str], silence: float
    ) -> aiohttp.ClientResponse:
        """Open a stream that fails when nothing comes for ``silence`` seconds."""
        self._refuse_when_closed()
        timeout = aiohttp.ClientTimeout(total=None, sock_read=silence)
        headers = await self._headers()
        return await self._streams.send("GET", self.url(path, query), headers, None, timeout)

    def url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """Return the whole address of a path."""
        return f"{self.access.server}{path}" + (f"?{urlencode(query)}" if query else "")

    def forget_token(self) -> bool:
        """Have the token file read again at the next request; False where there is none."""
        self._token_read_at = float("-inf")
        return self.access.token_file is not None

    async def renew_token(self) -> bool:
        """Get another token after a 401; False where there is none to get."""
        if self.keeper is None:
            return self.forget_token()
        return await self.keeper.renew()

    async def distrust(self) -> None:
        """Open new TCP connections from now on, after one of them went silent.

        A balancer or a NAT that forgets them tells nobody: each would cost a whole deadline.
        """
        now = time.monotonic()
        if self._closed or now - self._distrusted_at < _DISTRUST_GAP:
            return
        self._distrusted_at = now
        silent, self._rest = self._rest, self._rest.twin()
        if not silent.users:
            await silent.close()

    async def close(self) -> None:
        """Let requests under way end (they have deadlines), then cut every stream."""
        if self.keeper is not None:
            self.keeper.close()
        for _ in range(MAX_REQUESTS):
            await self._room.acquire()
        self._closed = True
        self._room = asyncio.Semaphore(MAX_REQUESTS)
        await self._rest.close()
        await self._streams.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise aiohttp.ClientConnectionError("the connection is no longer in use")

    async def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": _AGENT}
        access = self.access
        if self.keeper is not None:
            token: str | None = await self.keeper.current()
        elif access.token_file is not None:
            token = self._token_from(access.token_file)
        else:
            token = access.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        elif access.username is not None:
            pair = f"{access.username}:{access.password or ''}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers

    def _token_from(self, file: str) -> str:
        now = time.monotonic()
        if now - self._token_read_at > _TOKEN_FILE_AGE:
            # While the file is being replaced, the last token is still good.
            with contextlib.suppress(OSError):
                self._token = Path(file).read_text(encoding="ascii").strip()
                self._token_read_at = now
        return self._token


class _Rest(RESTClientObject):
    """One session: without cookies, ``~/.netrc`` and redirects; `Pool` limits the requests."""

    users = 0
    """Requests under way."""

    def twin(self) -> "_Rest":
        """Return one with the same certificates and TCP connections of its own."""
        twin = copy.copy(self)
        twin.pool_manager = None
        twin.users = 0
        return twin

    async def send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own, for a stream's silence
    ) -> aiohttp.ClientResponse:
        answer = await self.request(  # type: ignore[no-untyped-call]
            method, url, headers=headers, body=body, _request_timeout=timeout
        )
        response: aiohttp.ClientResponse = answer.response
        return response

    def _create_pool_manager(self) -> aiohttp.ClientSession:
        no_redirects = aiohttp.TraceConfig()
        no_redirects.on_request_redirect.append(_refuse_redirect)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, ssl=self.ssl_context, keepalive_timeout=_KEEP_ALIVE
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[no_redirects],
            read_bufsize=2**18,
        )


async def _refuse_redirect(_session: object, _context: object, _parameters: object) -> None:
    raise aiohttp.ClientError("it redirects, which no API server does")


def _configuration(access: Access) -> Configuration:
    configuration = Configuration(
        host=access.server,
        ca_cert_data=access.ca,
        verify_ssl=not access.insecure,
        tls_server_name=access.tls_server_name,
        proxy=access.proxy or _proxy_of_environment(access.server),
    )
    # Python 3.13 is stricter than Go: it would refuse the CA of many a cluster that kubectl takes.
    configuration.disable_strict_ssl_verification = True
    return configuration


def _proxy_of_environment(server: str) -> str | None:
    parts = urlsplit(server)
    if parts.hostname is None or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def _load_client_certificate(context: ssl.SSLContext, access: Access) -> None:
    if access.certificate is None or access.key is None:
        return
    with _as_file(f"{access.certificate}\n{access.key}\n") as path:
        context.load_cert_chain(path, password="")  # an encrypted key must fail, not ask a terminal


@contextlib.contextmanager
def _as_file(content: str) -> Iterator[str]:
    """Give a path to the content, in memory where the system can: the key shall not touch a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-certificate")
        try:
            os.write(descriptor, content.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
            file.write(content)
            file.flush()
            yield file.name
