"""How looks add up to evidence, although not every one of them is stored."""

import pytest

from cutover.decide.counting import gathered
from cutover.judge.evidence import Count, Evidence, correlation
from tests.fakes.chaos import ENOUGH, brisk_world, edit
from tests.fakes.world import World

EVEN = (Count(100.0, 2.0), Count(100.0, 10.0))


def _many(looks: int) -> tuple[Count, Count]:
    source, target = EVEN
    return Count(source.total * looks, source.bad * looks), Count(
        target.total * looks, target.bad * looks
    )


@pytest.mark.parametrize("looks", [2, 5, 40])
def test_several_looks_at_once_weigh_as_much_as_one_by_one(looks: int) -> None:
    one_by_one = Evidence.EMPTY
    for _ in range(looks):
        one_by_one = gathered(one_by_one, EVEN, None, 1)
    at_once = gathered(Evidence.EMPTY, _many(looks), None, looks)
    for side, other in ((at_once.source, one_by_one.source), (at_once.target, one_by_one.target)):
        assert (side.n, side.bad, side.looks) == (other.n, other.bad, other.looks)
        assert side.squares == pytest.approx(other.squares)
        assert side.bad_squares == pytest.approx(other.bad_squares)
    assert correlation(at_once.target) == pytest.approx(correlation(one_by_one.target))


def test_what_is_not_known_look_by_look_proves_no_spread() -> None:
    """Forty looks of which nothing was seen may all have been one burst."""
    assert gathered(Evidence.EMPTY, _many(40), None, 40).spread == 0.0
    assert gathered(Evidence.EMPTY, _many(2), None, 2).spread == pytest.approx(1.0)


def test_a_long_gap_does_not_outweigh_the_looks_that_follow() -> None:
    evidence = gathered(Evidence.EMPTY, _many(40), None, 40)
    for _ in range(4):
        evidence = gathered(evidence, EVEN, None, 1)
    assert evidence.spread == pytest.approx(4.0)


def test_nothing_new_changes_nothing() -> None:
    evidence = gathered(Evidence.EMPTY, EVEN, None, 1)
    nothing = (Count(0.0), Count(0.0))
    assert gathered(evidence, nothing, None, 1) == evidence
    assert gathered(evidence, nothing, None, 7) == evidence


def _at_half() -> World:
    world = brisk_world()
    world.run(ENOUGH, until=lambda: world.status.weights.applied == 50)
    world.run(12.0)
    return world


@pytest.mark.parametrize("gone", [60.0, 600.0, 3000.0])
def test_a_target_that_turned_bad_while_nobody_looked_fails_soon_after(gone: float) -> None:
    world = _at_half()
    world.kill()
    world.sides.target.slow = 0.15
    world.run(gone)
    world.lead()
    world.run(90.0)
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "GateFailed"


@pytest.mark.parametrize("gone", [60.0, 600.0])
def test_a_burst_while_nobody_looked_is_outlived(gone: float) -> None:
    world = _at_half()
    world.kill()
    world.run(gone / 2)
    world.sides.target.slow = 0.9
    world.run(gone / 20)
    world.sides.target.slow = 0.02
    world.run(gone / 2)
    world.lead()
    world.run(30.0)
    assert world.status.rollback is None


def test_a_target_that_turns_bad_in_a_long_pause_fails_although_little_is_stored() -> None:
    world = _at_half()
    world.do(lambda w: edit(w, paused=True))
    world.run(1500.0)
    world.sides.target.slow = 0.15
    world.run(900.0)
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "GateFailed"
