"""Guard looks are taken just after scrapes, and never seldom or too often."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.decide.aligning import ARRIVAL, next_guard_look

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def looks(
    interval: float,
    scrape: float,
    first: float,
    count: int,
    *,
    lateness: float = 0.02,
    took: float = 0.05,
) -> list[float]:
    """When looks are taken, in seconds, if scrapes are at 0, ``scrape``, … and are seen ``lateness`` later."""
    at, found = first, []
    for _ in range(count):
        found.append(at)
        newest = (at - lateness) // scrape * scrape
        now = BEGIN + timedelta(seconds=at + took)
        wait = next_guard_look(
            now, BEGIN + timedelta(seconds=newest), scrape, timedelta(seconds=interval)
        )
        at += took + wait.total_seconds()
    return found


@given(
    age=st.floats(-100, 1e5),
    scrape=st.floats(0.05, 300),
    interval=st.floats(1, 60),
)
def test_a_look_is_never_later_than_the_interval_nor_sooner_than_half_of_it(
    age: float, scrape: float, interval: float
) -> None:
    length = timedelta(seconds=interval)
    wait = next_guard_look(BEGIN, BEGIN - timedelta(seconds=age), scrape, length)
    slip = timedelta(microseconds=2)
    assert length / 2 - slip <= wait <= length + slip


@pytest.mark.parametrize("scrape", [1.0, 5.0, 15.0, 30.0])
@pytest.mark.parametrize("interval", [1.0, 5.0, 10.0])
@pytest.mark.parametrize("first", [0.3, 2.9, 14.4])
def test_every_scrape_is_soon_followed_by_a_look(
    scrape: float, interval: float, first: float
) -> None:
    taken = looks(interval, scrape, first, 200)
    settled = [at for at in taken if at > taken[0] + 3 * max(interval, scrape)]
    if scrape >= interval:
        # Each scrape has its look.
        for number in range(int(settled[0] // scrape) + 1, int(settled[-1] // scrape)):
            after = min(at for at in settled if at >= number * scrape + 0.02)
            assert after - number * scrape == pytest.approx(ARRIVAL.total_seconds(), abs=0.001)
    else:
        # Each look has its scrape.
        for at in settled:
            assert at % scrape == pytest.approx(ARRIVAL.total_seconds(), abs=0.001)


def test_a_sample_that_comes_late_is_found_within_half_the_interval() -> None:
    late = 0.4
    taken = looks(1.0, 1.0, 0.3, 60, lateness=late)
    waited = [min(at for at in taken if at >= n + late) - (n + late) for n in range(5, 25)]
    assert max(waited) <= 0.5 + 0.05 + 0.01


def test_looks_at_a_side_that_is_scraped_no_more_are_as_rare_as_the_interval() -> None:
    wait = next_guard_look(BEGIN, BEGIN - timedelta(seconds=40.5), 1.0, timedelta(seconds=5))
    assert wait > timedelta(seconds=4)
