"""No key is lost, one run per key, earlier wins: whatever is asked for in whatever order."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cutover.queue import LONGEST_BACKOFF, RESYNC, Lane, Queue
from tests.unit.shell.clock import Clock

A, B = ("ns", "a"), ("ns", "b")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> Queue:
    return Queue(clock, jitter=lambda: 1.0)


def take(queue: Queue) -> tuple[str, str] | None:
    return queue.take(Lane.URGENT) or queue.take(Lane.REGULAR)


def test_earlier_wins(queue: Queue, clock: Clock) -> None:
    queue.add(A, 10)
    queue.add(A, 5)
    queue.add(A, 20)
    clock.forward(4.9)
    assert take(queue) is None
    clock.forward(0.2)
    assert take(queue) == A
    assert take(queue) is None


def test_keys_come_in_the_order_of_their_due_times(queue: Queue, clock: Clock) -> None:
    for number in (3, 1, 2):
        queue.add(("ns", str(number)), number)
    clock.forward(10)
    assert [take(queue) for _ in range(4)] == [("ns", "1"), ("ns", "2"), ("ns", "3"), None]


def test_a_running_key_is_not_taken_twice_and_runs_again_after_a_wake(queue: Queue) -> None:
    queue.wake(A)
    assert take(queue) == A
    queue.wake(A)
    assert take(queue) is None
    queue.finish(A, 30)
    assert take(queue) == A


def test_none_forgets_a_key(queue: Queue) -> None:
    queue.add(A)
    assert take(queue) == A
    queue.finish(A, None)
    assert A not in queue
    assert len(queue) == 0


def test_a_wake_during_the_last_run_keeps_the_key(queue: Queue) -> None:
    queue.add(A)
    assert take(queue) == A
    queue.wake(A)
    queue.finish(A, None)
    assert take(queue) == A


def test_a_wake_does_not_wait_for_the_delay(queue: Queue) -> None:
    queue.add(A, 300)
    queue.wake(A)
    assert queue.take(Lane.URGENT) == A


def test_a_short_delay_is_urgent(queue: Queue, clock: Clock) -> None:
    queue.add(A)
    assert queue.take(Lane.URGENT) is None
    assert queue.take(Lane.REGULAR) == A
    queue.finish(A, 0.25)
    clock.forward(0.25)
    assert queue.take(Lane.URGENT) == A


def test_a_resync_does_not_take_the_urgency_away(queue: Queue, clock: Clock) -> None:
    queue.wake(A)
    queue.add(A)
    assert queue.take(Lane.URGENT) == A
    queue.finish(A, 0.25)
    queue.add(A, 0)
    assert queue.take(Lane.URGENT) == A


def test_failures_back_off_to_half_a_minute(queue: Queue, clock: Clock) -> None:
    queue.add(A)
    waits = []
    for _ in range(9):
        assert take(queue) == A
        waits.append(queue.fail(A))
        clock.forward(waits[-1])
    assert waits == [0.5, 1, 2, 4, 8, 16, LONGEST_BACKOFF, LONGEST_BACKOFF, LONGEST_BACKOFF]
    assert take(queue) == A
    queue.finish(A, 0)
    assert queue.failing == 0
    assert take(queue) == A
    assert queue.fail(A) == 0.5


def test_jitter_never_exceeds_the_longest_backoff(clock: Clock) -> None:
    queue = Queue(clock)
    queue.add(A)
    for _ in range(20):
        assert take(queue) == A
        backoff = queue.fail(A)
        assert 0.35 <= backoff <= LONGEST_BACKOFF
        clock.forward(backoff)


def test_a_wake_brings_a_failing_key_back_after_the_floor_only(queue: Queue, clock: Clock) -> None:
    queue.add(A)
    for _ in range(8):
        assert take(queue) == A
        clock.forward(queue.fail(A))
    assert take(queue) == A
    queue.fail(A)
    queue.wake(A)
    assert take(queue) is None
    clock.forward(0.99)
    assert take(queue) is None
    clock.forward(0.02)
    assert queue.take(Lane.URGENT) == A


def test_a_wake_while_the_run_fails_respects_the_floor(queue: Queue, clock: Clock) -> None:
    queue.add(A)
    for _ in range(5):
        assert take(queue) == A
        clock.forward(queue.fail(A))
    assert take(queue) == A
    queue.wake(A)
    queue.fail(A)
    assert take(queue) is None
    clock.forward(1)
    assert take(queue) == A


def test_patience_doubles_with_each_cut_until_a_run_ends_by_itself(
    queue: Queue, clock: Clock
) -> None:
    queue.wake(A)
    for patience in (1, 2, 4):
        assert take(queue) == A
        assert not queue.is_woken(A)
        queue.wake(A)
        assert queue.is_woken(A)
        assert queue.patience_ends(A, 1) == clock.now + patience
        queue.cut(A)
    assert take(queue) == A
    queue.finish(A, 0)
    assert take(queue) == A
    assert queue.patience_ends(A, 1) == clock.now + 1


def test_a_run_that_made_room_for_others_goes_on_in_the_regular_lane(queue: Queue) -> None:
    queue.wake(A)
    assert queue.take(Lane.URGENT) == A
    queue.cut(A)
    assert queue.take(Lane.REGULAR) == A
    queue.wake(A)
    queue.cut(A)
    assert queue.take(Lane.URGENT) == A


def test_a_write_under_way_is_not_cut(queue: Queue) -> None:
    queue.wake(A)
    assert take(queue) == A
    queue.wake(A)
    with queue.acting(A):
        assert queue.patience_ends(A, 1) is None
    assert queue.patience_ends(A, 1) is not None


def test_acting_works_for_a_key_that_nobody_queued(queue: Queue) -> None:
    with queue.acting(A):
        pass
    assert A not in queue


@pytest.mark.parametrize("delay", [math.inf, 1e9, RESYNC])
def test_every_known_key_comes_back_within_the_resync(
    queue: Queue, clock: Clock, delay: float
) -> None:
    queue.add(A)
    assert take(queue) == A
    queue.finish(A, delay)
    clock.forward(RESYNC)
    assert take(queue) == A


@pytest.mark.parametrize("delay", [-5, math.nan, -math.inf])
def test_a_senseless_delay_is_now(queue: Queue, delay: float) -> None:
    queue.add(A, delay)
    assert take(queue) == A


def test_what_is_measured(queue: Queue, clock: Clock) -> None:
    queue.add(A, 1)
    queue.add(B, 2)
    assert (queue.depth, queue.oldest_due) == (0, 0)
    clock.forward(5)
    assert (queue.depth, queue.oldest_due) == (2, 4)
    assert take(queue) == A
    assert (queue.depth, queue.oldest_due) == (1, 3)
    queue.fail(A)
    assert queue.failing == 1


def test_ending_a_run_that_never_began_is_a_fault(queue: Queue) -> None:
    queue.add(A)
    with pytest.raises(RuntimeError, match="not running"):
        queue.finish(A, 1)


class Model(RuleBasedStateMachine):
    """What the queue promises, held against the plainest bookkeeping that can be written."""

    keys = st.sampled_from([("ns", str(n)) for n in range(4)])
    delays = st.floats(0, 700)

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = Queue(self.clock, jitter=lambda: 1.0)
        self.due: dict[tuple[str, str], float] = {}
        self.running: dict[tuple[str, str], float | None] = {}
        self.floor: dict[tuple[str, str], float] = {}
        self.failures: dict[tuple[str, str], int] = {}

    def ask(self, key: tuple[str, str], at: float) -> None:
        at = max(at, self.floor.get(key, -math.inf))
        if key in self.running:
            before = self.running[key]
            self.running[key] = at if before is None else min(before, at)
        else:
            self.due[key] = min(self.due.get(key, math.inf), at)

    def end(self, key: tuple[str, str], at: float | None) -> None:
        if at is not None:
            self.ask(key, at)
        again = self.running.pop(key)
        if again is not None:
            self.due[key] = max(again, self.floor.get(key, -math.inf))

    @rule(key=keys, delay=delays)
    def add(self, key: tuple[str, str], delay: float) -> None:
        self.queue.add(key, delay)
        self.ask(key, self.clock.now + min(delay, RESYNC))

    @rule(key=keys)
    def wake(self, key: tuple[str, str]) -> None:
        self.queue.wake(key)
        self.ask(key, self.clock.now)

    @rule(seconds=st.floats(0, 400))
    def wait(self, seconds: float) -> None:
        self.clock.forward(seconds)

    @rule(lane=st.sampled_from(Lane))
    def take(self, lane: Lane) -> None:
        key = self.queue.take(lane)
        ripe = {k: at for k, at in self.due.items() if at <= self.clock.now}
        if key is None:
            other = self.queue.next_due((Lane(1 - lane),))
            assert bool(ripe) == (other is not None and other <= self.clock.now)
            return
        assert key not in self.running
        assert key in ripe
        del self.due[key]
        self.running[key] = None

    def one_running(self) -> tuple[str, str]:
        return min(self.running)

    @precondition(lambda self: self.running)
    @rule(delay=st.none() | delays)
    def finish(self, delay: float | None) -> None:
        key = self.one_running()
        self.floor.pop(key, None)
        self.failures.pop(key, None)
        self.queue.finish(key, delay)
        self.end(key, None if delay is None else self.clock.now + min(delay, RESYNC))

    @precondition(lambda self: self.running)
    @rule()
    def fail(self) -> None:
        key = self.one_running()
        backoff = self.queue.fail(key)
        n = self.failures.get(key, 0)
        assert backoff == min(30, 0.5 * 2**n)
        self.failures[key] = n + 1
        self.floor[key] = self.clock.now + min(backoff, 1)
        self.end(key, self.clock.now + backoff)

    @precondition(lambda self: self.running)
    @rule(how=st.sampled_from(["cut", "give_back"]))
    def stop(self, how: str) -> None:
        key = self.one_running()
        getattr(self.queue, how)(key)
        self.end(key, self.clock.now)

    @invariant()
    def no_key_is_lost_and_none_is_invented(self) -> None:
        assert len(self.queue) == len(self.due) + len(self.running)
        assert all(key in self.queue for key in [*self.due, *self.running])

    @invariant()
    def the_next_moment_is_known(self) -> None:
        assert self.queue.next_due() == (min(self.due.values()) if self.due else None)
        ripe = [at for at in self.due.values() if at <= self.clock.now]
        assert self.queue.depth == len(ripe)
        assert self.queue.oldest_due == (self.clock.now - min(ripe) if ripe else 0)

    def teardown(self) -> None:
        """Whatever happened: end the runs, wait, and each known key comes exactly once."""
        for key in list(self.running):
            self.queue.give_back(key)
            self.end(key, self.clock.now)
        self.clock.forward(RESYNC + LONGEST_BACKOFF)
        taken = []
        while (one := take(self.queue)) is not None:
            taken.append(one)
        assert sorted(taken) == sorted(self.due)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
