"""Which golden inputs are to be replayed now: one module for each kind of gate, one place that asks them."""

from cutover.api.evidence import GateStatus
from cutover.api.gates import Gate, GateKind
from cutover.api.status import Plan, Status
from cutover.decide.applying import in_force
from cutover.decide.asking import Asking, ReplayWanted
from cutover.decide.labelling import holdout_wanted
from cutover.decide.outputs import outputs_wanted
from cutover.decide.parity import parity_wanted
from cutover.decide.transitions import FORWARD


def replays_wanted(plan: Plan, status: Status) -> tuple[ReplayWanted, ...]:
    """The replays that should be under way: none while paused, none whose verdict is known."""
    if status.pause is not None or status.phase not in FORWARD:
        return ()
    before = {gate.name: gate for gate in status.gates}
    found = (_wanted(plan, status, gate, before.get(gate.name)) for gate in in_force(plan, status))
    return tuple(one for one in found if one is not None)


def _wanted(
    plan: Plan, status: Status, gate: Gate, before: GateStatus | None
) -> ReplayWanted | None:
    if before is not None and before.stands:
        return None
    if gate.kind is GateKind.PARITY:
        return parity_wanted(plan, status, gate, before)
    if gate.golden_drift is not None:
        return outputs_wanted(plan, gate, before)
    if gate.kind is GateKind.HOLDOUT:
        return holdout_wanted(plan, gate, before)
    return None


def golden_askings(plan: Plan) -> dict[str, Asking]:
    """What the plan's golden sets are asked for, by name of the gate (``warm-up`` for the target's warm-up)."""
    wanted = {gate.name: _wanted(plan, Status(), gate, None) for gate in plan.gates}
    found = {name: one.asking for name, one in wanted.items() if one is not None}
    warm_up = plan.warm_up
    if warm_up is not None and warm_up.dataset is not None:
        found["warm-up"] = Asking(warm_up.dataset, warm_up.protocol, logprobs=False)
    return found
