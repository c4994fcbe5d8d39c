"""What a profile consists of. Every name is as Prometheus has it after the scrape."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

OUTPUT_TOKENS: Final = "OutputTokens"
FINISH_REASON: Final = "FinishReason"
MILLISECONDS: Final = 1e-3
MICROSECONDS: Final = 1e-6
"""In seconds."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter, or some of its series."""

    metric: str
    only: str = ""
    """Further matchers, as PromQL."""
    created: str | None = None
    """The gauge that tells when each series was created (Unix seconds), with the same labels."""
    late: bool = False
    """Its series are born with their first event, and nothing tells when: a series that is there now and
    was not when the window began, though its server already told its heartbeat, was born in between."""


@dataclass(frozen=True, slots=True)
class Latency:
    """A histogram of time."""

    histogram: str
    """Its name without ``_bucket``."""
    edges: tuple[float, ...]
    """The server's default bucket edges in seconds, without +Inf; a user may have set others. Empty: not known."""
    note: str
    """What a person should know before gating on it."""
    older: tuple[str, ...] = ()
    """Names it had in earlier versions of the server."""
    only: str = ""
    """Further matchers, as PromQL."""
    unit: float = 1.0
    """What the server counts in, in seconds."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A time that is only summed up: all that can be told is its mean."""

    seconds: Counter
    """The time of all events together, in ``unit``."""
    events: Counter
    """Their number."""
    note: str
    unit: float = 1.0
    """What the server counts in, in seconds."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """A histogram of what requests are like, one observation per request: lengths, scores."""

    histogram: str
    """Its name without ``_bucket``."""
    note: str
    """What a person should know before gating on it."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """A counter whose requests a label sorts into classes."""

    counter: Counter
    labels: tuple[str, ...]
    """The label, in all the spellings that servers have for it."""
    note: str


Distribution = Sizes | Kinds


@dataclass(frozen=True, slots=True)
class Gauge:
    """A gauge, or some of its series."""

    metric: str
    only: str = ""
    """Further matchers, as PromQL."""


@dataclass(frozen=True, slots=True)
class Names:
    """The metrics of one kind of server, or of one gateway."""

    requests: tuple[tuple[Counter, ...], ...]
    """Finished requests, however they ended: the first of these sums that exists is read. None: it does not count them."""
    errors: tuple[Counter, ...]
    """Failed requests as each layer counts them: the largest of these is read. None: it does not count them."""
    heartbeat: str
    """A metric that every server has from its start on: it tells scrapes and common series."""
    latencies: Mapping[str, Latency]
    """By the name gates use."""
    means: Mapping[str, Mean] = field(default_factory=dict)
    """By the name gates use; of every histogram the mean is known anyway."""
    running: tuple[Gauge, ...] = ()
    """Requests being served: the first of these that exists is read."""
    waiting: tuple[Gauge, ...] = ()
    """Requests that wait for a place: the first of these that exists is read."""
    kv_cache: tuple[Gauge, ...] = ()
    """The share of the KV cache in use, 0 to 1: the first of these that exists is read."""
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    """By the name drift gates use."""
    sent: Counter | None = None
    """Of a gateway: requests that it has sent, answered or not. None: it does not count them."""
    cannot: tuple[str, ...] = ()
    """What it cannot tell, and what to know about what it tells: sentences for people."""
