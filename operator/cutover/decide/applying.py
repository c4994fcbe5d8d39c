"""What applies at the weight in force: its step's durations and gates, and which of them still have to pass before any traffic."""

from collections.abc import Sequence
from datetime import timedelta

from cutover.api.analysis import Analysis
from cutover.api.gates import Gate
from cutover.api.quantities import format_duration, parse_duration
from cutover.api.status import Plan, Status
from cutover.api.steps import Step
from cutover.decide.share import mirrored


def in_force(plan: Plan, status: Status) -> Sequence[Gate]:
    """The gates that apply at the weight in force: before the first raise those that need no traffic."""
    if before_traffic(status):
        return [gate for gate in plan.gates if gate.before_traffic]
    step = weight_step(plan, status)
    if step is None or step.gates is None:
        return plan.gates
    return [gate for gate in plan.gates if gate.before_traffic or gate.name in step.gates]


def weight_step(plan: Plan, status: Status) -> Step | None:
    """The step that the weight (or the mirror) in force belongs to: the lowest whose weight is not below it; None: no weight.

    Pauses, approvals and the soak that follow keep what it says, as does the next weight until the
    gateway has it.
    """
    weight, copies = status.weights.applied, mirrored(status)
    if copies:
        return next((one for one in plan.steps if one.shadow and one.shadow.parts == copies), None)
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
    """``spec.analysis`` with what the step has of its own; a shadow step lasts for its ``duration``."""
    if step.shadow is not None:
        return _lasting(analysis, parse_duration(step.shadow.duration))
    own = {
        "settle": step.settle,
        "min_duration": step.min_duration,
        "max_duration": step.max_duration,
        "min_requests": step.min_requests,
    }
    given = {name: value for name, value in own.items() if value is not None}
    return analysis.model_copy(update=given) if given else analysis


def _lasting(analysis: Analysis, length: timedelta) -> Analysis:
    """Nothing passes before ``length`` is over, ``settle`` included, and ``maxDuration`` comes on top of it."""
    beyond = max(length - parse_duration(analysis.settle), timedelta(0))
    longest = parse_duration(analysis.max_duration) + length
    return analysis.model_copy(
        update={
            "min_duration": _written(beyond),
            "max_duration": _written(longest),
        }
    )


def _written(length: timedelta) -> str:
    """The length as people read it, where that is exact."""
    text = format_duration(length)
    return text if parse_duration(text) == length else f"{length.total_seconds():g}s"


def shadow_percent(plan: Plan, status: Status) -> int | None:
    """How many of a hundred requests the step in force mirrors; None: it is no shadow step."""
    step = status.step
    shadow = plan.steps[step.index].shadow if step and step.index < len(plan.steps) else None
    return shadow.parts if shadow is not None else None


def before_traffic(status: Status) -> bool:
    """Whether the target gets nothing by our route: no weight was raised yet, or somebody took it all away."""
    return not status.weights.applied and not mirrored(status)


def open_before_traffic(plan: Plan, status: Status) -> list[Gate]:
    """The gates that are to pass once for the attempt and have not."""
    passed = {gate.name for gate in status.gates if gate.stands}
    return [gate for gate in plan.gates if gate.before_traffic and gate.name not in passed]


def awaited(plan: Plan, status: Status) -> list[Gate]:
    """The gates whose Pass is needed before the first raise and is not there; none once it was raised."""
    if not before_traffic(status):
        return []
    return [gate for gate in open_before_traffic(plan, status) if not gate.only_reports]
