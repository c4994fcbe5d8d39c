"""What preflight prints, and what it takes its argument for."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from cutover.cli.drawing import draw
from cutover.cli.drawing_checks import as_json, draw_checks
from cutover.cli.preflight import is_file
from cutover.cli.program import run
from cutover.cli.sight import see
from cutover.decide.check import awaited, failed, passed, unknown, warned
from tests.unit.cli.sights import NOW, rollout

CHECKS = (
    passed("route", "HTTPRoute chat names both backends"),
    failed("model", "ModelDiffers", "the source serves a, and the target b"),
    warned("images", "ImageMissing", "registry.example does not have it"),
    unknown("permissions", "Unreachable", "cannot be asked"),
    awaited("golden sets", "GoldenSetNotRead", "are being fetched"),
)


def printed(picture: object) -> str:
    out = Console(file=io.StringIO(), width=1000, highlight=False)
    out.print(picture)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_a_tick_or_a_sentence_for_each() -> None:
    assert (
        printed(draw_checks("inference/chat", "as chat.yaml has it", CHECKS, 1.42))
        == """\
inference/chat  preflight, as chat.yaml has it
✔ route        HTTPRoute chat names both backends
✖ model        the source serves a, and the target b
! images       registry.example does not have it
? permissions  cannot be asked
? golden sets  are being fetched (no answer in time)

2 of 5 checks keep it from beginning, 1 warning, 1 cannot be told  (1.4 s, nothing was changed)
"""
    )


def test_all_is_well() -> None:
    told = printed(draw_checks("inference/chat", "as stored", CHECKS[:1], 0.5))
    assert "1 checks, nothing keeps it from beginning  (0.5 s, nothing was changed)" in told


def test_the_same_as_json() -> None:
    found = as_json("inference/chat", CHECKS[1:3], 1.0)["checks"]
    assert [(one["name"], one["state"], one["holdsBack"]) for one in found] == [
        ("model", "Failed", True),
        ("images", "Warning", False),
    ]


@pytest.mark.parametrize("what", ["-", "chat.yaml", "./chat", "chat.yml", "a/b"])
def test_what_looks_like_a_file_is_one(what: str) -> None:
    assert is_file(what)


def test_a_name_is_one_of_a_rollout_unless_there_is_such_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_file("chat")
    (tmp_path / "chat").touch()
    assert is_file("chat")


def test_what_admission_would_refuse_is_said_as_lint_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "apiVersion: cutover.dev/v1alpha1\nkind: MigrationRollout\nmetadata: {name: a, namespace: b}\nspec: {}\n"
    )
    assert run(["preflight", str(file)]) == 1
    assert "spec.source" in capsys.readouterr().out


def test_two_rollouts_are_one_too_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "empty.yaml"
    file.write_text("kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n")
    assert run(["preflight", str(file)]) == 2
    assert "holds 0 MigrationRollouts: give one at a time" in capsys.readouterr().err


def test_status_shows_what_keeps_it_in_preflight() -> None:
    checks = [
        {"name": "route", "state": "Passed", "message": "is there"},
        {"name": "model", "state": "Failed", "message": "the target serves b"},
    ]
    found = see(rollout({"phase": "Preflight", "preflight": checks}))
    told = printed(draw(found, NOW, lambda verb: verb))
    assert "✖ model  the target serves b" in told
    assert "is there" not in told
