"""The operator's own rule: ``cutover.judge`` says every verdict that ends a step.

Only looks at which nothing can come of asking are not asked about: before ``minDuration`` nothing passes, and a
Fail needs a target with a larger share than the source and the limit (or the margin) allow. A test judges
the same plans with every look asked about, and must find the same ends.
"""

import numpy as np

from cutover.api.verdict import Verdict
from cutover.decide.counting import MOST_HISTORY
from cutover.judge.comparison import reason_of
from cutover.judge.errors import ErrorRule
from cutover.judge.evidence import Reference, SideSums, correlation, freeze, pooled
from cutover.judge.latency import LatencyRule
from cutover.judge.terms import FAIL_FROM, Reason, Rule, Terms
from tests.bench.characteristics.guard_watch import GuardWatch
from tests.bench.characteristics.outcome import End, StepEnd
from tests.bench.characteristics.sums import as_evidence, evidence_sums, shares, side_sums
from tests.bench.characteristics.traffic import Bools, Floats, Ints, Looks, draw
from tests.bench.characteristics.worlds import (
    GATES,
    LATENCY_GATES,
    LOOK_SECONDS,
    MIN_LOOKS,
    MIN_REQUESTS,
    SETTLE_LOOKS,
    World,
)

LATENCY = LatencyRule("latency", "TimeToFirstToken", edge_seconds=1.0, max_above=0.05, margin=0.025)
ERRORS = ErrorRule("errors", max=0.01, ratio=2.0)
RULES: tuple[Rule, ...] = (LATENCY,) * LATENCY_GATES + (ERRORS,)
NAMES = ("latency",) * LATENCY_GATES + ("errors",)
DAY_LOOKS = 86_400 // LOOK_SECONDS


def known_past(rng: np.random.Generator, world: World) -> list[float]:
    """What the operator would know of the source: half of the last day's within-look correlation, bounded."""
    if not world.past_known:
        return [0.0] * GATES
    day = draw(rng, world, 0.0, (1, DAY_LOOKS), np.zeros(1))
    last = side_sums(day.source, day.source_bad)[0, -1]
    found = [correlation(SideSums(*numbers)) for numbers in last.tolist()]
    return [min(MOST_HISTORY, one / 2) for one in found]


class OperatorRule:
    """Evidence per gate since ``settle``; the source's is frozen at each step that had enough of it."""

    def __init__(self, plans: int, past: list[float], *, ask_always: bool = False) -> None:
        self._past = past
        self._ask_always = ask_always
        self._references: list[list[Reference | None]] = [[None] * GATES for _ in range(plans)]
        self._guards = GuardWatch(plans)

    def step(
        self, weight: int, looks: Looks, plans: Ints, rng: np.random.Generator
    ) -> list[StepEnd]:
        del rng
        kept = [self._references[plan] for plan in plans]
        frozen = shares(kept) if weight == 100 else None
        seen = slice(SETTLE_LOOKS, None)
        sums = evidence_sums(
            (looks.source[:, seen], looks.source_bad[:, seen]),
            (looks.target[:, seen], looks.target_bad[:, seen]),
            frozen,
        )
        suspects = np.ones(sums.shape[:3], bool) if self._ask_always else may_fail(sums, frozen)
        breaches = self._guards.step(looks, plans, kept)
        ends = []
        for at, plan in enumerate(plans):
            references = self._references[plan] if weight == 100 else [None] * GATES
            gates = _Gates(weight, sums[at], references, self._past)
            end = gates.run(suspects[at])
            breach = breaches[at]
            if breach is not None and breach[0] + 1 <= end.looks:
                end = StepEnd(End.GUARD, breach[0] + 1, breach[1])
            ends.append(end)
            if end.end is End.PASSED:
                self._freeze(plan, sums[at, end.looks - SETTLE_LOOKS - 1])
        self._guards.end(plans, [end.looks for end in ends])
        return ends

    def _freeze(self, plan: int, sums: Floats) -> None:
        for gate, numbers in enumerate(sums.tolist()):
            reference = freeze(as_evidence(numbers))
            if reference is not None and reference.n >= MIN_REQUESTS:
                older = self._references[plan][gate]
                self._references[plan][gate] = pooled(older, reference)


class _Gates:
    """One plan at one step."""

    def __init__(
        self, weight: int, sums: Floats, references: list[Reference | None], past: list[float]
    ) -> None:
        self._sums = sums
        self._terms = [
            tuple(
                Terms(weight, MIN_REQUESTS, over, references[gate], past[gate])
                for over in (False, True)
            )
            for gate in range(GATES)
        ]

    def _reason(self, look: int, gate: int) -> Reason:
        evidence = as_evidence(self._sums[look, gate].tolist())
        return reason_of(RULES[gate], evidence, self._terms[gate][look + 1 >= MIN_LOOKS])

    def run(self, suspects: Bools) -> StepEnd:
        """Go look by look until a gate fails or all pass. ``suspects``: look × gate."""
        any_suspect: Bools = np.asarray(suspects.any(axis=1))
        order = list(range(GATES))
        for look in range(len(suspects)):
            asked: dict[int, Reason] = {}
            if any_suspect[look]:
                for gate in np.flatnonzero(suspects[look]).tolist():
                    asked[gate] = self._reason(look, gate)
                    if asked[gate].verdict is Verdict.FAIL:
                        terms = self._terms[gate][0]
                        pauses = terms.alone or terms.reference is not None
                        end = End.PAUSED if pauses else End.ROLLED_BACK
                        return StepEnd(end, SETTLE_LOOKS + look + 1, NAMES[gate])
            if look + 1 >= MIN_LOOKS:
                held = self._first_held(look, order, asked)
                if held is None:
                    return StepEnd(End.PASSED, SETTLE_LOOKS + look + 1)
                order.remove(held)
                order.insert(0, held)
        return StepEnd(End.OUT_OF_TIME, SETTLE_LOOKS + len(suspects), NAMES[order[0]])

    def _first_held(self, look: int, order: list[int], asked: dict[int, Reason]) -> int | None:
        for gate in order:
            reason = asked.get(gate) or self._reason(look, gate)
            if reason.verdict is not Verdict.PASS:
                return gate
        return None


def may_fail(sums: Floats, frozen: Floats | None) -> Bools:
    """Plan × look × gate: False where no Fail is possible, by what every Fail needs."""
    n_t, x_t = sums[..., 5], sums[..., 6]
    t = x_t / np.maximum(n_t, 1.0)
    s = (
        sums[..., 1] / np.maximum(sums[..., 0], 1.0)
        if frozen is None
        else np.broadcast_to(frozen[:, None, :], t.shape)
    )
    least = np.empty_like(t)
    slow, failed = slice(LATENCY_GATES), LATENCY_GATES
    least[..., slow] = np.minimum(
        s[..., slow] + LATENCY.margin, np.maximum(LATENCY.max_above, s[..., slow])
    )
    least[..., failed] = np.minimum(
        s[..., failed] * ERRORS.ratio, np.maximum(ERRORS.max, s[..., failed])
    )
    return np.asarray((n_t >= FAIL_FROM) & (t > least * (1 - 1e-9)))
