"""How often does the operator write? Counted between it and its API server, without the Lease and Events.

A rollout paused at weight 0, one paused with traffic on the target, and one that waits for evidence.
"""

import copy
import re
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from typing import Any

from tests.bench import figures
from tests.bench.staging import Scene
from tests.features.rollouts.stage import RESOURCE, Stage

LIMITS = {
    "waiting": "waits for evidence at 25 % (at most 1 a minute)",
    "resting": "paused at weight 0 (none)",
    "watched": "paused with traffic on the target (at most 1 in ten minutes)",
}
TIMES = {
    "interval": "30s",
    "guardInterval": "5s",
    "settle": "1s",
    "minDuration": "2h",
    "maxDuration": "3h",
}


def measure(scene: Scene, seconds: float, rate: float) -> None:
    """Bring three rollouts where they stay, then count."""
    figures.title(f"4. Writes besides Lease and Events, within {seconds:.0f} s")
    with ExitStack() as stack:
        stage = scene.stage(2, stack)
        proxy = stack.enter_context(scene.lab.proxy(stage.cluster))
        stage.send(rate)
        for name in LIMITS:
            _create(stage, name)
        stage.run_operator(server=proxy.url)
        for name in ("waiting", "watched"):
            stage.wait(f"{name} at 25", partial(_is_applied, stage, name), 120)
        _pause(stage, "watched")
        for name in ("watched", "resting"):
            stage.wait(f"{name} paused", partial(_is_paused, stage, name), 60)
        time.sleep(10)
        proxy.requests.clear()
        time.sleep(seconds)
        asked = len(proxy.requests)
        found = Counter(_name(seen.path) for seen in proxy.writes)
        for name, words in LIMITS.items():
            print(f"    {found.get(name, 0):3d} in {seconds:.0f} s: {words}")
        others = {path: n for path, n in found.items() if path not in LIMITS and path}
        if others:
            print(f"    besides: {others}")
        print(f"    {asked / seconds:.1f} requests of any kind a second  [{figures.load()}]")


def _name(path: str) -> str:
    """The object that is written; empty for a Lease or an Event."""
    if "/leases" in path or "/events" in path:
        return ""
    found = re.search(r"/(?:migrationrollouts|httproutes)/([^/?]+)", path)
    return found[1] if found else path


def _create(stage: Stage, name: str) -> None:
    like = stage.route.read()
    stage.cluster.apply(
        {
            "apiVersion": like["apiVersion"],
            "kind": like["kind"],
            "metadata": {"name": name, "namespace": stage.namespace},
            "spec": like["spec"] | {"hostnames": [f"{name}.{stage.namespace}.example"]},
        }
    )
    steps: list[dict[str, Any]] = [{"weight": 25}, {"weight": 100}]
    rollout = copy.deepcopy(stage.manifest(steps=steps, analysis=TIMES))
    rollout["metadata"]["name"] = name
    rollout["spec"]["traffic"]["httpRoute"]["name"] = name
    rollout["spec"]["paused"] = name == "resting"
    stage.cluster.apply(rollout)


def _status(stage: Stage, name: str) -> dict[str, Any]:
    path = f"{RESOURCE}/namespaces/{stage.namespace}/migrationrollouts/{name}"
    return dict(stage.cluster.call("GET", path).get("status") or {})


def _is_applied(stage: Stage, name: str) -> bool:
    return (_status(stage, name).get("weights") or {}).get("applied") == 25


def _is_paused(stage: Stage, name: str) -> bool:
    return bool(_status(stage, name).get("pause"))


def _pause(stage: Stage, name: str) -> None:
    path = f"{RESOURCE}/namespaces/{stage.namespace}/migrationrollouts/{name}"
    headers = {"Content-Type": "application/merge-patch+json"}
    stage.cluster.call("PATCH", f"{path}?fieldManager=oncall", {"spec": {"paused": True}}, headers)
