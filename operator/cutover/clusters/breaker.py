"""An API server that takes connections and answers nothing is asked seldom, so that nobody waits for it.

Only reading is refused, and only where whoever reads does not insist: a write always goes out, and so does
the look at the route that a rollback needs (`Connection.get`, ``insist``).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TRIES = 3
"""Requests in a row that ran into their deadline."""
_FIRST, _LONGEST = 5.0, 30.0
"""Seconds for which nothing is asked; doubles with each probe that is not answered either."""
PROBE = 6.0
"""Seconds that a probe is given before the next one; a little more than a request's deadline."""
_WAITED = 16.0
"""Seconds that requests under way have waited altogether since the last answer: no more join them."""
_MANY, _SOON = 16, 0.3
"""So many requests that wait so many seconds for a server that is known to answer are odd enough."""
_CROWDED = 1.0
"""Seconds until it is tried whether there is room again."""


class Breaker:
    """Of one API server: whether it may be asked now."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent = 0
        self._pause = _FIRST
        self._closed_until: float | None = None
        self._probing = False
        self._waiting = 0
        self._heard_at = 0.0
        self._known = False

    def left(self) -> float | None:
        """Return the seconds until it is asked again; None: ask now, if need be as the one probe."""
        now = self._clock()
        if self._closed_until is None:
            return _CROWDED if self._is_crowded(now) else None
        if now < self._closed_until:
            return self._closed_until - now
        self._closed_until = now + PROBE
        self._probing = True
        return None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """A request is under way inside."""
        if self._waiting == 0:
            self._heard_at = self._clock()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def answered(self) -> None:
        """Hear that something came back, good or bad."""
        self._silent = 0
        self._pause = _FIRST
        self._closed_until = None
        self._probing = False
        self._heard_at = self._clock()
        self._known = True

    def timed_out(self) -> None:
        """Hear that a request ran into its deadline."""
        self._silent += 1
        if self._silent < _TRIES or (self._closed_until is not None and not self._probing):
            return
        self._probing = False
        self._closed_until = self._clock() + self._pause
        self._pause = min(_LONGEST, 2 * self._pause)

    def _is_crowded(self, now: float) -> bool:
        silence = now - self._heard_at
        many = self._known and self._waiting >= _MANY and silence >= _SOON
        return many or (self._waiting > 1 and self._waiting * silence >= _WAITED)
