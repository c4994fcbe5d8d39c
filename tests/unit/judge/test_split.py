"""The delivered weight against the declared one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.judge.split import (
    Baseline,
    Split,
    SplitReason,
    delivered_share,
    judge_mirror,
    judge_split,
)

CASES = [
    # weight, source, target → reason, sentence
    pytest.param(
        25,
        9048,
        2952,
        SplitReason.DELIVERED,
        "24.6 % of 12,000 requests reached the target at weight 25",
        id="delivered",
    ),
    pytest.param(
        25,
        11628,
        372,
        SplitReason.NOT_DELIVERED,
        "3.1 % of 12,000 requests reached the target at weight 25: the route's weight is not what requests see",
        id="under-delivered",
    ),
    pytest.param(
        5,
        800,
        200,
        SplitReason.NOT_DELIVERED,
        "20 % of 1,000 requests reached the target at weight 5: the route's weight is not what requests see",
        id="over-delivered",
    ),
    pytest.param(
        1,
        640,
        0,
        SplitReason.NO_TRAFFIC,
        "none of 640 requests reached the target at weight 1: the route's weight has no effect",
        id="no-traffic-at-1-percent",
    ),
    pytest.param(
        1,
        499,
        0,
        SplitReason.TOO_FEW_REQUESTS,
        "none of 499 requests reached the target at weight 1 yet",
        id="none-yet-at-1-percent",
    ),
    pytest.param(
        50,
        120,
        0,
        SplitReason.NO_TRAFFIC,
        "none of 120 requests reached the target at weight 50: the route's weight has no effect",
        id="no-traffic-at-50-percent-shows-sooner",
    ),
    pytest.param(
        50,
        60,
        39,
        SplitReason.TOO_FEW_REQUESTS,
        "too few requests (99) to tell the delivered weight",
        id="too-few",
    ),
    pytest.param(
        100,
        0,
        500,
        SplitReason.DELIVERED,
        "100 % of 500 requests reached the target at weight 100",
        id="all",
    ),
    pytest.param(
        100,
        9,
        991,
        SplitReason.DELIVERED,
        "99.1 % of 1,000 requests reached the target at weight 100",
        id="the-source-drains",
    ),
    pytest.param(
        100,
        200,
        800,
        SplitReason.NOT_DELIVERED,
        "80 % of 1,000 requests reached the target at weight 100: the route's weight is not what requests see",
        id="the-source-still-serves",
    ),
    pytest.param(
        0,
        1000,
        0,
        SplitReason.DELIVERED,
        "0 % of 1,000 requests reached the target at weight 0",
        id="nothing-at-0",
    ),
    pytest.param(
        0,
        900,
        100,
        SplitReason.NOT_DELIVERED,
        "10 % of 1,000 requests reached the target at weight 0: the route's weight is not what requests see",
        id="something-at-0",
    ),
]


@pytest.mark.parametrize(("weight", "source", "target", "reason", "sentence"), CASES)
def test_verdicts(weight, source, target, reason, sentence):
    split = judge_split(weight, source, target)
    assert (split.reason, split.message) == (reason, sentence)
    expected = {SplitReason.DELIVERED: True, SplitReason.TOO_FEW_REQUESTS: None}
    assert split.ok is expected.get(reason, False)


def test_two_points_are_never_too_much():
    assert judge_split(25, 7_310_000, 2_690_000).ok is True
    assert judge_split(25, 7_290_000, 2_710_000).ok is False


def test_delivered_share():
    assert delivered_share(0, 0) == 0
    assert delivered_share(300, 100) == 0.25


def test_other_callers_of_the_target_are_taken_off():
    idle = Baseline(source=100, target=20)
    assert judge_split(25, 4500, 1500 + 1200, seconds=60, baseline=idle) == Split(
        25.0,
        True,
        SplitReason.DELIVERED,
        "25 % of 6,000 requests reached the target at weight 25",
    )
    assert judge_split(25, 4500, 2700).ok is False


def test_nothing_beyond_the_other_callers_is_no_traffic():
    idle = Baseline(source=100, target=1)
    split = judge_split(25, 6000, 55, seconds=60, baseline=idle)
    assert (split.reason, split.delivered) == (SplitReason.NO_TRAFFIC, 0)


def test_other_callers_that_drown_the_route_prove_nothing():
    idle = Baseline(source=100, target=1000)
    split = judge_split(1, 6000, 60_000 - 40, seconds=60, baseline=idle)
    assert split.ok is None


def test_callers_beside_the_route_on_the_source_are_named_as_a_cause():
    split = judge_split(50, 9000, 1000, seconds=60, baseline=Baseline(160, 0))
    assert split.ok is False
    assert "callers beside the route" in split.message


@given(
    st.sampled_from([0, 1, 5, 10, 25, 50, 75, 100]),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.none() | st.builds(Baseline, st.floats(0, 1e3), st.floats(0, 1e3)),
)
def test_every_split_is_whole(weight, source, target, baseline):
    split = judge_split(weight, source, target, seconds=60, baseline=baseline)
    if split.delivered is not None:
        assert 0 <= split.delivered <= 100
    elif split.ok is not None:
        pytest.fail("a verdict without a number")


@pytest.mark.parametrize("weight", [1, 5, 10, 25, 50, 75])
def test_a_faithful_split_is_rarely_doubted(weight):
    rng = np.random.default_rng(weight)
    doubted = 0
    for _ in range(1000):
        n = int(rng.integers(500, 5000))
        target = int(rng.binomial(n, weight / 100))
        doubted += judge_split(weight, n - target, target).ok is False
    assert doubted <= 5


@pytest.mark.parametrize("weight", [5, 10, 25, 50, 75])
def test_a_split_stuck_at_the_step_before_is_found(weight):
    before = {5: 1, 10: 5, 25: 10, 50: 25, 75: 50}[weight]
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        target = int(rng.binomial(3000, before / 100))
        found += judge_split(weight, 3000 - target, target).ok is False
    assert found == 200


def test_at_the_gateway_another_route_is_named_as_a_cause_and_nobody_else():
    split = judge_split(50, 9000, 1000, gateway=True)
    assert split.ok is False
    assert "another route sends requests to the source's backend" in split.message
    assert "callers" not in split.message


@pytest.mark.parametrize(
    ("percent", "source", "target", "ok", "says"),
    [
        (100, 1000, 1000, True, "1,000 copies of 1,000 requests, of which 100 % are to be"),
        (10, 5000, 490, True, "490 copies of 5,000"),
        (10, 1000, 1000, False, "the gateway does not do what the route says"),
        (100, 1000, 0, False, "0 copies of 1,000 requests"),
        (100, 40, 40, None, "too few requests (40)"),
    ],
)
def test_copies_are_held_against_what_was_due(percent, source, target, ok, says):
    split = judge_mirror(percent, source, target, gateway=True)
    assert split.ok is ok
    assert says in split.message
    assert split.delivered is None, "a copy is no delivered weight"


def test_other_callers_of_the_target_are_no_copies():
    busy = judge_mirror(100, 600, 1200, seconds=60, baseline=Baseline(10, 10))
    assert busy.ok is True
    idle = judge_mirror(100, 600, 600, seconds=60, baseline=Baseline(10, 10))
    assert idle.ok is False


@pytest.mark.parametrize("percent", [1, 10, 50, 100])
def test_faithful_copies_are_rarely_doubted(percent):
    rng = np.random.default_rng(percent)
    doubted = 0
    for _ in range(1000):
        n = int(rng.integers(500, 5000))
        doubted += judge_mirror(percent, n, int(rng.binomial(n, percent / 100))).ok is False
    assert doubted <= 5
