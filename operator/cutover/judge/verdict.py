"""A verdict with the evidence it rests on."""

from dataclasses import dataclass

from cutover.api.verdict import Unit, Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one gate says at one look.

    ``value`` and ``bound`` are the target's number and the one it is held against; for latency and error
    gates both are shares. Counts are requests, after no correction for bursts.
    """

    verdict: Verdict
    reason: str
    """CamelCase, from a closed list beside the rule that gives it."""
    message: str
    """One sentence for a person: the numbers and what they mean."""
    value: float | None = None
    bound: float | None = None
    source_count: float | None = 0.0
    target_count: float | None = 0.0
    requests_missing: float | None = None
    """About how many more target requests would bring a verdict, where that can be said."""
    final: bool = False
    """An ``Inconclusive`` that no further look will change: all its items are in."""
    pauses: bool = False
    """A ``Fail`` that must pause instead of rolling back (both sides worse than a frozen reference)."""
    unit: Unit | None = None
    """Of ``value`` and ``bound``; None: plain numbers."""
