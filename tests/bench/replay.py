"""Does a replay of golden inputs make other rollouts' guard looks late?

    python -m tests.bench.replay [--pairs 3000] [--rollouts 20] [--seconds 30]

The operator's own wiring in this process, on the lab's parts: so many rollouts at weight 25 are looked
at once a second each, first alone, then while another rollout's golden inputs are replayed as quickly as
its gate allows. A look is late by the time from when it was due until it began. Goal: 99 % within 250 ms.
"""

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

from cutover.queue import Queue
from cutover.reconciler import Reconciler
from cutover.settings import Settings
from cutover.telemetry import Telemetry
from cutover.wiring import build
from tests.bench import figures
from tests.bench.looks import Leading
from tests.bench.shared import Weights, create, wait_all
from tests.bench.staging import Scene
from tests.features.rollouts.stage import Stage, install
from tests.lab import OPERATOR, Lab

EVERY = 1.0
"""Seconds between two guard looks of one rollout."""
GOAL = 0.25
MODEST = {"rate": 100, "concurrency": 8}
"""Of the gate; the greatest rate that admission allows is 1,000."""


def measure(scene: Scene, pairs: int, rollouts: int, seconds: float, rate: float) -> None:
    figures.title(f"Guard looks of {rollouts} rollouts beside a replay of {pairs:,} pairs")
    with ExitStack() as stack:
        stage, other = scene.stage(0, stack), scene.stage(1, stack)
        stage.send(rate)
        operator = stage.run_operator()
        weights = Weights(stage)
        weights.start(stack)
        create(stage, rollouts)
        wait_all(weights, rollouts, 25, 300)
        time.sleep(8)
        operator.stop()
        _prepare(other, pairs)
        epoch = int(stage.status["leaderEpoch"])
        names = [stage.name, *(f"chat-{n}" for n in range(1, rollouts))]
        kubeconfig = stage.folder / "bench.kubeconfig"
        kubeconfig.write_text(
            stage.cluster.kubeconfig_for(user=OPERATOR, namespace=stage.namespace)
        )
        before, os.environ["KUBECONFIG"] = os.environ.get("KUBECONFIG"), str(kubeconfig)
        try:
            keys = [(stage.namespace, name) for name in names]
            asyncio.run(_measure(other, keys, epoch, pairs, seconds))
        finally:
            os.environ.pop("KUBECONFIG")
            if before is not None:
                os.environ["KUBECONFIG"] = before


async def _measure(
    other: Stage, keys: list[tuple[str, str]], epoch: int, pairs: int, seconds: float
) -> None:
    namespaces = (keys[0][0], other.namespace)
    settings = Settings(lease_namespace=keys[0][0], watch_namespaces=namespaces)
    async with AsyncExitStack() as stack:
        reconciler = await stack.enter_async_context(
            build(settings, Leading(epoch), Queue(), Telemetry())
        )
        for key in keys:
            await reconciler.reconcile(key)
        alone = await _looked(reconciler, keys, asyncio.create_task(asyncio.sleep(seconds)))
        _tell("alone", alone)
        replay = asyncio.create_task(_replayed(reconciler, (other.namespace, other.name), pairs))
        beside = await _looked(reconciler, keys, replay)
        began, ended, cpu = replay.result()
        _tell(
            f"beside {pairs:,} pairs, {ended - began:.0f} s, {cpu / (ended - began):.0%} of a core",
            beside,
        )


def _prepare(other: Stage, pairs: int) -> None:
    """A rollout whose only gate asks so many golden inputs."""
    lines = [
        json.dumps({"id": f"q{n}", "messages": [{"role": "user", "content": f"Question {n}?"}]})
        for n in range(pairs)
    ]
    other.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "golden", "namespace": other.namespace},
            "data": {"golden.jsonl": "\n".join(lines)},
        }
    )
    dataset = {"configMapKeyRef": {"name": "golden"}}
    parity = {"dataset": dataset, "protocol": "OpenAIChat", "maxMismatch": "0.1%", **MODEST}
    spec = other.spec()
    sides = {"source": other.slot.source, "target": other.slot.target}
    for side, server in sides.items():
        spec[side]["endpoint"] = {"url": server.url, "model": "tiny"}
    other.send(20)
    other.apply(
        gates=[{"name": "golden", "parity": parity}], source=spec["source"], target=spec["target"]
    )


async def _replayed(
    reconciler: Reconciler, key: tuple[str, str], pairs: int
) -> tuple[float, float, float]:
    """Reconcile the rollout until its golden inputs have all been asked; begin, end, processor time."""
    began, used = 0.0, 0.0
    while True:
        delay = await reconciler.reconcile(key)
        memory: Any = reconciler._memories[key]
        replay = memory.replays.get("golden")
        if replay is not None and not began:
            began, used = time.monotonic(), time.process_time()
        if began and (replay is None or replay.seen.finished):
            if replay is not None:
                assert replay.seen.fold.asked == pairs, replay.seen
            return began, time.monotonic(), time.process_time() - used
        await asyncio.sleep(min(1.0, delay if delay is not None else 1.0))


async def _looked(
    reconciler: Reconciler, keys: list[tuple[str, str]], until: asyncio.Task[Any]
) -> list[float]:
    """Look at every rollout once a second until the task is done; by how much each look was late."""
    late: list[float] = []
    loop, chance = asyncio.get_running_loop(), random.Random(1)

    async def watch(key: tuple[str, str]) -> None:
        due = loop.time() + EVERY * chance.random()
        while not until.done():
            await asyncio.sleep(max(0.0, due - loop.time()))
            late.append(loop.time() - due)
            reconciler._memories[key].last_full_look = reconciler._adapters.now()
            await reconciler.reconcile(key)
            due = max(due + EVERY, loop.time() - EVERY)

    await asyncio.gather(until, *(watch(key) for key in keys))
    return late


def _tell(how: str, late: list[float]) -> None:
    within = sum(one <= GOAL for one in late) / len(late)
    print(
        f"  {how}: {len(late)} looks, {within:.2%} within 250 ms of their time  [{figures.load()}]"
    )
    print(f"    {figures.spread(late)}")
    edges = (0.005, 0.01, 0.025, 0.05, 0.1, GOAL, 0.5, 1.0, inf)
    for low, high in pairwise((0.0, *edges)):
        count = sum(low <= one < high for one in late)
        share = count / len(late)
        print(f"    from {low:5.3f} s {count:6d} {share:7.2%} {'█' * round(50 * share)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--rollouts", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0, help="of looking without a replay")
    parser.add_argument("--rate", type=float, default=100.0, help="live requests a second")
    wanted = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cutover-bench-")))
        lab = stack.enter_context(Lab.start(folder / "lab", slots=2))
        install(lab)
        print(f"{os.cpu_count()} cores, {figures.load()}")
        measure(Scene(lab, folder), wanted.pairs, wanted.rollouts, wanted.seconds, wanted.rate)


if __name__ == "__main__":
    main()
