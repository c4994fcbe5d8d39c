"""Whatever await of a reconcile breaks, hangs or is cancelled: a rollback still reaches the route.

The reconciler runs in this process, on real connections to the lab's API server and Prometheus.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cutover.clusters.answers import Failed
from cutover.clusters.events import Events
from cutover.clusters.own import connect_own
from cutover.clusters.registry import Clusters
from cutover.clusters.rollouts import ApiRollouts
from cutover.clusters.secrets import Secrets
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
from tests.features.rollouts.stage import Stage
from tests.lab import OPERATOR, Traffic
from tests.lab.routes import external_service, http_route

pytestmark = [pytest.mark.lab, pytest.mark.long]

MODULES = (
    "cutover.reconciler",
    "cutover.report",
    "cutover.observe.world",
    "cutover.act.route",
    "cutover.wiring",
    "cutover.traffic.httproute",
    "cutover.clusters.rollouts",
    "cutover.metrics.joined",
)
NOT_ON_THE_WAY = {
    "act.route._roll_back awaits router.look": "a rollback has lost a race",
    "clusters.rollouts.ApiRollouts.largest_epoch awaits self._own.list_all": "an election",
    "metrics.joined.SideMetrics._alone awaits self._query": "a query was refused",
    "metrics.joined.SideMetrics._ask awaits self._one_by_one": "a query was refused",
    "metrics.joined.SideMetrics._ask awaits self._query": "Prometheus is too slow",
    "metrics.joined.SideMetrics._one_by_one awaits asyncio.gather": "a query was refused",
    "observe.world._owner awaits rollouts.get": "the claim is another rollout's",
    "traffic.httproute.HttpRouteRouter.look awaits self._unread": "the route cannot be read",
    "traffic.httproute.HttpRouteRouter._unread awaits self._without_kind": "404 from a proxy",
    "traffic.httproute.HttpRouteRouter._without_kind awaits self._connection.get": "likewise",
    "traffic.httproute.HttpRouteRouter._without_kind awaits self._connection.get #2": "likewise",
    "wiring.LabelledSecrets.read awaits self._secrets.read": "Prometheus needs a Secret",
    "wiring.build awaits watches.close": "the end of the process",
    "wiring.build awaits prometheus.aclose": "the end of the process",
    "wiring.build awaits clusters.close": "the end of the process",
    "wiring.build.identity awaits clusters.identity": "`reconciling` below has its own",
}
"""Awaits that this rollout does not come by, and what would have to happen for it."""
LOSE = ("write", "patch", "post", "set_finalizer", "_act", "act", "report", "_say")
"""Only what writes can have happened and yet have no answer."""
CASES = [
    pytest.param(site, fault, id=f"{fault}s when {site}")
    for site in sites(MODULES)
    if site not in NOT_ON_THE_WAY
    for fault in FAULTS
    if fault != "lose" or site.partition(" #")[0].endswith(LOSE)
]
_numbers = itertools.count(1)


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


@dataclass(frozen=True)
class Ground:
    """A namespace whose source answers requests, and a kubeconfig to it."""

    stage: Stage
    kubeconfig: Path

    def another(self) -> Stage:
        """One more rollout and its route, which carries no requests of its own."""
        stage, name = self.stage, f"chat-{next(_numbers)}"
        ports = {"source": stage.slot.source.port, "target": stage.slot.target.port}
        weights = {"source": 100, "target": 0}
        backends = []
        for side, port in ports.items():
            backend = f"{name}-{side}"
            stage.cluster.apply(
                external_service(stage.namespace, backend, f"{side}.localhost", port)
            )
            backends.append({"name": backend, "port": port, "weight": weights[side]})
        host = f"{name}.{stage.namespace}.example"
        stage.cluster.apply(http_route(stage.namespace, name, host, backends, 1))
        route = replace(stage.route, name=name, host=host)
        return replace(stage, name=name, route=route)


@pytest.fixture(scope="module")
def ground(module_stage: Stage) -> Iterator[Ground]:
    module_stage.send(rate=50)
    # The target has callers of its own, so that looks may find enough in the guards' short windows.
    log = module_stage.folder / "callers.log"
    callers = Traffic(
        module_stage.lab, "target.example", 50, log=log, target=module_stage.slot.target.url
    )
    kubeconfig = module_stage.folder / "operator.kubeconfig"
    kubeconfig.write_text(
        module_stage.cluster.kubeconfig_for(user=OPERATOR, namespace=module_stage.namespace)
    )
    with callers:
        module_stage.wait("the target's callers", lambda: len(callers.records()) > 300, 60)
        yield Ground(module_stage, kubeconfig)


@pytest.fixture(scope="module")
def injector() -> Iterator[Injector]:
    with injected(MODULES) as made:
        yield made


@asynccontextmanager
async def reconciling(kubeconfig: Path) -> AsyncIterator[Reconciler]:
    """As `wiring.build` puts it together, without a Lease and a queue."""
    own = connect_own({"KUBECONFIG": str(kubeconfig)}, allow_insecure=False)
    secrets = Secrets(own)
    clusters = Clusters(own, secrets)
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
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(until):
            wait = await reconcile(reconciler, key, injector)
            await asyncio.sleep(min(wait, 0.1))


def let_go(stage: Stage) -> bool:
    """Whether nothing is left to be done."""
    rollout = stage.get() or {}
    finalizers = rollout["metadata"].get("finalizers")
    return rollout["status"]["phase"] == "RolledBack" and not finalizers


@pytest.mark.parametrize(("site", "fault"), CASES)
async def test_a_rollback_reaches_the_route_although_twice_an_await(
    site: str, fault: str, ground: Ground, injector: Injector
) -> None:
    stage = await asyncio.to_thread(ground.another)
    key = (stage.namespace, stage.name)
    injector.hits = 0
    async with reconciling(ground.kubeconfig) as reconciler:
        injector.arm(site, fault)
        await asyncio.to_thread(stage.apply)
        await drive(reconciler, key, injector, lambda: stage.route.weights().target == 25)
        for _ in range(3):
            await reconcile(reconciler, key, injector)
        injector.arm(site, fault)
        await asyncio.to_thread(stage.patch, {"spec": {"abort": True}})
        await drive(reconciler, key, injector, lambda: stage.route.weights() == (100, 0))
        await drive(reconciler, key, injector, lambda: let_go(stage))
    assert injector.hits, "never came by: say in NOT_ON_THE_WAY why"
