"""From a breach that can be seen to the last request on the target, one rollout at a time.

T0 the guard's own expression is true in Prometheus (asked every 50 ms by a process of its own)
→ T1 weight 0 is on the route (a watch at the API server) → T2 the last request reached the target.
"""

import asyncio
import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench import figures
from tests.bench.staging import Scene
from tests.bench.visible import Visible, error_burst
from tests.features.rollouts.stage import Stage

WINDOW = 4.0
"""Seconds of the guard's shortest window at scrapes of 1 s."""
TIMES = {
    "interval": "30s",
    "guardInterval": "1s",
    "settle": "1s",
    "minDuration": "10m",
    "maxDuration": "20m",
}
PEERS = """    peers, same kind of machine: Argo Rollouts at 1 s median 0.57 s, max 1.02 s (n=23); at its
    documentation's example 1,069 s (n=10). Flagger at 10 s, its floor, median 15.0 s, max 19.1 s (n=12)"""


@dataclass(frozen=True)
class Run:
    """One breach; times in seconds."""

    to_visible: float
    """From the first failing answer to T0: scrapes and the guard's own window."""
    to_weight: float
    to_last: float
    """From T1 to T2; negative when the last request came before the watch told."""


def measure(scene: Scene, runs: int, rate: float) -> list[Run]:
    """Break the target ``runs`` times; print as it goes."""
    figures.title(f"1. Breach to last request: {runs} runs, guardInterval 1 s, scrapes of 1 s")
    found: list[Run] = []
    with ExitStack() as stack:
        stage = scene.stage(0, stack)
        query = error_burst(stage.slot.target.matchers, WINDOW)
        visible = stack.enter_context(
            Visible(scene.lab.prometheus.url, query, stage.folder / "visible.log")
        )
        stage.send(rate)
        stage.run_operator()
        for attempt in range(1, runs + 1):
            stage.apply(steps=[{"weight": 25}, {"weight": 100}], analysis=TIMES, attempt=attempt)
            run = _break(stage, visible)
            found.append(run)
            print(
                f"    {attempt:2d}: visible after {run.to_visible:.2f} s, weight 0 after"
                f" {run.to_weight:6.3f} s, last request {run.to_last:+.3f} s  [{figures.load()}]",
                flush=True,
            )
    report(found)
    return found


def report(runs: list[Run]) -> None:
    weights = [run.to_weight for run in runs]
    print(f"  visible → weight 0        {figures.spread(weights)}   [goal 0.55, 1.1]")
    print(
        f"  weight 0 → last request   {figures.spread([run.to_last for run in runs])}   [goal 0.2]"
    )
    print(f"  visible → last request    {figures.spread([r.to_weight + r.to_last for r in runs])}")
    print(f"  failing → visible         {figures.spread([run.to_visible for run in runs])}")
    figures.bars(weights, 0.1)
    print(PEERS)


def _break(stage: Stage, visible: Visible) -> Run:
    stage.wait_weight(25)
    time.sleep(WINDOW + 1 + random.random())
    assert stage.route.weights().target == 25, stage.story()
    before = time.time()
    asyncio.run(stage.slot.target.set(error_rate=1.0))
    stage.wait_weight(0)
    fallen = stage.log.wait_for(0).at
    stage.wait_phase("RolledBack")
    time.sleep(1)
    return asyncio.run(_run(stage, visible, before, fallen))


async def _run(stage: Stage, visible: Visible, before: float, fallen: float) -> Run:
    target: Any = stage.slot.target
    last = max(await target.arrivals(since=before))
    await target.reset()
    seen = visible.first_since(before)
    assert seen is not None, "weight 0 although nothing was visible"
    await asyncio.sleep(WINDOW)  # no window of the next attempt reaches back to the failures
    return Run(seen - before, fallen - seen, last - fallen)
