"""What do all the clouds stand on? A clock that can be ahead, projected tokens, and what was told in confidence."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

Verified = Callable[[str, str], str | None]
"""Whom a projected token for an audience names; None: nobody, or no longer."""


@dataclass
class Ground:
    """What all three have in common."""

    verified: Verified
    ahead: float = 0.0
    """Seconds by which the clouds' clock is ahead of ours: what they gave grows old at once."""
    confided: set[str] = field(default_factory=set)
    """Every token, key and secret that was given or sent; nobody may repeat one."""
    given: int = 0
    """Tokens and keys that were given."""
    refused: int = 0
    reviewed: list[str | None] = field(default_factory=list)
    """Whom each TokenReview found; None: refused."""

    def begin(self) -> None:
        """Set the clock right and forget what happened, for another test."""
        self.ahead = 0.0
        self.given = self.refused = 0
        self.confided.clear()
        self.reviewed.clear()

    def moment(self) -> datetime:
        """The same as `now`."""
        return datetime.fromtimestamp(self.now(), UTC)

    def now(self) -> float:
        """Seconds since 1970, on the clouds' clock."""
        return time.time() + self.ahead
