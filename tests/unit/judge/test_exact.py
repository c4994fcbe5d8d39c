"""Exact bounds, against scipy's and against the published table of how many samples show 0.1 %."""

import pytest
from scipy.stats import binomtest

from cutover.judge import exact


@pytest.mark.parametrize(
    ("bad", "total"), [(0, 10), (0, 500), (1, 500), (7, 300), (299, 300), (5, 5)]
)
@pytest.mark.parametrize("sure", [0.9, 0.95, 0.99])
def test_the_bounds_are_clopper_and_pearsons(bad: int, total: int, sure: float) -> None:
    two_sided = binomtest(bad, total).proportion_ci(1 - 2 * (1 - sure), method="exact")
    assert exact.upper(bad, total, sure) == pytest.approx(two_sided.high)
    assert exact.lower(bad, total, sure) == pytest.approx(two_sided.low)


def test_nothing_shows_nothing() -> None:
    assert exact.upper(0, 0) == 1.0
    assert exact.lower(0, 0) == 0.0


# The 95 % row and the corners of the table in the domain notes, §C.6 (upper bound ≤ 0.1 %).
@pytest.mark.parametrize(
    ("bad", "sure", "needed"),
    [
        (0, 0.95, 2995),
        (1, 0.95, 4742),
        (2, 0.95, 6294),
        (3, 0.95, 7752),
        (4, 0.95, 9151),
        (5, 0.95, 10511),
        (0, 0.90, 2302),
        (5, 0.99, 13105),
    ],
)
def test_how_many_show_a_tenth_of_a_percent(bad: int, sure: float, needed: int) -> None:
    assert exact.total_needed(bad, 0.001, sure) == pytest.approx(needed, abs=1)


def test_how_many_clean_ones_show_a_limit() -> None:
    assert exact.clean_needed(0.01) == 299
    assert exact.clean_needed(0.001) == 2995
    assert exact.upper(0, 299) <= 0.01 < exact.upper(0, 298)
