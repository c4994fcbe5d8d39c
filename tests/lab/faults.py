"""What is a fault of a single request, and which requests does it take?"""

import re
import time
from dataclasses import dataclass
from typing import Literal

from tests.lab.wire import header

Mode = Literal["pass", "refuse", "hang", "reset"]
Fate = Literal["fail", "hang", "slow", "lose"]
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class Seen:
    """One request that reached the proxy."""

    at: float
    method: str
    path: str
    content_type: str
    user_agent: str
    body: bytes
    status: int = 0
    """Of the answer sent to the client; 0 as long as there was none."""

    @property
    def is_write(self) -> bool:
        return self.method in WRITES


@dataclass
class Rule:
    fate: Fate
    method: str
    path: str
    remaining: int | None
    status: int = 500
    body: bytes = b""
    headers: str = ""
    seconds: float = 0.0
    hits: int = 0

    def takes(self, seen: Seen) -> bool:
        """Method and path (with its query) are regular expressions; the path may match anywhere."""
        if self.remaining == 0 or not re.fullmatch(self.method, seen.method):
            return False
        if not re.search(self.path, seen.path):
            return False
        self.hits += 1
        if self.remaining is not None:
            self.remaining -= 1
        return True


def read_seen(head: bytes, body: bytes) -> Seen:
    method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
    return Seen(
        time.time(),
        method,
        path,
        header(head, b"content-type").decode(),
        header(head, b"user-agent").decode(),
        body,
    )


def answer(rule: Rule) -> bytes:
    kind = "application/json" if rule.body[:1] in (b"{", b"[") else "text/plain"
    head = f"HTTP/1.1 {rule.status} Injected\r\ncontent-type: {kind}\r\n{rule.headers}"
    return f"{head}content-length: {len(rule.body)}\r\n\r\n".encode() + rule.body
