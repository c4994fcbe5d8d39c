"""Guards decide on the shortest window that holds enough, so a look needs none beyond it."""

import pytest

from cutover.decide.readings import Gap, Missing, Reading, SideReading, WindowReading
from cutover.decide.sufficing import windows_needed

SILENT = Gap(Missing.NO_DATA, "nothing")


def side(*requests: float | Gap) -> Reading:
    windows = tuple(
        WindowReading(float(4**number), one, 0.0) for number, one in enumerate(requests, start=1)
    )
    return SideReading(windows, scrape_seconds=1.0, newest_sample=None)


@pytest.mark.parametrize(
    ("source", "target", "needed"),
    [
        (side(60.0, 200.0), side(50.0, 190.0), 1),
        (side(60.0, 200.0), side(49.9, 190.0), 2),
        (side(40.0, 200.0), side(60.0, 190.0), 2),
        (side(60.0, 200.0), side(SILENT, 190.0), 2),
        (side(60.0, 200.0), side(3.0, 20.0), None),
        (side(0.0, 0.0), side(60.0, 190.0), None),
        (side(60.0, 200.0), side(SILENT, SILENT), None),
        (side(60.0), Gap(Missing.UNREACHABLE, "down"), None),
        (None, side(60.0), None),
    ],
)
def test_as_many_windows_are_needed_as_lead_to_enough_on_both_sides(
    source: Reading | None, target: Reading | None, needed: int | None
) -> None:
    assert windows_needed(source, target) == needed
