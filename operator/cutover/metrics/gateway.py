"""The second vantage point: what the gateway counts of a side's backend.

It sees what users see, the network between clusters included, and it counts errors where servers do
not. Its metrics may be in another Prometheus, so that each look is one request more.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cutover.api.gates import Gate
from cutover.api.traffic import Gateway, Route
from cutover.decide.past import PastQuestion
from cutover.decide.readings import Gap, Reading, SideReading, Value, WindowReading, gateway_key
from cutover.judge.evidence import Count
from cutover.metrics import promql
from cutover.metrics.diagnosis import Scene
from cutover.metrics.joined import JoinedMetrics, Place, SideMetrics
from cutover.metrics.profiles.gateways import GATEWAYS
from cutover.metrics.quantities import times_of
from cutover.metrics.questions import ask_gateway


def backend_matchers(
    gateway: Gateway, routes: Sequence[Route], namespace: str, *, name: str
) -> str:
    """Write the matchers that tell the ``name``'s (source or target) backends from all others.

    A backend of several routes is one, as the gateway counts it once.
    """
    given = {"source": gateway.source_matchers, "target": gateway.target_matchers}[name]
    written = GATEWAYS[gateway.profile].backends
    named = [one.backends for one in routes]
    every = [one[("source", "target").index(name)] for one in named if one is not None]
    if given is not None or written is None or len(every) < len(named):
        return promql.rendered(given or {})  # the definition or the plan asks for ``given`` then
    return written(every, namespace)


class GatewayMetrics(JoinedMetrics):
    """What the gateway counts of one backend."""

    def __init__(self, gateway: Gateway, backend: str, place: Place, gates: Sequence[Gate]) -> None:
        """``backend`` are the matchers that tell the backend from all others."""
        judged = [gate for gate in gates if gate.at_gateway]
        asked = times_of(judged, whole=False)
        matchers = promql.rendered(gateway.prometheus.matchers)
        scene = Scene(
            questions=ask_gateway(GATEWAYS[gateway.profile].names, asked, matchers, backend),
            asked=asked,
            address=gateway.prometheus.address,
            field="spec.traffic.gateway.prometheus.matchers",
            profile=str(gateway.profile),
        )
        super().__init__(scene, place, judged, {})


class BothVantages:
    """The port ``Metrics`` of a side that is seen from its servers and from the gateway."""

    def __init__(
        self, servers: SideMetrics, gateway: GatewayMetrics, *, servers_count: bool
    ) -> None:
        """Of servers that count no requests or no errors, the gateway's counts stand for both."""
        self._servers = servers
        self._gateway = gateway
        self._servers_count = servers_count

    async def look(
        self, windows: Sequence[float], *, full: bool = True, long: float | None = None
    ) -> Reading:
        """Read both at once; what the gateway does not tell costs its own gates and no other."""
        own, seen = await asyncio.gather(
            self._servers.look(windows, full=full, long=long),
            self._gateway.look(windows, full=False),
        )
        if isinstance(own, Gap):
            return own
        told = {} if isinstance(seen, Gap) else seen.queries
        return replace(
            own,
            windows=tuple(self._with(one, seen) for one in own.windows),
            queries={**own.queries, **{gateway_key(name): text for name, text in told.items()}},
        )

    def _with(self, window: WindowReading, seen: Reading) -> WindowReading:
        beside = _same(window, seen)
        if self._servers_count:
            return replace(window, gateway=beside)
        if isinstance(beside, Gap):
            return replace(window, requests=beside, errors=beside, gateway=beside)
        return replace(window, requests=beside.requests, errors=beside.errors, gateway=beside)

    async def values(self, seconds: float) -> Mapping[str, Value]:
        """Ask the servers' Prometheus what query gates want to know."""
        return await self._servers.values(seconds)

    async def history(self, question: PastQuestion) -> Mapping[str, Sequence[Count] | Gap] | Gap:
        """Read each gate's past where the gate looks."""
        every: dict[str, Sequence[Count] | Gap] = {}
        for metrics in (self._servers, self._gateway):
            if not metrics.has_past:
                continue
            found = await metrics.history(question)
            if isinstance(found, Gap):
                found = dict.fromkeys(metrics.has_past, found)
            every |= found
        return every


def _same(window: WindowReading, seen: Reading) -> WindowReading | Gap:
    if isinstance(seen, SideReading):
        return next(one for one in seen.windows if one.seconds == window.seconds)
    return Gap(seen.missing, f"at the gateway: {seen.message}")
