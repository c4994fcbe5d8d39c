"""Keeps one login's token fresh: renewed in the background well before it ends, at once after a 401.

Nobody waits for a renewal while the token they have is good.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Protocol

from cutover.clusters.logins import Login
from cutover.clusters.tokens.granted import LoginError, Token

_RENEWED = (0.6, 0.8)
"""After what share of its life a token is renewed: somewhere in between, so that not all do at once."""
_AGAIN = 10.0
"""Seconds after a renewal that failed, while the old token is still good."""
_GAP = 1.0
"""Seconds: an identity that is refused must not become a stream of requests."""

log = logging.getLogger(__name__)


class Issue(Protocol):
    """Gets a token; ``afresh``: with nothing that was kept, since what came of it was refused."""

    async def __call__(self, login: Login, *, afresh: bool = False) -> Token:
        """Raises LoginError."""
        ...


class Keeper:
    """One login and its newest token."""

    def __init__(
        self,
        login: Login,
        issue: Issue,
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._login = login
        self._issue = issue
        self._clock = clock
        self._spread = spread
        self._value = ""
        self._ends_at = float("-inf")
        self._due_at = float("-inf")
        self._fetched_at = float("-inf")
        self._failed: tuple[float, LoginError] | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def current(self) -> str:
        """Return a token that has not ended; raises LoginError."""
        if self._clock() < self._ends_at:
            self.refresh()
            return self._value
        if self._failed is not None and self._clock() - self._failed[0] < _GAP:
            raise self._failed[1]
        await self._fetch()
        if self._clock() >= self._ends_at and self._failed is not None:
            raise self._failed[1]
        return self._value

    @property
    def problem(self) -> LoginError | None:
        """Why the newest try brought no token; None where it brought one."""
        return self._failed[1] if self._failed is not None else None

    def refresh(self) -> None:
        """Renew in the background where it is due."""
        if self._ends_at > float("-inf") and self._clock() >= self._due_at:
            self._fetching = self._start()

    async def renew(self) -> bool:
        """Get another token after a 401; False where that was just tried, or there is none."""
        if self._clock() - self._fetched_at < _GAP or (
            self._failed is not None and self._clock() - self._failed[0] < _GAP
        ):
            return False
        before = self._fetched_at
        await self._fetch(afresh=True)
        return self._fetched_at != before

    def close(self) -> None:
        """Break off what is under way."""
        if self._fetching is not None:
            self._fetching.cancel()

    def _start(self, *, afresh: bool = False) -> asyncio.Task[None]:
        if self._fetching is None or self._fetching.done():
            work = self._take(afresh=afresh)
            task = asyncio.get_running_loop().create_task(work, name="renew a token")
            self._fetching = task
        return self._fetching

    async def _fetch(self, *, afresh: bool = False) -> None:
        # Shared and shielded: whoever asked first may be cut short, the others still wait.
        await asyncio.shield(self._start(afresh=afresh))

    async def _take(self, *, afresh: bool) -> None:
        try:
            token = await self._issue(self._login, afresh=afresh)
        except LoginError as error:
            self._failed = (self._clock(), error)
            self._due_at = self._clock() + _AGAIN
            if self._clock() < self._ends_at:
                log.warning("The token in use was not renewed: %s", error)
            return
        now = self._clock()
        self._failed = None
        self._value, self._fetched_at, self._ends_at = token.value, now, now + token.life
        self._due_at = now + token.life * self._spread(*_RENEWED)
