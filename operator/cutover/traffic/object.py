"""`ports.Router` for any kind of object that splits traffic by weights; a `Layout` knows the kind."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.connection import DEADLINE, JSON_PATCH, Connection
from cutover.decide.route import Route, RouteGone, RouteSeen, RouteUnreadable
from cutover.decide.weights import inexpressible
from cutover.ports import Conflict, NotWritten, RouteChange, WriteResult, Written
from cutover.traffic.layout import Kind, Layout, last_manager
from cutover.traffic.patch import build_patch
from cutover.traffic.seen import ObjectSeen, see
from cutover.traffic.watch import RouteWatch

MANAGER = {"fieldManager": "cutover"}
STRICT = {"fieldValidation": "Strict"}
"""An unknown field is refused: pruned, it would leave a mirror of everything."""

MOST_TRUST = 30.0
"""Seconds for which a watch alone is believed before the API server is asked again."""


class ObjectRouter:
    """One object's weights. Keep the instance while a rollout lives: it knows its newest look."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        layout: Layout,
        watch: RouteWatch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._layout = layout
        self._watch = watch
        self._clock = clock
        self._asked_at = float("-inf")
        self._newest = ""
        self._seen: tuple[Mapping[str, Any], ObjectSeen] | None = None
        """An object as it came, and what it means: the watch has the same one for many looks."""
        self._takes: set[int] = set()
        """Percents of which the API server has taken a mirror in a dry run."""

    async def look(self, *, deadline: float = DEADLINE, insist: bool = False) -> Route:
        """Read the declared weights, the claim and the gateway's acceptance.

        The watch's copy is taken when it is not older than anything this router saw or wrote, and
        the API server itself was asked within the last half minute.
        """
        watched = self._from_watch()
        if watched is not None:
            return self._see(watched)
        answer = await self._connection.get(self._path, deadline=deadline, insist=insist)
        if isinstance(answer, Failed):
            return await self._unread(answer, deadline)
        self._asked_at = self._clock()
        self._newest = answer.body["metadata"]["resourceVersion"]
        return self._see(answer.body)

    async def write(
        self, seen: RouteSeen, change: RouteChange, *, deadline: float = DEADLINE
    ) -> WriteResult:
        """Write once; never retries."""
        if not isinstance(seen, ObjectSeen):
            raise TypeError("write() needs what its own look() returned")
        operations = build_patch(seen, change, self._layout)
        if isinstance(operations, str):
            return NotWritten(str(Reason.REFUSED), operations)
        query = {**MANAGER, **STRICT} if change.mirror else MANAGER
        answer = await self._connection.patch(
            self._path, operations, JSON_PATCH, query, deadline=deadline
        )
        if isinstance(answer, Ok):
            self._newest = answer.body["metadata"]["resourceVersion"]
        else:
            self._asked_at = float("-inf")  # whatever the watch shows, ask before the next try
        return _written(answer, self._needed(answer))

    async def rehearse(
        self, seen: RouteSeen, change: RouteChange, *, deadline: float = DEADLINE
    ) -> WriteResult:
        """Have the API server take a write without keeping it."""
        if not isinstance(seen, ObjectSeen):
            raise TypeError("rehearse() needs what its own look() returned")
        operations = build_patch(seen, change, self._layout)
        if isinstance(operations, str):
            return NotWritten(str(Reason.REFUSED), operations)
        query = {**MANAGER, **(STRICT if change.mirror else {}), "dryRun": "All"}
        answer = await self._connection.patch(
            self._path, operations, JSON_PATCH, query, deadline=deadline
        )
        return _written(answer, self._needed(answer))

    def expressible(self, seen: RouteSeen, weights: Sequence[int]) -> str | None:
        """Return a sentence naming the first weight that the route's numbers cannot express."""
        return inexpressible(seen.rules, weights, seen.whole, seen.largest)

    async def mirrorable(
        self, seen: RouteSeen, percents: Sequence[int], *, deadline: float = DEADLINE
    ) -> str | None:
        """Return why so much cannot be mirrored: of what is known of the gateway, or by a dry run."""
        if not isinstance(seen, ObjectSeen):
            raise TypeError("mirrorable() needs what its own look() returned")
        refused = seen.mirror_refusal or seen.mirroring.refused_share(percents)
        if refused is not None:
            return refused
        for percent in percents:
            refused = await self._tried(seen, percent, deadline)
            if refused is not None:
                return refused
        return None

    async def _tried(self, seen: ObjectSeen, percent: int, deadline: float) -> str | None:
        """Have the API server take a mirror without keeping it; asked until it once has."""
        claimed = seen.claim.mirror if seen.claim is not None else 0
        operations = [
            each for spot in seen.mirroring.spots for each in spot.written(claimed, percent)
        ]
        if percent in self._takes or not operations:
            return None
        query = {**MANAGER, **STRICT, "dryRun": "All"}
        answer = await self._connection.patch(
            self._path, operations, JSON_PATCH, query, deadline=deadline
        )
        if isinstance(answer, Ok):
            self._takes.add(percent)
            return None
        if percent < 100 and "unknown field" in answer.message:
            return (
                f"the route's API server knows no mirror of {percent} % (percent came with Gateway API v1.3):"
                " update its definitions, mirror 100%, or remove the shadow steps"
            )
        return f"the route's API server does not take a mirror of {percent} %: {answer.message}"

    def own_echo(self) -> RouteSeen | None:
        """Return the watch's newest copy if its weights are those that we wrote."""
        cached = self._watch.cached(self._layout.wanted.name) if self._watch is not None else None
        if cached is None or not self._is_ours(cached):
            return None
        return self._see(cached)

    @property
    def _path(self) -> str:
        return f"{self._layout.kind.collection(self._namespace)}/{self._layout.wanted.name}"

    def _needed(self, answer: Answer) -> str:
        """Say what to grant where that is what is missing."""
        if not isinstance(answer, Failed) or answer.reason is not Reason.FORBIDDEN:
            return ""
        typed = self._layout.kind.typed
        return f"; it needs get, list, watch and patch of {typed} in namespace {self._namespace}"

    def _see(self, thing: Mapping[str, Any]) -> ObjectSeen:
        if self._seen is None or self._seen[0] is not thing:
            self._seen = thing, see(thing, self._layout)
        return self._seen[1]

    def _is_ours(self, cached: Mapping[str, Any]) -> bool:
        manager = last_manager(cached["metadata"], self._layout.owned)
        return manager == MANAGER["fieldManager"]

    def _from_watch(self) -> Mapping[str, Any] | None:
        if self._watch is None or self._clock() - self._asked_at > MOST_TRUST:
            return None
        cached = self._watch.cached(self._layout.wanted.name)
        if cached is None or not _is_as_new(cached["metadata"]["resourceVersion"], self._newest):
            return None
        return cached

    async def _unread(self, failed: Failed, deadline: float) -> Route:
        if failed.reason is not Reason.NOT_FOUND:
            return RouteUnreadable(str(failed.reason), failed.message + self._needed(failed))
        if failed.from_api_server:
            return RouteGone(
                f"{self._layout.kind.name} {self._namespace}/{self._layout.wanted.name} does not exist in the"
                f" {self._connection.name}: create it, or correct {self._layout.wanted.field}.name"
            )
        return await self._without_kind(failed, deadline)

    async def _without_kind(self, failed: Failed, deadline: float) -> Route:
        """Believe that the kind is gone only when the API server lists its kinds without it.

        A 404 without a Status may come from a proxy or from an API server that is starting; a
        rollout that is being deleted would give up the way back for it.
        """
        kind = self._layout.kind
        kinds = await self._connection.get(kind.root, deadline=deadline)
        if _names(kinds, "resources", kind.plural) is False:
            return _kind_gone(self._connection, kind)
        groups = await self._connection.get("/apis", deadline=deadline)
        if kind.group and _names(groups, "groups", kind.group) is False:
            return _kind_gone(self._connection, kind)
        return RouteUnreadable(str(Reason.UNREACHABLE), failed.message)


def _kind_gone(connection: Connection, kind: Kind) -> RouteGone:
    return RouteGone(
        f"the {connection.name} serves no {kind.name}s of {kind.served_as}: {kind.install}"
    )


def _names(answer: Answer, field: str, name: str) -> bool | None:
    """Tell whether a discovery list names something; None when there is no such list."""
    entries = answer.body.get(field) if isinstance(answer, Ok) else None
    if not isinstance(entries, list):
        return None
    return any(isinstance(each, dict) and each.get("name") == name for each in entries)


def _is_as_new(version: str, newest: str) -> bool:
    """Compare resourceVersions; what is no number is as new only when it is the same."""
    if version.isdecimal() and newest.isdecimal():
        return int(version) >= int(newest)
    return version == newest


def _written(answer: Answer, needed: str = "") -> WriteResult:
    match answer:
        case Ok(body):
            return Written(body["metadata"]["resourceVersion"])
        case Failed(reason=Reason.CONFLICT):
            return Conflict("somebody changed the route since it was looked at")
        case Failed(reason=Reason.UNPROCESSABLE):
            return Conflict(
                "the route is no longer what was looked at: rules or backends moved, or the claim"
                " changed"
            )
        case Failed(reason=Reason.NOT_FOUND, from_api_server=True):
            return NotWritten("Gone", answer.message)
        case Failed(reason=Reason.FORBIDDEN | Reason.UNAUTHORISED):
            return NotWritten(str(answer.reason), answer.message + needed)
        case Failed(reason=Reason.UNREACHABLE | Reason.NOT_FOUND):
            return NotWritten(str(Reason.UNREACHABLE), answer.message)
        case Failed():
            return NotWritten(str(Reason.REFUSED), answer.message)
