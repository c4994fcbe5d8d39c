"""The source's past: asked once, while the rollout is in Preflight.

The question outlives the turn that asked it: a wake may cut a turn short, and asking anew each time
would let Preflight wait without end. It has its own deadline, within one look.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from cutover.api.status import Plan
from cutover.decide.past import PastQuestion, question
from cutover.decide.readings import Gap, Missing, PastSeen, Reading
from cutover.judge.past import Clustering, clustering
from cutover.observe.memory import Memory, Recollection
from cutover.ports import Metrics

log = logging.getLogger(__name__)

_FRESH = timedelta(hours=1)
"""For so long an answer stands while Preflight goes on."""


async def recall(
    memory: Memory,
    plan: Plan,
    now: datetime,
    *,
    readings: tuple[Reading | None, Reading | None],
    window: float,
    source: Metrics,
) -> PastSeen | None:
    """Return the answer for this plan, asking and waiting for it where needed; None: it cannot be asked yet."""
    about = (plan.generation, plan.attempt)
    known = memory.past
    if known is None or known.about != about or not timedelta(0) <= now - known.at < _FRESH:
        asked = question(plan, *readings, window)
        if asked is None:
            return None
        forget(memory)
        task = asyncio.create_task(_ask(asked, source, now), name="past of the source")
        known = memory.past = Recollection(about, now, task)
    await asyncio.wait({known.task})
    return None if known.task.cancelled() else _answer(known)


def forget(memory: Memory) -> None:
    """Ask no more and keep nothing."""
    if memory.past is not None:
        memory.past.task.cancel()
        memory.past = None


def _answer(known: Recollection) -> PastSeen:
    """Take the answer; a fault of ours in so small a matter must not hold up the rollout."""
    fault = known.task.exception()
    if fault is None:
        return known.task.result()
    log.error("The source's past could not be read", exc_info=fault)
    return PastSeen(
        Gap(Missing.INVALID_QUERY, "a fault of the operator: see its log"), 0.0, known.at
    )


async def _ask(asked: PastQuestion, source: Metrics, now: datetime) -> PastSeen:
    found = await source.history(asked)
    if isinstance(found, Gap):
        return PastSeen(found, asked.look, now)
    gates: dict[str, Clustering | Gap] = {
        gate: looks if isinstance(looks, Gap) else clustering(looks)
        for gate, looks in found.items()
    }
    return PastSeen(gates, asked.look, now)
