"""plan tells offline what a manifest would do: the same words for the same file, rate and seed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.cli.program import run
from tests.features.admission.rollouts import MINIMAL, ROOT, Json, merged, spec

GOLDEN = Path(__file__).parent / "golden"
SMALL: Json = merged(
    MINIMAL,
    spec(
        {
            "steps": [
                {"weight": 20},
                {"approval": {"name": "go-live"}},
                {"pause": {"duration": "30m"}},
                {"weight": 100},
            ],
            "gates": [{"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}}],
        }
    ),
)


@pytest.fixture
def small(tmp_path: Path) -> str:
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(SMALL))
    return str(file)


def golden(name: str, found: str) -> None:
    """Compare; to renew the files, delete them and run again."""
    file = GOLDEN / name
    if not file.exists():
        file.write_text(found)
    assert found == file.read_text()


def test_a_small_plan(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", small, "--rate", "20/s", "--share", "errors=0.1%"]) == 0
    golden("plan-small.txt", capsys.readouterr().out)


def test_the_default_plan(capsys: pytest.CaptureFixture[str]) -> None:
    example = str(ROOT / "manifests/examples/minimal.yaml")
    assert run(["plan", example, "--rate", "50/s"]) == 0
    golden("plan-default.txt", capsys.readouterr().out)


def test_what_does_not_fit_names_the_first_weight_that_does(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", small, "--rate", "3/s", "--weight", "1", "-o", "json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    (step,) = told["steps"]
    (gate,) = step["gates"]
    assert (told["fits"], step["fits"], gate["fits"]) == (False, False, False)
    assert 5 <= told["firstFit"] <= 30
    assert run(["plan", small, "--rate", "3/s", "--weight", str(told["firstFit"])]) == 0
    said = capsys.readouterr().out
    assert "Whole plan: about" in said
    assert "Does not fit" not in said


def test_without_a_rate_it_says_how_to_get_one(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", small]) == 2
    said = capsys.readouterr().err
    assert "--rate 50/s" in said
    assert "increase(vllm:request_success_total{" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rate", "fast"], '"fast" is no rate; write it like 50/s, 3000/m or 50'),
        (["--rate", "0"], "is no rate"),
        (["--rate", "5", "--share", "errors=2"], '"2" is no share; write it like 5% or 0.1%'),
        (["--rate", "5", "--share", "wrong=2%"], "has no gate wrong that counts requests; it has"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    small: str, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", small, *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_what_lint_finds_plan_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(merged(SMALL, spec({"analysis": {"minDuration": "2h"}}))))
    codes = [run([*command, str(file)]) for command in (["lint"], ["plan", "--rate", "5"])]
    linted, planned = capsys.readouterr().out.split("\n", 1)
    assert codes == [1, 1]
    assert linted == planned.rstrip("\n")
    assert "minDuration must not be longer than maxDuration" in planned


def test_gates_that_count_no_bad_requests_are_told_as_far_as_they_can_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = [
        {
            "name": "length",
            "drift": {"distribution": "OutputTokens", "method": "PSI", "max": "0.2"},
        },
        {"name": "queue", "query": {"expr": "sum(vllm:num_requests_waiting)", "max": "3"}},
    ]
    steps = [{"weight": 5}, {"weight": 50}, {"weight": 100}]
    file = tmp_path / "drift.yaml"
    file.write_text(yaml.safe_dump(merged(SMALL, spec({"gates": gates, "steps": steps}))))
    assert run(["plan", str(file), "--rate", "0.5/s"]) == 0
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "1 5 % 0.025/s length – – – yes only reports" in said
    # Ten cells and a limit of 0.2 need an effective size of 109, so twice that at weight 50; minRequests is more.
    assert "2 50 % 0.25/s length 300 22m 22m yes PSI > 0.2" in said
    # Half an hour between two looks would be too long; whatever the rate, it waits for minDuration alone.
    assert (
        "queue – 7m 7m yes passes at a look within its bounds, fails after 3 in a row outside (1m30s)"
        in said
    )


def test_windows_say_when_it_would_be_finished(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    windows = [{"schedule": "0 9 * * *", "duration": "1h", "timeZone": "UTC"}]
    whole = yaml.safe_load(Path(small).read_text())
    Path(small).write_text(yaml.safe_dump(merged(whole, spec({"windows": windows}))))
    assert run(["plan", small, "--rate", "20/s"]) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"Windows: (open until|closed; the next one opens) \w{3} \d\d \w{3} \d\d:00Z", said
    )
    assert re.search(r"Begun now, it would be finished about \w{3} \d\d \w{3} \d\d:\d\dZ", said)
    assert run(["plan", small, "--rate", "20/s", "-o", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["finishedAbout"].endswith("+00:00")


ENDPOINTS = {
    side: {"endpoint": {"url": "http://m:8000", "model": "llama"}} for side in ("source", "target")
}
GOLDEN_SET = {"dataset": {"configMapKeyRef": {"name": "golden"}}, "protocol": "OpenAIChat"}


def plan_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: str, **more: Any
) -> tuple[list[str], Any]:
    """What plan says of a spec, in words and as JSON."""
    file = tmp_path / "some.yaml"
    file.write_text(yaml.safe_dump(merged(SMALL, spec(ENDPOINTS | more))))
    run(["plan", str(file), "--rate", rate])
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    run(["plan", str(file), "--rate", rate, "-o", "json"])
    (told,) = json.loads(capsys.readouterr().out)
    return said, told


def test_what_is_asked_before_traffic_is_told_with_what_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = {"golden": GOLDEN_SET | {"output": "Length"}, "method": "KS", "max": "0.1"}
    gates = [
        {"name": "golden", "parity": GOLDEN_SET | {"rate": 5}},
        {"name": "labels", "holdout": GOLDEN_SET | {"metric": "Accuracy", "maxDelta": "1%"}},
        {"name": "lengths", "drift": lengths},
        {
            "name": "queue",
            "run": "BeforeTraffic",
            "query": {"expr": "q", "max": "3", "breaches": 1},
        },
    ]
    said, told = plan_of(tmp_path, capsys, "20/s", gates=gates)
    early = {one["gate"]: one for one in told["early"]}
    assert early["golden"]["inputs"] == 299  # 0 of 299 differ: at most 1 %, 95 % sure
    assert early["golden"]["seconds"] == (299 + 2 * 60) / 5
    assert early["labels"]["inputs"] == 299
    assert early["lengths"]["inputs"] > 2 * 217
    assert early["queue"]["inputs"] is None
    assert any(line.startswith("Before any traffic: golden: 299 pairs without a") for line in said)
    assert not any(gate["gate"] in early for step in told["steps"] for gate in step["gates"])


def test_a_gate_on_a_mean_is_told_like_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mean = {"name": "mean", "meanLatency": {"metric": "EndToEnd", "maxIncrease": "10%"}}
    said, told = plan_of(
        tmp_path,
        capsys,
        "20/s",
        gates=[mean],
        steps=[{"weight": 20}, {"weight": 50}, {"weight": 100}],
    )
    small, even, _ = (step["gates"][0] for step in told["steps"])
    assert small["median"] >= even["median"] > 0
    assert even["note"].startswith("mean +")
    assert 10 < float(even["note"].removeprefix("mean +").split()[0]) < 60
    assert any("mean" in line and "yes" in line for line in said)


def test_the_first_weight_that_fits_is_told_of_the_steps_own_gates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The strict gate is not judged in the first step, and says nothing of where that could begin."""
    gates = [
        {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}},
        {"name": "strict", "errorRate": {"max": "0.01%", "ratio": "1.01"}},
    ]
    own = {"weight": 1, "gates": ["errors"]}
    _, told = plan_of(
        tmp_path, capsys, "3/s", gates=gates, steps=[own, {"weight": 60}, {"weight": 100}]
    )
    first, second, _ = told["steps"]
    assert not first["fits"]
    assert 5 <= first["firstFit"] <= 30
    assert (second["fits"], second["firstFit"]) == (False, None)


def test_a_shadow_step_is_told_like_a_weight_of_which_the_source_keeps_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies of everything make both sides count alike, as at weight 50 of twice the requests."""
    gates = [{"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}}]
    shadow = {"shadow": {"duration": "5m"}}
    steps = [shadow, {"weight": 50}, {"weight": 100}]
    said, told = plan_of(tmp_path, capsys, "4/s", gates=gates, steps=steps)
    copies, half, _ = told["steps"]
    assert (copies["weight"], copies["mirrored"], copies["targetRate"]) == (0, 100, 4.0)
    assert (half["weight"], half["mirrored"], half["targetRate"]) == (50, 0, 2.0)
    assert copies["gates"][0]["requests"] == half["gates"][0]["requests"]
    assert 300 <= copies["median"] <= half["median"]
    assert told["waits"] == 0
    assert any("100 % copied" in line and "errors" in line for line in said)
    few = {"shadow": {"duration": "5m", "percent": "1%"}}
    said, told = plan_of(
        tmp_path, capsys, "1/s", gates=gates, steps=[few, {"weight": 100}],
    )  # fmt: skip
    first = told["steps"][0]
    assert (first["fits"], first["firstFit"]) == (False, None)
    line = next(line for line in said if line.startswith("Does not fit: step 1 (shadow 1%)"))
    assert "passes within 1h5m" in line
    assert line.endswith("raise maxDuration, or mirror more")
