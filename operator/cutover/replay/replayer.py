"""`ports.Replayer`: golden inputs of one gate, sent to both sides at a bounded pace."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from cutover.api.sides import Endpoint
from cutover.decide.asking import Asking
from cutover.decide.observation import Refusal
from cutover.judge.golden import Answer, GoldenSet, Item, Unanswered, Why
from cutover.metrics.credentials import Secrets
from cutover.ports import SideName
from cutover.replay.client import ModelServer, connect
from cutover.replay.golden import take_apart
from cutover.replay.protocols import spelling
from cutover.replay.sources import GoldenSources

AT_ONCE: Final = 2
"""Replays of this process at the same time; others wait for their turn."""
PULSE: Final = 0.002
LATE: Final = 0.03
"""Seconds by which the event loop may be late for one more request of a replay to begin."""
GIVES_WAY: Final = 0.1
"""Seconds for which one request gives way at most: ten a second get through wherever there is no calm."""
PAUSES: Final = (0.5, 2.0)
"""Seconds before each further try of a request that did not reach a model."""
_AGAIN: Final = frozenset((Why.UNREACHABLE, Why.OVERLOADED))
"""What a further try may mend; a model that answers slowly or refuses would do so again."""


class Pace:
    """At most so many requests a second, and so many at a time, to one side."""

    def __init__(self, rate: float, concurrency: int) -> None:
        self._every = 1.0 / rate
        self._next = 0.0
        self._room = asyncio.Semaphore(concurrency)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for the time and the room of one request."""
        async with self._room:
            now = asyncio.get_running_loop().time()
            at = max(self._next, now)
            self._next = at + self._every
            if at > now:
                await asyncio.sleep(at - now)
            yield


class Calm:
    """Lets a request begin only while the event loop keeps its times: looks come first.

    What is measured is by how much a short sleep oversleeps, whoever kept the loop or the processor busy.
    """

    def __init__(self, late: float = LATE, longest: float = GIVES_WAY) -> None:
        self._late = late
        self._longest = longest
        self._turn = asyncio.Lock()

    async def __call__(self) -> None:
        """Wait for a calm moment, but not without end: a busy process still gets a replay done."""
        time = asyncio.get_running_loop().time
        async with self._turn:
            begun, pause = time(), PULSE
            while True:
                slept = time()
                await asyncio.sleep(pause)
                late = time() - slept - pause
                if late <= self._late or time() - begun >= self._longest:
                    return
                pause = min(2 * max(pause, late), self._longest / 4)


class Replays:
    """What all replays of the process share."""

    def __init__(self, sources: GoldenSources, secrets: Secrets, at_once: int = AT_ONCE) -> None:
        self.sources = sources
        self.secrets = secrets
        self.room = asyncio.Semaphore(at_once)
        self.calm = Calm()
        self._system_tls: ssl.SSLContext | None = None

    @property
    def system_tls(self) -> ssl.SSLContext:
        """One set of system authorities: reading them takes milliseconds and half a megabyte."""
        if self._system_tls is None:
            self._system_tls = ssl.create_default_context()
        return self._system_tls


class GoldenReplayer:
    """One gate's golden set and both sides' endpoints."""

    def __init__(
        self,
        replays: Replays,
        namespace: str,
        source: Endpoint | None,
        target: Endpoint | None,
        asking: Asking,
    ) -> None:
        self._replays = replays
        self._namespace = namespace
        self._endpoints: dict[SideName, Endpoint | None] = {"source": source, "target": target}
        self._asking = asking
        self._spelling = spelling(asking)
        self._paces: dict[SideName, Pace] = {
            side: Pace(asking.rate, asking.concurrency) for side in self._endpoints
        }
        self._servers: dict[SideName, ModelServer] = {}
        self._connecting = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until this process has room for one more replay; afterwards the connections are closed."""
        async with self._replays.room:
            try:
                yield
            finally:
                servers, self._servers = list(self._servers.values()), {}
                for server in servers:
                    await server.aclose()

    async def golden_set(self) -> GoldenSet | Refusal:
        """Fetch, check and take apart the golden set."""
        content = await self._replays.sources.fetch(self._namespace, self._asking.dataset)
        return (
            content if isinstance(content, Refusal) else await take_apart(content, self._spelling)
        )

    async def ask(self, side: SideName, item: Item) -> Answer:
        """Send one item to one side; what did not reach a model is tried again, a few times."""
        server = await self._server(side)
        if isinstance(server, Unanswered):
            return server
        answer = await self._once(side, server, item)
        for pause in PAUSES:
            if not isinstance(answer, Unanswered) or answer.why not in _AGAIN:
                return answer
            await asyncio.sleep(pause)
            answer = await self._once(side, server, item)
        return answer

    async def _once(self, side: SideName, server: ModelServer, item: Item) -> Answer:
        async with self._paces[side].place():
            await self._replays.calm()
            return await server.ask(item, self._spelling, self._asking.deadline)

    async def _server(self, side: SideName) -> ModelServer | Unanswered:
        async with self._connecting:
            known = self._servers.get(side)
            if known is not None:
                return known
            endpoint = self._endpoints[side]
            if endpoint is None:
                return Unanswered(
                    Why.UNREACHABLE,
                    f"spec.{side}.endpoint is missing: name the {side}'s model server",
                )
            made = await connect(
                self._replays.secrets, self._namespace, endpoint, self._replays.system_tls
            )
            if isinstance(made, ModelServer):
                self._servers[side] = made
            return made
