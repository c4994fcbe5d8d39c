"""Rollouts as the API server would give them, for tests of what is made of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.features.admission.rollouts import MINIMAL

Json = dict[str, Any]

NOW = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
STEPS: list[Json] = [
    {"weight": 5},
    {"approval": {"name": "go-live"}},
    {"weight": 50},
    {"pause": {"duration": "30m"}},
    {"weight": 100},
    {"soak": {"duration": "24h"}},
]
GATES: list[Json] = [
    {
        "name": "first-token",
        "latency": {
            "metric": "TimeToFirstToken",
            "threshold": "1s",
            "maxAbove": "5%",
            "margin": "2.5%",
        },
    },
    {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}},
]
PLAN: Json = {
    "generation": 1,
    "operatorVersion": "0.1.0",
    "attempt": 1,
    "profile": "VLLM",
    "source": MINIMAL["spec"]["source"],
    "target": MINIMAL["spec"]["target"],
    "traffic": MINIMAL["spec"]["traffic"],
    "steps": STEPS,
    "analysis": {},
    "gates": GATES,
}


def ago(**length: float) -> str:
    return (NOW - timedelta(**length)).isoformat().replace("+00:00", "Z")


def condition(kind: str, status: str, reason: str, message: str = "") -> Json:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(minutes=3),
    }


def gate(name: str, verdict: str, **more: Any) -> Json:
    return {
        "name": name,
        "verdict": verdict,
        "reason": verdict,
        "message": f"what {name} found",
        "value": 0.008,
        "bound": 0.05,
        "unit": "Share",
        "sourceCount": 3611,
        "targetCount": 1204,
        "window": "10m",
        "lookedAt": ago(seconds=8),
    } | more


def step(index: int, kind: str = "weight") -> Json:
    return {
        "index": index,
        "total": len(STEPS),
        "kind": kind,
        "description": "",
        "startedAt": ago(minutes=12),
    }


def rollout(status: Json | None = None, *, generation: int = 1, **spec: Any) -> Json:
    """One that the operator has read and is at work on; `status` and `spec` change that."""
    working = {
        "observedGeneration": 1,
        "attempt": 1,
        "phase": "Progressing",
        "message": "50 % on target, step 3 of 6: errors needs about 120 more requests",
        "summary": {
            "phase": "Progressing",
            "step": "3/6",
            "source": "in-cluster",
            "target": "gke-usc1",
        },
        "plan": PLAN,
        "step": step(2),
        "weights": {
            "desired": 50,
            "declared": 50,
            "delivered": 49.8,
            "deliveredAt": ago(seconds=8),
        },
        "gates": [gate("first-token", "Pass"), gate("errors", "Inconclusive", value=0.003)],
    }
    return {
        "metadata": {"namespace": "inference", "name": "llama-chat", "generation": generation},
        "spec": MINIMAL["spec"] | spec,
        "status": working | (status or {}),
    }
