"""From Pending to the first step: is the spec usable, is the route ours to take, can both sides be read."""

from dataclasses import replace
from datetime import timedelta
from math import ceil, isfinite

from cutover.api.evidence import FrozenReference
from cutover.api.status import Baseline, PauseCause, Phase, Plan, Status
from cutover.decide import claims, clocks, record
from cutover.decide.admission import source_replicas
from cutover.decide.check import told
from cutover.decide.clocks import AT_ONCE
from cutover.decide.counting import gate_counts
from cutover.decide.decision import ClaimRoute, Decision, ReleaseClaim, Said
from cutover.decide.drifting import frozen_distributions
from cutover.decide.facts import with_facts
from cutover.decide.fulllook import window_of
from cutover.decide.guarding import p99_of
from cutover.decide.health import noted
from cutover.decide.looking import REFERENCE_WINDOW
from cutover.decide.observation import Observation, Refusal
from cutover.decide.past import recorded
from cutover.decide.pausing import phase_of, step_for
from cutover.decide.preflight import begun_with, first_obstacle, news, preflight_checks
from cutover.decide.readable import baseline_reading
from cutover.decide.readings import Gap, SideReading, WindowReading
from cutover.decide.route import Claim, RouteSeen
from cutover.decide.routing import route_obstacle
from cutover.decide.stepping import held_said
from cutover.decide.weights import restored
from cutover.decide.windows import next_opening, outside
from cutover.judge.evidence import SideSums

RETRY = timedelta(seconds=5)
"""How soon it is looked again while something of the world is missing."""
OUTSIDE_WINDOWS = timedelta(minutes=1)
"""Between looks of a preflight that found nothing wrong and may not begin yet."""


def enter(seen: Observation, status: Status) -> Decision:
    """Decide for a rollout that is new, Pending or in Preflight."""
    if status.phase is None:
        status = record.in_phase(status, Phase.PENDING, seen.now, "Created", "")
    if isinstance(seen.draft, Refusal):
        return refused(seen, status, seen.draft, None)
    plan = seen.draft
    claim = _claim_of_old(seen, status)
    if claim is not None:
        return _adopt(seen, status, plan, claim)
    obstacle = route_obstacle(seen, plan)
    if obstacle is not None:
        return refused(seen, status, obstacle, RETRY)
    route = seen.route
    if not isinstance(route, RouteSeen):
        return Decision(status, look_again=AT_ONCE)
    if status.phase is Phase.PENDING:
        status = status.model_copy(update={"plan": plan})
        status = record.in_phase(status, Phase.PREFLIGHT, seen.now, "Accepted", "spec accepted")
        return Decision(status, finalizer=True, look_again=AT_ONCE, said=_takeover(seen, route))
    return _preflight(seen, status.model_copy(update={"plan": plan}), plan, route)


def refused(
    seen: Observation, status: Status, refusal: Refusal, again: timedelta | None
) -> Decision:
    """Stay (or fall back to) Pending, unharmed, and say why; nothing was moved yet."""
    said = warn_once(seen, refusal)
    if status.phase is not Phase.PREFLIGHT:
        return Decision(status, look_again=again, said=said, refusal=refusal)
    route = seen.route
    if isinstance(route, RouteSeen) and claims.on_route(seen, route):
        again = AT_ONCE if not seen.trouble else RETRY
        return Decision(status, ReleaseClaim(), look_again=again, said=said, refusal=refusal)
    status = record.in_phase(status, Phase.PENDING, seen.now, refusal.reason, refusal.message)
    status = status.model_copy(update={"plan": None})
    return Decision(status, look_again=again, said=said, refusal=refusal)


def warn_once(seen: Observation, refusal: Refusal) -> tuple[Said, ...]:
    """Tell of a refusal when it is new: another reason, or another spec."""
    generation = seen.commands.generation
    known = any(
        one.type == "Accepted"
        and one.reason == refusal.reason
        and one.observed_generation == generation
        for one in seen.status.conditions
    )
    return () if known else (Said(refusal.reason, refusal.message, warning=True),)


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


def _claim_of_old(seen: Observation, status: Status) -> Claim | None:
    """Find the claim of a rollout that had begun and whose status does not know of it."""
    route = seen.route
    if status.phase is not Phase.PENDING or not isinstance(route, RouteSeen):
        return None
    claim = route.claim
    if claim is None or not claims.namesake(seen, claim):
        return None
    return claim if seen.status_lost or route.highest > 0 or claim.mirror else None


def _adopt(seen: Observation, status: Status, plan: Plan, claim: Claim) -> Decision:
    """Law 7: live weights and the claim's original numbers are all that is known; a person decides."""
    route = seen.route
    assert isinstance(route, RouteSeen)  # noqa: S101 - the claim is on it
    live = ceil(route.highest)
    message = (
        f"the status was lost; the route's claim says this rollout had begun and {route.highest:g} % is on"
        " the target: resume to go on from there, or abort"
    )
    index = step_for(plan, route.highest, shadow=True)
    status = record.at_step(status, plan, index, seen.now)
    weights = status.weights.model_copy(
        update={
            "desired": live,
            "applied": live,
            "applied_at": seen.now,
            "declared": route.declared,
            "declared_at": seen.now,
            "standing": record.to_status(route.rules),
        }
    )
    status = status.model_copy(
        update={
            "plan": plan,
            "original": record.to_status(claim.original or restored(route.rules, ())),
            "weights": weights,
            "attempt": max(status.attempt or 1, claim.attempt, seen.commands.attempt),
        }
    )
    status = record.in_phase(status, phase_of(plan, index), seen.now, "StatusLost", message)
    status = record.paused(status, PauseCause.LOST_STATUS, seen.now, message)
    said = (Said("StatusLost", message, warning=True),)
    return Decision(status, finalizer=True, said=said, look_again=AT_ONCE)


# --- preflight ----------------------------------------------------------------------------------


def _preflight(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    checks = preflight_checks(seen, plan)
    status = status.model_copy(update={"preflight": told(checks)})
    decision = Decision(status, finalizer=True, look_again=RETRY, said=news(seen, checks))
    if first_obstacle(checks) is not None or not baseline_is_clean(seen, status):
        return decision
    closed = outside(plan, seen.now)
    if closed is not None:
        said = (*decision.said, *held_said(seen, closed))
        opens = next_opening(plan.windows, seen.now)
        again = min(OUTSIDE_WINDOWS, opens.at - seen.now) if opens else OUTSIDE_WINDOWS
        return replace(decision, held=closed, look_again=again, said=said)
    claim = claims.claim_for(seen, status, route.rules)
    if route.claim != claim:
        return replace(decision, action=ClaimRoute(claim), look_again=AT_ONCE)
    return replace(decision, status=_begun(seen, status, plan, route), look_again=AT_ONCE)


def _source_replicas(seen: Observation, plan: Plan) -> int | None:
    found = source_replicas(seen, plan)
    return None if found is None or found.at_least else found.ready


def _begun(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Status:
    plan = begun_with(seen, plan)
    status = status.model_copy(
        update={
            "plan": plan,
            "preflight": told(preflight_checks(seen, plan)),
            "original": record.to_status(route.rules),
            "baseline": _baseline(seen),
            "reference": _first_reference(seen, plan),
            "reference_distributions": frozen_distributions(
                status,
                plan,
                seen.source,
                REFERENCE_WINDOW,
                step=0,
                enough=plan.analysis.min_requests,
            ),
            "source_history": recorded(plan, seen.past),
            "source_replicas": _source_replicas(seen, plan),
            "weights": status.weights.model_copy(update={"desired": 0, "applied": 0}),
        }
    )
    status = with_facts(seen, noted(seen, status), plan)
    message = "route claimed, both sides readable"
    status = record.in_phase(status, phase_of(plan, 0), seen.now, "PreflightPassed", message)
    return record.at_step(status, plan, 0, seen.now)


def baseline_is_clean(seen: Observation, status: Status) -> bool:
    """Whether what the target counts in the baseline's window can only come from other callers.

    The weight may have been put to 0 a moment ago: requests in a window that reaches back before this
    preflight began might still be the route's own.
    """
    window = baseline_reading(seen.target)
    if window is None or isinstance(window.requests, Gap) or window.requests < 1:
        return True
    began = next(
        (one.at for one in reversed(status.history) if one.to_phase == Phase.PREFLIGHT), None
    )
    return clocks.waited(began, seen.now).total_seconds() >= window.seconds


def _baseline(seen: Observation) -> Baseline | None:
    rates: list[float] = []
    for reading in (seen.source, seen.target):
        if not isinstance(reading, SideReading) or not reading.windows:
            return None
        window = min(reading.windows, key=lambda one: one.seconds)
        rates.append(0.0 if isinstance(window.requests, Gap) else window.requests / window.seconds)
    slowest = p99_of(seen.source) if isinstance(seen.source, SideReading) else None
    return Baseline(
        source_rate=rates[0],
        target_rate=rates[1],
        measured_at=seen.now,
        source_p99=slowest if slowest is not None and isfinite(slowest) else None,
    )


def _first_reference(seen: Observation, plan: Plan) -> list[FrozenReference]:
    """The source's own past as the first reference: a plan may go straight to 100 %."""
    window = window_of(seen.source, REFERENCE_WINDOW)
    if not isinstance(window, WindowReading):
        return []
    found: list[FrozenReference] = []
    for gate in plan.gates:
        if not gate.counts_requests:
            continue
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
