"""A silent API server is asked seldom; writes and whoever insists get through all the same."""

from contextlib import ExitStack

import pytest

from cutover.clusters.answers import Failed, Ok
from cutover.clusters.breaker import PROBE, Breaker
from tests.unit.clusters.conftest import Clock, Server


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def silence(breaker: Breaker, clock: Clock, times: int = 3, seconds: float = 5) -> None:
    for _ in range(times):
        clock.now += seconds
        breaker.timed_out()


def test_three_silences_in_a_row_close_it_for_a_while(breaker: Breaker, clock: Clock) -> None:
    silence(breaker, clock, 2)
    assert breaker.left() is None
    silence(breaker, clock, 1)
    assert breaker.left() == 5
    clock.now += 2
    assert breaker.left() == 3


def test_requests_that_end_together_close_it_once(breaker: Breaker, clock: Clock) -> None:
    silence(breaker, clock, 50, 0)
    assert breaker.left() == 5


def test_a_server_that_is_waited_for_long_enough_gets_no_more_company(
    breaker: Breaker, clock: Clock
) -> None:
    with ExitStack() as requests:
        for _ in range(4):
            requests.enter_context(breaker.asking())
        clock.now += 3.9
        assert breaker.left() is None
        clock.now += 0.1
        assert breaker.left() == 1
        breaker.answered()
        assert breaker.left() is None
    clock.now += 60
    with breaker.asking():
        assert breaker.left() is None


def test_many_who_wait_for_one_that_used_to_answer_are_odd_soon(
    breaker: Breaker, clock: Clock
) -> None:
    for known, spared in ((False, False), (True, True)):
        if known:
            breaker.answered()
        with ExitStack() as requests:
            for _ in range(20):
                requests.enter_context(breaker.asking())
            clock.now += 0.5
            assert (breaker.left() is not None) is spared


def test_one_probe_at_a_time_and_pauses_that_grow(breaker: Breaker, clock: Clock) -> None:
    silence(breaker, clock)
    pauses = []
    for _ in range(5):
        pause = breaker.left() or 0
        pauses.append(pause)
        clock.now += pause
        assert [breaker.left() is None for _ in range(3)] == [True, False, False]
        breaker.timed_out()
    assert pauses == [5, 10, 20, 30, 30]


def test_a_probe_that_nobody_brought_to_an_end_makes_room_for_another(
    breaker: Breaker, clock: Clock
) -> None:
    silence(breaker, clock)
    clock.now += 5
    assert breaker.left() is None
    clock.now += PROBE
    assert breaker.left() is None


def test_any_answer_opens_it(breaker: Breaker, clock: Clock) -> None:
    silence(breaker, clock)
    breaker.answered()
    assert breaker.left() is None
    silence(breaker, clock)
    assert breaker.left() == 5


async def test_reading_fails_at_once_while_it_is_closed_and_nothing_else_does(
    server: Server, breaker: Breaker, clock: Clock
) -> None:
    server.answers["/a"] = {}
    connection = server.connection()
    connection.pool.breaker = breaker
    silence(breaker, clock)
    refused = await connection.get("/a")
    assert isinstance(refused, Failed)
    assert "is asked again in 5 s" in refused.message
    assert isinstance(await connection.list_all("/a"), Failed)
    assert not server.asked
    assert isinstance(await connection.patch("/a", [], "application/json-patch+json"), Ok)
    assert isinstance(await connection.get("/a"), Ok)  # the write was answered


async def test_who_insists_gets_through(server: Server, breaker: Breaker, clock: Clock) -> None:
    server.answers["/a"] = {}
    connection = server.connection()
    connection.pool.breaker = breaker
    silence(breaker, clock)
    assert isinstance(await connection.get("/a", insist=True), Ok)


async def test_only_a_deadline_that_means_something_counts(
    server: Server, breaker: Breaker, clock: Clock
) -> None:
    server.answers["/a"] = "hang"
    connection = server.connection()
    connection.pool.breaker = breaker
    for _ in range(4):
        clock.now += 5
        await connection.get("/a", deadline=0.01)
    assert breaker.left() is None
