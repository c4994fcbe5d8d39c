"""Whether both sides' profiles can tell what the gates ask for; if not, what to ask for instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cutover.api.custom import CustomMetrics
from cutover.api.drift import DriftGate, DriftMethod
from cutover.api.gates import Gate
from cutover.api.sides import Profile
from cutover.api.spec import Spec
from cutover.api.status import Plan
from cutover.decide.observation import Refusal
from cutover.judge.distribution import Scale


@dataclass(frozen=True, slots=True)
class Tells:
    """What a profile can tell, as far as a plan must know."""

    latencies: Sequence[str]
    """Times whose share above a threshold is known."""
    means: Sequence[str] = ()
    """Times whose mean is known."""
    requests: bool = True
    errors: bool = True
    distributions: Mapping[str, Scale] = field(default_factory=dict)
    """What drift gates can compare by name."""


Known = Mapping[Profile, Tells]
"""Of every profile but Custom."""


@dataclass(frozen=True, slots=True)
class _SideTells:
    side: str
    profile: Profile
    tells: Tells


def preferred_gates(
    spec: Spec, known: Known, defaults: Mapping[Profile, Sequence[Gate]]
) -> list[Gate]:
    """Choose the gates in force where the spec names none.

    Those of the target's profile, then those of the source's, as far as both sides can tell them; no time
    is judged by its mean where another is judged by its slow requests.
    """
    sides = _sides(spec, known)
    gates: dict[str, Gate] = {}
    for side in reversed(sides):
        for gate in defaults[side.profile]:
            if not any(_gap(gate, one) for one in sides):
                gates.setdefault(gate.name, gate)
    slow = any(gate.latency is not None for gate in gates.values())
    return [gate for gate in gates.values() if not (slow and gate.mean_latency is not None)]


def untellable(plan: Plan, known: Known) -> Refusal | None:
    """Say which gate asks for what a side cannot tell."""
    for side in _sides(plan, known):
        if side.profile is Profile.CUSTOM and plan.custom is None:
            return Refusal(
                "InvalidSpec",
                f"the {side.side}'s profile is Custom: give its PromQL in spec.custom",
            )
        for gate in plan.gates:
            refusal = _gap(gate, side)
            if refusal is not None:
                return refusal
    return None


def _sides(spec: Spec | Plan, known: Known) -> list[_SideTells]:
    return [
        _SideTells(name, profile, _tells(profile, spec.custom, known))
        for name, profile in (
            ("source", spec.source.profile or spec.profile),
            ("target", spec.target.profile or spec.profile),
        )
    ]


def _tells(profile: Profile, custom: CustomMetrics | None, known: Known) -> Tells:
    if profile is not Profile.CUSTOM:
        return known[profile]
    return Tells([one.metric for one in custom.latencies] if custom else ())


def _gap(gate: Gate, side: _SideTells) -> Refusal | None:
    tells = side.tells
    if gate.latency is not None and gate.latency.metric not in tells.latencies:
        return _untold(gate, side, gate.latency.metric, tells.latencies, _instead(gate, side))
    if gate.mean_latency is not None and gate.mean_latency.metric not in tells.means:
        metric = gate.mean_latency.metric
        return _untold(gate, side, f"the mean of {metric}", tells.means, "")
    if gate.error_rate is not None and not tells.errors:
        return Refusal(
            "UnknownMetric",
            f"gate {gate.name} asks for errors, which the {side.side}'s profile {side.profile}"
            " does not count: remove the gate, or count errors with profile Custom",
        )
    return None if gate.drift is None else _drift_gap(gate, gate.drift, side)


def _drift_gap(gate: Gate, drift: DriftGate, side: _SideTells) -> Refusal | None:
    known = side.tells.distributions
    if drift.distribution is not None and drift.distribution not in known:
        return Refusal(
            "UnknownMetric",
            f"gate {gate.name} asks for the distribution {drift.distribution}, which the {side.side}'s"
            f" profile {side.profile} cannot tell; it knows: {', '.join(known) or 'none'}. Name one of your"
            " own with drift.histogram, drift.classes or drift.buckets",
        )
    by_class = drift.classes is not None or (
        drift.distribution is not None and known[drift.distribution] is Scale.CLASSES
    )
    if by_class and drift.method in (DriftMethod.KS, DriftMethod.WASSERSTEIN):
        return Refusal(
            "InvalidSpec",
            f"gate {gate.name} compares {drift.what} by {drift.method}, but classes have no order: use TV,"
            " JS, PSI or ChiSquare",
        )
    return None


def _untold(gate: Gate, side: _SideTells, what: str, known: Sequence[str], instead: str) -> Refusal:
    names = ", ".join(known) or "none"
    return Refusal(
        "UnknownMetric",
        f"gate {gate.name} asks for {what}, which the {side.side}'s"
        f" profile {side.profile} cannot tell; it knows: {names}{instead}",
    )


def _instead(gate: Gate, side: _SideTells) -> str:
    """Say what to judge where there is no histogram of it."""
    if side.tells.latencies and gate.latency and gate.latency.metric not in side.tells.means:
        return ""
    if not side.tells.means:
        return ""
    means = ", ".join(side.tells.means)
    return f". It has means of {means}: judge meanLatency instead"
