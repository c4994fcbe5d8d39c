"""How does the traffic process send its requests?

`python -m tests.lab.generator SPEC`; standard input takes `rate N` and `stop`. A raw HTTP/1.1
client over kept connections: hundreds of requests a second for a fraction of a core.
"""

import asyncio
import json
import random
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

PROMPTS = (
    "Say hello.",
    "What is the capital of France?",
    "Summarise the incident report in one sentence.",
    "Translate 'good morning' into Spanish.",
    "Why is the sky blue?",
    "List three prime numbers.",
    "Write a haiku about autumn rain.",
    "Explain what a load balancer does to a person who has never heard of one.",
)
TICK = 0.002


@dataclass(frozen=True)
class TrafficPlan:
    host: str
    port: int
    authority: str
    path: str
    rate: float
    log: str
    body: str
    stream: bool
    timeout: float
    max_in_flight: int
    seconds: float
    count: int
    poisson: bool
    seed: int


class ClientConnection(asyncio.Protocol):
    """Sends one request at a time and reads its whole answer."""

    def __init__(self, sender: "Sender") -> None:
        self._sender = sender
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._head: bytes | None = None
        self._remaining: int | None = None
        self._sent_at = self._began = self._first_byte = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes, sent_at: float, began: float) -> None:
        self._buffer, self._head, self._first_byte = b"", None, 0.0
        self._sent_at, self._began = sent_at, began
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._sender.plan.timeout, self._expire)
        if self._transport is None or self._transport.is_closing():
            self._fail("closed")
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._timer is None:
            return
        if not self._first_byte:
            self._first_byte = time.perf_counter() - self._began
        self._buffer += data
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head, self._buffer = self._buffer[:end].lower(), self._buffer[end + 4 :]
            length = header_of(self._head, b"content-length")
            self._remaining = int(length) if length else None
        if self._remaining is not None:
            done = len(self._buffer) >= self._remaining
        else:
            done = self._buffer.endswith(b"0\r\n\r\n")
        if done:
            self._finish()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._sender.forget(self)
        self._fail("closed")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _finish(self) -> None:
        assert self._head is not None
        self._stop_timer()
        status = int(self._head[9:12])
        side = header_of(self._head, b"x-served-by").decode()
        self._sender.record(
            self._sent_at, self._began, status=status, side=side, first_byte=self._first_byte
        )
        if header_of(self._head, b"connection") == b"close":
            self.close()
        else:
            self._sender.give_back(self)

    def _expire(self) -> None:
        self._fail("timeout")
        self.close()

    def _fail(self, reason: str) -> None:
        if self._timer is not None:
            self._stop_timer()
            self._sender.record(
                self._sent_at, self._began, first_byte=self._first_byte, error=reason
            )

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Sender:
    def __init__(self, plan: TrafficPlan, log: TextIO) -> None:
        self.plan = plan
        self.rate = plan.rate
        self._log = log
        self._idle: deque[ClientConnection] = deque()
        self._open = 0
        self._random = random.Random(plan.seed)
        self._requests = make_requests(plan)
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        """Requests are due at their times; a late tick sends all that are due."""
        self._log.write("# at\tfinished\tstatus\tside\tlatency\tfirst_byte\terror\n")
        self._log.flush()
        count, began = 0, time.perf_counter()
        due = last_flush = began
        while count < self.plan.count and not self.stopped.is_set():
            now = time.perf_counter()
            if now - began > self.plan.seconds:
                break
            if self.rate <= 0:
                due = now
            while self.rate > 0 and due <= now and count < self.plan.count:
                self._send(self._requests[count % len(self._requests)])
                count += 1
                gap = self._random.expovariate(1.0) if self.plan.poisson else 1.0
                due += gap / self.rate
            if now - last_flush > 0.1:
                self._log.flush()
                last_flush = now
            pause = min(max(due - time.perf_counter(), TICK), 0.05)
            await asyncio.sleep(pause)
        await self._drain()

    def record(
        self,
        at: float,
        began: float,
        *,
        status: int = 0,
        side: str = "",
        first_byte: float = 0.0,
        error: str = "",
    ) -> None:
        latency = time.perf_counter() - began
        self._open -= 1
        self._log.write(
            f"{at:.6f}\t{at + latency:.6f}\t{status}\t{side}\t{latency:.6f}"
            f"\t{first_byte:.6f}\t{error}\n"
        )

    def give_back(self, connection: ClientConnection) -> None:
        self._idle.append(connection)

    def forget(self, connection: ClientConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def _send(self, request: bytes) -> None:
        at, began = time.time(), time.perf_counter()
        self._open += 1
        if self._open > self.plan.max_in_flight:
            self.record(at, began, error="shed")
        elif self._idle:
            self._idle.pop().ask(request, at, began)
        else:
            task = asyncio.get_running_loop().create_task(self._connect(request, at, began))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, request: bytes, at: float, began: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.plan.timeout):
                _, connection = await loop.create_connection(
                    lambda: ClientConnection(self), self.plan.host, self.plan.port
                )
        except TimeoutError:
            self.record(at, began, error="timeout")
        except OSError:
            self.record(at, began, error="refused")
        else:
            connection.ask(request, at, began)

    async def _drain(self) -> None:
        deadline = time.perf_counter() + self.plan.timeout + 1
        while self._open and time.perf_counter() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self._idle):
            connection.close()
        await asyncio.sleep(0)


def make_requests(plan: TrafficPlan) -> list[bytes]:
    """One request for each prompt, or for the one body given."""
    bodies = [plan.body]
    if not plan.body:
        bodies = [
            json.dumps({"messages": [{"role": "user", "content": text}], "stream": plan.stream})
            for text in PROMPTS
        ]
    requests = []
    for body in bodies:
        raw = body.encode()
        head = (
            f"POST {plan.path} HTTP/1.1\r\nhost: {plan.authority}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        )
        requests.append(head.encode() + raw)
    return requests


def header_of(head: bytes, name: bytes) -> bytes:
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    begin = start + len(name) + 3
    end = head.find(b"\r\n", begin)
    return head[begin : end if end >= 0 else len(head)].strip()


async def obey(sender: Sender) -> None:
    """Lines of standard input; its end means stop."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        if line[0] == "rate":
            sender.rate = float(line[1])
        else:
            break
    sender.stopped.set()


async def send(plan: TrafficPlan) -> None:
    with Path(plan.log).open("w") as log:
        sender = Sender(plan, log)
        orders = asyncio.get_running_loop().create_task(obey(sender))
        await sender.run()
        orders.cancel()


if __name__ == "__main__":
    asyncio.run(send(TrafficPlan(**json.loads(Path(sys.argv[1]).read_text()))))
