"""The program itself: quick to start, one sentence where something is wrong."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.cli.connection import connect
from cutover.cli.errors import CliError
from cutover.cli.options import Where, program_name
from cutover.cli.program import run

HEAVY = ("kubernetes", "pydantic", "rich", "yaml", "urllib3", "numpy", "kopf", "cel_expr_python")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([one, "--help"] for one in ("status", "lint", "plan", "preflight", "backtest"))],
)
def test_help_imports_nothing_that_is_slow(arguments: list[str]) -> None:
    program = (
        "import sys; from cutover.cli.program import run; run(sys.argv[1:]);"
        f" print(*set({HEAVY}) & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == ""


def test_the_exit_codes_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--help"]) == 0
    out = capsys.readouterr().out
    for line in ("0  Completed", "1  RolledBack", "3  still running", "4  a person must act"):
        assert line in out


def test_each_command_tells_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "Put all traffic back to the source, now." in out
    assert not [line for line in out.splitlines()[1:] if line.endswith("...")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["nosuch"],
        ["status", "x", "--timeout=5m"],
        ["status", "x", "--watch", "--timeout=soon"],
        ["abort", "x", "--bogus"],
    ],
)
def test_wrong_usage_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert "Error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/bin/cutover", "cutover"),
        ("/home/me/.krew/bin/kubectl-cutover", "kubectl cutover"),
        ("kubectl-cutover", "kubectl cutover"),
    ],
)
def test_the_plugin_is_called_as_kubectl_calls_it(path: str, name: str) -> None:
    assert program_name(path) == name


# --- kubeconfigs --------------------------------------------------------------------------------


def config(path: Path, name: str, current: str | None, namespace: str | None = None) -> Path:
    context: dict[str, Any] = {"cluster": name, "user": name}
    if namespace:
        context["namespace"] = namespace
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"http://{name}.invalid:1"}}],
        "users": [{"name": name, "user": {"token": "secret"}}],
        "contexts": [{"name": name, "context": context}],
    }
    if current:
        content["current-context"] = current
    path.write_text(yaml.safe_dump(content))
    return path


def test_of_several_kubeconfigs_the_first_current_context_counts_as_for_kubectl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [
        config(tmp_path / "none", "none", None),
        config(tmp_path / "one", "one", "one", "here"),
        config(tmp_path / "two", "two", "two", "there"),
    ]
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, paths)))
    connection = connect(Where())
    assert (connection.host, connection.namespace) == ("http://one.invalid:1", "here")
    connection = connect(Where(context="two"))
    assert (connection.host, connection.namespace) == ("http://two.invalid:1", "there")
    connection = connect(Where(context="none", namespace="mine"))
    assert (connection.host, connection.namespace) == ("http://none.invalid:1", "mine")
    assert connect(Where(context="none")).namespace == "default"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the kubeconfig cannot be used: Invalid kube-config"),
        ("a: [", "the kubeconfig cannot be used: while parsing a flow"),
        ("clusters: []\n", "the kubeconfig cannot be used: Invalid kube-config file"),
    ],
)
def test_a_kubeconfig_that_is_none_is_one_sentence(
    text: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(CliError) as refused:
        connect(Where(kubeconfig=str(path)))
    assert refused.value.message.startswith(sentence)
    assert "\n" not in refused.value.message


def test_without_any_kubeconfig_the_way_to_name_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(CliError, match="set KUBECONFIG, or name a file with --kubeconfig"):
        connect(Where())
