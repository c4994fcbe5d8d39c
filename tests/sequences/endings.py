"""The end of the source, told: drained, scaled to zero, brought back; or kept, and why."""

from typing import Any

from cutover.decide.readings import Gauges
from tests.fakes.plans import quick
from tests.fakes.story import Story
from tests.fakes.world import World
from tests.sequences.predictions import SCENARIOS
from tests.sequences.scenarios import MINUTE, begin, run_out, scenario

__all__ = ["SCENARIOS"]

WORKLOAD = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama-chat"}


def _begin() -> Story:
    given: dict[str, Any] = quick(
        [{"weight": 100}],
        afterCompletion={"source": "ScaleToZero", "drain": {"quiet": "1m", "timeout": "10m"}},
    )
    given["source"]["workload"] = WORKLOAD
    story = begin(given)
    story.world.sides.source.replicas = 4
    return story


def _streams(number: float) -> Gauges:
    return Gauges(instances=4.0, running=number, waiting=0.0)


@scenario
def source_drained_scaled_to_zero_and_brought_back() -> Story:
    story = _begin()
    source = story.world.sides.source

    def open_streams(world: World) -> None:
        world.sides.source.gauges = _streams(3.0)

    story.do("world", "three answers of the source are still being written", open_streams)
    story.world.run(4 * MINUTE)
    story.do("world", "the last of them ends", lambda _: setattr(source, "gauges", Gauges()))
    run_out(story)
    keep = {"source": "Keep"}
    story.do(
        "person",
        "restore-source",
        lambda w: w.rollouts.edit(lambda s: s.update(afterCompletion=keep)),
    )
    story.world.run(MINUTE)
    return story


@scenario
def source_whose_streams_never_end_is_kept() -> Story:
    story = _begin()
    story.world.sides.source.gauges = _streams(1.0)
    return run_out(story)


@scenario
def source_loses_a_server_while_soaking() -> Story:
    given = quick([{"weight": 100}, {"soak": {"duration": "5m"}}])
    given["source"]["workload"] = WORKLOAD
    story = begin(given)
    story.world.sides.source.replicas = 4
    story.world.run(3 * MINUTE)
    story.do("world", "a server of the source goes", lambda w: w.workload.scale(3))
    story.world.run(MINUTE)
    story.do("person", "scales it up again", lambda w: w.workload.scale(4))
    return run_out(story)
