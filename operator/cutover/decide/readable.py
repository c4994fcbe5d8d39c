"""What of both sides' metrics can be read before anything is moved: a check for each side and gate."""

from collections.abc import Iterator

from cutover.api.gates import Gate
from cutover.api.status import Plan
from cutover.api.traffic import DeliveryCheck
from cutover.decide.check import Check, awaited, failed, passed, warned
from cutover.decide.delivering import counted_requests
from cutover.decide.fulllook import at_vantage, window_of
from cutover.decide.looking import REFERENCE_WINDOW
from cutover.decide.means import mean_total
from cutover.decide.observation import Observation, Refusal
from cutover.decide.querying import refused_expressions, unanswered_on_source
from cutover.decide.readings import Gap, Missing, Reading, SideReading, WindowReading

DELIVERY = "delivery counters"


def metrics_checks(seen: Observation, plan: Plan) -> tuple[Check, ...]:
    """Check that every gate can be read on the source, and on the target all but 'nothing yet'."""
    sides = [_side(name, reading) for name, reading in _sides(seen)]
    if not isinstance(seen.source, SideReading):
        return tuple(sides)
    return (*sides, _disjoint(seen), *_gates(seen, plan), _delivery(seen, plan))


def metrics_obstacle(seen: Observation, plan: Plan) -> Refusal | None:
    """Say what cannot be read."""
    checks = metrics_checks(seen, plan)
    return next((one.refusal for one in checks if one.holds_back and one.name != DELIVERY), None)


def _sides(seen: Observation) -> tuple[tuple[str, Reading | None], ...]:
    return ("source", seen.source), ("target", seen.target)


def _read(seen: Observation) -> Iterator[tuple[str, SideReading]]:
    for side, reading in _sides(seen):
        if isinstance(reading, SideReading):
            yield side, reading


def _side(side: str, reading: Reading | None) -> Check:
    name = f"{side} metrics"
    if reading is None:
        return awaited(name, Missing.NO_DATA.value, f"the {side}'s metrics have not been read yet")
    if isinstance(reading, Gap):
        return failed(name, reading.missing.value, f"spec.{side}.prometheus: {reading.message}")
    return passed(name, f"the {side}'s Prometheus answers")


def _disjoint(seen: Observation) -> Check:
    readings = (seen.source, seen.target)
    if any(isinstance(one, SideReading) and one.overlaps for one in readings):
        return failed(
            "sides",
            Missing.SIDES_OVERLAP.value,
            "spec.source.prometheus.matchers and spec.target.prometheus.matchers select the same series:"
            " make them disjoint",
        )
    return passed("sides", "the two sides' matchers share no series")


# --- the gates ------------------------------------------------------------------------------------


def _gates(seen: Observation, plan: Plan) -> Iterator[Check]:
    refused = refused_expressions(plan, seen.values)
    for gate in plan.gates:
        name = f"gate {gate.name}"
        gap = _gate_gap(gate, seen) or refused.get(gate.name)
        empty = unanswered_on_source(gate, seen.values) if gap is None else None
        if empty is not None:
            yield warned(name, empty.missing.value, f"gate {gate.name}: source: {empty.message}")
        elif gap is None:
            yield passed(name, _readable(gate))
        elif gate.only_reports:
            yield warned(name, gap.missing.value, f"{gap.message}; it only reports")
        else:
            yield failed(name, gap.missing.value, gap.message)


def _readable(gate: Gate) -> str:
    if gate.counts_requests or gate.mean_latency is not None or gate.traffic_drift is not None:
        return "its query returns data on the source"
    return "needs no counters of the source"


def _gate_gap(gate: Gate, seen: Observation) -> Gap | None:
    for side, reading in _read(seen):
        gap = _side_gap(gate, reading, needs_data=side == "source")
        if gap is not None:
            return Gap(gap.missing, f"{side}: {gap.message}")
    return None


def _side_gap(gate: Gate, reading: Reading | None, *, needs_data: bool) -> Gap | None:
    """Say what cannot be read, neither over the long window nor over what came last.

    A server that was started a minute ago with other buckets has a past that cannot be added up.
    """
    windows = (window_of(reading, REFERENCE_WINDOW), baseline_reading(reading))
    gaps = [_window_gap(gate, window, needs_data=needs_data) for window in windows]
    return gaps[0] if all(gaps) else _drift_gap(gate, windows[0], needs_data=needs_data)


def baseline_reading(reading: Reading | None) -> WindowReading | None:
    """The shortest window: what came last."""
    if not isinstance(reading, SideReading) or not reading.windows:
        return None
    return min(reading.windows, key=lambda one: one.seconds)


def _drift_gap(gate: Gate, window: WindowReading | Gap | None, *, needs_data: bool) -> Gap | None:
    """Say which distribution cannot be read: they are read over the long window alone."""
    if gate.traffic_drift is None:
        return None
    told = window.distributions if isinstance(window, WindowReading) else {}
    found = told.get(gate.traffic_drift.key(gate.name))
    if isinstance(found, Gap) and (needs_data or found.missing is not Missing.NO_DATA):
        return Gap(found.missing, f"gate {gate.name}: {found.message}")
    return None


def _window_gap(gate: Gate, window: WindowReading | Gap | None, *, needs_data: bool) -> Gap | None:
    if not isinstance(window, WindowReading):
        return window or Gap(Missing.NO_DATA, "not read yet")
    if not (gate.counts_requests or (gate.mean_latency is not None and needs_data)):
        return None
    for value in _values(gate, window):
        if isinstance(value, Gap) and (needs_data or value.missing is not Missing.NO_DATA):
            return Gap(value.missing, f"gate {gate.name}: {value.message}")
    return None


def _values(gate: Gate, window: WindowReading) -> tuple[object, ...]:
    seen = at_vantage(gate, window)
    if isinstance(seen, Gap):
        return (seen,)
    if gate.latency is not None:
        return (seen.latencies.get(gate.latency.metric),)
    if gate.mean_latency is not None:
        return (mean_total(gate, window),)
    return (seen.requests, seen.errors)


# --- delivery -------------------------------------------------------------------------------------


def _delivery(seen: Observation, plan: Plan) -> Check:
    """Whether counters can show that a weight is delivered."""
    for side, reading in _read(seen):
        windows = (window_of(reading, REFERENCE_WINDOW), baseline_reading(reading))
        gaps = [_requests_gap(plan, window) for window in windows]
        gap = gaps[0] if all(gaps) else None
        born_later = plan.traffic.counted_at_gateway and gap and gap.missing is Missing.NO_SERIES
        if gap is None or (side == "target" and (born_later or gap.missing is Missing.NO_DATA)):
            continue
        what = (
            f"{side}: requests cannot be counted, so no weight can be seen delivered: {gap.message}"
        )
        if plan.traffic.delivery.check is DeliveryCheck.REQUIRED:
            return failed(DELIVERY, gap.missing.value, what)
        return warned(DELIVERY, gap.missing.value, what)
    who = "by the gateway" if plan.traffic.counted_at_gateway else "on both sides"
    return passed(DELIVERY, f"requests are counted {who}")


def _requests_gap(plan: Plan, window: WindowReading | Gap | None) -> Gap | None:
    if not isinstance(window, WindowReading):
        return window or Gap(Missing.NO_DATA, "not read yet")
    found = counted_requests(plan, window)
    return found if isinstance(found, Gap) else None
