"""Both sides answer golden inputs alike before the target gets any traffic."""

import asyncio
import json
from typing import Any

import pytest

from tests.features.rollouts.stage import Stage

pytestmark = pytest.mark.lab

CHATS = [
    {"id": f"q{n}", "messages": [{"role": "user", "content": f"Question {n}: what is {n} + {n}?"}]}
    for n in range(320)
]


def endpoints(stage: Stage, **more: Any) -> dict[str, Any]:
    sides = {"source": stage.slot.source, "target": stage.slot.target}
    spec = stage.spec()
    return {
        name: spec[name] | {"endpoint": {"url": server.url, "model": "tiny"} | more}
        for name, server in sides.items()
    }


def keep(stage: Stage, lines: list[dict[str, Any]], name: str = "golden") -> None:
    stage.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": stage.namespace},
            "data": {"golden.jsonl": "\n".join(json.dumps(line) for line in lines)},
        }
    )


def golden(**parity: Any) -> dict[str, Any]:
    dataset = {"configMapKeyRef": {"name": "golden"}}
    quick = {"rate": 200, "concurrency": 8, "repeat": "25%"}
    return {
        "name": "golden",
        "parity": {"dataset": dataset, "protocol": "OpenAIChat"} | quick | parity,
    }


ERRORS = {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}}


def gate(stage: Stage) -> dict[str, Any]:
    return next((one for one in stage.status.get("gates") or [] if one["name"] == "golden"), {})


def test_weights_that_are_a_little_off_are_caught_before_the_target_gets_any_traffic(
    stage: Stage,
) -> None:
    keep(stage, CHATS)
    asyncio.run(stage.slot.target.set(nudge=0.05))
    stage.begin(gates=[golden(), ERRORS], **endpoints(stage))
    stage.wait_phase("RolledBack")
    assert stage.targets == [0]
    assert stage.traffic is not None
    assert {record.side for record in stage.traffic.records() if record.ok} == {"source"}
    rollback, told = stage.status["rollback"], gate(stage)
    assert rollback["reason"] == "GateFailed"
    assert "differ" in rollback["message"]
    assert (told["verdict"], told["reason"]) == ("Fail", "AnswersDiffer")
    assert told["replay"]["itself"]["differing"] == 0
    assert told["replay"]["examples"][0].startswith("q")
    assert "Question" not in json.dumps(stage.status)


def test_equal_sides_pass_once_and_the_rollout_goes_on(stage: Stage) -> None:
    keep(stage, CHATS)
    stage.begin(gates=[golden(), ERRORS], **endpoints(stage))
    stage.wait_phase("Completed")
    told = gate(stage)
    assert told["verdict"] == "Pass"
    assert told["message"].startswith("golden: 0 of 320 differ: at most 0.93 %, 95 % sure")
    assert told["replay"]["asked"] == 320
    assert told["replay"]["calibrated"] == 80
    assert stage.targets == [0, 25, 100]


# --- their distributions ------------------------------------------------------------------------


def test_answers_cut_short_are_told_by_their_lengths_before_the_target_gets_any_traffic(
    stage: Stage,
) -> None:
    keep(stage, [line | {"max_tokens": 64} for line in CHATS])
    asyncio.run(stage.slot.target.set(cut_short=0.4))
    asked = {"dataset": {"configMapKeyRef": {"name": "golden"}}, "protocol": "OpenAIChat"}
    quick = {"output": "Length", "rate": 200, "concurrency": 8}
    drift = {"golden": asked | quick, "method": "PSI", "max": "0.2"}
    stage.begin(gates=[{"name": "golden", "drift": drift}, ERRORS], **endpoints(stage))
    stage.wait_phase("RolledBack")
    assert stage.targets == [0]
    told = gate(stage)
    assert (told["verdict"], told["reason"]) == ("Fail", "Drifted")
    assert told["message"].startswith("golden: PSI of the answers' lengths is ")
    assert told["sourceCount"] == told["targetCount"] == len(CHATS)
    assert "Question" not in json.dumps(stage.status)
