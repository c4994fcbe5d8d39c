"""What does one look cost, part by part? The operator's own wiring, in this process, one look at a time.

Processor time is counted per part by driving its coroutine step by step; what the event loop, TLS and
the connections do between steps belongs to none of them and is the rest.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from cutover import reconciler as loop
from cutover import report
from cutover.metrics import joined
from cutover.metrics.prometheus import PrometheusClient
from cutover.observe import world
from cutover.queue import Queue
from cutover.settings import Settings
from cutover.telemetry import Telemetry
from cutover.wiring import build
from tests.bench import figures
from tests.bench.figures import Used
from tests.bench.staging import Scene
from tests.features.rollouts.stage import Stage
from tests.lab import OPERATOR

LOOKS = 150
TIMES = {
    "interval": "10m",
    "guardInterval": "1m",
    "settle": "1s",
    "minDuration": "10m",
    "maxDuration": "20m",
}


class Leading:
    """Leads, whatever happens."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def may_write(self) -> bool:
        return True


class Costs:
    """Processor seconds by part; parts inside a part are also in that part."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def add(self, part: str, seconds: float) -> None:
        self.spent[part] = self.spent.get(part, 0.0) + seconds

    def plain(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return work(*arguments, **named)
            finally:
                self.add(part, time.thread_time() - began)

        return counted

    def steps(self, part: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def counted(*arguments: Any, **named: Any) -> Any:
            return await _Counted(self, part, work(*arguments, **named))

        return counted


class _Counted:
    def __init__(self, costs: Costs, part: str, work: Awaitable[Any]) -> None:
        self._costs = costs
        self._part = part
        self._work = work

    def __await__(self) -> Generator[Any, Any, Any]:
        inner: Any = self._work.__await__()
        thrown: BaseException | None = None
        while True:
            began = time.thread_time()
            try:
                waits = next(inner) if thrown is None else inner.throw(thrown)
            except StopIteration as end:
                return end.value
            finally:
                self._costs.add(self._part, time.thread_time() - began)
            try:
                thrown = None
                yield waits
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as error:
                thrown = error


def measure(scene: Scene, rate: float) -> None:
    """Bring one rollout to 25 %, stop its operator, and look on in this process."""
    figures.title(f"3. Processor time of a look, {LOOKS} of each kind")
    with ExitStack() as stack:
        stage = scene.stage(2, stack)
        stage.send(rate)
        operator = stage.run_operator()
        stage.apply(steps=[{"weight": 25}, {"weight": 100}], analysis=TIMES)
        stage.wait_weight(25)
        stage.wait("applied", lambda: stage.status["weights"].get("applied") == 25)
        time.sleep(8)
        operator.stop()
        kubeconfig = stage.folder / "bench.kubeconfig"
        kubeconfig.write_text(
            stage.cluster.kubeconfig_for(user=OPERATOR, namespace=stage.namespace)
        )
        before = os.environ.get("KUBECONFIG")
        os.environ["KUBECONFIG"] = str(kubeconfig)
        try:
            asyncio.run(_measure(scene, stage))
        finally:
            if before is None:
                del os.environ["KUBECONFIG"]
            else:
                os.environ["KUBECONFIG"] = before


async def _measure(scene: Scene, stage: Stage) -> None:
    costs = Costs()
    epoch = int(stage.status["leaderEpoch"])
    settings = Settings(lease_namespace=stage.namespace, watch_namespaces=(stage.namespace,))
    key = (stage.namespace, stage.name)
    async with AsyncExitStack() as stack:
        stack.enter_context(_counting(costs))
        reconciler = await stack.enter_async_context(
            build(settings, Leading(epoch), Queue(), Telemetry())
        )
        rollouts: Any = reconciler._rollouts
        rollouts.get = costs.steps("GET the rollout", rollouts.get)
        for _ in range(5):
            await reconciler.reconcile(key)
        memory = reconciler._memories[key]
        for kind in ("guard look", "full look"):
            costs.spent.clear()
            there, began = Used.by(scene.prometheus_pid), time.monotonic()
            looks: list[float] = []
            for _ in range(LOOKS):
                if kind == "full look":
                    memory.last_full_look = None
                used = time.process_time()
                await reconciler.reconcile(key)
                looks.append(1e3 * (time.process_time() - used))
            theirs = 1e3 * (Used.by(scene.prometheus_pid).cpu - there.cpu) / LOOKS
            took = 1e3 * (time.monotonic() - began) / LOOKS
            _tell(kind, costs, looks, theirs, took)


def _tell(kind: str, costs: Costs, looks: list[float], theirs: float, took: float) -> None:
    """The cheapest tenth is what it costs where nobody else pushes us out of the processor's cache."""
    whole, least = sum(looks) / LOOKS, sorted(looks)[LOOKS // 10]
    print(
        f"  {kind}: {whole:.2f} ms of processor time, the cheapest tenth at most {least:.2f} ms; {took:.1f} ms from beginning to end; Prometheus"
        f" {theirs:.1f} ms (scrapes included)  [{figures.load()}]"
    )
    told = 0.0
    for part, seconds in costs.spent.items():
        each = 1e3 * seconds / LOOKS
        inner = part.startswith("  ")
        told += 0.0 if inner else each
        print(f"    {part:<34} {each:6.2f} ms")
    print(f"    {'event loop, TLS, connections':<34} {whole - told:6.2f} ms", flush=True)


def _counting(costs: Costs) -> ExitStack:
    """Put counters around the parts; undone at the end."""
    stack = ExitStack()

    def put(home: Any, name: str, counter: Callable[..., Any], part: str) -> None:
        stack.callback(setattr, home, name, getattr(home, name))
        setattr(home, name, counter(part, getattr(home, name)))

    put(world, "take_apart", costs.plain, "taking the object apart")
    put(world, "wanted", costs.plain, "what is wanted")
    put(world, "_route", costs.steps, "the route")
    put(joined.SideMetrics, "look", costs.steps, "reading both sides' metrics")
    put(PrometheusClient, "query", costs.steps, "  (requests to Prometheus)")
    put(joined, "sort_rows", costs.plain, "  (sorting rows)")
    put(joined, "tell", costs.plain, "  (reading numbers)")
    put(loop, "decide", costs.plain, "decide")
    put(report.Reporter, "report", costs.steps, "report")
    return stack
