"""What the servers of both sides count, and what their Prometheus says about it.

Counts are exact and fractional: half of 15 requests is 7.5. What is random in the world is
simulated where judging is tested; here two equal sides are equal.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from cutover.api.gates import Gate
from cutover.decide.observation import Probe, Replicas
from cutover.decide.readings import (
    NOT_ASKED,
    Gap,
    Gauges,
    Missing,
    Reading,
    SideReading,
    Value,
    Values,
    WindowReading,
)
from cutover.judge.histogram import Buckets
from cutover.judge.means import Total

PAST = timedelta(hours=2)
"""For how long before the story begins the source has served alone."""
LATELY = timedelta(seconds=10)
FIRST_TOKEN, WHOLE = "TimeToFirstToken", "EndToEnd"
THRESHOLD = 1.0
MEAN = 0.2
"""Seconds of a quick request; a slow one takes twice as long."""


class Counters(NamedTuple):
    """Requests, failed and slow ones, since the beginning."""

    total: float = 0.0
    failed: float = 0.0
    slow: float = 0.0

    def plus(self, requests: float, failing: float, slow: float) -> "Counters":
        return Counters(
            self.total + requests, self.failed + requests * failing, self.slow + requests * slow
        )

    def minus(self, other: "Counters") -> "Counters":
        return Counters(*(max(0.0, a - b) for a, b in zip(self, other, strict=True)))

    def towards(self, other: "Counters", part: float) -> "Counters":
        return Counters(*(a + (b - a) * part for a, b in zip(self, other, strict=True)))


@dataclass
class Server:
    """One side's servers and the Prometheus that watches them."""

    name: str
    failing: float = 0.002
    slow: float = 0.02
    answers: bool = True
    servers: float = 4.0
    seconds: float = 2.0
    """How long a server works on a request."""
    other_callers: float = 0.0
    """Requests a second that do not come by the route."""
    gap: Gap | None = None
    """Why nothing can be read of this side; None: all can."""
    gate_gaps: dict[str, Gap] = field(default_factory=dict)
    """By metric (``Requests``, ``Errors`` or a latency's name)."""
    values: dict[str, float | Gap] = field(default_factory=dict)
    """By name of the query gate: what its expression gives."""
    overlaps: bool = False
    replicas: int | Gap | None = None
    """Ready ones, as the workload says; None: none is named."""
    probed: Probe | None = None
    """What comes of probes of the endpoint; None: none is named."""
    gauges: Gauges = field(default_factory=Gauges)
    lengths: tuple[float, ...] = ()
    """Shares of answers by length; empty: it does not tell."""
    prompts: tuple[float, ...] = ()
    """Shares of prompts by length."""
    counted: list[tuple[datetime, Counters]] = field(default_factory=list)

    def count(self, now: datetime, requests: float) -> None:
        total = self.counted[-1][1] if self.counted else Counters()
        served = requests if self.answers else 0.0
        self.counted.append((now, total.plus(served, self.failing, self.slow)))

    def replicas_at(self, now: datetime) -> Replicas | Gap | None:
        if isinstance(self.replicas, int):
            return Replicas(self.replicas, 4, now)
        return self.replicas

    def at(self, moment: datetime) -> Counters:
        """The counters at any moment; between two points they grow evenly."""
        index = bisect_right(self.counted, moment, key=lambda one: one[0])
        if index == 0:
            return self.counted[0][1]
        if index == len(self.counted):
            return self.counted[-1][1]
        (begin, low), (end, high) = self.counted[index - 1], self.counted[index]
        return low.towards(high, (moment - begin) / (end - begin))

    def between(self, begin: datetime, end: datetime) -> Counters:
        return self.at(end).minus(self.at(begin))


class FakeSides:
    """Both sides of one route."""

    def __init__(self, now: datetime, *, rate: float = 20.0, scrape: float = 5.0) -> None:
        self.rate = rate
        """Requests a second by the route."""
        self.scrape = scrape
        self.source, self.target = Server("source"), Server("target")
        self._until = now - PAST
        for server in (self.source, self.target):
            server.count(self._until, 0.0)
        self.pass_time(now, 0.0)

    @property
    def servers(self) -> tuple[Server, Server]:
        return self.source, self.target

    def pass_time(self, now: datetime, share: float, mirrored: float = 0.0) -> None:
        """Serve until ``now`` with ``share`` percent on the target, and ``mirrored`` percent of all copied to it."""
        seconds = (now - self._until).total_seconds()
        if seconds <= 0:
            return
        parts = ((self.source, 1.0 - share / 100.0), (self.target, (share + mirrored) / 100.0))
        for server, part in parts:
            server.count(now, seconds * (self.rate * part + server.other_callers))
        self._until = now

    def read(self, server: Server, now: datetime, windows: Sequence[float]) -> Reading:
        """What its Prometheus answers, by its own clock."""
        if server.gap is not None:
            return server.gap
        return SideReading(
            windows=tuple(self._window(server, now, seconds) for seconds in windows),
            scrape_seconds=self.scrape,
            newest_sample=now,
            queries={"Requests": "sum(increase(…))"},
            overlaps=server.overlaps,
            gauges=self._gauges(server, now),
        )

    def _gauges(self, server: Server, now: datetime) -> Gauges:
        """What a story set; how many requests run follows by Little's law."""
        if server.gauges.running != NOT_ASKED:
            return server.gauges
        lately = server.between(now - LATELY, now).total / LATELY.total_seconds()
        return replace(server.gauges, instances=server.servers, running=lately * server.seconds)

    def values(self, gates: Sequence[Gate]) -> Values:
        """What both sides' Prometheus give for the query gates."""
        asked = [gate.name for gate in gates if gate.query is not None]
        nothing = Gap(Missing.NO_DATA, "the expression gives nothing")
        return Values(
            *(
                {
                    name: Value(server.values.get(name, nothing), f"{name} expression")
                    for name in asked
                }
                for server in self.servers
            )
        )

    def _window(self, server: Server, now: datetime, seconds: float) -> WindowReading:
        gaps = server.gate_gaps
        if seconds < 2 * self.scrape:
            short = Gap(Missing.NO_DATA, f"{server.name}: {seconds:g} s hold too few samples")
            return WindowReading(seconds, short, short, {FIRST_TOKEN: short, WHOLE: short})
        seen = server.between(now - timedelta(seconds=seconds), now)
        first = Buckets((THRESHOLD, inf), (seen.total - seen.slow, seen.total))
        whole = Buckets((2.5, 10.0, inf), (seen.total - seen.slow, seen.total, seen.total))
        return WindowReading(
            seconds,
            gaps.get("Requests", seen.total),
            gaps.get("Errors", seen.failed),
            {FIRST_TOKEN: gaps.get(FIRST_TOKEN, first), WHOLE: gaps.get(WHOLE, whole)},
            means={
                WHOLE: gaps.get(f"mean {WHOLE}", Total(MEAN * (seen.total + seen.slow), seen.total))
            },
            distributions={
                name: gaps.get(name, _by_length(seen.total, shares))
                for name, shares in (
                    ("OutputTokens", server.lengths),
                    ("PromptTokens", server.prompts),
                )
                if shares
            },
        )


def _by_length(total: float, shares: tuple[float, ...]) -> Buckets:
    edges = (*(10.0 * 2**one for one in range(len(shares) - 1)), inf)
    return Buckets(edges, tuple(total * sum(shares[: one + 1]) for one in range(len(shares))))
