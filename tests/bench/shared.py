"""One breach that many rollouts share: when are all of them at weight 0, and what do they cost before?

They read the same servers' series, so that one breach is everybody's at once. Each has a route of its
own; only the first one's carries traffic, and the target has callers besides, so that the breach goes on.
"""

import asyncio
import copy
import json
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx

from tests.bench import figures, sampling
from tests.bench.breach import WINDOW
from tests.bench.staging import Meter, Scene
from tests.bench.visible import Visible, error_burst
from tests.features.rollouts.stage import Stage
from tests.lab import Traffic, background
from tests.lab.routes import weights_of

TIMES = {
    "interval": "30s",
    "guardInterval": "5s",
    "settle": "1s",
    "minDuration": "10m",
    "maxDuration": "20m",
}
OPERATOR = ("-m", "cutover")
WATCHED = 30.0
"""Seconds of quiet looking before the breach, for the costs."""
PEERS = """    peers, 200 objects at 10 s: Argo Rollouts median 150 s, max 213 s (with its limits raised 20 s and
    27 s); Flagger median 35 s, max 49 s"""


class Weights:
    """The target's weight of every route of a namespace, from one watch."""

    def __init__(self, stage: Stage) -> None:
        self.changed: dict[str, list[tuple[float, int]]] = {}
        self._stage = stage

    def start(self, stack: ExitStack) -> None:
        task = background.start(self._watch())
        stack.callback(task.cancel)

    def now(self) -> dict[str, int]:
        return {name: changes[-1][1] for name, changes in self.changed.items()}

    async def _watch(self) -> None:
        cluster, route = self._stage.cluster, self._stage.route
        path = route.path.rpartition("/")[0] + "?watch=true"
        tls: ssl.SSLContext = cluster.tls
        async with (
            httpx.AsyncClient(verify=tls, headers=cluster.headers, timeout=None) as client,
            client.stream("GET", cluster.server + path) as answer,
        ):
            async for line in answer.aiter_lines():
                seen = time.time()
                thing = json.loads(line)["object"]
                weights = weights_of(thing, route.source_backend, route.target_backend)
                changes = self.changed.setdefault(thing["metadata"]["name"], [])
                if not changes or changes[-1][1] != weights.target:
                    changes.append((seen, weights.target))


def measure(scene: Scene, rollouts: int, rate: float, *, profile: bool = False) -> None:
    """Bring all to 25 %, watch them for a while, then break the target they share."""
    figures.title(f"2. One breach shared by {rollouts} rollouts, guardInterval 5 s, scrapes of 1 s")
    with ExitStack() as stack:
        stage = scene.stage(1, stack)
        query = error_burst(stage.slot.target.matchers, WINDOW)
        log = stage.folder / "visible.log"
        visible = stack.enter_context(Visible(scene.lab.prometheus.url, query, log))
        stage.send(rate * 3 / 4)
        stack.enter_context(_callers(stage, rate / 4))
        operator = stage.run_operator(program=sampling.program(stage) if profile else OPERATOR)
        weights = Weights(stage)
        weights.start(stack)
        began = time.monotonic()
        create(stage, rollouts)
        wait_all(weights, rollouts, 25, 300)
        print(f"    all at weight 25 after {time.monotonic() - began:.0f} s")
        time.sleep(8)
        if profile:
            sampling.begin(operator)
        with Meter(scene, stage) as meter:
            time.sleep(WATCHED)
        tell_cost(meter, rollouts)
        if profile:
            sampling.tell(stage, meter.looks, "look", meter.operator)
            sampling.begin(operator)
        before = time.time()
        asyncio.run(stage.slot.target.set(error_rate=1.0))
        with Meter(scene, stage) as meter:
            wait_all(weights, rollouts, 0, 120)
        print(f"    processor time meanwhile: {meter.operator:.1f} s, {meter.looks:.0f} looks")
        if profile:
            sampling.tell(stage, rollouts, "rollback", meter.operator)
        _tell(weights, visible, before)
        asyncio.run(stage.slot.target.reset())


def _callers(stage: Stage, rate: float) -> Traffic:
    """Requests that reach the target past the routes: the breach must not end with the first rollback."""
    log = stage.folder / "callers.log"
    return Traffic(stage.lab, "target.example", rate, log=log, target=stage.slot.target.url)


def tell_cost(meter: Meter, rollouts: int) -> None:
    """What looking costs while nothing happens."""
    share = meter.operator / meter.seconds
    print(
        f"    {rollouts} rollouts looked at for {meter.seconds:.0f} s: {meter.looks / meter.seconds:.1f} looks/s,"
        f" operator {share:.1%} of a core ({1e3 * meter.operator / max(1, meter.looks):.1f} ms a look),"
        f" {meter.resident:.0f} MiB; Prometheus {meter.prometheus / meter.seconds:.1%}"
        f" ({1e3 * meter.prometheus / max(1, meter.looks):.1f} ms a look, scrapes and poller included)"
        f"  [{figures.load()}]\n"
        f"    {meter.queries / max(1, meter.looks):.2f} queries a look (the poller's included),"
        f" {meter.reads / max(1, meter.looks):.2f} reads of API servers,"
        f" {60 * meter.writes / meter.seconds:.0f} writes a minute",
        flush=True,
    )


def _tell(weights: Weights, visible: Visible, before: float) -> None:
    seen = visible.first_since(before)
    assert seen is not None
    fallen = [changes[-1][0] - seen for changes in weights.changed.values()]
    print(f"  visible → weight 0, all   {figures.spread(fallen)}   [goal 6]  [{figures.load()}]")
    figures.bars(fallen, 0.5)
    print(PEERS)


def wait_all(weights: Weights, count: int, target: int, seconds: float) -> None:
    def reached() -> bool:
        now = weights.now()
        return len(now) == count and all(one == target for one in now.values())

    ends = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > ends:
            done = sum(one == target for one in weights.now().values())
            raise TimeoutError(f"{done} of {count} at weight {target} within {seconds:g} s")
        time.sleep(0.1)


def create(stage: Stage, rollouts: int) -> None:
    """Routes like the first one, with the same backends, and a rollout for each."""
    like = stage.route.read()
    steps = [{"weight": 25}, {"weight": 100}]
    manifest = stage.manifest(steps=steps, analysis=TIMES)
    manifest["spec"]["traffic"]["delivery"] = {"check": "Report"}

    def one(number: int) -> None:
        rollout = copy.deepcopy(manifest)
        if number:
            name = f"chat-{number}"
            stage.cluster.apply(_route(like, name))
            rollout["metadata"]["name"] = name
            rollout["spec"]["traffic"]["httpRoute"]["name"] = name
        stage.cluster.apply(rollout)

    each(one, rollouts)


def each(work: Callable[[int], None], count: int) -> None:
    """Do it for every number, a few at a time."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(count)))


def _route(like: dict[str, Any], name: str) -> dict[str, Any]:
    spec = copy.deepcopy(like["spec"])
    spec["hostnames"] = [f"{name}.{like['metadata']['namespace']}.example"]
    return {
        "apiVersion": like["apiVersion"],
        "kind": like["kind"],
        "metadata": {"name": name, "namespace": like["metadata"]["namespace"]},
        "spec": spec,
    }
