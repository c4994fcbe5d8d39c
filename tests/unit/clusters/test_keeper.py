"""A token is renewed long before it ends, and nobody waits for that while the old one is good."""

import asyncio

import pytest

from cutover.clusters.logins import EksLogin, Login
from cutover.clusters.tokens.granted import LoginError, Token
from cutover.clusters.tokens.keeper import Keeper
from tests.unit.clusters.conftest import Clock

LIFE = 900.0


class Cloud:
    """Numbers its tokens; ``gate`` holds the next one back, ``broken`` refuses it."""

    def __init__(self) -> None:
        self.asked = 0
        self.broken = False
        self.afresh: list[bool] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def issue(self, login: Login, *, afresh: bool = False) -> Token:
        self.asked += 1
        self.afresh.append(afresh)
        await self.gate.wait()
        if self.broken:
            raise LoginError("the cloud said no: renew the key")
        return Token(f"token-{self.asked}", LIFE)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def keeper(cloud: Cloud, clock: Clock) -> Keeper:
    return Keeper(EksLogin("c", "r"), cloud.issue, clock, lambda low, high: (low + high) / 2)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_token_serves_everybody_until_it_is_due(
    keeper: Keeper, cloud: Cloud, clock: Clock
) -> None:
    tokens = await asyncio.gather(*(keeper.current() for _ in range(10)))
    clock.now += 0.69 * LIFE
    assert {*tokens, await keeper.current()} == {"token-1"}
    assert cloud.asked == 1


async def test_a_due_token_is_renewed_beside_those_who_use_the_old_one(
    keeper: Keeper, cloud: Cloud, clock: Clock
) -> None:
    await keeper.current()
    cloud.gate.clear()
    clock.now += 0.71 * LIFE
    for _ in range(3):
        assert await keeper.current() == "token-1"
        await settle()
    assert cloud.asked == 2
    cloud.gate.set()
    await settle()
    assert await keeper.current() == "token-2"


@pytest.mark.parametrize("share", [0.6, 0.8])
async def test_when_it_is_due_is_spread(cloud: Cloud, clock: Clock, share: float) -> None:
    keeper = Keeper(
        EksLogin("c", "r"), cloud.issue, clock, lambda low, high: min(high, max(low, share))
    )
    await keeper.current()
    clock.now += share * LIFE - 1
    keeper.refresh()
    await settle()
    assert cloud.asked == 1
    clock.now += 1
    keeper.refresh()
    await settle()
    assert cloud.asked == 2


async def test_a_renewal_that_fails_leaves_the_old_token_and_is_tried_again(
    keeper: Keeper, cloud: Cloud, clock: Clock
) -> None:
    await keeper.current()
    cloud.broken = True
    clock.now += 0.75 * LIFE
    for _ in range(3):
        assert await keeper.current() == "token-1"
        await settle()
    assert cloud.asked == 2
    cloud.broken = False
    clock.now += 10
    await keeper.current()
    await settle()
    assert await keeper.current() == "token-3"


async def test_without_a_good_token_the_sentence_is_told_and_the_cloud_left_in_peace(
    keeper: Keeper, cloud: Cloud, clock: Clock
) -> None:
    cloud.broken = True
    for _ in range(5):
        with pytest.raises(LoginError, match="renew the key"):
            await keeper.current()
    assert cloud.asked == 1
    clock.now += 1
    cloud.broken = False
    assert await keeper.current() == "token-2"


async def test_after_a_refusal_there_is_one_renewal_and_no_stream_of_them(
    keeper: Keeper, cloud: Cloud, clock: Clock
) -> None:
    await keeper.current()
    assert await keeper.renew() is False  # it was got this very moment
    clock.now += 60
    assert await keeper.renew() is True
    assert [await keeper.renew() for _ in range(5)] == [False] * 5
    assert cloud.asked == 2
    assert cloud.afresh == [False, True]  # what was kept may be what was refused


async def test_a_caller_that_gives_up_does_not_take_the_token_from_the_others(
    keeper: Keeper, cloud: Cloud
) -> None:
    cloud.gate.clear()
    first = asyncio.create_task(keeper.current())
    second = asyncio.create_task(keeper.current())
    await settle()
    first.cancel()
    await settle()
    cloud.gate.set()
    assert await second == "token-1"
    assert cloud.asked == 1


async def test_a_renewal_that_brings_nothing_is_explained_and_the_token_is_kept(
    keeper: Keeper, cloud: Cloud, clock: Clock
) -> None:
    await keeper.current()
    cloud.broken = True
    clock.now += 60
    renewed = [await keeper.renew()]
    assert "renew the key" in str(keeper.problem)
    assert await keeper.current() == "token-1"
    cloud.broken = False
    clock.now += 10
    renewed.append(await keeper.renew())
    assert renewed == [False, True]
    assert keeper.problem is None
