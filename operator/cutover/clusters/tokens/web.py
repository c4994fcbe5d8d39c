"""One request to a token server. What it answers is never quoted: it may repeat what was sent."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from cutover.clusters.answers import Reason
from cutover.clusters.tokens.granted import LoginError

DEADLINE = 5.0
"""Seconds for one request to a token server."""


def client(*, proxied: bool = True) -> httpx.AsyncClient:
    """Open a client; redirects are not followed.

    ``proxied``: by the environment's proxies, which do not know what is beside us on the node.
    """
    return httpx.AsyncClient(timeout=DEADLINE, follow_redirects=False, trust_env=proxied)


async def ask(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    what: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    content: str | None = None,
) -> httpx.Response:
    """Ask once; ``what`` names the server in sentences. Raises LoginError where there is no answer."""
    try:
        return await http.request(
            method, url, headers=dict(headers or {}), data=form, content=content
        )
    except httpx.TimeoutException:
        said = f"{what} did not answer within {DEADLINE:g} s: check the network to it"
        raise LoginError(said, Reason.UNREACHABLE) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        said = f"{what} cannot be reached ({type(error).__name__}): check the network to it"
        raise LoginError(said, Reason.UNREACHABLE) from None


def as_object(response: httpx.Response) -> Mapping[str, Any]:
    """Return the JSON object of an answer; empty where it is none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def parse_object(text: str) -> Mapping[str, Any]:
    """Return the JSON object of a text; empty where it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def refused(what: str, response: httpx.Response, code: str, remedy: str) -> LoginError:
    """Say that a server refused, with its own code."""
    told = f", {code}" if code else ""
    reason = (
        Reason.UNREACHABLE
        if response.status_code >= 500 or response.status_code == 429
        else Reason.UNAUTHORISED
    )
    return LoginError(f"{what} gave no token ({response.status_code}{told}): {remedy}", reason)


def seconds(value: object) -> float:
    """Read ``expires_in``; what is no positive number lasts a minute."""
    try:
        life = float(str(value))
    except ValueError:
        return 60.0
    return life if 0 < life < 1e6 else 60.0
