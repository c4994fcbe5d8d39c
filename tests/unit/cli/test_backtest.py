"""backtest: what it asks, how it fails in one sentence, and that no secret is ever told."""

import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from cutover.cli.program import run
from tests.features.admission.rollouts import MINIMAL, ROOT, merged, spec

TOKEN = "tok3n-of-mine"
Answer = Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]
Asked = list[tuple[str, dict[str, list[str]], dict[str, str]]]


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, Asked]]:
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            asked.append((parts.path, parse_qs(parts.query), dict(self.headers)))
            status, headers, body = answer(self)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # whoever asked has given up
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def vector(*rows: tuple[dict[str, str], float], **more: object) -> bytes:
    result = [{"metric": labels, "value": [1e9, str(value)]} for labels, value in rows]
    data = {"resultType": "vector", "result": result}
    return json.dumps({"status": "success", "data": data, **more}).encode()


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "rollout.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["backtest", *arguments]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert TOKEN not in found.err
    assert len(found.err.rstrip().splitlines()) == 1, found.err
    return found.err


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, {}, b"who are you"), "refused our credentials (HTTP 401): give a token with"),
        ((302, {"Location": "http://127.0.0.1:1/login"}, b""), "a redirect, which is not followed"),
        ((200, {}, b"<html>log in</html>"), "something that is not Prometheus' API"),
        ((200, {}, b'{"status": "success"}'), "something that is not Prometheus' API"),
        (
            (422, {}, json.dumps({"error": f"no {TOKEN} here", "errorType": "x"}).encode()),
            "answered HTTP 422",
        ),
        ((503, {}, b"upstream"), "answered HTTP 503: without a reason"),
        (
            (200, {}, vector(warnings=["store 3 unreachable"])),
            "warned that its answer is not whole: store 3 unreachable",
        ),
        ((200, {}, vector()), "has no vllm:request_success_total with"),
        (
            (200, {}, vector(({"gate": "newest"}, 1e9), ({"gate": "scrape"}, 15.0))),
            "has no buckets of vllm:time_to_first_token_seconds_bucket with",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_gives_no_past_is_one_sentence(
    file: str,
    answer: tuple[int, dict[str, str], bytes],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUTOVER_PROMETHEUS_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(lambda _: answer) as (address, asked):
        assert sentence in told(capsys, file, "--prometheus", address, "--header", "X-Tenant: a")
    assert len(asked) <= 3, "nothing is tried again"
    assert asked[0][2]["Authorization"] == f"Bearer {TOKEN}"
    assert asked[0][2]["X-Tenant"] == "a"


def test_each_request_has_a_deadline(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    over = threading.Event()

    def wait(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        over.wait(20)
        return 200, {}, b""

    with serving(wait) as (address, asked):
        said = told(capsys, file, "--prometheus", address, "--timeout", "0.3")
        over.set()
    assert "gave no answer in 0.3 s: give it more with --timeout" in said
    assert len(asked) == 1


@pytest.mark.parametrize("missing", ["prometheus_api_client", "matplotlib", "plotext"])
def test_without_the_extra_it_names_the_extra(
    file: str,
    missing: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> object:
        return None if name == missing else found(name, package)

    monkeypatch.setattr("cutover.cli.backtesting.find_spec", find)
    said = told(capsys, file, "--plot", "a.png", "--graph")
    assert f"backtest needs {missing}, which the extra backtest brings" in said
    assert "pip install 'cutover[backtest]'" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--since", "7 days"], '"7 days" is no length of time; write it like 7d or 12h'),
        (["--inject", "0.5x"], '"0.5x" is no factor above 1; write it like 1.5x'),
        (["--inject-errors", "2"], '"2" is no share; write it like 5% or 0.1%'),
        (["--header", TOKEN], "--header is written as 'NAME: VALUE'"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    file: str, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backtest", file, *arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert TOKEN not in said


def test_what_lint_finds_backtest_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(merged(MINIMAL, spec({"gates": []}))))
    assert run(["backtest", str(path)]) == run(["lint", str(path)]) == 1
    first, second = capsys.readouterr().out.strip().split("\n")
    assert first == second


def test_the_operator_needs_nothing_of_the_extra() -> None:
    for folder in (ROOT / "operator/cutover").iterdir():
        if folder.name in ("foresight", "cli") or not folder.is_dir():
            continue
        for module in folder.glob("*.py"):
            text = module.read_text()
            assert "matplotlib" not in text and "plotext" not in text, module
            assert "prometheus_api_client" not in text, module
