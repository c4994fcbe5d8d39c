"""A whole plan is foreseen at a given rate, step by step: simulated, with the operator's own rules."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil, inf, isfinite
from typing import Final

import numpy as np

from cutover.api.gates import Gate, MeanLatencyGate
from cutover.api.quantities import parse_duration, parse_share
from cutover.api.status import Plan
from cutover.api.steps import Step
from cutover.decide import clocks
from cutover.decide.applying import overridden
from cutover.decide.counting import rule_of
from cutover.decide.share import is_judged_on_requests, share_of
from cutover.foresight.averages import simulate_mean, smallest_ratio
from cutover.foresight.chances import (
    RUNS,
    SURE,
    Floats,
    Outcomes,
    Setting,
    quantile,
    simulate,
    smallest_seen,
)
from cutover.foresight.drifting import requests_for, seconds_for
from cutover.foresight.early import ahead_of_traffic, bounds
from cutover.foresight.outlook import GateOutlook, Outlook, StepOutlook
from cutover.judge.comparison import requests_needed
from cutover.judge.errors import ErrorRule
from cutover.judge.evidence import Reference, pooled
from cutover.judge.guards import ENOUGH, guard_windows
from cutover.judge.latency import LatencyRule
from cutover.judge.meanrule import MeanRule
from cutover.judge.wording import percent

SLOW: Final = 0.02
FAILING: Final = 0.002
"""The source's shares of bad requests that are assumed where none are given, 0-1."""
EVEN: Final = 50
"""The weight that tells most: above it the source gets too few requests, and nothing is gained."""


def is_counted(gate: Gate) -> bool:
    """Whether it judges by counting requests, so that time and chance can be told."""
    return gate.latency is not None or gate.error_rate is not None


def assumed_shares(plan: Plan, given: Mapping[str, float]) -> dict[str, float]:
    """The source's share of bad requests for each gate: as given, or well below the gate's limit."""
    return {
        gate.name: given.get(gate.name, _assumed(gate)) for gate in plan.gates if is_counted(gate)
    }


def _assumed(gate: Gate) -> float:
    if gate.latency is not None:
        return min(SLOW, 0.4 * parse_share(gate.latency.max_above))
    return min(FAILING, 0.2 * parse_share(gate.error_rate.max)) if gate.error_rate else 0.0


def look_ahead(
    plan: Plan,
    rate: float,
    given: Mapping[str, float],
    *,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> Outlook:
    """Foresee the plan at ``rate`` requests a second; ``advance`` is called after each step."""
    assumed = assumed_shares(plan, given)
    teller = _Teller(plan, rate, assumed, seed)
    steps: list[StepOutlook] = []
    times: list[Floats] = []
    for number, step in enumerate(plan.steps, start=1):
        if is_judged_on_requests(step):
            told, took = teller.step(number, step)
            steps.append(told)
            times.append(took)
            advance()
    waits = sum(clocks.step_length(step).total_seconds() for step in plan.steps)
    total = np.sum(times, axis=0) + waits
    return Outlook(
        rate=rate,
        assumed=assumed,
        steps=tuple(steps),
        waits=waits,
        approvals=tuple(one.approval.name for one in plan.steps if one.approval is not None),
        median=quantile(total, 0.5),
        nine_in_ten=quantile(total, SURE),
        early=tuple(
            ahead_of_traffic(gate, plan.analysis.interval)
            for gate in plan.gates
            if gate.before_traffic and not gate.only_reports
        ),
    )


class _Teller:
    """Tells of one step after the other; gates with equal limits are simulated once."""

    def __init__(self, plan: Plan, rate: float, assumed: Mapping[str, float], seed: int) -> None:
        self._plan = plan
        self._rate = rate
        self._assumed = assumed
        self._seed = seed
        self._seen: dict[object, tuple[Outcomes, float | None]] = {}
        self._frozen: Reference | None = None
        self._frozen_at = 0
        """The step that the reference was last added to."""
        self._averaged: dict[object, tuple[Outcomes, float | None]] = {}
        self._fitting: dict[object, int | None] = {}
        each = [gate for gate in plan.gates if not gate.before_traffic]
        self._gates = [gate for gate in each if is_counted(gate)]
        self._others = [gate for gate in each if not is_counted(gate)]

    def step(self, number: int, own: Step) -> tuple[StepOutlook, Floats]:
        """Tell of one weight or mirror, and how long each simulated step took."""
        setting = self._setting(own)
        gates: list[GateOutlook] = []
        slowest = np.full(RUNS, setting.settle + setting.min_duration)
        for place, gate in enumerate(self._gates):
            if not _is_judged(gate, own):
                continue
            told, took = self._gate(gate, setting)
            gates.append(told)
            # Gates with equal limits share their draws: shuffled, so that they are not slow together.
            rng = np.random.default_rng([self._seed, number, place])
            slowest = np.maximum(slowest, rng.permutation(took))
        for gate in self._others:
            if _is_judged(gate, own):
                found, took = self._other(gate, setting)
                gates.append(found)
                slowest = np.maximum(slowest, took)
        self._freeze(number, setting, slowest)
        until = ENOUGH / setting.target_rate
        fits = float(np.isfinite(slowest).mean()) >= SURE
        return StepOutlook(
            number=number,
            description=own.description,
            weight=own.weight or 0,
            mirrored=own.shadow.parts if own.shadow is not None else 0,
            target_rate=setting.target_rate,
            gates=tuple(gates),
            median=quantile(slowest, 0.5),
            nine_in_ten=quantile(slowest, SURE),
            pass_chance=float(np.isfinite(slowest).mean()),
            guards_after=until if until <= guard_windows(1.0)[-1] else None,
            first_fit=None if fits or own.weight is None else self._first_fit(own),
        ), slowest

    def _first_fit(self, own: Step) -> int | None:
        """Find the smallest weight at which the step's own gates pass in its own time, 9 times in 10."""
        key = own.model_copy(update={"weight": None}).model_dump_json()
        if key not in self._fitting:
            self._fitting[key] = self._search(own)
        return self._fitting[key]

    def _search(self, own: Step) -> int | None:
        low, high = 1, EVEN
        if not self._fits(high, own):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._fits(middle, own) else (middle + 1, high)
        return high

    def _fits(self, weight: int, own: Step) -> bool:
        setting = self._setting(own.model_copy(update={"weight": weight}))
        chance = 1.0
        for gate in self._others:
            if _is_judged(gate, own):
                chance *= self._other(gate, setting, seen=False)[0].pass_chance
        for gate in self._gates:
            if not _is_judged(gate, own):
                continue
            rng, share = np.random.default_rng(self._seed), self._assumed[gate.name]
            chance *= simulate(rule_of(gate, 0.0), setting, share, share, rng=rng).pass_chance
        return chance >= SURE

    def _gate(self, gate: Gate, setting: Setting) -> tuple[GateOutlook, Floats]:
        share, rule = self._assumed[gate.name], rule_of(gate, 0.0)
        same = _nameless(rule)
        key = (same, setting, share)
        if key not in self._seen:
            rng = np.random.default_rng(self._seed)
            self._seen[key] = (
                simulate(same, setting, share, share, rng=rng),
                smallest_seen(same, setting, share, rng=rng),
            )
        outcomes, sees_from = self._seen[key]
        told = GateOutlook(
            gate=gate.name,
            requests=_needed(rule, setting, share),
            median=_finite(quantile(outcomes.passed, 0.5)),
            nine_in_ten=_finite(quantile(outcomes.passed, SURE)),
            pass_chance=outcomes.pass_chance,
            fits=outcomes.pass_chance >= SURE,
            sees_from=sees_from,
        )
        return told, outcomes.passed

    def _other(
        self, gate: Gate, setting: Setting, *, seen: bool = True
    ) -> tuple[GateOutlook, Floats]:
        """Tell of a gate that counts no bad requests, and how long each simulated step waited for it."""
        if gate.mean_latency is not None:
            return self._mean(gate, gate.mean_latency, setting, seen=seen)
        if gate.traffic_drift is not None:
            found = _drifting(gate, setting)
        elif gate.query is not None:
            found = _at_once(gate, setting, 0.0, bounds(gate, f"{setting.interval:g}s"))
        else:
            asked = ahead_of_traffic(gate, self._plan.analysis.interval)
            found = _at_once(gate, setting, asked.seconds or 0.0, asked.words, asked.inputs)
        return found, np.full(RUNS, (found.median or 0.0) if found.fits else inf)

    def _mean(
        self, gate: Gate, spec: MeanLatencyGate, setting: Setting, *, seen: bool
    ) -> tuple[GateOutlook, Floats]:
        rule = MeanRule("", "", parse_share(spec.max_increase))
        key = (rule, setting, seen)
        if key not in self._averaged:
            rng = np.random.default_rng(self._seed)
            least = smallest_ratio(rule, setting, rng=rng) if seen else None
            self._averaged[key] = simulate_mean(rule, setting, 1.0, rng=rng), least
        outcomes, least = self._averaged[key]
        median = _finite(quantile(outcomes.passed, 0.5))
        told = GateOutlook(
            gate=gate.name,
            requests=None if median is None else setting.target_rate * (median - setting.settle),
            median=median,
            nine_in_ten=_finite(quantile(outcomes.passed, SURE)),
            pass_chance=outcomes.pass_chance,
            fits=outcomes.pass_chance >= SURE,
            sees_from=None,
            note="nothing" if least is None else f"mean +{percent(least - 1.0)}",
        )
        return told, np.resize(outcomes.passed, RUNS)

    def _setting(self, step: Step) -> Setting:
        """What the step gives its gates; copies come beside the requests, of which the source keeps all."""
        analysis = overridden(self._plan.analysis, step)
        copies = step.shadow.parts if step.shadow is not None else 0
        interval, settle, shortest, longest = (
            parse_duration(text).total_seconds()
            for text in (
                analysis.interval,
                analysis.settle,
                analysis.min_duration,
                analysis.max_duration,
            )
        )
        return Setting(
            weight=share_of(step),
            rate=self._rate * (100 + copies) / 100.0,
            interval=interval,
            settle=settle,
            min_duration=shortest,
            max_duration=longest,
            min_requests=analysis.min_requests,
            reference=self._frozen.n if self._frozen is not None and step.weight == 100 else 0.0,
        )

    def _freeze(self, number: int, setting: Setting, took: Floats) -> None:
        """Keep how many source requests there were: at weight 100 they stand in for the source."""
        longest = min(quantile(took, 0.5), setting.max_duration)
        requests = (setting.rate - setting.target_rate) * (longest - setting.settle)
        if setting.weight < 100 and requests >= setting.min_requests:
            older = self._frozen if self._frozen_at == number - 1 else None
            self._frozen = pooled(older, Reference(0.0, float(ceil(requests))))
            self._frozen_at = number


def _drifting(gate: Gate, setting: Setting) -> GateOutlook:
    """Tell of a drift gate, which holds nothing where it cannot be judged."""
    assert gate.drift is not None  # noqa: S101 - the caller looked
    seconds = seconds_for(gate.drift, setting)
    note = f"{gate.drift.method} > {gate.drift.max}" if seconds is not None else "only reports"
    return GateOutlook(
        gate=gate.name,
        requests=requests_for(gate.drift, setting) if seconds is not None else None,
        median=seconds,
        nine_in_ten=seconds,
        pass_chance=1.0,
        fits=True,
        sees_from=None,
        note=note,
    )


def _at_once(
    gate: Gate, setting: Setting, seconds: float, note: str, inputs: int | None = None
) -> GateOutlook:
    """Tell of a gate that waits for no requests: it passes when the step may, or when its inputs are asked."""
    looks = ceil(max(setting.min_duration, seconds) / setting.interval - 1e-9)
    at = setting.settle + looks * setting.interval
    fits = at <= setting.max_duration
    return GateOutlook(
        gate=gate.name,
        requests=None if inputs is None else float(inputs),
        median=at if fits else None,
        nine_in_ten=at if fits else None,
        pass_chance=1.0 if fits else 0.0,
        fits=fits,
        sees_from=None,
        note=note,
    )


def _is_judged(gate: Gate, step: Step) -> bool:
    """Whether the step waits for the gate."""
    return not gate.only_reports and (step.gates is None or gate.name in step.gates)


def _nameless(rule: LatencyRule | ErrorRule) -> LatencyRule | ErrorRule:
    """Leave what the limits are, so that equal ones are known as equal."""
    if isinstance(rule, LatencyRule):
        return replace(rule, name="", metric="")
    return replace(rule, name="")


def _needed(rule: LatencyRule | ErrorRule, setting: Setting, share: float) -> float | None:
    frozen = setting.reference
    return requests_needed(
        rule,
        share=share,
        weight=setting.weight,
        min_requests=setting.min_requests,
        reference=Reference(share, frozen) if frozen else None,
    )


def _finite(seconds: float) -> float | None:
    return seconds if isfinite(seconds) and seconds < inf else None
