"""Nobody waits for a run that hangs: not the others, not its own abort."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

from cutover.dispatcher import LONGEST_RUN, PATIENCE, STUCK, Dispatcher
from cutover.queue import Key, Queue
from cutover.telemetry import Telemetry
from tests.unit.shell.clock import Clock

A, B = ("ns", "a"), ("ns", "b")


class Looks:
    """A reconciler whose looks a test lets end."""

    def __init__(self) -> None:
        self.begun: list[Key] = []
        self.ended: list[Key] = []
        self.gates: dict[Key, asyncio.Event] = {}
        self.results: dict[Key, float | Exception | None] = {}

    def hang(self, key: Key) -> None:
        self.gates[key] = asyncio.Event()

    async def reconcile(self, key: Key) -> float | None:
        self.begun.append(key)
        if key in self.gates:
            await self.gates[key].wait()
        self.ended.append(key)
        result = self.results.get(key, 30.0)
        if isinstance(result, Exception):
            raise result
        return result


class Stage:
    """A dispatcher whose every turn the test takes."""

    def __init__(self, slots: int = 8, reserved: int = 2) -> None:
        self.clock = Clock()
        self.queue = Queue(self.clock, jitter=lambda: 1.0)
        self.looks = Looks()
        self.telemetry = Telemetry(self.clock)
        self.dispatcher = Dispatcher(
            self.queue, self.looks, self.telemetry, slots=slots, reserved=reserved
        )

    async def turn(self, seconds: float = 0.0) -> float:
        self.clock.forward(seconds)
        pause = self.dispatcher.turn()
        for _ in range(5):
            await asyncio.sleep(0)
        return pause

    def outcomes(self) -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for family in self.telemetry.registry.collect()
            for sample in family.samples
            if sample.name == "cutover_reconcile_seconds_count"
        }


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    await made.dispatcher.stop(0)


async def test_what_is_due_runs_and_comes_back_after_its_delay(stage: Stage) -> None:
    stage.queue.add(A)
    await stage.turn()
    assert stage.looks.ended == [A]
    assert await stage.turn(29) == pytest.approx(1)
    await stage.turn(1)
    assert stage.looks.ended == [A, A]
    assert stage.outcomes() == {"done": 2}


async def test_one_run_per_key(stage: Stage) -> None:
    stage.looks.hang(A)
    stage.queue.wake(A)
    await stage.turn()
    stage.queue.wake(A)
    await stage.turn(PATIENCE / 2)
    assert stage.looks.begun == [A]
    stage.looks.gates.pop(A).set()
    await stage.turn()
    await stage.turn()
    assert stage.looks.begun == [A, A]


async def test_a_hanging_look_makes_room_for_its_own_abort(stage: Stage) -> None:
    stage.looks.hang(A)
    stage.queue.add(A)
    await stage.turn()
    assert await stage.turn(0.3) == pytest.approx(5, abs=0.5)
    stage.queue.wake(A)
    assert await stage.turn() == pytest.approx(PATIENCE - 0.3)
    stage.looks.gates.pop(A)
    await stage.turn(PATIENCE - 0.3)
    await stage.turn()
    assert stage.looks.ended == [A]
    assert stage.outcomes() == {"cut": 1, "done": 1}


async def test_a_long_but_honest_run_gets_through_however_often_it_is_woken(stage: Stage) -> None:
    stage.looks.hang(A)
    stage.queue.wake(A)
    cuts = 0
    ran = 0.0
    while A not in stage.looks.ended:
        before = len(stage.looks.begun)
        stage.queue.wake(A)
        await stage.turn(0.25)
        ran = 0.0 if len(stage.looks.begun) > before else ran + 0.25
        cuts = len(stage.looks.begun)
        if ran >= 3:  # this is how long it honestly takes
            stage.looks.gates[A].set()
            await stage.turn()
    assert cuts <= 4


async def test_a_write_under_way_is_finished(stage: Stage) -> None:
    written = asyncio.Event()
    going = asyncio.Event()

    async def reconcile(key: Key) -> float | None:
        with stage.queue.acting(key):
            going.set()
            await written.wait()
        return 30

    stage.looks.reconcile = reconcile  # type: ignore[method-assign]
    stage.queue.wake(A)
    await stage.turn()
    stage.queue.wake(A)
    await stage.turn(10)
    assert stage.outcomes() == {}
    written.set()
    await stage.turn()
    assert stage.outcomes() == {"done": 1}


async def test_hanging_looks_leave_room_for_urgent_and_for_regular_work(stage: Stage) -> None:
    slow = [("slow", str(n)) for n in range(20)]
    for key in slow:
        stage.looks.hang(key)
        stage.queue.add(key)
    await stage.turn()
    assert len(stage.looks.begun) == 6, "two of eight slots are for urgent work"
    stage.queue.wake(A)
    await stage.turn()
    assert stage.looks.ended == [A]

    for key in slow[6:]:
        stage.queue.wake(key)
    await stage.turn()
    assert len(stage.looks.begun) - 1 == 8
    stage.looks.gates[slow[0]].set()
    await stage.turn()
    stage.queue.add(B)
    await stage.turn()
    assert B not in stage.looks.ended, "seven slots are taken and an urgent one came first"


async def test_urgent_work_that_hangs_makes_room_for_an_abort(stage: Stage) -> None:
    slow = [("slow", str(n)) for n in range(20)]
    for key in slow:
        stage.looks.hang(key)
        stage.queue.wake(key)
    await stage.turn()
    assert len(stage.looks.begun) == 6
    stage.queue.wake(A)
    pause = await stage.turn(PATIENCE / 2)
    assert pause == pytest.approx(PATIENCE / 2)
    while A not in stage.looks.ended:  # before it in the queue: fourteen of the others
        before = len(stage.looks.begun)
        await stage.turn(PATIENCE / 4)
        while len(stage.looks.begun) > before:
            before = len(stage.looks.begun)
            await stage.turn()
    assert stage.clock.now - 1000 <= 4 * PATIENCE
    assert all(key in stage.queue for key in slow)


async def test_nobody_makes_room_while_a_write_is_under_way(stage: Stage) -> None:
    async def reconcile(key: Key) -> float | None:
        with stage.queue.acting(key):
            await asyncio.Event().wait()
        return None

    stage.looks.reconcile = reconcile  # type: ignore[method-assign]
    for number in range(7):
        stage.queue.wake(("slow", str(number)))
    for _ in range(5):
        await stage.turn(PATIENCE)
    assert stage.outcomes() == {}


async def test_regular_work_makes_nobody_hurry(stage: Stage) -> None:
    for number in range(8):
        stage.looks.hang(("slow", str(number)))
        stage.queue.add(("slow", str(number)))
    for _ in range(5):
        await stage.turn(PATIENCE)
    assert stage.outcomes() == {}


async def test_a_flood_of_urgent_work_leaves_room_for_the_others_guards(stage: Stage) -> None:
    for number in range(20):
        stage.looks.hang(("slow", str(number)))
        stage.queue.wake(("slow", str(number)))
    stage.queue.add(A)
    await stage.turn()
    assert stage.looks.ended == [A]


async def test_a_fault_is_logged_counted_and_tried_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.looks.results[A] = KeyError("spec")
    stage.queue.add(A)
    stage.queue.add(B)
    with caplog.at_level(logging.ERROR):
        await stage.turn()
    assert stage.looks.ended == [A, B]
    assert "broke with KeyError; next try in 0.5 s" in caplog.text
    assert caplog.records[0].exc_info is not None
    assert stage.queue.failing == 1
    stage.looks.results[A] = 30.0
    await stage.turn(0.5)
    assert stage.looks.ended == [A, B, A]
    assert stage.queue.failing == 0
    assert stage.outcomes() == {"failed": 1, "done": 2}


async def test_the_backstop_ends_a_run_that_nobody_wakes(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.looks.hang(A)
    stage.queue.add(A)
    await stage.turn()
    await stage.turn(LONGEST_RUN - 0.1)
    assert stage.outcomes() == {}
    await stage.turn(0.2)
    assert stage.outcomes() == {"overdue": 1}
    assert "took longer than 60 s" in caplog.text
    assert stage.queue.failing == 1


async def test_a_run_cancelled_from_outside_loses_no_key(stage: Stage) -> None:
    stage.looks.hang(A)
    stage.queue.add(A)
    await stage.turn()
    next(t for t in asyncio.all_tasks() if t.get_name() == "reconcile ns/a").cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert A in stage.queue
    stage.looks.gates.pop(A)
    await stage.turn()
    assert stage.looks.ended == [A]


async def test_a_run_cancelled_before_its_first_step_loses_no_key(stage: Stage) -> None:
    stage.queue.add(A)
    stage.dispatcher.turn()
    next(t for t in asyncio.all_tasks() if t.get_name() == "reconcile ns/a").cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert stage.looks.begun == []
    await stage.turn()
    assert stage.looks.ended == [A]


async def test_a_stop_lets_runs_finish_and_starts_none(stage: Stage) -> None:
    stage.looks.hang(A)
    stage.queue.add(A)
    await stage.turn()
    stage.queue.add(B)
    stopping = asyncio.create_task(stage.dispatcher.stop(5))
    await asyncio.sleep(0)
    await stage.turn()
    stage.looks.gates[A].set()
    await stopping
    assert stage.looks.ended == [A]


async def test_a_stop_does_not_wait_for_a_run_that_hangs(stage: Stage) -> None:
    stage.looks.hang(A)
    stage.queue.add(A)
    await stage.turn()
    async with asyncio.timeout(2):
        await stage.dispatcher.stop(0.01)
    assert stage.looks.ended == []
    assert A in stage.queue


async def test_health_tells_of_a_loop_that_does_not_turn_and_of_a_run_that_does_not_end(
    stage: Stage,
) -> None:
    assert stage.dispatcher.problem() is None
    stage.clock.forward(1000)
    assert "no rollout was picked for 1000 s" in (stage.dispatcher.problem() or "")

    may_end = asyncio.Event()

    async def stubborn(key: Key) -> float | None:
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()
        return None

    stage.looks.reconcile = stubborn  # type: ignore[method-assign]
    stage.queue.add(A)
    await stage.turn()
    await stage.turn(LONGEST_RUN + STUCK + 1)
    assert "the run of ns/a ignores its end" in (stage.dispatcher.problem() or "")
    may_end.set()
    await stage.turn()
    assert stage.dispatcher.problem() is None


async def test_running_takes_up_what_is_added_and_ends_when_cancelled(stage: Stage) -> None:
    running = asyncio.create_task(stage.dispatcher.run())
    await asyncio.sleep(0)
    stage.queue.add(A)
    async with asyncio.timeout(2):
        while stage.looks.ended != [A]:
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    stage.queue.wake(B)
    await stage.turn()
    assert stage.looks.begun == [A]
