"""What applies at the weight in force: its step's durations and gates, and which of them still have to pass before any traffic."""

from collections.abc import Sequence
from datetime import timedelta

from cutover.api.analysis import Analysis
from cutover.api.gates import Gate
from cutover.api.quantities import format_duration, parse_duration
from cutover.api.status import Plan, Status
from cutover.api.steps import Step


def in_force(plan: Plan, status: Status) -> Sequence[Gate]:
    """The gates that apply at the weight in force: before the first raise those that need no traffic."""
    if before_traffic(status):
        return [gate for gate in plan.gates if gate.before_traffic]
    step = weight_step(plan, status)
    if step is None or step.gates is None:
        return plan.gates
    return [gate for gate in plan.gates if gate.before_traffic or gate.name in step.gates]


def weight_step(plan: Plan, status: Status) -> Step | None:
    """The step that the weight in force belongs to: the lowest whose weight is not below it; None: no weight.

    Pauses, approvals and the soak that follow keep what it says, as does the next weight until the
    gateway has it.
    """
    weight = status.weights.applied
    if not weight:
        return None
    return next(
        (one for one in plan.steps if one.weight is not None and one.weight >= weight), None
    )


def analysis_in_force(plan: Plan, status: Status) -> Analysis:
    """``spec.analysis`` with what the weight in force has of its own, and time for its delivery."""
    step = weight_step(plan, status)
    analysis = plan.analysis if step is None else overridden(plan.analysis, step)
    return delivered_within(analysis, status.weights.delivery_seconds)


def delivered_within(analysis: Analysis, seconds: float | None) -> Analysis:
    """``settle`` is no shorter than a change takes to reach every client."""
    longest = timedelta(seconds=seconds or 0)
    if longest <= parse_duration(analysis.settle):
        return analysis
    return analysis.model_copy(update={"settle": format_duration(longest)})


def overridden(analysis: Analysis, step: Step) -> Analysis:
    """``spec.analysis`` with what the step has of its own."""
    own = {
        "settle": step.settle,
        "min_duration": step.min_duration,
        "max_duration": step.max_duration,
        "min_requests": step.min_requests,
    }
    given = {name: value for name, value in own.items() if value is not None}
    return analysis.model_copy(update=given) if given else analysis


def before_traffic(status: Status) -> bool:
    """Whether no weight of ours is on the target: it was not raised yet, or somebody took it all away."""
    return not status.weights.applied


def open_before_traffic(plan: Plan, status: Status) -> list[Gate]:
    """The gates that are to pass once for the attempt and have not."""
    passed = {gate.name for gate in status.gates if gate.stands}
    return [gate for gate in plan.gates if gate.before_traffic and gate.name not in passed]


def awaited(plan: Plan, status: Status) -> list[Gate]:
    """The gates whose Pass is needed before the first raise and is not there; none once it was raised."""
    if not before_traffic(status):
        return []
    return [gate for gate in open_before_traffic(plan, status) if not gate.only_reports]
