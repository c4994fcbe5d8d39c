"""The end of a migration on real parts: open streams, the source's capacity, scaling to zero, and the way back."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cutover.cli.program import run
from tests.features.rollouts.stage import REPOSITORY, Stage
from tests.lab import OPERATOR
from tests.lab.streams import SHORT, TOKENS, Streams

pytestmark = pytest.mark.lab

GATES = [{"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}}]
WORKLOAD = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama-chat"}


def source(stage: Stage) -> dict[str, Any]:
    return {**stage.spec()["source"], "workload": WORKLOAD}


def let_it_scale(stage: Stage) -> None:
    """What manifests/operator/scale-source.yaml grants, in this namespace alone."""
    file = REPOSITORY / "manifests" / "operator" / "scale-source.yaml"
    stage.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))
    stage.cluster.kubectl("delete", "clusterrolebinding", "cutover-scale-source")
    name = OPERATOR.rsplit(":", 1)[1]
    stage.cluster.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "cutover-scale-source", "namespace": stage.namespace},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "cutover-scale-source",
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "cutover-system"}],
        }
    )


class Person:
    """Somebody with kubectl and the command line."""

    def __init__(self, stage: Stage, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._where = ["--kubeconfig", str(folder / "person"), "-n", stage.namespace]
        (folder / "person").write_text(stage.cluster.kubeconfig_for("admin"))
        self._captured = capsys

    def __call__(self, *command: str) -> str:
        self._captured.readouterr()
        code = run([*command, *self._where])
        out, err = self._captured.readouterr()
        assert code == 0, err
        return out


def fate(stage: Stage) -> str:
    return str((stage.status.get("afterCompletion") or {}).get("source", ""))


def test_forty_open_streams_across_everything_there_and_back_are_neither_cut_nor_moved(
    stage: Stage,
) -> None:
    """And in the soak a source that loses a replica is told of at once."""
    lab = stage.lab
    with (
        Streams(lab, stage.route) as streams,
        lab.workload(
            lab.source, stage.namespace, "llama-chat", stage.slot.source, replicas=2
        ) as workload,
    ):
        stage.send(body=SHORT, rate=60)
        streams.open(20)
        stage.run_operator()
        steps = [{"weight": 50}, {"weight": 100}, {"soak": {"duration": "1h"}}]
        stage.apply(steps=steps, gates=GATES, source=source(stage))
        stage.wait_weight(50)
        stage.wait("weight 50 at the gateway", lambda: stage.status["weights"].get("applied") == 50)
        streams.open(20)
        stage.wait_phase("Soaking", seconds=180)
        ready = stage.wait_condition("RollbackReady", "True")
        assert ready["reason"] == "SourceReady"
        workload.scale(1)
        told = stage.wait_event("SourceScaledDown")
        assert told["type"] == "Warning"
        assert stage.condition("RollbackReady")["status"] == "False"
        stage.wait(
            "the message says so", lambda: "not ready for a rollback" in stage.status["message"]
        )
        assert [one.error for one in streams.so_far if one.error] == []
        stage.patch({"spec": {"abort": True}})
        stage.wait_phase("RolledBack")
        assert stage.targets == [0, 50, 100, 0]
        open_still = [one.tokens for one in streams.so_far if not one.is_whole and not one.error]
        assert len(open_still) == 40
        streams.finish()
        ended = streams.ended()
    sides = Counter(one.side for one in ended)
    print(f"\n40 streams, begun on {dict(sides)}; {min(open_still)} to {max(open_still)} of"
          f" {TOKENS} tokens when the rollback was done; {sum(one.is_whole for one in ended)} whole")  # fmt: skip
    assert [one.error for one in ended if one.error] == []
    assert all(one.is_whole and one.tokens == TOKENS for one in ended)
    assert all(one.writers.keys() == {f"of-{one.side}"} for one in ended)
    assert min(sides["source"] - 20, sides["target"]) > 0, "all of the second twenty on one side"


@pytest.mark.long
def test_the_source_is_scaled_to_zero_once_its_streams_have_ended_and_everything_can_go_back(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, person = stage.lab, Person(stage, tmp_path, capsys)
    let_it_scale(stage)
    with (
        Streams(lab, stage.route) as streams,
        lab.workload(lab.source, stage.namespace, "llama-chat", stage.slot.source) as workload,
    ):
        traffic = stage.send(body=SHORT, rate=60)
        streams.open(20)
        stage.run_operator()
        end = {"source": "ScaleToZero", "drain": {"quiet": "10s", "timeout": "10m"}}
        stage.apply(
            steps=[{"weight": 50}, {"weight": 100}],
            gates=GATES,
            source=source(stage),
            afterCompletion=end,
        )
        stage.wait("it drains", lambda: fate(stage) == "Draining", 120)
        stage.wait(
            "it says for what it waits",
            lambda: "20 requests still run on the source" in stage.status["message"],
        )
        assert (stage.phase, workload.read()["spec"]["replicas"]) == ("Progressing", 1)
        streams.finish()
        ended = streams.ended()
        assert all(one.is_whole and one.side == "source" for one in ended)
        stage.wait("it is scaled to zero", lambda: fate(stage) == "ScaledToZero", 90)
        workload.wait_ready(0)
        found = workload.read()
        assert (stage.phase, found["spec"]["replicas"]) == ("Completed", 0)
        assert '"replicas":1' in found["metadata"]["annotations"]["cutover.dev/scaled-down"]
        stage.wait_event("SourceScaledToZero")
        assert "Left behind" in person("status", "chat")
        stage.wait(
            "the claim is gone",
            lambda: (
                "cutover.dev/claim" not in (stage.route.read()["metadata"].get("annotations") or {})
            ),
        )
        assert all(one.ok for one in traffic.records())
        person("restore-source", "chat", "--force")  # the spec is an applier's, as with Git
        workload.wait_ready(1)
        stage.wait("it is brought back", lambda: fate(stage) == "Restored")
        stage.cluster.kubectl("apply", "-f", "-", input=person("reverse", "chat"))
        stage.name = "chat-back"
        stage.wait_phase("Completed", seconds=180)
    assert stage.targets == [0, 50, 100, 50, 0]
    assert stage.status["weights"]["declared"] == 100
    stage.wait_source_answers()
    assert [one for one in traffic.records() if not one.ok] == []
