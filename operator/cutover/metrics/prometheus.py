"""Clients of Prometheus servers: one pooled connection set per address and credentials.

- Every request has one deadline over everything: name, connection, TLS, answer.
- Nothing is retried, but once, at once, where a pooled connection turned out to be dead.
- Redirects are not followed: what redirects an API is a login page.
- Proxies come from the environment (HTTPS_PROXY, NO_PROXY), since a remote Prometheus may only be
  reachable through one; never towards loopback, where a proxy would be someone else's machine.
- A Secret whose content changed gives a new client; the old one is closed once it is unused.
- aiohttp, since a request through it takes a quarter of the processor time of one through httpx, and
  two requests were half of what a look of the guards cost.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx

from cutover.api.sides import Prometheus
from cutover.decide.readings import Gap, Missing
from cutover.metrics.answers import Answer, Matrix, TooSlow, Vector, read_answer, read_range
from cutover.metrics.credentials import Credentials, Secrets, resolve, tls_context
from cutover.metrics.promql import Encoded

DEADLINE: Final = 5.0
"""Seconds for one request, all in all."""
LARGEST_ANSWER: Final = 8 * 2**20
"""Bytes; a look's answer has some 30 KiB."""
IDLE: Final = 900.0
"""Seconds after which an unused client is closed."""
_CONNECTIONS: Final = 32
"""To one server with the same credentials, at most."""
_KEEP_ALIVE: Final = 60.0
_BUFFER: Final = 2**18
"""Bytes: most answers come in one piece."""
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_STALE: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)
_CERTIFICATE_WANTED: Final = (
    "certificate required",
    "bad certificate",
    "unknown ca",
    "handshake failure",
)

_Read = TypeVar("_Read", Vector, Matrix)
_Reader = Callable[[str, int, Mapping[str, str], bytes, Callable[[str], str]], _Read | Gap]


class Span(NamedTuple):
    """A range of time, evaluated at its end and every ``step`` seconds before."""

    begin: float
    """Unix seconds."""
    end: float
    step: float


class PrometheusClient:
    """One Prometheus, asked with one set of credentials."""

    def __init__(self, address: str, credentials: Credentials, tls: ssl.SSLContext) -> None:
        self.address = address.rstrip("/")
        self._credentials = credentials
        self._is_tls = urlsplit(self.address).scheme == "https"
        # Compressing pays over a long way, which is https, and costs both ends more than it saves nearby.
        spared = {} if self._is_tls else {"accept-encoding": "identity"}
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_CONNECTIONS, ssl=tls, keepalive_timeout=_KEEP_ALIVE
            ),
            headers=[*_FORM.items(), *spared.items(), *credentials.headers],
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMEOUT,  # query() has one deadline over everything
            proxy=proxy_towards(self.address),
            read_bufsize=_BUFFER,
        )

    async def query(
        self, promql: str, *, deadline: float = DEADLINE, time: float | None = None
    ) -> Answer:
        """Evaluate at one instant: now by the server's clock, or ``time`` (Unix seconds)."""
        form = f"query={Encoded.of(promql)}&timeout={deadline:g}s"
        if time is not None:
            form += f"&time={time:.3f}"
        return await self._within(deadline, "/api/v1/query", form, read_answer)

    async def query_range(
        self, promql: str, span: Span, *, deadline: float = DEADLINE
    ) -> Matrix | Gap:
        """Evaluate over a range of time."""
        form = (
            f"query={Encoded.of(promql)}&timeout={deadline:g}s"
            f"&start={span.begin:.3f}&end={span.end:.3f}&step={span.step:.3f}"
        )
        return await self._within(deadline, "/api/v1/query_range", form, read_range)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.close()

    async def _within(
        self, deadline: float, path: str, form: str, read: _Reader[_Read]
    ) -> _Read | Gap:
        try:
            async with asyncio.timeout(deadline):
                return await self._ask(path, form, read)
        except TimeoutError:
            return TooSlow(
                Missing.UNREACHABLE,
                f"{self.address} did not answer within {deadline:g} s: is it up, is there a"
                " firewall between, is the query too much for it?",
            )
        except (aiohttp.ClientError, OSError) as error:
            return self._unreachable(error)

    async def _ask(self, path: str, form: str, read: _Reader[_Read]) -> _Read | Gap:
        try:
            return await self._post(path, form, read)
        except aiohttp.ClientConnectorError:
            raise
        except _STALE:
            return await self._post(path, form, read)

    async def _post(self, path: str, form: str, read: _Reader[_Read]) -> _Read | Gap:
        async with self._http.post(
            self.address + path,
            data=form.encode(),
            allow_redirects=False,
            server_hostname=self._credentials.server_name,
        ) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    return Gap(
                        Missing.UNREACHABLE,
                        f"{self.address} answered with more than {LARGEST_ANSWER >> 20} MiB: is it a"
                        " Prometheus, does a custom expression give every series?",
                    )
            hide = self._credentials.hide
            return read(self.address, answer.status, answer.headers, bytes(body), hide)

    def _unreachable(self, error: Exception) -> Gap:
        words = self._credentials.hide(_said(error))
        if any(word in words.lower().replace("_", " ") for word in _CERTIFICATE_WANTED):
            return Gap(
                Missing.UNAUTHORISED,
                f"{self.address} did not accept our client certificate ({words}): check tlsConfig.cert"
                " and keySecret",
            )
        if "CERTIFICATE_VERIFY_FAILED" in words:
            return Gap(
                Missing.UNREACHABLE,
                f"the certificate of {self.address} was not accepted ({words}): check tlsConfig.ca"
                " and serverName",
            )
        if isinstance(error, _STALE) and not isinstance(error, aiohttp.ClientConnectorError):
            # A refused client certificate often looks like this: the connection ends before its alert is read.
            wanted = ", does it want a client certificate" if self._is_tls else ""
            return Gap(
                Missing.UNREACHABLE,
                f"{self.address} ended the connection without an answer ({words}): is it up{wanted}?",
            )
        return Gap(
            Missing.UNREACHABLE,
            f"{self.address} cannot be reached ({words}): check the address, and that it is up",
        )


@dataclass(slots=True)
class _Kept:
    client: PrometheusClient
    used_at: float
    in_use: int = 0


class PrometheusPool:
    """All the Prometheus servers that rollouts name. Belongs to one event loop."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._kept: dict[tuple[str, Credentials], _Kept] = {}
        self._system_tls: ssl.SSLContext | None = None
        self._swept_at = 0.0

    async def query(
        self,
        namespace: str,
        where: Prometheus,
        promql: str,
        *,
        deadline: float = DEADLINE,
        time: float | None = None,
    ) -> Answer:
        """Ask one side's Prometheus, with the Secrets of the rollout's namespace as they are now."""
        async with self._client(namespace, where) as client:
            if isinstance(client, Gap):
                return client
            return await client.query(promql, deadline=deadline, time=time)

    async def query_range(
        self,
        namespace: str,
        where: Prometheus,
        promql: str,
        span: Span,
        *,
        deadline: float = DEADLINE,
    ) -> Matrix | Gap:
        """Ask one side's Prometheus over a range of time."""
        async with self._client(namespace, where) as client:
            if isinstance(client, Gap):
                return client
            return await client.query_range(promql, span, deadline=deadline)

    @asynccontextmanager
    async def _client(
        self, namespace: str, where: Prometheus
    ) -> AsyncIterator[PrometheusClient | Gap]:
        """Lend the client for this address and these credentials; it is not closed meanwhile."""
        credentials = await resolve(self._secrets, namespace, where)
        if isinstance(credentials, Gap):
            yield credentials
            return
        kept = self._kept.get((where.address, credentials)) or self._open(where, credentials)
        if isinstance(kept, Gap):
            yield kept
            return
        kept.in_use += 1
        try:
            yield kept.client
        finally:
            kept.in_use -= 1
            kept.used_at = _now()
            if kept.used_at - self._swept_at > IDLE / 10:
                self._swept_at = kept.used_at
                await self.close_unused()

    async def close_unused(self, idle: float = IDLE) -> None:
        """Close the clients that nobody asked for so many seconds."""
        before = _now() - idle
        old = [k for k, one in self._kept.items() if not one.in_use and one.used_at <= before]
        for client in [self._kept.pop(key).client for key in old]:
            await client.aclose()

    async def aclose(self) -> None:
        """Close everything."""
        clients = [one.client for one in self._kept.values()]
        self._kept.clear()
        for client in clients:
            await client.aclose()

    def _open(self, where: Prometheus, credentials: Credentials) -> _Kept | Gap:
        try:
            url = httpx.URL(where.address)
        except (ValueError, httpx.InvalidURL) as error:
            return Gap(Missing.UNREACHABLE, f"prometheus.address is no URL ({error}): correct it")
        if url.userinfo:
            return Gap(
                Missing.CREDENTIALS,
                "prometheus.address holds a user name or password: move them to a Secret and basicAuth",
            )
        tls = self._tls(url.scheme, credentials)
        if isinstance(tls, Gap):
            return tls
        kept = _Kept(PrometheusClient(where.address, credentials, tls), _now())
        self._kept[where.address, credentials] = kept
        return kept

    def _tls(self, scheme: str, credentials: Credentials) -> ssl.SSLContext | Gap:
        """Share one set of system authorities: reading them takes milliseconds and half a megabyte."""
        if scheme != "https":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if credentials.ca is not None or credentials.certificate is not None:
            return tls_context(credentials)
        if self._system_tls is None:
            self._system_tls = httpx.create_ssl_context()
        return self._system_tls


def _now() -> float:
    return asyncio.get_running_loop().time()


def _said(error: Exception) -> str:
    """What went wrong, without the address, which the sentence around it has."""
    cause: Exception = error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return words or type(cause).__name__


def proxy_towards(address: str) -> str | None:
    """The environment's proxy for an address; None where there is none, or none is to be used."""
    parts = urlsplit(address)
    if parts.hostname is None or is_loopback(parts.hostname) or proxy_bypass(parts.netloc):
        return None
    known = getproxies()
    proxy = known.get(parts.scheme) or known.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def is_loopback(host: str) -> bool:
    """Whether a proxy towards that host would be someone else's machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
