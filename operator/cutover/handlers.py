"""How does the operator hear of changes? Kopf's list, watch, relist and login, and nothing more.

One handler, which hands the key on and writes nothing; no status, no finalizer, no annotation and
no Event is Kopf's. It runs in a thread with an event loop of its own: there it can neither replace
our signal handlers nor, when it ends, wait for and cancel tasks that are not its own.
"""

import asyncio
import contextlib
import logging
import os
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
import kopf

from cutover.api import GROUP, ON_DELETE, PLURAL, VERSION
from cutover.clusters.access import Access
from cutover.queue import Key

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 32
TOKEN_FILE_AGE = 60.0
LOGINS = 6
"""So many logins within `LOGINS_WITHIN` seconds, then the credentials are taken to be dead."""
LOGINS_WITHIN = 60.0

Listener = Callable[[Key, bool], None]
"""Hears of a key; True: somebody changed it, False: it was merely listed."""


class Watch:
    """The watch over all rollouts, in a thread."""

    def __init__(self, access: Callable[[], Access], namespaces: Sequence[str]) -> None:
        """``access`` gives the credentials in force; no namespaces: all."""
        self._access = access
        self._namespaces = namespaces
        self._logins: list[float] = []
        self._end: Callable[[str], None] = lambda _: None

    def start(self, heard: Listener) -> asyncio.Future[str]:
        """Watch from now on; ``heard`` is called in this loop.

        The result says why the watch ended, which it never does as long as all is well.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()

        def call(function: Callable[..., None], *arguments: object) -> None:
            with contextlib.suppress(RuntimeError):  # our loop is closed: the process ends
                loop.call_soon_threadsafe(function, *arguments)

        def end(why: str) -> None:
            if not ended.done():
                ended.set_result(why)

        self._end = lambda why: call(end, why)
        work = self._operator(lambda key, changed: call(heard, key, changed))
        threading.Thread(target=asyncio.run, args=(work,), name="watch", daemon=True).start()
        return ended

    async def _operator(self, tell: Listener) -> None:
        """Run Kopf; whatever ends it ends the process, in words."""
        operator = kopf.operator(
            registry=_registry(tell, self._login),
            settings=_settings(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
        )
        running = asyncio.create_task(operator)
        await asyncio.wait({running})
        fault = running.exception()
        self._end(f"{type(fault).__name__}: {fault}" if fault else "Kopf ended by itself")

    async def _login(self, **_: Any) -> kopf.AiohttpSession:
        """Give Kopf a session with a bounded connector; its own has none.

        Asked again after each 401. A token that is being rotated deserves a few tries, a dead one
        must not become a loop of requests. Nothing may be raised here: Kopf would go on without
        credentials, hearing nothing and ending never.
        """
        now = time.monotonic()
        self._logins = [at for at in self._logins if now - at < LOGINS_WITHIN]
        if len(self._logins) >= LOGINS:
            server = self._access().server
            return await self._give_up(f"{server} refused the credentials {LOGINS} times")
        await asyncio.sleep(len(self._logins))
        self._logins.append(now)
        access = self._access()
        try:
            session = _session(access)
        except (OSError, ValueError) as fault:  # ssl.SSLError is an OSError
            return await self._give_up(f"no connection can be made: {type(fault).__name__}")
        return kopf.AiohttpSession(server=access.server, aiohttp_session=session)

    async def _give_up(self, why: str) -> NoReturn:
        self._end(why)
        never: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        await never


def _registry(tell: Listener, login: Any) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(login)
    changes = Changes()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def heard(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - Kopf's
        """Hand on the key, unless nothing but the status changed: we wrote that ourselves."""
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        if changes.matters(key, type, body):
            tell(key, type is not None)

    return registry


class Changes:
    """Tells what people change from what the operator itself writes into the status."""

    def __init__(self) -> None:
        self._last: dict[Key, tuple[object, ...]] = {}

    def matters(self, key: Key, type_: str | None, body: Any) -> bool:
        """Whether this event is news."""
        meta = body["metadata"]
        now = (
            meta.get("uid"),
            meta.get("generation"),
            meta.get("deletionTimestamp"),
            (meta.get("annotations") or {}).get(ON_DELETE),
            tuple(meta.get("finalizers") or ()),
            bool(body.get("status")),
        )
        if type_ == "DELETED":
            self._last.pop(key, None)
            return True
        before, self._last[key] = self._last.get(key), now
        return before != now or type_ is None


def _settings() -> kopf.OperatorSettings:
    """Bound every wait and switch off all that writes."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None
    settings.watching.server_timeout = 290
    settings.watching.client_timeout = 300
    settings.watching.connect_timeout = 10
    settings.watching.reconnect_backoff = 1
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = [1, 2, 4, 8, 15]
    logging.getLogger("kopf").addFilter(_expected)
    logging.getLogger("kopf._core.reactor.running").addFilter(_expected)
    return settings


def _expected(record: logging.LogRecord) -> bool:
    """Drop Kopf's warning that it does not listen to signals: that is as we want it."""
    return not record.getMessage().startswith("OS signals are ignored")


# --- a session ----------------------------------------------------------------------------------


def _session(access: Access) -> aiohttp.ClientSession:
    """Open connections with these credentials; a token file is read again every minute."""
    connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ssl=_tls(access))
    return aiohttp.ClientSession(
        connector=connector, proxy=access.proxy, middlewares=(_Credentials(access),)
    )


class _Credentials:
    """Middleware that puts the credentials on each request."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._token = access.token or ""
        self._read_at = float("-inf")

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        access = self._access
        if token := self._current():
            request.headers["Authorization"] = f"Bearer {token}"
        elif access.username is not None:
            basic = aiohttp.encode_basic_auth(access.username, access.password or "")
            request.headers["Authorization"] = basic
        if access.tls_server_name is not None:
            request.server_hostname = access.tls_server_name
        return await handler(request)

    def _current(self) -> str:
        file, now = self._access.token_file, time.monotonic()
        if file is not None and now - self._read_at > TOKEN_FILE_AGE:
            # Between two versions of a projected token the last one is still good.
            with contextlib.suppress(OSError):
                self._token = Path(file).read_text(encoding="ascii").strip()
                self._read_at = now
        return self._token


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=access.ca)
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.certificate is not None and access.key is not None:
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as pair:
            os.fchmod(pair.fileno(), 0o600)
            pair.write(access.certificate + "\n" + access.key)
            pair.flush()
            context.load_cert_chain(pair.name, password="")
    return context
