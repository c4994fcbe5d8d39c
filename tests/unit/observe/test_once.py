"""One look for a person who waits: whatever hangs is missing with its reason, and the rest is told in time."""

import asyncio
import time
from typing import Any, cast

from cutover.api.preflight import CheckState
from cutover.api.sides import Side
from cutover.api.status import Plan
from cutover.decide.observation import Identity, Probe, Refusal, Replicas, SideReach
from cutover.decide.preflight import preflight_checks
from cutover.decide.readings import Gap, Missing
from cutover.observe.once import look_once
from cutover.observe.world import Known, take_apart
from cutover.ports import Adapters, Inspector, Metrics, Rollouts, Router
from tests.fakes.plans import GATES, METRICS, OPERATOR_VERSION, spec

WITHIN = 0.3
IDENTITY = Identity("c-1", "inference", "chat", "", 0, OPERATOR_VERSION)
KNOWN = Known(OPERATOR_VERSION, GATES, METRICS)


async def forever(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


class Hanging:
    """Every port at once, and none of them ever answers."""

    look = values = history = mirrorable = forever
    rights = model = prompts = references = images = golden = forever


class Dead:
    """Adapters of a world in which everything hangs but the source's workload."""

    def now(self) -> Any:
        from datetime import UTC, datetime

        return datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

    async def router(self, *_: Any) -> Router | Refusal:
        return cast(Router, Hanging())

    def metrics(self, *_: Any) -> tuple[Metrics, Metrics]:
        return cast(Metrics, Hanging()), cast(Metrics, Hanging())

    def inspector(self, *_: Any) -> Inspector:
        return cast(Inspector, Hanging())

    async def reach(self, *_: Any) -> SideReach:
        found: SideReach = await forever()
        return found

    async def replicas(self, side: Side, *_: Any) -> Replicas | Gap:
        if side.workload is not None and side.workload.name == "source":
            return Replicas(3, 3)
        return cast(Gap, await forever())

    async def probe(self, *_: Any, deadline: float) -> Probe:
        assert deadline <= WITHIN
        return cast(Probe, await forever())


def rollout() -> dict[str, Any]:
    given = spec()
    for side in ("source", "target"):
        workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": side}
        given[side] |= {"workload": workload, "endpoint": {"url": f"http://{side}:8000"}}
    metadata = {"name": "chat", "namespace": "inference", "resourceVersion": "0", "generation": 0}
    return {"metadata": metadata, "spec": given, "status": {"phase": "Preflight"}}


async def test_what_hangs_is_named_and_what_answers_is_told() -> None:
    thing = take_apart(rollout(), KNOWN)
    assert isinstance(thing.draft, Plan)
    began = time.monotonic()
    seen = await look_once(
        thing, IDENTITY, cast(Adapters, Dead()), cast(Rollouts, None), seconds=WITHIN
    )
    took = time.monotonic() - began
    checks = {one.name: one for one in preflight_checks(seen, thing.draft)}
    failed = {name for name, one in checks.items() if one.state is CheckState.FAILED}
    assert failed >= {
        "route",
        "source cluster",
        "target cluster",
        "source metrics",
        "target metrics",
    }
    assert checks["source workload"].state is CheckState.PASSED
    for name in ("target workload", "target endpoint", "permissions", "images", "pod references"):
        assert checks[name].holds_back, name
    assert seen.source == Gap(Missing.UNREACHABLE, "its Prometheus did not answer in time")
    assert took < 10 * WITHIN + 5, "a backstop: nothing waits for what hangs"
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.wait(left, timeout=1) if left else None
    assert all(task.done() for task in left), "nothing goes on behind the person's back"
