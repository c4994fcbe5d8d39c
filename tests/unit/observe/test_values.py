"""Query gates' numbers: a slow expression costs its gate a look, and the look no time."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from cutover.api.status import Plan, Status, Weights
from cutover.decide.looking import Wanted
from cutover.decide.plan import resolve
from cutover.decide.readings import Gap, Missing, Value, Values
from cutover.observe import values
from cutover.observe.memory import Memory
from cutover.observe.values import begin_values, forget_values, take_values
from cutover.ports import Metrics
from tests.fakes import plans

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
EACH = Status(weights=Weights(applied=10, applied_at=NOW), evidence_since=NOW)
FULL, GUARDS = Wanted(windows=(10.0,), long_window=60.0), Wanted(windows=(10.0,))


def in_force() -> Plan:
    gates = [{"name": "queue", "query": {"expr": "q", "max": "3"}}]
    rollout = {"metadata": {"generation": 1, "namespace": "ns"}, "spec": plans.spec(gates=gates)}
    plan = resolve(rollout, operator_version="0", default_gates=plans.GATES, metrics=plans.METRICS)
    assert isinstance(plan, Plan), plan
    return plan


PLAN = in_force()


class Prometheus:
    """One side; an answer comes when the test lets it."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.number = 1.0

    async def values(self, window: float) -> Mapping[str, Value]:
        await self.open.wait()
        return {"queue": Value(self.number, f"q over {window:g} s")}


async def look(memory: Memory, side: Prometheus, want: Wanted = FULL, status: Status = EACH) -> Any:
    sides = cast("tuple[Metrics, Metrics]", (side, side))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "MOMENT", 60.0 if side.open.is_set() else 0.0)
        found = await take_values(begin_values(memory, PLAN, want, sides, status))
    return found.target["queue"].number if found.target else found


async def test_what_is_answered_at_once_is_of_this_look() -> None:
    memory, side = Memory(), Prometheus()
    assert await look(memory, side) == 1.0
    side.number = 2.0
    assert await look(memory, side) == 2.0


async def test_a_slow_one_is_taken_at_the_next_look_and_no_look_waits_for_it() -> None:
    memory, side = Memory(), Prometheus()
    side.open.clear()
    assert (await look(memory, side)).missing is Missing.NO_DATA
    side.open.set()
    await asyncio.sleep(0)
    assert await look(memory, side, GUARDS) == Values(), "a look of the guards asks nothing"
    assert memory.values is not None
    await asyncio.wait({memory.values.task})
    side.open.clear()
    side.number = 2.0
    assert await look(memory, side) == 1.0
    forget_values(memory)


@pytest.mark.parametrize(
    "changed",
    [
        {"evidence_since": NOW + timedelta(minutes=1)},
        {"weights": Weights(applied=50, applied_at=NOW + timedelta(minutes=1))},
    ],
    ids=["fresh evidence", "another weight"],
)
async def test_an_answer_of_other_evidence_is_none(changed: dict[str, Any]) -> None:
    memory, side = Memory(), Prometheus()
    assert await look(memory, side) == 1.0
    side.open.clear()
    found = await look(memory, side, status=EACH.model_copy(update=changed))
    assert isinstance(found, Gap)
    forget_values(memory)


async def test_where_nothing_is_looked_at_nothing_is_asked_on() -> None:
    memory, side = Memory(), Prometheus()
    side.open.clear()
    await look(memory, side)
    assert memory.values is not None
    task = memory.values.task
    assert begin_values(memory, PLAN, Wanted(), None, EACH) is None
    await asyncio.wait({task})
    assert task.cancelled()
