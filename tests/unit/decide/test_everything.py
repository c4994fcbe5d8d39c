"""Whatever happens in whatever order: decisions are made, promises hold, and nothing spins."""

from datetime import timedelta

from hypothesis import given

from tests.fakes.chaos import EVERYTHING, Event, brisk_world, play, schedules, tried
from tests.fakes.promises import watch_all

FORWARD = timedelta(hours=1)
"""By how much clocks can have been set forward."""


@tried
@given(schedules(*EVERYTHING, most=8))
def test_no_schedule_of_faults_breaks_a_promise(events: list[Event]) -> None:
    world = brisk_world()
    watch_all(world, slack=FORWARD)
    play(world, events)
