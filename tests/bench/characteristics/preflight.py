"""What the operator itself forecasts for a slow service: requests and time for each step, before anything moves."""

from dataclasses import dataclass

from cutover.judge.evidence import Reference
from cutover.judge.foretelling import requests_for_a_pass
from tests.bench.characteristics.operator_rule import ERRORS, LATENCY
from tests.bench.characteristics.worlds import (
    LOOK_SECONDS,
    MAX_LOOKS,
    MIN_LOOKS,
    MIN_REQUESTS,
    WEIGHTS,
)


@dataclass(frozen=True)
class Forecast:
    """One gate at one weight."""

    weight: int
    gate: str
    requests: float | None
    """Target requests of nine steps in ten; None: no end in sight."""
    minutes: float | None
    """After ``settle``, and never less than ``minDuration``."""

    @property
    def feasible(self) -> bool:
        return self.minutes is not None and self.minutes * 60 <= MAX_LOOKS * LOOK_SECONDS


def forecasts(rate: float, slow: float, failing: float) -> list[Forecast]:
    """As `Feasible` does, for ``rate`` requests a second on both sides together, and both sides' shares of bad requests (0-1)."""
    found = []
    for weight in WEIGHTS:
        for gate, rule, share in (("latency", LATENCY, slow), ("errors", ERRORS, failing)):
            # At 100 the source's evidence of the step before stands in: ten minutes of half of the traffic.
            frozen = Reference(share, rate * 300) if weight == 100 else None
            needed = requests_for_a_pass(
                rule, share=share, weight=weight, min_requests=MIN_REQUESTS, reference=frozen
            )
            least = MIN_LOOKS * LOOK_SECONDS / 60
            minutes = None if needed is None else max(least, needed / (rate * weight / 100) / 60)
            found.append(Forecast(weight, gate, needed, minutes))
    return found
