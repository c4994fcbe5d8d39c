"""What is reported of both sides' servers: replicas, probes, warm-up, load, GPUs."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from cutover.api.names import Message
from cutover.api.wire import Wire

MAX_XIDS = 64
"""GPUs whose last XID error is kept; more of them had one before the rollout began only in a broken cluster."""


class Streak(Wire):
    """Something that has been so at every look since then."""

    since: datetime
    seen_at: datetime = Field(description="The last look that saw it.")


class ProbesStatus(Wire):
    """Probes of the target's endpoint that failed, one after the other."""

    failures: int = 0
    at: datetime | None = Field(default=None, description="When the last one was sent.")
    message: Message = ""


class WarmUpStatus(Wire):
    """The requests that were to warm the target up."""

    sent: int
    failed: int
    finished_at: datetime
    message: Message = ""


class SideFacts(Wire):
    """What is known of one side's servers, for people; nothing is decided on it."""

    ready: int | None = Field(default=None, description="Ready replicas; absent: not known.")
    replicas: int | None = Field(default=None, description="How many there should be.")
    running: float | None = Field(default=None, description="Requests being served.")
    waiting: float | None = Field(default=None, description="Requests that wait for a place.")
    kv_cache: float | None = Field(
        default=None, description="Share of the fullest server's KV cache in use, 0 to 1."
    )
    gpus: int | None = None
    gpu_busy: float | None = Field(default=None, description="Mean share of the time, 0 to 1.")
    gpu_memory: float | None = Field(default=None, description="Share of it in use, 0 to 1.")
    xids: Annotated[dict[str, int], Field(max_length=8)] = Field(
        default_factory=dict, description="By GPU: its last XID error; of many, eight."
    )
    message: Message = Field(default="", description="Why the replicas are not known.")


class Facts(Wire):
    """Both sides' servers as they were seen last."""

    source: SideFacts = SideFacts()
    target: SideFacts = SideFacts()
