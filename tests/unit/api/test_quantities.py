"""What people write as durations, shares and ratios means what they mean."""

from datetime import timedelta

import pytest

from cutover.api.quantities import format_duration, parse_duration, parse_ratio, parse_share


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("250ms", 0.25),
        ("90s", 90),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("720h", 2_592_000),
        ("1m1s1ms", 61.001),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "1d", "-5s", "5 s", "s", "1h 30m", "∞"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration; write it like 30s, 5m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "share"), [("0%", 0), ("0.1%", 0.001), ("5%", 0.05), ("100%", 1), ("100.0%", 1)]
)
def test_shares_are_of_one(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "5", "101%", "100.1%", "-1%", "5 %", "0.00001%", "5%%"])
def test_what_is_no_share_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no share; write it like 5% or 0.1%"):
        parse_share(text)


@pytest.mark.parametrize(("text", "ratio"), [("2", 2), ("1.5", 1.5), ("0.25", 0.25)])
def test_ratios_are_decimal_numbers(text: str, ratio: float) -> None:
    assert parse_ratio(text) == ratio


@pytest.mark.parametrize("text", ["", "1e3", "-1", "2x", ".5", "1.", "NaN", "1234567"])
def test_what_is_no_ratio_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no decimal number; write it like 2 or 1.5"):
        parse_ratio(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0.4, "0s"),
        (45, "45s"),
        (90, "1m30s"),
        (720, "12m"),
        (725, "12m"),
        (5400, "1h30m"),
        (7200, "2h"),
        (7259, "2h"),
    ],
)
def test_lengths_are_written_as_people_read_them(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
