"""Probes of the target's endpoint: does a server there say that it can serve.

Only what the server did is a failure of the server: no connection, no answer in time, a 5xx. A Secret
that is missing, a name that is not known here, a certificate that we do not trust, a path that is not
there say nothing about it.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx

from cutover.api.sides import Endpoint, Profile
from cutover.decide.observation import Outcome, Probe
from cutover.decide.readings import Gap
from cutover.judge.golden import Unanswered, Why
from cutover.metrics.credentials import Credentials, Secrets, resolve_endpoint
from cutover.replay.client import ModelServer, opened

_HEALTH: Final = {
    "Triton": "/v2/health/ready",
    "KServe": "/v2/health/ready",
    "MLServer": "/v2/health/ready",
    "NIM": "/v1/health/ready",
    "TorchServe": "/ping",
    "Ray": "/-/healthz",
    "TFServing": "/v1/models/{model}",
}
"""Where servers tell that they can serve; all others at /health."""
SECRETS_WITHIN: Final = 5.0
"""Seconds for the Secrets of an endpoint: a slow API server of ours is no failure of the target."""
IDLE: Final = 900.0
"""Seconds after which the client of an endpoint that nobody probes is closed."""
_BUSY: Final = 429
"""It answers, and it lives."""


@dataclass(slots=True)
class _Kept:
    server: ModelServer
    used_at: float


class Probing:
    """All the endpoints that are probed: a client for each, and a new connection for each probe."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._kept: dict[tuple[str, Credentials], _Kept] = {}
        self._system_tls: ssl.SSLContext | None = None

    async def probe(
        self, namespace: str, endpoint: Endpoint, profile: Profile, *, deadline: float
    ) -> Probe:
        """Ask once."""
        try:
            async with asyncio.timeout(SECRETS_WITHIN):
                server = await self._server(namespace, endpoint)
        except TimeoutError:
            return Probe(Outcome.UNSENT, f"the Secrets of {endpoint.url} were not read in time")
        if isinstance(server, Unanswered):
            return Probe(Outcome.UNSENT, server.message)
        return await _ask(server, health_path(endpoint, profile), deadline)

    async def aclose(self) -> None:
        """Close everything."""
        kept, self._kept = list(self._kept.values()), {}
        for one in kept:
            await one.server.aclose()

    async def _server(self, namespace: str, endpoint: Endpoint) -> ModelServer | Unanswered:
        """The client for this endpoint and its Secrets as they are now."""
        credentials = await resolve_endpoint(self._secrets, namespace, endpoint)
        if isinstance(credentials, Gap):
            return Unanswered(Why.UNAUTHORISED, credentials.message)
        await self._close_unused()
        kept = self._kept.get((endpoint.url, credentials))
        if kept is None:
            if self._system_tls is None:
                self._system_tls = httpx.create_ssl_context()
            server = opened(endpoint, credentials, self._system_tls)
            if isinstance(server, Unanswered):
                return server
            kept = self._kept[endpoint.url, credentials] = _Kept(server, 0.0)
        kept.used_at = asyncio.get_running_loop().time()
        return kept.server

    async def _close_unused(self) -> None:
        before = asyncio.get_running_loop().time() - IDLE
        old = [key for key, one in self._kept.items() if one.used_at <= before]
        for one in [self._kept.pop(key) for key in old]:
            await one.server.aclose()


def health_path(endpoint: Endpoint, profile: Profile) -> str:
    """Where the endpoint tells that it can serve: as the spec says, or as such servers have it."""
    usual = _HEALTH.get(str(profile), "/health")
    return endpoint.health_path or usual.replace("{model}", quote(endpoint.model or "", safe=""))


async def _ask(server: ModelServer, path: str, deadline: float) -> Probe:
    url = server.url + path
    try:
        async with asyncio.timeout(deadline):
            status = await server.status_of(path)
    except TimeoutError:
        return Probe(Outcome.FAILED, f"{url} did not answer within {deadline:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return _unreached(url, error)
    return _told(url, status)


def _unreached(url: str, error: BaseException) -> Probe:
    """Tell what the server did from what we could not do ourselves."""
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return Probe(Outcome.UNSENT, f"the name in {url} is not known to the operator's DNS")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Probe(
                Outcome.UNSENT,
                f"the certificate of {url} was not accepted ({cause.verify_message}): check tlsConfig.ca"
                " and serverName",
            )
    return Probe(Outcome.FAILED, f"{url} cannot be reached ({type(error).__name__})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def _told(url: str, status: int) -> Probe:
    if 200 <= status < 300 or status == _BUSY:
        return Probe(Outcome.ANSWERED)
    if status >= 500:
        return Probe(Outcome.FAILED, f"{url} answered {status}")
    if status in (401, 403):
        return Probe(Outcome.UNSENT, f"{url} answered {status}: check the endpoint's headersFrom")
    return Probe(
        Outcome.UNSENT,
        f"{url} answered {status}: name in healthPath where this server tells that it can serve",
    )
