"""Query gates: from the numbers that a full look brought to a verdict."""

from cutover.api.evidence import GateStatus
from cutover.api.expressions import Of, QueryGate
from cutover.api.gates import Gate
from cutover.api.quantities import parse_duration, parse_number
from cutover.api.status import Plan, Status
from cutover.decide import clocks
from cutover.decide.fulllook import FullLook, overlap, window_of
from cutover.decide.looking import EARLY
from cutover.decide.readings import Gap, Missing, Reading, Value, Values, WindowReading
from cutover.decide.telling import Told, missing_verdict
from cutover.judge.bounds import BoundRule, Bounds, judge_bounds


def judge_query(
    plan: Plan, status: Status, gate: Gate, before: GateStatus | None, look: FullLook
) -> Told:
    """Judge one look. A number that is not there neither ends a streak nor makes it longer."""
    assert gate.query is not None  # noqa: S101 - the caller looked
    streak = (before.breaches or 0) if before is not None else 0
    numbers = _numbers(look, gate, gate.query)
    if isinstance(numbers, Gap):
        message = f"{gate.name}: {numbers.message}"
        return Told(missing_verdict(Gap(numbers.missing, message)), breaches=streak)
    value, source = numbers
    rule = _rule(gate, gate.query)
    if Bounds.of(rule, source).broken_by(value) is None:
        streak = 0
    elif not streak or _is_another_look(plan, before, look):
        streak += 1
    over = gate.before_traffic or clocks.min_duration_over(status, plan.analysis, look.now)
    judgement = judge_bounds(rule, value, source=source, broken_for=streak, min_duration_over=over)
    return Told(judgement, breaches=streak)


def refused_expressions(plan: Plan, values: Values) -> dict[str, Gap]:
    """By name of the gate: expressions that can never be judged as they are written, better told before any traffic."""
    refused: dict[str, Gap] = {}
    for side, found in (("target", values.target), ("source", values.source)):
        for gate in plan.gates:
            value = found.get(gate.name)
            number = value.number if value is not None else None
            if isinstance(number, Gap) and number.missing is Missing.INVALID_QUERY:
                text = f"gate {gate.name}: {side}: {number.message}"
                refused[gate.name] = Gap(number.missing, text)
    return refused


def unanswered_on_source(gate: Gate, values: Values) -> Gap | None:
    """What is asked of the source and brings nothing there now, where it always brings something."""
    if gate.query is None or gate.query.whose is Of.TARGET:
        return None
    value = values.source.get(gate.name)
    return value.number if value is not None and isinstance(value.number, Gap) else None


def asked_query(gate: Gate, look: FullLook) -> str | None:
    """The expression as it was asked: of the target, where it is asked there."""
    found = look.values.target.get(gate.name) or look.values.source.get(gate.name)
    return found.query if found is not None else None


def _rule(gate: Gate, asked: QueryGate) -> BoundRule:
    return BoundRule(
        name=gate.name,
        max=None if asked.max is None else parse_number(asked.max),
        min=None if asked.min is None else parse_number(asked.min),
        looks=asked.looks_to_fail,
        side="source" if asked.whose is Of.SOURCE else "target",
    )


def _numbers(look: FullLook, gate: Gate, asked: QueryGate) -> tuple[float, float | None] | Gap:
    """The number that is judged and, for a ratio, the source's that it is a multiple of."""
    if asked.whose is not Of.RATIO:
        number = _number(look, gate, "source" if asked.whose is Of.SOURCE else "target")
        return number if isinstance(number, Gap) else (number, None)
    target, source = _number(look, gate, "target"), _number(look, gate, "source")
    if isinstance(target, Gap):
        return target
    if isinstance(source, Gap):
        return source
    if min(target, source) < 0:
        return Gap(
            Missing.INVALID_QUERY,
            f"{target:g} on target, {source:g} on source: a ratio of negative numbers does not say"
            " which is worse; compare something that is never below 0",
        )
    return target, source


def _number(look: FullLook, gate: Gate, side: str) -> float | Gap:
    """One side's number. Where the side as a whole cannot be trusted, neither can this."""
    reading, values = (
        (look.target, look.values.target) if side == "target" else (look.source, look.values.source)
    )
    gap = _of_the_side(look, reading)
    if gap is not None:
        return Gap(gap.missing, f"{side}: {gap.message}")
    found: Value | None = values.get(gate.name)
    if found is None:
        return Gap(Missing.NO_DATA, f"{side}: was not asked for at this look")
    if isinstance(found.number, Gap):
        return Gap(found.number.missing, f"{side}: {found.number.message}")
    return found.number


def _of_the_side(look: FullLook, reading: Reading) -> Gap | None:
    if isinstance(reading, Gap):
        return reading
    shared = overlap(look)
    if shared is not None:
        return shared
    window = window_of(reading, look.window)
    requests = window.requests if isinstance(window, WindowReading) else None
    is_stale = isinstance(requests, Gap) and requests.missing is Missing.STALE
    return requests if is_stale and isinstance(requests, Gap) else None


def _is_another_look(plan: Plan, before: GateStatus | None, look: FullLook) -> bool:
    """Whether a whole interval lies between: a restart looks at once, and that is no tick."""
    if before is None or before.looked_at is None:
        return True
    waited = clocks.waited(before.looked_at, look.now)
    return waited >= parse_duration(plan.analysis.interval) - EARLY
