"""What the kubelet, Prometheus and a person's browser may ask this process, leading or not."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from cutover.errors import ConfigurationError
from cutover.settings import Listen
from cutover.telemetry import Telemetry

log = logging.getLogger(__name__)


class Health:
    """What /healthz and /readyz say. Neither the API server nor the Lease has a part in it."""

    def __init__(self) -> None:
        self.state = "starting"
        """starting, following, leading or stopping: for people."""
        self.problem: Callable[[], str | None] = lambda: None
        """Says in a sentence why only a restart helps."""

    @property
    def is_ready(self) -> bool:
        """Followers are ready, too: a rolling update waits for them."""
        return self.state in ("following", "leading")


class Pages:
    """The handlers."""

    def __init__(self, health: Health, telemetry: Telemetry) -> None:
        self._health = health
        self._telemetry = telemetry

    async def healthz(self, _: web.Request) -> web.Response:
        """Say whether this process works. That the loop answers at all is half of it."""
        problem = self._health.problem()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    async def readyz(self, _: web.Request) -> web.Response:
        """Say whether this process has started."""
        return web.Response(
            text=f"{self._health.state}\n", status=200 if self._health.is_ready else 503
        )

    async def metrics(self, request: web.Request) -> web.Response:
        """Give all series. A thousand rollouts make some 20,000 lines: not in the loop's thread."""
        self._telemetry.refresh()
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        text = await asyncio.to_thread(encoder, self._telemetry.registry)
        return web.Response(body=text, headers={"Content-Type": content_type})


@asynccontextmanager
async def serving(
    listen: Listen,
    health: Health,
    telemetry: Telemetry,
    more: Iterable[web.AbstractRouteDef] = (),
) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port."""
    pages = Pages(health, telemetry)
    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", pages.healthz),
            web.get("/readyz", pages.readyz),
            web.get("/metrics", pages.metrics),
            *more,
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        port = await _listening(runner, listen)
        log.info("Listening on %s:%d", listen.host, port)
        yield port
    finally:
        await runner.cleanup()


async def _listening(runner: web.AppRunner, listen: Listen) -> int:
    try:
        await web.TCPSite(runner, listen.host, listen.port, reuse_address=True).start()
    except OSError as fault:
        raise ConfigurationError(
            f"--listen (CUTOVER_LISTEN): {listen.host}:{listen.port} cannot be listened on:"
            f" {os.strerror(fault.errno or 0)}"
        ) from fault
    return int(runner.addresses[0][1])
