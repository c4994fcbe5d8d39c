"""What does the operator say about itself? One line per record, JSON or text, never a secret."""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

Format = Literal["json", "text"]

_subject: ContextVar[dict[str, str | int]] = ContextVar("subject")

_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 ***"),
    (re.compile(r"://[^/\s@:]+:[^/\s@]+@"), "://***@"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), "***"),
    (
        re.compile(
            r"(?i)(?<!first-)(token|password|secret|api[_-]?key)(['\"]?\s*[=:]\s*['\"]?)[^\s&,;'\"]{6,}"
        ),
        r"\1\2***",
    ),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END|$)", re.DOTALL), "***"),
)


@contextmanager
def about(
    *, rollout: str | None = None, attempt: int | None = None, step: int | None = None
) -> Iterator[None]:
    """Say in every record inside which rollout, attempt and step it is about."""
    given = {"rollout": rollout, "attempt": attempt, "step": step}
    named = {name: value for name, value in given.items() if value is not None}
    token = _subject.set({**_subject.get({}), **named})
    try:
        yield
    finally:
        _subject.reset(token)


def redacted(text: str) -> str:
    """Blank out what looks like a credential: a last resort, for the words of other libraries."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class _Lines(logging.Formatter):
    """What both formats share."""

    def said(self, record: logging.LogRecord) -> dict[str, str | int]:
        """Name a record's parts, in the order of print."""
        moment = datetime.fromtimestamp(record.created, UTC)
        parts: dict[str, str | int] = {
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": redacted(record.getMessage()),
            **_subject.get({}),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1] is not None:
            parts["error"] = redacted("".join(traceback.format_exception(record.exc_info[1])))
        return parts


class JsonLines(_Lines):
    """For machines: one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.said(record), ensure_ascii=False)


class TextLines(_Lines):
    """For a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        said = self.said(record)
        where = " ".join(f"{k}={said[k]}" for k in ("rollout", "attempt", "step") if k in said)
        line = f"{said['ts']} {record.levelname:7} {where}{' ' if where else ''}{said['message']}"
        return f"{line}\n{said['error']}" if "error" in said else line


def start_logging(level: str, form: Format) -> None:
    """Send every record to standard error. Kopf tells of each event it hands over: not of interest."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("kopf.objects", "aiohttp.access", "httpx", "httpcore", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def flush() -> None:
    """Write out what is buffered, for a process that is about to end without more ado."""
    for handler in logging.getLogger().handlers:
        handler.flush()
