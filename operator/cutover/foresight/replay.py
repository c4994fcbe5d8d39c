"""One plan replayed over the source's past: an A/A, since both sides are the source's own requests.

Each look's requests are dealt out by chance, request by request, to source and target as the weight
says (a seeded binomial); the operator's own code judges them look by look, under the plan's steps,
settle, durations and guards. What is not replayed: the gateway (a weight takes effect at once), approvals
(given at once), guard looks between looks, the guard against silence, and how gates hang together:
each gate's requests are dealt out by themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import ceil, inf

import numpy as np

from cutover.api.analysis import Analysis
from cutover.api.drift import DriftGate
from cutover.api.evidence import FrozenDistribution, GateStatus, SourceHistory
from cutover.api.gates import Gate, OnFail
from cutover.api.quantities import parse_duration
from cutover.api.status import Plan, Status, Weights
from cutover.api.steps import Step
from cutover.api.verdict import Verdict
from cutover.decide import clocks
from cutover.decide.applying import analysis_in_force, in_force
from cutover.decide.counting import frozen_references
from cutover.decide.drifting import frozen_distributions
from cutover.decide.fulllook import FullLook
from cutover.decide.judging import judge_gates
from cutover.decide.past import DAY, look_length
from cutover.decide.readings import SideReading, WindowReading
from cutover.foresight.dealing import SOUND, Dealt, Harm, deal
from cutover.foresight.guarded import Guarded
from cutover.foresight.past import Floats, Past
from cutover.foresight.spreads import deal_cells
from cutover.judge.evidence import Count
from cutover.judge.histogram import Buckets


class End(StrEnum):
    """How a replayed plan ended."""

    FINISHED = "finished"
    GATE = "rolled back by a gate"
    GUARD = "rolled back by a guard"
    PAUSED = "paused by a gate"
    OUT_OF_TIME = "paused: not proven within maxDuration"
    OUTAGE = "paused: metrics missing"
    CUT_OFF = "cut off by the end of the past"


@dataclass(frozen=True, slots=True)
class Run:
    """One replayed plan."""

    start: float
    """Unix seconds."""
    end: End
    seconds: float
    """From the first weight to the end."""
    weight: int
    """Percent on the target at the end."""
    who: str = ""
    """The gate or guard that fired, or that was not proven."""
    message: str = ""
    target_requests: float = 0.0
    """Requests that the target got until then."""

    @property
    def fired(self) -> bool:
        return self.end in (End.GATE, End.GUARD, End.PAUSED)


@dataclass(slots=True)
class _Sums:
    """One gate's requests since its evidence began, both sides."""

    source: Count
    target: Count


class Replayer:
    """Replays one plan from any moment of a past."""

    def __init__(self, plan: Plan, gates: Sequence[Gate], past: Past) -> None:
        """``gates`` are those of the plan that count requests; drift gates whose distribution is known join them."""
        gates = [*gates, *(gate for gate in plan.gates if gate.name in past.spreads)]
        interval = f"{past.look:.3f}".rstrip("0").rstrip(".") + "s"
        analysis = plan.analysis.model_copy(update={"interval": interval})
        self.plan = plan.model_copy(update={"analysis": analysis, "gates": list(gates)})
        self.past = past
        self.alone = [self.plan.model_copy(update={"gates": [gate]}) for gate in gates]
        self.known = past.known > 0

    def run(self, start: int, rng: np.random.Generator, harm: Harm = SOUND) -> Run:
        """Replay from look ``start`` on."""
        return _Rollout(self, start, rng, harm).run()

    def time(self, look: int) -> datetime:
        """When a look begins (and the one before ends)."""
        return datetime.fromtimestamp(self.past.begin + look * self.past.look, UTC)

    def histories(self, start: int) -> list[SourceHistory]:
        """What the operator would know in Preflight of the day before."""
        interval = parse_duration(self.plan.analysis.interval).total_seconds()
        length = look_length(interval, self.past.scrape)
        together = max(1, round(length / self.past.look))
        day = int(DAY / self.past.look)
        found: list[SourceHistory] = []
        for gate in self.plan.gates:
            if gate.name not in self.past.gates:
                continue
            told = self.past.bursts(gate.name, start, day, together)
            found.append(
                SourceHistory(
                    gate=gate.name,
                    correlation=told.correlation,
                    looks=told.looks,
                    look_seconds=length,
                    measured_at=self.time(start),
                )
            )
        return found


class _Rollout:
    """The state of one replayed plan."""

    def __init__(self, of: Replayer, start: int, rng: np.random.Generator, harm: Harm) -> None:
        self._of, self._rng, self._harm = of, rng, harm
        self._start = self._at = start
        self._status = Status(plan=None, source_history=of.histories(start))
        self._dealt: dict[str, Dealt] = {}
        self._from = start
        """The look that the dealt ones begin with."""
        self._sums: dict[str, _Sums] = {}
        self._cells: dict[str, tuple[Floats, Floats]] = {}
        """Both sides' distributions since the evidence began."""
        self._source: WindowReading | None = None
        """What the source told of them at the last look."""
        self._guarded = Guarded(of.plan, of.past)
        self._blind = 0
        self._given = 0.0

    def run(self) -> Run:
        for index, step in enumerate(self._of.plan.steps):
            ended = self._step(index, step)
            if ended is not None:
                return ended
        return self._ended(End.FINISHED)

    # --- one step -------------------------------------------------------------------------------

    def _step(self, index: int, step: Step) -> Run | None:
        """Look until the step is over; a Run: it is the end of the plan."""
        began = self._of.time(self._at)
        if step.weight is not None:
            self._set_weight(step.weight, began)
        elif not self._status.weights.applied:
            self._at += ceil(clocks.shortest(step).total_seconds() / self._of.past.look)
            return None
        analysis = self._analysis
        length = clocks.step_length(step)
        longest = parse_duration(analysis.max_duration)
        first = self._at
        while True:
            now = self._of.time(self._at)
            proven = self._at > first or step.weight is None
            if proven and now - began >= length and self._is_proven(now):
                enough = float(analysis.min_requests)
                references = frozen_references(self._of.plan.gates, self._status, index, enough)
                kept = self._frozen(index, enough)
                self._status = self._status.model_copy(
                    update={"reference": references, "reference_distributions": kept}
                )
                return None
            if self._waited(now, began + length) >= longest and step.approval is None:
                return self._unproven()
            ended = self._look()
            if ended is not None:
                return ended

    def _frozen(self, index: int, enough: float) -> list[FrozenDistribution]:
        """Keep the source's distributions, as the operator does."""
        seen = self._source
        if seen is None:
            return self._status.reference_distributions
        reading = SideReading((seen,), None, None)
        return frozen_distributions(
            self._status, self._of.plan, reading, seen.seconds, step=index, enough=enough
        )

    def _waited(self, now: datetime, since: datetime) -> timedelta:
        """How long nothing but proof has been missing."""
        applied, afresh = self._status.weights.applied_at, self._status.evidence_since
        waited = min(now - since, clocks.waited(applied, now))
        if afresh is None:
            return waited
        settle = parse_duration(self._analysis.settle)
        return min(waited, clocks.waited(afresh, now) + settle)

    def _set_weight(self, weight: int, now: datetime) -> None:
        weights = Weights(desired=weight, applied=weight, applied_at=now)
        self._status = self._status.model_copy(
            update={"weights": weights, "gates": [], "evidence_since": None}
        )
        self._from = self._at
        self._deal()
        self._afresh()

    def _afresh(self) -> None:
        """What is counted next is all there is."""
        self._sums, self._cells, self._source = {}, {}, None

    def _deal(self) -> None:
        """Deal out the next looks; those of a long soak come piece by piece."""
        weight = self._status.weights.applied or 0
        end = min(self._of.past.looks, self._at + BLOCK)
        self._from = self._at
        self._dealt = {
            gate: deal(self._of.past.gates[gate], self._at, end, weight, self._harm, rng=self._rng)
            for gate in self._of.past.gates
        }

    @property
    def _analysis(self) -> Analysis:
        return analysis_in_force(self._of.plan, self._status)

    def _is_proven(self, now: datetime) -> bool:
        passed = {
            one.name
            for one in self._status.gates
            if one.verdict is Verdict.PASS and one.looked_at == now
        }
        needed = [one for one in in_force(self._of.plan, self._status) if not one.only_reports]
        over = clocks.min_duration_over(self._status, self._analysis, now)
        return over and all(gate.name in passed for gate in needed)

    # --- one look -------------------------------------------------------------------------------

    def _look(self) -> Run | None:
        """Take the next look: guards, then gates."""
        if self._at >= self._of.past.looks:
            return self._ended(End.CUT_OFF)
        look = self._at
        self._at += 1
        if not self._of.known[look]:
            return self._missing()
        self._blind = 0
        if look - self._from >= BLOCK:
            self._at -= 1
            self._deal()
            self._at += 1
        dealt = {gate: one.at(look - self._from) for gate, one in self._dealt.items()}
        self._given += max(target.total for _, target in dealt.values())
        return self._guards(dealt) or self._gates(dealt)

    def _missing(self) -> Run | None:
        self._blind += 1
        limit = parse_duration(self._analysis.outage_limit).total_seconds()
        return self._ended(End.OUTAGE) if self._blind * self._of.past.look >= limit else None

    def _guards(self, dealt: Mapping[str, tuple[Count, Count]]) -> Run | None:
        self._guarded.count(dealt)
        breach = self._guarded.breach(self._status.reference)
        if breach is None:
            return None
        return self._ended(End.GUARD, str(breach.guard), breach.message)

    def _gates(self, dealt: Mapping[str, tuple[Count, Count]]) -> Run | None:
        now, analysis = self._of.time(self._at), self._analysis
        begun = self._of.time(self._at - 1)
        if not clocks.settled(self._status, analysis, begun + timedelta(milliseconds=1)):
            return None
        since = self._status.evidence_since or begun
        if now - since > clocks.evidence_limit(analysis):
            self._status = self._status.model_copy(update={"evidence_since": now, "gates": []})
            self._afresh()
            return None
        self._status = self._status.model_copy(update={"evidence_since": since})
        found = [
            judged
            for plan in self._of.alone
            for judged in judge_gates(plan, self._status, self._full_look(plan, dealt, since, now))
        ]
        self._status = self._status.model_copy(update={"gates": found})
        failed = [one for one in found if one.verdict is Verdict.FAIL and not one.only_reports]
        for one in failed:
            if one.consequence is OnFail.ROLL_BACK:
                return self._ended(End.GATE, one.name, one.message)
        return self._ended(End.PAUSED, failed[0].name, failed[0].message) if failed else None

    def _full_look(
        self,
        plan: Plan,
        dealt: Mapping[str, tuple[Count, Count]],
        since: datetime,
        now: datetime,
    ) -> FullLook:
        """Give one gate what both sides counted since its evidence began."""
        (gate,) = plan.gates
        window = (now - since).total_seconds()
        if gate.drift is not None:
            return self._drift_look(gate.name, gate.drift, window, now)
        before = self._sums.get(gate.name, _Sums(Count(0.0), Count(0.0)))
        source, target = dealt[gate.name]
        sums = _Sums(_plus(before.source, source), _plus(before.target, target))
        self._sums[gate.name] = sums
        edge = self._of.past.gates[gate.name].edge_seconds
        sides = [_side(gate, window, count, edge) for count in (sums.source, sums.target)]
        return FullLook(sides[0], sides[1], window, now, gathering=True)

    def _drift_look(self, name: str, drift: DriftGate, window: float, now: datetime) -> FullLook:
        """Give a drift gate both sides' distributions since its evidence began."""
        spread, weight = self._of.past.spreads[name], self._status.weights.applied or 0
        came = deal_cells(spread, self._at - 1, weight, self._rng)
        there = self._cells.get(name)
        cells = came if there is None else (there[0] + came[0], there[1] + came[1])
        self._cells[name] = cells
        sides = [
            WindowReading(
                window,
                float(one.sum()),
                0.0,
                distributions={drift.key(name): spread.told(one)},
            )
            for one in cells
        ]
        older = self._source.distributions if self._source is not None else {}
        self._source = replace(sides[0], distributions={**older, **sides[0].distributions})
        source, target = (SideReading((one,), None, None) for one in sides)
        return FullLook(source, target, window, now, gathering=True)

    # --- the end --------------------------------------------------------------------------------

    def _unproven(self) -> Run:
        gates = [one for one in self._status.gates if not one.only_reports]
        waiting = [one for one in gates if one.verdict is not Verdict.PASS]
        first: GateStatus | None = waiting[0] if waiting else None
        return self._ended(
            End.OUT_OF_TIME,
            first.name if first else "",
            first.message if first else "no look was possible in time",
        )

    def _ended(self, end: End, who: str = "", message: str = "") -> Run:
        return Run(
            start=self._of.time(self._start).timestamp(),
            end=end,
            seconds=(self._at - self._start) * self._of.past.look,
            weight=self._status.weights.applied or 0,
            who=who,
            message=message,
            target_requests=self._given,
        )


BLOCK = 512
"""Looks that are dealt out at once."""


def _side(gate: Gate, window: float, count: Count, edge: float) -> SideReading:
    good = count.total - count.bad
    if gate.latency is None:
        reading = WindowReading(window, count.total, count.bad)
    else:
        buckets = Buckets((edge, inf), (good, count.total))
        reading = WindowReading(window, count.total, 0.0, {gate.latency.metric: buckets})
    return SideReading((reading,), None, None)


def _plus(one: Count, other: Count) -> Count:
    return Count(one.total + other.total, one.bad + other.bad)
