"""Kubernetes Events about rollouts; saying the same again counts up the Event that is there."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from cutover.api import GROUP, KIND, VERSION
from cutover.clusters.answers import Failed, Ok, Reason
from cutover.clusters.connection import MERGE_PATCH, Connection
from cutover.ports import Notice, Object

_MOST_NOTE = 1024
"""Bytes; the API server refuses more."""
_MOST_KEPT = 2048

log = logging.getLogger(__name__)


class Events:
    """Posts to events.k8s.io/v1; never raises and never holds anybody up for long."""

    def __init__(
        self,
        own: Connection,
        instance: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._own = own
        self._instance = instance[:128] or "cutover"
        self._now = now
        self._counts: OrderedDict[str, int] = OrderedDict()
        """How often each Event was posted, the latest last."""

    async def post(self, rollout: Object, notice: Notice) -> None:
        """Post a new Event, or raise the count of the one that says the same."""
        metadata = rollout["metadata"]
        name = _name(metadata, notice)
        path = f"/apis/events.k8s.io/v1/namespaces/{metadata['namespace']}/events"
        failed = await self._repeat(path, name) if name in self._counts else None
        if name not in self._counts:
            failed = await self._create(path, name, rollout, notice)
        if failed is not None:
            log.warning("An Event could not be posted (%s): %s", notice.reason, failed.message)

    async def _create(self, path: str, name: str, rollout: Object, notice: Notice) -> Failed | None:
        answer = await self._own.post(path, self._event(name, rollout, notice))
        if isinstance(answer, Ok):
            self._keep(name, 1)
            return None
        if answer.reason is not Reason.ALREADY_EXISTS:
            return answer
        known = await self._own.get(f"{path}/{name}")  # posted before a restart
        if isinstance(known, Failed):
            return known
        self._keep(name, (known.body.get("series") or {}).get("count", 1))
        return await self._repeat(path, name)

    async def _repeat(self, path: str, name: str) -> Failed | None:
        count = self._counts[name] + 1
        series = {"series": {"count": count, "lastObservedTime": _micro(self._now())}}
        answer = await self._own.patch(f"{path}/{name}", series, MERGE_PATCH)
        if isinstance(answer, Ok):
            self._keep(name, count)
            return None
        if answer.reason is Reason.NOT_FOUND:  # Events live for an hour
            self._counts.pop(name, None)
        return answer

    def _keep(self, name: str, count: int) -> None:
        self._counts[name] = count
        self._counts.move_to_end(name)
        if len(self._counts) > _MOST_KEPT:
            self._counts.popitem(last=False)

    def _event(self, name: str, rollout: Object, notice: Notice) -> dict[str, Any]:
        metadata = rollout["metadata"]
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "eventTime": _micro(self._now()),
            "reportingController": f"{GROUP}/operator",
            "reportingInstance": self._instance,
            "action": notice.action,
            "reason": notice.reason,
            "type": "Warning" if notice.warning else "Normal",
            "note": notice.message.encode()[:_MOST_NOTE].decode(errors="ignore"),
            "regarding": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        }


def _name(metadata: Mapping[str, Any], notice: Notice) -> str:
    """Name an Event by what it says, so that saying it again finds it."""
    said = "\n".join((metadata["uid"], notice.reason, notice.action, notice.message))
    return f"{metadata['name'][:200]}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _micro(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
