"""When the guards look next: just after a scrape, since between two scrapes there is nothing new.

A look at any moment sees a scrape half an interval late in the mean. The newest sample and the time
between scrapes tell when the next one comes, so the looks are moved there, within narrow limits.
"""

from datetime import datetime, timedelta
from math import ceil

from cutover.api.quantities import parse_duration
from cutover.api.status import Plan
from cutover.decide.observation import Observation
from cutover.decide.readings import SideReading

ARRIVAL = timedelta(milliseconds=60)
"""From the time that a sample bears, its scrape's beginning, until a query sees it."""


def align(
    again: timedelta | None, seen: Observation, plan: Plan | None, now: datetime
) -> timedelta | None:
    """Move the next look to a scrape if it is a guard look; leave every other where it is."""
    if plan is None or again != parse_duration(plan.analysis.guard_interval):
        return again
    for side in (seen.target, seen.source):
        if isinstance(side, SideReading) and side.newest_sample and side.scrape_seconds:
            return next_guard_look(now, side.newest_sample, side.scrape_seconds, again)
    return again


def next_guard_look(
    now: datetime, newest: datetime, scrape_seconds: float, interval: timedelta
) -> timedelta:
    """Return how long to wait: never more than ``interval``, never less than half of it.

    The last scrape within the interval is waited for; where none lies in its second half, the way
    to the first one beyond is cut into equal looks. A sample that should be there and is not is
    looked for again as soon as may be; a clock that differs from Prometheus' costs no more than
    the alignment.
    """
    scrape, soonest = timedelta(seconds=scrape_seconds), interval / 2
    since = now - newest - ARRIVAL
    if scrape <= since < 2 * scrape:
        return soonest
    arrives = scrape - since % scrape
    last = arrives + (interval - arrives) // scrape * scrape
    if last >= soonest:
        return last
    beyond = arrives + ceil((soonest - arrives) / scrape) * scrape
    return beyond / ceil(beyond / interval)
