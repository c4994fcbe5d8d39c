"""Buckets: reading them, bringing two servers' together, and choosing an edge."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.judge.evidence import Count
from cutover.judge.histogram import (
    Buckets,
    Snapped,
    aligned,
    common_edges,
    quantile_bracket,
    share_above,
    snap,
)

edge_lists = st.lists(st.sampled_from([0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0]), unique=True)


@st.composite
def buckets(draw) -> Buckets:
    edges = (*sorted(draw(edge_lists)), inf)
    total, counts = 0.0, []
    for _ in edges:
        total += draw(st.floats(0, 1000))
        counts.append(total)
    return Buckets(edges, tuple(counts))


def test_one_edge_written_in_two_ways_is_one_edge():
    read = Buckets.parse({"1": 5, "1.0": 3, "0.5": 4, "+Inf": 10})
    assert read == Buckets((0.5, 1.0, inf), (4, 8, 10))


def test_a_little_scrape_skew_is_repaired_upwards():
    read = Buckets.parse({"0.5": 100, "1": 98, "2.5": 101, "+Inf": 100.5})
    assert read == Buckets((0.5, 1.0, 2.5, inf), (100, 100, 101, 101))


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param({"1": 5}, id="no-total"),
        pytest.param({"1": nan, "+Inf": 9}, id="nan"),
        pytest.param({"1": 5, "+Inf": inf}, id="infinite"),
        pytest.param({"1": 500, "2": 200, "+Inf": 1000}, id="servers-with-different-edges"),
        pytest.param({}, id="nothing"),
    ],
)
def test_what_is_no_histogram_is_not_read(counts):
    assert Buckets.parse(counts) is None


@pytest.mark.parametrize(
    ("edges", "cumulative"),
    [((1.0,), (1.0,)), ((inf,), ()), ((2.0, 1.0, inf), (1, 2, 3)), ((), ())],
)
def test_buckets_that_cannot_be(edges, cumulative):
    with pytest.raises(ValueError, match="edge"):
        Buckets(edges, cumulative)


@given(buckets(), buckets())
def test_aligning_keeps_counts_and_only_common_edges(a, b):
    left, right = aligned(a, b)
    assert left.edges == right.edges == common_edges(a.edges, b.edges)
    assert left.edges[-1] == inf
    assert left.total == a.total
    assert right.total == b.total
    for edge in left.edges:
        assert share_above(left, edge) == share_above(a, edge)
        assert share_above(right, edge) == share_above(b, edge)
    assert aligned(left, right) == (left, right)
    assert aligned(b, a) == (right, left)


@given(buckets(), st.floats(0.001, 0.999))
def test_a_quantile_lies_in_its_bracket(one, q):
    bracket = quantile_bracket(one, q)
    if not one.total:
        assert bracket is None
        return
    assert bracket is not None
    low, high = bracket
    assert low < high
    assert one.cumulative[one.edges.index(high)] >= q * one.total
    if low > 0:
        assert one.cumulative[one.edges.index(low)] < q * one.total


def test_share_above_an_edge():
    one = Buckets((0.5, 1.0, inf), (400, 950, 1000))
    assert share_above(one, 1.0) == Count(1000, 50)
    assert share_above(one, inf) == Count(1000, 0)
    assert quantile_bracket(one, 0.95) == (0.5, 1.0)
    assert quantile_bracket(one, 0.99) == (1.0, inf)
    assert quantile_bracket(one, 0.2) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("threshold", "edges", "snapped"),
    [
        pytest.param(1.0, (0.5, 1.0, 2.5, inf), Snapped(1.0, None), id="on-an-edge"),
        pytest.param(0.1 + 0.2, (0.3, inf), Snapped(0.3, None), id="on-an-edge-but-for-rounding"),
        pytest.param(
            2.0,
            (0.75, 1.0, 2.5, 5.0, inf),
            Snapped(1.0, "2 s is no bucket edge of both sides: judged at 1 s, the next lower edge"),
            id="vllm-has-no-2s",
        ),
        pytest.param(
            0.05,
            (0.1, 0.3, inf),
            Snapped(
                0.1, "50 ms is no bucket edge of both sides: judged at 100 ms, the lowest edge"
            ),
            id="below-the-lowest",
        ),
        pytest.param(1.0, (inf,), None, id="no-edge-in-common"),
    ],
)
def test_a_threshold_sits_on_an_edge_the_stricter_one(threshold, edges, snapped):
    assert snap(threshold, edges) == snapped


@given(st.floats(0.001, 100), edge_lists)
def test_the_edge_is_looser_only_when_none_is_stricter(threshold, edges):
    found = snap(threshold, edges)
    if found is None:
        assert not edges
    elif found.edge > threshold * (1 + 1e-9):
        assert found.edge == min(edges)
