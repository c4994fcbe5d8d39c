"""Whether both sides' profiles can tell what the gates ask for; if not, what to ask for instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cutover.api.custom import CustomMetrics
from cutover.api.drift import DriftGate, DriftMethod
from cutover.api.gates import ErrorRateGate, Gate, Vantage
from cutover.api.sides import Profile
from cutover.api.spec import Spec
from cutover.api.status import Plan
from cutover.api.traffic import Gateway, GatewayProfile
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
    running: bool = True
    """How many requests are being served right now."""
    distributions: Mapping[str, Scale] = field(default_factory=dict)
    """What drift gates can compare by name."""


AT_GATEWAY: Final = "EndToEnd"
"""What gateways tell: a whole request."""
Known = Mapping[Profile, Tells]
"""Of every profile but Custom."""


@dataclass(frozen=True, slots=True)
class _SideTells:
    side: str
    profile: Profile
    tells: Tells


def preferred_gates(
    spec: Spec, known: Known, defaults: Mapping[Profile, Sequence[Gate]]
) -> list[Gate] | Refusal:
    """Choose the gates in force where the spec names none.

    Those of the target's profile, then those of the source's, as far as both sides can tell them; no time
    is judged by its mean where another is judged by its slow requests. Errors that a server does not
    count are judged at the gateway.
    """
    sides = _sides(spec, known)
    gates: dict[str, Gate] = {}
    for side in reversed(sides):
        for gate in defaults[side.profile]:
            seen = gate
            if gate.error_rate is not None and not all(one.tells.errors for one in sides):
                if spec.traffic.gateway is None:
                    return _uncounted(next(one for one in sides if not one.tells.errors))
                seen = _at_gateway(gate, gate.error_rate)
            if not any(_gap(seen, one, spec.traffic.gateway) for one in sides):
                gates.setdefault(gate.name, seen)
    slow = any(gate.latency is not None for gate in gates.values())
    return [gate for gate in gates.values() if not (slow and gate.mean_latency is not None)]


def _at_gateway(gate: Gate, errors: ErrorRateGate) -> Gate:
    seen = errors.model_copy(update={"vantage": Vantage.GATEWAY})
    return gate.model_copy(update={"error_rate": seen})


def _uncounted(side: _SideTells) -> Refusal:
    return Refusal(
        "NoErrorCounter",
        f"the {side.side}'s profile {side.profile} counts no errors, so nothing would notice requests that"
        " fail: set traffic.gateway, whose counters are then read, or name your own gates in spec.gates",
    )


def untellable(plan: Plan, known: Known) -> Refusal | None:
    """Say which gate asks for what a side cannot tell."""
    for side in _sides(plan, known):
        if side.profile is Profile.CUSTOM and plan.custom is None:
            return Refusal(
                "InvalidSpec",
                f"the {side.side}'s profile is Custom: give its PromQL in spec.custom",
            )
        if not side.tells.requests and plan.traffic.gateway is None:
            return Refusal(
                "NoRequestCounter",
                f"the {side.side}'s profile {side.profile} counts no requests, so neither a weight's delivery"
                " nor silence could be seen: set traffic.gateway, whose counters are then read",
            )
        for gate in plan.gates:
            refusal = _gap(gate, side, plan.traffic.gateway)
            if refusal is not None:
                return refusal
    return _uncopied(plan, known)


def _uncopied(plan: Plan, known: Known) -> Refusal | None:
    """Say what nobody would see of a shadow step: Istio's proxies do not count the copies that they send."""
    gateway = plan.traffic.gateway
    mirrors = any(step.shadow is not None for step in plan.steps)
    if not mirrors or gateway is None or gateway.profile is not GatewayProfile.ISTIO:
        return None
    judged = next((gate for gate in plan.gates if gate.at_gateway), None)
    uncounted = next((side for side in _sides(plan, known) if not side.tells.requests), None)
    if judged is not None:
        wants, instead = f"gate {judged.name} has vantage Gateway", "judge it by the servers"
    elif uncounted is not None:
        wants = f"the {uncounted.side}'s profile {uncounted.profile} counts no requests itself"
        instead = "use servers that do"
    elif plan.traffic.counted_at_gateway:
        wants = "they shall tell what is delivered"
        instead = "set spec.traffic.delivery.countedBy: Servers"
    else:
        return None
    return Refusal(
        "InvalidSpec",
        f"spec.steps mirrors requests, and Istio's proxies do not count the copies that they send, but {wants}:"
        f" {instead}, or remove the shadow steps",
    )


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
    return Tells([one.metric for one in custom.latencies] if custom else (), running=False)


def tells_running(profile: Profile, known: Known) -> bool:
    """Whether servers of a profile tell how many requests they work on."""
    return profile is not Profile.CUSTOM and known[profile].running


def _gap(gate: Gate, side: _SideTells, gateway: Gateway | None) -> Refusal | None:
    if gate.at_gateway:
        return _gateway_gap(gate, gateway)
    tells = side.tells
    if gate.latency is not None and gate.latency.metric not in tells.latencies:
        return _untold(gate, side, gate.latency.metric, tells.latencies, _instead(side))
    if gate.mean_latency is not None and gate.mean_latency.metric not in tells.means:
        metric = gate.mean_latency.metric
        return _untold(gate, side, f"the mean of {metric}", tells.means, "")
    if gate.error_rate is not None and not tells.errors:
        return Refusal(
            "UnknownMetric",
            f"gate {gate.name} asks for errors, which the {side.side}'s profile {side.profile} does not"
            " count: judge the gateway's, with errorRate.vantage: Gateway and traffic.gateway",
        )
    drift = gate.traffic_drift
    return None if drift is None else _drift_gap(gate, drift, side)


def _gateway_gap(gate: Gate, gateway: Gateway | None) -> Refusal | None:
    if gateway is None:
        return Refusal(
            "InvalidSpec",
            f"gate {gate.name} has vantage Gateway, but nothing says where the gateway's metrics are: set"
            " traffic.gateway",
        )
    timed = gate.latency or gate.mean_latency
    if timed is not None and timed.metric != AT_GATEWAY:
        return Refusal(
            "UnknownMetric",
            f"gate {gate.name} asks for {timed.metric}, but a gateway tells {AT_GATEWAY} alone",
        )
    return None


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


def _instead(side: _SideTells) -> str:
    """Say what to judge where there is no histogram of it."""
    only = [name for name in side.tells.means if name not in side.tells.latencies]
    means = f"the mean of {' or '.join(only)} with meanLatency, or " if only else ""
    return f". Judge {means}the gateway's {AT_GATEWAY} with vantage: Gateway"
