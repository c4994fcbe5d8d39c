"""A request has one deadline, is sent once, follows nowhere and keeps its secrets."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import pytest

from cutover.api.sides import Prometheus
from cutover.decide.readings import Gap, Missing
from cutover.metrics.answers import Row, TooSlow, Vector
from cutover.metrics.prometheus import PrometheusPool

ONE = {"resultType": "vector", "result": [{"metric": {}, "value": [1.0, "1"]}]}
FINE = json.dumps({"status": "success", "data": ONE}).encode()


def reply(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Request:
    def __init__(self, head: str, body: str) -> None:
        first, *rest = head.split("\r\n")
        self.line = first
        self.headers = dict(line.lower().split(": ", 1) for line in rest if line)
        self.form = {name: values[0] for name, values in parse_qs(body).items()}


class Stub:
    """Speaks as much HTTP as is needed to misbehave; None as an answer hangs up."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.answer: Callable[[Request], bytes | None] = lambda _: reply("200 OK", FINE)
        self.delay = 0.0
        self.url = ""
        self._serving: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            self._serving.discard(task)

    async def stop(self) -> None:
        for task in list(self._serving):
            task.cancel()
        while self._serving:
            await asyncio.sleep(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                request = Request(head, (await reader.readexactly(length)).decode())
                self.requests.append(request)
                await asyncio.sleep(self.delay)
                answer = self.answer(request)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return


@asynccontextmanager
async def serving(stub: Stub | None = None) -> AsyncIterator[Stub]:
    stub = stub or Stub()
    server = await asyncio.start_server(stub.accept, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield stub
    server.close()
    await stub.stop()


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with serving() as one:
        yield one


class FakeSecrets:
    token = b"s3cret"

    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        assert (namespace, name, key) == ("chat", "auth", "token")
        return {"token": self.token}


@pytest.fixture
async def pool() -> AsyncIterator[PrometheusPool]:
    one = PrometheusPool(FakeSecrets())
    yield one
    await one.aclose()


def at(stub: Stub, *, token: bool = False, path: str = "") -> Prometheus:
    content: dict[str, Any] = {"address": stub.url + path, "matchers": {"a": "b"}}
    if token:
        content["authorization"] = {"credentials": {"name": "auth", "key": "token"}}
    return Prometheus.model_validate(content)


async def test_a_query_is_posted_with_its_time_limit(stub: Stub, pool: PrometheusPool) -> None:
    query = 'sum(x{a="b c&d"}) + 1'
    answer = await pool.query("chat", at(stub, path="/prom/"), query, deadline=3, time=1700.25)
    assert answer == Vector((Row({}, 1.0),), 1.0)
    (request,) = stub.requests
    assert request.line == "POST /prom/api/v1/query HTTP/1.1"
    assert request.form == {"query": query, "timeout": "3s", "time": "1700.250"}


async def test_connections_are_kept(stub: Stub, pool: PrometheusPool) -> None:
    for _ in range(3):
        await pool.query("chat", at(stub), "x")
    assert (len(stub.requests), stub.connections) == (3, 1)


async def test_a_server_that_is_silent_costs_its_deadline(stub: Stub, pool: PrometheusPool) -> None:
    stub.delay = 30
    began = asyncio.get_running_loop().time()
    answer = await pool.query("chat", at(stub), "x", deadline=0.2)
    assert asyncio.get_running_loop().time() - began < 1
    assert isinstance(answer, TooSlow)
    assert answer.missing is Missing.UNREACHABLE
    assert f"{stub.url} did not answer within 0.2 s" in answer.message


class Dripping(Stub):
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)


async def test_a_dripping_answer_costs_the_same_deadline(pool: PrometheusPool) -> None:
    async with serving(Dripping()) as dripping:
        assert isinstance(await pool.query("chat", at(dripping), "x", deadline=0.3), TooSlow)


async def test_a_connection_that_died_in_the_pool_is_replaced_once(
    stub: Stub, pool: PrometheusPool
) -> None:
    await pool.query("chat", at(stub), "x")
    answers: Iterator[bytes | None] = iter([None, reply("200 OK", FINE)])
    stub.answer = lambda _: next(answers)
    assert isinstance(await pool.query("chat", at(stub), "y"), Vector)
    assert [one.form["query"] for one in stub.requests] == ["x", "y", "y"]


async def test_nothing_is_tried_a_third_time(stub: Stub, pool: PrometheusPool) -> None:
    stub.answer = lambda _: None
    answer = await pool.query("chat", at(stub), "x")
    assert isinstance(answer, Gap)
    assert answer.missing is Missing.UNREACHABLE
    assert len(stub.requests) == 2


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable"])
async def test_an_answer_is_never_asked_again(
    stub: Stub, pool: PrometheusPool, status: str
) -> None:
    stub.answer = lambda _: reply(status, b"down")
    answer = await pool.query("chat", at(stub), "x")
    assert isinstance(answer, Gap)
    assert len(stub.requests) == 1


async def test_a_redirect_is_not_followed(stub: Stub, pool: PrometheusPool) -> None:
    async with serving() as elsewhere:
        stub.answer = lambda _: reply("307 T", b"", f"Location: {elsewhere.url}/login")
        answer = await pool.query("chat", at(stub, token=True), "x")
        assert isinstance(answer, Gap)
        assert f"a redirect to {elsewhere.url}/login" in answer.message
        assert not elsewhere.requests


async def test_nobody_listens(pool: PrometheusPool) -> None:
    async with serving() as gone:
        pass
    answer = await pool.query("chat", at(gone), "x")
    assert isinstance(answer, Gap)
    assert answer.missing is Missing.UNREACHABLE
    assert gone.url in answer.message


async def test_what_is_no_address_is_a_sentence(pool: PrometheusPool) -> None:
    for address in ("http://[::1", "http://a:b:c"):
        where = Prometheus.model_construct(address=address, matchers={"a": "b"})
        assert isinstance(await pool.query("chat", where, "x"), Gap)


async def test_a_flood_is_cut_off(stub: Stub, pool: PrometheusPool) -> None:
    stub.answer = lambda _: reply("200 OK", b" " * (9 * 2**20))
    answer = await pool.query("chat", at(stub), "x")
    assert isinstance(answer, Gap)
    assert "more than 8 MiB" in answer.message


async def test_a_partial_answer_is_a_gap(stub: Stub, pool: PrometheusPool) -> None:
    """No real Prometheus without stores behind it warns of a partial answer."""
    body = json.dumps({"status": "success", "data": ONE, "warnings": ["store-2: timeout"]})
    stub.answer = lambda _: reply("200 OK", body.encode())
    answer = await pool.query("chat", at(stub), "x")
    assert isinstance(answer, Gap)
    assert answer.missing is Missing.PARTIAL
    assert "store-2: timeout" in answer.message


async def test_a_rotated_secret_is_used_at_once(stub: Stub) -> None:
    secrets = FakeSecrets()
    pool = PrometheusPool(secrets)
    await pool.query("chat", at(stub, token=True), "x")
    secrets.token = b"n3wer"
    await pool.query("chat", at(stub, token=True), "x")
    await pool.query("chat", at(stub), "x")
    sent = [one.headers.get("authorization") for one in stub.requests]
    assert sent == ["bearer s3cret", "bearer n3wer", None]
    assert len(pool._kept) == 3
    await pool.close_unused(idle=0)
    assert not pool._kept
    await pool.aclose()


async def test_secrets_appear_in_no_sentence_and_no_log(
    stub: Stub, pool: PrometheusPool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = json.dumps({"status": "error", "errorType": "bad_data", "error": "not Bearer s3cret"})
    stub.answer = lambda _: reply("400 Bad Request", body.encode())
    answer = await pool.query("chat", at(stub, token=True), "x")
    assert isinstance(answer, Gap)
    assert "s3cret" not in answer.message
    assert "s3cret" not in caplog.text
    assert "s3cret" not in repr(vars(pool))


async def test_credentials_in_the_address_are_refused(pool: PrometheusPool) -> None:
    where = Prometheus.model_construct(
        address="http://ann:s3cret@prometheus.example", matchers={"a": "b"}
    )
    answer = await pool.query("chat", where, "x")
    assert isinstance(answer, Gap)
    assert answer.missing is Missing.CREDENTIALS
    assert "s3cret" not in answer.message


async def test_loopback_is_never_reached_through_a_proxy(
    stub: Stub, pool: PrometheusPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert isinstance(await pool.query("chat", at(stub), "x"), Vector)
        assert not proxy.requests
        remote = Prometheus.model_validate(
            {"address": "http://prometheus.example", "matchers": {"a": "b"}}
        )
        assert isinstance(await pool.query("chat", remote, "x"), Vector)
        assert proxy.requests[0].line.startswith("POST http://prometheus.example/")
