"""A replay goes on by itself, in order, from where it was, and ends when nothing wants it."""

import asyncio
import logging
from collections.abc import Mapping

import pytest

from cutover.api.golden import ConfigMapKeyRef, Dataset, GoldenProtocol
from cutover.decide.asking import Asking, ReplayWanted
from cutover.decide.observation import Refusal, ReplaySeen
from cutover.judge.golden import Item, Text, Unanswered, Why
from cutover.observe.memory import Memory
from cutover.observe.replaying import STREAK, attend, forget_replays
from tests.fakes.golden import SILENT, Counting, FakeReplayer, items

ASKING = Asking(
    Dataset(config_map_key_ref=ConfigMapKeyRef(name="golden")), GoldenProtocol.OPENAI_CHAT
)


def want(fold: Counting | None = None, *, about: str = "a", repeat: float = 0.2) -> ReplayWanted:
    return ReplayWanted("golden", about, ASKING, fold or Counting(), repeat)


class Looking:
    """Looks that want a replay, one after another."""

    def __init__(self, replayer: FakeReplayer, *, again: float = 0.0) -> None:
        self.memory = Memory()
        self.replayer = replayer
        self.again = again

    def look(self, *wanted: ReplayWanted) -> Mapping[str, ReplaySeen]:
        return attend(self.memory, wanted, lambda _asking: self.replayer, again=self.again)

    async def until_finished(self, wanted: ReplayWanted) -> ReplaySeen:
        async with asyncio.timeout(5):
            while not (seen := self.look(wanted)["golden"]).finished:
                await asyncio.sleep(0.001)
        return seen


def counted(seen: ReplaySeen) -> Counting:
    assert isinstance(seen.fold, Counting)
    return seen.fold


async def test_the_source_is_asked_a_share_twice_first_and_then_both_sides_each_item() -> None:
    looking = Looking(FakeReplayer(30))
    fold = counted(await looking.until_finished(want()))
    assert (fold.calibrated, fold.asked) == (6, 30)
    first = looking.replayer.asked[:12]
    assert {side for side, _ in first} == {"source"}
    assert sorted(looking.replayer.asked[12:]) == sorted(
        (side, item.id) for side in ("source", "target") for item in items(30)
    )


async def test_a_look_waits_for_nothing() -> None:
    replayer = FakeReplayer(5)
    replayer.delay = lambda _side, _item: 60.0
    looking = Looking(replayer)
    assert not looking.look(want())["golden"].finished
    await asyncio.sleep(0)
    assert looking.look(want())["golden"].fold.asked == 0
    forget_replays(looking.memory)


async def test_answers_are_folded_in_the_order_of_the_set_whatever_order_they_come_in() -> None:
    replayer = FakeReplayer(20)
    replayer.delay = lambda _side, item: 0.004 if item.line % 3 == 0 else 0.0
    fold = counted(await Looking(replayer).until_finished(want()))
    assert fold.order == tuple(item.id for item in items(20))


async def test_what_is_known_is_not_asked_again() -> None:
    looking = Looking(FakeReplayer(30))
    known = Counting(digest="digest", calibrated=6, asked=25)
    fold = counted(await looking.until_finished(want(known)))
    assert fold.asked == 30
    assert {name for _, name in looking.replayer.asked} == {f"item-{n}" for n in range(25, 30)}


async def test_another_golden_set_is_asked_from_the_beginning() -> None:
    known = Counting(digest="another", calibrated=6, asked=25)
    fold = counted(await Looking(FakeReplayer(30)).until_finished(want(known)))
    assert fold.order == tuple(item.id for item in items(30))


async def test_it_ends_early_when_the_verdict_is_settled() -> None:
    looking = Looking(FakeReplayer(500))
    fold = counted(await looking.until_finished(want(Counting(enough=10), repeat=0.0)))
    assert fold.asked == 10
    assert len(looking.replayer.asked) < 60


async def ended(looking: Looking) -> None:
    async with asyncio.timeout(5):
        while looking.replayer.under_way:
            await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["no longer wanted", "another spec", "forgotten"])
async def test_it_is_cancelled_with_all_its_questions(how: str) -> None:
    replayer = FakeReplayer(30)
    replayer.delay = lambda _side, _item: 60.0
    looking = Looking(replayer)
    looking.look(want())
    while not replayer.under_way:
        await asyncio.sleep(0)
    match how:
        case "no longer wanted":
            assert looking.look() == {}
        case "another spec":
            replayer.room = asyncio.Semaphore(0)
            assert looking.look(want(about="b"))["golden"].about == "b"
        case _:
            forget_replays(looking.memory)
    await ended(looking)
    forget_replays(looking.memory)


async def test_a_side_that_falls_silent_breaks_it_off_and_it_goes_on_from_there() -> None:
    down = True

    def answers(side: str, item: Item) -> Text | Unanswered:
        return SILENT if down and side == "target" and item.line > 10 else Text("yes")

    looking = Looking(FakeReplayer(60, answers), again=0.01)
    while (seen := looking.look(want())["golden"]).problem is None:
        await asyncio.sleep(0.001)
    assert seen.problem.reason == "TargetUnanswered"
    assert "nobody is there" in seen.problem.message
    assert counted(seen).order == tuple(item.id for item in items(10))
    assert len([one for one in looking.replayer.asked if one[0] == "target"]) <= 10 + STREAK + 8
    down = False
    fold = counted(await looking.until_finished(want()))
    assert fold.order == tuple(item.id for item in items(60))


async def test_a_source_that_never_answers_is_told_of_after_the_calibration() -> None:
    looking = Looking(FakeReplayer(10, lambda *_: SILENT), again=60.0)
    while (seen := looking.look(want())["golden"]).problem is None:
        await asyncio.sleep(0.001)
    assert seen.problem.reason == "SourceUnanswered"
    assert {side for side, _ in looking.replayer.asked} == {"source"}
    forget_replays(looking.memory)


async def test_items_that_the_servers_refuse_are_no_silence() -> None:
    def answers(_side: str, item: Item) -> Text | Unanswered:
        return Unanswered(Why.REFUSED, "400") if item.line > 5 else Text("yes")

    fold = counted(await Looking(FakeReplayer(60, answers)).until_finished(want(repeat=0.0)))
    assert fold.asked == 60


async def test_a_golden_set_that_cannot_be_read_is_tried_again() -> None:
    replayer = FakeReplayer(5)
    good, replayer.golden = replayer.golden, Refusal("GoldenSetMissing", "create it")
    looking = Looking(replayer, again=0.01)
    while (seen := looking.look(want())["golden"]).problem is None:
        await asyncio.sleep(0.001)
    assert seen.problem == Refusal("GoldenSetMissing", "create it")
    replayer.golden = good
    assert (await looking.until_finished(want())).problem is None


async def test_a_fault_of_ours_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    def answers(_side: str, _item: Item) -> Text:
        raise RuntimeError("a bug")

    looking = Looking(FakeReplayer(5, answers), again=60.0)
    with caplog.at_level(logging.ERROR):
        while (seen := looking.look(want())["golden"]).problem is None:
            await asyncio.sleep(0.001)
    assert seen.problem.reason == "ReplayFailed"
    assert "broke off" in caplog.text
    forget_replays(looking.memory)
