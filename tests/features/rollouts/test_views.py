"""What a person sees in mid-flight."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.features.rollouts.stage import Stage

pytestmark = pytest.mark.lab


def test_kubectl_get_and_cutover_status_tell_where_a_rollout_is(stage: Stage) -> None:
    stage.begin(steps=[{"weight": 25}, {"approval": {"name": "go-live"}}, {"weight": 100}])
    stage.wait("asked", lambda: "go-live" in stage.status.get("message", ""))
    table = stage.cluster.kubectl("get", "mro", "-n", stage.namespace)
    heading, line = table.splitlines()
    assert heading.split() == [
        *("NAME", "PHASE", "STEP", "WEIGHT", "DELIVERED", "VERDICT", "MESSAGE", "AGE")
    ]
    name, phase, step, weight, delivered, verdict, *message = line.split()
    assert (name, phase, step, weight, verdict) == ("chat", "Progressing", "2/3", "25", "Pass")
    assert 20 < float(delivered.rstrip("%")) < 30
    assert "go-live" in " ".join(message)

    kubeconfig = stage.folder / "person.kubeconfig"
    kubeconfig.write_text(stage.cluster.kubeconfig_for("admin"))
    shown = _cutover(stage, "status", "chat", f"--kubeconfig={kubeconfig}")
    for word in ("chat", "25", "go-live", "first-token", "errors", "Progressing"):
        assert word in shown, shown

    _cutover(stage, "approve", "chat", f"--kubeconfig={kubeconfig}")
    stage.wait_weight(100)
    _cutover(stage, "abort", "chat", f"--kubeconfig={kubeconfig}")
    stage.wait_phase("RolledBack")
    summary = json.loads(
        stage.cluster.kubectl("get", "mro", "chat", "-n", stage.namespace, "-o", "json")
    )["status"]["summary"]
    assert (summary["phase"], summary["weight"]) == ("RolledBack", 0)
    assert stage.targets == [0, 25, 100, 0]


def _cutover(stage: Stage, *arguments: str) -> str:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("cutover")),
            *arguments,
            "--namespace",
            stage.namespace,
        ],
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr
