"""A write to the route that did not get through is part of what the next decision sees."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from cutover.decide.observation import Identity
from cutover.decide.route import RouteGone
from cutover.observe.memory import Memory
from cutover.observe.world import observe, take_apart
from cutover.wiring import KNOWN
from tests.fakes.plans import quick


async def test_what_kept_the_last_write_from_the_route_is_seen_by_the_next_decision() -> None:
    async def router(*_: Any) -> Any:
        async def look(**_: Any) -> RouteGone:
            return RouteGone("gone")

        return SimpleNamespace(look=look)

    adapters: Any = SimpleNamespace(now=lambda: datetime(2026, 3, 2, tzinfo=UTC), router=router)
    memory = Memory()
    memory.trouble = "HTTPRoute chat may not be patched: grant patch on httproutes"
    meta = {"namespace": "inference", "name": "chat", "uid": "uid", "resourceVersion": "1"}
    thing = take_apart({"metadata": meta, "spec": quick()}, KNOWN)
    identity = Identity("cluster", "inference", "chat", "uid", 1, "0.1.0")
    rollouts: Any = SimpleNamespace()
    seen, _ = await observe(thing, identity, memory, adapters, rollouts)
    assert seen.trouble == memory.trouble
