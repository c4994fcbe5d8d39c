"""Whole rollouts that are judged by what the two sides answer: golden inputs, labels, lengths, means."""

from collections.abc import Callable, Mapping
from typing import Any

from cutover.decide.observation import Outcome, Probe, Refusal
from cutover.decide.readings import Gap, Missing
from tests.fakes.plans import quick
from tests.fakes.story import Story
from tests.fakes.world import World
from tests.sequences.scenarios import (
    ERRORS_GATE,
    FIRST_TOKEN_GATE,
    MINUTE,
    SCENARIOS,
    begin,
    resume,
    run_out,
    scenario,
    turn_slow,
    until_weight,
)

__all__ = ["SCENARIOS"]
"""All stories: those told there, and these."""

GOLDEN_SET: dict[str, Any] = {
    "dataset": {"configMapKeyRef": {"name": "golden"}},
    "protocol": "OpenAIChat",
}


def with_golden(gate: dict[str, Any], **more: Any) -> Story:
    """Both sides name a model server, and the gate asks it."""
    given = quick(gates=[gate, FIRST_TOKEN_GATE, ERRORS_GATE], **more)
    for side in ("source", "target"):
        given[side] = {**given[side], "endpoint": {"url": "http://m:8000", "model": "llama"}}
    story = begin(given)
    story.world.sides.target.probed = Probe(Outcome.ANSWERED)
    return story


def answers_otherwise(share: float) -> Callable[[World], None]:
    def deed(world: World) -> None:
        world.endpoints.differing = share

    return deed


@scenario
def parity_fails_before_any_traffic() -> Story:
    """Other weights behind the same name: the first of a hundred answers are enough."""
    story = with_golden({"name": "golden", "parity": GOLDEN_SET})
    story.do("world", "the target answers 30 % of the inputs otherwise", answers_otherwise(0.3))
    return run_out(story)


@scenario
def parity_passes_across_a_restart_and_is_asked_no_more() -> Story:
    """What was asked is not asked again; what the target answers later is no matter of this gate."""
    story = with_golden({"name": "golden", "parity": GOLDEN_SET})
    story.world.endpoints.per_second = 2.0
    story.world.run(2 * MINUTE)
    story.do("world", "the operator dies", lambda w: w.kill())
    story.world.run(30.0)
    story.do("world", "another operator leads", lambda w: w.lead())
    until_weight(story, 25)
    story.do("world", "the target answers 30 % of the inputs otherwise", answers_otherwise(0.3))
    return run_out(story)


@scenario
def parity_cannot_be_asked_for_a_while() -> Story:
    story = with_golden({"name": "golden", "parity": GOLDEN_SET})

    def lose(world: World) -> None:
        world.endpoints.problem = Refusal("Unreachable", "the source does not answer")

    def find(world: World) -> None:
        world.endpoints.problem = None

    story.do("world", "the source's model server goes away", lose)
    story.world.run(5 * MINUTE)
    story.do("world", "it is back", find)
    return run_out(story)


@scenario
def holdout_of_too_few_items_pauses_for_good() -> Story:
    """400 items show no tenth of a percent: a person gives up the proof, or the gate."""
    gate = {"name": "holdout", "holdout": {"metric": "Accuracy", **GOLDEN_SET}}
    story = with_golden(gate)
    story.world.run(10 * MINUTE)

    def allow(s: dict[str, Any]) -> None:
        s["gates"][0]["holdout"]["maxDelta"] = "2%"

    story.do("person", "allows 2 %", lambda w: w.rollouts.edit(allow))
    resume(story)
    return run_out(story)


@scenario
def holdout_of_a_worse_target_never_gets_traffic() -> Story:
    gate = {"name": "holdout", "holdout": {"metric": "Accuracy", "maxDelta": "2%", **GOLDEN_SET}}
    story = with_golden(gate)
    story.do("world", "the target gets 10 % of the items wrong", answers_otherwise(0.1))
    return run_out(story)


RESULTS: dict[str, Any] = {
    "metric": "Accuracy",
    "maxDelta": "2%",
    "results": {"source": "eval-a", "target": "eval-b"},
}


def evaluation(right: str) -> Mapping[str, str]:
    return {
        "metric": "Accuracy",
        "dataset": "tickets",
        "finishedAt": "2026-03-02T07:30:00Z",
        "outcomes": right,
    }


def with_results(source: Mapping[str, str] | Gap, target: Mapping[str, str] | Gap) -> Story:
    gates = [{"name": "quality", "holdout": RESULTS}, FIRST_TOKEN_GATE, ERRORS_GATE]
    story = begin(quick(gates=gates))
    story.world.results["quality"] = (source, target)
    return story


@scenario
def evaluation_that_may_not_be_read() -> Story:
    """Nobody rolls anything back for a missing right, and nobody is told of metrics."""
    whole = evaluation("1" * 500)
    forbidden = Gap(
        Missing.FORBIDDEN,
        "the operator may not read ConfigMap inference/eval-b of the cluster of Secret inference/gke-usc1: grant"
        " cutover-remote get on configmaps in namespace inference there (manifests/remote/results.yaml)",
    )
    story = with_results(whole, forbidden)
    story.world.run(10 * MINUTE)

    def grant(world: World) -> None:
        world.results["quality"] = (whole, whole)

    story.do("person", "grants it", grant)
    resume(story)
    return run_out(story)


@scenario
def evaluation_that_cannot_be_used_is_written_anew_in_time() -> Story:
    whole = evaluation("1" * 500)
    story = with_results(whole, evaluation("yes, mostly"))
    story.world.run(MINUTE)

    def write(world: World) -> None:
        world.results["quality"] = (whole, whole)

    story.do("world", "the target's evaluation is written anew", write)
    return run_out(story)


STEPS: tuple[Mapping[str, Any], ...] = (
    {"weight": 25},
    {"pause": {"duration": "3m"}},
    {"weight": 100},
)
LENGTHS, LONGER = (0.3, 0.3, 0.2, 0.1, 0.1), (0.1, 0.1, 0.2, 0.3, 0.3)


def with_drift(steps: tuple[Mapping[str, Any], ...] = STEPS) -> Story:
    drift = {"distribution": "OutputTokens", "method": "PSI", "max": "0.2"}
    gates = [{"name": "length", "drift": drift}, FIRST_TOKEN_GATE, ERRORS_GATE]
    story = begin(quick(steps, gates=gates), rate=100.0)
    for server in story.world.sides.servers:
        server.lengths = server.prompts = LENGTHS
    return story


def answers_longer(world: World) -> None:
    world.sides.target.lengths = LONGER


@scenario
def drift_is_reported_at_5_and_fails_at_25() -> Story:
    """As fast as the source, without an error, and longer in its answers."""
    story = with_drift(({"weight": 5}, {"weight": 25}, {"weight": 100}))
    story.do("world", "the target's answers are longer", answers_longer)
    return run_out(story)


@scenario
def drift_is_judged_once_for_a_step() -> Story:
    """What comes after the verdict of a step is judged in the next; against an old reference it pauses."""
    story = with_drift()
    world = story.world
    until_weight(story, 25)
    world.run(10 * MINUTE, until=lambda: any(one.judged for one in world.status.gates))
    story.do("world", "the target's answers get longer", answers_longer)
    world.run(20 * MINUTE)
    story.do("person", "sets spec.abort", lambda w: w.rollouts.edit(lambda s: s.update(abort=True)))
    return run_out(story)


def mean_gate(**more: Any) -> dict[str, Any]:
    return {"name": "mean", "meanLatency": {"metric": "EndToEnd", "maxIncrease": "10%"}, **more}


def wobbling(world: World) -> None:
    """No two looks are alike, and the mean of four is as it was: else nobody could tell how means vary."""
    swings = (1.3, 0.8, 1.1, 0.8)

    def swing(number: int) -> Callable[[World], None]:
        def deed(now: World) -> None:
            target = now.sides.target
            target.slow = target.slow / swings[(number - 1) % 4] * swings[number % 4]

        return deed

    world.sides.target.slow *= swings[0]
    for number in range(1, 60):
        world.at(20.0 * number + 7.0, swing(number))


@scenario
def means_alike_finish() -> Story:
    story = begin(quick(gates=[mean_gate()], analysis={"maxDuration": "1h"}))
    wobbling(story.world)
    return run_out(story)


@scenario
def means_that_grow_roll_back() -> Story:
    story = begin(quick(gates=[mean_gate()], analysis={"maxDuration": "1h"}))
    wobbling(story.world)
    until_weight(story, 25)
    story.do(
        "world", "40 % of the target's requests take twice as long", lambda w: turn_slow(w, 0.4)
    )
    return run_out(story)


@scenario
def means_missing_hold() -> Story:
    """A server that stops telling its mean is neither fast nor slow."""
    story = begin(quick(gates=[mean_gate(), ERRORS_GATE]))
    wobbling(story.world)
    until_weight(story, 5)

    def hide(world: World) -> None:
        world.sides.target.gate_gaps["mean EndToEnd"] = Gap(Missing.NO_SERIES, "no such series")

    story.do("world", "the target tells no mean any more", hide)
    story.world.run(5 * MINUTE)
    story.do("world", "it does again", lambda w: w.sides.target.gate_gaps.clear())
    resume(story)
    return run_out(story)
