"""The past is asked for once, whatever becomes of the turns that wait for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from cutover.api.status import Plan
from cutover.decide.past import PastQuestion
from cutover.decide.plan import resolve
from cutover.decide.readings import (
    Gap,
    Missing,
    PastSeen,
    Reading,
    SideReading,
    Value,
    WindowReading,
)
from cutover.judge.evidence import Count
from cutover.judge.histogram import Buckets
from cutover.judge.past import Clustering
from cutover.observe.memory import Memory
from cutover.observe.past import forget, recall
from tests.fakes.plans import GATES, METRICS, spec

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
Answer = Mapping[str, Sequence[Count] | Gap] | Gap
FOUND: Answer = {"errors": [Count(100.0, 1.0)] * 40, "first-token": Gap(Missing.NO_DATA, "none")}


class Source:
    def __init__(self, answer: Callable[[], Awaitable[Answer]]) -> None:
        self.answer = answer
        self.asked: list[PastQuestion] = []

    async def look(
        self, windows: Sequence[float], *, full: bool = True, long: float | None = None
    ) -> Reading:
        raise AssertionError((windows, full))

    async def values(self, seconds: float) -> Mapping[str, Value]:
        raise AssertionError(seconds)

    async def history(self, question: PastQuestion) -> Answer:
        self.asked.append(question)
        return await self.answer()


async def at_once() -> Answer:
    return FOUND


def plan_of(generation: int = 1) -> Plan:
    rollout = {"metadata": {"generation": generation, "namespace": "ns"}, "spec": spec()}
    plan = resolve(rollout, operator_version="1", default_gates=GATES, metrics=METRICS)
    assert isinstance(plan, Plan)
    return plan


def reading() -> Reading:
    window = WindowReading(600.0, 1.0, 0.0, {"TimeToFirstToken": Buckets((1.0, inf), (1.0, 2.0))})
    return SideReading((window,), 15.0, NOW)


async def ask(
    memory: Memory, source: Source, *, now: datetime = NOW, plan: Plan | None = None
) -> PastSeen | None:
    readings = (reading(), None)
    return await recall(
        memory, plan or plan_of(), now, readings=readings, window=600.0, source=source
    )


async def test_the_answer_stands_for_the_whole_preflight() -> None:
    memory, source = Memory(), Source(at_once)
    first = await ask(memory, source)
    assert first is not None
    assert first.gates == {
        "errors": Clustering(0.0, 40),
        "first-token": Gap(Missing.NO_DATA, "none"),
    }
    assert await ask(memory, source, now=NOW + timedelta(minutes=5)) is first
    assert len(source.asked) == 1


async def test_a_gap_is_an_answer_too() -> None:
    async def down() -> Answer:
        return Gap(Missing.UNREACHABLE, "down")

    memory, source = Memory(), Source(down)
    for _ in range(3):
        seen = await ask(memory, source)
        assert seen is not None
        assert seen.gates == Gap(Missing.UNREACHABLE, "down")
    assert len(source.asked) == 1


async def test_it_is_asked_anew_for_another_plan_and_when_it_is_old() -> None:
    memory, source = Memory(), Source(at_once)
    await ask(memory, source)
    await ask(memory, source, plan=plan_of(2))
    assert len(source.asked) == 2
    await ask(memory, source, plan=plan_of(2), now=NOW + timedelta(hours=2))
    assert len(source.asked) == 3


async def test_turns_that_are_cut_short_ask_only_once() -> None:
    """A wake cuts a turn; the question goes on, and the next turn takes its answer."""
    go_on = asyncio.Event()

    async def slowly() -> Answer:
        await go_on.wait()
        return FOUND

    memory, source = Memory(), Source(slowly)
    for _ in range(3):
        turn = asyncio.create_task(ask(memory, source))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        turn.cancel()
        await asyncio.wait({turn})
        assert turn.cancelled()
    go_on.set()
    assert await ask(memory, source) is not None
    assert len(source.asked) == 1


async def test_what_is_forgotten_is_asked_no_more() -> None:
    memory, source = Memory(), Source(asyncio.Event().wait)  # type: ignore[arg-type]
    turn = asyncio.create_task(ask(memory, source))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    forget(memory)
    assert await turn is None
    assert memory.past is None


async def test_a_fault_of_ours_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> Answer:
        raise ZeroDivisionError

    memory, source = Memory(), Source(broken)
    with caplog.at_level(logging.ERROR):
        seen = await ask(memory, source)
    assert seen is not None
    assert isinstance(seen.gates, Gap)
    assert "could not be read" in caplog.text


async def test_a_source_that_cannot_be_read_is_not_asked() -> None:
    memory, source = Memory(), Source(at_once)
    gap = Gap(Missing.UNREACHABLE, "down")
    seen = await recall(memory, plan_of(), NOW, readings=(gap, None), window=600.0, source=source)
    assert seen is None
    assert source.asked == []
