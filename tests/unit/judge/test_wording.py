"""Numbers as people read them."""

import pytest

from cutover.judge.wording import about, count, duration, percent


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.051, "5.1 %"),
        (0.05, "5 %"),
        (0.0314159, "3.1 %"),
        (0.246, "24.6 %"),
        (0.2, "20 %"),
        (0.00062, "0.062 %"),
        (0.0000012, "0.00012 %"),
        (0.0999, "10 %"),
        (0.09951, "10 %"),
    ],
)
def test_percent(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "1"),
        (3.2, "4"),
        (12, "12"),
        (119.6, "120"),
        (121, "130"),
        (2350, "2,400"),
        (99.9, "100"),
    ],
)
def test_about_rounds_up(value, text):
    assert about(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.025, "25 ms"), (0.5, "500 ms"), (1, "1 s"), (2.5, "2.5 s"), (119, "119 s"), (120, "2 min")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_count():
    assert count(1239.6) == "1,240"
