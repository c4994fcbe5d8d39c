"""Whose counters say what is delivered, and what is said where they say nothing."""

from dataclasses import replace
from typing import Any

import pytest

from cutover.api.traffic import Traffic
from cutover.decide.delivering import with_delivery
from cutover.decide.fulllook import FullLook
from cutover.decide.guarding import find_breach
from cutover.decide.message import message_of
from cutover.decide.observation import Observation
from cutover.decide.readings import Gap, Missing, SideReading, WindowReading
from cutover.decide.reporting import reported
from cutover.decide.route import RouteSeen
from tests.fakes.chaos import ENOUGH, brisk, brisk_world
from tests.fakes.process import Look
from tests.fakes.world import World

GATEWAY = {
    "profile": "Contour",
    "prometheus": {"address": "http://prometheus:9090", "matchers": {"job": "envoy"}},
}
NO_SERIES = Gap(Missing.NO_SERIES, "http://prometheus:9090 knows no such backend")
NO_DATA = Gap(Missing.NO_DATA, "nothing in the last 30s")


def look_at(weight: int = 25, **traffic: Any) -> Look:
    """A full look of a rollout whose weight is in force, and whose ``traffic`` says more than when it began."""
    world: World = brisk_world(brisk([{"weight": weight}, {"weight": 100}]))
    world.run(ENOUGH, until=lambda: world.status.weights.delivery_ok is True)
    world.run(10.0, until=lambda: bool(world.process.looks[-1].want.long_window))
    look = world.process.looks[-1]
    plan = look.decision.status.plan
    assert plan is not None
    written = plan.traffic.model_dump(by_alias=True, exclude_none=True)
    told = plan.model_copy(update={"traffic": Traffic.model_validate({**written, **traffic})})
    return with_status(look, plan=told)


def with_status(look: Look, **fields: Any) -> Look:
    status = look.decision.status.model_copy(update=fields)
    return replace(look, decision=replace(look.decision, status=status))


def seen_at_gateway(look: Look, source: float | Gap, target: float | Gap, **more: Any) -> FullLook:
    """The same look with what the gateway counts of both."""
    seen = look.seen
    assert seen.long_window is not None
    ours = _with(seen.source, source, **more)
    theirs = _with(seen.target, target, **more)
    return FullLook(ours, theirs, seen.long_window, seen.now, gathering=True)


def _with(reading: Any, requests: float | Gap, **more: Any) -> SideReading:
    assert isinstance(reading, SideReading)
    windows = [
        replace(one, gateway=WindowReading(one.seconds, requests, 0.0, **more))
        for one in reading.windows
    ]
    return replace(reading, windows=tuple(windows))


def judged(look: Look, at_gateway: FullLook) -> Any:
    status = look.decision.status
    plan = status.plan
    assert plan is not None
    unknown = status.weights.model_copy(update={"delivery_ok": None, "delivery_message": ""})
    return with_delivery(plan, status.model_copy(update={"weights": unknown}), at_gateway)


@pytest.mark.parametrize(
    ("traffic", "delivered"),
    [
        ({}, 25.0),
        ({"gateway": GATEWAY}, 10.0),
        ({"gateway": GATEWAY, "delivery": {"countedBy": "Gateway"}}, 10.0),
        ({"gateway": GATEWAY, "delivery": {"countedBy": "Servers"}}, 25.0),
    ],
)
def test_the_gateway_counts_where_it_is_named_and_nothing_else_was_asked_for(
    traffic: dict[str, Any], delivered: float
) -> None:
    look = look_at(**traffic)
    weights = judged(look, seen_at_gateway(look, 9000.0, 1000.0)).weights
    assert weights.delivered == pytest.approx(delivered, abs=0.5)
    assert weights.delivery_ok is (delivered == 25.0)


def test_what_the_target_served_beside_the_route_is_nothing_to_the_gateways_counts() -> None:
    look = look_at(gateway=GATEWAY)
    assert look.decision.status.baseline is not None
    busy = look.decision.status.baseline.model_copy(update={"target_rate": 50.0})
    look = with_status(look, baseline=busy)
    weights = judged(look, seen_at_gateway(look, 7500.0, 2500.0)).weights
    assert (weights.delivered, weights.delivery_ok) == (25.0, True)


def test_no_request_at_the_target_in_this_window_is_none_delivered() -> None:
    look = look_at(gateway=GATEWAY)
    weights = judged(look, seen_at_gateway(look, 9000.0, NO_DATA)).weights
    assert (weights.delivered, weights.delivery_ok) == (0.0, False)
    assert "the route's weight has no effect" in weights.delivery_message


def test_a_gateway_that_does_not_know_the_backend_is_told_of_and_proves_nothing() -> None:
    look = look_at(gateway=GATEWAY)
    status = judged(look, seen_at_gateway(look, 9000.0, NO_SERIES))
    assert status.weights.delivery_ok is None
    assert "at the gateway: target: http://prometheus:9090 knows no such backend" in (
        status.weights.delivery_message
    )
    decision = replace(look.decision, status=status)
    condition = next(
        one for one in reported(look.seen, decision).conditions if one.type == "TrafficApplied"
    )
    assert (condition.status, condition.reason) == ("Unknown", "DeliveryUnknown")
    assert message_of(look.seen, status, decision)


def test_once_proven_a_gap_at_the_gateway_takes_nothing_back() -> None:
    look = look_at(gateway=GATEWAY)
    status = look.decision.status
    proven = status.weights.model_copy(update={"delivery_ok": True})
    status = status.model_copy(update={"weights": proven})
    assert status.plan is not None
    after = with_delivery(status.plan, status, seen_at_gateway(look, 9000.0, NO_SERIES))
    assert after.weights.delivery_ok is True
    assert after.weights.delivery_message == ""


# --- silence --------------------------------------------------------------------------------------


def breach(sent: float, answered: float, *, weight: int = 100) -> Any:
    """What the guards say of a target that has all of the traffic, by what the gateway sent to it."""
    look = look_at(gateway=GATEWAY)
    seen, status = look.seen, look.decision.status
    weights = status.weights.model_copy(update={"desired": weight, "applied": weight})
    status = status.model_copy(update={"weights": weights})
    silent = replace(_with(seen.target, answered, sent=sent), unscraped=False)
    nobody = _with(seen.source, 0.0, sent=0.0)
    plan = status.plan
    assert plan is not None
    assert isinstance(seen.route, RouteSeen)
    route = replace(seen.route, rules=(replace(seen.route.rules[0], source=0, target=100),))
    seen = replace(seen, source=nobody, target=silent, route=route)
    assert isinstance(seen, Observation)
    return find_breach(seen, status, plan, frozenset())


def test_a_target_that_hangs_at_weight_100_is_found_by_what_was_sent_to_it() -> None:
    found = breach(2000.0, 0.0)
    assert found is not None
    assert found.guard == "Unanswered"
    assert breach(2000.0, 1900.0) is None
