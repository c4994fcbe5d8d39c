"""Evaluations that were made elsewhere, read in the background: a look never waits for them.

Each look begins to read what it wants, unless that is still under way, and takes what was read last.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from cutover.api.status import Plan
from cutover.decide.observation import ResultsSeen, ResultsWanted
from cutover.decide.readings import Gap, Missing
from cutover.observe.memory import Evaluation, Memory
from cutover.ports import Adapters

log = logging.getLogger(__name__)


def attend_results(
    memory: Memory,
    wanted: Sequence[ResultsWanted],
    plan: Plan,
    place: tuple[str, str],
    adapters: Adapters,
) -> Mapping[str, ResultsSeen]:
    """Begin to read what is wanted, end what is not, and return what was read last.

    ``place`` is the rollout's namespace and its holder (``namespace/name``).
    """
    _end(memory, wanted)
    found: dict[str, ResultsSeen] = {}
    for one in wanted:
        known = memory.results.get(one)
        seen = _taken(known) if known is not None else None
        if known is None or known.task.done():
            task = asyncio.create_task(
                _read(one, plan, place, adapters), name=f"results of gate {one.gate}"
            )
            memory.results[one] = Evaluation(task, seen)
        if seen is not None:
            found[one.gate] = seen
    return found


def forget_results(memory: Memory) -> None:
    """End all of them."""
    _end(memory, ())


def _end(memory: Memory, wanted: Sequence[ResultsWanted]) -> None:
    for one in [one for one in memory.results if one not in wanted]:
        memory.results.pop(one).task.cancel()


def _taken(known: Evaluation) -> ResultsSeen | None:
    """Take what was read; as long as that is under way, what was read before."""
    if not known.task.done() or known.task.cancelled():
        return known.seen
    fault = known.task.exception()
    if fault is None:
        return known.task.result()
    log.error("The results could not be read", exc_info=fault)
    gap = Gap(Missing.UNUSABLE, "a fault of the operator: see its log")
    return gap, gap


async def _read(
    wanted: ResultsWanted, plan: Plan, place: tuple[str, str], adapters: Adapters
) -> ResultsSeen:
    namespace, holder = place
    source, target = await asyncio.gather(
        adapters.config_map(plan.source.cluster, wanted.source, namespace, holder),
        adapters.config_map(plan.target.cluster, wanted.target, namespace, holder),
    )
    return source, target
