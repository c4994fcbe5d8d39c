"""The end of the source: drained, scaled to zero once, brought back; kept wherever anything is not certain."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.completion import Drain
from cutover.api.leftovers import SourceFate
from cutover.api.status import Phase
from cutover.decide.draining import at_work
from cutover.decide.observation import Autoscaler, Replicas
from cutover.decide.readings import Gap, Gauges, Missing, SideReading, WindowReading
from tests.fakes import chaos
from tests.fakes.chaos import Event, brisk, brisk_world, edit, play, tried
from tests.fakes.plans import METRICS, spec
from tests.fakes.promises import watch_all
from tests.fakes.world import World

WORKLOAD = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama-chat"}
DRAIN = {"quiet": "20s", "timeout": "3m"}
END: dict[str, Any] = {"source": "ScaleToZero", "drain": DRAIN}


def ending(end: dict[str, Any] | None = None, **more: Any) -> World:
    """A brisk rollout whose source is scaled to zero at the end, on healthy servers."""
    given = brisk([{"weight": 100}], afterCompletion=END if end is None else end, **more)
    given["source"]["workload"] = WORKLOAD
    world = brisk_world(given)
    world.sides.source.replicas = 4
    world.sides.target.replicas = 4
    watch_all(world)
    return world


def fate(world: World) -> SourceFate | None:
    end = world.status.after_completion
    return end.source if end else None


def reasons(world: World) -> list[str]:
    return [said.reason for _, said in world.events]


def until(world: World, found: SourceFate, seconds: float = 600.0) -> None:
    world.run(seconds, until=lambda: fate(world) is found)
    assert fate(world) is found, world.status.message


def running(world: World, number: float) -> None:
    """So many streams stay open on the source."""
    gauges = Gauges(instances=4.0, running=number, waiting=0.0)
    world.sides.source.gauges = gauges if number else Gauges()


# --- what counts as working ---------------------------------------------------------------------


def reading(requests: float | Gap = 0.0, seconds: float = 300.0, **gauges: Any) -> SideReading:
    seen = Gauges(**{"instances": 4.0, "running": 0.0, "waiting": 0.0} | gauges)
    return SideReading((WindowReading(seconds, requests, 0.0),), 15.0, None, gauges=seen)


UNTOLD = Gap(Missing.NO_SERIES, "no such metric")


@pytest.mark.parametrize(
    ("seen", "ready", "said"),
    [
        (reading(), Replicas(4), None),
        (reading(), None, None),
        (reading(running=3.0), Replicas(4), "3 requests still run on the source"),
        (reading(running=1.0), Replicas(4), "1 request still runs on the source"),
        (reading(waiting=2.0), Replicas(4), "2 requests still wait on the source"),
        (reading(waiting=UNTOLD), Replicas(4), None),
        (reading(running=UNTOLD), Replicas(4), "it cannot be told how many requests run"),
        (reading(12.0), Replicas(4), "12 requests ended on the source within the last 5m"),
        (reading(UNTOLD), Replicas(4), "it cannot be told whether requests still reach"),
        (reading(instances=3.0), Replicas(4), "only 3 of the source's 4 ready replicas tell"),
        (reading(seconds=60.0), Replicas(4), "not yet looked back over 5m"),
        (Gap(Missing.UNREACHABLE, "no answer"), Replicas(4), "metrics cannot be read: no answer"),
        (None, Replicas(4), "have not been read yet"),
        (None, Replicas(0, 0), None),
        (None, Replicas(0, 4), "have not been read yet"),
    ],
)
def test_only_what_is_seen_to_do_nothing_does_nothing(
    seen: SideReading | Gap | None, ready: Replicas | None, said: str | None
) -> None:
    found = at_work(seen, ready, Drain())
    assert (found is None) if said is None else (found is not None and said in found)


# --- the usual end ------------------------------------------------------------------------------


def test_a_source_that_serves_nothing_is_scaled_to_zero_after_completion() -> None:
    world = ending()
    until(world, SourceFate.SCALED_TO_ZERO)
    world.run(10.0)
    assert world.workload.replicas == 0
    assert world.workload.stops == 1
    assert world.workload.mark is not None
    assert (world.workload.mark.replicas, world.workload.mark.by) == (4, "inference/llama-chat")
    assert world.route.claim_text is None
    assert world.rollouts.finalizers == []
    assert "scaled to zero (4 before)" in world.status.message
    told = reasons(world)
    assert told.index("Completed") < told.index("SourceScaledToZero")
    assert "restore-source llama-chat" in world.events[-1][1].message


def test_nothing_is_scaled_down_before_completion_is_recorded() -> None:
    world = ending()
    seen: list[Phase | None] = []
    world.watchers.append(
        lambda w: seen.append(w.status.phase) if w.workload.replicas == 0 else None
    )
    until(world, SourceFate.SCALED_TO_ZERO)
    assert set(seen) == {Phase.COMPLETED}


def test_the_source_is_kept_where_nothing_else_is_asked_for() -> None:
    world = ending({"source": "Keep"})
    world.run(600.0, until=lambda: world.status.phase is Phase.COMPLETED)
    world.run(60.0)
    assert (fate(world), world.workload.replicas) == (SourceFate.KEPT, 4)
    end = world.status.after_completion
    assert end is not None
    assert [(one.object, one.state) for one in end.left_behind] == [
        ("Deployment inference/llama-chat", "4 ready replicas"),
        ("HTTPRoute llama-chat", "names the source still, at weight 0"),
    ]
    assert "DrainBegun" not in reasons(world)


def test_open_streams_are_waited_for_and_can_still_be_rolled_back() -> None:
    world = ending()
    running(world, 3.0)
    until(world, SourceFate.DRAINING)
    world.run(70.0)
    assert str(world.status.phase) == "Progressing"
    assert "3 requests still run on the source" in world.status.message
    world.do(lambda w: edit(w, abort=True))
    world.run(30.0)
    assert (str(world.status.phase), world.workload.stops) == ("RolledBack", 0)
    assert world.status.after_completion is None


def test_once_the_streams_have_ended_it_goes_on() -> None:
    world = ending()
    running(world, 3.0)
    until(world, SourceFate.DRAINING)
    world.run(60.0)
    running(world, 0.0)
    until(world, SourceFate.SCALED_TO_ZERO, 60.0)


def test_streams_that_never_end_keep_the_source() -> None:
    world = ending()
    running(world, 2.0)
    world.run(900.0, until=lambda: world.status.phase is Phase.COMPLETED)
    world.run(60.0)
    assert (fate(world), world.workload.stops) == (SourceFate.KEPT, 0)
    assert "not drained within 3m: 2 requests still run on the source" in world.status.message
    assert reasons(world)[-1] == "SourceNotDrained"
    assert world.route.claim_text is None


def test_a_drain_without_scaling_only_waits() -> None:
    world = ending({"source": "Keep", "drain": DRAIN})
    running(world, 1.0)
    until(world, SourceFate.DRAINING)
    running(world, 0.0)
    until(world, SourceFate.KEPT, 60.0)
    assert world.status.phase is Phase.COMPLETED
    assert "it had served nothing for 20s" in world.status.message


def test_a_pause_while_draining_takes_nothing_from_its_time() -> None:
    world = ending()
    running(world, 1.0)
    until(world, SourceFate.DRAINING)
    world.do(lambda w: edit(w, paused=True))
    world.run(600.0)
    assert world.status.phase is not Phase.COMPLETED
    world.do(lambda w: edit(w, paused=False))
    world.run(60.0)
    assert fate(world) is SourceFate.DRAINING
    running(world, 0.0)
    until(world, SourceFate.SCALED_TO_ZERO, 60.0)


# --- whatever is not certain keeps it -----------------------------------------------------------


def held(world: World) -> World:
    """Completed, and its workload cannot be read yet."""
    world.workload.unreadable = Gap(Missing.UNREACHABLE, "no route to host")
    until(world, SourceFate.SCALING_DOWN)
    world.run(5.0)
    return world


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("deleted", ""),
        ("keep", "no longer asks for ScaleToZero"),
        ("abort", "spec.abort was set"),
        ("paused", "spec.paused was set"),
        ("share", "the route sends it a share again"),
        ("gone", "does not exist"),
        ("owned", "it belongs to InferenceService chat"),
        ("target", "it is the target's workload as well"),
        ("hpa", "minReplicas: 0"),
        ("unreadable", "no route to host"),
        ("forbidden", "may not be patched"),
        ("requests", "requests still run on the source"),
        ("blind", "metrics cannot be read"),
    ],
)
def test_the_source_is_kept_when(what: str, said: str) -> None:
    world = held(ending())
    if what == "requests":
        world.sides.source.other_callers = 1.0
        world.run(30.0)
        world.workload.unreadable = None

    def happen(w: World) -> None:
        work = w.workload
        match what:
            case "deleted":
                w.rollouts.delete()
            case "keep":
                edit(w, afterCompletion={"source": "Keep"})
            case "abort" | "paused":
                edit(w, **{what: True})
            case "share":
                w.route.set_by("kubectl-edit", 60)
            case "gone":
                w.route.exists = False
            case "owned":
                work.owner = "InferenceService chat"
            case "target":
                work.is_target = True
            case "hpa":
                work.scaler = Autoscaler("HorizontalPodAutoscaler", "chat", holds=False)
            case "forbidden":
                work.unwritable = "deployments may not be patched"
            case "blind":
                w.sides.source.gap = Gap(Missing.UNREACHABLE, "no answer")
            case _:
                pass
        if what not in ("unreadable", "requests"):
            work.unreadable = None

    world.do(happen)
    world.run(600.0)
    assert world.workload.stops == 0
    if what == "deleted":
        assert world.rollouts.object is None
        return
    assert fate(world) is SourceFate.KEPT
    assert said in world.status.message
    assert world.rollouts.finalizers == []
    assert reasons(world)[-1] == "SourceKept"


def test_another_rollouts_claim_keeps_the_source() -> None:
    from tests.sequences.claims import another

    world = held(ending())
    world.owner_alive = True
    world.do(lambda w: w.route.claim_by("other", another()))
    world.workload.unreadable = None
    world.run(30.0)
    assert (fate(world), world.workload.stops) == (SourceFate.KEPT, 0)


def test_who_was_scaled_to_zero_by_somebody_else_is_left_so() -> None:
    world = held(ending())
    world.workload.scale(0)
    world.workload.unreadable = None
    world.run(30.0)
    assert (fate(world), world.workload.mark) == (SourceFate.SCALED_TO_ZERO, None)
    assert "had no replicas already" in world.status.message


# --- and back -----------------------------------------------------------------------------------


def scaled_object() -> Autoscaler:
    return Autoscaler("ScaledObject", "llama-chat", holds=False)


@pytest.mark.parametrize("scaler", [None, scaled_object()])
def test_one_edit_brings_it_back(scaler: Autoscaler | None) -> None:
    world = ending()
    world.workload.scaler = scaler
    until(world, SourceFate.SCALED_TO_ZERO)
    end = world.status.after_completion
    assert end is not None
    assert any("paused at 0" in one.state for one in end.left_behind) is (scaler is not None)
    world.run(60.0)
    world.do(lambda w: edit(w, afterCompletion={"source": "Keep"}))
    until(world, SourceFate.RESTORED, 10.0)
    assert (world.workload.replicas, world.workload.mark) == (4, None)
    assert world.status.phase is Phase.COMPLETED
    assert "brought back: 4 replicas" in world.status.message
    assert world.workload.scaler == scaler


def test_what_cannot_be_brought_back_yet_is_tried_again() -> None:
    world = ending()
    until(world, SourceFate.SCALED_TO_ZERO)
    world.run(60.0)
    world.workload.unwritable = "deployments may not be patched"
    world.do(lambda w: edit(w, afterCompletion={"source": "Keep"}))
    world.run(30.0)
    assert fate(world) is SourceFate.SCALED_TO_ZERO
    assert "not brought back yet: deployments may not be patched" in world.status.message
    world.workload.unwritable = ""
    until(world, SourceFate.RESTORED, 30.0)


def test_scaling_down_is_not_asked_for_twice() -> None:
    world = ending()
    until(world, SourceFate.SCALED_TO_ZERO)
    world.do(lambda w: edit(w, afterCompletion={"source": "Keep"}))
    until(world, SourceFate.RESTORED, 30.0)
    world.do(lambda w: edit(w, afterCompletion={"source": "ScaleToZero"}))
    world.run(120.0)
    assert (world.workload.replicas, world.workload.stops) == (4, 1)


# --- laws ---------------------------------------------------------------------------------------

_things = st.sampled_from(
    ["streams", "workload away", "forbidden", "calls", "scaled by hand"],
)


def _disturb(world: World, what: str) -> None:
    work, source = world.workload, world.sides.source
    match what:
        case "streams":
            running(world, 0.0 if source.gauges.running == 2.0 else 2.0)
        case "workload away":
            away = work.unreadable is not None
            work.unreadable = None if away else Gap(Missing.UNREACHABLE, "no route to host")
        case "forbidden":
            work.unwritable = "" if work.unwritable else "may not be patched"
        case "calls":
            source.other_callers = 0.0 if source.other_callers else 3.0
        case _:
            work.scale(2 if work.replicas else 4)


disturbances = st.tuples(st.sampled_from([3.0, 20.0, 61.0, 150.0]), _things).map(
    lambda drawn: Event(drawn[0], drawn[1], lambda world: _disturb(world, drawn[1]))
)


@tried
@given(
    st.lists(
        st.one_of(disturbances, chaos.restarts, chaos.crashes, chaos.gaps, chaos.route_away,
                  chaos.hands, chaos.aborts, chaos.deletions, chaos.conflicts, chaos.answers_lost),
        min_size=1, max_size=7,
    )
)  # fmt: skip
def test_whatever_happens_no_source_that_serves_is_stopped(events: list[Event]) -> None:
    """Nor one before completion, nor while the route sends it anything, nor twice."""
    world = ending()
    world.run(30.0)
    stopped: list[int] = [0]

    def check(w: World) -> None:
        if w.workload.stops == stopped[0]:
            return
        stopped[0] = w.workload.stops
        assert w.status.phase is Phase.COMPLETED
        assert w.route.highest == 100.0
        assert w.route.claim_text is not None, "the claim went first"
        assert w.sides.source.gauges.running != 2.0
        assert stopped[0] == 1

    world.watchers.append(check)
    play(world, events, rest=900.0)


@pytest.mark.parametrize("point", range(6))
def test_a_crash_anywhere_stops_it_once_and_tells_it(point: int) -> None:
    for turn in range(4):
        world = ending()
        world.run(600.0, until=lambda w=world: w.status.phase is Phase.COMPLETED)  # type: ignore[misc]
        for _ in range(turn):
            world.run(0.5)
        world.crash_in_next_turn(point)
        until(world, SourceFate.SCALED_TO_ZERO, 120.0)
        world.run(30.0)
        assert (world.workload.replicas, world.workload.stops) == (0, 1)
        assert (world.route.claim_text, world.rollouts.finalizers) == (None, [])


# --- what is refused ----------------------------------------------------------------------------


def _refused(given: dict[str, Any]) -> str:
    from cutover.decide.observation import Refusal
    from cutover.decide.plan import resolve
    from tests.fakes.plans import GATES

    thing = {"metadata": {"namespace": "inference", "name": "x"}, "spec": given}
    found = resolve(thing, operator_version="1", default_gates=GATES, metrics=METRICS)
    return found.message if isinstance(found, Refusal) else ""


def test_a_source_that_cannot_be_named_or_drained_is_refused() -> None:
    given = spec([{"weight": 100}], afterCompletion={"source": "ScaleToZero"})
    assert "name what to scale in spec.source.workload" in _refused(given)
    given["source"]["workload"] = WORKLOAD
    assert not _refused(given)
    given["target"]["workload"] = WORKLOAD
    assert not _refused(given)
    given["target"]["cluster"] = {}
    assert "would stop the target" in _refused(given)


def test_a_profile_that_tells_no_running_requests_cannot_be_drained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cutover.api.sides import Profile

    told = replace(METRICS[Profile.VLLM], running=False)
    monkeypatch.setitem(METRICS, Profile.VLLM, told)
    given = spec([{"weight": 100}], afterCompletion={"drain": {}})
    assert "does not tell how many requests are running" in _refused(given)
