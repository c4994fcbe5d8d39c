"""One side's model server: a pooled client, and each answer as a value.

- Every request has one deadline over everything, and no answer is read beyond its bound.
- Redirects are not followed: what redirects an API is a login page.
- What is no answer of a model is an `Unanswered` and never compared. No sentence holds anything of a
  request, of an answer, or of a Secret; of an address only what the spec says.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx

from cutover.api.sides import Endpoint
from cutover.decide.readings import Gap
from cutover.judge.golden import Answer, Item, Unanswered, Why
from cutover.metrics.credentials import Credentials, Secrets, resolve_endpoint, tls_context
from cutover.metrics.prometheus import is_loopback
from cutover.replay.spelling import Spelling, UnfitAnswer

LARGEST_ANSWER: Final = 8 * 2**20
"""Bytes."""
_IN_SMALL_SLICES: Final = 64 * 2**10
"""Bytes of JSON that are read at once; more of it is read in a thread."""
_OVERLOADED: Final = frozenset((429, 502, 503, 504))


class ModelServer:
    """One endpoint, asked with one set of credentials."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials, tls: ssl.SSLContext) -> None:
        self.url = endpoint.url.rstrip("/")
        self._model = endpoint.model
        self._server_name = credentials.server_name
        self._http = httpx.AsyncClient(
            verify=tls,
            headers=[*credentials.headers, ("content-type", "application/json")],
            limits=httpx.Limits(max_connections=64, keepalive_expiry=30.0),
            timeout=None,  # noqa: S113 - ask() has one deadline over everything
            follow_redirects=False,
            trust_env=not is_loopback(httpx.URL(self.url).host),
        )

    async def ask(self, item: Item, spelling: Spelling, deadline: float) -> Answer:
        """Send one item, once."""
        model = self._model or item.model
        body = (
            item.body
            if model is None
            else b'{"model": %b, %b'
            % (
                json.dumps(model).encode(),
                item.body[1:],
            )
        )
        try:
            async with asyncio.timeout(deadline):
                return await self._post(self.url + spelling.path(model), body, spelling)
        except TimeoutError:
            return Unanswered(Why.TOO_SLOW, f"{self.url} did not answer within {deadline:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Its text may quote what the server sent.
            kind = type(error).__name__
            return Unanswered(
                Why.UNREACHABLE,
                f"{self.url} cannot be reached, or ended the connection in the middle of an answer ({kind})",
            )

    async def status_of(self, path: str) -> int:
        """Return the status that a GET is answered with, over a new connection; raises as httpx does."""
        extensions = {"sni_hostname": self._server_name} if self._server_name else {}
        url, fresh = self.url + path, {"connection": "close"}
        asked = self._http.build_request("GET", url, headers=fresh, extensions=extensions)
        answer = await self._http.send(asked, stream=True)
        await answer.aclose()
        return answer.status_code

    async def json_at(self, path: str, deadline: float) -> Mapping[str, Any] | Unanswered:
        """Read what a GET brings, a JSON object of moderate size."""
        extensions = {"sni_hostname": self._server_name} if self._server_name else {}
        url = self.url + path
        try:
            async with asyncio.timeout(deadline):
                answer = await self._http.get(url, extensions=extensions)
        except TimeoutError:
            return Unanswered(Why.TOO_SLOW, f"{url} did not answer within {deadline:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Unanswered(Why.UNREACHABLE, f"{url} cannot be reached ({type(error).__name__})")
        refused = _refusal(url, answer)
        if refused is not None or len(answer.content) > LARGEST_ANSWER:
            return refused or Unanswered(Why.TOO_LARGE, f"{url} answered with too much")
        try:
            found = json.loads(answer.content)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, Mapping):
            return found
        return Unanswered(Why.UNREADABLE, f"{url} answered with no JSON object")

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def _post(self, url: str, body: bytes, spelling: Spelling) -> Answer:
        extensions = {"sni_hostname": self._server_name} if self._server_name else {}
        asked = self._http.build_request("POST", url, content=body, extensions=extensions)
        answer = await self._http.send(asked, stream=True)
        try:
            content = bytearray()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    return Unanswered(
                        Why.TOO_LARGE,
                        f"{self.url} answered with more than {LARGEST_ANSWER >> 20} MiB",
                    )
        finally:
            await answer.aclose()
        refused = _refusal(self.url, answer)
        return refused or await self._read(bytes(content), spelling)

    async def _read(self, content: bytes, spelling: Spelling) -> Answer:
        if len(content) > _IN_SMALL_SLICES:
            return await asyncio.to_thread(_read, self.url, content, spelling)
        return _read(self.url, content, spelling)


def _refusal(url: str, answer: httpx.Response) -> Unanswered | None:
    status = answer.status_code
    if status == 200:
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if kind in ("text/html", "text/event-stream"):
            return Unanswered(
                Why.UNREADABLE,
                f"{url} answered with {kind}, not with JSON: is it the model server?",
            )
        return None
    if status in (401, 403):
        return Unanswered(
            Why.UNAUTHORISED, f"{url} answered {status}: check the endpoint's headersFrom"
        )
    if status in _OVERLOADED:
        return Unanswered(Why.OVERLOADED, f"{url} answered {status}")
    if 300 <= status < 400:
        return Unanswered(Why.UNREADABLE, f"{url} answered {status}, a redirect: a login page?")
    return Unanswered(Why.REFUSED, f"{url} answered {status}")


def _read(url: str, content: bytes, spelling: Spelling) -> Answer:
    if not content.strip():
        return Unanswered(Why.UNREADABLE, f"{url} answered with nothing")
    try:
        answer: Any = json.loads(content)
    except (ValueError, RecursionError):
        return Unanswered(Why.UNREADABLE, f"{url} answered with no JSON, or with half of it")
    if not isinstance(answer, Mapping):
        return Unanswered(Why.UNREADABLE, f"{url} answered with JSON that is no object")
    if answer.get("error"):
        return Unanswered(Why.REFUSED, f"{url} answered 200 with an error object")
    try:
        return spelling.read(answer)
    except UnfitAnswer as unfit:
        return Unanswered(
            Why.UNREADABLE, f"{url} answered otherwise than its protocol has it: {unfit}"
        )


async def connect(
    secrets: Secrets, namespace: str, endpoint: Endpoint, system_tls: ssl.SSLContext
) -> ModelServer | Unanswered:
    """Open a client with the Secrets as they are now."""
    credentials = await resolve_endpoint(secrets, namespace, endpoint)
    if isinstance(credentials, Gap):
        return Unanswered(Why.UNAUTHORISED, credentials.message)
    return opened(endpoint, credentials, system_tls)


def opened(
    endpoint: Endpoint, credentials: Credentials, system_tls: ssl.SSLContext
) -> ModelServer | Unanswered:
    """Open a client with these credentials."""
    tls: ssl.SSLContext | Gap = system_tls
    if credentials.ca is not None or credentials.certificate is not None:
        tls = tls_context(credentials)
    if isinstance(tls, Gap):
        return Unanswered(Why.UNAUTHORISED, tls.message)
    return ModelServer(endpoint, credentials, tls)
