"""What an API server answered: its object, or why there is none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_MOST_TEXT = 400
"""Characters of the server's own words that are passed on."""


class Reason(StrEnum):
    """Why a request brought nothing."""

    UNREACHABLE = "Unreachable"
    """No connection, no answer in time, a 5xx or 429, or something that is no API server."""
    UNAUTHORISED = "Unauthorised"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    CONFLICT = "Conflict"
    """Another resourceVersion (409)."""
    ALREADY_EXISTS = "AlreadyExists"
    EXPIRED = "Expired"
    """The resourceVersion or the continue token is too old (410)."""
    UNPROCESSABLE = "Unprocessable"
    """A JSON Patch does not fit the object: a test failed or a path is not there (422)."""
    REFUSED = "Refused"
    """Validation or admission said no, or the request is wrong."""


@dataclass(frozen=True, slots=True)
class Ok:
    """The object or list that was asked for."""

    body: Mapping[str, Any]
    digest: bytes = field(default=b"", compare=False, repr=False)
    """Of what came over the wire, where the same may come again."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No object; ``status`` is 0 where no HTTP answer came."""

    status: int
    reason: Reason
    message: str
    """One sentence with the address; it never holds a secret."""
    from_api_server: bool = False
    """The body was a Kubernetes Status: an API server said so, not something before it."""


Answer = Ok | Failed


def read(method: str, url: str, status: int, body: bytes, credentials: str = "") -> Answer:
    """Make an answer of what came over the wire; ``credentials``: where they are written, in words."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if 200 <= status < 300 and isinstance(content, dict):
        return Ok(content)
    if 200 <= status < 300:
        return Failed(
            status,
            Reason.UNREACHABLE,
            f"{url} answered {method} with no JSON object: check that this is a Kubernetes API server",
        )
    said = content if isinstance(content, dict) and content.get("kind") == "Status" else {}
    reason = _reason(status, said)
    words = _shortened(" ".join(str(said.get("message") or "").split()))
    told = f" ({words})" if words else ""
    sentence = _denied(method, url, reason, told, credentials) or _sentence(
        method, url, status, reason, told
    )
    return Failed(status, reason, sentence, bool(said))


def _shortened(words: str) -> str:
    """Leave out the middle: a server that quotes the whole object says only afterwards what is wrong with it."""
    if len(words) <= _MOST_TEXT:
        return words
    return f"{words[: _MOST_TEXT // 3]} … {words[-2 * _MOST_TEXT // 3 :]}"


def _reason(status: int, said: Mapping[str, Any]) -> Reason:
    if status == 409:
        exists = said.get("reason") == "AlreadyExists"
        return Reason.ALREADY_EXISTS if exists else Reason.CONFLICT
    if status == 422:
        return Reason.REFUSED if _is_validation(said) else Reason.UNPROCESSABLE
    known = {
        401: Reason.UNAUTHORISED,
        403: Reason.FORBIDDEN,
        404: Reason.NOT_FOUND,
        410: Reason.EXPIRED,
        429: Reason.UNREACHABLE,
    }
    return known.get(status, Reason.UNREACHABLE if status >= 500 else Reason.REFUSED)


def _is_validation(said: Mapping[str, Any]) -> bool:
    """Tell validation and admission from a patch that does not fit: only the former names causes."""
    details = said.get("details")
    return isinstance(details, dict) and bool(details.get("causes") or details.get("kind"))


def _denied(method: str, url: str, reason: Reason, told: str, credentials: str) -> str:
    of = f" of {credentials}" if credentials else ""
    match reason:
        case Reason.UNAUTHORISED:
            return f"{url} does not accept the credentials{of} (401): renew them"
        case Reason.FORBIDDEN:
            return f"{url} forbids {method}{told}: grant it to the account that the credentials{of} name"
        case _:
            return ""


def _sentence(method: str, url: str, status: int, reason: Reason, told: str) -> str:
    check = ": check the cluster's API server" if reason is Reason.UNREACHABLE else ""
    return f"{url} answered {method} with {status}{told}{check}"
