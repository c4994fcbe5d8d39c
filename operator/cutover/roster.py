"""Which rollouts are there at all? Asked at the start, for the epoch, and every ten minutes."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cutover.api import GROUP, PLURAL, VERSION
from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.queue import RESYNC, Key, Queue

log = logging.getLogger(__name__)

LIST_DEADLINE = 30.0
"""A thousand rollouts are some ten megabytes."""
RETRY = 15.0
SPREAD = 60.0
"""Rollouts found by a resync are looked at over so many seconds."""


class ApiServer(Protocol):
    """The API server that holds the rollouts; every answer is a value."""

    async def get(self, path: str) -> Answer:
        """Read one object."""

    async def list_all(self, path: str, *, deadline: float) -> Answer:
        """Read a list page by page."""


class Roster:
    """The rollouts in the watched namespaces, as their API server lists them."""

    def __init__(self, api: ApiServer, namespaces: Sequence[str]) -> None:
        """No namespaces: all."""
        self._api = api
        root = f"/apis/{GROUP}/{VERSION}"
        self._root = root
        self.known: list[Key] = []
        """As they were last listed."""
        self._paths = [f"{root}/namespaces/{name}/{PLURAL}" for name in namespaces] or [
            f"{root}/{PLURAL}"
        ]

    async def is_installed(self) -> bool | Failed:
        """Whether the API server knows the kind."""
        groups = await self._api.get("/apis")
        if isinstance(groups, Failed):
            return groups
        if not any(group.get("name") == GROUP for group in groups.body.get("groups") or ()):
            return False
        match await self._api.get(self._root):
            case Ok(body=body):
                return any(kind.get("name") == PLURAL for kind in body.get("resources") or ())
            case Failed(reason=Reason.NOT_FOUND):
                return False
            case Failed() as failed:
                return failed

    async def read(self) -> list[Mapping[str, Any]] | Failed:
        """All of them, or why they cannot be listed."""
        found: list[Mapping[str, Any]] = []
        for path in self._paths:
            match await self._api.list_all(path, deadline=LIST_DEADLINE):
                case Ok(body=body):
                    found += body.get("items") or ()
                case Failed() as failed:
                    return failed
        self.known = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in found]
        return found

    async def highest_epoch(self) -> int | None:
        """The largest leader epoch in any status; None: they cannot be listed."""
        rollouts = await self.read()
        if isinstance(rollouts, Failed):
            log.warning("The rollouts cannot be listed: %s", rollouts.message)
            return None
        return max((_epoch(rollout) for rollout in rollouts), default=0)

    async def resync(self, queue: Queue) -> None:
        """Every ten minutes queue each rollout that there is, whatever the watch missed."""
        while True:
            await asyncio.sleep(RESYNC)
            while isinstance(rollouts := await self.read(), Failed):
                log.warning("No resync, the rollouts cannot be listed: %s", rollouts.message)
                await asyncio.sleep(RETRY)
            for key in self.known:
                queue.add(key, random.uniform(0, SPREAD))  # noqa: S311 - no secret


def _epoch(rollout: Mapping[str, Any]) -> int:
    epoch = (rollout.get("status") or {}).get("leaderEpoch")
    return epoch if isinstance(epoch, int) else 0
