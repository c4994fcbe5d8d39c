"""One stream of changes per cluster, namespace and kind of route, shared by every rollout there.

A watch only makes looks earlier and cheaper. Whoever needs to be sure asks the API server, and
every write demands what was looked at.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from cutover.clusters.answers import Failed, Reason
from cutover.clusters.connection import SILENCE, Connection, Event

_LIST_DEADLINE = 15.0
_SERVER_TIMEOUT = 290
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 10.0

log = logging.getLogger(__name__)

Callback = Callable[[], None]
"""Called when the route changed, came or went; it only wakes somebody up."""
Object = Mapping[str, Any]


class RouteWatch:
    """One kind's objects of one namespace, as the newest event or list has them."""

    def __init__(self, connection: Connection, path: str, silence: float = SILENCE) -> None:
        self._connection = connection
        self._path = path
        self._silence = silence
        self._routes: dict[str, Object] = {}
        self._callbacks: dict[str, list[Callback]] = {}
        self._healthy = False
        self._version = ""
        self._generation = connection.generation
        self._failures = 0

    @property
    def healthy(self) -> bool:
        """Whether the stream stands, towards the server that the connection now means."""
        return self._healthy and self._generation == self._connection.generation

    @property
    def used(self) -> bool:
        """Whether anybody subscribes."""
        return bool(self._callbacks)

    def cached(self, name: str) -> Object | None:
        """Return the route as last heard of; None when it is not there or nobody can tell."""
        return self._routes.get(name) if self.healthy else None

    def subscribe(self, name: str, callback: Callback) -> Callable[[], None]:
        """Have a route's changes told; returns what ends that."""
        self._callbacks.setdefault(name, []).append(callback)

        def unsubscribe() -> None:
            left = self._callbacks.get(name, [])
            if callback in left:
                left.remove(callback)
            if not left:
                self._callbacks.pop(name, None)

        return unsubscribe

    async def run(self) -> None:
        """List, then watch, for ever; after a failure wait a little longer each time."""
        try:
            while True:
                failed = await self._list()
                while failed is None and self.healthy:
                    failed = await self._follow()
                    await asyncio.sleep(_FIRST_WAIT)
                if failed is not None:
                    self._healthy = False
                    await self._wait_after(failed)
        finally:
            self._healthy = False

    async def _list(self) -> Failed | None:
        self._generation = self._connection.generation
        answer = await self._connection.list_all(self._path, deadline=_LIST_DEADLINE)
        if isinstance(answer, Failed):
            return answer
        self._version = str((answer.body.get("metadata") or {}).get("resourceVersion", ""))
        before, self._routes = self._routes, {}
        for route in answer.body["items"]:
            self._routes[route["metadata"]["name"]] = route
        self._healthy = True
        for name in before.keys() | self._routes.keys():
            if _version_of(before.get(name)) != _version_of(self._routes.get(name)):
                self._tell(name)
        return None

    async def _follow(self) -> Failed | None:
        """Take one stream to its end; None when the server ended it in peace."""
        query = {"resourceVersion": self._version, "timeoutSeconds": str(_SERVER_TIMEOUT)}
        stream = self._connection.watch(self._path, query, silence=self._silence)
        async with aclosing(stream):
            async for event in stream:
                if isinstance(event, Failed):
                    return event
                self._take(event)
                self._failures = 0
        return None

    def _take(self, event: Event) -> None:
        metadata = event.object["metadata"]
        self._version = metadata["resourceVersion"]
        if event.type == "BOOKMARK":
            return
        name = metadata["name"]
        if event.type == "DELETED":
            self._routes.pop(name, None)
        else:
            self._routes[name] = event.object
        self._tell(name)

    def _tell(self, name: str) -> None:
        for callback in tuple(self._callbacks.get(name, ())):
            callback()

    async def _wait_after(self, failed: Failed) -> None:
        # Only an event proves a stream good again: a list alone may succeed for ever beside it.
        if failed.reason is Reason.EXPIRED and self._failures == 0:
            self._failures = 1
            return
        self._failures += 1
        if self._failures == 3:
            log.warning("routes cannot be watched, each look asks: %s", failed.message)
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2**self._failures)
        await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 - spreads retries


def _version_of(route: Object | None) -> str:
    return "" if route is None else str(route["metadata"]["resourceVersion"])


class RouteWatches:
    """Starts a watch with its first subscriber and ends it with its last."""

    def __init__(self, silence: float = SILENCE) -> None:
        self._silence = silence
        self._running: dict[tuple[Connection, str], tuple[RouteWatch, asyncio.Task[None]]] = {}

    def subscribe(
        self, connection: Connection, collection: str, name: str, callback: Callback
    ) -> tuple[RouteWatch, Callable[[], None]]:
        """Return the watch of a collection (its path), and what ends this subscription."""
        key = (connection, collection)
        if key not in self._running:
            watch = RouteWatch(connection, collection, self._silence)
            task = asyncio.get_running_loop().create_task(watch.run(), name=f"watch {collection}")
            self._running[key] = (watch, task)
        watch, task = self._running[key]
        unsubscribe = watch.subscribe(name, callback)

        def end() -> None:
            unsubscribe()
            if not watch.used and self._running.get(key, (None, None))[1] is task:
                del self._running[key]
                task.cancel()

        return watch, end

    async def close(self) -> None:
        """End every watch."""
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
