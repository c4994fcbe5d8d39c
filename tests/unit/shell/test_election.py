"""One leader, whatever happens to the Lease, the way to it, or the process."""

import asyncio

import pytest

from cutover.election import Election, Timing, new_identity, unsettable_clock
from cutover.errors import LeadershipLost
from tests.unit.shell.clock import Clock
from tests.unit.shell.leases import Fate, LeaseClient, LeaseServer

TIMING = Timing()
MARGIN = TIMING.duration - TIMING.renew


class Candidate:
    """A process that would lead, with its way to the server."""

    def __init__(self, name: str, server: LeaseServer, clock: Clock) -> None:
        self.clock = clock
        self.client = LeaseClient(server, clock)
        self.client.on_hang = clock.forward
        self.listable = True
        self.slept = 0

        async def highest_epoch() -> int | None:
            return max(server.epochs, default=0) if self.listable else None

        self.election = Election(
            self.client,
            "cutover-system",
            highest_epoch,
            identity=name,
            timing=TIMING,
            clock=clock,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        if self.slept > 50:
            raise TimeoutError("this goes on for ever")
        self.clock.forward(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> LeaseServer:
    return LeaseServer()


@pytest.fixture
def a(server: LeaseServer, clock: Clock) -> Candidate:
    return Candidate("a", server, clock)


@pytest.fixture
def b(server: LeaseServer, clock: Clock) -> Candidate:
    return Candidate("b", server, clock)


async def test_the_first_one_makes_the_lease_and_leads(a: Candidate, server: LeaseServer) -> None:
    assert not a.election.may_write()
    assert await a.election.win() == 1
    assert a.election.may_write()
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"] == "a"
    assert server.lease["spec"]["leaseDurationSeconds"] == 15
    assert server.lease["spec"]["leaseTransitions"] == 1
    assert a.slept == 0


async def test_the_second_one_follows(a: Candidate, b: Candidate, clock: Clock) -> None:
    await a.election.win()
    for _ in range(30):
        clock.forward(2)
        assert await a.election.attempt()
        assert not await b.election.attempt()
        assert not b.election.may_write()
    assert b.election.epoch == 0


async def test_a_renewal_is_one_request(a: Candidate) -> None:
    await a.election.win()
    a.client.asked.clear()
    assert await a.election.attempt()
    assert a.client.asked == ["PUT"]


async def test_validity_counts_from_before_the_request_was_sent(a: Candidate, clock: Clock) -> None:
    async def slow() -> None:
        clock.forward(1.4)

    a.client._pause = slow
    await a.election.win()  # GET and POST: 2.8 s each; then PUT: sent at 5.6, back at 8.4
    clock.now = 1000 + 5.6 + TIMING.renew - 0.01
    assert a.election.may_write()
    clock.forward(0.02)
    assert not a.election.may_write()


@pytest.mark.parametrize("fate", ["unreachable", "500", "403", "hang"])
async def test_a_leader_that_cannot_renew_stops_before_another_begins(
    a: Candidate, b: Candidate, clock: Clock, fate: Fate
) -> None:
    await a.election.win()
    assert not await b.election.attempt()
    won = clock.now
    a.client.usual = fate
    with pytest.raises(LeadershipLost):
        await a.election.hold()
    assert clock.now - won <= TIMING.duration + 2 * 1.5 * TIMING.retry
    assert not a.election.may_write()
    clock.now = won + TIMING.renew - 0.01
    a_could_write_until = won + TIMING.renew
    b.slept = 0
    assert await b.election.win() == 2
    assert clock.now >= a_could_write_until + MARGIN


async def test_short_trouble_does_not_cost_the_leadership(a: Candidate, clock: Clock) -> None:
    await a.election.win()
    a.client.fates = ["unreachable", "unreachable", "500", "500"]
    for _ in range(3):
        clock.forward(2)
        await a.election.attempt()
    assert a.election.may_write()
    assert a.election.epoch == 1


async def test_a_renewal_whose_answer_is_lost_is_made_up_for(
    a: Candidate, server: LeaseServer, clock: Clock
) -> None:
    await a.election.win()
    clock.forward(2)
    a.client.fates = ["lost"]
    assert await a.election.attempt()
    assert server.epoch() == 1
    clock.forward(9.9)
    assert a.election.may_write()


async def test_a_crashed_holder_is_followed_after_its_duration(
    a: Candidate, b: Candidate, clock: Clock
) -> None:
    await a.election.win()
    crashed = clock.now
    assert await b.election.win() == 2
    assert TIMING.duration < clock.now - crashed <= TIMING.duration + 2 * TIMING.retry


async def test_other_machines_clocks_do_not_matter(
    a: Candidate, b: Candidate, server: LeaseServer, clock: Clock
) -> None:
    await a.election.win()
    assert server.lease is not None
    server.lease["spec"]["renewTime"] = "1970-01-01T00:00:00.000000Z"
    assert not await b.election.attempt()
    clock.forward(14)
    assert not await b.election.attempt()


async def test_a_released_lease_is_taken_at_once(
    a: Candidate, b: Candidate, server: LeaseServer
) -> None:
    await a.election.win()
    await a.election.release()
    assert not a.election.may_write()
    assert server.holder() == ""
    assert server.epoch() == 1
    assert await b.election.attempt()
    assert b.election.epoch == 2
    assert server.epoch() == 2


async def test_a_release_after_a_lost_answer_still_works(a: Candidate, server: LeaseServer) -> None:
    await a.election.win()
    a.client.fates = ["lost", "unreachable"]
    await a.election.attempt()
    await a.election.release()
    assert server.holder() == ""


async def test_a_release_never_takes_the_lease_from_another(
    a: Candidate, b: Candidate, server: LeaseServer, clock: Clock
) -> None:
    await a.election.win()
    await b.election.win()
    await a.election.release()
    assert server.holder() == "b"


async def test_nothing_is_released_that_was_not_held(a: Candidate) -> None:
    await a.election.release()
    assert a.client.asked == []


async def test_of_two_that_try_at_once_one_wins(
    a: Candidate, b: Candidate, server: LeaseServer
) -> None:
    await a.election.win()
    await a.election.release()

    async def together() -> None:
        await asyncio.sleep(0)

    a.client._pause = b.client._pause = together
    won = await asyncio.gather(a.election.attempt(), b.election.attempt())
    assert sorted(won) == [False, True]
    assert server.epoch() == 2


async def test_whoever_is_dispossessed_stops_at_the_next_look(
    a: Candidate, server: LeaseServer, clock: Clock
) -> None:
    await a.election.win()
    assert server.lease is not None
    server.lease["spec"]["holderIdentity"] = "somebody"
    server.lease["metadata"]["resourceVersion"] = "99"
    with pytest.raises(LeadershipLost, match="taken by somebody"):
        await a.election.hold()
    assert clock.now == 1000 + TIMING.retry


async def test_a_deleted_lease_is_made_again_by_its_leader_with_the_same_epoch(
    a: Candidate, server: LeaseServer
) -> None:
    server.epochs = [4]
    server_lease_epoch = await a.election.win()
    assert server_lease_epoch == 5
    server.delete()
    assert await a.election.attempt()
    assert (server.holder(), server.epoch()) == ("a", 5)


async def test_a_deleted_lease_is_left_to_its_leader_by_the_followers(
    a: Candidate, b: Candidate, server: LeaseServer, clock: Clock
) -> None:
    await a.election.win()
    server.epochs = [1]
    server.delete()
    assert not await b.election.attempt()
    clock.forward(2)
    assert await a.election.attempt()
    assert not await b.election.attempt()
    assert server.holder() == "a"


async def test_a_recreated_lease_does_not_lock_the_new_leader_out(
    b: Candidate, server: LeaseServer, clock: Clock
) -> None:
    """The statuses hold epoch 7, so that the API server would refuse a leader of epoch 1."""
    server.epochs = [3, 7, 0]
    began = clock.now
    assert await b.election.win() == 8
    assert clock.now - began > TIMING.duration, "whoever led before must have noticed"
    assert server.epoch() == 8


async def test_the_epoch_outgrows_the_lease_and_the_statuses(
    a: Candidate, b: Candidate, server: LeaseServer
) -> None:
    await a.election.win()
    await a.election.release()
    server.epochs = [12]
    assert await b.election.win() == 13
    await b.election.release()
    server.epochs = [2]
    assert await a.election.attempt()
    assert a.election.epoch == 14


async def test_nobody_leads_while_the_rollouts_cannot_be_listed(
    a: Candidate, server: LeaseServer
) -> None:
    a.listable = False
    assert not await a.election.attempt()
    assert server.epoch() == 0
    a.listable = True
    assert await a.election.attempt()


async def test_a_cancelled_try_leaves_nothing_that_leads(
    a: Candidate, b: Candidate, server: LeaseServer, clock: Clock
) -> None:
    gate = asyncio.Event()

    async def stuck() -> None:
        await gate.wait()

    a.client._pause = stuck
    trying = asyncio.create_task(a.election.win())
    await asyncio.sleep(0)
    trying.cancel()
    await asyncio.wait({trying})
    assert not a.election.may_write()
    assert await b.election.win() == 1


async def test_a_process_that_slept_does_not_write_when_it_wakes(
    a: Candidate, b: Candidate, clock: Clock, server: LeaseServer
) -> None:
    await a.election.win()
    assert not await b.election.attempt()
    clock.forward(60)  # SIGSTOP, a suspended machine
    assert not a.election.may_write()
    assert await b.election.attempt()
    with pytest.raises(LeadershipLost, match="not be renewed in time"):
        await a.election.hold()
    assert server.writes[-1] == ("b", 2)


async def test_the_sentence_why_we_follow_is_told_once(
    a: Candidate, b: Candidate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await a.election.win()
    for _ in range(3):
        await b.election.attempt()
    assert caplog.text.count("Following a") == 1


def test_an_identity_is_never_used_twice() -> None:
    assert new_identity() != new_identity()


def test_the_clock_goes_on() -> None:
    assert unsettable_clock() <= unsettable_clock()


async def test_it_is_a_leadership() -> None:
    from cutover.ports import Leadership

    candidate = Candidate("a", LeaseServer(), Clock())
    port: Leadership = candidate.election
    assert port.epoch == 0
