"""A loopback HTTP server that answers what a test tells it to, and remembers what was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from cutover.clusters.access import Access
from cutover.clusters.connection import Connection
from cutover.clusters.pool import Pool

Handler = Callable[[web.Request], web.Response]


@dataclass
class Server:
    """``answers`` by path; a handler is called, anything else is sent as JSON."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.json() if request.can_read_body else None)
        answer = self.answers.get(request.path)
        if answer is None:
            status = {"kind": "Status", "code": 404, "message": "not found"}
            return web.json_response(status, status=404)
        if answer == "hang":
            await asyncio.Event().wait()
        return answer(request) if callable(answer) else web.json_response(answer)

    def connection(self, **access: Any) -> Connection:
        pool = Pool.build(Access(self.url, **({"token": "t"} | access)), "here")
        assert isinstance(pool, Pool)
        self.pools.append(pool)
        return Connection(pool, "cluster under test")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    for pool in made.pools:
        await pool.close()
    await runner.cleanup()


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
