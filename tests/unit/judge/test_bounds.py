"""One number against bounds: it takes some looks in a row to fail, one to pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.verdict import Verdict
from cutover.judge.bounds import BoundReason, BoundRule, judge_bounds

QUEUE = BoundRule("queue", max=3.0, min=None, looks=3)
READY = BoundRule("ready", max=None, min=2.0, looks=1)
BOTH = BoundRule("speed", max=1.5, min=0.5, looks=2, side="source")


SOON = "will pass when the step's minimum duration is over"


@pytest.mark.parametrize(
    ("rule", "look", "said", "message"),
    [
        (QUEUE, (3.0, None, 0, True), "Pass WithinBounds", "queue: 3 on target, at most 3"),
        (
            QUEUE,
            (1.23456, None, 0, False),
            "Inconclusive TooSoon",
            f"queue: 1.235 on target, at most 3: {SOON}",
        ),
        (
            QUEUE,
            (3.5, None, 2, True),
            "Inconclusive Broken",
            "queue: 3.5 on target, over 3 in 2 of 3 looks in a row: waits",
        ),
        (
            QUEUE,
            (3.5, None, 3, False),
            "Fail OverMax",
            "queue: 3.5 on target, over 3 for 3 looks in a row: fails",
        ),
        (
            READY,
            (1.0, None, 1, True),
            "Fail UnderMin",
            "ready: 1 on target, under 2 at this look: fails",
        ),
        (
            BOTH,
            (1.0, None, 0, True),
            "Pass WithinBounds",
            "speed: 1 on source, at most 1.5 and at least 0.5",
        ),
        (
            QUEUE,
            (4.0, 2.0, 0, True),
            "Pass WithinBounds",
            "queue: 4 on target, 2 on source, at most 3 × source",
        ),
        (
            QUEUE,
            (7.0, 2.0, 1, True),
            "Inconclusive Broken",
            "queue: 7 on target, 2 on source, over 3 × source in 1 of 3 looks in a row: waits",
        ),
    ],
)
def test_what_is_said_of_a_number(
    rule: BoundRule, look: tuple[float, float | None, int, bool], said: str, message: str
) -> None:
    value, source, broken_for, over = look
    found = judge_bounds(rule, value, source=source, broken_for=broken_for, min_duration_over=over)
    assert (f"{found.verdict} {found.reason}", found.message) == (said, message)
    assert found.value == value
    assert (found.source_count, found.target_count) == (None, None)


@pytest.mark.parametrize(
    ("target", "passes"), [(0.0, True), (0.1, False)], ids=["nothing on both", "more than nothing"]
)
def test_nothing_on_the_source_allows_nothing_on_the_target(target: float, passes: bool) -> None:
    """No division: three times nothing is nothing."""
    said = judge_bounds(QUEUE, target, source=0.0, broken_for=3, min_duration_over=True)
    assert (said.verdict is Verdict.PASS) is passes


numbers = st.floats(-1e6, 1e6)


@given(numbers, numbers, numbers, st.integers(1, 20), st.booleans())
def test_within_its_bounds_a_number_never_fails_and_outside_it_never_passes(
    low: float, high: float, value: float, looks: int, over: bool
) -> None:
    low, high = min(low, high), max(low, high)
    rule = BoundRule("n", max=high, min=low, looks=looks)
    said = judge_bounds(rule, value, broken_for=looks, min_duration_over=over)
    if low <= value <= high:
        assert said.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    else:
        assert said.verdict is Verdict.FAIL
        assert said.bound == (high if said.reason is BoundReason.OVER_MAX else low)
    one_less = judge_bounds(rule, value, broken_for=looks - 1, min_duration_over=over)
    assert one_less.verdict is not Verdict.FAIL
