"""Who leads? A Lease, held by at most one process, whose epoch grows with every new leader.

Validity counts from before a renewal was sent, by a clock that nobody sets, and what another holder
does is timed by when it was seen here: no two machines' clocks are ever compared. Whoever leads may
begin a write only while a request that begins now also ends before the Lease does.
"""

import asyncio
import logging
import math
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.errors import LeadershipLost

log = logging.getLogger(__name__)

NAME = "cutover"

Object = Mapping[str, Any]


class ApiServer(Protocol):
    """The API server that holds the Lease; every answer is a value."""

    async def get(self, path: str, *, deadline: float) -> Answer:
        """Read one object."""

    async def post(self, path: str, body: Any, *, deadline: float) -> Answer:
        """Create one object."""

    async def put(self, path: str, body: Any, *, deadline: float) -> Answer:
        """Replace one object, demanding its resourceVersion."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. ``duration - renew`` is as long as the longest write may take."""

    duration: float = 15.0
    """A Lease that was not renewed for so long is free."""
    renew: float = 10.0
    """A leader whose renewals fail for so long gives up."""
    retry: float = 2.0
    """Between two tries."""


def unsettable_clock() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def new_identity() -> str:
    """Name this process as no other before or after."""
    return f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"


class Election:
    """One process's part in it; the ``Leadership`` port."""

    def __init__(
        self,
        api: ApiServer,
        namespace: str,
        highest_epoch: Callable[[], Awaitable[int | None]],
        *,
        identity: str | None = None,
        timing: Timing = Timing(),
        clock: Callable[[], float] = unsettable_clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``highest_epoch`` gives the largest epoch any rollout's status holds; None: cannot tell."""
        self.identity = identity or new_identity()
        self._api = api
        self._parent = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._url = f"{self._parent}/{NAME}"
        self._namespace = namespace
        self._highest_epoch = highest_epoch
        self._timing = timing
        self._deadline = 1.5 * timing.retry
        self._clock = clock
        self._sleep = sleep
        self._epoch = 0
        self._valid_until = -math.inf
        self._mine: Object | None = None
        """The Lease as we last wrote it, while we hold it."""
        self._seen: tuple[str, float] = ("", -math.inf)
        """The last resourceVersion of a Lease not ours, and when it was first seen here."""
        self._told: list[str] = []
        """What was said since we last held the Lease."""

    # --- the port -------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Grows with every new leader; 0 before we ever led."""
        return self._epoch

    def may_write(self) -> bool:
        """Whether a write that begins now ends while the Lease is ours."""
        return self._clock() < self._valid_until - (self._timing.duration - self._timing.renew)

    # --- its life -------------------------------------------------------------------------------

    async def win(self) -> int:
        """Wait until we lead; return the epoch."""
        while not await self.attempt():
            await self._sleep(self._timing.retry)
        log.info("Leading as %s, epoch %d", self.identity, self._epoch)
        return self._epoch

    async def hold(self) -> None:
        """Renew until that is no longer possible; then raise."""
        while True:
            await self._sleep(self._timing.retry)
            await self.attempt()
            if not self.may_write():
                self._valid_until = -math.inf
                raise LeadershipLost(self._told[-1] if self._told else "it ran out")

    async def release(self) -> None:
        """Let the next leader begin at once; call it when nothing writes any more."""
        mine, self._mine, self._valid_until = self._mine, None, -math.inf
        if mine is None:
            return
        answer = await self._let_go(mine)
        if isinstance(answer, Failed) and answer.reason is Reason.CONFLICT:
            # A renewal whose answer we did not see.
            answer = await self._api.get(self._url, deadline=self._deadline)
            if isinstance(answer, Ok) and _spec(answer.body).get("holderIdentity") == self.identity:
                answer = await self._let_go(answer.body)
        if isinstance(answer, Failed):
            log.warning("The Lease was not released, the next leader waits: %s", answer.message)
        else:
            log.info("Released the Lease")

    async def attempt(self) -> bool:
        """Try once to take or renew the Lease."""
        if self._mine is not None and not self.may_write():
            self._mine = None
            return self._tell("The Lease could not be renewed in time")
        if self._mine is not None and await self._put(self._mine, self._mine["spec"]):
            return True
        answer = await self._api.get(self._url, deadline=self._deadline)
        if isinstance(answer, Failed) and answer.reason is Reason.NOT_FOUND:
            answer = await self._create()
        match answer:
            case Ok(body=lease) if self._mine is not None:
                return await self._keep(lease)
            case Ok(body=lease):
                return await self._compete(lease)
            case Failed(message=message):
                return self._tell(f"The Lease was not read: {message}")

    # --- inside ---------------------------------------------------------------------------------

    async def _keep(self, lease: Object) -> bool:
        """Renew what is ours; also what somebody deleted and nobody has taken since."""
        spec = _spec(lease)
        holder, known = spec.get("holderIdentity") or "", spec.get("leaseTransitions") or 0
        if holder in (self.identity, "") and known <= self._epoch:
            if self.may_write():
                return await self._put(lease, spec | self._acquired(self._epoch))
            return False
        self._mine, self._valid_until = None, -math.inf
        return self._tell(f"The Lease was taken by {holder or 'somebody who released it again'}")

    async def _compete(self, lease: Object) -> bool:
        """Take the Lease if it is free or expired.

        One that knows of no leader although there were some was made anew: its last holder may
        still lead and is given the time to notice.
        """
        spec = _spec(lease)
        holder, known = spec.get("holderIdentity") or "", spec.get("leaseTransitions") or 0
        is_free = holder in ("", self.identity)
        if not self._expired(lease) and not is_free:
            return self._tell(f"Following {holder}")
        highest = await self._highest_epoch()
        if highest is None:
            return self._tell("The rollouts could not be listed, so no new epoch is known")
        if highest > known and not self._expired(lease):
            return self._tell("The Lease was made anew: waiting for the end of its last holder")
        return await self._put(lease, spec | self._acquired(1 + max(highest, known)))

    async def _create(self) -> Answer:
        """Make a Lease that nobody holds: only a write with a resourceVersion ever takes one."""
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NAME, "namespace": self._namespace},
            "spec": {
                "leaseDurationSeconds": math.ceil(self._timing.duration),
                "leaseTransitions": 0,
            },
        }
        return await self._api.post(self._parent, lease, deadline=self._deadline)

    async def _let_go(self, lease: Object) -> Answer:
        spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        return await self._api.put(self._url, {**lease, "spec": spec}, deadline=self._deadline)

    async def _put(self, lease: Object, spec: Object) -> bool:
        """Write with the resourceVersion of ``lease``: nothing happens when somebody was faster."""
        body, began = {**lease, "spec": {**spec, **self._renewed()}}, self._clock()
        answer = await self._api.put(self._url, body, deadline=self._deadline)
        return self._hold(answer, began)

    def _hold(self, answer: Answer, began: float) -> bool:
        """Take note of a write; the Lease is valid from before it was sent."""
        match answer:
            case Ok(body=lease):
                self._mine, self._told = lease, []
                self._epoch = lease["spec"]["leaseTransitions"]
                self._valid_until = began + self._timing.duration
                return self.may_write()
            case Failed(reason=Reason.CONFLICT | Reason.NOT_FOUND):
                return False
            case Failed(message=message):
                return self._tell(f"The Lease was not written: {message}")

    def _expired(self, lease: Object) -> bool:
        """Whether it was seen here to stand unchanged for its whole duration."""
        version, now = lease["metadata"]["resourceVersion"], self._clock()
        if version != self._seen[0]:
            self._seen = (version, now)
        duration = _spec(lease).get("leaseDurationSeconds") or 0
        return now - self._seen[1] > max(duration, self._timing.duration)

    def _acquired(self, epoch: int) -> dict[str, Any]:
        return {
            "holderIdentity": self.identity,
            "leaseTransitions": epoch,
            "acquireTime": _micro_time(),
        }

    def _renewed(self) -> dict[str, Any]:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": math.ceil(self._timing.duration),
            "renewTime": _micro_time(),
        }

    def _tell(self, sentence: str) -> bool:
        """Log what was not said yet; return that we did not get the Lease."""
        if sentence not in self._told:
            log.info("%s", sentence)
            self._told = [*self._told[-9:], sentence]
        return False


def _spec(lease: Object) -> dict[str, Any]:
    return lease.get("spec") or {}


def _micro_time() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
