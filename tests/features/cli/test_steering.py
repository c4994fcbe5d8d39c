"""What pause, resume, approve, abort and retry write, and what they leave alone."""

import threading

import pytest

from cutover.cli import desk
from tests.features.cli.people import STALLED, WAITING, Shell, Stage, eventually, now

pytestmark = pytest.mark.lab

ROLLED_BACK = {"phase": "RolledBack"}
OVERRIDDEN = {
    "cause": "TrafficOverridden",
    "since": "2026-01-01T00:00:00Z",
    "message": "kubectl-edit set 40 %",
}


def approved(stage: Stage) -> list[tuple[str, int]]:
    return [(one["name"], one["attempt"]) for one in stage.spec.get("approved", [])]


def test_pause_and_resume_say_so_in_the_spec(stage: Stage, cutover: Shell) -> None:
    said = cutover("pause", stage.name)
    assert (said.code, stage.spec["paused"]) == (0, True)
    assert "guards keep watching" in said.out
    assert f"cutover resume {stage.name} -n {cutover.namespace}" in said.out
    assert stage.owned() == {"f:paused": {}}
    assert cutover("resume", stage.name).code == 0
    assert stage.spec["paused"] is False


def test_resuming_what_is_not_paused_writes_nothing(stage: Stage, cutover: Shell) -> None:
    before = stage.read()["metadata"]["resourceVersion"]
    assert "not paused" in cutover("resume", stage.name).out
    assert stage.read()["metadata"]["resourceVersion"] == before


def test_an_abort_keeps_what_was_said_before(stage: Stage, cutover: Shell) -> None:
    stage.report(**WAITING)
    for command in ("approve", "pause", "abort"):
        assert cutover(command, stage.name).code == 0
    assert (stage.spec["abort"], stage.spec["paused"]) == (True, True)
    assert approved(stage) == [("go-live", 1)]


def test_an_abort_tells_what_happens_next(stage: Stage, cutover: Shell) -> None:
    said = cutover("abort", stage.name)
    assert said.err == ""
    assert said.out.startswith(f"{cutover.namespace}/{stage.name}: abort asked: the operator puts")
    assert f"watch with: cutover status {stage.name} -n {cutover.namespace}" in said.out
    assert said.out.count("\n") == 1


def test_an_abort_gets_through_while_the_operator_writes_all_the_time(
    stage: Stage, cutover: Shell
) -> None:
    stop = threading.Event()

    def operate() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            stage.rollouts.write_status(stage.name, {"message": f"turn {turn}"})

    operators = [threading.Thread(target=operate) for _ in range(3)]
    for operator in operators:
        operator.start()
    codes = [cutover(command, stage.name).code for command in ("pause", "abort")]
    stop.set()
    for operator in operators:
        operator.join()
    assert codes == [0, 0]
    assert stage.spec["abort"] is True


def test_a_finished_migration_cannot_be_aborted(stage: Stage, cutover: Shell) -> None:
    stage.report(phase="Completed")
    said = cutover("abort", stage.name)
    assert said.code == 2
    assert "Completed is final; the way back is a new MigrationRollout" in said.err
    assert "abort" not in stage.spec


# --- approvals ----------------------------------------------------------------------------------


def test_approve_finds_the_approval_that_is_waited_for(stage: Stage, cutover: Shell) -> None:
    stage.report(**WAITING)
    said = cutover("approve", stage.name)
    assert said.code == 0
    assert "go-live approved for attempt 1: the operator goes on within seconds" in said.out
    assert approved(stage) == [("go-live", 1)]
    assert "approved already" in cutover("approve", stage.name, "--step=go-live").out


def test_an_approval_may_be_given_ahead_of_time_by_its_name(stage: Stage, cutover: Shell) -> None:
    said = cutover("approve", stage.name)
    assert said.code == 2
    assert "waits for no approval now: its approvals are go-live; give one ahead" in said.err
    assert "it counts once reached" in cutover("approve", stage.name, "--step", "go-live").out
    assert "has no approval nope" in cutover("approve", stage.name, "--step", "nope").err


def test_approvals_of_others_stay(stage: Stage, cutover: Shell) -> None:
    stage.apply_as("argocd-controller", {"spec": {"approved": [{"name": "other", "attempt": 1}]}})
    stage.report(**WAITING)
    assert cutover("approve", stage.name).code == 0
    assert sorted(approved(stage)) == [("go-live", 1), ("other", 1)]
    stage.apply_as("argocd-controller", {"spec": {}})
    assert approved(stage) == [("go-live", 1)]


# --- fields that somebody else owns -------------------------------------------------------------


def test_what_git_says_is_not_overridden_without_force(stage: Stage, cutover: Shell) -> None:
    stage.apply_as("argocd-controller", {"spec": {"abort": False, "paused": False}})
    said = cutover("abort", stage.name)
    assert said.code == 2
    force = f"cutover abort {stage.name} -n {cutover.namespace} --kubeconfig {cutover.kubeconfig}"
    assert said.err == (
        "Error: not done: spec.abort is owned by argocd-controller: change it in Git, or the next"
        f" sync undoes it, or override it now with: {force} --force\n"
    )
    assert not stage.spec["abort"]
    assert cutover("abort", stage.name, "--force").code == 0
    assert stage.spec["abort"]
    assert "f:abort" not in stage.owned("argocd-controller")


def test_what_a_colleague_set_with_kubectl_names_kubectl(stage: Stage, cutover: Shell) -> None:
    stage.cluster.kubectl(
        *("patch", "mro", stage.name, "-n", cutover.namespace, "--type=merge"),
        *("-p", '{"spec": {"paused": true}}'),
    )
    said = cutover("resume", stage.name)
    assert "spec.paused is owned by kubectl-patch: somebody set it with kubectl" in said.err
    assert cutover("resume", stage.name, "--force").code == 0
    assert stage.spec["paused"] is False


def test_saying_the_same_as_git_is_no_conflict(stage: Stage, cutover: Shell) -> None:
    stage.apply_as("argocd-controller", {"spec": {"abort": True}})
    assert cutover("abort", stage.name).code == 0


# --- another try --------------------------------------------------------------------------------


def test_retry_raises_the_attempt_and_clears_the_abort_in_one_write(
    stage: Stage, cutover: Shell
) -> None:
    cutover("abort", stage.name)
    stage.report(**ROLLED_BACK)
    before = stage.read()["metadata"]["generation"]
    said = cutover("retry", stage.name)
    assert (said.code, said.err) == (0, "")
    assert "attempt 2 asked" in said.out
    assert (stage.spec["attempt"], stage.spec["abort"]) == (2, False)
    assert stage.read()["metadata"]["generation"] == before + 1


def test_only_what_is_rolled_back_can_be_tried_again(stage: Stage, cutover: Shell) -> None:
    stage.report(phase="Progressing")
    said = cutover("retry", stage.name)
    assert said.code == 2
    assert f"{stage.name} is Progressing, and only a RolledBack rollout can be tried" in said.err
    stage.report(phase="Completed")
    assert "Completed is final" in cutover("retry", stage.name).err
    stage.report(**ROLLED_BACK)
    assert cutover("retry", stage.name).code == 0
    # The operator has not seen the new attempt yet: this is no third one.
    assert cutover("retry", stage.name).code == 2
    assert stage.spec["attempt"] == 2


def test_approvals_of_an_earlier_attempt_are_cleared_away(stage: Stage, cutover: Shell) -> None:
    stage.report(**WAITING)
    cutover("approve", stage.name)
    stage.report(**ROLLED_BACK)
    assert "RolledBack: try again first with: cutover retry" in cutover("approve", stage.name).err
    cutover("retry", stage.name)
    assert cutover("approve", stage.name, "--step=go-live").code == 0
    assert approved(stage) == [("go-live", 2)]


def test_what_admission_refuses_is_told_as_its_sentence(stage: Stage, cutover: Shell) -> None:
    full = [{"name": f"a{n}", "attempt": 1} for n in range(64)]
    stage.rollouts.edit(stage.name, {"spec": {"approved": full}})
    said = cutover("approve", stage.name, "--step", "go-live")
    assert said.code == 2
    assert said.err == "Error: refused: spec.approved: Too many: 65: must have at most 64 items\n"


# --- pauses that the operator makes -------------------------------------------------------------


def test_a_pause_of_the_operators_is_acknowledged_before_it_is_lifted(
    stage: Stage, cutover: Shell
) -> None:
    stage.report(**STALLED, pause=OVERRIDDEN)
    seen: list[bool] = []

    def operate() -> None:
        eventually(lambda: stage.spec.get("paused") is True)
        seen.append(True)
        stage.report(**STALLED, pause=OVERRIDDEN | {"acknowledged": True})

    operator = threading.Thread(target=operate)
    operator.start()
    said = cutover("resume", stage.name)
    operator.join()
    assert (said.code, seen, stage.spec["paused"]) == (0, [True], False)


def test_without_an_operator_a_pause_of_its_own_stays(
    stage: Stage, cutover: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "ACKNOWLEDGED_WITHIN", 0.3)
    stage.report(**STALLED, pause=OVERRIDDEN)
    said = cutover("resume", stage.name)
    assert said.code == 2
    assert "the operator has not read that" in said.err
    assert stage.spec["paused"] is True


def scaled_down(stage: Stage) -> None:
    end = {"source": "ScaledToZero", "since": now(), "message": "scaled to zero (4 before)"}
    stage.report(phase="Completed", afterCompletion=end)


def test_restore_source_says_keep_in_the_spec(stage: Stage, cutover: Shell) -> None:
    scaled_down(stage)
    said = cutover("restore-source", stage.name)
    assert (said.code, stage.spec["afterCompletion"]["source"]) == (0, "Keep")
    assert "scales the source's workload to what it was" in said.out
    assert f"cutover reverse {stage.name}" in said.out


def test_restoring_what_was_kept_writes_nothing(stage: Stage, cutover: Shell) -> None:
    end = {"source": "Kept", "since": now(), "message": "kept as it is"}
    stage.report(phase="Completed", afterCompletion=end)
    assert "nothing was written" in cutover("restore-source", stage.name).out
    assert "afterCompletion" not in stage.spec


def test_reverse_of_what_is_under_way_says_what_the_way_back_is(
    stage: Stage, cutover: Shell
) -> None:
    stage.report(**WAITING)
    said = cutover("reverse", stage.name)
    assert said.code == 0
    assert f"the way back is: cutover abort {stage.name}" in said.err


def test_reverse_of_a_source_without_servers_says_to_bring_them_back(
    stage: Stage, cutover: Shell
) -> None:
    scaled_down(stage)
    said = cutover("reverse", stage.name)
    assert said.out.startswith("# the servers that shall serve are scaled to zero")
    assert f"cutover restore-source {stage.name}" in said.err
