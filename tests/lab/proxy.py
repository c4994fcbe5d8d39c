"""What goes wrong between a client and an API server or Prometheus?

`with FaultProxy(url, tls) as proxy:` listens on a loopback port and passes HTTP/1.1 on, unbuffered,
so that watches stream. Faults of the connection: `refuse`, `hang`, `cut`, `reset`, `delay`. Faults
of single requests: `fail`, `hang_requests`, `slow`, `lose_answers`, each for requests whose method
and path match. `requests` is what came through. It runs in the background; every call is
synchronous and works from a test with or without an event loop.
"""

import asyncio
import socket
import ssl
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.lab import background, ports
from tests.lab.faults import Mode, Rule, Seen, answer, read_seen
from tests.lab.wire import body_pieces, has_length, header

HEAD_LIMIT = 2**20
BODILESS = (204, 304)


@dataclass(frozen=True)
class ProxyTls:
    """The lab's certificate for the client's side, its CA for the upstream's."""

    ca: Path
    certificate: Path
    key: Path

    def serving(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def asking(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


class FaultProxy:
    def __init__(self, upstream: str, tls: ProxyTls | None = None) -> None:
        address = urlsplit(upstream)
        self.scheme = address.scheme
        self.upstream = (address.hostname or "127.0.0.1", address.port or 80)
        self.port = ports.free_ports(1)[0]
        self.requests: list[Seen] = []
        self.rules: list[Rule] = []
        self.mode: Mode = "pass"
        self.pause = 0.0
        self.serving = tls.serving() if tls else None
        self.asking = tls.asking() if tls else None
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._links: dict[asyncio.Task[None], Link] = {}

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def writes(self) -> list[Seen]:
        return [seen for seen in self.requests if seen.is_write]

    @property
    def open_connections(self) -> int:
        return len(self._links)

    def start(self) -> Self:
        background.run(self._open())
        return self

    def stop(self) -> None:
        background.run(self._close(abort=True))

    def pass_through(self) -> None:
        """No fault of the connection any more; connections that were cut stay dead."""
        self.pause = 0.0
        background.run(self._become("pass"))

    def refuse(self) -> None:
        """As a server that was killed: open connections end, new ones are refused."""
        background.run(self._become("refuse"))

    def hang(self) -> None:
        """As a partition: connections are accepted, nothing is answered, open ones go silent."""
        background.run(self._become("hang"))

    def reset(self) -> None:
        """Every connection, open or new, gets a TCP reset."""
        background.run(self._become("reset"))

    def cut(self) -> None:
        """As a balancer that forgot: the connections open now go silent for good, new ones work."""
        background.run(self._freeze())

    def delay(self, seconds: float) -> None:
        """Everything that is sent, in both directions, leaves so much later."""
        self.pause = seconds

    def fail(
        self,
        path: str = "",
        *,
        method: str = ".*",
        status: int = 500,
        body: str | bytes = "",
        headers: str = "",
        count: int | None = None,
    ) -> Rule:
        """Answer in the upstream's place; `headers` are whole lines, each ending in CRLF."""
        raw = body.encode() if isinstance(body, str) else body
        return self._add(Rule("fail", method, path, count, status, raw, headers))

    def hang_requests(
        self, path: str = "", *, method: str = ".*", count: int | None = None
    ) -> Rule:
        """Take the request and never answer it; the upstream does not see it."""
        return self._add(Rule("hang", method, path, count))

    def slow(
        self, path: str = "", *, seconds: float, method: str = ".*", count: int | None = None
    ) -> Rule:
        return self._add(Rule("slow", method, path, count, seconds=seconds))

    def lose_answers(self, path: str = "", *, method: str = ".*", count: int | None = None) -> Rule:
        """The upstream does what was asked, and the connection ends before the answer."""
        return self._add(Rule("lose", method, path, count))

    def clear(self) -> None:
        """No faults of requests any more."""
        self.rules.clear()

    def rule_for(self, seen: Seen) -> Rule | None:
        """A copy: what the caller does with it does not depend on later requests."""
        for rule in list(self.rules):
            if rule.takes(seen):
                return replace(rule)
        return None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    async def _become(self, mode: Mode) -> None:
        self.mode = mode
        if mode == "refuse":
            await self._close(abort=True)
            return
        if mode == "hang":
            await self._freeze()
        elif mode == "reset":
            await self._end_links(abort=True)
        if self._listener is None:
            await self._open()

    async def _freeze(self) -> None:
        for link in self._links.values():
            link.frozen = True

    async def _open(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(512)
        listener.setblocking(False)
        self._listener = listener
        self._accepting = asyncio.create_task(self._accept(listener))

    async def _close(self, *, abort: bool) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._end_links(abort=abort)

    async def _end_links(self, *, abort: bool) -> None:
        tasks = list(self._links)
        for task in tasks:
            self._links[task].reset_on_close = abort
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listener)
            link = Link(self, client)
            task = asyncio.create_task(link.run())
            self._links[task] = link
            task.add_done_callback(lambda done: self._links.pop(done, None))


class WatchedReader(asyncio.StreamReader):
    """Tells when the other side has closed, also while nobody reads."""

    def __init__(self) -> None:
        super().__init__(limit=HEAD_LIMIT)
        self.ended = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.ended.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.ended.set()


class Link:
    """One client's connection and, from its first request, its own to the upstream."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self.frozen = proxy.mode == "hang"
        self.reset_on_close = proxy.mode == "reset"
        self._proxy = proxy
        self._socket = client
        self._writers: list[asyncio.StreamWriter] = []
        self._upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self) -> None:
        try:
            if self.frozen:
                await asyncio.Event().wait()
            if not self.reset_on_close:
                await self._talk()
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self._close()

    async def _talk(self) -> None:
        reader, writer = await self._greet()
        serving = asyncio.create_task(self._serve(reader, writer))
        ended = asyncio.create_task(reader.ended.wait())
        try:
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            serving.cancel()
            ended.cancel()
            await asyncio.gather(serving, ended, return_exceptions=True)

    async def _greet(self) -> tuple[WatchedReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = WatchedReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, self._socket, ssl=self._proxy.serving
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        self._writers.append(writer)
        return reader, writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = b"".join([piece async for piece in body_pieces(reader, head)])
            seen = read_seen(head, body)
            self._proxy.requests.append(seen)
            rule = self._proxy.rule_for(seen)
            if rule is not None and rule.fate == "hang":
                await asyncio.Event().wait()
            if rule is not None and rule.fate == "slow":
                await asyncio.sleep(rule.seconds)
            if rule is not None and rule.fate == "fail":
                seen.status = rule.status
                await self._send(writer, answer(rule))
            elif not await self._pass_on(head, body, seen, rule, writer):
                return

    async def _pass_on(
        self,
        head: bytes,
        body: bytes,
        seen: Seen,
        rule: Rule | None,
        client: asyncio.StreamWriter,
    ) -> bool:
        """Whether the connection goes on after this answer."""
        reader, writer = await self._reach_upstream()
        await self._send(writer, head + body)
        answer_head = await reader.readuntil(b"\r\n\r\n")
        if rule is not None and rule.fate == "lose":
            self.reset_on_close = True
            return False
        seen.status = int(answer_head[9:12])
        await self._send(client, answer_head)
        if seen.method != "HEAD" and seen.status not in BODILESS:
            unbounded = not has_length(answer_head)
            async for piece in body_pieces(reader, answer_head, until_end=unbounded):
                await self._send(client, piece)
            if unbounded:
                return False
        return header(answer_head, b"connection").lower() != b"close"

    async def _reach_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream is None:
            host, port = self._proxy.upstream
            self._upstream = await asyncio.open_connection(
                host, port, ssl=self._proxy.asking, limit=HEAD_LIMIT
            )
            self._writers.append(self._upstream[1])
        return self._upstream

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._proxy.pause:
            await asyncio.sleep(self._proxy.pause)
        if self.frozen:
            await asyncio.Event().wait()
        writer.write(data)
        await writer.drain()

    def _close(self) -> None:
        if self.reset_on_close and self._socket.fileno() >= 0:
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for writer in self._writers:
            if self.reset_on_close:
                writer.transport.abort()
            else:
                writer.close()
        if not self._writers:
            self._socket.close()
