"""Whatever listens at an address, its answer is rows or a gap with a sentence."""

import json
from typing import Any

import pytest

from cutover.decide.readings import Gap, Missing
from cutover.metrics.answers import Row, TooSlow, Vector, read_answer

HERE = "http://prometheus:9090"


def success(data: Any = None, **more: Any) -> bytes:
    empty = {"resultType": "vector", "result": []}
    return json.dumps({"status": "success", "data": data or empty} | more).encode()


def failure(kind: str, error: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": error}).encode()


def vector(*rows: tuple[dict[str, str], str]) -> dict[str, Any]:
    return {
        "resultType": "vector",
        "result": [{"metric": labels, "value": [1700000000.5, value]} for labels, value in rows],
    }


def test_rows_are_labels_and_numbers() -> None:
    answer = read_answer(HERE, 200, {}, success(vector(({"a": "b"}, "1.5"), ({}, "+Inf"))))
    assert answer == Vector((Row({"a": "b"}, 1.5), Row({}, float("inf"))), 1700000000.5)


def test_no_rows_are_an_answer_too() -> None:
    assert read_answer(HERE, 200, {}, success()) == Vector((), None)


def test_a_scalar_is_a_row_without_labels() -> None:
    data = {"resultType": "scalar", "result": [5, "2"]}
    assert read_answer(HERE, 200, {}, success(data)) == Vector((Row({}, 2.0),), 5.0)


GAPS = [
    (401, b"", Missing.UNAUTHORISED, "refused our credentials (HTTP 401)"),
    (403, b"<html>", Missing.UNAUTHORISED, "HTTP 403"),
    (200, b"  <!doctype html><html>", Missing.UNREACHABLE, "a web page (HTTP 200)"),
    (502, b"<html>bad gateway", Missing.UNREACHABLE, "a web page (HTTP 502)"),
    (200, b"", Missing.UNREACHABLE, "HTTP 200 and nothing else"),
    (400, b"Client sent an HTTP request to an HTTPS server.\n", Missing.UNREACHABLE, "Client sent"),
    (200, b'{"hello": "world"}', Missing.UNREACHABLE, "JSON of another kind"),
    (200, b"[1]", Missing.UNREACHABLE, "JSON of another kind"),
    (200, b'{"status": "success", "data": 3}', Missing.UNREACHABLE, "no query gives"),
    (
        200,
        success({"resultType": "vector", "result": [{"value": 1}]}),
        Missing.UNREACHABLE,
        "gives",
    ),
    (404, b"404 page not found", Missing.UNREACHABLE, '"404 page not found" (HTTP 404)'),
    (400, failure("bad_data", "parse error: x"), Missing.INVALID_QUERY, "parse error: x"),
    (422, failure("execution", "many-to-many"), Missing.INVALID_QUERY, "many-to-many"),
    (500, failure("internal", "disk"), Missing.UNREACHABLE, "HTTP 500: disk"),
    (429, failure("too_many_requests", "slow down"), Missing.UNREACHABLE, "HTTP 429: slow down"),
    (200, success(warnings=["store 1 is down"]), Missing.PARTIAL, "store 1 is down"),
    (200, success({"resultType": "matrix", "result": []}), Missing.INVALID_QUERY, "a matrix"),
    (
        200,
        success({"resultType": "vector", "result": [{"metric": {}, "histogram": [1, {}]}]}),
        Missing.INVALID_QUERY,
        "native histograms",
    ),
]


@pytest.mark.parametrize(("status", "body", "missing", "words"), GAPS)
def test_everything_else_is_a_gap(status: int, body: bytes, missing: Missing, words: str) -> None:
    answer = read_answer(HERE, status, {}, body)
    assert isinstance(answer, Gap)
    assert answer.missing is missing
    assert words in answer.message


def test_the_sentence_names_the_address_and_asks_what_may_be_wrong() -> None:
    answer = read_answer(HERE, 200, {}, b"<html>")
    assert isinstance(answer, Gap)
    assert answer.message == (
        "http://prometheus:9090 answered with a web page (HTTP 200), not with Prometheus' API: is the"
        " address right, is it up, is there a login page in front?"
    )


def test_a_query_that_took_too_long_may_be_asked_in_pieces() -> None:
    answer = read_answer(HERE, 503, {}, failure("timeout", "query timed out"))
    assert isinstance(answer, TooSlow)


def test_hints_are_no_warnings() -> None:
    hints = ["PromQL info: metric might not be a counter"]
    assert isinstance(read_answer(HERE, 200, {}, success(infos=hints)), Vector)
    assert isinstance(read_answer(HERE, 200, {}, success(warnings=hints)), Vector)


def test_a_redirect_is_named_without_its_query() -> None:
    location = {"location": "https://login.example/oauth?state=secret"}
    answer = read_answer(HERE, 302, location, b"")
    assert isinstance(answer, Gap)
    assert answer.missing is Missing.UNREACHABLE
    assert "https://login.example/oauth" in answer.message
    assert "secret" not in answer.message


def test_a_servers_words_lose_our_secrets() -> None:
    for status, body in [(400, failure("bad_data", "token s3cret")), (502, b"token s3cret")]:
        answer = read_answer(HERE, status, {}, body, lambda text: text.replace("s3cret", "…"))
        assert isinstance(answer, Gap)
        assert "s3cret" not in answer.message
        assert "token …" in answer.message
