"""Law 3: on rollback the weight only falls; RolledBack is left by raising ``attempt`` alone, and
Completed is final.
"""

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.fakes import chaos
from tests.fakes.chaos import ENOUGH, Event, brisk_world, edit, play, schedules, tried
from tests.fakes.promises import phases_follow_the_table, weight_only_falls_on_rollback
from tests.fakes.world import World

ANYTHING_BUT_ATTEMPT = (
    *chaos.FAULTS,
    chaos.pauses,
    chaos.edits,
    chaos.hands,
    chaos.claims,
    chaos.ill_target,
    chaos.route_gone,
)
ends = st.sampled_from(["abort", "errors"])


def _watched() -> World:
    world = brisk_world()
    world.watchers += [weight_only_falls_on_rollback(), phases_follow_the_table()]
    return world


def _end(world: World, how: str) -> None:
    if how == "abort":
        world.do(lambda w: edit(w, abort=True))
    else:
        world.sides.target.failing = 0.5


@tried
@given(
    schedules(*ANYTHING_BUT_ATTEMPT, most=3), ends, schedules(*ANYTHING_BUT_ATTEMPT), st.booleans()
)
def test_after_a_rollback_is_decided_nothing_rises(
    before: list[Event], how: str, after: list[Event], unabort: bool
) -> None:
    world = _watched()
    play(world, before, rest=20.0)
    _end(world, how)
    world.run(15.0)
    if unabort:
        world.do(lambda w: edit(w, abort=False))
    play(world, after)


@tried
@given(ends, schedules(*ANYTHING_BUT_ATTEMPT))
def test_only_a_higher_attempt_leaves_rolled_back(how: str, events: list[Event]) -> None:
    world = _watched()
    world.run(50.0)
    _end(world, how)
    world.run(40.0)
    assert world.status.phase == "RolledBack"
    play(world, [Event(1.0, "abort away", lambda w: edit(w, abort=False)), *events])
    assert world.status.phase == "RolledBack"
    world.sides.target.failing = 0.002
    world.do(lambda w: edit(w, attempt=2))
    assume(world.route.highest == 0)
    world.run(30.0)
    assert world.status.phase in ("Pending", "Preflight", "Progressing")
    assert world.status.attempt == 2


@tried
@given(schedules(*ANYTHING_BUT_ATTEMPT, chaos.aborts))
def test_completed_is_final(events: list[Event]) -> None:
    world = _watched()
    world.run(ENOUGH)
    assert world.status.phase == "Completed"
    play(world, [*events, Event(1.0, "attempt 2", lambda w: edit(w, attempt=2, abort=False))])
    assert world.status.phase == "Completed"
    written = [change for change in world.route.changes if change.who == "cutover"]
    assert written[-1].after == written[-2].after
    assert written[-1].claim_after is None


@tried
@given(st.sampled_from([10, 50, 100]), st.integers(0, 100))
def test_a_rollback_undoes_whatever_somebody_raises_meanwhile(weight: int, hand: int) -> None:
    """No limit of five here: putting back is not a fight about who is right."""
    world = _watched()
    world.run(ENOUGH, until=lambda: world.status.weights.applied == weight)
    world.route.unwritable = "httproutes may not be patched"
    world.do(lambda w: edit(w, abort=True))
    for _ in range(8):
        world.run(1.0)
        world.do(lambda w: w.route.set_by("argocd", hand))
    world.route.unwritable = ""
    world.run(2.0)
    assert world.route.highest == 0
