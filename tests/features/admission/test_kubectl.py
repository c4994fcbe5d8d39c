"""What a person with nothing but kubectl sees of a rollout."""

import json
import subprocess

import pytest

from tests.features.admission.rollouts import Json, Rollouts

pytestmark = pytest.mark.lab

NOW = "2026-01-02T03:04:05Z"
STATUS: Json = {
    "phase": "Progressing",
    "attempt": 2,
    "summary": {
        "phase": "Progressing",
        "step": "5/9",
        "weight": 25,
        "delivered": "24.6%",
        "verdict": "Pass",
        "message": "first-token passes",
        "source": "in-cluster",
        "target": "gke-usc1",
    },
}


def table(text: str) -> dict[str, str]:
    """Header to cell of a one-row kubectl table, by the columns' positions."""
    header, row = text.splitlines()
    starts = [
        i for i in range(len(header)) if header[i] != " " and (i == 0 or header[i - 1] == " ")
    ]
    ends = [*starts[1:], max(len(header), len(row)) + 1]
    return {header[a:b].strip(): row[a:b].strip() for a, b in zip(starts, ends, strict=True)}


def test_get_shows_the_summary_in_one_line(rollouts: Rollouts) -> None:
    name = rollouts.stored({}, STATUS)
    shown = table(rollouts.cluster.kubectl("get", "mro", name, "-n", rollouts.namespace))
    age = shown.pop("AGE")
    assert shown == {
        "NAME": name,
        "PHASE": "Progressing",
        "STEP": "5/9",
        "WEIGHT": "25",
        "DELIVERED": "24.6%",
        "VERDICT": "Pass",
        "MESSAGE": "first-token passes",
    }
    assert age.endswith("s")
    rollouts.delete(name)


def test_wide_adds_the_sides_and_the_attempt(rollouts: Rollouts) -> None:
    name = rollouts.stored({}, STATUS)
    get = "get", "mro", name, "-n", rollouts.namespace
    shown = table(rollouts.cluster.kubectl(*get, "-o", "wide"))
    added = shown.keys() - table(rollouts.cluster.kubectl(*get)).keys()
    assert {column: shown[column] for column in added} == {
        "SOURCE": "in-cluster",
        "TARGET": "gke-usc1",
        "ATTEMPT": "2",
    }
    rollouts.delete(name)


def test_get_all_lists_rollouts(rollouts: Rollouts) -> None:
    name = rollouts.stored({})
    shown = rollouts.cluster.kubectl("get", "all", "-n", rollouts.namespace, "-o", "name")
    assert f"migrationrollout.cutover.dev/{name}" in shown
    rollouts.delete(name)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("", ["Moves the traffic of an AI inference service", "set spec.abort to true"]),
        (
            ".spec.analysis",
            ["interval\t<string>", "Time between two looks, 1s to 10m. Default: 30s."],
        ),
        (".spec.steps", ["Omitted: weights 1, 5, 10, 25, 50, 75 and 100", "weight\t<integer>"]),
        (".spec.traffic", ["enum: Enforce, Pause", "Default: Enforce."]),
        (".status.weights", ["declared\t<number>", "What the route says, read back."]),
    ],
)
def test_explain_says_what_a_field_does_its_unit_and_its_default(
    field: str, words: list[str], rollouts: Rollouts
) -> None:
    shown = rollouts.cluster.kubectl("explain", f"mro{field}")
    joined = " ".join(shown.split())
    for word in words:
        assert " ".join(word.split()) in joined, shown


@pytest.mark.parametrize("reason", ["Completed", "RolledBack"])
def test_one_wait_ends_however_the_rollout_ends(reason: str, rollouts: Rollouts) -> None:
    name = rollouts.stored({}, {"phase": "Progressing"})
    cluster = rollouts.cluster
    command = [
        str(cluster.kubectl_program),
        f"--kubeconfig={cluster.kubeconfig}",
        f"--namespace={rollouts.namespace}",
        *("wait", "--for=condition=Finished", "--timeout=30s", f"mro/{name}"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
        condition = {"type": "Finished", "reason": reason, "lastTransitionTime": NOW}
        rollouts.write_status(name, {"conditions": [condition | {"status": "False"}]})
        assert waiting.poll() is None
        rollouts.write_status(name, {"conditions": [condition | {"status": "True"}]})
        said, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert "condition met" in said
    rollouts.delete(name)


def test_what_the_operator_writes_comes_back_unchanged(rollouts: Rollouts) -> None:
    """The status is structural: nothing of it is pruned, filled in or refused."""
    full = rollouts.read(rollouts.stored({}))
    plan = {
        **{k: full["spec"][k] for k in ("profile", "source", "target", "traffic", "analysis")},
        "generation": 1,
        "operatorVersion": "0.1.0",
        "attempt": 1,
        "steps": [{"weight": 5}, {"weight": 100}, {"soak": {"duration": "1h"}}],
        "gates": [{"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}}],
        "guards": {"disabled": ["ErrorBurst"]},
    }
    status = STATUS | {"plan": plan, "executedSteps": [{"weight": 5}], "leaderEpoch": 3}
    name = full["metadata"]["name"]
    rollouts.write_status(name, status)
    assert json.dumps(rollouts.read(name)["status"], sort_keys=True) == json.dumps(
        status, sort_keys=True
    )
    rollouts.delete(name)
