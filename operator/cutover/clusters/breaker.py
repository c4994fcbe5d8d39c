"""An API server that takes connections and answers nothing is asked seldom, so that nobody waits for it.

Only reading is refused, and only where whoever reads does not insist: a write always goes out, and so does
the look at the route that a rollback needs (`Connection.get`, ``insist``).
"""

import time
from collections.abc import Callable

_TRIES = 3
"""Requests in a row that ran into their deadline."""
_SPAN = 1.0
"""Seconds between the first and the last of them at least: requests sent together are one try."""
_FIRST, _LONGEST = 5.0, 30.0
"""Seconds for which nothing is asked; doubles with each probe that is not answered either."""
PROBE = 6.0
"""Seconds that a probe is given before the next one; a little more than a request's deadline."""


class Breaker:
    """Of one API server: whether it may be asked now."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent = 0
        self._silent_since = 0.0
        self._pause = _FIRST
        self._closed_until: float | None = None

    def left(self) -> float | None:
        """Return the seconds until it is asked again; None: ask now, if need be as the one probe."""
        if self._closed_until is None:
            return None
        now = self._clock()
        if now < self._closed_until:
            return self._closed_until - now
        self._closed_until = now + PROBE
        return None

    def answered(self) -> None:
        """Hear that something came back, good or bad."""
        self._silent = 0
        self._pause = _FIRST
        self._closed_until = None

    def timed_out(self) -> None:
        """Hear that a request ran into its deadline."""
        now = self._clock()
        if self._silent == 0:
            self._silent_since = now
        self._silent += 1
        if self._silent >= _TRIES and now - self._silent_since >= _SPAN:
            self._closed_until = now + self._pause
            self._pause = min(_LONGEST, 2 * self._pause)
