"""A hundred rollouts whose routes' cluster goes silent take nobody's turn away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cutover.clusters.access import Access
from cutover.clusters.breaker import Breaker
from cutover.clusters.connection import Connection
from cutover.clusters.pool import Pool
from cutover.dispatcher import Dispatcher
from cutover.queue import Key, Queue
from cutover.telemetry import Telemetry

VICTIMS, OTHERS = 100, 8
EVERY = {"victim": 4.0, "other": 0.2}
"""Seconds between looks: 25 a second at the cluster that will hang, as many slots as looks may have in 1.3 s."""


@asynccontextmanager
async def server(answering: asyncio.Event) -> AsyncIterator[str]:
    """Takes every connection; answers while it may."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await answering.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    listening = await asyncio.start_server(quietly, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        answering.set()
        listening.close()


def connection(url: str, breaker: Breaker | None) -> Connection:
    pool = Pool.build(Access(url, token="t"), "here")
    assert isinstance(pool, Pool)
    pool.breaker = breaker
    return Connection(pool, "cluster under test")


class Looks:
    """One look is one request to the rollout's cluster."""

    def __init__(self, silent: Connection, good: Connection) -> None:
        self._clusters = {"victim": silent, "other": good}
        self._due: dict[Key, float] = {}
        self.late: list[float] = []
        """Seconds, of the others' looks."""

    async def reconcile(self, key: Key) -> float:
        now = asyncio.get_running_loop().time()
        kind = key[0]
        if kind == "other":
            self.late.append(now - self._due.get(key, now))
        await self._clusters[kind].get("/a")
        self._due[key] = asyncio.get_running_loop().time() + EVERY[kind]
        return EVERY[kind]


async def lateness(breaker: Breaker | None) -> tuple[float, float]:
    """The others' worst lateness: while all is well, and while the victims' cluster hangs."""
    answering, always = asyncio.Event(), asyncio.Event()
    answering.set()
    always.set()
    async with server(answering) as one, server(always) as two:
        silent, good = connection(one, breaker), connection(two, None)
        looks, queue = Looks(silent, good), Queue()
        dispatcher = Dispatcher(queue, looks, Telemetry())
        for number in range(VICTIMS):
            queue.add(("victim", str(number)), EVERY["victim"] * number / VICTIMS)
        for number in range(OTHERS):
            queue.add(("other", str(number)), EVERY["other"] * number / OTHERS)
        running = asyncio.create_task(dispatcher.run())
        await asyncio.sleep(1)
        well, looks.late = max(looks.late), []
        answering.clear()
        await asyncio.sleep(3)
        ill = max((*looks.late, 3.0 if len(looks.late) < OTHERS else 0.0))
        running.cancel()
        await dispatcher.stop(0.1)
        await silent.pool.close()
        await good.pool.close()
    return well, ill


async def test_the_others_looks_stay_on_time() -> None:
    well, ill = await lateness(Breaker())
    assert ill < well + 0.5


@pytest.mark.long
async def test_without_a_breaker_they_would_not() -> None:
    well, ill = await lateness(None)
    assert ill > well + 1
