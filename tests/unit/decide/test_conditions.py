"""Conditions and columns: what waits, what is stuck, and nothing that flaps."""

from collections.abc import Callable

import pytest

from cutover.decide.readings import Gap, Missing
from cutover.decide.route import RuleWeights
from tests.fakes.chaos import brisk, brisk_world, edit
from tests.fakes.world import World
from tests.sequences.claims import another


def _conditions(world: World) -> dict[str, tuple[str, str]]:
    return {one.type: (str(one.status), one.reason) for one in world.status.conditions}


def _deed(name: str) -> Callable[[World], None]:
    def deed(world: World) -> None:
        match name:
            case "pause":
                edit(world, paused=True)
            case "stop":
                world.route.set_by("kubectl-edit", 0)
            case "abort":
                edit(world, abort=True)
            case "stuck rollback":
                world.route.unwritable = "forbidden"
                edit(world, abort=True)
            case "claimed":
                world.owner_alive = True
                world.route.claim_by("other", another())
            case "rules":
                world.route.set_by("git", (*world.route.rules, RuleWeights(4, 1, 0)))
            case "unreachable":
                world.route.unreadable = "Unreachable: away"
            case "gone":
                world.route.exists = False
            case "unaccepted":
                world.route.gateway_stuck = True
                world.route.generation += 1
            case "blind":
                world.sides.target.gap = Gap(Missing.STALE, "the newest sample is 5 min old")
            case "undelivered":
                world.route.accepted_rules = (RuleWeights(0, 96, 4),)
            case _:
                pass

    return deed


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", {"Stalled": ("False", "Moving"), "Reconciling": ("True", "Moving"),
              "TrafficApplied": ("True", "Applied"), "RollbackReady": ("True", "SourceReady"),
              "AnalysisHealthy": ("True", "Readable"), "Accepted": ("True", "Accepted"),
              "Paused": ("False", "NotPaused"), "Finished": ("False", "NotFinished"),
              "Ready": ("False", "NotFinished")}),
        ("pause", {"Paused": ("True", "Requested"), "Stalled": ("True", "Requested"),
                   "Reconciling": ("False", "Waiting")}),
        ("stop", {"Paused": ("True", "EmergencyStop"), "Stalled": ("True", "EmergencyStop")}),
        ("abort", {"Finished": ("True", "RolledBack"), "Ready": ("False", "RolledBack"),
                   "Stalled": ("True", "RolledBack"), "Reconciling": ("False", "RolledBack")}),
        ("stuck rollback", {"Stalled": ("True", "RollbackBlocked"),
                            "TrafficApplied": ("False", "NotWritten")}),
        ("claimed", {"Stalled": ("True", "RouteInUse"), "TrafficApplied": ("False", "RouteInUse"),
                     "RollbackReady": ("False", "RouteInUse")}),
        ("rules", {"Stalled": ("True", "RulesChanged"), "TrafficApplied": ("False", "RulesChanged")}),
        ("unreachable", {"TrafficApplied": ("Unknown", "RouteUnreachable"),
                         "RollbackReady": ("False", "RouteUnreachable"),
                         "Stalled": ("False", "Moving")}),
        ("gone", {"TrafficApplied": ("Unknown", "RouteNotFound"),
                  "Stalled": ("True", "RouteNotFound")}),
        ("unaccepted", {"TrafficApplied": ("False", "NotAccepted"), "Stalled": ("False", "Moving")}),
        ("blind", {"AnalysisHealthy": ("False", "Stale"), "Stalled": ("False", "Moving")}),
        ("undelivered", {"TrafficApplied": ("False", "NotDelivered")}),
    ],
)  # fmt: skip
def test_each_trouble_has_its_conditions(name: str, expected: dict[str, tuple[str, str]]) -> None:
    steps = [{"weight": 10}, {"weight": 11}, {"weight": 100}]
    world = brisk_world(brisk(steps, analysis={"minRequests": 800}))
    world.run(30.0)
    world.do(_deed(name))
    world.run(41.0 if name == "undelivered" else 12.0)
    found = _conditions(world)
    assert {kind: found[kind] for kind in expected} == expected


def test_an_approval_needs_a_person() -> None:
    world = brisk_world(brisk([{"approval": {"name": "go"}}, {"weight": 100}]))
    world.run(20.0)
    assert _conditions(world)["Stalled"] == ("True", "ApprovalNeeded")
    world.do(lambda w: edit(w, approved=[{"name": "go", "attempt": 1}]))
    world.run(20.0)
    assert _conditions(world)["Stalled"] == ("False", "Moving")


def test_completed_is_ready() -> None:
    world = brisk_world()
    world.run(400.0)
    assert _conditions(world)["Ready"] == ("True", "Completed")
    assert _conditions(world)["Stalled"] == ("False", "Completed")


def test_an_undisturbed_rollout_changes_each_condition_as_often_as_it_must() -> None:
    world = brisk_world()
    changes: dict[str, list[str]] = {}

    def watch(world: World) -> None:
        for one in world.status.conditions:
            seen = changes.setdefault(one.type, [])
            if seen[-1:] != [str(one.status)]:
                seen.append(str(one.status))

    world.watchers.append(watch)
    world.run(400.0)
    assert changes["TrafficApplied"] == ["False", "True"] * 3 or changes["TrafficApplied"] == [
        "True", "False", "True", "False", "True", "False", "True",
    ]  # fmt: skip
    for kind in ("Accepted", "AnalysisHealthy", "RollbackReady"):
        assert changes[kind] == ["True"]
    for kind in ("Finished", "Ready"):
        assert changes[kind] == ["False", "True"]
    assert changes["Reconciling"] == ["True", "False"]
    assert changes["Stalled"] == ["False"]
    assert changes["Paused"] == ["False"]


def test_the_columns_tell_the_same_as_the_status() -> None:
    world = brisk_world()
    world.run(40.0)
    summary = world.status.summary
    assert (summary.phase, summary.step, summary.weight) == ("Progressing", "1/4", 10)
    assert (summary.source, summary.target) == ("in-cluster", "gke-usc1")
    assert summary.delivered == "10.0%"
    world.do(lambda w: edit(w, paused=True))
    world.run(1.0)
    assert world.status.summary.phase == "Paused"
    world.do(lambda w: edit(w, abort=True))
    world.run(1.0)
    assert world.status.summary.phase == "RolledBack"


def test_every_condition_carries_the_generation_it_was_told_of() -> None:
    world = brisk_world()
    world.run(30.0)
    world.do(lambda w: edit(w, approved=[]))
    world.run(11.0)
    generations = {one.type: one.observed_generation for one in world.status.conditions}
    assert generations["Accepted"] == generations["Stalled"] == world.rollouts.generation
