"""Whether the steps get their evidence in time, told before anything is moved."""

from collections.abc import Mapping
from typing import Any

import pytest

from cutover.api.conditions import Condition
from cutover.api.status import Phase, Plan, Status
from cutover.decide.feasible import Pace, fitting_steps, foresee
from cutover.decide.plan import edited, resolve
from tests.fakes.plans import GATES, METRICS, OPERATOR_VERSION, spec
from tests.fakes.world import World

HOURS = 3600.0


def plan(steps: list[dict[str, Any]] | None = None, gates: Any = None, **analysis: Any) -> Plan:
    found = resolve(
        {
            "metadata": {"namespace": "inference", "generation": 1},
            "spec": spec(steps, analysis=analysis) | ({"gates": gates} if gates else {}),
        },
        operator_version=OPERATOR_VERSION,
        default_gates=GATES,
        metrics=METRICS,
    )
    assert isinstance(found, Plan)
    return found


def pace(rate: float) -> Pace:
    return Pace(rate, {"first-token": 0.02, "errors": 0.002}, 600 * rate)


def weights(of: Plan) -> list[int]:
    return [step.weight for step in of.steps if step.weight is not None]


def condition(status: Status) -> Condition:
    return next(one for one in status.conditions if one.type == "Feasible")


def test_a_busy_service_fits_from_one_percent_on() -> None:
    found = foresee(plan(), pace(100.0))
    assert found.fits
    assert found.first_fit is None


def test_at_three_requests_a_second_one_percent_cannot_be_proven_within_an_hour() -> None:
    found = foresee(plan(), pace(3.0))
    needs = {need.weight: need for need in found.needs}
    assert not needs[1].fits
    assert needs[1].seconds is not None
    assert needs[1].seconds > needs[1].longest == HOURS
    assert found.first_fit is not None
    assert 1 < found.first_fit <= 5


def test_a_longer_max_duration_makes_it_fit() -> None:
    assert foresee(plan(maxDuration="24h"), pace(3.0)).fits


def test_omitted_steps_begin_at_the_first_weight_that_fits_and_leave_out_what_does_not() -> None:
    whole = plan()
    slow = foresee(whole, pace(3.0))
    steps = fitting_steps(whole, pace(3.0))
    begun = whole.model_copy(update={"steps": steps})
    assert weights(begun)[0] == slow.first_fit
    assert weights(begun)[-1] == 100
    assert steps[-1].soak is not None
    assert foresee(begun, pace(3.0)).fits


def test_where_nothing_fits_the_default_stays_as_it_is() -> None:
    whole = plan()
    assert foresee(whole, pace(0.01)).first_fit is None
    assert fitting_steps(whole, pace(0.01)) == whole.steps


def test_a_steps_own_max_duration_counts() -> None:
    steps: list[dict[str, Any]] = [{"weight": 1, "maxDuration": "24h"}, {"weight": 100}]
    assert foresee(plan(steps), pace(3.0)).fits


def test_a_gate_that_only_reports_is_not_waited_for() -> None:
    strict = {"errorRate": {"max": "0.01%", "ratio": "1.01"}, "name": "strict"}
    found = [
        foresee(
            plan([{"weight": 50}, {"weight": 100}], gates=[strict | {"onFail": consequence}]),
            pace(3.0),
        )
        for consequence in ("RollBack", "Report")
    ]
    assert [one.fits for one in found] == [False, True]


# --- shadow steps ---------------------------------------------------------------------------------


def shadow(percent: int, duration: str = "5m") -> dict[str, Any]:
    return {"shadow": {"duration": duration, "percent": f"{percent}%"}}


def test_copies_of_everything_bring_evidence_like_half_of_twice_the_requests() -> None:
    steps = [shadow(100, "30s"), {"weight": 50}, {"weight": 100}]
    copies, *_ = foresee(plan(steps, maxDuration="24h"), pace(0.5)).needs
    _, half, *_ = foresee(plan(steps, maxDuration="24h"), pace(1.0)).needs
    assert (copies.weight, copies.requests) == (0, half.requests)
    assert copies.seconds == half.seconds


def test_a_shadow_lasts_as_long_as_it_says_and_has_its_max_duration_on_top() -> None:
    copies, *_ = foresee(plan([shadow(100, "2h"), {"weight": 100}]), pace(100.0)).needs
    assert copies.seconds == 2 * HOURS
    assert copies.longest == 3 * HOURS
    assert copies.fits


def test_a_mirror_that_is_too_thin_says_so_and_names_no_weight() -> None:
    steps = [shadow(1), {"weight": 25}, {"weight": 100}]
    found = foresee(plan(steps), pace(3.0))
    assert [need.fits for need in found.needs] == [False, True, True]
    assert (found.fits, found.first_fit) == (False, None)


# --- as a rollout lives it ------------------------------------------------------------------------


def begun(rate: float, steps: list[Mapping[str, Any]] | None = None) -> World:
    world = World(spec(steps), rate=rate)
    world.run(120.0, until=lambda: world.status.phase is Phase.PROGRESSING)
    return world


def test_explicit_steps_that_do_not_fit_are_told_and_followed() -> None:
    world = begun(3.0, [{"weight": 1}, {"weight": 100}])
    assert world.status.phase is Phase.PROGRESSING
    told = condition(world.status)
    assert (told.status, told.reason) == ("False", "TooFewRequests")
    assert "step 1 (weight 1), at the source's 3 requests/s: needs about" in told.message
    assert "is the first weight that fits: begin there" in told.message
    assert [said.reason for _, said in world.events].count("TooFewRequests") == 1
    assert world.status.plan is not None
    assert weights(world.status.plan) == [1, 100]


def test_omitted_steps_are_fitted_and_stay_so_when_the_spec_is_edited() -> None:
    world = World(spec(), rate=3.0)
    world.run(120.0, until=lambda: "Feasible" in {one.type for one in world.status.conditions})
    assert condition(world.status).status == "False"
    assert "since spec.steps is omitted the rollout begins there" in condition(world.status).message
    world.run(120.0, until=lambda: world.status.phase is Phase.PROGRESSING)
    assert world.status.plan is not None
    fitted = weights(world.status.plan)
    assert fitted[0] > 1
    assert condition(world.status).status == "True"
    world.do(lambda w: w.rollouts.edit(lambda s: s.update(analysis={"interval": "20s"})))
    world.run(60.0)
    assert world.status.plan is not None
    assert world.status.plan.generation == 2
    assert weights(world.status.plan) == fitted


@pytest.mark.parametrize("rate", [50.0, 500.0])
def test_a_rate_that_is_enough_is_told_once(rate: float) -> None:
    world = begun(rate)
    assert condition(world.status).status == "True"
    assert "TooFewRequests" not in [said.reason for _, said in world.events]


def test_writing_the_default_steps_out_is_no_edit() -> None:
    written = [step.model_dump(by_alias=True, exclude_none=True) for step in plan().steps]
    assert plan(written).steps_omitted is None
    assert not edited(plan(), plan(written))


def test_a_mirror_that_is_too_thin_is_told_with_what_to_do() -> None:
    world = World(spec([shadow(1), {"weight": 25}, {"weight": 100}]), rate=3.0)
    world.run(120.0, until=lambda: "Feasible" in {one.type for one in world.status.conditions})
    told = condition(world.status)
    assert told.status == "False"
    assert "step 1 (shadow 1%), at the source's 3 requests/s: needs about" in told.message
    assert "mirror more, or raise spec.analysis.maxDuration" in told.message
