"""What a look asks for, and when the next one is due."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cutover.api.status import Phase, Plan, Status
from cutover.decide.looking import NOTHING, Wanted, wanted
from cutover.decide.observation import Commands
from tests.fakes.chaos import ENOUGH, brisk_world
from tests.fakes.promises import somebody_watches
from tests.fakes.world import World

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def world() -> World:
    world = brisk_world()
    world.run(ENOUGH, until=lambda: world.status.weights.applied == 50)
    world.run(25.0)
    return world


def _wanted(world: World, status: Status | None = None, **more: object) -> Wanted:
    status = status or world.status
    given = {
        "now": world.now,
        "last_full_look": world.now - 20 * SECOND,
        "scrape_seconds": 1.0,
        "latched": False,
        **more,
    }
    commands = Commands(1, has_finalizer=True)
    return wanted(status, commands, status.plan, **given)  # type: ignore[arg-type]


def test_a_full_look_reads_back_to_where_the_evidence_begins(world: World) -> None:
    since = world.status.evidence_since
    assert since is not None
    want = _wanted(world)
    assert want.long_window == round((world.now - since) / SECOND)
    assert want.long_window in want.windows
    assert want.route
    assert want.reach


def test_between_full_looks_the_guards_look_alone(world: World) -> None:
    want = _wanted(world, last_full_look=world.now - 3 * SECOND)
    assert want.long_window is None
    assert want.windows[0] == 4.0


@pytest.mark.parametrize("ahead", [0.5, 30.0, 3600.0])
def test_a_last_look_in_the_future_counts_for_nothing(world: World, ahead: float) -> None:
    want = _wanted(world, last_full_look=world.now + ahead * SECOND)
    assert want.long_window is not None


def test_a_window_too_short_to_tell_an_increase_is_not_asked_for(world: World) -> None:
    young = world.status.model_copy(update={"evidence_since": world.now - 3 * SECOND})
    assert _wanted(world, young).long_window is None
    assert _wanted(world, young, scrape_seconds=0.5).long_window == 3.0


def test_a_rollback_needs_the_route_and_nothing_else(world: World) -> None:
    rolling = world.status.model_copy(update={"phase": Phase.ROLLING_BACK})
    assert _wanted(world, rolling) == Wanted(route=True, going_back=True)
    assert _wanted(world, latched=True) == Wanted(route=True, going_back=True)


def test_without_a_plan_nothing_can_be_looked_at(world: World) -> None:
    nothing = world.status.model_copy(update={"plan": None})
    assert _wanted(world, nothing) == NOTHING


def test_preflight_reads_the_sources_past(world: World) -> None:
    status = world.status.model_copy(update={"phase": Phase.PREFLIGHT})
    assert _wanted(world, status).long_window == 600.0


@pytest.mark.parametrize(("phase", "held"), [(Phase.COMPLETED, True), (Phase.ROLLED_BACK, False)])
def test_what_is_over_is_looked_at_until_it_is_let_go(
    world: World, phase: Phase, held: bool
) -> None:
    status = world.status.model_copy(update={"phase": phase})
    assert isinstance(status.plan, Plan)
    commands = replace(Commands(1), has_finalizer=held)
    want = wanted(
        status,
        commands,
        status.plan,
        now=world.now,
        last_full_look=None,
        scrape_seconds=None,
        latched=False,
    )
    assert want == Wanted(route=held)


def test_a_webhook_that_rewrites_every_weight_does_not_make_it_spin() -> None:
    """The world counts turns at one instant; a raise that never takes effect is tried once a second."""
    world = brisk_world()
    world.watchers.append(somebody_watches)
    world.run(0.05)
    world.route.mutated = lambda rules: tuple(replace(r, source=100, target=3) for r in rules)
    world.run(30.0)
    assert world.turns < 120


def test_a_status_that_is_never_stored_does_not_make_it_spin() -> None:
    world = brisk_world()
    world.rollouts.refuses_status = "no space left"
    world.run(60.0)
    assert world.turns < 120
    assert not world.route.changes
