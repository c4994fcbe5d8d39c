"""What query gates ask for: at full looks, both sides at once."""

import asyncio
from collections.abc import Mapping

from cutover.api.status import Plan
from cutover.decide.looking import Wanted
from cutover.decide.readings import Value, Values
from cutover.ports import Metrics


async def ask_values(
    plan: Plan | None, want: Wanted, sides: tuple[Metrics, Metrics] | None
) -> Values:
    """Return the numbers by gate; nothing where no gate asks, or at a look of the guards alone."""
    if plan is None or sides is None or want.long_window is None:
        return Values()
    if all(gate.query is None for gate in plan.gates):
        return Values()
    found: list[Mapping[str, Value]] = await asyncio.gather(
        *(side.values(want.long_window) for side in sides)
    )
    return Values(*found)
