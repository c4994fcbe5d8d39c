"""A route whose changes take their time to reach clients: DNS, where caches keep what they know."""

from tests.fakes.chaos import brisk, brisk_world, edit
from tests.fakes.world import World

STEPS = [{"weight": 10}, {"weight": 50}, {"weight": 100}]
LATE = 120.0


def dns_world(**analysis: str) -> World:
    world = brisk_world(brisk(STEPS, analysis={"maxDuration": "1h", **analysis}))
    world.route.delivery_seconds = LATE
    return world


def test_settle_is_as_long_as_caches_keep_what_they_know() -> None:
    world = dns_world(settle="10s")
    world.run(60.0)
    assert world.route.highest == 10
    assert not world.route.delivered_share
    assert "settling for another 1m" in world.status.message
    assert not has_evidence(world)
    world.run(LATE)
    assert world.route.delivered_share == 10
    assert has_evidence(world)


def has_evidence(world: World) -> bool:
    return world.status.evidence_since is not None


def test_a_longer_settle_stays() -> None:
    world = dns_world(settle="10m")
    world.run(LATE + 60.0)
    assert "settling for another 7m" in world.status.message


def test_a_target_that_gets_nothing_yet_is_not_one_that_does_not_answer() -> None:
    """Half of 100 requests a second are due at 50 %, and for two minutes none comes."""
    world = dns_world()
    world.run(3600.0)
    assert world.status.phase == "Completed", world.status.message
    assert world.status.rollback is None


def test_a_target_that_does_not_answer_is_noticed_once_it_gets_traffic() -> None:
    world = dns_world()
    world.sides.target.answers = False
    world.run(1800.0)
    assert world.status.rollback is not None
    assert world.status.rollback.reason == "Unanswered"
    assert "it hangs or refuses, or DNS has brought no client to it" in world.status.message


def test_a_rollback_is_written_at_once_and_nobody_is_told_that_it_is_delivered() -> None:
    world = dns_world()
    world.run(LATE + 60.0)
    assert world.route.delivered_share == 10
    world.do(lambda w: edit(w, abort=True))
    world.run(5.0)
    assert world.status.phase == "RolledBack"
    assert world.route.highest == 0
    assert world.route.delivered_share == 10
    assert world.status.message.startswith(
        "all traffic is on the source as DNS is written, since 08:03Z: caches may send clients to the target"
        " for 2m more, and connections that are open stay where they are: "
    )


def test_a_step_that_is_over_before_its_weight_arrives_is_refused() -> None:
    world = dns_world(maxDuration="2m", settle="10s")
    world.run(60.0)
    assert world.status.phase == "Pending"
    assert "takes 2m to reach every client" in world.status.message


def test_a_step_that_is_over_before_its_weight_is_delivered_is_refused() -> None:
    world = dns_world(maxDuration="2m", settle="10s", minDuration="10s")
    world.run(30.0)
    assert world.route.highest == 0
    assert world.status.message == (
        "a changed weight of this route takes 2m to reach every client, and step weight 10 waits no"
        " longer than maxDuration 2m: raise spec.analysis.maxDuration, or lower the record's TTL"
    )
