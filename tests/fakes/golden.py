"""Golden inputs without model servers: a replayer that answers as a test says, a fold that only counts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from cutover.decide.observation import Refusal
from cutover.judge.golden import Answer, Fold, GoldenSet, Item, Text, Unanswered, Why
from cutover.ports import SideName

SILENT = Unanswered(Why.UNREACHABLE, "nobody is there")


def items(count: int, label: str | None = None) -> tuple[Item, ...]:
    return tuple(Item(f"item-{n}", n + 1, b"{}", label) for n in range(count))


@dataclass(frozen=True)
class Counting:
    """What was folded, in the order in which it was."""

    digest: str = ""
    calibrated: int = 0
    asked: int = 0
    order: tuple[str, ...] = ()
    enough: int = 10**9

    @property
    def is_settled(self) -> bool:
        return self.asked >= self.enough

    def begun(self, digest: str, total: int, repeats: int) -> Self:
        same = digest == self.digest
        return self if same else replace(self, digest=digest, calibrated=0, asked=0, order=())

    def repeated(self, item: Item, first: Answer, second: Answer) -> Self:
        return replace(self, calibrated=self.calibrated + 1)

    def paired(self, item: Item, source: Answer, target: Answer) -> Self:
        return replace(self, asked=self.asked + 1, order=(*self.order, item.id))


class FakeReplayer:
    """`ports.Replayer`; ``answers`` says what a side answers to an item."""

    def __init__(
        self,
        count: int = 30,
        answers: Callable[[SideName, Item], Answer] = lambda _side, _item: Text("yes"),
    ) -> None:
        self.golden: GoldenSet | Refusal = GoldenSet("digest", items(count))
        self.answers = answers
        self.asked: list[tuple[SideName, str]] = []
        self.room = asyncio.Semaphore(1)
        self.delay: Callable[[SideName, Item], float] = lambda _side, _item: 0.0
        self.under_way = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self.room:
            yield

    async def golden_set(self) -> GoldenSet | Refusal:
        return self.golden

    async def ask(self, side: SideName, item: Item) -> Answer:
        self.asked.append((side, item.id))
        self.under_way += 1
        try:
            await asyncio.sleep(self.delay(side, item))
        finally:
            self.under_way -= 1
        return self.answers(side, item)


@dataclass
class FakeEndpoints:
    """Both sides' model servers, for replays that go on while the fake world's time passes."""

    total: int = 400
    per_second: float = 5.0
    """Items asked on both sides."""
    differing: float = 0.0
    """Share of the items that the target answers otherwise."""
    problem: Refusal | None = None
    asked: list[int] = field(default_factory=list)
    """Lines of the items, each time they were asked on both sides."""

    def went_on(self, fold: Fold, seconds: float, repeat: float = 0.2) -> tuple[Fold, bool]:
        """What a replay has made of the answers after so many more seconds; whether it is finished."""
        repeats = round(self.total * repeat)
        fold = fold.begun("digest", self.total, repeats)
        left = round(seconds * self.per_second)
        every = items(self.total, "yes")
        while left > 0 and not fold.is_settled and fold.asked < self.total:
            left -= 1
            if fold.calibrated < repeats:
                fold = fold.repeated(every[fold.calibrated], Text("yes"), Text("yes"))
                continue
            item = every[fold.asked]
            self.asked.append(item.line)
            differs = int(item.line * self.differing) > int((item.line - 1) * self.differing)
            fold = fold.paired(item, Text("yes"), Text("no" if differs else "yes"))
        return fold, fold.is_settled or fold.asked == self.total
