"""Whole rollouts, each a story of what happens and what people do. Nothing here says what follows."""

from collections.abc import Callable, Mapping
from typing import Any

from cutover.api import ON_DELETE
from cutover.decide.readings import Gap, Missing
from cutover.decide.route import RuleWeights
from tests.fakes.plans import quick, spec
from tests.fakes.promises import watch_all
from tests.fakes.story import Story
from tests.fakes.world import World

Scenario = Callable[[], Story]
SCENARIOS: dict[str, Scenario] = {}
MINUTE, HOUR = 60.0, 3600.0
NO_ANSWER = "http://prometheus:9090 did not answer within 5 s"

APPROVED_STEPS: tuple[Mapping[str, Any], ...] = (
    {"weight": 5},
    {"approval": {"name": "go-live"}},
    {"weight": 25},
    {"pause": {"duration": "3m"}},
    {"weight": 100},
)


def scenario(tell: Scenario) -> Scenario:
    SCENARIOS[tell.__name__] = tell
    return tell


def begin(given: dict[str, Any] | None = None, **more: Any) -> Story:
    world = World(given or quick(), **more)
    watch_all(world)
    return Story(world)


def run_out(story: Story, seconds: float = 2 * HOUR) -> Story:
    """Go on until nothing more is to be expected."""
    world = story.world
    world.run(5.0)

    def over() -> bool:
        return world.rollouts.object is None or (
            world.status.phase in ("Completed", "RolledBack") and not world.rollouts.finalizers
        )

    world.run(seconds, until=over)
    return story


def until_weight(story: Story, weight: int, *, then: float = 30.0) -> None:
    """Go on until the gateway has that weight, and then a little longer."""
    world = story.world
    world.run(HOUR, until=lambda: world.status.weights.applied == weight)
    assert world.status.weights.applied == weight
    world.run(then)


def turn_slow(world: World, share: float = 0.3) -> None:
    world.sides.target.slow = share


def gap(world: World, missing: Missing | None) -> None:
    """Both sides' metrics go away, or come back."""
    for server in world.sides.servers:
        server.gap = Gap(missing, NO_ANSWER) if missing else None


SHADOWED_STEPS: tuple[Mapping[str, Any], ...] = (
    {"shadow": {"percent": "10%", "duration": "2m"}},
    {"shadow": {"duration": "2m"}},
    {"approval": {"name": "go-live"}},
    {"weight": 25},
    {"weight": 100},
)


# --- good ends ----------------------------------------------------------------------------------


@scenario
def shadowed_before_the_first_weight() -> Story:
    story = begin(quick(SHADOWED_STEPS))
    story.at(
        12 * MINUTE,
        "person",
        "approves go-live",
        lambda w: w.rollouts.edit(lambda s: s.update(approved=[{"name": "go-live", "attempt": 1}])),
    )
    return run_out(story)


@scenario
def shadow_of_a_slow_target() -> Story:
    story = begin(quick(SHADOWED_STEPS))
    turn_slow(story.world)
    return run_out(story)


@scenario
def mirror_taken_away_by_hand() -> Story:
    story = begin(quick(SHADOWED_STEPS[1:2] + SHADOWED_STEPS[3:]))
    story.world.run(60.0)
    story.do("git", "removes the mirror", lambda w: w.route.mirror_by("git", 0))
    story.world.run(60.0)
    story.do("person", "pauses", lambda w: w.rollouts.edit(lambda s: s.update(paused=True)))
    story.world.run(10.0)
    story.do("person", "resumes", lambda w: w.rollouts.edit(lambda s: s.update(paused=False)))
    return run_out(story)


@scenario
def shadow_on_a_route_that_cannot_mirror() -> Story:
    story = begin(quick(SHADOWED_STEPS[1:2] + SHADOWED_STEPS[3:]))
    story.world.route.mirror_refusal = "a DNSEndpoint cannot: remove the shadow steps"
    story.world.run(60.0)
    return story


@scenario
def aborted_while_shadowing() -> Story:
    story = begin(quick(SHADOWED_STEPS[1:2] + SHADOWED_STEPS[3:]))
    story.world.run(60.0)
    story.do("person", "sets spec.abort", lambda w: w.rollouts.edit(lambda s: s.update(abort=True)))
    return run_out(story)


@scenario
def leader_changes_and_status_is_lost_while_shadowing() -> Story:
    story = begin(quick(SHADOWED_STEPS[1:2] + SHADOWED_STEPS[3:]))
    story.world.run(60.0)
    story.do("lab", "another leader", lambda w: w.restart())
    story.world.run(30.0)
    story.do("person", "restores a backup", lambda w: w.rollouts.lose_status())
    story.world.run(60.0)
    story.do("person", "pauses", lambda w: w.rollouts.edit(lambda s: s.update(paused=True)))
    story.world.run(10.0)
    story.do("person", "resumes", lambda w: w.rollouts.edit(lambda s: s.update(paused=False)))
    return run_out(story)


@scenario
def healthy_by_the_default_steps() -> Story:
    return run_out(begin(spec(analysis={"guardInterval": "30s"}), rate=50.0), 6 * HOUR)


@scenario
def healthy_straight_to_everything() -> Story:
    """The source is frozen at 100 %: what it showed before preflight stands in for it."""
    return run_out(begin(quick([{"weight": 100}, {"soak": {"duration": "5m"}}])))


@scenario
def approval_and_pause_step() -> Story:
    story = begin(quick(APPROVED_STEPS))
    story.world.run(6 * MINUTE)

    def approve(world: World) -> None:
        given = [{"name": "go-live", "attempt": 1}]
        world.rollouts.edit(lambda s: s.update(approved=given))

    story.do("person", "approves go-live for attempt 1", approve)
    return run_out(story)


@scenario
def pause_and_resume() -> Story:
    story = begin()
    until_weight(story, 25)
    story.do(
        "person", "sets spec.paused", lambda w: w.rollouts.edit(lambda s: s.update(paused=True))
    )
    story.world.run(20 * MINUTE)
    story.do(
        "person", "takes spec.paused away", lambda w: w.rollouts.edit(lambda s: s.pop("paused"))
    )
    return run_out(story)


@scenario
def future_step_edited() -> Story:
    story = begin()
    until_weight(story, 25)

    def insert(s: dict[str, Any]) -> None:
        s["steps"] = [{"weight": 5}, {"weight": 25}, {"weight": 50}, {"weight": 100}]

    story.do("git", "puts weight 50 in and leaves the soak out", lambda w: w.rollouts.edit(insert))
    return run_out(story)


@scenario
def leader_changes_in_the_middle_of_a_step() -> Story:
    story = begin()
    until_weight(story, 25)
    story.do("world", "the operator dies", lambda w: w.kill())
    story.world.run(90.0)
    story.do("world", "another operator leads", lambda w: w.lead())
    return run_out(story)


@scenario
def both_get_worse_while_soaking() -> Story:
    """Nothing is left to compare with: a person decides, and nothing goes back by itself."""
    story = begin(quick([{"weight": 25}, {"weight": 100}, {"soak": {"duration": "10m"}}]))
    until_weight(story, 100)
    story.world.run(3 * MINUTE)

    def worse(world: World) -> None:
        for server in world.sides.servers:
            server.slow = 0.3

    def better(world: World) -> None:
        for server in world.sides.servers:
            server.slow = 0.02

    story.do("world", "evening: 30 % of the requests are slow", worse)
    story.world.run(15 * MINUTE)
    story.do("world", "night: as fast as before", better)
    resume(story)
    return run_out(story)


FIRST_TOKEN_GATE: dict[str, Any] = {
    "name": "first-token",
    "latency": {
        "metric": "TimeToFirstToken",
        "threshold": "1s",
        "maxAbove": "5%",
        "margin": "2.5%",
    },
}
ERRORS_GATE: dict[str, Any] = {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}}


@scenario
def slow_target_and_the_gate_pauses() -> Story:
    """A person looks, mends it and resumes: what failed is judged on what comes from then on."""
    story = begin(quick(gates=[{**FIRST_TOKEN_GATE, "onFail": "Pause"}, ERRORS_GATE]))
    until_weight(story, 25)
    story.do("world", "30 % of the target's requests turn slow", turn_slow)
    story.world.run(10 * MINUTE)
    story.do("world", "the target is mended", lambda w: turn_slow(w, 0.02))
    story.world.run(5 * MINUTE)
    resume(story)
    return run_out(story)


@scenario
def slow_target_resumed_unmended_pauses_again() -> Story:
    story = begin(quick(gates=[{**FIRST_TOKEN_GATE, "onFail": "Pause"}, ERRORS_GATE]))
    until_weight(story, 25)
    story.do("world", "30 % of the target's requests turn slow", turn_slow)
    story.world.run(10 * MINUTE)
    resume(story)
    story.world.run(10 * MINUTE)
    story.do("person", "sets spec.abort", lambda w: w.rollouts.edit(lambda s: s.update(abort=True)))
    return run_out(story)


@scenario
def slow_target_and_the_gate_only_reports() -> Story:
    story = begin(quick(gates=[{**FIRST_TOKEN_GATE, "onFail": "Report"}, ERRORS_GATE]))
    until_weight(story, 25)
    story.do("world", "30 % of the target's requests turn slow", turn_slow)
    return run_out(story)


def queue_gate(**more: Any) -> dict[str, Any]:
    return {"name": "queue", "query": {"expr": "sum(waiting{$matchers})", "max": "3"}, **more}


def with_queue(**more: Any) -> dict[str, Any]:
    return quick(gates=[queue_gate(**more), FIRST_TOKEN_GATE, ERRORS_GATE])


def queue(length: float) -> Callable[[World], None]:
    def deed(world: World) -> None:
        world.sides.target.values["queue"] = length

    return deed


@scenario
def gate_before_traffic_is_waited_for() -> Story:
    """Nothing is raised until it passes; afterwards it is asked no more."""
    story = begin(with_queue(run="BeforeTraffic"))
    story.world.run(4 * MINUTE)
    story.do("world", "the target's queue is reported: 1 waits", queue(1.0))
    until_weight(story, 25)
    story.do("world", "10 wait on the target", queue(10.0))
    return run_out(story)


@scenario
def gate_before_traffic_fails() -> Story:
    story = begin(with_queue(run="BeforeTraffic"))
    story.do("world", "10 wait on the target", queue(10.0))
    return run_out(story)


@scenario
def gate_before_traffic_pauses_until_it_is_mended() -> Story:
    story = begin(with_queue(run="BeforeTraffic", onFail="Pause"))
    story.do("world", "10 wait on the target", queue(10.0))
    story.world.run(5 * MINUTE)
    story.do("world", "1 waits on the target", queue(1.0))
    story.world.run(2 * MINUTE)
    resume(story)
    return run_out(story)


@scenario
def gate_before_traffic_is_never_decided() -> Story:
    """Nobody reports the number: after maxDuration a person is called, and has the whole time again."""
    story = begin(with_queue(run="BeforeTraffic"))
    story.world.run(15 * MINUTE)
    resume(story)
    story.world.run(12 * MINUTE)
    story.do("world", "the target's queue is reported: 1 waits", queue(1.0))
    resume(story)
    return run_out(story)


@scenario
def query_gate_broken_for_looks_in_a_row_across_a_restart() -> Story:
    story = begin(with_queue())
    story.do("world", "1 waits on the target", queue(1.0))
    until_weight(story, 25)
    story.do("world", "10 wait on the target", queue(10.0))
    story.world.run(25.0)
    story.do("world", "the operator dies", lambda w: w.kill())
    story.world.run(3.0)
    story.do("world", "another operator leads", lambda w: w.lead())
    return run_out(story)


@scenario
def query_gate_broken_now_and_then() -> Story:
    """One look says little: what is whole again at the next look was no Fail."""
    story = begin(with_queue(onFail="Pause"))
    story.do("world", "1 waits on the target", queue(1.0))
    until_weight(story, 25)
    for length in (10.0, 1.0, 10.0, 1.0):
        story.do("world", f"{length:g} wait on the target", queue(length))
        story.world.run(38.0)
    return run_out(story)


def many_target_servers(slow: float, **analysis: Any) -> Story:
    """Five times as many servers on the target: each has a fifth of the load, now and at 100 %."""
    story = begin(quick(analysis=analysis), rate=100.0)
    for server in story.world.sides.servers:
        server.slow = slow
    story.world.sides.target.servers = 20.0
    return story


@scenario
def target_of_many_servers_below_the_limit() -> Story:
    """That it is as good as the source says little; that it keeps the limit is enough."""
    return run_out(many_target_servers(0.01))


@scenario
def target_of_many_servers_near_the_limit() -> Story:
    story = many_target_servers(0.045)
    story.world.run(20 * MINUTE)

    def fewer(world: World) -> None:
        world.sides.target.servers = 5.0

    story.do("person", "scales the target down to 5 servers", fewer)
    resume(story)
    return run_out(story)


@scenario
def target_of_many_servers_compared_all_the_same() -> Story:
    return run_out(many_target_servers(0.045, allowLoadMismatch=True))


@scenario
def target_of_few_servers_is_slower() -> Story:
    """At 50 % one server has ten times the load: slower than the source, and within the limit."""
    story = begin(quick([{"weight": 50}, {"weight": 100}]), rate=100.0)
    story.world.sides.target.servers = 1.0
    story.world.sides.source.servers = 10.0
    for server, slow in zip(story.world.sides.servers, (0.005, 0.045), strict=True):
        server.slow = slow
    story.world.run(15 * MINUTE)
    story.do("world", "8 % are slow on the target", lambda w: turn_slow(w, 0.08))
    resume(story)
    return run_out(story)


# --- the way back -------------------------------------------------------------------------------


@scenario
def slow_target_rolled_back() -> Story:
    story = begin()
    until_weight(story, 25)
    story.do("world", "30 % of the target's requests turn slow", turn_slow)
    return run_out(story)


@scenario
def errors_burst_caught_by_the_guard() -> Story:
    story = begin()
    until_weight(story, 25, then=5.0)

    def fail(world: World) -> None:
        world.sides.target.failing = 0.6

    story.do("world", "60 % of the target's requests fail", fail)
    return run_out(story)


@scenario
def target_hangs() -> Story:
    story = begin()
    until_weight(story, 25, then=60.0)

    def hang(world: World) -> None:
        world.sides.target.answers = False

    story.do("world", "the target takes requests and answers none", hang)
    return run_out(story)


@scenario
def aborted_and_tried_again() -> Story:
    story = begin()
    until_weight(story, 25)
    story.do("person", "sets spec.abort", lambda w: w.rollouts.edit(lambda s: s.update(abort=True)))
    story.world.run(5 * MINUTE)
    story.do(
        "person",
        "retries: attempt 2, abort away",
        lambda w: w.rollouts.edit(lambda s: s.update(attempt=2, abort=False)),
    )
    return run_out(story)


@scenario
def aborted_while_the_route_is_out_of_reach() -> Story:
    story = begin()
    until_weight(story, 25)

    def lose(world: World) -> None:
        world.route.unreadable = "Unreachable: the cluster gke-usc1 does not answer"

    def find(world: World) -> None:
        world.route.unreadable = ""

    story.do("world", "the route's API server goes away", lose)
    story.world.run(20.0)
    story.do("person", "sets spec.abort", lambda w: w.rollouts.edit(lambda s: s.update(abort=True)))
    story.world.run(10 * MINUTE)
    story.do("world", "the route's API server is back", find)
    return run_out(story)


@scenario
def deleted_half_way() -> Story:
    story = begin()
    until_weight(story, 25)
    story.do("person", "deletes the rollout", lambda w: w.rollouts.delete())
    return run_out(story)


@scenario
def deleted_while_the_route_is_out_of_reach() -> Story:
    story = begin()
    until_weight(story, 25)

    def lose(world: World) -> None:
        world.route.unreadable = "Forbidden: the token of gke-usc1 may not read httproutes"

    story.do("world", "the route's credentials lose their rights", lose)
    story.world.run(20.0)
    story.do("person", "deletes the rollout", lambda w: w.rollouts.delete())
    return run_out(story)


@scenario
def deleted_while_soaking_and_kept() -> Story:
    story = begin(quick([{"weight": 100}, {"soak": {"duration": "1h"}}]))
    story.world.run(5 * MINUTE)

    def keep(world: World) -> None:
        world.rollouts.annotate(ON_DELETE, "Keep")
        world.rollouts.delete()

    story.do("person", "annotates on-delete: Keep and deletes the rollout", keep)
    return run_out(story)


# --- somebody else's hands ----------------------------------------------------------------------


def resume(story: Story) -> None:
    story.do(
        "person", "sets spec.paused", lambda w: w.rollouts.edit(lambda s: s.update(paused=True))
    )
    story.world.run(5.0)
    story.do(
        "person", "takes spec.paused away", lambda w: w.rollouts.edit(lambda s: s.pop("paused"))
    )


@scenario
def raised_by_hand_and_put_back() -> Story:
    story = begin()
    until_weight(story, 25)
    story.do("person", "sets the target to 60 %", lambda w: w.route.set_by("kubectl-edit", 60))
    return run_out(story)


@scenario
def raised_again_and_again_by_git() -> Story:
    story = begin()
    until_weight(story, 25)
    for _ in range(6):
        story.do("git", "sets the target to 60 %", lambda w: w.route.set_by("argocd", 60))
        story.world.run(20.0)
    story.world.run(2 * MINUTE)
    resume(story)
    return run_out(story)


@scenario
def raised_by_hand_and_left_to_a_person() -> Story:
    story = begin(quick(traffic={"onOverride": "Pause"}))
    until_weight(story, 5)
    story.do("person", "sets the target to 50 %", lambda w: w.route.set_by("kubectl-edit", 50))
    story.world.run(2 * MINUTE)
    resume(story)
    return run_out(story)


@scenario
def lowered_by_hand() -> Story:
    story = begin()
    until_weight(story, 25)
    story.do("person", "sets the target to 10 %", lambda w: w.route.set_by("kubectl-edit", 10))
    story.world.run(5 * MINUTE)
    resume(story)
    return run_out(story)


@scenario
def set_to_nothing_by_hand_while_soaking() -> Story:
    story = begin(quick([{"weight": 25}, {"weight": 100}, {"soak": {"duration": "10m"}}]))
    until_weight(story, 100)
    story.world.run(2 * MINUTE)
    story.do("person", "sets the target to 0 %", lambda w: w.route.set_by("kubectl-edit", 0))
    story.world.run(5 * MINUTE)
    resume(story)
    return run_out(story)


@scenario
def route_replaced_by_git() -> Story:
    """The object comes back as Git has it: without claim, with everything on the source."""
    story = begin()
    until_weight(story, 25)

    def replace(world: World) -> None:
        world.route.claim_by("argocd", None)
        world.route.set_by("argocd", 0)

    story.do("git", "replaces the route: no claim, no weight on the target", replace)
    story.world.run(2 * MINUTE)
    story.do("person", "sets spec.abort", lambda w: w.rollouts.edit(lambda s: s.update(abort=True)))
    return run_out(story)


@scenario
def past_step_edited() -> Story:
    story = begin()
    until_weight(story, 25)

    def rewrite(s: dict[str, Any]) -> None:
        s["steps"] = [{"weight": 10}, {"weight": 50}, {"weight": 100}]

    story.do("git", "changes steps that are done", lambda w: w.rollouts.edit(rewrite))
    return run_out(story)


@scenario
def route_gets_another_rule() -> Story:
    story = begin()
    until_weight(story, 5)
    more = (RuleWeights(0, 95, 5), RuleWeights(1, 1, 0))
    story.do("git", "adds a rule to the route", lambda w: w.route.set_by("argocd", more))
    story.world.run(12 * MINUTE)
    story.do("git", "takes it away", lambda w: w.route.set_by("argocd", (RuleWeights(0, 95, 5),)))
    return run_out(story)


# --- what goes wrong ----------------------------------------------------------------------------


@scenario
def metrics_outage_held_then_paused() -> Story:
    story = begin()
    until_weight(story, 25)
    story.do("world", "Prometheus goes away", lambda w: gap(w, Missing.UNREACHABLE))
    story.world.run(5 * MINUTE)
    story.do("world", "Prometheus is back", lambda w: gap(w, None))
    resume(story)
    return run_out(story)


@scenario
def metrics_outage_rolled_back_because_asked() -> Story:
    story = begin(quick(analysis={"onOutage": "RollBack"}))
    until_weight(story, 25)
    story.do("world", "Prometheus goes away", lambda w: gap(w, Missing.UNREACHABLE))
    return run_out(story)


@scenario
def too_few_requests() -> Story:
    story = begin(rate=1.0)
    story.world.run(15 * MINUTE)

    def busy(world: World) -> None:
        world.sides.rate = 50.0

    story.do("world", "the day begins: fifty times the requests", busy)
    resume(story)
    return run_out(story)


@scenario
def weight_without_effect() -> Story:
    """The gateway says yes and sends nothing: nothing goes on, and the guards see no silence of the target."""
    story = begin(quick(guards={"disabled": ["Unanswered"]}))
    until_weight(story, 5, then=0.0)
    story.world.route.accepted_rules = (RuleWeights(0, 100, 0),)
    story.world.run(15 * MINUTE)
    return story


@scenario
def gateway_takes_its_time() -> Story:
    story = begin()
    until_weight(story, 5)

    def stick(world: World) -> None:
        world.route.gateway_stuck = True

    def loosen(world: World) -> None:
        world.route.gateway_stuck = False

    story.do("world", "the gateway stops reading routes", stick)
    story.world.run(15 * MINUTE)
    story.do("world", "the gateway reads again", loosen)
    return run_out(story)


@scenario
def route_out_of_reach_after_the_intent() -> Story:
    """An hour later the Pass is old: the weight in force is judged again first."""
    story = begin()
    world = story.world

    def lose(world: World) -> None:
        world.route.unreadable = "Unreachable: the cluster gke-usc1 does not answer"

    def find(world: World) -> None:
        world.route.unreadable = ""

    world.run(HOUR, until=lambda: world.status.weights.desired == 25)
    story.do("world", "the route's API server goes away", lose)
    world.run(10 * MINUTE)
    story.do("world", "Prometheus goes away", lambda w: gap(w, Missing.UNREACHABLE))
    world.run(60.0)
    story.do("world", "the route's API server is back", find)
    world.run(50.0)
    story.do("world", "Prometheus is back", lambda w: gap(w, None))
    return run_out(story)


@scenario
def status_lost_half_way() -> Story:
    story = begin()
    until_weight(story, 25)
    story.do("world", "a backup without status is restored", lambda w: w.rollouts.lose_status())
    story.world.run(5 * MINUTE)
    resume(story)
    return run_out(story)


@scenario
def status_lost_and_aborted() -> Story:
    story = begin()
    until_weight(story, 25)

    def lose(world: World) -> None:
        world.rollouts.lose_status()
        world.rollouts.edit(lambda s: s.update(abort=True))

    story.do("world", "a backup without status is restored, with spec.abort set", lose)
    return run_out(story)


@scenario
def route_in_use_by_another() -> Story:
    from tests.sequences.claims import another

    story = begin()
    world = story.world
    world.route.claim_by("cutover-b", another())
    world.owner_alive = True
    world.run(60.0)
    story.do("cutover-b", "finishes", lambda w: w.route.claim_by("cutover-b", None))
    return run_out(story)


@scenario
def rollouts_api_server_gone_while_the_target_breaks() -> Story:
    story = begin()
    until_weight(story, 25, then=60.0)

    def fail(world: World) -> None:
        world.sides.target.failing = 0.6

    def refuse(world: World) -> None:
        world.rollouts.refuses_status = "etcdserver: no space left"

    def take(world: World) -> None:
        world.rollouts.refuses_status = ""

    story.do("world", "status writes are refused", refuse)
    story.do("world", "60 % of the target's requests fail", fail)
    story.world.run(2 * MINUTE)
    story.do("world", "status writes are taken again", take)
    return run_out(story)
