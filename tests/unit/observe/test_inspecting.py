"""What Preflight asks beside the looks keeps nobody waiting, is asked again, and ends when nothing wants it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cutover.api.status import Plan
from cutover.decide.plan import resolve
from cutover.decide.readings import Gap, Missing
from cutover.decide.surroundings import Ending, Model, Prompts, Rights, Thing, Unfit
from cutover.observe import inspecting
from cutover.observe.inspecting import OFTEN, Inspection
from cutover.observe.memory import Memory
from cutover.observe.world import end_inspection
from cutover.ports import SideName
from tests.fakes.plans import GATES, METRICS, OPERATOR_VERSION, planned, spec

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SERVER = {"url": "http://server:8000"}
GOLDEN = {"configMapKeyRef": {"name": "golden"}}


def plan() -> Plan:
    given = spec(
        gates=[{"name": "golden", "parity": {"dataset": GOLDEN, "protocol": "OpenAIChat"}}],
        afterCompletion={"source": "ScaleToZero"},
    )
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama"}
    given["source"] |= {"endpoint": SERVER, "workload": workload}
    given["target"] |= {"endpoint": SERVER, "workload": workload}
    return planned(given)


class Around:
    """An inspector that answers, breaks or hangs as a test says."""

    def __init__(self) -> None:
        self.hanging: set[str] = set()
        self.broken: set[str] = set()
        self.asked: list[str] = []
        self.cut: list[str] = []

    async def _answer(self, topic: str) -> None:
        self.asked.append(topic)
        if topic in self.broken:
            raise RuntimeError(topic)
        if topic in self.hanging:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cut.append(topic)
                raise

    async def rights(self) -> Rights | Gap:
        await self._answer("rights")
        return Rights(7)

    async def model(self, side: SideName) -> Model | Gap:
        await self._answer(f"{side} model")
        return Model(("llama",))

    async def prompts(self) -> Prompts | Gap:
        await self._answer("prompts")
        return Prompts("golden", "1", 9, 9)

    async def references(self) -> tuple[Thing, ...] | Gap:
        await self._answer("references")
        return (Thing("Secret a", present=True),)

    async def images(self) -> tuple[Thing, ...] | Gap:
        await self._answer("images")
        return (Thing("image a", present=True),)

    async def golden(self) -> Mapping[str, int | Unfit] | Gap:
        await self._answer("golden")
        return {"golden": 3}

    async def ending(self) -> Ending | Gap:
        await self._answer("ending")
        return Ending(None)


TOPICS = {
    "rights",
    "source model",
    "target model",
    "prompts",
    "references",
    "images",
    "golden",
    "ending",
}


async def test_every_topic_is_asked_at_once_and_each_answer_is_seen() -> None:
    around, inspection = Around(), Inspection("it")
    inspection.ask(around, plan(), NOW)
    await inspection.settle(5.0)
    found = inspection.seen()
    assert set(around.asked) == TOPICS
    assert found.rights == Rights(7)
    assert set(found.models) == {"source", "target"}
    assert found.golden == {"golden": 3}


async def test_what_hangs_keeps_nothing_else_and_nobody_waiting() -> None:
    around, inspection = Around(), Inspection("it")
    around.hanging = {"rights", "images"}
    inspection.ask(around, plan(), NOW)
    async with asyncio.timeout(5):
        await inspection.settle(0.05)
    found = inspection.seen()
    assert found.rights is None
    assert found.images is None
    assert found.references == (Thing("Secret a", present=True),)
    inspection.cancel()


async def test_what_hangs_longer_than_its_deadline_is_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inspecting, "DEADLINE", 0.01)
    around, inspection = Around(), Inspection("it")
    around.hanging = {"rights"}
    inspection.ask(around, plan(), NOW)
    await inspection.settle(5.0)
    found = inspection.seen().rights
    assert isinstance(found, Gap)
    assert found.missing is Missing.UNREACHABLE
    assert around.cut == ["rights"]


async def test_a_fault_of_ours_is_said_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    around, inspection = Around(), Inspection("it")
    around.broken = {"references"}
    inspection.ask(around, plan(), NOW)
    await inspection.settle(5.0)
    assert isinstance(inspection.seen().references, Gap)
    assert "preflight: references failed" in caplog.text


async def test_it_is_asked_again_so_that_what_was_mended_is_noticed() -> None:
    around, inspection = Around(), Inspection("it")
    for at in (NOW, NOW + timedelta(seconds=1), NOW + OFTEN):
        inspection.ask(around, plan(), at)
        await inspection.settle(5.0)
        inspection.seen()
    assert around.asked.count("rights") == 2
    assert around.asked.count("images") == 1


async def test_an_abort_breaks_everything_off() -> None:
    around, memory = Around(), Memory()
    around.hanging = set(TOPICS)
    inspection = memory.inspection = Inspection("it")
    inspection.ask(around, plan(), NOW)
    await asyncio.sleep(0)
    end_inspection(memory)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert set(around.cut) == TOPICS
    assert memory == Memory()


def test_only_what_the_plan_has_is_asked() -> None:
    async def ask() -> list[str]:
        around, inspection = Around(), Inspection("it")
        small: Any = resolve(
            {"metadata": {"namespace": "inference", "generation": 1}, "spec": spec()},
            operator_version=OPERATOR_VERSION,
            default_gates=GATES,
            metrics=METRICS,
        )
        inspection.ask(around, small, NOW)
        await inspection.settle(5.0)
        return around.asked

    assert asyncio.run(ask()) == ["rights"]
