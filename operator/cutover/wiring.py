"""Puts the parts together: ports on one side, adapters on the other. Nothing else happens here."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Final

from cutover.api.clusters import ClusterRef
from cutover.api.gates import Gate
from cutover.api.sides import Side
from cutover.api.status import Plan
from cutover.api.traffic import Traffic
from cutover.clusters.access import Access, Unusable
from cutover.clusters.answers import Failed
from cutover.clusters.configmaps import read_config_map
from cutover.clusters.connection import Connection
from cutover.clusters.events import Events
from cutover.clusters.own import connect_own
from cutover.clusters.pool import Pool
from cutover.clusters.registry import Clusters
from cutover.clusters.rollouts import ApiRollouts
from cutover.clusters.scaling import ScalableWorkload, source_workload
from cutover.clusters.secrets import Secret, Secrets
from cutover.clusters.sources import Sources
from cutover.clusters.tokens.issuer import Issuer
from cutover.clusters.workloads import read_replicas
from cutover.decide.asking import Asking
from cutover.decide.observation import Probe, Refusal, Replicas, SideReach
from cutover.decide.readings import Gap, Missing
from cutover.errors import ConfigurationError
from cutover.inspection.inspector import PlanInspector
from cutover.metrics.gateway import BothVantages, GatewayMetrics, backend_matchers
from cutover.metrics.joined import Place, SideMetrics
from cutover.metrics.profiles.defaults import DEFAULT_GATES, TELLS
from cutover.metrics.prometheus import PrometheusPool
from cutover.observe.world import Known
from cutover.ports import Leadership, Metrics, NotWritten
from cutover.queue import Queue
from cutover.reconciler import Reconciler
from cutover.replay.probing import Probing
from cutover.replay.replayer import GoldenReplayer, Replays
from cutover.replay.sources import GoldenSources
from cutover.report import Reporter
from cutover.settings import Settings
from cutover.telemetry import Telemetry
from cutover.traffic.layout import Layout
from cutover.traffic.layouts import layout_of
from cutover.traffic.object import ObjectRouter
from cutover.traffic.several import SeveralRouters
from cutover.traffic.watch import RouteWatches

log = logging.getLogger(__name__)

OPERATOR_VERSION: Final = version("cutover")
KNOWN: Final = Known(
    operator_version=OPERATOR_VERSION,
    default_gates=DEFAULT_GATES,
    metrics=TELLS,
)


ECHO: Final = 0.25
"""Seconds after our own write to a route that the gateway's answer to it is looked at."""


class SteadyClock:
    """The time in UTC, counted from the start of the process: no jump of the wall clock shows in it."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._steady = steady
        self._began = datetime.fromtimestamp(wall(), UTC)
        self._began_steady = steady()

    def now(self) -> datetime:
        """The time, with microseconds."""
        return self._began + timedelta(seconds=self._steady() - self._began_steady)


class LabelledSecrets:
    """Secrets as the metrics' adapter asks for them."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        """Return one key, or all; what cannot be used is a sentence."""
        secret = await self._secrets.read(namespace, name)
        if not isinstance(secret, Secret):
            return Gap(Missing.CREDENTIALS, secret.message)
        if key is None:
            return secret.values
        if key not in secret.values:
            return Gap(Missing.CREDENTIALS, f"{secret} has no key {key}: add it, or name another")
        return {key: secret.values[key]}


@dataclass(slots=True)
class _Made:
    """What was made for one rollout, and from what."""

    traffic: Traffic | None = None
    router: ObjectRouter | SeveralRouters | None = None
    end_watch: Callable[[], None] = lambda: None
    measured: tuple[object, ...] | None = None
    metrics: tuple[Metrics, Metrics] | None = None


class PooledAdapters:
    """`ports.Adapters` over pooled connections; made once per rollout and change of its plan."""

    def __init__(
        self,
        clusters: Clusters,
        prometheus: PrometheusPool,
        watches: RouteWatches,
        queue: Queue,
        clock: SteadyClock,
        *,
        replays: Replays,
        probing: Probing,
    ) -> None:
        self._replays = replays
        self._probing = probing
        self._clusters = clusters
        self._prometheus = prometheus
        self._watches = watches
        self._queue = queue
        self._clock = clock
        self._made: dict[str, _Made] = {}

    def now(self) -> datetime:
        """The time in UTC."""
        return self._clock.now()

    async def router(
        self, plan: Plan, namespace: str, holder: str
    ) -> ObjectRouter | SeveralRouters | Refusal:
        """The plan's route, or several that are moved as one; what was connected once stays connected until it is released."""
        made = self._made.setdefault(holder, _Made())
        connection = await self._clusters.connect(plan.traffic.cluster, namespace, holder)
        if made.router is not None and made.traffic == plan.traffic:
            made.traffic = plan.traffic  # found equal at no cost next time
            return made.router
        if isinstance(connection, Refusal):
            return connection
        layouts: list[Layout] = []
        for route in plan.traffic.every_route:
            layout = await layout_of(route, connection)
            if isinstance(layout, Refusal):
                return layout
            layouts.append(layout)
        made.end_watch()
        place = plan.traffic.cluster.namespace or namespace
        key = (namespace, holder.split("/", 1)[1])
        routers = [self._router(connection, place, one, key, made) for one in layouts]
        made.end_watch = partial(_each, [end for _, end in routers])
        names = [f"{one.kind.name} {one.wanted.name}" for one in layouts]
        several = SeveralRouters([one for one, _ in routers], names) if len(routers) > 1 else None
        made.router = several or routers[0][0]
        made.traffic = plan.traffic
        return made.router

    def _router(
        self, connection: Connection, place: str, layout: Layout, key: tuple[str, str], made: _Made
    ) -> tuple[ObjectRouter, Callable[[], None]]:
        """One route, watched; and what ends the watch."""
        watch, end = self._watches.subscribe(
            connection,
            layout.kind.collection(place),
            layout.wanted.name,
            lambda: self._heard(key, made),
        )
        return ObjectRouter(connection, place, layout, watch), end

    def _heard(self, key: tuple[str, str], made: _Made) -> None:
        """Look at once at what somebody else did; at the gateway's answer to our own write soon.

        What was put back needs no further look for that: its own turn comes behind those of others
        whose traffic is not back yet.
        """
        echo = made.router.own_echo() if made.router is not None else None
        if echo is None:
            self._queue.wake(key)
        elif echo.highest > 0:
            self._queue.add(key, ECHO)

    def metrics(self, plan: Plan, namespace: str, holder: str) -> tuple[Metrics, Metrics]:
        """The source's and the target's metrics."""
        made = self._made.setdefault(holder, _Made())
        what = (
            *(plan.source, plan.target, plan.profile, plan.custom, plan.gates),
            *(plan.traffic.gateway, plan.traffic.every_route, plan.traffic.cluster.namespace),
        )
        if made.metrics is None or made.measured != what:
            made.metrics = (
                self._side(plan, namespace, plan.gates, name="source"),
                self._side(plan, namespace, plan.gates, name="target"),
            )
        made.measured = what  # found equal at no cost next time
        return made.metrics

    def _side(self, plan: Plan, namespace: str, gates: Sequence[Gate], *, name: str) -> Metrics:
        sides = {"source": (plan.source, plan.target), "target": (plan.target, plan.source)}
        side, other = sides[name]
        servers = SideMetrics(
            side,
            other,
            name=name,
            profile=plan.profile,
            custom=plan.custom,
            gates=gates,
            namespace=namespace,
            client=self._prometheus,
        )
        traffic = plan.traffic
        if traffic.gateway is None:
            return servers
        place = traffic.cluster.namespace or namespace
        gateway = GatewayMetrics(
            traffic.gateway,
            backend_matchers(traffic.gateway, traffic.every_route, place, name=name),
            Place(traffic.gateway.prometheus, namespace, self._prometheus),
            gates,
        )
        tells = TELLS.get(side.profile or plan.profile)
        counts = tells is None or (tells.requests and tells.errors)
        return BothVantages(servers, gateway, servers_count=counts)

    def replayer(self, plan: Plan, namespace: str, asking: Asking) -> GoldenReplayer:
        """Both sides' endpoints, asked so."""
        return GoldenReplayer(
            self._replays, namespace, plan.source.endpoint, plan.target.endpoint, asking
        )

    async def config_map(
        self, ref: ClusterRef, name: str, namespace: str, holder: str
    ) -> Mapping[str, str] | Gap:
        """Read a ConfigMap's data in a side's cluster and namespace."""
        connection = await self._clusters.connect(ref, namespace, holder)
        if isinstance(connection, Refusal):
            return Gap(Missing.CREDENTIALS, connection.message)
        return await read_config_map(connection, ref.namespace or namespace, name)

    async def reach(self, ref: ClusterRef, namespace: str, holder: str) -> SideReach:
        """Whether a cluster's API server answers."""
        return await self._clusters.reach(ref, namespace, holder)

    async def replicas(self, side: Side, namespace: str, holder: str) -> Replicas | Gap:
        """How many replicas of a side's workload are ready."""
        assert side.workload is not None  # noqa: S101 - asked only where one is named
        connection = await self._clusters.connect(side.cluster, namespace, holder)
        if isinstance(connection, Refusal):
            return Gap(Missing.CREDENTIALS, connection.message)
        place = side.cluster.namespace or namespace
        return await read_replicas(connection, side.workload, place)

    def inspector(self, plan: Plan, namespace: str, holder: str) -> PlanInspector:
        """What preflight asks of this plan."""

        async def cluster(ref: ClusterRef) -> Connection | Refusal:
            return await self._clusters.connect(ref, namespace, holder)

        return PlanInspector(plan, namespace, cluster, self._replays)

    async def source_workload(
        self, plan: Plan, namespace: str, holder: str
    ) -> ScalableWorkload | Refusal:
        """The source's workload, to be scaled."""

        async def cluster(ref: ClusterRef) -> Connection | Refusal:
            return await self._clusters.connect(ref, namespace, holder)

        return await source_workload(plan, namespace, cluster)

    async def probe(self, plan: Plan, namespace: str, *, deadline: float) -> Probe:
        """Ask the target's endpoint for its health, once."""
        assert plan.target.endpoint is not None  # noqa: S101 - asked only where one is named
        profile = plan.target.profile or plan.profile
        return await self._probing.probe(
            namespace, plan.target.endpoint, profile, deadline=deadline
        )

    def release(self, holder: str) -> None:
        """Close what nobody else uses."""
        made = self._made.pop(holder, None)
        if made is not None:
            made.end_watch()
        self._clusters.release(holder)


def _each(ends: Sequence[Callable[[], None]]) -> None:
    for end in ends:
        end()


@dataclass(frozen=True, slots=True)
class Parts:
    """Adapters over one own cluster, and its rollouts."""

    adapters: PooledAdapters
    rollouts: ApiRollouts
    clusters: Clusters

    async def cluster(self) -> str | NotWritten:
        """What tells the own cluster from every other."""
        known = await self.clusters.identity()
        return NotWritten(str(known.reason), known.message) if isinstance(known, Failed) else known


@asynccontextmanager
async def connected(
    own: Connection,
    queue: Queue,
    *,
    secret_namespaces: Collection[str] = (),
    watch_namespaces: Sequence[str] = (),
    identity_servers: Sequence[str] = (),
    allow_insecure: bool = False,
) -> AsyncIterator[Parts]:
    """Everything that is connected to anything, closed again at the end."""
    secrets = Secrets(own, secret_namespaces)
    issuer = Issuer(os.environ)
    sources = Sources(
        own, secrets, allow_insecure=allow_insecure, identity_servers=identity_servers
    )
    clusters = Clusters(own, sources, issuer.issue)
    labelled = LabelledSecrets(secrets)
    prometheus = PrometheusPool(labelled)
    watches = RouteWatches()
    replays = Replays(GoldenSources(own, labelled), labelled)
    probing = Probing(labelled)
    adapters = PooledAdapters(
        clusters, prometheus, watches, queue, SteadyClock(), replays=replays, probing=probing
    )
    rollouts = ApiRollouts(
        own, Events(own, os.environ.get("HOSTNAME", "cutover")), watch_namespaces
    )
    try:
        yield Parts(adapters, rollouts, clusters)
    finally:
        async with asyncio.timeout(5):
            await watches.close()
            await prometheus.aclose()
            await probing.aclose()
            await clusters.close()
            await issuer.aclose()


@asynccontextmanager
async def build(
    settings: Settings, leadership: Leadership, queue: Queue, telemetry: Telemetry
) -> AsyncIterator[Reconciler]:
    """Everything a leader needs, closed again at the end."""
    own = connect_own(os.environ, allow_insecure=settings.allow_insecure_tls)
    own.counted = telemetry.requested
    async with connected(
        own,
        queue,
        secret_namespaces=settings.secret_namespaces,
        watch_namespaces=settings.watch_namespaces,
        identity_servers=settings.identity_servers,
        allow_insecure=settings.allow_insecure_tls,
    ) as parts:
        yield Reconciler(
            rollouts=parts.rollouts,
            adapters=parts.adapters,
            leadership=leadership,
            reporter=Reporter(parts.rollouts, leadership, telemetry),
            known=KNOWN,
            undisturbed=queue,
            cluster_identity=parts.cluster,
        )


@asynccontextmanager
async def reading(access: Access) -> AsyncIterator[Parts]:
    """What a person's own program reads with, by that person's credentials."""
    pool = Pool.build(access, "the kubeconfig")
    if isinstance(pool, Unusable):
        raise ConfigurationError(pool.message)
    own = Connection(pool, "cluster of your kubeconfig")
    async with connected(own, Queue(), allow_insecure=access.insecure) as parts:
        yield parts
