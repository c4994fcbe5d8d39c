"""When a plan with windows would be done: a weight waits for the next window, all else goes on."""

from datetime import datetime, timedelta

from cutover.api.status import Plan
from cutover.decide import clocks
from cutover.decide.windows import is_open, next_opening
from cutover.foresight.outlook import Outlook


def finished_at(plan: Plan, outlook: Outlook, begun: datetime) -> datetime | None:
    """About when a rollout that is begun then is finished, each weight taking its median time.

    None: a step does not fit its time, or no window ever opens. Approvals are taken to be given.
    """
    if not outlook.fits:
        return None
    takes = {one.number: timedelta(seconds=one.median) for one in outlook.steps}
    at = begun
    for number, step in enumerate(plan.steps, start=1):
        if number in takes and not is_open(plan.windows, at):
            opens = next_opening(plan.windows, at)
            if opens is None:
                return None
            at = opens.at
        at += takes.get(number, clocks.step_length(step))
    return at
