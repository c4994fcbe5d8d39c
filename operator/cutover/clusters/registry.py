"""Every cluster in use: one connection per reference, one pool per access.

A connection that was good once stays good for whoever holds it: neither a vanished Secret nor a
silent API server of our own may take a rollback's way away. Newer credentials replace the old ones
beneath the holders.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from cutover.api.clusters import ClusterRef
from cutover.clusters.access import Access, Unusable
from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.breaker import Breaker
from cutover.clusters.connection import Connection
from cutover.clusters.pool import Pool
from cutover.clusters.secrets import MAX_AGE, MISSING, REFUSED
from cutover.clusters.sources import Found, Sources
from cutover.clusters.tokens.keeper import Issue
from cutover.decide.observation import NOT_ANSWERED, Refusal, SideReach

_REACH_OK, _REACH_FAILED = 15.0, 10.0
_REACH_FIRST, _REACH_AGAIN = 1.0, 0.25
"""Seconds that a look waits for the answer of a cluster of which nothing is known yet, and later on."""
_REFRESH_GAP = 1.0
"""Seconds: a wrong token must not become a stream of Secret reads."""
_NOT_READ = (MISSING, REFUSED, "IdentityNotLent")

log = logging.getLogger(__name__)

Place = tuple[str, ClusterRef]
"""The namespace of the rollout, and what it names there."""


@dataclass(slots=True)
class _Entry:
    """What one reference leads to."""

    place: Place
    where: str
    """The Secret and key in words."""
    holders: set[str] = field(default_factory=set)
    connection: Connection | None = None
    version: str = ""
    """Of what was read last, usable or not."""
    unusable: Refusal | None = None
    """What is wrong with that version."""
    problem: Refusal | None = None
    """Why it cannot be used now."""
    checked_at: float = float("-inf")
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class _Reached:
    """Whether a cluster answered, asked beside the looks."""

    until: float = float("-inf")
    reach: SideReach | None = None
    slow: bool = False
    """The last answer was not worth waiting for."""
    task: asyncio.Task[None] | None = None


class Clusters:
    """Connections by cluster reference. Holders are rollouts (``namespace/name``)."""

    def __init__(
        self,
        own: Connection,
        sources: Sources,
        issue: Issue | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.own = own
        self._sources = sources
        self._issue = issue
        self._clock = clock
        self._entries: dict[Place, _Entry] = {}
        self._pools: dict[Access, Pool] = {}
        self._breakers: dict[tuple[str, str | None], Breaker] = {}
        self._reached: dict[Connection, _Reached] = {}
        self._identity: str | None = None
        self._checks: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()

    async def connect(self, ref: ClusterRef, namespace: str, holder: str) -> Connection | Refusal:
        """Return the cluster's connection and keep it open until ``holder`` is released.

        The first holder waits for the Secret; a later look never waits, it only has the Secret
        looked at again where that is due.
        """
        if ref.is_own:
            return self.own
        entry = self._entry(ref, namespace)
        due = self._clock() - entry.checked_at >= MAX_AGE
        if due and holder in entry.holders:
            _start(self._check(entry), self._checks)
        elif due:
            await self._check(entry)
        if entry.connection is None or (entry.problem and holder not in entry.holders):
            return entry.problem or Refusal(REFUSED, f"{entry.where} was not read yet")
        entry.holders.add(holder)
        entry.connection.keep_fresh()
        return entry.connection

    def problem(self, ref: ClusterRef, namespace: str) -> Refusal | None:
        """Say what is wrong with the Secret now, though connections made before still work."""
        return None if ref.is_own else self._entry(ref, namespace).problem

    def release(self, holder: str) -> None:
        """Close what nobody else uses."""
        for entry in list(self._entries.values()):
            entry.holders.discard(holder)
            if not entry.holders and not entry.checking.locked():
                del self._entries[entry.place]
                if entry.connection is not None:
                    self._forget_reach(entry.connection)
        self._close_unused()

    async def reach(self, ref: ClusterRef, namespace: str, holder: str) -> SideReach:
        """Tell whether the cluster gives its version, asked every 15 s, after a failure every 10 s.

        It is asked beside the look: one that answers nothing keeps nobody waiting a second time.
        """
        connection = await self.connect(ref, namespace, holder)
        if isinstance(connection, Refusal):
            return SideReach(False, connection.reason, connection.message)
        problem = self.problem(ref, namespace)
        if problem is not None and problem.reason in _NOT_READ:
            return SideReach(False, problem.reason, problem.message)
        kept = self._reached.setdefault(connection, _Reached())
        if self._clock() < kept.until and kept.reach is not None:
            return kept.reach
        if kept.task is None or kept.task.done():
            kept.task = _task(self._ask_reach(connection, kept), self._checks)
        if not kept.slow:
            patience = _REACH_FIRST if kept.reach is None else _REACH_AGAIN
            await asyncio.wait({kept.task}, timeout=patience)
            kept.slow = not kept.task.done()
        return kept.reach or SideReach(
            None, NOT_ANSWERED, f"{connection.server} has not answered yet"
        )

    async def _ask_reach(self, connection: Connection, kept: _Reached) -> None:
        began = self._clock()
        kept.reach = _reach(await connection.get("/version"))
        kept.slow = self._clock() - began > _REACH_AGAIN
        age = _REACH_OK if kept.reach.reachable else _REACH_FAILED
        kept.until = self._clock() + age

    def _forget_reach(self, connection: Connection) -> None:
        kept = self._reached.pop(connection, None)
        if kept is not None and kept.task is not None:
            kept.task.cancel()

    async def identity(self) -> str | Failed:
        """Tell our own cluster from every other: the uid of its kube-system namespace."""
        if self._identity is None:
            answer = await self.own.get("/api/v1/namespaces/kube-system")
            match answer:
                case Ok(body):
                    self._identity = str(body["metadata"]["uid"])
                case Failed(reason=Reason.FORBIDDEN | Reason.NOT_FOUND):
                    access = self.own.pool.access
                    known = f"{access.ca or ''}\n{access.server}".encode()
                    self._identity = f"ca-{hashlib.sha256(known).hexdigest()[:32]}"
                case Failed():
                    return answer
        return self._identity

    async def close(self) -> None:
        """Close everything, our own connection included."""
        for check in self._checks:
            check.cancel()
        self._entries.clear()
        self._close_unused()
        await asyncio.gather(*self._checks, *self._closings, return_exceptions=True)
        await self.own.pool.close()

    def _entry(self, ref: ClusterRef, namespace: str) -> _Entry:
        place = (namespace, ref.model_copy(update={"namespace": None}))
        if place not in self._entries:
            self._entries[place] = _Entry(place, self._sources.where(ref, namespace))
        return self._entries[place]

    async def _check(self, entry: _Entry, max_age: float = MAX_AGE) -> None:
        """Read the Secret again and swap the pool where it changed."""
        async with entry.checking:
            if self._clock() - entry.checked_at < max_age:
                return
            namespace, ref = entry.place
            found = await self._sources.find(ref, namespace, max_age)
            entry.checked_at = self._clock()
            if isinstance(found, Refusal):
                self._note(entry, found)
                return
            if found.version != entry.version:
                entry.unusable = await self._take(entry, found)
                entry.version = found.version
            self._note(entry, entry.unusable)

    async def _take(self, entry: _Entry, found: Found) -> Refusal | None:
        access = await self._sources.access(found)
        if isinstance(access, Refusal):
            return access
        pool = self._pool(access, found.where)
        if isinstance(pool, Unusable):
            return Refusal(REFUSED, pool.message)
        if entry.connection is None:
            name = f"cluster of {entry.where}"
            entry.connection = Connection(pool, name, lambda: self._renew(entry))
            entry.connection.counted = self.own.counted
        elif entry.connection.pool is not pool:
            log.info("Newer credentials are in force: %s", found.where)
            entry.connection.replace(pool)
            self._forget_reach(entry.connection)
            self._close_unused()
        entry.connection.credentials = found.where
        return None

    def _note(self, entry: _Entry, problem: Refusal | None) -> None:
        if problem is not None and entry.connection is not None and problem != entry.problem:
            log.warning("The credentials read before stay in force: %s", problem.message)
        entry.problem = problem

    async def _renew(self, entry: _Entry) -> bool:
        """Look for newer credentials after a 401."""
        connection = entry.connection
        before = connection.generation if connection else 0
        await self._check(entry, max_age=_REFRESH_GAP)
        return connection is not None and connection.generation != before

    def _pool(self, access: Access, where: str) -> Pool | Unusable:
        known = self._pools.get(access)
        built = known or Pool.build(access, where, self._issue, self._clock)
        if isinstance(built, Pool):
            self._pools[access] = built
            built.breaker = self._breakers.setdefault(
                _way(access), built.breaker or Breaker(self._clock)
            )
        return built

    def _close_unused(self) -> None:
        used = {entry.connection.pool for entry in self._entries.values() if entry.connection}
        for access, pool in list(self._pools.items()):
            if pool not in used:
                del self._pools[access]
                _start(pool.close(), self._closings)
        ways = {_way(access) for access in self._pools}
        for way in self._breakers.keys() - ways:
            del self._breakers[way]


def _way(access: Access) -> tuple[str, str | None]:
    """What a server's silence is told by: the same server through another proxy is another way."""
    return access.server, access.proxy


def _start(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
    _ = _task(work, tasks)


def _task(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def _reach(answer: Answer) -> SideReach:
    if isinstance(answer, Ok):
        return SideReach(True, "Reachable", "")
    return SideReach(False, str(answer.reason), answer.message)
