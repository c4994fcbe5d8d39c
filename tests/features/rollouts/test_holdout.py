"""A target that answers labelled items worse is found out before it gets any traffic."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.features.rollouts.stage import Stage
from tests.lab import OPERATOR, Cluster

pytestmark = pytest.mark.lab

RESULTS = {"source": "chat-eval", "target": "chat-eval-gke"}


def evaluated(cluster: Cluster, namespace: str, name: str, outcomes: str) -> None:
    """What a user's own evaluation leaves behind."""
    cluster.ensure_namespace(namespace)
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": {
                "metric": "Accuracy",
                "dataset": "support-questions-7",
                "finishedAt": datetime.now(UTC).isoformat(),
                "outcomes": outcomes,
            },
        }
    )


def outcomes(items: int, *, worse: bool = False) -> str:
    """Every tenth answer is wrong; a worse target has every twentieth wrong besides."""
    wrong = {0, 10, 11} if worse else {0, 10}
    return "".join("0" if i % 20 in wrong else "1" for i in range(items))


def begin(stage: Stage, **gate: Any) -> None:
    lab = stage.lab
    stage.secret("gke-usc1", lab.target.kubeconfig_for(user=OPERATOR, namespace=stage.namespace))
    holdout = {"metric": "Accuracy", "results": RESULTS, **gate}
    gates = [
        {"name": "quality", "holdout": holdout},
        {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}},
    ]
    stage.begin(target=stage.target_side(), gates=gates)


def gate(stage: Stage) -> dict[str, Any]:
    gates = stage.status.get("gates") or []
    return next((one for one in gates if one["name"] == "quality"), {})


def passed(stage: Stage) -> dict[str, Any]:
    """The gate's Pass: the route is raised on it, and the status is written after the route."""
    return dict(
        stage.wait(
            "a Pass", lambda: one if (one := gate(stage)).get("reason") == "WithinDelta" else {}
        )
    )


def write(stage: Stage, source: str, target: str) -> None:
    evaluated(stage.lab.source, stage.namespace, RESULTS["source"], source)
    evaluated(stage.lab.target, stage.namespace, RESULTS["target"], target)


def test_a_target_five_points_less_accurate_never_gets_a_request(stage: Stage) -> None:
    write(stage, outcomes(2000), outcomes(2000, worse=True))
    begin(stage)
    stage.wait_phase("RolledBack")
    assert stage.targets == [0]
    rollback = stage.status["rollback"]
    assert rollback["reason"] == "GateFailed"
    assert rollback["message"].startswith(
        "quality: accuracy 85 % on the target and 90 % on the source over 2,000 items, 5 points worse"
    )
    stage.wait_source_answers()


def test_too_few_items_pause_with_the_number_that_would_do_and_that_many_pass(stage: Stage) -> None:
    begin(stage)
    stage.wait(
        "the results are waited for", lambda: "does not exist yet" in gate(stage).get("message", "")
    )
    write(stage, outcomes(1000), outcomes(1000))
    stage.wait("a pause", lambda: (stage.status.get("pause") or {}).get("cause") == "Inconclusive")
    assert "too few items to show 0.1 %: about 2,995 would" in stage.status["pause"]["message"]
    assert stage.targets == [0]
    write(stage, outcomes(3000), outcomes(3000))
    stage.patch({"spec": {"paused": True}})
    stage.wait("the pause is seen", lambda: stage.status["pause"].get("acknowledged"))
    stage.patch({"spec": {"paused": None}})
    stage.wait_weight(25)
    assert passed(stage)["targetCount"] == 3000


# --- asked by the operator ----------------------------------------------------------------------


def questions(stage: Stage, items: int) -> list[dict[str, Any]]:
    """Labelled with what the source answers, but for every tenth: there both should say something else."""
    lines = []
    with httpx.Client(base_url=stage.slot.source.url, trust_env=False) as http:
        for n in range(items):
            messages = [{"role": "user", "content": f"Ticket {n}: which queue?"}]
            body = {"messages": messages, "max_tokens": 4, "temperature": 0}
            answer = http.post("/v1/chat/completions", json={"model": "tiny", **body}).json()
            said = answer["choices"][0]["message"]["content"].strip()
            lines.append({**body, "label": said if n % 10 else "another queue"})
    return lines


def ask(stage: Stage, lines: list[dict[str, Any]], **holdout: Any) -> None:
    stage.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "tickets", "namespace": stage.namespace},
            "data": {"tickets.jsonl": "\n".join(json.dumps(line) for line in lines)},
        }
    )
    spec = stage.spec()
    sides = {"source": stage.slot.source, "target": stage.slot.target}
    endpoints = {
        name: spec[name] | {"endpoint": {"url": server.url, "model": "tiny"}}
        for name, server in sides.items()
    }
    judged = {
        "metric": "Accuracy",
        "maxDelta": "1%",
        "dataset": {"configMapKeyRef": {"name": "tickets"}},
        "protocol": "OpenAIChat",
        "rate": 200,
        "concurrency": 8,
        **holdout,
    }
    gates = [
        {"name": "quality", "holdout": judged},
        {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}},
    ]
    stage.begin(gates=gates, **endpoints)


def test_other_weights_are_less_right_and_never_get_a_request(stage: Stage) -> None:
    lines = questions(stage, 200)
    asyncio.run(stage.slot.target.set(nudge=0.05))
    ask(stage, lines)
    stage.wait_phase("RolledBack")
    assert stage.targets == [0]
    told = gate(stage)
    assert (told["verdict"], told["reason"]) == ("Fail", "WorseThanSource")
    assert "90 % on the source over 200 items" in told["message"]
    assert "Ticket" not in json.dumps(stage.status)


def test_equal_sides_are_equally_right(stage: Stage) -> None:
    ask(stage, questions(stage, 300))
    stage.wait_weight(25, seconds=120)
    told = passed(stage)
    assert told["message"].startswith(
        "quality: accuracy 90 % on the target and 90 % on the source over 300 items, no difference"
    )
    assert told["replay"]["sums"] == [0, 0, 270, 0, 0, 30]
