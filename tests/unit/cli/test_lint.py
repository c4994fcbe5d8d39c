"""lint says offline what admission says: the same cases, the same sentences."""

import io
import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from cutover.cli.admission import refusals
from cutover.cli.program import run
from tests.features.admission.case import Case
from tests.features.admission.cases import STATIC
from tests.features.admission.rollouts import MINIMAL, ROOT, Json, at, merged, spec
from tests.features.admission.test_rules import STRUCTURE

EXAMPLES = sorted((ROOT / "manifests/examples").glob("*.yaml"))


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case.id} - {case.sentence[:30]}") for case in STATIC]
)
def test_what_admission_refuses_lint_refuses_with_the_same_sentence(case: Case) -> None:
    for edit in case.refused:
        found = refusals(merged(MINIMAL, edit))
        told = [one for one in found if case.sentence in one.says]
        assert told, f"{edit}: {found}"
        assert re.sub(r"\[\d+\]", "[]", told[0].path) == (case.blamed or case.carrier)
    for edit in case.admitted:
        assert refusals(merged(MINIMAL, edit)) == []


@pytest.mark.parametrize(
    ("edit", "field"), [pytest.param(edit, field, id=name) for name, edit, field in STRUCTURE]
)
def test_bounds_and_enums_are_found_at_the_field(edit: Json, field: str) -> None:
    assert any(field in one.path for one in refusals(merged(MINIMAL, edit)))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_in_order(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", str(example)]) == 0
    assert capsys.readouterr().out.endswith("checked, nothing found\n")


@pytest.mark.parametrize(
    ("edit", "finding"),
    [
        pytest.param(
            at("spec.analysis.intervall", "30s"),
            "spec.analysis.intervall: there is no such field: did you mean interval?",
            id="a misspelt field",
        ),
        pytest.param(
            at("spec.source", None), "spec.source: is missing, and it is required", id="no source"
        ),
        pytest.param(
            spec({"attempt": "2"}),
            "spec.attempt: must be a whole number (without quotes)",
            id="a number in quotes",
        ),
        pytest.param(
            spec({"attempt": True}),
            "spec.attempt: must be a whole number (without quotes)",
            id="true is no number",
        ),
        pytest.param(
            spec({"profile": "vllm"}),
            'spec.profile: "vllm" is unknown: write VLLM, SGLang, Triton, TGI, NIM, KServe, MLServer,'
            " TorchServe, Ray, TFServing, LlamaCpp or Custom",
            id="an enum's wrong case",
        ),
        pytest.param(
            at("spec.guards.disabled", ["ErrorBurst", "ErrorBurst"]),
            "spec.guards.disabled[1]: an earlier entry has the same value",
            id="a set's value twice",
        ),
        pytest.param(
            spec({"steps": [{"weight": 0}, {"weight": 100}]}),
            "spec.steps[0].weight: must be at least 1",
            id="a weight too small",
        ),
        pytest.param(
            at("metadata.name", "Llama"),
            'metadata.name: "Llama" is no name: write small letters, digits, - and ., at most 253',
            id="a name with capitals",
        ),
        pytest.param(
            {"apiVersion": "cutover.dev/v1"},
            "apiVersion: write apiVersion: cutover.dev/v1alpha1",
            id="another version",
        ),
        pytest.param({"kind": "Rollout"}, "kind: write kind: MigrationRollout", id="another kind"),
    ],
)
def test_what_has_no_rule_has_a_sentence_too(edit: Json, finding: str) -> None:
    found = [f"{one.path}: {one.says}" for one in refusals(merged(MINIMAL, edit))]
    assert found == [finding]


def test_null_is_as_good_as_nothing_and_status_is_not_looked_at() -> None:
    rollout = {**MINIMAL, "spec": MINIMAL["spec"] | {"steps": None}, "status": {"phase": 3}}
    assert refusals(rollout) == []


# --- where it is --------------------------------------------------------------------------------

TWO = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
apiVersion: cutover.dev/v1alpha1
kind: MigrationRollout
metadata:
  name: chat
spec:
  source: {prometheus: {address: "http://p:9090", matchers: {cluster: a}}}
  target:
    prometheus:
      address: http://p:9090
      matchers: {cluster: b}
  traffic: {httpRoute: {name: r, sourceBackend: {name: a}, targetBackend: {name: b}}}
  steps:
  - weight: 5
  - pause:
      duration: soon
  paused: false
  paused: true
"""
FINDINGS = [
    (16, "spec.steps", "the last weight must be 100: add a step weight: 100"),
    (19, "spec.steps[1].pause.duration", "write a duration from 1s to 720h (30 days), such as"),
    (21, "spec.paused", "is written twice"),
]


def test_findings_name_file_line_document_and_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(TWO)
    assert run(["lint", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(FINDINGS)
    for line, (number, path, says) in zip(lines, FINDINGS, strict=True):
        assert line.startswith(f"{file}:{number}: document 2 (chat): {path}: {says}")


def test_findings_can_be_read_by_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(TWO))
    assert run(["lint", "--format", "json", "-"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(one["line"], one["path"]) for one in found] == [(n, path) for n, path, _ in FINDINGS]
    assert found[0] | {"message": ""} == {
        "file": "-",
        "line": 16,
        "document": 2,
        "rollout": "chat",
        "path": "spec.steps",
        "message": "",
    }


def test_rollouts_in_a_list_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "list.yaml"
    broken = merged(MINIMAL, spec({"attempt": 0}))
    file.write_text(
        yaml.safe_dump({"kind": "List", "apiVersion": "v1", "items": [MINIMAL, broken]})
    )
    assert run(["lint", str(file)]) == 1
    assert "items[1].spec.attempt: must be at least 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("a: [1", 1, ":1: document 1: this is no YAML: while parsing a flow sequence"),
        ("a: 1\n---\nb: {\n", 1, "document 2: this is no YAML"),
        ("&a [*a]", 1, "this cannot be sent as JSON"),
        ("kind: ConfigMap\n", 2, "there is no MigrationRollout in "),
        ("", 2, "there is no MigrationRollout in "),
    ],
)
def test_what_cannot_be_checked_is_no_success(
    text: str, code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    assert run(["lint", str(file)]) == code
    out, err = capsys.readouterr()
    assert says in out + err


def test_a_file_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "/no/such.yaml"]) == 2
    assert capsys.readouterr().err.startswith("Error: /no/such.yaml cannot be read: ")


def test_a_window_that_never_opens_is_found_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Admission knows no calendar and no time zones; the operator would refuse them."""
    office = {"schedule": "0 9 * * 1-5", "duration": "8h", "timeZone": "Europe/Berlin"}
    windows = [office, office | {"timeZone": "Europe/Berln"}, office | {"schedule": "0 0 30 2 *"}]
    file = tmp_path / "windows.yaml"
    file.write_text(yaml.safe_dump(merged(MINIMAL, spec({"windows": windows}))))
    assert run(["lint", str(file)]) == 1
    said = capsys.readouterr().out
    assert "spec.windows[1].timeZone: Europe/Berln is not in the IANA database" in said
    assert 'spec.windows[2].schedule: "0 0 30 2 *" is no cron expression' in said
    assert len(said.splitlines()) == 2
