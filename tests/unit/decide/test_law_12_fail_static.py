"""Law 12: if the operator dies, the split stays where it is, and the next leader goes on from the status.

The alert that nobody is watching is the shell's part.
"""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, Event, brisk_world, edit, play, schedules, tried
from tests.fakes.promises import phases_follow_the_table, raises_are_earned
from tests.fakes.story import weights_written

moments = st.sampled_from([0.01, 0.05, 5.0, 31.0, 62.0, 75.0, 100.0, 130.0, 150.0])
away = st.sampled_from([1.0, 16.0, 300.0, 90_000.0])
WHILE_AWAY = (chaos.gaps, chaos.ill_source, chaos.requests, chaos.status_refused)


@tried
@given(moments, away, schedules(*WHILE_AWAY, most=3))
def test_nothing_moves_while_nobody_leads(moment: float, gone: float, events: list[Event]) -> None:
    world = brisk_world()
    world.run(moment)
    world.kill()
    rules, claim = world.route.rules, world.route.claim_text
    play(world, events, rest=gone)
    assert (world.route.rules, world.route.claim_text) == (rules, claim)


@tried
@given(moments, away, st.sampled_from([0.0, -20.0, 3.0]))
def test_the_next_leader_goes_on_where_the_last_one_was(
    moment: float, gone: float, skew: float
) -> None:
    world = brisk_world()
    world.watchers += [raises_are_earned(timedelta(seconds=3)), phases_follow_the_table()]
    world.run(moment)
    world.kill()
    step, written = world.step, weights_written(world)
    world.run(gone)
    world.lead(skew=timedelta(seconds=skew))
    world.run(1.0)
    assert world.step in (step, step + 1) or step == -1
    assert weights_written(world)[: len(written)] == written
    world.run(2 * ENOUGH)
    assert world.status.phase == "Completed"
    assert weights_written(world) == [10, 50, 100]


@tried
@given(moments, away, st.sampled_from(["abort", "delete", "pause", "errors", "hand"]))
def test_what_was_asked_while_nobody_led_is_done_then(
    moment: float, gone: float, what: str
) -> None:
    world = brisk_world()
    world.run(moment)
    had_traffic = world.route.highest > 0
    world.kill()
    if what == "abort":
        edit(world, abort=True)
    elif what == "delete":
        world.rollouts.delete()
    elif what == "pause":
        edit(world, paused=True)
    elif what == "hand":
        world.route.set_by("kubectl-edit", 0)
    else:
        world.sides.target.failing = 0.6
    world.run(gone)
    live = world.route.rules
    world.lead()
    world.run(40.0)
    if what in ("abort", "delete") or (what == "errors" and had_traffic):
        assert world.route.highest == 0
    if what == "delete":
        assert world.rollouts.object is None
    if what in ("pause", "hand") and had_traffic:
        assert world.route.rules == live
        assert world.status.pause is not None


@tried
@given(st.lists(st.tuples(moments, st.sampled_from([0.0, 5.0, 60.0])), max_size=6))
def test_a_change_of_leaders_by_itself_is_never_a_reason_to_roll_back(
    deaths: list[tuple[float, float]],
) -> None:
    world = brisk_world()
    for moment, gone in deaths:
        world.run(moment)
        world.kill()
        world.run(gone)
        world.lead()
    world.run(2 * ENOUGH)
    assert world.status.phase == "Completed"
    assert world.status.rollback is None
    assert weights_written(world) == [10, 50, 100]
