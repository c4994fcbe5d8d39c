"""The models read what the API server stores, and nothing on them can be changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pydantic
import pytest

from cutover.api.conditions import Condition, ConditionStatus, with_condition
from cutover.api.gates import Gate
from cutover.api.rollout import MigrationRollout
from cutover.api.sides import Profile
from cutover.api.steps import Step, StepKind
from cutover.api.traffic import OnOverride

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def side(cluster: str) -> dict[str, Any]:
    return {"prometheus": {"address": "http://prometheus:9090", "matchers": {"cluster": cluster}}}


SPEC: dict[str, Any] = {
    "source": side("onprem"),
    "target": side("gke"),
    "traffic": {
        "httpRoute": {
            "name": "chat",
            "sourceBackend": {"name": "chat"},
            "targetBackend": {"name": "chat-gke"},
        }
    },
}


def test_the_smallest_rollout_gets_the_documented_defaults() -> None:
    rollout = MigrationRollout.model_validate({"spec": SPEC})
    spec = rollout.spec
    assert (spec.profile, spec.traffic.on_override) == (Profile.VLLM, OnOverride.ENFORCE)
    assert (spec.attempt, spec.paused, spec.abort, spec.approved) == (None, None, None, None)
    assert (spec.steps, spec.gates, spec.guards.disabled) == (None, None, [])
    assert spec.analysis.model_dump(by_alias=True, mode="json") == {
        "interval": "30s",
        "guardInterval": "5s",
        "settle": "2m",
        "minDuration": "5m",
        "maxDuration": "60m",
        "minRequests": 300,
        "allowLoadMismatch": None,
        "onInconclusive": "Pause",
        "onOutage": "Hold",
        "outageLimit": "15m",
    }
    assert rollout.status.phase is None


def test_a_field_from_the_future_is_left_out_instead_of_breaking() -> None:
    rollout = MigrationRollout.model_validate({"spec": SPEC | {"shadow": {}}, "status": {"new": 1}})
    assert "shadow" not in rollout.spec.model_dump(by_alias=True)


def test_nothing_can_be_changed_after_reading() -> None:
    rollout = MigrationRollout.model_validate({"spec": SPEC})
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        rollout.spec.paused = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("step", "kind", "description"),
    [
        ({"weight": 25}, StepKind.WEIGHT, "weight 25"),
        ({"pause": {"duration": "30m"}}, StepKind.PAUSE, "pause 30m"),
        ({"approval": {"name": "go-live"}}, StepKind.APPROVAL, "approval go-live"),
        ({"soak": {"duration": "24h"}}, StepKind.SOAK, "soak 24h"),
    ],
)
def test_a_step_says_what_it_is(step: dict[str, Any], kind: StepKind, description: str) -> None:
    read = Step.model_validate(step)
    assert (read.kind, read.description) == (kind, description)


def test_a_gates_wire_names_are_camel_case() -> None:
    gate = Gate.model_validate({"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}})
    assert gate.error_rate is not None
    assert gate.model_dump(by_alias=True, exclude_none=True) == {
        "name": "errors",
        "errorRate": {"max": "1%", "ratio": "2"},
    }


def condition(kind: str, status: ConditionStatus, minutes: int, message: str = "") -> Condition:
    return Condition(
        type=kind,
        status=status,
        reason="Because",
        message=message,
        last_transition_time=NOW + timedelta(minutes=minutes),
    )


def test_a_conditions_transition_time_moves_only_with_its_status() -> None:
    true, false = ConditionStatus.TRUE, ConditionStatus.FALSE
    before = [condition("Ready", false, 0), condition("Paused", false, 0)]
    same = with_condition(before, condition("Ready", false, 5, "new words"))
    assert [(c.type, c.message, c.last_transition_time) for c in same] == [
        ("Ready", "new words", NOW),
        ("Paused", "", NOW),
    ]
    turned = with_condition(before, condition("Ready", true, 5))
    assert turned[0].last_transition_time == NOW + timedelta(minutes=5)
    added = with_condition(before, condition("Finished", true, 5))
    assert [c.type for c in added] == ["Ready", "Paused", "Finished"]
