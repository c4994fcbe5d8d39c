"""Every cluster in use: one connection per kubeconfig Secret, one pool per access.

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

from cutover.api.sides import ClusterRef, KubeconfigSecretRef
from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.connection import Connection
from cutover.clusters.kubeconfig import Access, Unusable, parse
from cutover.clusters.pool import Pool
from cutover.clusters.secrets import MAX_AGE, MISSING, REFUSED, Secret, Secrets
from cutover.decide.observation import Refusal, SideReach

_KEYS = ("kubeconfig", "value")
_REACH_OK, _REACH_FAILED = 15.0, 10.0
_REFRESH_GAP = 1.0
"""Seconds: a wrong token must not become a stream of Secret reads."""

log = logging.getLogger(__name__)

Place = tuple[str, str, str | None]
"""Namespace, name and key of a kubeconfig Secret."""


@dataclass(slots=True)
class _Entry:
    """One kubeconfig Secret."""

    place: Place
    holders: set[str] = field(default_factory=set)
    connection: Connection | None = None
    version: str = ""
    """The Secret's resourceVersion that was read last, usable or not."""
    unusable: Refusal | None = None
    """What is wrong with that version."""
    problem: Refusal | None = None
    """Why the Secret cannot be used now."""
    checked_at: float = float("-inf")
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def where(self) -> str:
        namespace, name, key = self.place
        return f"Secret {namespace}/{name}" + (f" key {key}" if key else "")


class Clusters:
    """Connections by cluster reference. Holders are rollouts (``namespace/name``)."""

    def __init__(
        self,
        own: Connection,
        secrets: Secrets,
        *,
        allow_insecure: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.own = own
        self._secrets = secrets
        self._allow_insecure = allow_insecure
        self._clock = clock
        self._entries: dict[Place, _Entry] = {}
        self._pools: dict[Access, Pool] = {}
        self._reached: dict[Connection, tuple[float, SideReach]] = {}
        self._identity: str | None = None
        self._checks: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()

    async def connect(self, ref: ClusterRef, namespace: str, holder: str) -> Connection | Refusal:
        """Return the cluster's connection and keep it open until ``holder`` is released.

        The first holder waits for the Secret; a later look never waits, it only has the Secret
        looked at again where that is due.
        """
        if ref.kubeconfig_secret_ref is None:
            return self.own
        entry = self._entry(ref.kubeconfig_secret_ref, namespace)
        due = self._clock() - entry.checked_at >= MAX_AGE
        if due and holder in entry.holders:
            _start(self._check(entry), self._checks)
        elif due:
            await self._check(entry)
        if entry.connection is None or (entry.problem and holder not in entry.holders):
            return entry.problem or Refusal(REFUSED, f"{entry.where} was not read yet")
        entry.holders.add(holder)
        return entry.connection

    def problem(self, ref: ClusterRef, namespace: str) -> Refusal | None:
        """Say what is wrong with the Secret now, though connections made before still work."""
        if ref.kubeconfig_secret_ref is None:
            return None
        return self._entry(ref.kubeconfig_secret_ref, namespace).problem

    def release(self, holder: str) -> None:
        """Close what nobody else uses."""
        for entry in list(self._entries.values()):
            entry.holders.discard(holder)
            if not entry.holders and not entry.checking.locked():
                del self._entries[entry.place]
                if entry.connection is not None:
                    self._reached.pop(entry.connection, None)
        self._close_unused()

    async def reach(self, ref: ClusterRef, namespace: str, holder: str) -> SideReach:
        """Ask the cluster for its version; the answer is kept for 15 s, a failure for 10 s."""
        connection = await self.connect(ref, namespace, holder)
        if isinstance(connection, Refusal):
            return SideReach(False, connection.reason, connection.message)
        problem = self.problem(ref, namespace)
        if problem is not None and problem.reason in (MISSING, REFUSED):
            return SideReach(False, problem.reason, problem.message)
        kept = self._reached.get(connection)
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        reach = _reach(await connection.get("/version"))
        age = _REACH_OK if reach.reachable else _REACH_FAILED
        self._reached[connection] = (self._clock() + age, reach)
        return reach

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

    def _entry(self, ref: KubeconfigSecretRef, namespace: str) -> _Entry:
        place = (namespace, ref.name, ref.key)
        return self._entries.setdefault(place, _Entry(place))

    async def _check(self, entry: _Entry, max_age: float = MAX_AGE) -> None:
        """Read the Secret again and swap the pool where it changed."""
        async with entry.checking:
            if self._clock() - entry.checked_at < max_age:
                return
            namespace, name, key = entry.place
            secret = await self._secrets.read(namespace, name, max_age=max_age)
            entry.checked_at = self._clock()
            if isinstance(secret, Refusal):
                self._note(entry, secret)
                return
            if secret.resource_version != entry.version:
                entry.unusable = await self._take(entry, secret, key)
                entry.version = secret.resource_version
            self._note(entry, entry.unusable)

    async def _take(self, entry: _Entry, secret: Secret, key: str | None) -> Refusal | None:
        text = secret.text(*((key,) if key else _KEYS))
        if isinstance(text, Refusal):
            return text
        access = await asyncio.to_thread(  # dense YAML takes a second
            parse, text, entry.where, allow_insecure=self._allow_insecure
        )
        pool = access if isinstance(access, Unusable) else self._pool(access, entry.where)
        if isinstance(pool, Unusable):
            return Refusal(REFUSED, pool.message)
        if entry.connection is None:
            name = f"cluster of {entry.where}"
            entry.connection = Connection(pool, name, lambda: self._renew(entry))
            entry.connection.counted = self.own.counted
        elif entry.connection.pool is not pool:
            log.info("Newer credentials are in force: %s", entry.where)
            entry.connection.replace(pool)
            self._reached.pop(entry.connection, None)
            self._close_unused()
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
        built = known or Pool.build(access, where)
        if isinstance(built, Pool):
            self._pools[access] = built
        return built

    def _close_unused(self) -> None:
        used = {entry.connection.pool for entry in self._entries.values() if entry.connection}
        for access, pool in list(self._pools.items()):
            if pool not in used:
                del self._pools[access]
                _start(pool.close(), self._closings)


def _start(work: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _reach(answer: Answer) -> SideReach:
    if isinstance(answer, Ok):
        return SideReach(True, "Reachable", "")
    return SideReach(False, str(answer.reason), answer.message)
