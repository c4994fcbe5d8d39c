"""What a person on call sees."""

import io
from typing import Any

import pytest
from rich.console import Console

from cutover.cli.drawing import draw, draw_table
from cutover.cli.sight import see
from tests.unit.cli.sights import (
    NOW,
    PLAN,
    STEPS,
    Json,
    ago,
    condition,
    gate,
    rollout,
    step,
)


def command(verb: str) -> str:
    return f"cutover {verb} llama-chat -n inference"


def drawn(found: Json, *, evidence: bool = False) -> str:
    out = Console(file=io.StringIO(), width=1000, highlight=False)
    picture = draw(see(found), NOW, command, evidence=evidence)
    out.print(picture)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert all(line == line.rstrip() for line in text.splitlines())
    return text


def test_the_whole_picture_of_a_rollout_at_work() -> None:
    history = [
        {"at": ago(days=1), "from": "", "to": "Pending", "reason": "Created"},
        {"at": ago(hours=2), "from": "Pending", "to": "Preflight", "reason": "Accepted"},
        {
            "at": ago(hours=1),
            "from": "Preflight",
            "to": "Progressing",
            "weight": 0,
            "reason": "ChecksPassed",
            "message": "route claimed",
        },
        {
            "at": ago(minutes=12),
            "from": "Progressing",
            "to": "Progressing",
            "weight": 50,
            "reason": "StepBegun",
        },
    ]
    conditions = [
        condition("Accepted", "True", "Accepted"),
        condition(
            "RollbackReady", "False", "SourceTooSmall", "the source has 3 of 8 replicas ready"
        ),
        condition("TargetReachable", "Unknown", "NotLooked"),
        condition("Ready", "False", "NotCompleted"),
    ]
    assert (
        drawn(rollout({"history": history, "conditions": conditions}))
        == """\
inference/llama-chat  Progressing  in-cluster → gke-usc1  attempt 1
50 % on target, step 3 of 6: errors needs about 120 more requests
├── Target's share: 50 % desired, 50 % declared, 49.8 % delivered (8s ago)
├── Steps: 3 of 6
│   ├── ✔  1  weight 5
│   ├── ✔  2  approval go-live
│   ├── ▶  3  weight 50         for 12m
│   ├── ·  4  pause 30m
│   ├── ·  5  weight 100
│   └── ·  6  soak 24h
├── Gates: over 10m, looked 8s ago
│   ├── ✔ first-token  Pass          0.8 % vs 5 %  1,204 on target, 3,611 on source
│   └── … errors       Inconclusive  0.3 % vs 5 %  1,204 on target, 3,611 on source
│       what errors found
├── Conditions
│   └── ✖ RollbackReady  SourceTooSmall  for 3m: the source has 3 of 8 replicas ready
└── History
    ├── Mar 03 14:30Z  Pending                           Created
    ├── 12:30Z         Pending → Preflight               Accepted
    ├── 13:30Z         Preflight → Progressing  at 0 %   ChecksPassed: route claimed
    └── 14:18Z         Progressing              at 50 %  StepBegun

Hold it:  cutover pause llama-chat -n inference  guards keep watching
Stop it:  cutover abort llama-chat -n inference  puts all traffic back in seconds
"""
    )


BACK = {
    "reason": "GateFailed",
    "message": "errors: 4.2 % failed",
    "decidedAt": ago(minutes=5),
    "restoredAt": ago(minutes=4, seconds=59.7),
}
PAUSED = {"cause": "TrafficOverridden", "since": ago(minutes=4), "message": "kubectl-edit set 60 %"}
SILENT = [gate("errors", "Pass", lookedAt=ago(minutes=22))]
BY_HAND = "By hand:  kubectl edit httproute llama-chat -n inference  set the target's weight to 0"


SCALED = {
    "source": "ScaledToZero",
    "since": "2026-03-02T08:00:00Z",
    "message": "scaled to zero (4 before)",
    "leftBehind": [
        {"object": "Deployment inference/llama-chat", "of": "source", "state": "scaled to zero"},
        {
            "object": "HTTPRoute llama-chat",
            "of": "route",
            "state": "names the source still, at weight 0",
        },
    ],
}


@pytest.mark.parametrize(
    ("found", "told", "not_told"),
    [
        pytest.param(
            rollout(
                {
                    "step": step(1, "approval"),
                    "conditions": [condition("Stalled", "True", "Approval")],
                }
            ),
            [
                "A person must act (Approval)\n",
                "▶  2  approval go-live  for 12m, waits for a person's yes",
                "Go on:    cutover approve llama-chat -n inference  says yes to go-live",
            ],
            [],
            id="waiting for an approval",
        ),
        pytest.param(
            rollout(
                {
                    "gates": [
                        gate("golden", "Pass", run="BeforeTraffic", onFail="Pause"),
                        gate("queue", "Fail", onFail="Report", failingSince=ago(minutes=6)),
                        gate("errors", "Pass"),
                        gate(
                            "length",
                            "Pass",
                            reason="ReportedOnly",
                            value=0.31,
                            bound=0.2,
                            unit=None,
                        ),
                    ]
                }
            ),
            [
                "3,611 on source  only reported\n",
                "on source  stands for the attempt, a Fail pauses\n",
                "on source  failing for 6m, only reported\n",
            ],
            [],
            id="gates with parts of their own",
        ),
        pytest.param(
            rollout(
                {
                    "phase": "RolledBack",
                    "rollback": BACK,
                    "gates": [gate("errors", "Fail", failingSince=ago(minutes=6))],
                }
            ),
            [
                "✖  3  weight 50         stopped here",
                "✖ errors  Fail  0.8 % vs 5 %  1,204 on target, 3,611 on source  failing for 6m",
                "GateFailed: errors: 4.2 % failed (decided 14:25Z, restored 0.3 s later)",
                "Try again:  cutover retry llama-chat -n inference",
            ],
            ["Stop it", "Hold it"],
            id="rolled back",
        ),
        pytest.param(
            rollout({"phase": "RollingBack", "rollback": BACK | {"restoredAt": None}}),
            ["not yet restored"],
            ["Stop it", "Try again"],
            id="rolling back",
        ),
        pytest.param(
            rollout(
                {
                    "pause": PAUSED,
                    "summary": {"phase": "Paused"},
                    "weights": {"desired": 50, "declared": 60},
                    "conditions": [condition("Paused", "True", "TrafficOverridden", "60 %")],
                }
            ),
            [
                "inference/llama-chat  Paused",
                "50 % desired, 60 % declared, unknown delivered",
                "‖  3  weight 50",
                "‖ Paused  TrafficOverridden  for 3m: 60 %",
                "Go on:    cutover resume",
                "Stop it:  cutover abort",
            ],
            ["Hold it"],
            id="paused",
        ),
        pytest.param(
            rollout({"phase": "Completed", "step": step(5, "soak")}),
            ["✔  6  soak 24h", "Go back:  cutover reverse"],
            ["·", "Left behind", "restore-source"],
            id="completed",
        ),
        pytest.param(
            rollout({"phase": "Completed", "step": step(5, "soak"), "afterCompletion": SCALED}),
            [
                "Left behind",
                "Deployment inference/llama-chat  (source)  scaled to zero",
                "HTTPRoute llama-chat             (route)   names the source still, at weight 0",
                "Undo it:  cutover restore-source",
            ],
            [],
            id="source scaled to zero",
        ),
        pytest.param(
            rollout({"gates": SILENT}),
            ["! nothing was reported for 22m: the operator may be down", BY_HAND, "Stop it"],
            [],
            id="nobody watches",
        ),
        pytest.param(
            rollout({"gates": SILENT}, generation=2, abort=True),
            ["! abort is asked and not yet read by the operator", BY_HAND],
            ["Stop it"],
            id="nobody hears an abort",
        ),
        pytest.param(
            rollout({"trouble": "409 three times"}),
            ["! the last write failed: 409 three times"],
            [],
            id="trouble",
        ),
        pytest.param(
            rollout({"plan": PLAN | {"profile": "Wonder"}}),
            ["! status.plan was written by another version of the operator", "Steps: 3 of 6"],
            ["BY_HAND"],
            id="a newer operator's status",
        ),
    ],
)
def test_what_matters_is_told(found: Json, told: list[str], not_told: list[str]) -> None:
    text = drawn(found)
    assert [one for one in told if one not in text] == []
    assert [one for one in not_told if one in text] == []


def test_a_rollout_that_nobody_has_seen_yet() -> None:
    found: dict[str, Any] = rollout(steps=STEPS[:1])
    del found["status"]
    assert drawn(found).startswith("""\
inference/llama-chat  not yet seen by the operator  attempt 1
! the last edit is not yet read by the operator, which takes seconds where it runs
└── Steps
    └── ·  1  weight 5
""")


def test_of_many_steps_those_near_the_present_one_are_shown() -> None:
    steps = [{"weight": weight} for weight in range(1, 31)]
    text = drawn(rollout({"plan": PLAN | {"steps": steps}, "step": step(14)}))
    assert "│   ├── … 10 before\n│   ├── ✔ 11  weight 11\n" in text
    assert "│   ├── · 21  weight 21\n│   └── … 9 more\n" in text


def test_every_gate_is_told_in_its_own_unit() -> None:
    gates = [
        gate("output-length", "Fail", value=0.2413, bound=0.2, unit=None, sourceCount=None),
        gate("mean-latency", "Pass", value=0.25, bound=1.5, unit="Seconds"),
        gate("queue", "Pass", value=12000.0, bound=None, unit=None, targetCount=None),
    ]
    text = drawn(rollout({"gates": gates}))
    for told in (
        "✖ output-length  Fail  0.241 vs 0.2     1,204 on target\n",
        "✔ mean-latency   Pass  250 ms vs 1.5 s  1,204 on target, 3,611 on source\n",
        "✔ queue          Pass  12,000\n",
    ):
        assert told in text


def test_asked_for_its_evidence_a_gate_shows_all_that_its_verdict_rests_on() -> None:
    found = rollout(
        {
            "gates": [
                gate("errors", "Fail", failingSince=ago(minutes=6), query="sum(a)\n  / sum(b)"),
                gate("first-token", "Pass", query="sum by (le)(c)"),
            ]
        }
    )
    text = drawn(found, evidence=True)
    assert (
        """\
    ├── ✖ errors       Fail  0.8 % vs 5 %  1,204 on target, 3,611 on source  failing for 6m
    │   what errors found
    │   reason:  Fail
    │   looked:  14:29Z over the 10m before
    │   failing: since 14:24Z
    │   query:   sum(a) / sum(b)
    └── ✔ first-token  Pass  0.8 % vs 5 %  1,204 on target, 3,611 on source
        what first-token found
        reason:  Pass
        looked:  14:29Z over the 10m before
        query:   sum by (le)(c)
"""
        in text
    ), text
    assert "query" not in drawn(found)


def test_both_sides_servers_are_told_in_one_line_each() -> None:
    facts = {
        "source": {"ready": 4, "replicas": 4, "running": 37.2, "waiting": 0, "kvCache": 0.41},
        "target": {
            "ready": 2,
            "replicas": 3,
            "running": 12,
            "gpus": 8,
            "gpuBusy": 0.97,
            "gpuMemory": 0.913,
            "xids": {"node-3 GPU 1": 31},
        },
    }
    probes = {"failures": 2, "message": "http://m:8000/health answered 503"}
    text = drawn(rollout({"facts": facts, "probes": probes}))
    assert "source  4 of 4 ready  37 running, 0 waiting, KV cache 41 %" in text
    assert "target  2 of 3 ready  12 running" in text
    assert "8 GPUs, 97 % busy, memory 91.3 %  node-3 GPU 1: XID 31" in text
    assert "2 probes of the target's endpoint failed: http://m:8000/health answered 503" in text
    assert "Servers" not in drawn(rollout())


def test_a_list_is_what_the_api_server_made_of_the_definitions_columns() -> None:
    table = {
        "columnDefinitions": [{"name": "Name"}, {"name": "Phase"}, {"name": "Age", "priority": 1}],
        "rows": [{"object": {"metadata": {"namespace": "chat"}}, "cells": ["llama", None, "3m"]}],
    }
    out = Console(file=io.StringIO(), width=1000, highlight=False)
    out.print(draw_table(table, namespaces=True, wide=True))
    out.print(draw_table(table, namespaces=False, wide=False))
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue() == (
        "NAMESPACE  NAME   PHASE  AGE\nchat       llama         3m\nNAME   PHASE\nllama\n"
    )


def test_windows_say_until_when_the_weight_may_rise() -> None:
    office = {"schedule": "0 9 * * 1-5", "duration": "8h", "timeZone": "Europe/Berlin"}

    def shown(phase: str, *windows: Json) -> str:
        return drawn(rollout({"phase": phase, "plan": PLAN | {"windows": list(windows)}}))

    assert "Windows: open until Wed 04 Mar 16:00Z (Wed 17:00 Europe/Berlin)" in shown(
        "Progressing", office
    )
    assert (
        "Windows: closed; the next one opens Thu 05 Mar 08:00Z (Thu 09:00 Europe/Berlin)"
        in shown("Progressing", office | {"duration": "2h"})
    )
    assert "Windows" not in shown("Progressing")
    assert "Windows" not in shown("Completed", office)
