"""How the API server is reached, and what is said when it is not."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.features.cli.people import Shell, Stage, eventually
from tests.lab import Cluster, Lab

pytestmark = pytest.mark.lab

CUTOVER = Path(sys.executable).with_name("cutover")
PLUGIN = CUTOVER.with_name("kubectl-cutover")


def with_user(kubeconfig: Path, user: dict[str, Any]) -> None:
    content = json.loads(kubeconfig.read_text())
    content["users"] = [{"name": "lab", "user": user}]
    kubeconfig.write_text(json.dumps(content))


def plugin(command: list[str]) -> dict[str, Any]:
    version = "client.authentication.k8s.io/v1"
    return {
        "exec": {
            "apiVersion": version,
            "command": command[0],
            "args": command[1:],
            "interactiveMode": "Never",
        }
    }


def test_a_persons_credential_plugin_is_run(
    stage: Stage, cutover: Shell, clusters: tuple[Cluster, Cluster]
) -> None:
    token = {"token": clusters[0].admin_token}
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": token,
    }
    with_user(cutover.kubeconfig, plugin(["echo", json.dumps(credential)]))
    assert cutover("pause", stage.name).code == 0


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["no-such-plugin"], "No such file or directory: 'no-such-plugin'"),
        (["sh", "-c", "echo please log in >&2; exit 1"], "exec: process returned 1. please log in"),
    ],
)
def test_a_credential_plugin_that_fails_is_named(
    command: list[str], why: str, cutover: Shell
) -> None:
    with_user(cutover.kubeconfig, plugin(command))
    said = cutover("list")
    assert said.code == 2
    assert said.err.startswith("Error: your kubeconfig's credentials cannot be had: ")
    assert said.err.rstrip().endswith(why)
    assert said.err.count("\n") == 1


def test_who_may_not_is_told_what(
    stage: Stage, cutover: Shell, clusters: tuple[Cluster, Cluster]
) -> None:
    cutover.kubeconfig.write_text(clusters[0].kubeconfig_for("carol"))
    said = cutover("abort", stage.name)
    assert said.code == 2
    assert 'User "carol" cannot get resource "migrationrollouts"' in said.err
    cutover.kubeconfig.write_text(clusters[0].kubeconfig_for(token="wrong"))
    said = cutover("list")
    assert (
        said.err == f"Error: {clusters[0].server} does not accept your credentials: Unauthorized\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--kubeconfig=/no/such",), "there is no kubeconfig /no/such"),
        (("--context=nope",), "the kubeconfig cannot be used: "),
    ],
)
def test_a_wrong_place_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, cutover: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cutover.kubeconfig))
    said = cutover.bare("list", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"Error: {sentence}")
    assert said.err.count("\n") == 1


def test_a_server_that_is_down_is_one_sentence(
    cutover: Shell, lab: Lab, clusters: tuple[Cluster, Cluster]
) -> None:
    with lab.proxy(clusters[0]) as proxy:
        cutover.kubeconfig.write_text(clusters[0].kubeconfig_for("admin", server=proxy.url))
        assert cutover("list").code == 0
        proxy.refuse()
        said = cutover("list")
    assert said.code == 2
    assert said.err == f"Error: the API server {proxy.url} gives no answer: connection refused\n"


def test_watching_outlives_a_lost_connection(
    stage: Stage, cutover: Shell, lab: Lab, clusters: tuple[Cluster, Cluster]
) -> None:
    stage.report(phase="Progressing", message="first")
    with lab.proxy(clusters[0]) as proxy:
        cutover.kubeconfig.write_text(clusters[0].kubeconfig_for("admin", server=proxy.url))

        def disturb() -> None:
            eventually(lambda: any("watch=1" in each.path for each in proxy.requests))
            proxy.refuse()
            proxy.reset()
            time.sleep(0.5)
            proxy.pass_through()
            stage.report(phase="Completed", message="done meanwhile")

        disturber = threading.Thread(target=disturb)
        disturber.start()
        said = cutover("status", stage.name, "--watch", "--timeout=40s")
        disturber.join()
    assert said.code == 0
    assert "done meanwhile" in said.out


# --- as programs --------------------------------------------------------------------------------


def test_the_plugin_suggests_commands_that_start_with_kubectl(
    stage: Stage, kubeconfig: Path
) -> None:
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    where = ["-n", stage.rollouts.namespace]
    done = subprocess.run(
        [PLUGIN, "pause", stage.name, *where],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"go on with: kubectl cutover resume {stage.name} -n {where[1]}\n" in done.stdout
    asked = subprocess.run(
        [stage.cluster.kubectl_program, "cutover", "status", stage.name, *where],
        env=environment | {"PATH": f"{PLUGIN.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"kubectl cutover resume {stage.name} -n {where[1]}" in asked.stdout


def test_a_terminal_shows_the_tree_in_colours_and_keeps_the_last(
    stage: Stage, kubeconfig: Path
) -> None:
    stage.report(phase="Progressing", message="under way")
    ours, theirs = pty.openpty()
    command = [str(CUTOVER), "status", stage.name, "-n", stage.rollouts.namespace, "--watch"]
    environment = os.environ | {
        "KUBECONFIG": str(kubeconfig),
        "TERM": "xterm-256color",
        "COLUMNS": "100",
    }
    watching = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while b"under way" not in shown:
        shown += os.read(ours, 65536)
    stage.report(phase="Completed", message="all is on the target")
    shown = _rest(ours)
    assert watching.wait(20) == 0
    assert b"all is on the target" in shown
    assert b"\x1b[1;32mCompleted" in shown


def _rest(terminal: int) -> bytes:
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:  # how a Linux terminal says that the other end is closed
        pass
    os.close(terminal)
    return shown


def test_an_interrupted_watch_ends_quietly(stage: Stage, kubeconfig: Path) -> None:
    stage.report(phase="Progressing", message="under way")
    command = [str(CUTOVER), "status", stage.name, "-n", stage.rollouts.namespace, "--watch"]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    watching = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A shell starts what it runs in the background, such as these tests, deaf to interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one system call
    )
    assert watching.stdout is not None
    assert "under way" in watching.stdout.readline()
    watching.send_signal(2)
    _, said = watching.communicate(timeout=20)
    assert (watching.returncode, said.strip()) == (130, "")
