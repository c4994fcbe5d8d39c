"""One line per record, about the right rollout, without a secret."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from cutover.logs import JsonLines, TextLines, about, flush, redacted, start_logging

log = logging.getLogger("cutover.test")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    yield written
    log.removeHandler(handler)
    log.propagate = True
    log.setLevel(logging.NOTSET)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_line(stream: io.StringIO) -> None:
    log.info("first\nsecond %d", 2)
    assert len(stream.getvalue().splitlines()) == 1
    (said,) = lines(stream)
    assert said["level"] == "info"
    assert said["message"] == "first\nsecond 2"
    assert said["logger"] == "cutover.test"
    assert said["ts"].endswith("Z")
    assert len(said["ts"]) == len("2026-01-01T00:00:00.000Z")


def test_a_record_says_which_rollout_attempt_and_step_it_is_about(stream: io.StringIO) -> None:
    with about(rollout="ns/a"):
        with about(attempt=2, step=5):
            log.info("inside")
        log.info("outside the step")
    log.info("outside")
    inside, less, none = lines(stream)
    assert (inside["rollout"], inside["attempt"], inside["step"]) == ("ns/a", 2, 5)
    assert less["rollout"] == "ns/a"
    assert "step" not in less
    assert "rollout" not in none


async def test_two_runs_at_once_do_not_mix_their_subjects(stream: io.StringIO) -> None:
    async def run(name: str) -> None:
        with about(rollout=name):
            await asyncio.sleep(0)
            log.info("%s", name)

    await asyncio.gather(run("ns/a"), run("ns/b"))
    assert all(said["rollout"] == said["message"] for said in lines(stream))


def test_a_fault_comes_with_its_trace_in_the_same_line(stream: io.StringIO) -> None:
    try:
        raise KeyError("spec")
    except KeyError as fault:
        log.error("broke", exc_info=fault)
    (said,) = lines(stream)
    assert "KeyError: 'spec'" in said["error"]
    assert "test_logs.py" in said["error"]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("http://user:hunter22@prometheus:9090/api", "hunter22"),
        ("token=abcdefghijkl&x=1", "abcdefghijkl"),
        ("{'password': 'hunter2222'}", "hunter2222"),
        ("eyJhbGciOiJSUzI1NiIsIm.eyJpc3MiOiJrdWJlcm5l.c2lnbmF0dXJl", "eyJpc3MiOiJrdWJlcm5l"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END", "MIIE"),
        ("x-api-key: 0123456789abcdef", "0123456789abcdef"),
    ],
)
def test_what_looks_like_a_credential_is_blanked_out(
    stream: io.StringIO, text: str, secret: str
) -> None:
    log.info("%s", text)
    try:
        raise ValueError(text)
    except ValueError as fault:
        log.warning("broke", exc_info=fault)
    assert secret not in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "Secret inference/gke key kubeconfig: the user has no credentials: give token,",
        "25 % on target, step 5 of 9: first-token passes",
        "http://prometheus.monitoring:9090 did not answer within 5 s",
        "set the Secret's label cutover.dev/use",
    ],
)
def test_ordinary_sentences_stay_as_they_are(text: str) -> None:
    assert redacted(text) == text


def test_text_for_a_terminal() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "said", None, None)
    with about(rollout="ns/a", step=3):
        line = TextLines().format(record)
    assert line.endswith("WARNING rollout=ns/a step=3 said")


def test_starting_sends_everything_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        start_logging("warning", "json")
        log.warning("seen")
        log.info("not seen")
        logging.getLogger("kopf.objects").info("Handler 'heard' succeeded.")
        flush()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    written = capsys.readouterr()
    assert written.out == ""
    assert [json.loads(line)["message"] for line in written.err.splitlines()] == ["seen"]
