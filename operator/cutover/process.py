"""One operator process: health first, then wait for the Lease, then lead, until something ends."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from typing import Any, NoReturn, TypeVar

from cutover.api import KIND
from cutover.clusters.answers import Failed
from cutover.clusters.connection import Connection
from cutover.clusters.own import connect_own
from cutover.dispatcher import Dispatcher, Reconciler
from cutover.election import Election
from cutover.errors import ConfigurationError
from cutover.handlers import Watch
from cutover.logs import flush
from cutover.ports import Leadership
from cutover.queue import Key, Queue
from cutover.roster import Roster
from cutover.server import Health, serving
from cutover.settings import Settings
from cutover.telemetry import Telemetry

log = logging.getLogger(__name__)

STOPPED, ENDED, MISCONFIGURED, NOT_INSTALLED = 0, 1, 2, 3
"""Exit codes; what each means is said in ``__main__``."""

GRACE = 5.0
"""On a stop, what runs may finish within so many seconds."""
CLEAN_UP = 1.0
TRY_AGAIN = 2.0
LAG_EVERY = 1.0

T = TypeVar("T")
Build = Callable[[Settings, Leadership, Queue, Telemetry], AbstractAsyncContextManager[Reconciler]]


async def live(settings: Settings, build: Build) -> NoReturn:
    """End the process from within the loop: nobody waits for a thread that hangs."""
    life = asyncio.create_task(Process(settings, os.environ, build).run())
    await asyncio.wait({life})
    fault = life.exception()
    if isinstance(fault, ConfigurationError):
        log.error("%s", fault)
        code = MISCONFIGURED
    elif fault is not None:
        log.critical("The operator broke", exc_info=fault)
        code = ENDED
    else:
        code = life.result()
    log.info("Ending with exit code %d", code)
    flush()
    os._exit(code)


class Process:
    """One operator process, from start to exit code."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], build: Build) -> None:
        self._settings = settings
        self._environment = environment
        self._build = build
        self._telemetry = Telemetry()
        self._health = Health()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Follow, lead, end; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        settings = self._settings
        # Of its own: hundreds of looks must not keep a renewal of the Lease waiting.
        own = connect_own(self._environment, allow_insecure=settings.allow_insecure_tls)
        roster = Roster(own, settings.watch_namespaces)
        election = Election(own, settings.lease_namespace, roster.highest_epoch)
        async with (
            serving(settings.listen, self._health, self._telemetry),
            _quickly_closed(_open(own)),
        ):
            installed = await self._unless_stopped(_installed(roster))
            if installed is None:
                return STOPPED
            if not installed:
                return NOT_INSTALLED
            self._health.state = "following"
            if await self._unless_stopped(election.win()) is None:
                return STOPPED
            watch = Watch(lambda: own.pool.access, settings.watch_namespaces)
            return await self._lead(election, roster, watch)

    async def _lead(self, election: Election, roster: Roster, watch: Watch) -> int:
        """Work until something ends that must not, or the stop comes; then tidy up."""
        queue = Queue()
        for key in roster.known:
            queue.add(key)
        self._health.state = "leading"
        self._telemetry.led(election.epoch)
        holding = asyncio.create_task(election.hold(), name="lease")
        async with _quickly_closed(
            self._build(self._settings, election, queue, self._telemetry)
        ) as reconciler:
            dispatcher = Dispatcher(queue, reconciler, self._telemetry)
            self._health.problem = dispatcher.problem
            self._telemetry.before_scrape(lambda: self._measure(queue))
            ends: dict[asyncio.Future[Any], str] = {
                holding: "The Lease is lost",
                asyncio.create_task(dispatcher.run(), name="dispatcher"): "The dispatcher ended",
                asyncio.create_task(roster.resync(queue), name="resync"): "The resync ended",
                asyncio.create_task(self._feel_lag(), name="lag"): "The lag is no longer felt",
                watch.start(lambda key, changed: _heard(queue, key, changed=changed)): (
                    "The watch ended"
                ),
            }
            code = await self._until_one_ends(ends)
            self._health.state = "stopping"
            self._telemetry.lost()
            is_lost = holding.done()
            await dispatcher.stop(0.0 if is_lost else GRACE)
            holding.cancel()
            await asyncio.wait({holding})
            if not is_lost:
                await election.release()
        return code

    async def _until_one_ends(self, ends: Mapping[asyncio.Future[Any], str]) -> int:
        """Wait for the stop, or for the end of what should not end."""
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait({stopped, *ends}, return_when=asyncio.FIRST_COMPLETED)
        for future, words in ends.items():
            if future.done():
                log.error("%s: %s", words, future.exception() or future.result())
        return STOPPED if stopped.done() else ENDED

    async def _feel_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            self._telemetry.lagged(max(0.0, loop.time() - due))

    def _measure(self, queue: Queue) -> None:
        self._telemetry.queued(
            depth=queue.depth, oldest_due=queue.oldest_due, failing=queue.failing
        )

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do the work; None when the stop came first."""
        doing, stopped = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not doing.done():
            doing.cancel()
            return None
        return doing.result()


def _heard(queue: Queue, key: Key, *, changed: bool) -> None:
    if changed:
        queue.wake(key)
    else:
        queue.add(key)


async def _installed(roster: Roster) -> bool:
    """Whether our kind is there, as soon as the API server can tell."""
    told = ""
    while isinstance(answer := await roster.is_installed(), Failed):
        if answer.message != told:
            log.warning("Waiting for the API server: %s", answer.message)
        told = answer.message
        await asyncio.sleep(TRY_AGAIN)
    if not answer:
        log.error(
            "This cluster does not know %s: install the CustomResourceDefinition"
            " (kubectl apply --server-side -k crds/, or the chart) and start again",
            KIND,
        )
    return answer


@asynccontextmanager
async def _open(connection: Connection) -> AsyncIterator[Connection]:
    try:
        yield connection
    finally:
        await connection.pool.close()


@asynccontextmanager
async def _quickly_closed(manager: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Give the closing a second: the process ends anyway, and a stop must not take long."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(manager)
        closing = stack.pop_all()
    with suppress(TimeoutError):
        async with asyncio.timeout(CLEAN_UP):
            await closing.aclose()
