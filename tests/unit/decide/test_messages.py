"""What the person on call reads at three in the morning, word for word."""

import re
from collections.abc import Callable

import pytest

from cutover.decide.readings import Gap, Missing
from cutover.decide.route import RuleWeights
from tests.fakes.chaos import brisk, brisk_world, edit
from tests.fakes.world import World
from tests.sequences.claims import another

APPROVED = brisk([{"weight": 10}, {"approval": {"name": "go-live"}}, {"weight": 100}])
PAUSING = brisk([{"weight": 10}, {"pause": {"duration": "30m"}}, {"weight": 100}])


def _unaccepted(world: World) -> None:
    world.route.gateway_stuck = True
    world.route.generation += 1


def _unscraped(world: World) -> None:
    world.sides.source.gap = Gap(
        Missing.UNAUTHORISED, "http://prometheus:9090 refused our credentials (HTTP 401)"
    )


def _claimed(world: World) -> None:
    world.route.claim_by("other", another())
    world.owner_alive = True


def _gone(world: World) -> None:
    world.route.exists = False


def _sends(world: World) -> None:
    world.route.set_by("kubectl", 40)


BEGINNINGS: dict[Callable[[World], None], str] = {
    _unaccepted: """\
preflight: the gateway has not accepted the route: Gateway edge has not answered yet""",
    _unscraped: """\
preflight: spec.source.prometheus: http://prometheus:9090 refused our credentials (HTTP 401)""",
    _claimed: """\
the route is claimed by MigrationRollout inference/other of cluster c-1 (attempt 1): wait until it is\
 finished, or delete it""",
    _gone: """\
spec.traffic.httpRoute.name: HTTPRoute inference/llama-chat does not exist; create HTTPRoute\
 llama-chat or correct the name""",
    _sends: """\
the route already sends 40 % to the target, and not by this rollout: set the target backend's weight\
 to 0 and the rollout begins""",
}


@pytest.mark.parametrize("deed", BEGINNINGS, ids=lambda deed: deed.__name__)
def test_what_keeps_it_from_beginning(deed: Callable[[World], None]) -> None:
    world = brisk_world()
    deed(world)
    world.run(20.0)
    assert world.status.message == BEGINNINGS[deed]


def _says(world: World) -> str:
    """The message with its numbers as they are."""
    return world.status.message


def test_settling_and_gathering() -> None:
    world = brisk_world(brisk(analysis={"settle": "5m", "minDuration": "10m", "maxDuration": "1h"}))
    world.run(5.0)
    assert _says(world) == (
        "10 % on target, step 1 of 4: gathering evidence, at least another 15m (until 08:15Z)"
    )
    world.run(100.0)
    assert re.fullmatch(
        r"10 % on target, step 1 of 4: first-token: settling for another 3m\d\ds", _says(world)
    )


def test_waiting_for_requests_with_a_time() -> None:
    world = brisk_world(brisk(analysis={"maxDuration": "4h"}))
    world.sides.rate = 5.0
    world.run(150.0)
    assert re.fullmatch(
        r"10 % on target, step 1 of 4: errors passes; first-token: .*: needs about [\d,]+ more target"
        r" requests, about 08:\d\dZ|10 % on target, step 1 of 4: first-token: .*needs about [\d,]+ more"
        r" target requests, about 08:\d\dZ",
        _says(world),
    )


def test_an_approval_says_its_name_and_how_to_give_it() -> None:
    world = brisk_world(APPROVED)
    world.run(120.0)
    assert _says(world) == (
        "10 % on target, step 2 of 3: waits for approval go-live (kubectl cutover approve)"
    )


def test_a_pause_step_says_until_when() -> None:
    world = brisk_world(PAUSING)
    world.run(120.0)
    assert re.fullmatch(
        r"10 % on target, step 2 of 3: pause 30m, another (30|2\d)m(\d+s)? \(until 08:31Z\)",
        _says(world),
    )


def test_a_requested_pause() -> None:
    world = brisk_world()
    world.run(40.0)
    world.do(lambda w: edit(w, paused=True))
    world.run(1.0)
    assert _says(world) == "10 % on target, step 1 of 4, paused by spec.paused"


def test_an_emergency_stop_says_who_and_what_now() -> None:
    world = brisk_world()
    world.run(40.0)
    world.do(lambda w: w.route.set_by("jane-kubectl", 3))
    world.run(1.0)
    assert _says(world) == (
        "3 % on target, step 1 of 4, paused: jane-kubectl lowered the target to 3 %: taken as an emergency"
        " stop and left as it is; resume to go on from there, or abort (kubectl cutover resume, or set"
        " spec.paused true and then false)"
    )
    world.do(lambda w: edit(w, paused=True))
    world.run(1.0)
    assert _says(world).endswith("or abort; set spec.paused to false to resume")


def test_an_outage_says_what_to_mend() -> None:
    world = brisk_world()
    world.run(40.0)
    _unscraped(world)
    world.run(20.0)
    assert _says(world) == (
        "10 % on target, step 1 of 4: source: http://prometheus:9090 refused our credentials (HTTP 401)"
    )
    world.run(90.0)
    assert _says(world) == (
        "10 % on target, step 1 of 4, paused: metrics have been unreadable for 1m: mend them, then resume"
        " (kubectl cutover resume, or set spec.paused true and then false)"
    )


def test_a_route_out_of_reach_is_said_in_every_phase() -> None:
    world = brisk_world()
    world.run(40.0)
    world.route.unreadable = "Unreachable: gke-usc1 does not answer within 5 s"
    world.run(20.0)
    assert _says(world) == ("10 % on target, step 1 of 4: gke-usc1 does not answer within 5 s")
    world.do(lambda w: edit(w, abort=True))
    world.run(2.0)
    assert _says(world) == (
        "putting all traffic back on the source: aborted by spec.abort; not back yet: gke-usc1 does not"
        " answer within 5 s"
    )


def test_a_write_that_is_refused_is_said() -> None:
    world = brisk_world()
    world.route.unwritable = "httproutes.gateway.networking.k8s.io is forbidden: ask for patch"
    world.run(20.0)
    assert _says(world) == (
        "preflight: the route cannot be claimed: httproutes.gateway.networking.k8s.io is forbidden: ask"
        " for patch"
    )


def test_the_end_says_where_the_traffic_is_and_how_to_try_again() -> None:
    world = brisk_world()
    world.run(40.0)
    world.do(lambda w: edit(w, abort=True))
    world.run(5.0)
    assert _says(world) == (
        "all traffic is on the source: aborted by spec.abort; to try again, remove spec.abort and raise"
        " spec.attempt to 2 (kubectl cutover retry)"
    )
    world = brisk_world()
    world.run(40.0)
    world.sides.target.answers = False
    world.run(60.0)
    assert re.fullmatch(
        r"all traffic is on the source: the target answered \d+ of about \d+ requests due in the last \d+ s,"
        r" while the source answered [\d,]+: it hangs or refuses; to try again, raise spec.attempt to 2"
        r" \(kubectl cutover retry\)",
        _says(world),
    )
    world = brisk_world()
    world.run(400.0)
    assert _says(world) == "all traffic is on the target"


def test_an_abort_before_anything_moved_says_so() -> None:
    world = brisk_world(brisk(abort=True))
    world.run(5.0)
    assert _says(world).startswith(
        "all traffic is on the source: aborted by spec.abort; no traffic had been moved; to try again,"
    )


def test_an_edit_that_is_not_followed_is_said_beside_what_goes_on() -> None:
    world = brisk_world()
    world.run(40.0)
    world.do(lambda w: edit(w, steps=[{"weight": 33}, {"weight": 100}]))
    world.run(1.0)
    assert _says(world).endswith("; the spec's last edit is not followed (RewritesPast)")


def test_a_weight_that_is_not_delivered_is_said_with_numbers() -> None:
    world = brisk_world()
    world.run(2.0)
    world.route.accepted_rules = (RuleWeights(0, 96, 4),)
    world.run(40.0)
    assert re.fullmatch(
        r"10 % on target, step 1 of 4: [\d.]+ % of [\d,]+ requests reached the target at weight 10: the"
        r" route's weight is not what requests see.*",
        _says(world),
    )


def test_an_old_intent_says_what_it_waits_for() -> None:
    world = brisk_world()
    world.run(400.0, until=lambda: world.status.weights.desired == 50)
    world.route.unreadable = "Unreachable: away"
    world.run(30.0)
    world.sides.target.gap = Gap(Missing.UNREACHABLE, "https://prometheus.gcp did not answer")
    world.run(12.0)
    world.route.unreadable = ""
    world.run(8.0)
    assert _says(world) == (
        "10 % on target, step 2 of 4: weight 50 comes next, once metrics can be read:"
        " https://prometheus.gcp did not answer"
    )


def test_no_message_is_longer_than_its_field_and_the_column_is_short() -> None:
    world = brisk_world()
    world.run(40.0)
    world.sides.source.gap = Gap(Missing.INVALID_QUERY, "no " * 2000)
    world.run(200.0)
    assert len(_says(world)) <= 1024
    assert len(world.status.summary.message) <= 120
