"""Whatever await of a reconcile breaks, hangs or is cancelled: a rollback still reaches the route.

The reconciler runs in this process, on real connections to the lab's API server and Prometheus.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from cutover.clusters.answers import Failed
from cutover.clusters.events import Events
from cutover.clusters.own import connect_own
from cutover.clusters.registry import Clusters
from cutover.clusters.rollouts import ApiRollouts
from cutover.clusters.secrets import Secrets
from cutover.clusters.sources import Sources
from cutover.metrics.prometheus import PrometheusPool
from cutover.ports import NotWritten
from cutover.queue import Queue
from cutover.reconciler import Key, Reconciler
from cutover.replay.probing import Probing
from cutover.replay.replayer import Replays
from cutover.replay.sources import GoldenSources
from cutover.report import Reporter
from cutover.telemetry import Telemetry
from cutover.traffic.watch import RouteWatches
from cutover.wiring import KNOWN, LabelledSecrets, PooledAdapters, SteadyClock
from tests.chaos.awaits import FAULTS, InjectedError, Injector, injected, sites
from tests.chaos.ground import Ground, everything, prepared, warmed_up
from tests.features.rollouts.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1500)]
PATIENCE = 300.0
"""Seconds after which something hangs for good, however busy the machine is."""

MODULES = (
    "cutover.reconciler",
    "cutover.report",
    "cutover.observe.world",
    "cutover.observe.past",
    "cutover.observe.values",
    "cutover.observe.results",
    "cutover.observe.replaying",
    "cutover.observe.beside",
    "cutover.observe.inspecting",
    "cutover.act.route",
    "cutover.wiring",
    "cutover.traffic.object",
    "cutover.clusters.rollouts",
    "cutover.clusters.workloads",
    "cutover.clusters.configmaps",
    "cutover.metrics.joined",
    "cutover.metrics.gateway",
    "cutover.replay.replayer",
    "cutover.replay.probing",
)
BESIDE = (
    "observe.results.",
    "observe.replaying.",
    "observe.beside.",
    "observe.inspecting._within ",
    "wiring.PooledAdapters.inspector.",
    "replay.",
    "clusters.workloads.",
    "clusters.configmaps.",
    "wiring.PooledAdapters.config_map ",
    "wiring.PooledAdapters.replicas ",
    "wiring.PooledAdapters.probe ",
)
"""In tasks of their own: no turn may wait for them, so what hangs there is not cut."""
ONLY_WHERE_ASKED = (
    *BESIDE,
    "observe.past.",
    "observe.values.",
    "metrics.joined.JoinedMetrics.values ",
    "metrics.joined.JoinedMetrics._value ",
    "metrics.joined.JoinedMetrics.history ",
)
"""Those that a rollout comes by only if its spec asks for everything."""
BETWEEN_FULL_LOOKS = (
    "observe.world._look awaits asyncio.gather",
    "observe.world._both awaits asyncio.gather",
)
"""Where a busy machine makes each look a full one, unless those are far apart."""
SELDOM = (
    "act.route._roll_back ",
    "act.route._write ",
    "clusters.rollouts.ApiRollouts.post ",
    "observe.inspecting.Inspection.settle ",
    "report.Reporter._say ",
    "traffic.object.ObjectRouter.write ",
    "wiring.PooledAdapters.router awaits layout_of",
)
"""Not every turn comes by: a write that was cancelled may have arrived, an Event is posted once."""
WAITED_FOR = (
    "observe.beside.",
    "observe.past._ask ",
    "observe.inspecting._within ",
    "wiring.PooledAdapters.inspector.",
    "wiring.PooledAdapters.replicas ",
    "wiring.PooledAdapters.probe ",
    "clusters.workloads.",
    "replay.probing.",
)
"""The first weight waits for these, with deadlines that our faults set aside: it may never come."""
NOT_ON_THE_WAY = {
    "act.route._roll_back awaits router.look": "a rollback has lost a race",
    "clusters.rollouts.ApiRollouts.largest_epoch awaits self._own.list_all": "an election",
    "clusters.workloads.read_replicas awaits _read": "the workload is an InferenceService",
    "metrics.gateway.BothVantages.look awaits asyncio.gather": "the gateway has a Prometheus",
    "metrics.gateway.BothVantages.values awaits self._servers.values": "likewise",
    "metrics.gateway.BothVantages.history awaits metrics.history": "likewise",
    "metrics.joined.JoinedMetrics._alone awaits self._query": "a query was refused",
    "metrics.joined.JoinedMetrics._ask awaits self._one_by_one": "a query was refused",
    "metrics.joined.JoinedMetrics._ask awaits asyncio.gather": "a query was refused before",
    "metrics.joined.JoinedMetrics._ask awaits self._query": "Prometheus is too slow",
    "metrics.joined.JoinedMetrics._search awaits self._query": "a metric is missing",
    "metrics.joined.JoinedMetrics._one_by_one awaits asyncio.gather": "a query was refused",
    "observe.beside.Beside.settle awaits asyncio.wait": "a person's single look",
    "observe.replaying._run awaits asyncio.sleep": "a replay broke off",
    "observe.world._owner awaits rollouts.get": "the claim is another rollout's",
    "observe.world._route awaits router.mirrorable": "a shadow step comes first",
    "traffic.object.ObjectRouter.mirrorable awaits self._tried": "likewise",
    "traffic.object.ObjectRouter.rehearse awaits self._connection.patch": "several routes",
    "reconciler.Reconciler._act awaits self._adapters.source_workload": "the source is scaled",
    "reconciler.Reconciler._act awaits act_on_source": "likewise",
    "observe.world.observe awaits _workload": "likewise",
    "observe.world._workload awaits adapters.source_workload": "likewise",
    "observe.world._workload awaits workload.look": "likewise",
    "wiring.PooledAdapters.source_workload awaits self._clusters.connect": "likewise",
    "wiring.PooledAdapters.source_workload awaits self._clusters.connect #2": "likewise",
    "traffic.object.ObjectRouter._tried awaits self._connection.patch": "likewise",
    "replay.replayer.GoldenReplayer.ask awaits asyncio.sleep": "an endpoint was not reached",
    "replay.replayer.GoldenReplayer.ask awaits self._once #2": "an endpoint was not reached",
    "replay.probing.Probing.aclose awaits one.server.aclose": "the end of the process",
    "replay.probing.Probing._close_unused awaits one.server.aclose": "15 minutes without a probe",
    "traffic.object.ObjectRouter.look awaits self._unread": "the route cannot be read",
    "traffic.object.ObjectRouter._unread awaits self._without_kind": "404 from a proxy",
    "traffic.object.ObjectRouter._without_kind awaits self._connection.get": "likewise",
    "traffic.object.ObjectRouter._without_kind awaits self._connection.get #2": "likewise",
    "wiring.LabelledSecrets.read awaits self._secrets.read": "Prometheus needs a Secret",
    "wiring.connected awaits probing.aclose": "the end of the process",
    "wiring.connected awaits watches.close": "the end of the process",
    "wiring.connected awaits prometheus.aclose": "the end of the process",
    "wiring.connected awaits clusters.close": "the end of the process",
    "wiring.connected awaits issuer.aclose": "the end of the process",
    "wiring.Parts.cluster awaits self.clusters.identity": "`reconciling` below has its own",
}
"""Awaits that this rollout does not come by, and what would have to happen for it."""
LOSE = ("write", "patch", "post", "set_finalizer", "_act", "act", "report", "_say")
"""Only what writes can have happened and yet have no answer."""


def _faults(site: str) -> list[tuple[str, ...]]:
    """One after the other in one rollout where every turn comes by; else a rollout for each."""
    fit = [one for one in FAULTS if one != "lose" or site.partition(" #")[0].endswith(LOSE)]
    return [(one,) for one in fit] if site.startswith(ONLY_WHERE_ASKED + SELDOM) else [tuple(fit)]


CASES = [
    pytest.param(site, faults, id=f"{', '.join(faults)} when {site}")
    for site in sites(MODULES)
    if site not in NOT_ON_THE_WAY
    for faults in _faults(site)
]


class Leader:
    """It holds the Lease: elections have tests of their own."""

    epoch = 1

    def may_write(self) -> bool:
        return True


class Undisturbed:
    """No queue stands before the reconciler."""

    def acting(self, key: Key) -> AbstractContextManager[None]:
        del key
        return nullcontext()


@pytest.fixture(scope="module")
def ground(module_stage: Stage) -> Iterator[Ground]:
    with prepared(module_stage) as made:
        yield made


@pytest.fixture(scope="module")
def injector() -> Iterator[Injector]:
    with injected(MODULES) as made:
        yield made


@asynccontextmanager
async def reconciling(kubeconfig: Path) -> AsyncIterator[Reconciler]:
    """As `wiring.build` puts it together, without a Lease and a queue."""
    own = connect_own({"KUBECONFIG": str(kubeconfig)}, allow_insecure=False)
    secrets = Secrets(own)
    clusters = Clusters(own, Sources(own, secrets))
    prometheus = PrometheusPool(LabelledSecrets(secrets))
    watches = RouteWatches()
    replays = Replays(GoldenSources(own, LabelledSecrets(secrets)), LabelledSecrets(secrets))
    probing = Probing(LabelledSecrets(secrets))
    adapters = PooledAdapters(
        clusters, prometheus, watches, Queue(), SteadyClock(), replays=replays, probing=probing
    )
    rollouts = ApiRollouts(own, Events(own, "chaos"))

    async def identity() -> str | NotWritten:
        known = await clusters.identity()
        return NotWritten(str(known.reason), known.message) if isinstance(known, Failed) else known

    try:
        yield Reconciler(
            rollouts=rollouts,
            adapters=adapters,
            leadership=Leader(),
            reporter=Reporter(rollouts, Leader(), Telemetry()),
            known=KNOWN,
            undisturbed=Undisturbed(),
            cluster_identity=identity,
        )
    finally:
        await watches.close()
        await prometheus.aclose()
        await probing.aclose()
        await clusters.close()


async def reconcile(reconciler: Reconciler, key: Key, injector: Injector) -> float:
    """One turn as the dispatcher takes it: what breaks is tried again, what hangs is cut."""
    turn = asyncio.create_task(reconciler.reconcile(key))
    hangs = asyncio.create_task(injector.hanging.wait())
    await asyncio.wait({turn, hangs}, return_when=asyncio.FIRST_COMPLETED)
    if injector.hanging.is_set():
        turn.cancel()
        injector.hanging.clear()
    hangs.cancel()
    with suppress(asyncio.CancelledError, InjectedError):
        return await turn or 0.0
    return 0.0


async def drive(
    reconciler: Reconciler, key: Key, injector: Injector, until: Callable[[], bool]
) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(until):
            wait = await reconcile(reconciler, key, injector)
            await asyncio.sleep(min(wait, 0.1))


def let_go(stage: Stage) -> bool:
    """Whether nothing is left to be done."""
    rollout = stage.get() or {}
    finalizers = rollout["metadata"].get("finalizers")
    return rollout["status"]["phase"] == "RolledBack" and not finalizers


def spec_for(site: str, stage: Stage) -> dict[str, Any]:
    """As small as will do."""
    if site in BETWEEN_FULL_LOOKS:
        return {"analysis": stage.spec()["analysis"] | {"interval": "30s"}}
    asked = everything(stage) if site.startswith(ONLY_WHERE_ASKED) else {}
    return asked | (warmed_up() if site.startswith("observe.beside.") else {})


@pytest.mark.parametrize(("site", "faults"), CASES)
async def test_a_rollback_reaches_the_route_although_twice_an_await(
    site: str, faults: tuple[str, ...], ground: Ground, injector: Injector
) -> None:
    stage = await asyncio.to_thread(ground.another)
    key = (stage.namespace, stage.name)
    cut = not site.startswith(BESIDE)
    injector.done = set()
    async with reconciling(ground.kubeconfig) as reconciler:
        injector.arm(site, faults, cut=cut)
        await asyncio.to_thread(lambda: stage.apply(**spec_for(site, stage)))
        if site.startswith(WAITED_FOR):
            await drive(reconciler, key, injector, lambda: bool(injector.done))
        else:
            await drive(reconciler, key, injector, lambda: stage.route.weights().target == 25)
            if (
                not cut
            ):  # some come with the first full look at a weight; one is under way at the end
                await drive(reconciler, key, injector, lambda: bool(injector.done))
                injector.arm(site, faults, cut=cut)
            for _ in range(3):
                await reconcile(reconciler, key, injector)
            injector.arm(site, faults, cut=cut)
        await asyncio.to_thread(stage.patch, {"spec": {"abort": True}})
        await drive(reconciler, key, injector, lambda: stage.route.weights() == (100, 0))
        await drive(reconciler, key, injector, lambda: let_go(stage))
    never = set(faults) - injector.done
    assert not never, "never came by so often: say in NOT_ON_THE_WAY why"
