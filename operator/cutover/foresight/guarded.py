"""Whether a guard would have fired at a look of a replayed plan."""

from collections.abc import Mapping, Sequence
from math import ceil

from cutover.api.evidence import FrozenReference
from cutover.api.guards import Guard
from cutover.api.status import Plan
from cutover.foresight.past import Past
from cutover.judge import guards
from cutover.judge.evidence import Count


class Guarded:
    """What both sides counted in the guards' windows, gate by gate, as of the last look."""

    def __init__(self, plan: Plan, past: Past) -> None:
        self._plan, self._past = plan, past
        self._errors = next((gate.name for gate in plan.gates if gate.error_rate is not None), None)
        self._looks = _guard_looks(past)
        self._trail: dict[str, list[tuple[Count, Count]]] = {name: [] for name in past.gates}

    def count(self, dealt: Mapping[str, tuple[Count, Count]]) -> None:
        """Add a look's requests of each gate, source and target."""
        longest = max(self._looks.values())
        for gate, counts in dealt.items():
            self._trail[gate] = [*self._trail[gate][1 - longest :], counts]

    def breach(self, reference: Sequence[FrozenReference]) -> guards.Breach | None:
        """Which guard fires now, if any; ``reference`` are the source's shares that were kept for full traffic."""
        disabled = frozenset(self._plan.guards.disabled)
        if self._errors is not None and Guard.ERROR_BURST not in disabled:
            breach = guards.error_burst(self._windows(self._errors))
            if breach is not None:
                return breach
        if Guard.LATENCY_BURST in disabled:
            return None
        for gate in self._plan.gates:
            if gate.latency is None:
                continue
            frozen = (one.share for one in reference if one.gate == gate.name)
            breach = guards.latency_burst(
                self._windows(gate.name),
                gate=gate.name,
                edge_seconds=self._past.gates[gate.name].edge_seconds,
                reference_share=next(frozen, None),
            )
            if breach is not None:
                return breach
        return None

    def _windows(self, gate: str) -> list[guards.WindowCounts]:
        trail = self._trail[gate]
        return [
            guards.WindowCounts(seconds, *_summed(trail[-number:]))
            for seconds, number in self._looks.items()
        ]


def _guard_looks(past: Past) -> Mapping[float, int]:
    """The guards' windows as whole looks: none is shorter than one."""
    windows = guards.guard_windows(past.scrape)
    looks = {max(1, ceil(seconds / past.look - 1e-6)) for seconds in windows}
    return {number * past.look: number for number in sorted(looks)}


def _summed(trail: Sequence[tuple[Count, Count]]) -> tuple[Count, Count]:
    sides = zip(*trail, strict=True)
    source, target = (
        Count(sum(one.total for one in side), sum(one.bad for one in side)) for side in sides
    )
    return source, target
