"""What status and list show, and how they end."""

import threading
import time
from typing import Any

import pytest

from tests.features.cli.people import (
    STALLED,
    STEPS,
    WAITING,
    Shell,
    Stage,
    condition,
    now,
    step,
)
from tests.lab import Cluster

pytestmark = pytest.mark.lab

MOVING: dict[str, Any] = {
    "phase": "Progressing",
    "message": "5 % on target, step 1 of 4: errors needs about 120 more requests",
    "summary": {
        "phase": "Progressing",
        "step": "1/4",
        "weight": 5,
        "delivered": "4.9%",
        "verdict": "Inconclusive",
        "message": "errors needs 120 more requests",
        "source": "in-cluster",
        "target": "gke-usc1",
    },
    "step": step(0),
    "weights": {"desired": 5, "declared": 5, "delivered": 4.9, "deliveredAt": now()},
    "gates": [
        {
            "name": "errors",
            "verdict": "Inconclusive",
            "reason": "TooFewRequests",
            "message": "0.3 % of the target's requests failed: about 120 more requests",
            "value": 0.003,
            "bound": 0.01,
            "unit": "Share",
            "sourceCount": 3611,
            "targetCount": 180,
            "window": "10m",
            "lookedAt": now(),
        }
    ],
    "conditions": [
        condition("Accepted", "True", "Accepted"),
        condition("RollbackReady", "False", "SourceTooSmall", "the source has 3 of 8 replicas"),
        condition("Ready", "False", "NotCompleted"),
    ],
}


def test_status_tells_what_goes_on_and_how_to_stop_it(stage: Stage, cutover: Shell) -> None:
    stage.report(**MOVING)
    said = cutover("status", stage.name)
    assert (said.code, said.err) == (0, "")
    where = f"-n {cutover.namespace} --kubeconfig {cutover.kubeconfig}"
    assert said.out.splitlines()[:2] == [
        f"{cutover.namespace}/{stage.name}  Progressing  in-cluster → gke-usc1  attempt 1",
        "5 % on target, step 1 of 4: errors needs about 120 more requests",
    ]
    for told in (
        "├── Target's share: 5 % desired, 5 % declared, 4.9 % delivered (",
        "│   ├── ▶  1  weight 5          for ",
        "│   ├── ·  2  approval go-live",
        "… errors  Inconclusive  0.3 % vs 1 %  180 on target, 3,611 on source\n",
        "├── Gates: over 10m, looked ",
        "0.3 % of the target's requests failed: about 120 more requests",
        "✖ RollbackReady  SourceTooSmall  for ",
        f"Stop it:  cutover abort {stage.name} {where}",
    ):
        assert told in said.out
    assert "Accepted" not in said.out
    assert "\x1b" not in said.out


def test_words_of_others_cannot_steer_the_terminal(stage: Stage, cutover: Shell) -> None:
    stage.report(**MOVING | {"message": "red \x1b[31malert\x1b[2J"})
    assert "red ^[[31malert^[[2J" in cutover("status", stage.name).out


# --- exit codes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param({"phase": "Completed"}, 0, id="completed"),
        pytest.param({"phase": "RolledBack"}, 1, id="rolled back"),
        pytest.param(MOVING, 3, id="still running"),
        pytest.param(STALLED, 4, id="a person must act"),
        pytest.param({}, 3, id="not seen by the operator"),
        pytest.param(STALLED | {"observedGeneration": 0}, 3, id="stalled before the last edit"),
    ],
)
def test_the_exit_code_says_how_it_stands(
    status: dict[str, Any], code: int, stage: Stage, cutover: Shell
) -> None:
    if status:
        stage.report(**status)
    assert cutover("status", stage.name, "--exit-code").code == code
    assert cutover("status", stage.name, "--watch", "--timeout=1s").code == code
    assert cutover("status", stage.name).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "nosuch"],
        ["status", "no/such"],
        ["abort", "nosuch"],
        ["status", "nosuch", "--watch"],
    ],
)
def test_what_is_not_there_is_an_error(arguments: list[str], cutover: Shell) -> None:
    said = cutover(*arguments)
    assert said.code == 2
    name = arguments[1]
    assert (
        said.err == f"Error: there is no MigrationRollout {name} in namespace {cutover.namespace}\n"
    )


def test_a_cluster_without_the_definition_is_told_from_a_rollout_that_is_not_there(
    clusters: tuple[Cluster, Cluster], cutover: Shell
) -> None:
    _, target = clusters
    if "migrationrollouts" in target.kubectl("api-resources", "--api-group=cutover.dev"):
        pytest.skip("the target cluster of this session has the definition as well")
    cutover.kubeconfig.write_text(target.kubeconfig_for("admin"))
    said = cutover("list")
    assert said.code == 2
    assert "this cluster does not know the kind MigrationRollout: install" in said.err


# --- watching -----------------------------------------------------------------------------------


def test_watching_follows_the_rollout_to_its_end(stage: Stage, cutover: Shell) -> None:
    stage.report(**MOVING)

    def operate() -> None:
        time.sleep(0.5)
        stage.report(**MOVING | {"message": "errors passes"})
        time.sleep(0.2)
        back = {"step": "1/4", "verdict": "Fail"}
        stage.report(
            phase="RollingBack", summary=back | {"phase": "RollingBack"}, message="going back"
        )
        time.sleep(0.2)
        stage.report(
            phase="RolledBack", summary=back | {"phase": "RolledBack"}, message="all is back"
        )

    operator = threading.Thread(target=operate)
    operator.start()
    said = cutover("status", stage.name, "--watch", "--timeout", "30s")
    operator.join()
    assert said.code == 1
    lines = [line.partition("  ")[2] for line in said.out.splitlines()[:4]]
    assert lines == [
        f"Progressing  step 1/4  desired 5 %  delivered 4.9 %  Inconclusive  {MOVING['message']}",
        "Progressing  step 1/4  desired 5 %  delivered 4.9 %  Inconclusive  errors passes",
        "RollingBack  step 1/4  desired 5 %  delivered 4.9 %  Fail  going back",
        "RolledBack  step 1/4  desired 5 %  delivered 4.9 %  Fail  all is back",
    ]
    assert f"Try again:  cutover retry {stage.name}" in said.out


def test_watching_ends_where_a_person_must_act_unless_told_to_stay(
    stage: Stage, cutover: Shell
) -> None:
    stage.report(**WAITING, conditions=[condition("Stalled", "True", "WaitingForApproval")])
    began = time.monotonic()
    said = cutover("status", stage.name, "--watch")
    assert (said.code, time.monotonic() - began < 5) == (4, True)
    assert "A person must act (WaitingForApproval)" in said.out
    assert "waits for a person's yes" in said.out
    assert f"Go on:    cutover approve {stage.name}" in said.out
    threading.Timer(0.5, stage.report, kwargs={"phase": "Completed"}).start()
    assert cutover("status", stage.name, "--watch", "--stay").code == 0


def test_watching_ends_when_the_rollout_is_deleted(stage: Stage, cutover: Shell) -> None:
    stage.report(**MOVING)
    threading.Timer(0.5, stage.delete).start()
    said = cutover("status", stage.name, "--watch")
    assert said.code == 2
    assert "was deleted while it was watched" in said.err


def test_a_new_attempt_is_not_taken_for_the_end_of_the_last(stage: Stage, cutover: Shell) -> None:
    stage.report(phase="RolledBack")
    assert cutover("retry", stage.name).code == 0
    threading.Timer(0.5, lambda: stage.report(phase="Completed", attempt=2)).start()
    assert cutover("status", stage.name, "--watch", "--timeout=20s").code == 0


# --- list ---------------------------------------------------------------------------------------


def test_list_shows_what_kubectl_shows(stage: Stage, cutover: Shell) -> None:
    stage.report(**MOVING)
    said = cutover("list")
    assert said.code == 0
    title, *rows = said.out.splitlines()
    assert " ".join(title.split()) == "NAME PHASE STEP WEIGHT DELIVERED VERDICT MESSAGE AGE"
    mine = next(row for row in rows if row.startswith(stage.name))
    assert "Progressing  1/4   5       4.9%       Inconclusive  errors needs 120" in mine
    wide = cutover("list", "--wide", "--all-namespaces").out
    assert wide.split()[0] == "NAMESPACE"
    assert [cutover.namespace, stage.name] in [row.split()[:2] for row in wide.splitlines()]
    assert "gke-usc1" in wide


def test_steps_that_are_only_asked_for_are_shown_too(stage: Stage, cutover: Shell) -> None:
    said = cutover("status", stage.name)
    assert "not yet seen by the operator" in said.out
    assert f"└── ·  {len(STEPS)}  weight 100" in said.out
