"""One cluster's API server: five verbs and a watch, each with a deadline, each answered by a value.

A `Connection` outlives its credentials: `replace` swaps the pool beneath it, so whoever holds one
need not care about rotation.
"""

import asyncio
import hashlib
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from cutover.clusters.access import Names
from cutover.clusters.answers import Answer, Failed, Ok, Reason, read
from cutover.clusters.pool import Pool
from cutover.clusters.tokens.granted import LoginError

DEADLINE = 5.0
"""Seconds for a request with everything that belongs to it; a rollback gives itself 2."""
SILENCE = 75.0
"""Seconds without a byte after which a watch is dead: API servers send a bookmark each minute."""
PAGE = "500"
_NOTHING_KNOWN = Ok({})
_TELLING = 1.0
"""Seconds: a shorter deadline that passes says nothing of the server."""

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

Refresh = Callable[[], Awaitable[bool]]
"""Look for newer credentials; True: there are some, and they are in force now."""
Query = Mapping[str, str]
Counted = Callable[[str, str, int | str], None]
"""Hears of each answer: cluster, verb, and the HTTP status or why there is none."""


def uncounted(_cluster: str, _verb: str, _code: int | str) -> None:
    """Count nothing."""


_Sent = tuple[str, str, Query | None, Any, str]
"""Method, path, query, body and content type."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Mapping[str, Any]


class Connection:
    """A handle to one cluster; it stays the same when the credentials change."""

    def __init__(
        self, pool: Pool, name: str, refresh: Refresh | None = None, credentials: str = ""
    ) -> None:
        self.name = name
        """In words, after ``the``: ``operator's own cluster``, ``cluster of Secret inference/gke``."""
        self.credentials = credentials
        """Where they are written, in words: ``Secret inference/gke key kubeconfig``."""
        self.generation = 0
        """Grows with every `replace`: what was read before may have come from another server."""
        self.counted: Counted = uncounted
        self._pool = pool
        self._refresh = refresh

    @property
    def server(self) -> str:
        """The address in use."""
        return self._pool.access.server

    @property
    def pool(self) -> Pool:
        """The pool in use."""
        return self._pool

    def keep_fresh(self) -> None:
        """Have a token that will end renewed in time, whether or not anybody asks anything."""
        if self._pool.keeper is not None:
            self._pool.keeper.refresh()

    def replace(self, pool: Pool) -> None:
        """Use other credentials from the next request on."""
        self._pool = pool
        self.generation += 1

    async def get(
        self,
        path: str,
        query: Query | None = None,
        *,
        deadline: float = DEADLINE,
        insist: bool = False,
    ) -> Answer:
        """Read one object; ``insist``: even of a server that has not answered for a while."""
        refused = None if insist else self._spared("GET", path)
        return refused or await self._ask("GET", path, query, deadline=deadline)

    async def get_again(self, path: str, known: Ok | None, *, deadline: float = DEADLINE) -> Answer:
        """Read one object; where nothing of it has changed, return ``known`` as it is."""
        refused = self._spared("GET", path)
        known = known or _NOTHING_KNOWN
        return refused or await self._ask("GET", path, known=known, deadline=deadline)

    async def get_metadata(self, path: str, *, deadline: float = DEADLINE) -> Answer:
        """Read one object's metadata: of a Secret nothing that it holds leaves its API server."""
        return await self._ask("GET", path, accept=METADATA_ONLY, deadline=deadline)

    async def list_all(
        self, path: str, query: Query | None = None, *, deadline: float = DEADLINE
    ) -> Answer:
        """Read a list page by page; the deadline is for all of them."""
        items: list[Any] = []
        pages = {**(query or {}), "limit": PAGE}
        ends = asyncio.get_running_loop().time() + deadline
        while True:
            left = ends - asyncio.get_running_loop().time()
            refused = self._spared("GET", path)
            answer = refused or await self._ask("GET", path, pages, deadline=max(0.0, left))
            if isinstance(answer, Failed):
                return answer
            items += answer.body.get("items") or ()
            token = (answer.body.get("metadata") or {}).get("continue")
            if not token:
                return Ok({**answer.body, "items": items})
            pages["continue"] = token

    async def patch(
        self,
        path: str,
        body: Any,
        content_type: str,
        query: Query | None = None,
        *,
        deadline: float = DEADLINE,
    ) -> Answer:
        """Change one object by a patch of the given content type."""
        return await self._ask("PATCH", path, query, body, content_type, deadline=deadline)

    async def post(
        self, path: str, body: Any, query: Query | None = None, *, deadline: float = DEADLINE
    ) -> Answer:
        """Create one object."""
        return await self._ask("POST", path, query, body, deadline=deadline)

    async def put(
        self, path: str, body: Any, query: Query | None = None, *, deadline: float = DEADLINE
    ) -> Answer:
        """Replace one object."""
        return await self._ask("PUT", path, query, body, deadline=deadline)

    async def delete(
        self, path: str, query: Query | None = None, *, deadline: float = DEADLINE
    ) -> Answer:
        """Delete one object."""
        return await self._ask("DELETE", path, query, deadline=deadline)

    async def watch(
        self, path: str, query: Query, *, silence: float = SILENCE, deadline: float = DEADLINE
    ) -> AsyncGenerator[Event | Failed, None]:
        """Yield changes until the server ends the watch; a `Failed` is always the last one.

        ``deadline`` is for the answer's beginning, ``silence`` for every wait after it. Close the
        iterator (``contextlib.aclosing``) to end the stream.
        """
        pool, url = self._pool, self._pool.url(path)
        whole = {**query, "watch": "true", "allowWatchBookmarks": "true"}
        try:
            async with asyncio.timeout(deadline):
                response = await pool.open(path, whole, silence)
            async with response:
                if response.status != 200:
                    content = await response.read()
                    yield _failed(read("WATCH", url, response.status, content, self.credentials))
                    return
                async for line in _lines(response):
                    seen = _event(line, url)
                    yield seen
                    if isinstance(seen, Failed):
                        return
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                await pool.distrust()
            yield _unreachable("WATCH", url, error, silence, self._where())
        except LoginError as error:
            yield Failed(0, error.reason, f"{url} was not asked: {self._login(error)}")

    async def _ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Any = None,
        content_type: str = "application/json",
        *,
        accept: str = "application/json",
        known: Ok | None = None,
        deadline: float,
    ) -> Answer:
        sent = (method, path, query, body, content_type)
        breaker = self._pool.breaker
        try:
            async with asyncio.timeout(deadline):
                with breaker.asking() if breaker is not None else nullcontext():
                    return await self._try_twice(sent, accept, known)
        except (aiohttp.ClientError, OSError) as error:
            self.counted(self.name, method, str(Reason.UNREACHABLE))
            if isinstance(error, TimeoutError):
                self._heard(silence=deadline)
                await self._pool.distrust()
            else:
                self._heard()
            return _unreachable(method, self._pool.url(path), error, deadline, self._where())
        except LoginError as error:
            self.counted(self.name, method, str(error.reason))
            url = self._pool.url(path)
            return Failed(0, error.reason, f"{url} was not asked: {self._login(error)}")

    async def _try_twice(self, sent: "_Sent", accept: str, known: Ok | None) -> Answer:
        """A second time with newer credentials, where there are some: an expired token is no failure."""
        answer = await self._send(*sent, accept=accept, known=known)
        refused = isinstance(answer, Failed) and answer.reason is Reason.UNAUTHORISED
        if refused and await self._look_for_credentials():
            answer = await self._send(*sent, accept=accept, known=known)
        problem = self._pool.keeper.problem if self._pool.keeper is not None else None
        if isinstance(answer, Failed) and answer.reason is Reason.UNAUTHORISED and problem:
            said = answer.message.removesuffix(": renew them")
            answer = replace(answer, message=f"{said}, and there are no newer ones: {problem}")
        return answer

    def _spared(self, method: str, path: str) -> Failed | None:
        """Say that a server which answers nothing is not asked now; None where it may be asked."""
        breaker = self._pool.breaker
        left = breaker.left() if breaker is not None else None
        if left is None:
            return None
        self.counted(self.name, method, str(Reason.UNREACHABLE))
        return Failed(
            0,
            Reason.UNREACHABLE,
            f"{self._pool.url(path)} was not asked: the API server answered nothing several times in a"
            f" row and is asked again in {left:.0f} s: check the cluster and the network to it",
        )

    def _heard(self, silence: float = 0.0) -> None:
        """Tell the breaker: something came back, or nothing within so many seconds."""
        breaker = self._pool.breaker
        if breaker is None or 0 < silence < _TELLING:
            return
        if silence:
            breaker.timed_out()
        else:
            breaker.answered()

    def _login(self, error: LoginError) -> str:
        return f"{self.credentials}: {error}" if self.credentials else str(error)

    def _where(self) -> tuple[Names, str]:
        return self._pool.access.names, self.credentials

    async def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Any,
        content_type: str,
        *,
        accept: str,
        known: Ok | None,
    ) -> Answer:
        pool = self._pool
        status, content = await pool.send(method, path, query, body, content_type, accept=accept)
        self.counted(self.name, method, status)
        self._heard()
        digest = b"" if known is None else hashlib.blake2b(content, digest_size=16).digest()
        if known is not None and status == 200 and digest == known.digest:
            return known
        answer = read(method, pool.url(path), status, content, self.credentials)
        return replace(answer, digest=digest) if isinstance(answer, Ok) and digest else answer

    async def _look_for_credentials(self) -> bool:
        if self._refresh is not None and await self._refresh():
            return True
        return await self._pool.renew_token()


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


def _event(line: bytes, url: str) -> Event | Failed:
    try:
        content = json.loads(line)
        kind, seen = content["type"], content["object"]
    except (ValueError, KeyError, TypeError):
        return Failed(
            0, Reason.UNREACHABLE, f"the watch of {url} brought something that is no event"
        )
    if kind != "ERROR":
        return Event(str(kind), seen)
    code = seen.get("code") if isinstance(seen, dict) else None
    return _failed(
        read("WATCH", url, code if isinstance(code, int) else 500, json.dumps(seen).encode())
    )


def _failed(answer: Answer) -> Failed:
    if isinstance(answer, Failed):
        return answer
    return Failed(0, Reason.UNREACHABLE, "the watch was answered with a single object")


def _unreachable(
    method: str, url: str, error: Exception, seconds: float, where: tuple[Names, str]
) -> Failed:
    """Say why no answer came. Only the kind of error is told: its text may quote a header."""
    names, credentials = where
    written = names.beside or credentials
    of = f" of {written}" if written else ""
    if isinstance(error, TimeoutError):
        what = (
            f"did not answer {method} within {seconds:g} s: check the cluster and the network to it"
        )
    elif isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError):
        what = (
            "shows a certificate that cannot be trusted"
            f" ({_certificate_problem(error)}): check {names.ca} and {names.server_name}{of}"
        )
    elif isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error.strerror or type(error.os_error).__name__
        what = f"cannot be reached ({cause}): check the address and the network to it"
    else:
        what = f"broke the connection off ({type(error).__name__}): check the cluster"
    return Failed(0, Reason.UNREACHABLE, f"{url} {what}")


def _certificate_problem(error: Exception) -> str:
    cause = (
        error.certificate_error
        if isinstance(error, aiohttp.ClientConnectorCertificateError)
        else error
    )
    return str(getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "TLS failed")
