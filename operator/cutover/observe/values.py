"""What query gates ask for: at full looks, both sides at once, in the background.

A user's expression may be slow. A look waits for it no longer than for all the rest and a moment more;
then it takes what was answered to the look before, if that was asked of the same evidence.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cutover.api.gates import Gate
from cutover.api.status import Plan, Status
from cutover.decide.looking import Wanted
from cutover.decide.readings import Gap, Missing, Value, Values
from cutover.observe.memory import AskedValues, Memory
from cutover.ports import Metrics

MOMENT: Final = 0.1
"""Seconds that a look waits when it has everything else."""
SLOW: Final = Gap(
    Missing.NO_DATA,
    "the expression has not been answered yet: the next look takes the answer; a recording rule would be quicker",
)


@dataclass(frozen=True, slots=True)
class Sought:
    """What this look wants to know of query gates."""

    gates: tuple[Gate, ...]
    asked: AskedValues


def begin_values(
    memory: Memory,
    plan: Plan | None,
    want: Wanted,
    sides: tuple[Metrics, Metrics] | None,
    status: Status,
) -> Sought | None:
    """Begin to ask; None where no gate asks, or at a look of the guards alone."""
    if plan is None or sides is None:
        forget_values(memory)
        return None
    gates = tuple(gate for gate in plan.gates if gate.query is not None)
    if want.long_window is None or not gates:
        return None
    weights = status.weights
    about = (plan.generation, plan.attempt, weights.applied_at, status.evidence_since)
    before = _answered(memory.values, about)
    forget_values(memory)
    task = asyncio.create_task(_ask(sides, want.long_window), name="values of query gates")
    memory.values = AskedValues(about, task, before)
    return Sought(gates, memory.values)


async def take_values(sought: Sought | None) -> Values:
    """Return the numbers by gate, as they are now or were at the look before."""
    if sought is None:
        return Values()
    task = sought.asked.task
    await asyncio.wait({task}, timeout=MOMENT)
    if task.done():
        return task.result()
    if sought.asked.before is not None:
        return sought.asked.before
    slow = {gate.name: Value(SLOW, "") for gate in sought.gates}
    return Values(slow, slow)


def forget_values(memory: Memory) -> None:
    """Ask no more and keep nothing."""
    if memory.values is not None:
        memory.values.task.cancel()
        memory.values = None


def _answered(known: AskedValues | None, about: object) -> Values | None:
    """What was answered since the look before, of the same evidence. A fault of ours was told by then."""
    if known is None or known.about != about:
        return None
    task = known.task
    if not task.done() or task.cancelled() or task.exception() is not None:
        return None
    return task.result()


async def _ask(sides: tuple[Metrics, Metrics], window: float) -> Values:
    found: list[Mapping[str, Value]] = await asyncio.gather(
        *(side.values(window) for side in sides)
    )
    return Values(*found)
