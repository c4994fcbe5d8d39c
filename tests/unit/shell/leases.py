"""The Lease API of an API server, in this process, with what can go wrong on the way to it."""

import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from cutover.clusters.answers import Answer, Failed, Ok, Reason

Fate = Literal["ok", "unreachable", "lost", "500", "403", "hang"]
"""lost: applied, and the answer never comes."""

URL = "/apis/coordination.k8s.io/v1/namespaces/cutover-system/leases"


async def _no_pause() -> None:
    pass


class LeaseServer:
    """Optimistic concurrency as Kubernetes has it; every object is a copy."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.epochs: list[int] = []
        """Of the rollouts' statuses."""
        self.writes: list[tuple[str, int]] = []
        """Holder and epoch of each accepted write."""

    def delete(self) -> None:
        self.lease = None

    def epoch(self) -> int:
        assert self.lease is not None
        return int(self.lease["spec"]["leaseTransitions"])

    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"].get("holderIdentity", ""))

    def apply(self, method: str, body: Mapping[str, Any] | None) -> Answer:
        if method == "GET":
            return _not_found() if self.lease is None else Ok(copy.deepcopy(self.lease))
        assert body is not None
        if method == "POST":
            return _exists() if self.lease is not None else self._store(body)
        if self.lease is None:
            return _not_found()
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            return Failed(409, Reason.CONFLICT, "somebody was faster", from_api_server=True)
        return self._store(body)

    def _store(self, body: Mapping[str, Any]) -> Answer:
        self.version += 1
        self.lease = copy.deepcopy(dict(body))
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        self.writes.append((self.holder(), self.epoch()))
        return Ok(copy.deepcopy(self.lease))


class LeaseClient:
    """One process's way to the server."""

    def __init__(
        self,
        server: LeaseServer,
        clock: Callable[[], float] = lambda: 0.0,
        pause: Callable[[], Awaitable[None]] = _no_pause,
    ) -> None:
        self.server = server
        self.fates: list[Fate] = []
        """Of the next requests; after them, ``usual``."""
        self.usual: Fate = "ok"
        self.asked: list[str] = []
        self.on_hang: Callable[[float], None] = lambda _: None
        self._clock = clock
        self._pause = pause

    async def get(self, path: str, *, deadline: float) -> Answer:
        assert path == f"{URL}/cutover"
        return await self._ask("GET", None, deadline)

    async def post(self, path: str, body: Any, *, deadline: float) -> Answer:
        assert path == URL
        return await self._ask("POST", body, deadline)

    async def put(self, path: str, body: Any, *, deadline: float) -> Answer:
        assert path == f"{URL}/cutover"
        return await self._ask("PUT", body, deadline)

    async def _ask(self, method: str, body: Any, deadline: float) -> Answer:
        self.asked.append(method)
        fate = self.fates.pop(0) if self.fates else self.usual
        sent = self._clock()
        await self._pause()
        if fate == "hang":
            self.on_hang(deadline)
        if fate in ("unreachable", "hang"):
            return _unreachable()
        if fate in ("500", "403"):
            reason = Reason.FORBIDDEN if fate == "403" else Reason.UNREACHABLE
            return Failed(int(fate), reason, f"answered {fate}", from_api_server=True)
        answer = self.server.apply(method, body)
        await self._pause()
        late = self._clock() - sent > deadline
        return _unreachable() if fate == "lost" or late else answer


def _unreachable() -> Failed:
    return Failed(0, Reason.UNREACHABLE, "cannot be reached")


def _not_found() -> Failed:
    return Failed(404, Reason.NOT_FOUND, "not found", from_api_server=True)


def _exists() -> Failed:
    return Failed(409, Reason.ALREADY_EXISTS, "exists", from_api_server=True)
