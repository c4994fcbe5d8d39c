"""From Pending to the first step: is the spec usable, is the route ours to take, can both sides be read."""

from datetime import timedelta
from math import ceil

from cutover.api.quantities import parse_duration
from cutover.api.status import Baseline, FrozenReference, PauseCause, Phase, Plan, Status
from cutover.decide import claims, record
from cutover.decide.decision import ClaimRoute, Decision, Said
from cutover.decide.judging import gate_counts, window_of
from cutover.decide.looking import REFERENCE_WINDOW
from cutover.decide.observation import (
    Gap,
    Missing,
    Observation,
    Reading,
    Refusal,
    RouteGone,
    RouteSeen,
    RouteUnreadable,
    RuleWeights,
    SideReading,
    WindowReading,
)
from cutover.decide.weights import inexpressible
from cutover.judge.evidence import SideSums

AT_ONCE = timedelta(0)
RETRY = timedelta(seconds=5)
"""How soon it is looked again while something of the world is missing."""


def enter(seen: Observation, status: Status) -> Decision:
    """Decide for a rollout that is new, Pending or in Preflight."""
    if status.phase is None:
        status = record.in_phase(status, Phase.PENDING, seen.now, "Created", "")
    if isinstance(seen.draft, Refusal):
        return refused(seen, status, seen.draft, None)
    plan = seen.draft
    obstacle = route_obstacle(seen, plan)
    if obstacle is not None:
        return refused(seen, status, obstacle, RETRY)
    route = seen.route
    if not isinstance(route, RouteSeen):
        return Decision(status, look_again=AT_ONCE)
    if seen.status_lost and claims.namesake(seen, route.claim):
        return _adopt(seen, status, plan, route)
    if status.phase is Phase.PENDING:
        status = status.model_copy(update={"plan": plan})
        status = record.in_phase(status, Phase.PREFLIGHT, seen.now, "Accepted", "spec accepted")
        return Decision(status, finalizer=True, look_again=AT_ONCE, said=_takeover(seen, route))
    return _preflight(seen, status.model_copy(update={"plan": plan}), plan, route)


def refused(
    seen: Observation, status: Status, refusal: Refusal, again: timedelta | None
) -> Decision:
    """Stay (or fall back to) Pending, unharmed, and say why; nothing was moved yet."""
    if status.phase is Phase.PREFLIGHT:
        status = record.in_phase(status, Phase.PENDING, seen.now, refusal.reason, refusal.message)
        status = status.model_copy(update={"plan": None})
    said = () if _same_refusal(seen.status, refusal) else (_warning(refusal),)
    return Decision(status, look_again=again, said=said, refusal=refusal)


def _same_refusal(before: Status, refusal: Refusal) -> bool:
    return any(
        one.type == "Accepted" and one.reason == refusal.reason and one.message == refusal.message
        for one in before.conditions
    )


def _warning(refusal: Refusal) -> Said:
    return Said(refusal.reason, refusal.message, warning=True)


def route_obstacle(seen: Observation, plan: Plan) -> Refusal | None:
    """Say what about the route keeps the rollout from beginning."""
    route, name = seen.route, plan.traffic.http_route.name
    match route:
        case None:
            return None
        case RouteGone():
            return Refusal(
                "RouteNotFound",
                f"spec.traffic.httpRoute.name: {route.message}; create HTTPRoute {name} or correct the name",
            )
        case RouteUnreadable():
            return Refusal(f"Route{route.reason}", f"spec.traffic.cluster: {route.message}")
        case RouteSeen():
            return _claim_obstacle(seen, route) or _weight_obstacle(seen, plan, route)


def _claim_obstacle(seen: Observation, route: RouteSeen) -> Refusal | None:
    if route.problem is not None and not claims.ours(seen, route.claim):
        return Refusal(route.problem_reason or "RouteUnusable", route.problem)
    claim = route.claim
    if claim is None or claims.namesake(seen, claim):
        return None
    if seen.claim_owner is not None and seen.claim_owner.alive is False:
        return None
    return Refusal(
        "RouteInUse",
        f"the route is claimed by MigrationRollout {claim.owner} of cluster {claim.cluster} (attempt"
        f" {claim.attempt}): wait until it is finished, or delete it",
    )


def _weight_obstacle(seen: Observation, plan: Plan, route: RouteSeen) -> Refusal | None:
    unclaimed = route.claim is None or not claims.namesake(seen, route.claim)
    if unclaimed and route.highest > 0 and (route.claim is None):
        return Refusal(
            "TargetHasTraffic",
            f"the route already sends {route.highest:g} % to the target and no claim says who began it:"
            " set the target backend's weight to 0 and the rollout begins",
        )
    weights = [step.weight for step in plan.steps if step.weight is not None]
    original = route.claim.original if route.claim and not unclaimed else route.rules
    sentence = inexpressible(original, weights)
    return Refusal("WeightNotExpressible", sentence) if sentence else None


def _takeover(seen: Observation, route: RouteSeen) -> tuple[Said, ...]:
    claim = route.claim
    if claim is None or claims.namesake(seen, claim):
        return ()
    return (
        Said(
            "ClaimTakenOver",
            f"the route's claim of MigrationRollout {claim.owner} is taken over: that object is gone",
            warning=True,
        ),
    )


# --- lost status --------------------------------------------------------------------------------


def _adopt(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    """Law 7: live weights and the claim's original numbers are all that is known; a person decides."""
    assert route.claim is not None  # noqa: S101 - the caller looked
    live = ceil(route.highest)
    message = (
        f"the status was lost; the route's claim says this rollout had begun and {route.highest:g} % is on"
        " the target: resume to go on from there, or abort"
    )
    weights = status.weights.model_copy(
        update={
            "desired": live,
            "applied": live,
            "applied_at": seen.now,
            "standing": record.to_status(route.rules),
        }
    )
    status = status.model_copy(
        update={
            "plan": plan,
            "original": record.to_status(route.claim.original),
            "weights": weights,
            "attempt": max(status.attempt or 1, route.claim.attempt, seen.commands.attempt),
        }
    )
    status = record.at_step(
        status.model_copy(update={"weights": weights}), plan, lowest_step(plan, live), seen.now
    )
    status = status.model_copy(update={"weights": weights})
    status = record.in_phase(status, Phase.PROGRESSING, seen.now, "StatusLost", message)
    status = record.paused(status, PauseCause.LOST_STATUS, seen.now, message)
    said = (Said("StatusLost", message, warning=True),)
    return Decision(status, finalizer=True, said=said, look_again=AT_ONCE)


def lowest_step(plan: Plan, live: float) -> int:
    """The index of the lowest weight step whose weight is not below ``live`` (percent)."""
    for index, step in enumerate(plan.steps):
        if step.weight is not None and step.weight >= live:
            return index
    return len(plan.steps) - 1


# --- preflight ----------------------------------------------------------------------------------


def _preflight(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    gap = metrics_obstacle(seen, plan)
    if not claims.ours(seen, route.claim) and gap is None and route.accepted:
        claim = claims.claim_for(seen, status, _original(route))
        return Decision(status, ClaimRoute(claim), finalizer=True, look_again=AT_ONCE)
    if gap is not None or not route.accepted:
        return Decision(status, finalizer=True, look_again=RETRY)
    if not claims.current(seen, status, route.claim):
        assert route.claim is not None  # noqa: S101 - ours
        claim = claims.claim_for(seen, status, route.claim.original)
        return Decision(status, ClaimRoute(claim), finalizer=True, look_again=AT_ONCE)
    return Decision(_begun(seen, status, plan, route), finalizer=True, look_again=AT_ONCE)


def _original(route: RouteSeen) -> tuple[RuleWeights, ...]:
    claim = route.claim
    return claim.original if claim is not None else route.rules


def _begun(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Status:
    assert route.claim is not None  # noqa: S101 - current
    status = status.model_copy(
        update={
            "original": record.to_status(route.claim.original),
            "baseline": _baseline(seen),
            "reference": _first_reference(seen, plan),
            "weights": status.weights.model_copy(update={"desired": 0, "applied": 0}),
        }
    )
    status = record.in_phase(
        status, Phase.PROGRESSING, seen.now, "PreflightPassed", "route claimed, both sides readable"
    )
    return record.at_step(status, plan, 0, seen.now)


def metrics_obstacle(seen: Observation, plan: Plan) -> Gap | None:
    """Say what cannot be read: every gate on the source, and on the target all but 'nothing yet'."""
    source, target = seen.source, seen.target
    for name, reading in (("source", source), ("target", target)):
        if reading is None:
            return Gap(Missing.NO_DATA, f"the {name}'s metrics have not been read yet")
        if isinstance(reading, Gap):
            return Gap(reading.missing, f"spec.{name}.prometheus: {reading.message}")
        if reading.overlaps:
            return Gap(
                Missing.SIDES_OVERLAP,
                "spec.source.prometheus.matchers and spec.target.prometheus.matchers select the same series:"
                " make them disjoint",
            )
    for name, reading in (("source", source), ("target", target)):
        gap = _side_gap(plan, reading, needs_data=name == "source")
        if gap is not None:
            return Gap(gap.missing, f"{name}: {gap.message}")
    return None


def _side_gap(plan: Plan, reading: Reading | None, *, needs_data: bool) -> Gap | None:
    window = window_of(reading, REFERENCE_WINDOW)
    if not isinstance(window, WindowReading):
        return window or Gap(Missing.NO_DATA, "not read yet")
    for gate in plan.gates:
        metric = gate.latency.metric if gate.latency else None
        values = (window.latencies.get(metric),) if metric else (window.requests, window.errors)
        for value in values:
            if isinstance(value, Gap) and (needs_data or value.missing is not Missing.NO_DATA):
                return Gap(value.missing, f"gate {gate.name}: {value.message}")
    return None


def _baseline(seen: Observation) -> Baseline | None:
    rates: list[float] = []
    for reading in (seen.source, seen.target):
        if not isinstance(reading, SideReading) or not reading.windows:
            return None
        window = min(reading.windows, key=lambda one: one.seconds)
        rates.append(0.0 if isinstance(window.requests, Gap) else window.requests / window.seconds)
    return Baseline(source_rate=rates[0], target_rate=rates[1], measured_at=seen.now)


def _first_reference(seen: Observation, plan: Plan) -> list[FrozenReference]:
    """The source's own past as the first reference: a plan may go straight to 100 %."""
    window = window_of(seen.source, REFERENCE_WINDOW)
    if not isinstance(window, WindowReading):
        return []
    found: list[FrozenReference] = []
    for gate in plan.gates:
        counts = gate_counts(gate, window, window)
        if isinstance(counts, Gap) or counts.source.total < plan.analysis.min_requests:
            continue
        sums = SideSums().add(counts.source)
        found.append(
            FrozenReference(
                gate=gate.name, share=sums.count.share, requests=sums.n, look_size=1.0, step=0
            )
        )
    return found


def interval(plan: Plan) -> timedelta:
    """The time between full looks."""
    return parse_duration(plan.analysis.interval)
