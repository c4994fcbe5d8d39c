"""Law 11, first half: never two that may write, whatever the network, the machines and people do.

Requests of several candidates overlap in every order; answers are late or lost; processes stop,
sleep and crash; somebody deletes the Lease.
"""

from collections.abc import Coroutine, Generator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cutover.election import Election, Timing
from tests.unit.shell.clock import Clock
from tests.unit.shell.leases import Fate, LeaseClient, LeaseServer

TIMING = Timing()
LONGEST_WRITE = TIMING.duration - TIMING.renew


class Step:
    """Where a candidate waits for the network: the machine below says when it goes on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


async def step() -> None:
    await Step()


class Candidate:
    def __init__(self, name: str, server: LeaseServer, clock: Clock) -> None:
        self.name = name
        self.client = LeaseClient(server, clock, step)
        self.trying: Coroutine[Any, Any, Any] | None = None
        self.wrote_until: float | None = None
        self.releasing = False

        async def highest_epoch() -> int | None:
            await step()
            return max(server.epochs, default=0)

        self.election = Election(
            self.client, "cutover-system", highest_epoch, identity=name, timing=TIMING, clock=clock
        )

    def go_on(self) -> None:
        if self.trying is None:
            self.trying = self.election.attempt()
        self._send()

    def release(self) -> None:
        """As the process does: nothing writes any more, then let go."""
        if self.trying is not None:
            self.trying.close()
        self.wrote_until, self.releasing = None, True
        self.trying = self.election.release()
        self._send()

    def _send(self) -> None:
        assert self.trying is not None
        try:
            self.trying.send(None)
        except StopIteration:
            self.trying = None


class Leaders(RuleBasedStateMachine):
    numbers = st.integers(0, 2)

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.server = LeaseServer()
        self.names = 0
        self.candidates = [self.new() for _ in range(3)]
        self.led: dict[str, int] = {}

    def new(self) -> Candidate:
        self.names += 1
        return Candidate(f"process-{self.names}", self.server, self.clock)

    @rule(number=numbers, steps=st.integers(1, 8))
    def go_on(self, number: int, steps: int) -> None:
        for _ in range(steps):
            candidate = self.candidates[number]
            candidate.go_on()
            self.note()
            over = candidate.name in self.led and not candidate.election.may_write()
            if candidate.trying is None and (over or candidate.releasing):
                self.candidates[number] = self.new()  # its process ends

    @rule(seconds=st.sampled_from([0.01, 0.5, 1.0, 2.0, 2.9, 3.1, 5.0, 9.0, 14.9, 15.1, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.forward(seconds)

    @rule(number=numbers, fate=st.sampled_from(["unreachable", "lost", "500", "403"]))
    def lose(self, number: int, fate: Fate) -> None:
        self.candidates[number].client.fates.append(fate)

    @rule(number=numbers)
    def crash(self, number: int) -> None:
        self.close(self.candidates[number])
        self.candidates[number] = self.new()

    @precondition(lambda self: any(c.election.may_write() for c in self.candidates))
    @rule()
    def stop(self) -> None:
        leader = next(c for c in self.candidates if c.election.may_write())
        leader.release()

    @precondition(lambda self: self.server.epochs)
    @rule()
    def delete(self) -> None:
        self.server.delete()

    def note(self) -> None:
        """A leader stamps its epoch before it does anything else."""
        for candidate in self.candidates:
            if candidate.election.may_write() and candidate.name not in self.led:
                epoch = candidate.election.epoch
                assert epoch > max(self.led.values(), default=0), "epochs only grow"
                assert epoch > max(self.server.epochs, default=0), (
                    "no status refuses the new leader"
                )
                self.led[candidate.name] = epoch
                self.server.epochs.append(epoch)

    @invariant()
    def one_writes(self) -> None:
        self.note()
        writing = [c for c in self.candidates if c.election.may_write()]
        assert len(writing) <= 1
        for leader in writing:
            leader.wrote_until = self.clock.now
            for other in self.candidates:
                if other is not leader and other.wrote_until is not None:
                    ended = other.wrote_until + LONGEST_WRITE
                    assert self.clock.now >= ended, "a write of the last leader is still under way"
                    other.wrote_until = None

    @invariant()
    def the_epoch_of_a_leader_stands(self) -> None:
        for candidate in self.candidates:
            if candidate.name in self.led and candidate.election.may_write():
                assert candidate.election.epoch == self.led[candidate.name]

    def close(self, candidate: Candidate) -> None:
        if candidate.trying is not None:
            candidate.trying.close()

    def teardown(self) -> None:
        for candidate in self.candidates:
            self.close(candidate)


TestLeaders = Leaders.TestCase
TestLeaders.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
