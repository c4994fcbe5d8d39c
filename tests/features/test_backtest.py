"""backtest against a real Prometheus that holds a week of a source's past.

Prometheus takes samples with their own times from one scrape, so that a week needs no week. What is read
is compared with what was written, number by number; what is replayed of it runs in one command.
"""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from cutover.cli.program import run
from tests.features.admission.rollouts import MINIMAL, merged, spec
from tests.lab import Lab
from tests.lab.ports import free_ports
from tests.lab.prometheus import Target, start_prometheus, write_config

pytestmark = pytest.mark.lab

EVERY = 30.0
DAYS = 7
LOOKS = int(DAYS * 86_400 / EVERY)
FIRST, TOKEN = "vllm:time_to_first_token_seconds", "vllm:request_time_per_output_token_seconds"
SLOW, FAILING = 0.02, 0.002
TOKEN_VALUE = "s3cr3t-of-mine"


@dataclass(frozen=True)
class Week:
    """What was counted in each interval between scrapes."""

    ended: float
    requests: np.ndarray
    failed: np.ndarray
    slow: np.ndarray
    """Took longer than 1 s."""
    nearly: np.ndarray
    """Took longer than 0.75 s: slow, if all took 1.5 times as long, but for half of those up to 0.5 s."""


def a_week(ended: float, *, outage: slice | None = None) -> Week:
    rng = np.random.default_rng(5)
    hours = np.arange(LOOKS) * EVERY / 3600
    rate = 30 + 15 * np.sin(hours * 2 * np.pi / 24)
    requests = rng.poisson(rate * EVERY)
    failing = np.full(LOOKS, FAILING)
    if outage is not None:
        failing[outage] = 0.6
    failed = rng.binomial(requests, failing)
    slow = rng.binomial(requests, SLOW)
    return Week(ended, requests, failed, slow, slow + rng.binomial(requests - slow, 0.10))


def exposition(week: Week) -> bytes:
    """The week as one scrape with the time of each sample."""
    times = [f"{t:.0f}" for t in ((np.arange(1 - LOOKS, 1) * EVERY + week.ended) * 1000)]
    total, failed = week.requests.cumsum(), week.failed.cumsum()
    slow, nearly = week.slow.cumsum(), week.nearly.cumsum()
    http = 'http_requests_total{cluster="onprem",method="POST",handler="/v1/completions",status='
    series = {
        f'{http}"2xx"}}': total - failed,
        f'{http}"5xx"}}': failed,
        'vllm:request_success_total{cluster="onprem",finished_reason="stop"}': total,
    }
    edges = {"0.5": total - nearly, "0.75": total - nearly, "1.0": total - slow}
    for le, below in {**edges, "2.5": total, "+Inf": total}.items():
        series[f'{FIRST}_bucket{{cluster="onprem",le="{le}"}}'] = below
    for le, below in {"0.05": total - slow, "0.1": total - slow // 2, "+Inf": total}.items():
        series[f'{TOKEN}_bucket{{cluster="onprem",le="{le}"}}'] = below
    lines = [
        f"{name} {value} {at}"
        for name, values in series.items()
        for value, at in zip(values.tolist(), times, strict=True)
    ]
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture(scope="module")
def week() -> Week:
    outage = slice(LOOKS - int(2.1 * 86_400 / EVERY), LOOKS - int(2.1 * 86_400 / EVERY) + 12)
    return a_week(time.time(), outage=outage)


@pytest.fixture(scope="module")
def address(lab: Lab, week: Week, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("week")
    given = [exposition(week)]

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(given.pop() if given else b"")

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    exporter, port = free_ports(2)
    server = ThreadingHTTPServer(("127.0.0.1", exporter), Exporter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    write_config(folder, "20s", [Target(exporter, {})], None)
    prometheus = start_prometheus(lab.program("prometheus"), folder, port, retention="30d")
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        asked = {"query": f"count({FIRST}_bucket{{cluster='onprem'}})", "time": str(week.ended)}
        while True:
            assert time.monotonic() < deadline, "the week never came"
            try:
                found = httpx.get(f"{url}/api/v1/query", params=asked, trust_env=False).json()
                if found["data"]["result"]:
                    break
            except (httpx.HTTPError, ValueError, KeyError):
                pass
            time.sleep(0.5)
        yield url
    finally:
        prometheus.stop()
        server.shutdown()
        server.server_close()


@pytest.fixture
def file(tmp_path: Path, address: str) -> Path:
    """Two weights and no soak, so that a test takes seconds."""
    source = {"prometheus": {"address": address, "matchers": {"cluster": "onprem"}}}
    steps = [{"weight": 10}, {"weight": 100}]
    path = tmp_path / "rollout.yaml"
    path.write_text(yaml.safe_dump(merged(MINIMAL, spec({"source": source, "steps": steps}))))
    return path


def backtest(file: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "cutover", "backtest", str(file), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
        timeout=250,
    )


def test_a_week_is_read_replayed_and_told(file: Path, week: Week, tmp_path: Path) -> None:
    began = time.monotonic()
    png = tmp_path / "week.png"
    done = backtest(
        file, "--since", "7d", "--every", "4h", "--inject", "1.5x", "--plot", str(png), "-o", "json"
    )
    told: dict[str, Any] = json.loads(done.stdout)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"7 days: {time.monotonic() - began:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU,"
        f" {used.ru_maxrss / 1024:.0f} MiB"
    )
    assert done.stderr == ""
    assert told["looks"] == pytest.approx(LOOKS, abs=3)
    assert told["lookSeconds"] == EVERY
    assert told["known"] == pytest.approx(1.0, abs=0.001)
    assert told["rate"] == pytest.approx(week.requests.mean() / EVERY, rel=0.001)
    total = week.requests.sum()
    assert told["shares"]["first-token"] == pytest.approx(week.slow.sum() / total, rel=0.002)
    assert told["shares"]["errors"] == pytest.approx(week.failed.sum() / total, rel=0.002)
    sound, worse = told["trials"]
    # An outage of the source hits both halves alike: what fires in it is the guard, if anything.
    assert sound["plans"] > 35
    assert sound["finished"] >= sound["plans"] - 2
    assert all(sound["alarms"][f"gate {gate}"]["fired"] == 0 for gate in ("first-token", "errors"))
    assert 0 < sound["alarms"]["gate errors"]["atMost"] < 0.09
    # A tenth of the requests lie between 0.75 s and 1 s; 1.5 times as long, they and some more are slow.
    caught = [run for run in worse["runs"] if run["end"].startswith("rolled back")]
    assert len(caught) == worse["plans"]
    assert {run["who"] for run in caught} <= {"first-token", "token-time", "ErrorBurst"}
    assert png.read_bytes().startswith(b"\x89PNG")


def test_what_is_told_to_a_person(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    code = run(
        [
            "backtest",
            str(file),
            "--since",
            "1d",
            "--every",
            "4h",
            "--inject-errors",
            "5%",
            "--graph",
        ]
    )
    said = capsys.readouterr().out
    assert code == 0
    for words in (
        "of the source's past (",
        "For plan: --rate ",
        "A/A, the target as good as the source: 6 plans replayed, 6 finished",
        "AT MOST (95 %)",
        "5 % more of them fail; caught in 6 of 6 plans",
        "bad requests of the source, % over hours",
    ):
        assert words in said


def test_drift_is_dealt_out_and_replayed_too_and_what_is_not_says_why(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    spread = {"histogram": {"metric": FIRST}, "method": "KS", "max": "0.05"}
    gates = [
        {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}},
        {"name": "spread", "drift": spread},
        {
            "name": "length",
            "drift": {"distribution": "OutputTokens", "method": "PSI", "max": "0.2"},
        },
        {"name": "queue", "query": {"expr": "sum(q{$matchers})", "max": "3"}},
    ]
    whole = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(merged(whole, spec({"gates": gates}))))
    assert run(["backtest", str(file), "--since", "1d", "--every", "4h", "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (sound,) = told["trials"]
    assert sound["finished"] == sound["plans"] == 6
    assert sound["alarms"]["gate spread"]["fired"] == 0
    assert told["leftOut"].keys() == {"length", "queue"}
    assert "no such distribution" in told["leftOut"]["length"]


def test_no_past_is_one_sentence_and_no_secret_is_told(
    file: Path,
    address: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CUTOVER_PROMETHEUS_TOKEN", TOKEN_VALUE)
    nothing = yaml.safe_load(file.read_text())
    nothing["spec"]["source"]["prometheus"]["matchers"] = {"cluster": "nowhere"}
    file.write_text(yaml.safe_dump(nothing))
    (closed,) = free_ports(1)
    for arguments, sentence in (
        ([], 'has no vllm:request_success_total with cluster="nowhere"'),
        (["--prometheus", f"http://127.0.0.1:{closed}"], "cannot be reached from here"),
        (["--prometheus", f"{address}/nosuch"], "answered HTTP 404"),
    ):
        assert run(["backtest", str(file), *arguments]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert sentence in said.err
        assert len(said.err.splitlines()) == 1, said.err
        assert TOKEN_VALUE not in said.err
