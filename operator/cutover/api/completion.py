"""What happens to the source once the target has everything, and what is left of it."""

from enum import StrEnum
from typing import Annotated

from cutover.api.quantities import Duration
from cutover.api.rules import Rule, ruled_by, within
from cutover.api.wire import Wire


class SourceAfter(StrEnum):
    """What becomes of the source's servers."""

    KEEP = "Keep"
    SCALE_TO_ZERO = "ScaleToZero"


class Drain(Wire):
    """Waiting until the source works on nothing any more: running requests and open streams have ended."""

    model_config = ruled_by(
        Rule(
            "duration(self.quiet) <= duration(self.timeout)",
            "quiet must not be longer than timeout, or the source could never be found idle: lower quiet or"
            " raise timeout (both have defaults: 5m and 30m)",
        )
    )

    quiet: Annotated[Duration, within("10s", "1h")] = "5m"
    """For how long no request may have ended on the source, with none running, 10s to 1h."""
    timeout: Annotated[Duration, within("1m", "24h")] = "30m"
    """After so long the rollout completes all the same and the source is kept, 1m to 24h."""


class AfterCompletion(Wire):
    """What happens to the source once the last step has passed."""

    source: SourceAfter = SourceAfter.KEEP
    """Keep leaves its servers as they are. ScaleToZero drains it first, and scales source.workload to zero only once it works on nothing; Keep, set after that, brings back what was there."""
    drain: Drain | None = None
    """Wait for the source's requests and streams to end before the rollout is Completed; until then it can still roll back. Omitted: only with ScaleToZero, with the defaults."""

    @property
    def drained(self) -> Drain | None:
        """How the source is drained; None: not at all."""
        if self.drain is None and self.source is SourceAfter.SCALE_TO_ZERO:
            return Drain()
        return self.drain
