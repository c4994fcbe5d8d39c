"""The judgements that must pass before each next step."""

from enum import StrEnum
from typing import Annotated, Final

from cutover.api.drift import DriftGate, DriftGolden
from cutover.api.expressions import QueryGate
from cutover.api.holdout import HoldoutGate
from cutover.api.names import Label, MetricName
from cutover.api.parity import ParityGate
from cutover.api.quantities import Duration, Ratio, Share
from cutover.api.rules import (
    BELOW_ALL,
    SOME_BELOW_ALL,
    TIMES,
    Rule,
    exactly_one,
    ruled_by,
    within,
)
from cutover.api.wire import Wire


class Vantage(StrEnum):
    """From where both sides are seen."""

    SERVERS = "Servers"
    GATEWAY = "Gateway"


class LatencyGate(Wire):
    """At most maxAbove of the target's requests take longer than threshold, and at most margin more than the source's."""

    metric: MetricName
    """Which latency, by the profile's name for it, such as TimeToFirstToken."""
    threshold: Annotated[Duration, within("1ms", "1h")]
    """A request that takes longer counts as slow, 1ms to 1h; moved to the nearest edge of the histogram's buckets."""
    max_above: Annotated[Share, BELOW_ALL]
    """Share of the target's requests that may be slow, such as 5%."""
    margin: Annotated[Share, SOME_BELOW_ALL]
    """How much larger the target's share of slow requests may be than the source's, in percentage points, such as 2.5%."""
    vantage: Vantage | None = None
    """Who tells: Servers, their own metrics; or Gateway, what traffic.gateway counts of the two backends. Omitted: Servers."""


class ErrorRateGate(Wire):
    """At most max of the target's requests fail, and at most ratio times the source's share."""

    max: Annotated[Share, SOME_BELOW_ALL]
    """Share of the target's requests that may fail, such as 1%."""
    ratio: Annotated[Ratio, TIMES]
    """How many times the source's share of failed requests the target's may be, 1 to 100, such as "2"."""
    vantage: Vantage | None = None
    """Who tells: Servers, their own metrics; or Gateway, what traffic.gateway counts of the two backends. Omitted: Servers."""


class MeanLatencyGate(Wire):
    """The target's mean time is at most maxIncrease larger than the source's; for servers that tell no more than means."""

    metric: MetricName
    """Which time, by the profile's name for it, such as EndToEnd."""
    max_increase: Annotated[Share, SOME_BELOW_ALL]
    """How much larger the target's mean may be than the source's, such as 10%."""
    vantage: Vantage | None = None
    """Who tells: Servers, their own metrics; or Gateway, what traffic.gateway counts of the two backends. Omitted: Servers."""


class GateKind(StrEnum):
    """What a gate judges."""

    LATENCY = "latency"
    ERROR_RATE = "errorRate"
    MEAN_LATENCY = "meanLatency"
    QUERY = "query"
    DRIFT = "drift"
    PARITY = "parity"
    HOLDOUT = "holdout"


COUNTS_REQUESTS: Final = frozenset({GateKind.LATENCY, GateKind.ERROR_RATE})
"""Kinds that compare shares of bad requests: they have a past, a frozen reference and sums."""
NEEDS_TRAFFIC: Final = COUNTS_REQUESTS | {GateKind.MEAN_LATENCY, GateKind.DRIFT}
"""Kinds that judge the target's share of the traffic, so that before it there is nothing to judge."""
JUDGED_ONCE: Final = frozenset({GateKind.HOLDOUT})
"""Kinds whose items are all there is: judging them again at the next step would tell the same. So are those
of a drift gate over golden inputs."""

BY_REPLAY: Final = frozenset({GateKind.PARITY})
"""Kinds that ask both sides' endpoints golden inputs; they run before traffic unless told otherwise."""


_GOLDEN_DRIFT: Final = "has(self.drift) && has(self.drift.golden)"


class OnFail(StrEnum):
    """What a gate's Fail leads to."""

    ROLL_BACK = "RollBack"
    PAUSE = "Pause"
    REPORT = "Report"


class Run(StrEnum):
    """When a gate is judged."""

    EACH_STEP = "EachStep"
    BEFORE_TRAFFIC = "BeforeTraffic"


class Gate(Wire):
    """A judgement that must pass before the next step; exactly one kind is set."""

    model_config = ruled_by(
        exactly_one(
            *GateKind,
            says=f"a gate judges one thing: set exactly one of {', '.join(GateKind)}",
        ),
        Rule(
            "!has(self.run) || self.run != 'BeforeTraffic'"
            f" || !({' || '.join(f'has(self.{kind})' for kind in sorted(NEEDS_TRAFFIC))})"
            f" || {_GOLDEN_DRIFT}",
            "this gate judges what the target does with its share of the traffic, so there is nothing to"
            " judge before it: set run: EachStep, or leave run out",
            at=".run",
        ),
        Rule(
            "!has(self.run) || self.run == 'BeforeTraffic'"
            f" || !({' || '.join(f'has(self.{kind})' for kind in sorted(JUDGED_ONCE))}"
            f" || ({_GOLDEN_DRIFT}))",
            "this gate is judged once, before any traffic: set run: BeforeTraffic, or leave run out",
            at=".run",
        ),
    )

    name: Label
    """Name of the gate, unique in the rollout."""
    latency: LatencyGate | None = None
    """Judge how many requests are slow."""
    error_rate: ErrorRateGate | None = None
    """Judge how many requests fail."""
    mean_latency: MeanLatencyGate | None = None
    """Judge the mean time of requests."""
    query: QueryGate | None = None
    """Judge a number that any PromQL gives."""
    drift: DriftGate | None = None
    """Judge whether both sides answer alike, by their distributions."""
    parity: ParityGate | None = None
    """Judge whether both sides answer the same golden inputs alike; needs source.endpoint and target.endpoint."""
    holdout: HoldoutGate | None = None
    """Judge how good the answers to labelled items are."""
    on_fail: OnFail | None = None
    """What a Fail leads to: RollBack; Pause until a person resumes, from when on the gate is judged anew; or Report, which shows the verdict and posts an Event, and holds up nothing. Omitted: RollBack."""
    run: Run | None = None
    """When to judge: EachStep, at every step anew; or BeforeTraffic, at weight 0 before the first raise, a Pass standing for the whole attempt. Omitted: BeforeTraffic for parity, and for holdout and drift.golden, which know no other time; else EachStep."""

    @property
    def kind(self) -> GateKind:
        """Which of the fields is set."""
        return self.kinds[0]

    @property
    def kinds(self) -> tuple[GateKind, ...]:
        """Of the fields of which exactly one must be set those that are."""
        return tuple(kind for kind in GateKind if getattr(self, kind.name.lower()) is not None)

    @property
    def golden_drift(self) -> DriftGolden | None:
        """What it asks both sides for, where it compares their golden outputs."""
        return self.drift.golden if self.drift is not None else None

    @property
    def traffic_drift(self) -> DriftGate | None:
        """What it compares, where that is what the traffic brings."""
        return self.drift if self.golden_drift is None else None

    @property
    def needs_traffic(self) -> bool:
        """Whether there is nothing to judge before the target's share of the traffic."""
        return self.kind in NEEDS_TRAFFIC and self.golden_drift is None

    @property
    def reads_results(self) -> bool:
        """Whether it is judged on what somebody else evaluated and wrote down."""
        return self.holdout is not None and self.holdout.results is not None

    @property
    def counts_requests(self) -> bool:
        """Whether it compares shares of bad requests."""
        return self.kind in COUNTS_REQUESTS

    @property
    def at_gateway(self) -> bool:
        """Whether it judges what the gateway counts."""
        judged = self.latency or self.error_rate or self.mean_latency
        return judged is not None and judged.vantage is Vantage.GATEWAY

    @property
    def consequence(self) -> OnFail:
        """What a Fail leads to."""
        return self.on_fail or OnFail.ROLL_BACK

    @property
    def time(self) -> Run:
        """When it is judged."""
        asks = not (BY_REPLAY | JUDGED_ONCE).isdisjoint(self.kinds)
        early = asks or self.golden_drift is not None
        return self.run or (Run.BEFORE_TRAFFIC if early else Run.EACH_STEP)

    @property
    def only_reports(self) -> bool:
        """Whether nothing waits for it and nothing comes of it."""
        return self.consequence is OnFail.REPORT

    @property
    def before_traffic(self) -> bool:
        """Whether its Pass is needed before the first raise, and then stands for the attempt."""
        return self.time is Run.BEFORE_TRAFFIC

    def resolved(self) -> "Gate":
        """The gate with its defaults written out, as a plan keeps it."""
        return self.model_copy(update={"on_fail": self.consequence, "run": self.time})


REPLAY_NEEDS_ENDPOINTS = (
    "!has(self.gates) || self.gates.all(g, !has(g.parity)"
    " && !(has(g.holdout) && has(g.holdout.dataset))"
    " && !(has(g.drift) && has(g.drift.golden)))"
    " || (has(self.source.endpoint) && has(self.target.endpoint))"
)
"""CEL on ``spec``."""

GATES_DIFFER = Rule(
    "self.all(g, self.exists_one(h, h.name == g.name))",
    "two gates have the same name: give each its own",
)
