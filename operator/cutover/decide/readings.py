"""What one look reads of both sides' metrics; a number that is not there is a `Gap` with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cutover.judge.distribution import Classes
from cutover.judge.histogram import Buckets
from cutover.judge.means import Total
from cutover.judge.past import Clustering


class Missing(StrEnum):
    """Why a number is not there. None of them is zero, none is bad, none passes a gate."""

    NO_SERIES = "NoSeries"
    """The server knows no such metric under these matchers."""
    NO_DATA = "NoData"
    """The metric exists and the window holds nothing."""
    NOT_FINITE = "NotFinite"
    """NaN or infinite."""
    STALE = "Stale"
    """The newest sample is too old."""
    PARTIAL = "Partial"
    """The server warned that its answer is not whole."""
    UNAUTHORISED = "Unauthorised"
    FORBIDDEN = "Forbidden"
    """Known, and not allowed to read this."""
    UNREACHABLE = "Unreachable"
    """No answer in time, connection refused, 5xx, or no Prometheus at that address."""
    INVALID_QUERY = "InvalidQuery"
    """The server refused the expression."""
    CREDENTIALS = "CredentialsMissing"
    """A Secret that the spec names is missing, malformed or not labelled for use."""
    UNUSABLE = "Unusable"
    """It is there and not as it should be."""
    SIDES_OVERLAP = "SidesOverlap"
    """Both sides select a common series."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A number that is not there, with one sentence: what happened, where, what to do."""

    missing: Missing
    message: str


@dataclass(frozen=True, slots=True)
class WindowReading:
    """One side over one trailing window. Counts come from ``increase()`` and are no integers."""

    seconds: float
    requests: float | Gap
    errors: float | Gap
    latencies: Mapping[str, Buckets | Gap] = field(default_factory=dict)
    """By metric name of the gates, e.g. ``TimeToFirstToken``; edges in seconds."""
    distributions: Mapping[str, Buckets | Classes | Gap] = field(default_factory=dict)
    """What drift gates compare, by ``DriftGate.key``; in the long window of a full look alone."""
    means: Mapping[str, Total | Gap] = field(default_factory=dict)
    """By metric name of the gates on means."""
    sent: float | Gap | None = None
    """Of a gateway: requests that it has sent to the side, answered or not; None: it does not tell."""
    gateway: "WindowReading | Gap | None" = None
    """The same window as the gateway saw the side's backend; None: nobody asked it."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """What the DCGM exporter says of one side's GPUs, now."""

    count: int
    xids: Mapping[str, int]
    """By GPU ("node-3 GPU 1"): the code of its last XID error. It stays there until the next one comes, so
    only one that was not there before is news; a GPU that never had one is not named."""
    busy: float | None = None
    """Mean share of the time that they computed anything, 0 to 1; near 1 on any LLM server. None: not
    asked for (a guard look) or not told."""
    memory_used_mib: float | None = None
    memory_mib: float | None = None
    """Over all GPUs; None as above."""


NOT_ASKED = Gap(Missing.NO_SERIES, "was not asked for")


@dataclass(frozen=True, slots=True)
class Gauges:
    """How full one side's servers are, now. Each number or why it is not there."""

    instances: float | Gap = NOT_ASKED
    """Servers whose scrape told ``running``."""
    running: float | Gap = NOT_ASKED
    """Requests being served, over all servers."""
    waiting: float | Gap = NOT_ASKED
    """Requests that wait for a place, over all servers."""
    most_waiting: float | Gap = NOT_ASKED
    """Of the one server where most of them wait."""
    kv_cache: float | Gap = NOT_ASKED
    """The share of the KV cache in use on the fullest server, 0 to 1."""
    gpus: Gpus | Gap = NOT_ASKED


@dataclass(frozen=True, slots=True)
class SideReading:
    """One side at one instant: the windows asked for, in the order asked for."""

    windows: tuple[WindowReading, ...]
    scrape_seconds: float | None
    """The measured time between scrapes; None when it cannot be told."""
    newest_sample: datetime | None
    """When the newest sample of the request counter was scraped."""
    queries: Mapping[str, str] = field(default_factory=dict)
    """By gate metric (``Requests``, ``Errors`` or a latency's name): the PromQL that was asked."""
    overlaps: bool = False
    """Both sides' matchers select a common series."""
    unscraped: bool = False
    """Prometheus tries and none of this side's servers answers the scrape: ``up`` is 0 for all of them."""
    gauges: Gauges = Gauges()


Reading = SideReading | Gap


def gateway_key(name: str) -> str:
    """Name a quantity as the gateway tells it, among ``SideReading.queries``."""
    return f"Gateway.{name}"


@dataclass(frozen=True, slots=True)
class Value:
    """What a query gate's expression gives on one side, now."""

    number: float | Gap
    """Reduced to one; finite."""
    query: str
    """As it was asked."""


@dataclass(frozen=True, slots=True)
class Values:
    """By name of the gate, of each side that was asked."""

    source: Mapping[str, Value] = field(default_factory=dict)
    target: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PastSeen:
    """What the source's past shows of each gate, or why nothing can be seen of it."""

    gates: Mapping[str, Clustering | Gap] | Gap
    """By name of the gate."""
    look: float
    """Seconds of one look of the past."""
    at: datetime
    """When it was asked."""
