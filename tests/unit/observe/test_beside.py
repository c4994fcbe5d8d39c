"""What is asked beside the looks never keeps one waiting, and ends when nothing wants it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from cutover.api.facts import ProbesStatus
from cutover.api.status import Plan, Status
from cutover.decide.looking import Wanted
from cutover.decide.observation import Health, Outcome, Probe, Refusal, Replicas
from cutover.decide.plan import resolve
from cutover.decide.readings import Gap, Missing
from cutover.observe.beside import GIVE_UP, Asked, Beside
from cutover.observe.memory import Memory
from cutover.observe.world import end_beside
from cutover.ports import Adapters
from tests.fakes.golden import SILENT, FakeReplayer
from tests.fakes.plans import GATES, METRICS, spec

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
EVERY = timedelta(seconds=5)
WANT = Wanted(health=EVERY)
COLD = Wanted(health=EVERY, warm_up=True)
FAILED = Probe(Outcome.FAILED, "503")


async def forever() -> Any:
    await asyncio.Event().wait()


async def answered() -> Probe:
    return Probe(Outcome.ANSWERED)


async def failed() -> Probe:
    return FAILED


async def four() -> Replicas:
    return Replicas(4, 4)


class Far:
    """Adapters that answer as a test says."""

    def __init__(self) -> None:
        self.ask_probe: Callable[[], Awaitable[Probe]] = answered
        self.ask_replicas: Callable[[], Awaitable[Replicas | Gap]] = four
        self.golden = FakeReplayer(3)
        self.probes = 0
        self.deadlines: list[float] = []

    async def probe(self, plan: Plan, namespace: str, *, deadline: float) -> Probe:
        self.probes += 1
        self.deadlines.append(deadline)
        return await self.ask_probe()

    async def replicas(self, side: Any, namespace: str, holder: str) -> Replicas | Gap:
        return await self.ask_replicas()

    def replayer(self, plan: Plan, namespace: str, asking: Any) -> FakeReplayer:
        return self.golden


def asked(far: Far, **more: Any) -> Asked:
    given = spec(**more)
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
    given["source"] = {**given["source"], "workload": workload}
    target = {"workload": workload, "endpoint": {"url": "http://m:8000"}}
    given["target"] = {**given["target"], **target}
    plan = resolve(
        {"metadata": {"generation": 1, "namespace": "ns"}, "spec": given},
        operator_version="1",
        default_gates=GATES,
        metrics=METRICS,
    )
    assert isinstance(plan, Plan), plan
    return Asked(plan, "ns", "ns/chat", cast("Adapters", far))


async def look(
    beside: Beside, thing: Asked, seconds: float, want: Wanted = WANT, *, rest: float = 0.0
) -> Health:
    """One look, so many seconds after the first; ``rest`` real seconds are spent in it."""
    now = NOW + timedelta(seconds=seconds)
    beside.ask(thing, want, now)
    await asyncio.sleep(rest)
    await asyncio.sleep(0)
    return beside.seen(None, None, thing.plan, now)


async def test_quick_answers_are_there_in_the_look_that_asked() -> None:
    thing = asked(Far())
    beside = Beside(thing.about, Status(), NOW)
    health = await look(beside, thing, 0)
    assert health.probes is not None
    assert (health.probes.failures, health.probes.at) == (0, NOW)
    assert health.target_replicas == Replicas(4, 4, NOW)
    assert health.source_replicas == Replicas(4, 4, NOW)


async def test_what_hangs_keeps_no_look_waiting_and_is_not_asked_twice() -> None:
    far = Far()
    far.ask_probe = far.ask_replicas = forever
    thing = asked(far)
    beside = Beside(thing.about, Status(), NOW)
    for number in range(5):
        health = await look(beside, thing, 5.0 * number)
        assert health.target_replicas is None
    assert far.probes == 1
    beside.cancel()


async def test_looks_in_quick_succession_probe_no_sooner_than_is_due() -> None:
    far = Far()
    thing = asked(far)
    beside = Beside(thing.about, Status(), NOW)
    for tenth in range(100):
        await look(beside, thing, tenth / 10)
    assert far.probes in (2, 3)
    assert far.deadlines[0] == 2.0


async def test_a_probe_has_no_more_time_than_there_is_until_the_next() -> None:
    far = Far()
    thing = asked(far)
    beside = Beside(thing.about, Status(), NOW)
    await look(beside, thing, 0, Wanted(health=timedelta(seconds=1)))
    assert far.deadlines == [1.0]


async def test_failures_are_counted_in_a_row() -> None:
    far = Far()
    far.ask_probe = failed
    thing = asked(far)
    beside = Beside(thing.about, Status(), NOW)
    counts = []
    for number in range(4):
        if number == 2:
            far.ask_probe = answered
        if number == 3:
            far.ask_probe = failed
        health = await look(beside, thing, 5.0 * number)
        assert health.probes is not None
        counts.append(health.probes.failures)
    assert counts == [1, 2, 0, 1]


@pytest.mark.parametrize(("age", "failures"), [(10.0, 4), (-10.0, 4), (300.0, 1), (-300.0, 1)])
async def test_a_new_process_goes_on_with_a_streak_that_is_fresh(age: float, failures: int) -> None:
    far = Far()
    far.ask_probe = failed
    thing = asked(far)
    stored = ProbesStatus(failures=3, at=NOW - timedelta(seconds=age), message="503")
    beside = Beside(thing.about, Status(probes=stored), NOW)
    health = await look(beside, thing, 0)
    assert health.probes is not None
    assert health.probes.failures == failures


async def test_a_fault_of_ours_is_logged_and_blames_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken() -> Any:
        raise RuntimeError("a bug")

    far = Far()
    far.ask_probe = far.ask_replicas = broken
    thing = asked(far)
    beside = Beside(thing.about, Status(), NOW)
    with caplog.at_level(logging.ERROR):
        health = await look(beside, thing, 0)
    assert health.probes is not None
    assert health.probes.failures == 0
    assert health.probes.unsent == "a fault of the operator: see its log"
    assert isinstance(health.target_replicas, Gap)
    assert "a bug" in caplog.text


async def test_when_a_rollback_is_due_everything_is_broken_off() -> None:
    far = Far()
    far.ask_probe = far.ask_replicas = forever
    thing = asked(far)
    memory = Memory()
    memory.beside = Beside(thing.about, Status(), NOW)
    await look(memory.beside, thing, 0)
    tasks = [one for one in asyncio.all_tasks() if "target" in one.get_name()]
    assert len(tasks) == 2
    end_beside(memory)
    await asyncio.wait(tasks, timeout=1)
    assert all(one.cancelled() for one in tasks)
    assert memory.beside is None


# --- warm-up ------------------------------------------------------------------------------------


async def warmed(far: Far, **warm_up: Any) -> Health:
    thing = asked(far, warmUp=warm_up)
    beside = Beside(thing.about, Status(), NOW)
    await look(beside, thing, 0)
    for tenth in range(1, 50):
        health = await look(beside, thing, tenth / 10, COLD, rest=0.005)
        if health.warmed is not None:
            assert (await look(beside, thing, 5.0)).warmed is None, "told twice"
            return health
    raise AssertionError("never warm")


async def test_each_ready_replica_gets_its_requests() -> None:
    far = Far()
    health = await warmed(far, requests=5)
    assert health.warmed is not None
    assert (health.warmed.sent, health.warmed.failed) == (20, 0)
    assert {side for side, _ in far.golden.asked} == {"target"}


async def test_items_of_a_golden_set_are_sent_again_from_the_first() -> None:
    far = Far()
    await warmed(far, requests=2, dataset={"configMapKeyRef": {"name": "golden"}})
    assert [item for _, item in far.golden.asked[:4]] == ["item-0", "item-1", "item-2", "item-0"]


async def test_a_golden_set_that_cannot_be_used_is_said() -> None:
    far = Far()
    far.golden.golden = Refusal("GoldenSetInvalid", "line 3 of the golden set is no JSON")
    health = await warmed(far, requests=2, dataset={"configMapKeyRef": {"name": "golden"}})
    assert health.warmed is not None
    assert health.warmed.failed
    assert health.warmed.message.endswith("line 3 of the golden set is no JSON")


async def test_a_target_that_answers_nothing_is_not_asked_on_and_on() -> None:
    far = Far()
    far.golden = FakeReplayer(3, lambda _side, _item: SILENT)
    health = await warmed(far, requests=200)
    assert health.warmed is not None
    assert GIVE_UP <= health.warmed.failed == health.warmed.sent < GIVE_UP + 4
    assert health.warmed.message == "nobody is there"


async def test_a_warm_up_that_nobody_wants_any_more_is_broken_off() -> None:
    far = Far()
    far.golden.delay = lambda _side, _item: 60.0
    thing = asked(far, warmUp={"requests": 5})
    beside = Beside(thing.about, Status(), NOW)
    await look(beside, thing, 0, COLD, rest=0.005)
    assert far.golden.under_way
    await look(beside, thing, 1.0, WANT, rest=0.005)
    assert not far.golden.under_way


async def test_what_was_answered_stays_until_there_is_news() -> None:
    far = Far()
    thing = asked(far)
    beside = Beside(thing.about, Status(), NOW)
    await look(beside, thing, 0)
    far.ask_replicas = forever
    health = await look(beside, thing, 5.0)
    assert health.target_replicas == Replicas(4, 4, NOW)

    async def down() -> Gap:
        return Gap(Missing.UNREACHABLE, "no route to host")

    beside.cancel()
    far.ask_replicas = down
    health = await look(beside, thing, 60.0)
    assert health.target_replicas == Gap(Missing.UNREACHABLE, "no route to host")
