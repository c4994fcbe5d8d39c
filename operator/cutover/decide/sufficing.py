"""How many of the guards' windows does a look need? Every guard decides on the shortest that holds enough."""

from cutover.decide.readings import Gap, Reading, SideReading
from cutover.judge.guards import ENOUGH


def windows_needed(source: Reading | None, target: Reading | None) -> int | None:
    """Count the windows, shortest first, up to the one in which both sides have enough requests.

    None: not even the longest read holds enough (or nothing could be read), so all are needed. A
    window in which the target answered enough requests also tells that it is not silent.
    """
    if not isinstance(source, SideReading) or not isinstance(target, SideReading):
        return None
    sides = [{one.seconds: one.requests for one in side.windows} for side in (source, target)]
    for number, seconds in enumerate(sorted(sides[1]), start=1):
        if all(_enough(side.get(seconds)) for side in sides):
            return number
    return None


def _enough(requests: float | Gap | None) -> bool:
    return isinstance(requests, float) and requests >= ENOUGH
