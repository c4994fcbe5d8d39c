"""Which gates apply now, and which of them still have to pass before any traffic."""

from collections.abc import Sequence

from cutover.api.gates import Gate
from cutover.api.status import Plan, Status


def in_force(plan: Plan, status: Status) -> Sequence[Gate]:
    """The gates that apply at the weight in force: before the first raise those that need no traffic."""
    if before_traffic(status):
        return [gate for gate in plan.gates if gate.before_traffic]
    return plan.gates


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
