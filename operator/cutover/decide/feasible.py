"""How long each weight and each mirror needs for its evidence at the source's rate, and whether its ``maxDuration`` is enough.

In closed form (:mod:`cutover.judge.foretelling`), for gates that count requests: it costs well under a
millisecond a weight. ``kubectl cutover plan`` simulates the same and tells more. Without bursts, without the
time that other kinds of gates take, and for a target as good as the source.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from cutover.api.gates import Gate
from cutover.api.quantities import parse_duration
from cutover.api.status import Plan
from cutover.api.steps import Step
from cutover.decide.applying import delivered_within, overridden
from cutover.decide.counting import gate_counts, rule_of
from cutover.decide.fulllook import window_of
from cutover.decide.looking import REFERENCE_WINDOW
from cutover.decide.readings import Gap, Reading, SideReading, WindowReading
from cutover.decide.share import is_judged_on_requests, share_of
from cutover.judge.evidence import Reference
from cutover.judge.foretelling import requests_for_a_pass

LARGEST_START: Final = 50
"""Percent: above it the source gets too few requests, and nothing is gained."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What the source shows, rounded so that a look more does not make it another."""

    rate: float
    """Requests a second; 0: none."""
    shares: Mapping[str, float]
    """By name of the gates that count requests: bad ones of the source's, 0-1."""
    past: float
    """Requests that these were counted over: a first reference."""
    delivery: float = 0.0
    """Seconds until a changed weight has reached every client."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one step needs."""

    number: int
    """Of the step, from 1; 0: none of them."""
    step: Step
    seconds: float | None
    """Nine in ten such steps are over by then; None: no Pass is in sight."""
    longest: float
    """Seconds: the step's maxDuration."""
    gate: str = ""
    """The slowest."""
    requests: float | None = None
    """Target requests that it needs."""

    @property
    def weight(self) -> int:
        """Percent; 0: it mirrors."""
        return self.step.weight or 0

    @property
    def fits(self) -> bool:
        return self.seconds is not None and self.seconds <= self.longest


@dataclass(frozen=True, slots=True)
class Feasibility:
    """The whole plan at one rate."""

    rate: float
    needs: tuple[Need, ...]
    first_fit: int | None
    """The smallest weight that fits; only looked for where some weight does not."""

    @property
    def fits(self) -> bool:
        return all(need.fits for need in self.needs)


# --- what the source shows ------------------------------------------------------------------------


def pace_of(plan: Plan, source: Reading | None, *, delivery: float = 0.0) -> Pace | None:
    """Read the source's rate and its shares of bad requests; None: they cannot be read.

    The rate is that of the last ten minutes, unless most of it came at their end: then servers or their
    scrapes have only just begun.
    """
    long = window_of(source, REFERENCE_WINDOW)
    if not isinstance(source, SideReading) or not isinstance(long, WindowReading):
        return None
    rates = [_rate(window) for window in source.windows]
    known = [rate for rate in rates if rate is not None]
    lately = _rate(min(source.windows, key=lambda one: one.seconds))
    whole = _rate(long)
    if not known:
        return None
    rate = whole if whole is not None and whole >= (lately or 0.0) / 2 else max(known)
    shares = {gate.name: _share(gate, long) for gate in plan.gates if gate.counts_requests}
    past = long.requests if isinstance(long.requests, float) else 0.0
    return Pace(_rounded(rate), shares, _rounded(past), delivery)


def _rate(window: WindowReading) -> float | None:
    """Of requests that the side counts itself, or else that the gateway counts."""
    requests = window.requests
    if isinstance(requests, Gap) and isinstance(window.gateway, WindowReading):
        requests = window.gateway.requests
    return None if isinstance(requests, Gap) else requests / window.seconds


def _share(gate: Gate, window: WindowReading) -> float:
    counts = gate_counts(gate, window, window)
    return 0.0 if isinstance(counts, Gap) else _rounded(counts.source.share)


def _rounded(number: float) -> float:
    """Two digits that count."""
    return float(f"{number:.2g}")


# --- what the steps need --------------------------------------------------------------------------


def foresee(plan: Plan, pace: Pace) -> Feasibility:
    """Tell what every weight and every mirror of the plan needs."""
    needs = tuple(_needs(plan, plan.steps, pace))
    fits = all(need.fits for need in needs if need.weight)
    return Feasibility(pace.rate, needs, None if fits else _first_fit(plan, pace))


def fitting_steps(plan: Plan, pace: Pace) -> list[Step]:
    """The default steps as far as they fit, from the first weight that does; as they are where none does."""
    seen = foresee(plan, pace)
    if seen.fits or seen.first_fit is None:
        return list(plan.steps)
    fitting = {need.number for need in seen.needs if need.fits and need.weight > seen.first_fit}
    first = Step(weight=seen.first_fit)
    kept = (
        step
        for number, step in enumerate(plan.steps, start=1)
        if step.weight is None or step.weight == 100 or number in fitting
    )
    return [first, *kept]


def _needs(plan: Plan, steps: Sequence[Step], pace: Pace) -> Iterator[Need]:
    past = pace.past if pace.past >= plan.analysis.min_requests else 0.0
    for number, step in enumerate(steps, start=1):
        if not is_judged_on_requests(step):
            continue
        need = _need(plan, step, pace, number, past)
        if need.weight < 100 and need.seconds is not None:
            seconds = min(need.seconds, need.longest)
            past += pace.rate * (100 - need.weight) / 100.0 * seconds
        yield need


def _first_fit(plan: Plan, pace: Pace) -> int | None:
    """Time and weight are in no simple order: a small weight is proven more coarsely."""
    weights = range(1, LARGEST_START + 1)
    return next((one for one in weights if _need(plan, _like(plan, one), pace, 0, 0.0).fits), None)


def _like(plan: Plan, weight: int) -> Step:
    """The step of that weight, or one with nothing of its own."""
    return next((one for one in plan.steps if one.weight == weight), Step(weight=weight))


def _need(plan: Plan, step: Step, pace: Pace, number: int, past: float) -> Need:
    share = share_of(step)
    analysis = delivered_within(overridden(plan.analysis, step), pace.delivery)
    settle, shortest, longest, interval = (
        parse_duration(text).total_seconds()
        for text in (
            analysis.settle,
            analysis.min_duration,
            analysis.max_duration,
            analysis.interval,
        )
    )
    rate = pace.rate * (step.shadow.parts if step.shadow is not None else share) / 100.0
    slowest, most = "", 0.0
    for gate in plan.gates:
        if not _is_judged(gate, step):
            continue
        requests = _requests(gate, share, analysis.min_requests, pace, past)
        if requests is None or rate <= 0:
            return Need(number, step, None, longest, gate.name)
        if requests > most:
            slowest, most = gate.name, requests
    gathered = max(shortest, most / rate if rate > 0 else 0.0)
    seconds = settle + ceil(gathered / interval) * interval
    return Need(number, step, seconds, longest, slowest, most or None)


def _is_judged(gate: Gate, step: Step) -> bool:
    if gate.only_reports or gate.before_traffic or not gate.counts_requests:
        return False
    return step.gates is None or gate.name in step.gates


def _requests(
    gate: Gate, weight: float, min_requests: int, pace: Pace, past: float
) -> float | None:
    share = pace.shares.get(gate.name, 0.0)
    frozen = Reference(share, _rounded(past)) if weight == 100 and past > 0 else None
    return requests_for_a_pass(
        rule_of(gate, 0.0),
        share=share,
        weight=weight,
        min_requests=min_requests,
        reference=frozen,
    )
