"""Who acts in the tests of the command line: a person at a shell, and an operator that is not there."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cutover.cli.program import run
from tests.features.admission.rollouts import MINIMAL, Json, Rollouts, at, merged
from tests.lab import Cluster

STEPS = [{"weight": 5}, {"approval": {"name": "go-live"}}, {"weight": 50}, {"weight": 100}]
MANAGER = "cutover-cli"


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """A person's shell: `cutover` with a kubeconfig, in this process."""

    kubeconfig: Path
    namespace: str
    captured: pytest.CaptureFixture[str]

    def __call__(self, command: str, *arguments: str) -> Said:
        where = (f"--kubeconfig={self.kubeconfig}", "--namespace", self.namespace)
        return self.bare(command, *arguments, *where)

    def bare(self, *arguments: str) -> Said:
        self.captured.readouterr()
        code = run(arguments)
        out, err = self.captured.readouterr()
        return Said(code, out, err)


@dataclass(frozen=True)
class Stage:
    """One rollout on a real API server, with its status in the tests' hands: nobody else moves it."""

    rollouts: Rollouts
    name: str

    @property
    def cluster(self) -> Cluster:
        return self.rollouts.cluster

    def read(self) -> Json:
        return self.rollouts.read(self.name)

    @property
    def spec(self) -> Json:
        spec: Json = self.read()["spec"]
        return spec

    def owned(self, manager: str = MANAGER) -> Json:
        """What a manager's last apply stated of the spec (fieldsV1)."""
        for entry in self.read()["metadata"]["managedFields"]:
            if entry["manager"] == manager and entry["operation"] == "Apply":
                fields: Json = entry["fieldsV1"].get("f:spec", {})
                return fields
        return {}

    def report(self, **status: Any) -> None:
        """Write the status as an operator would that has read the newest spec."""
        read = {"observedGeneration": self.read()["metadata"]["generation"], "attempt": 1}
        self.rollouts.write_status(self.name, read | status)

    def apply_as(self, manager: str, edit: Json) -> None:
        """Server-side apply, as Argo CD or a colleague does it."""
        path = f"/apis/cutover.dev/v1alpha1/namespaces/{self.rollouts.namespace}/migrationrollouts"
        document = {
            "apiVersion": "cutover.dev/v1alpha1",
            "kind": "MigrationRollout",
            "metadata": {"name": self.name},
            **edit,
        }
        headers = {"Content-Type": "application/apply-patch+yaml"}
        self.cluster.call(
            "PATCH", f"{path}/{self.name}?fieldManager={manager}&force=true", document, headers
        )

    def exists(self) -> bool:
        try:
            self.read()
        except httpx.HTTPStatusError:
            return False
        return True

    def delete(self) -> None:
        self.rollouts.delete(self.name)


def new_stage(rollouts: Rollouts, steps: list[Json] | None = None) -> Stage:
    edit = at("spec.steps", STEPS if steps is None else steps)
    name: str = rollouts.create(merged(MINIMAL, edit))["metadata"]["name"]
    return Stage(rollouts, name)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def step(index: int, kind: str = "weight", description: str = "weight 5") -> Json:
    return {
        "index": index,
        "total": len(STEPS),
        "kind": kind,
        "description": description,
        "startedAt": now(),
    }


def condition(kind: str, status: str, reason: str, message: str = "") -> Json:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": now(),
    }


WAITING = {"phase": "Progressing", "step": step(1, "approval", "approval go-live")}
STALLED = {
    "phase": "Progressing",
    "conditions": [condition("Stalled", "True", "Inconclusive", "too few requests came")],
}


def eventually(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"
