"""Carry out one action on the source's workload; a rollback never waits for it."""

from cutover.decide.decision import StartSource, StopSource
from cutover.decide.observation import WorkloadSeen
from cutover.decide.readings import Gap
from cutover.errors import LeadershipLost
from cutover.ports import Leadership, NotWritten, SourceWorkload, WriteResult


async def act_on_source(
    action: StopSource | StartSource,
    workload: SourceWorkload,
    seen: WorkloadSeen | Gap | None,
    leadership: Leadership,
) -> WriteResult:
    """Do it against exactly what was looked at. Raises LeadershipLost where the Lease has run out."""
    if not isinstance(seen, WorkloadSeen):
        return NotWritten("NotSeen", "the source's workload was not read, so nothing was written")
    if not leadership.may_write():
        raise LeadershipLost("the Lease has run out: nothing is written any more")
    if isinstance(action, StopSource):
        return await workload.stop(seen, action.mark)
    return await workload.start(seen, action.uid)
