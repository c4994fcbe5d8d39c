"""Gates on numbers of one's own, against a real Prometheus: one before any traffic, one that pauses."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.features.rollouts.stage import Stage
from tests.lab.servers import ModelServer

pytestmark = pytest.mark.lab

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
ANSWERED = "sum(vllm:request_success_total{$matchers}) or vector(0)"
FAILURES = 'sum(increase(http_requests_total{$matchers,status=~"5.*"}[5s])) or vector(0)'


def warm_up(server: ModelServer, requests: int) -> None:
    for _ in range(requests):
        answer = httpx.post(
            f"{server.url}/v1/chat/completions", json=CHAT, timeout=30, trust_env=False
        )
        answer.raise_for_status()


def answered(stage: Stage) -> float:
    matchers = f'slot="{stage.slot.number}",side="target"'
    query = ANSWERED.replace("$matchers", matchers)
    found = httpx.get(
        f"{stage.lab.prometheus.url}/api/v1/query", params={"query": query}, trust_env=False
    )
    return float(found.json()["data"]["result"][0]["value"][1])


def gate(stage: Stage, name: str) -> dict[str, Any]:
    found = stage.status.get("gates") or []
    return next((dict(one) for one in found if one["name"] == name), {})


def resume(stage: Stage) -> None:
    stage.patch({"spec": {"paused": True}})
    stage.wait("seen", lambda: (stage.status.get("pause") or {}).get("acknowledged"))
    stage.patch({"spec": {"paused": None}})


def test_one_is_waited_for_before_traffic_and_one_pauses_until_a_person_resumes(
    stage: Stage,
) -> None:
    warmed = {"expr": ANSWERED, "min": f"{answered(stage) + 3:.0f}", "breaches": 20}
    stage.begin(
        steps=[{"weight": 25}, {"approval": {"name": "go"}}, {"weight": 100}],
        gates=[
            {"name": "warmed-up", "run": "BeforeTraffic", "onFail": "Pause", "query": warmed},
            {
                "name": "failures",
                "onFail": "Pause",
                "query": {"expr": FAILURES, "max": "0", "breaches": 2},
            },
        ],
    )
    stage.wait(
        "it waits",
        lambda: "weight 25 comes next, once warmed-up passes" in stage.status.get("message", ""),
    )
    assert stage.targets == [0]
    warm_up(stage.slot.target, 3)
    stage.wait_weight(25)
    # The route is written before the status is.
    stage.wait("it passed", lambda: gate(stage, "warmed-up").get("verdict") == "Pass")
    stage.wait("asked for", lambda: "waits for approval go" in stage.status.get("message", ""))

    asyncio.run(stage.slot.target.set(error_rate=0.1))
    stage.wait("it pauses", lambda: (stage.status.get("pause") or {}).get("cause") == "GateFailed")
    assert stage.condition("Paused")["reason"] == "GateFailed"
    assert "failures: " in stage.status["pause"]["message"]
    assert "over 0 for 2 looks in a row: fails" in stage.status["pause"]["message"]
    assert stage.wait_event("PausedGateFailed")["type"] == "Warning"

    asyncio.run(stage.slot.target.set(error_rate=0.0))
    stage.wait("no more failures", lambda: gate(stage, "failures").get("verdict") == "Pass")
    assert stage.status["pause"]["cause"] == "GateFailed", "only a person ends it"
    assert stage.targets == [0, 25]
    resume(stage)
    stage.patch({"spec": {"approved": [{"name": "go", "attempt": 1}]}})
    stage.wait_phase("Completed")
    assert stage.targets == [0, 25, 100]
