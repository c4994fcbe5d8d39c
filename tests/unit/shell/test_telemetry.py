"""What Prometheus is told, and that nothing stale stays."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import generate_latest

from cutover.api.status import Status
from cutover.telemetry import Telemetry
from tests.unit.shell.clock import Clock

KEY = ("inference", "llama")
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def telemetry(clock: Clock) -> Telemetry:
    return Telemetry(clock)


def samples(telemetry: Telemetry, name: str) -> dict[tuple[str, ...], float]:
    telemetry.refresh()
    return {
        tuple(sample.labels.values()): sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def status(phase: str = "Progressing", **more: Any) -> Status:
    given = {
        "phase": phase,
        "weights": {"desired": 25, "declared": 25, "delivered": 24.6},
        "step": {
            "index": 4,
            "total": 9,
            "kind": "weight",
            "startedAt": AT,
            "description": "weight 25",
        },
        "gates": [
            {
                "name": "errors",
                "verdict": "Pass",
                "reason": "Within",
                "message": "fine",
                "value": 0.01,
                "bound": 0.02,
            },
            {"name": "golden", "verdict": "Error", "reason": "Unreachable", "message": "no"},
        ],
    }
    return Status.model_validate(given | more)


def test_a_rollout_is_shown_as_its_status_has_it(telemetry: Telemetry) -> None:
    telemetry.publish(KEY, status())
    assert samples(telemetry, "cutover_rollout_info") == {(*KEY, "Progressing", ""): 1}
    assert samples(telemetry, "cutover_rollout_step") == {KEY: 5}
    assert samples(telemetry, "cutover_rollout_steps") == {KEY: 9}
    assert samples(telemetry, "cutover_rollout_weight") == {
        (*KEY, "desired"): 25,
        (*KEY, "declared"): 25,
        (*KEY, "delivered"): 24.6,
    }
    assert samples(telemetry, "cutover_gate_value") == {(*KEY, "errors"): 0.01}
    assert samples(telemetry, "cutover_gate_bound") == {(*KEY, "errors"): 0.02}
    assert samples(telemetry, "cutover_gate_verdict") == {
        (*KEY, "errors", "Pass"): 1,
        (*KEY, "golden", "Error"): 1,
    }


def test_a_pause_is_told_with_its_cause(telemetry: Telemetry) -> None:
    pause = {"cause": "MetricsOutage", "since": AT, "message": "no answer"}
    telemetry.publish(KEY, status(pause=pause))
    assert samples(telemetry, "cutover_rollout_info") == {(*KEY, "Progressing", "MetricsOutage"): 1}


def test_what_is_not_known_is_not_shown(telemetry: Telemetry) -> None:
    telemetry.publish(KEY, Status())
    assert samples(telemetry, "cutover_rollout_info") == {(*KEY, "", ""): 1}
    assert samples(telemetry, "cutover_rollout_weight") == {}
    assert samples(telemetry, "cutover_rollout_step") == {}


def test_a_new_phase_replaces_the_old_one_and_a_forgotten_rollout_leaves_nothing(
    telemetry: Telemetry,
) -> None:
    telemetry.publish(KEY, status())
    telemetry.publish(KEY, status("RollingBack"))
    assert samples(telemetry, "cutover_rollout_info") == {(*KEY, "RollingBack", ""): 1}
    telemetry.looked(KEY, 0.1)
    telemetry.forget(KEY)
    telemetry.forget(KEY)
    text = generate_latest(telemetry.registry).decode()
    assert "llama" not in text


def test_the_age_of_the_oldest_look(telemetry: Telemetry, clock: Clock) -> None:
    other = ("inference", "other")
    assert samples(telemetry, "cutover_oldest_look_age_seconds") == {(): 0}
    telemetry.looked(KEY, 0.1)
    clock.forward(10)
    telemetry.looked(other, 0.1)
    clock.forward(5)
    assert samples(telemetry, "cutover_oldest_look_age_seconds") == {(): 15}
    telemetry.looked(KEY, 0.1)
    assert samples(telemetry, "cutover_oldest_look_age_seconds") == {(): 5}
    telemetry.publish(other, status("Completed"))
    assert samples(telemetry, "cutover_oldest_look_age_seconds") == {(): 0}


def test_what_was_left_behind_outlives_its_rollout(telemetry: Telemetry) -> None:
    telemetry.left_behind(KEY, "inference/llama", 25)
    telemetry.forget(KEY)
    assert samples(telemetry, "cutover_traffic_left_behind") == {(*KEY, "inference/llama"): 25}


def test_the_rest(telemetry: Telemetry) -> None:
    assert samples(telemetry, "cutover_leader") == {(): 0}
    telemetry.led(7)
    assert samples(telemetry, "cutover_leader") == {(): 1}
    assert samples(telemetry, "cutover_leader_epoch") == {(): 7}
    telemetry.lost()
    assert samples(telemetry, "cutover_leader") == {(): 0}
    telemetry.queued(depth=3, oldest_due=1.5, failing=1)
    assert samples(telemetry, "cutover_queue_depth") == {(): 3}
    assert samples(telemetry, "cutover_oldest_due_seconds") == {(): 1.5}
    assert samples(telemetry, "cutover_failing_keys") == {(): 1}
    telemetry.requested("own", "GET", 200)
    telemetry.requested("own", "GET", "timeout")
    assert samples(telemetry, "cutover_api_requests_total") == {
        ("own", "GET", "200"): 1,
        ("own", "GET", "timeout"): 1,
    }
    telemetry.rolled_back("GateFailed")
    assert samples(telemetry, "cutover_rollbacks_total") == {("GateFailed",): 1}
    telemetry.lagged(0.02)
    assert samples(telemetry, "cutover_loop_lag_seconds_count") == {(): 1}
    telemetry.restored(0.4)
    assert samples(telemetry, "cutover_breach_to_restored_seconds_sum") == {(): 0.4}
    assert samples(telemetry, "process_resident_memory_bytes")


def test_labels_are_escaped(telemetry: Telemetry) -> None:
    telemetry.rolled_back('a "quoted"\nreason')
    assert r'reason="a \"quoted\"\nreason"' in generate_latest(telemetry.registry).decode()
