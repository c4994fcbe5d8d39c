"""Golden inputs, replayed in the background to both sides while the rollout goes on looking.

A replay belongs to no turn: it goes on from look to look, and a look only reads how far it got. It
asks the source a share of the items twice first, then both sides each item, and folds the answers in
the order of the golden set. It ends when nothing wants it any more: abort, deletion, rollback, another
spec. A side that answers nothing breaks it off; it goes on from where that began, a minute later.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cutover.decide.asking import Asking, ReplayWanted
from cutover.decide.observation import Refusal, ReplaySeen
from cutover.judge.golden import Answer, Fold, Item, Unanswered, Why
from cutover.observe.memory import Memory, Replay
from cutover.ports import Replayer, SideName

log = logging.getLogger(__name__)

AGAIN: Final = 60.0
"""Seconds until a replay that was broken off is tried again."""
STREAK: Final = 20
"""So many items in a row that one side did not answer: it is not there, and nothing is learnt from going on."""

_Pair = tuple[Answer, Answer]


@dataclass(frozen=True, slots=True)
class _Stage:
    """One pass over the golden set: the calibration, then the comparison."""

    items: Sequence[Item]
    """What is left of it."""
    ask: Callable[[Item], Coroutine[None, None, _Pair]]
    add: Callable[[Fold, Item, _Pair], Fold]
    sides: tuple[SideName, SideName]
    """Who is asked."""
    ahead: int
    """Items under way at a time."""


def attend(
    memory: Memory,
    wanted: Sequence[ReplayWanted],
    make: Callable[[Asking], Replayer],
    *,
    again: float = AGAIN,
) -> Mapping[str, ReplaySeen]:
    """Begin what is wanted and not under way, end what is no longer wanted; return how far each got."""
    abouts = {one.gate: one.about for one in wanted}
    for gate, replay in list(memory.replays.items()):
        if abouts.get(gate) != replay.seen.about:
            _end(memory.replays.pop(gate))
    for one in wanted:
        if one.gate not in memory.replays:
            replay = memory.replays[one.gate] = Replay(ReplaySeen(one.about, one.fold))
            run = _run(replay, make(one.asking), one, again)
            replay.task = asyncio.create_task(run, name=f"replay of gate {one.gate}")
    return {gate: replay.seen for gate, replay in memory.replays.items()}


def forget_replays(memory: Memory) -> None:
    """End all of them."""
    for replay in memory.replays.values():
        _end(replay)
    memory.replays.clear()


def _end(replay: Replay) -> None:
    if replay.task is not None:
        replay.task.cancel()


async def _run(replay: Replay, replayer: Replayer, wanted: ReplayWanted, again: float) -> None:
    """Replay until all is asked, however often it takes."""
    while True:
        try:
            async with replayer.turn():
                problem = await _once(replay, replayer, wanted)
        except Exception:
            log.exception("Gate %s: the replay of golden inputs broke off", wanted.gate)
            problem = Refusal("ReplayFailed", "a fault of the operator: see its log")
        if problem is None:
            replay.seen = replace(replay.seen, finished=True, problem=None)
            return
        replay.seen = replace(replay.seen, problem=problem)
        await asyncio.sleep(again)


async def _once(replay: Replay, replayer: Replayer, wanted: ReplayWanted) -> Refusal | None:
    golden = await replayer.golden_set()
    if isinstance(golden, Refusal):
        return golden
    items = golden.items
    repeats = _spread(items, wanted.repeat)
    fold = replay.seen.fold.begun(golden.digest, len(items), len(repeats))
    replay.seen = replace(replay.seen, fold=fold, problem=None)

    async def twice(item: Item) -> _Pair:
        return await replayer.ask("source", item), await replayer.ask("source", item)

    async def both(item: Item) -> _Pair:
        return await asyncio.gather(replayer.ask("source", item), replayer.ask("target", item))

    ahead = 2 * wanted.asking.concurrency
    calibration = _Stage(repeats[fold.calibrated :], twice, _repeated, ("source", "source"), ahead)
    comparison = _Stage(items[fold.asked :], both, _paired, ("source", "target"), ahead)
    for stage, begun in ((calibration, fold.calibrated > 0), (comparison, fold.asked > 0)):
        silent = await _in_order(replay, stage, _Silence(stage, replay.seen.fold, begun=begun))
        if silent is not None:
            return silent
    return None


def _repeated(fold: Fold, item: Item, pair: _Pair) -> Fold:
    return fold.repeated(item, *pair)


def _paired(fold: Fold, item: Item, pair: _Pair) -> Fold:
    return fold.paired(item, *pair)


def _spread(items: Sequence[Item], share: float) -> Sequence[Item]:
    """That share of the items, evenly over all of them; always the same ones."""
    return [
        item
        for number, item in enumerate(items)
        if int((number + 1) * share + 1e-9) > int(number * share + 1e-9)
    ]


async def _in_order(replay: Replay, stage: _Stage, silence: "_Silence") -> Refusal | None:
    """Ask up to ``ahead`` items at a time and fold their answers in order, until a side is silent."""
    waiting: deque[tuple[Item, asyncio.Task[_Pair]]] = deque()
    left = iter(stage.items)
    try:
        while not replay.seen.fold.is_settled:
            while len(waiting) < stage.ahead and (item := next(left, None)) is not None:
                waiting.append((item, asyncio.create_task(stage.ask(item))))
            if not waiting:
                return silence.of_all(replay)
            item, asked = waiting.popleft()
            pair = await asked
            silence.heard(replay.seen.fold, pair)
            replay.seen = replace(replay.seen, fold=stage.add(replay.seen.fold, item, pair))
            if (silent := silence.too_long(replay)) is not None:
                return silent
        return None
    finally:
        for _, asked in waiting:
            asked.cancel()


class _Silence:
    """For how many items in a row one side has not answered, and what was known before they began."""

    def __init__(self, stage: _Stage, fold: Fold, *, begun: bool) -> None:
        self._sides = stage.sides
        self._all = 0 if begun else len(stage.items)
        self._streaks = [0, 0]
        self._answered = [begun, begun]
        self._before = [fold, fold]
        self._last = ["", ""]

    def heard(self, fold: Fold, pair: _Pair) -> None:
        """Note what came for the next item; ``fold`` is what was known before it.

        A server that answers others and refuses this one is not silent.
        """
        for place, answer in enumerate(pair):
            if not isinstance(answer, Unanswered):
                self._streaks[place], self._answered[place] = 0, True
            elif answer.why is not Why.REFUSED or not self._answered[place]:
                if not self._streaks[place]:
                    self._before[place] = fold
                self._streaks[place] += 1
                self._last[place] = answer.message

    def too_long(self, replay: Replay, longest: int = STREAK) -> Refusal | None:
        """Break off, and forget what was counted since the silence began."""
        for place, streak in enumerate(self._streaks):
            if streak >= longest:
                replay.seen = replace(replay.seen, fold=self._before[place])
                side = self._sides[place]
                return Refusal(
                    f"{side.capitalize()}Unanswered",
                    f"the {side} did not answer the last {streak} golden inputs ({self._last[place]})",
                )
        return None

    def of_all(self, replay: Replay) -> Refusal | None:
        """At the end: a side that answered nothing at all is as silent as one that stopped."""
        return self.too_long(replay, self._all) if self._all else None
