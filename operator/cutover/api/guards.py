"""The limits that roll back at once."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cutover.api.quantities import Duration, Share
from cutover.api.rules import AS_SET, SOME, within
from cutover.api.wire import Wire


class Guard(StrEnum):
    """The limits that roll back at once."""

    UNANSWERED = "Unanswered"
    ERROR_BURST = "ErrorBurst"
    LATENCY_BURST = "LatencyBurst"
    FAILED_PROBES = "FailedProbes"
    NO_READY_REPLICA = "NoReadyReplica"
    CRITICAL_XID = "CriticalXid"
    QUEUE = "Queue"
    KV_CACHE = "KvCache"


CRITICAL_XIDS = (46, 48, 64, 74, 79, 94, 95, 119, 120, 140)
"""XID errors after which a GPU must be reset or replaced, unless the spec lists others (NVIDIA's XID catalogue)."""


class QueueGuard(Wire):
    """Requests that wait for a place on the target's servers."""

    max_waiting_per_replica: Annotated[int, Field(ge=1, le=100_000)] = 5
    """How many may wait per server, on average, 1 to 100000."""
    sustained: Annotated[Duration, within("10s", "1h")] = "2m"
    """For how long more must have waited before traffic goes back, 10s to 1h."""


class KvCacheGuard(Wire):
    """The KV cache of the target's fullest server."""

    max: Annotated[Share, SOME] = "95%"
    """Share of the cache that may be in use, such as 95%."""
    sustained: Annotated[Duration, within("10s", "1h")] = "2m"
    """For how long more must have been in use before traffic goes back, 10s to 1h."""


class Guards(Wire):
    """All guards are on unless named here, but Queue and KvCache, which are on where they are configured."""

    disabled: Annotated[list[Guard], Field(max_length=8), AS_SET] = Field(default_factory=list)
    """Guards to switch off. Omitted: none."""
    critical_xids: (
        Annotated[
            list[Annotated[int, Field(ge=1, le=999)]], Field(min_length=1, max_length=64), AS_SET
        ]
        | None
    ) = None
    """XID errors of a GPU that roll back when one is new since the rollout began. Omitted: 46, 48, 64, 74, 79, 94, 95, 119, 120 and 140."""
    queue: QueueGuard | None = None
    """Roll back when too many requests wait on the target. Omitted: off, since a queue may be as long on the source; {}: more than 5 per server for 2m."""
    kv_cache: KvCacheGuard | None = None
    """Roll back when the target's KV cache is too full. Omitted: off, since a full cache only makes requests wait; {}: more than 95% for 2m."""
