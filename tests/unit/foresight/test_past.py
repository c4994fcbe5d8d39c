"""The source's past as arrays."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.foresight.past import GatePast, Past, Scaling

EDGES = (0.25, 0.5, 0.75, 1.0, 2.5, inf)


def array(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=float)


def past(total: np.ndarray, bad: np.ndarray) -> Past:
    return Past(0.0, 30.0, 15.0, total, bad, {"errors": GatePast(total, bad, bad)})


@pytest.mark.parametrize(
    ("factor", "asked", "worse"),
    [
        # 1 / 2 is an edge: exactly the 40 that took longer than 0.5 s.
        pytest.param(2.0, (0.5, 1.0), 40.0, id="an edge"),
        # 1 / 1.6 = 0.625 lies half way between 0.5 and 0.75: half of those between count.
        pytest.param(1.6, (0.5, 0.75, 1.0), 30.0, id="between two edges"),
        # 1 / 8 lies half way in the first bucket.
        pytest.param(8.0, (0.25, 1.0), 80.0, id="in the first bucket"),
    ],
)
def test_of_slower_requests_those_are_slow_that_lie_above_the_edge_divided_by_the_factor(
    factor: float, asked: tuple[float, ...], worse: float
) -> None:
    below = {0.25: array(40.0), 0.5: array(60.0), 0.75: array(80.0), 1.0: array(95.0)}
    scaling = Scaling.between(EDGES, 1.0, factor)
    assert scaling.edges == asked
    assert scaling.worse(array(100.0), below)[0] == pytest.approx(worse)


@given(st.floats(1.01, 20.0), st.lists(st.integers(0, 50), min_size=5, max_size=5))
def test_slower_requests_are_never_fewer_and_never_more_than_all(
    factor: float, cells: list[int]
) -> None:
    sums = np.cumsum(cells).astype(float)
    below = {edge: array(count) for edge, count in zip(EDGES[:-1], sums, strict=True)}
    total = array(sums[-1] + 7)
    worse = Scaling.between(EDGES, 1.0, factor).worse(total, below)[0]
    assert total[0] - below[1.0][0] - 1e-9 <= worse <= total[0]


def test_looks_that_are_not_known_are_neither_zero_nor_counted() -> None:
    nan = float("nan")
    one = past(array(nan, 60.0, nan, 30.0), array(nan, 6.0, nan, 3.0))
    assert one.known.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert one.rate == pytest.approx(1.5)
    assert one.gates["errors"].share == pytest.approx(0.1)


def test_what_came_before_a_plan_tells_its_bursts_and_what_comes_after_does_not() -> None:
    total = np.full(400, 100.0)
    bad = np.where(np.arange(400) % 20 == 0, 40.0, 0.0)
    bad[200:] = 2.0
    one = past(total, bad)
    early, late = (one.bursts("errors", at, 200, 2).correlation for at in (200, 400))
    assert early is not None and early > 0.1
    assert late == pytest.approx(0.0, abs=0.01)
    assert one.bursts("errors", 20, 200, 2).correlation is None
