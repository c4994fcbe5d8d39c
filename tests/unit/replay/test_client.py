"""What is no answer of a model is counted apart, tried again only where that helps, and tells no secret."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from cutover.api.golden import ConfigMapKeyRef, Dataset, GoldenProtocol
from cutover.api.sides import Endpoint, HeadersFrom, SecretRef
from cutover.decide.asking import Asking
from cutover.decide.readings import Gap, Missing
from cutover.judge.golden import Answer, Item, Scores, Tensors, Text, Unanswered, Vectors, Why
from cutover.replay import client, replayer
from cutover.replay.replayer import Calm, GoldenReplayer, Replays
from cutover.replay.sources import GoldenSources
from tests.fakes.golden import items

PROTOCOL = GoldenProtocol.OPENAI_CHAT
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}
FINE = {"choices": [CHOICE], "usage": {"prompt_tokens": 7}}
SECRET = "tok-4711-very-secret"


class Stub:
    """A model server; ``answer`` gives the raw bytes, None hangs up."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.answer: Callable[[], bytes | None] = lambda: as_json(FINE)
        self.delay = 0.0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *rest = head.strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in rest)
            lower = {name.lower(): value for name, value in headers.items()}
            body = json.loads(await reader.readexactly(int(lower["content-length"])))
            self.requests.append((first, lower, body))
            await asyncio.sleep(self.delay)
            answer = self.answer()
            if answer is None:
                return
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


def raw(
    status: str, body: bytes, kind: str = "application/json", length: int | None = None
) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length or len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


def as_json(content: Any) -> bytes:
    return raw("200 OK", json.dumps(content).encode())


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    made = Stub()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


class Secrets:
    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        if name == "auth":
            return {"Authorization": f"Bearer {SECRET}".encode()}
        return Gap(Missing.CREDENTIALS, f"Secret {namespace}/{name} does not exist: create it")


class NoObjects:
    async def get(self, path: str) -> Any:
        raise AssertionError(path)


@asynccontextmanager
async def asking(
    stub: Stub, protocol: GoldenProtocol = PROTOCOL, secret: str | None = None, **options: Any
) -> AsyncIterator[Callable[..., Any]]:
    dataset = Dataset(config_map_key_ref=ConfigMapKeyRef(name="golden"))
    options = {"rate": 1000.0, "deadline": 5.0, **options}
    headers = HeadersFrom(secret_ref=SecretRef(name=secret)) if secret else None
    endpoint = Endpoint(url=stub.url, model="tiny", headers_from=headers)
    replays = Replays(GoldenSources(NoObjects(), Secrets()), Secrets())
    replays.calm = Calm(late=60.0)
    made = GoldenReplayer(replays, "ns", endpoint, None, Asking(dataset, protocol, **options))

    async def ask(body: Any = None) -> Answer:
        return await made.ask("source", Item("a", 1, json.dumps(body or {"a": 1}).encode()))

    async with made.turn():
        yield ask


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replayer, "PAUSES", (0.0, 0.0))


BROKEN: dict[str, tuple[Callable[[], bytes | None], Why, int]] = {
    "hangs up": (lambda: None, Why.UNREACHABLE, 3),
    "is overloaded": (lambda: raw("503 Busy", b"{}"), Why.OVERLOADED, 3),
    "limits its callers": (lambda: raw("429 Slow", b"{}"), Why.OVERLOADED, 3),
    "wants credentials": (lambda: raw("401 No", b"{}"), Why.UNAUTHORISED, 1),
    "breaks": (lambda: raw("500 Broken", b"{}"), Why.REFUSED, 1),
    "refuses": (lambda: raw("400 Bad", b'{"error": "too long"}'), Why.REFUSED, 1),
    "has an error object": (lambda: as_json({"error": {"message": "x"}}), Why.REFUSED, 1),
    "shows a page": (lambda: raw("200 OK", b"<html>", "text/html"), Why.UNREADABLE, 1),
    "redirects": (lambda: raw("302 Login", b""), Why.UNREADABLE, 1),
    "says nothing": (lambda: raw("200 OK", b""), Why.UNREADABLE, 1),
    "sends half of it": (lambda: raw("200 OK", b'{"choices": ['), Why.UNREADABLE, 1),
    "ends in the middle": (lambda: raw("200 OK", b'{"choi', length=500), Why.UNREACHABLE, 3),
    "was cut short": (
        lambda: as_json({"choices": [CHOICE | {"finish_reason": None}]}),
        Why.UNREADABLE,
        1,
    ),
    "lacks choices": (lambda: as_json({"predictions": [1]}), Why.UNREADABLE, 1),
    "sends a list": (lambda: as_json([1]), Why.UNREADABLE, 1),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_transport_failure_is_no_answer_and_tried_again_only_where_that_helps(
    how: str, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    stub.answer, why, tries = BROKEN[how]
    with caplog.at_level(logging.DEBUG):
        async with asking(stub, secret="auth") as ask:
            answer = await ask()
    assert isinstance(answer, Unanswered)
    assert answer.why is why
    assert stub.url in answer.message
    assert len(stub.requests) == tries
    assert SECRET not in answer.message + caplog.text
    assert stub.requests[0][1]["authorization"] == f"Bearer {SECRET}"


async def test_a_slow_answer_is_given_up_once(stub: Stub) -> None:
    stub.delay = 5.0
    async with asking(stub, deadline=0.05) as ask:
        answer = await ask()
    assert isinstance(answer, Unanswered)
    assert answer.why is Why.TOO_SLOW
    assert len(stub.requests) == 1


async def test_an_answer_is_read_up_to_its_bound(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_ANSWER", 100)
    stub.answer = lambda: raw("200 OK", b'{"a": "' + b"x" * 1000 + b'"}')
    async with asking(stub) as ask:
        answer = await ask()
    assert isinstance(answer, Unanswered)
    assert answer.why is Why.TOO_LARGE


async def test_a_secret_that_cannot_be_used_is_told_without_asking(stub: Stub) -> None:
    async with asking(stub, secret="missing") as ask:
        answer = await ask()
    assert answer == Unanswered(Why.UNAUTHORISED, "Secret ns/missing does not exist: create it")
    assert not stub.requests


async def test_the_endpoint_names_the_model(stub: Stub) -> None:
    async with asking(stub) as ask:
        await ask({"messages": []})
    line, _, body = stub.requests[0]
    assert line == "POST /v1/chat/completions HTTP/1.1"
    assert body == {"model": "tiny", "messages": []}


async def test_requests_keep_their_pace_and_their_number(stub: Stub) -> None:
    async with asking(stub, rate=50.0, concurrency=2) as ask:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(ask() for _ in range(6)))
        assert asyncio.get_running_loop().time() - began >= 5 / 50


async def test_a_request_gives_way_while_the_event_loop_is_late_but_not_without_end() -> None:
    loop = asyncio.get_running_loop()
    busy = True

    async def hog() -> None:
        while busy:
            began = loop.time()
            while loop.time() - began < 0.03:
                pass
            await asyncio.sleep(0)

    calm, patient = Calm(longest=60.0), Calm(longest=0.2)
    hogging = asyncio.create_task(hog())
    waiting = asyncio.create_task(calm())
    began = loop.time()
    await patient()
    assert loop.time() - began >= 0.2
    assert not waiting.done()
    busy = False
    await hogging
    await waiting


async def read(stub: Stub, protocol: GoldenProtocol, content: Any, **options: Any) -> Answer:
    stub.answer = lambda: as_json(content)
    async with asking(stub, protocol, **options) as ask:
        answer: Answer = await ask()
    return answer


async def test_chat_is_read_with_its_logprobs_and_tool_calls(stub: Stub) -> None:
    scored = {"token": "yes", "logprob": -0.1, "top_logprobs": [{"token": "no", "logprob": -2.0}]}
    plain = CHOICE | {"logprobs": {"content": [scored]}}
    answer = await read(stub, PROTOCOL, FINE | {"choices": [plain]})
    assert isinstance(answer, Text)
    assert (answer.text, answer.finish, answer.prompt_tokens) == ("yes", "stop", 7)
    assert answer.tokens[0].top == {"no": -2.0}
    texts = []
    for arguments in ('{"a": 1, "b": 2}', '{"b":2,"a":1}'):
        call = {"id": "random", "function": {"name": "f", "arguments": arguments}}
        message = {"message": {"content": None, "tool_calls": [call]}}
        found = await read(stub, PROTOCOL, {"choices": [CHOICE | message]})
        assert isinstance(found, Text)
        texts.append(found.text)
    assert texts[0] == texts[1] != ""


async def test_completions_are_read_and_scored(stub: Stub) -> None:
    logprobs = {
        "tokens": ["a", "b"],
        "token_logprobs": [None, -0.5],
        "top_logprobs": [None, {"b": -0.5, "c": -1.0}],
    }
    choice = {"text": "ab", "finish_reason": "length", "logprobs": logprobs}
    protocol = GoldenProtocol.OPENAI_COMPLETIONS
    scores = await read(stub, protocol, {"choices": [choice]}, scoring=True)
    assert isinstance(scores, Scores)
    assert scores.logprobs.tolist() == [-0.5]
    generated = choice | {"logprobs": logprobs | {"token_logprobs": [-0.2, -0.5]}}
    text = await read(stub, protocol, {"choices": [generated]})
    assert isinstance(text, Text)
    assert [token.text for token in text.tokens] == ["a", "b"]
    assert stub.requests[0][0].startswith("POST /v1/completions ")
    without = await read(stub, protocol, {"choices": [choice | {"logprobs": None}]}, scoring=True)
    assert isinstance(without, Unanswered)
    assert "cannot score a text" in without.message


async def test_embeddings_are_read_in_the_order_of_their_inputs(stub: Stub) -> None:
    data = [{"index": 1, "embedding": [0.0, 1.0]}, {"index": 0, "embedding": [1.0, 0.0]}]
    answer = await read(stub, GoldenProtocol.OPENAI_EMBEDDINGS, {"data": data})
    assert isinstance(answer, Vectors)
    assert np.array_equal(answer.rows, np.eye(2))


async def test_v2_outputs_are_found_by_name(stub: Stub) -> None:
    scores = {"name": "s", "datatype": "FP32", "shape": [1, 2], "data": [0.25, 0.75]}
    words = {"name": "w", "datatype": "BYTES", "shape": [1], "data": ["cat"]}
    answer = await read(stub, GoldenProtocol.OPEN_INFERENCE_V2, {"outputs": [words, scores]})
    assert isinstance(answer, Tensors)
    assert answer.outputs["w"].words == ("cat",)
    assert answer.outputs["s"].numbers is not None
    assert answer.outputs["s"].numbers.tolist() == [0.25, 0.75]
    assert stub.requests[0][0].startswith("POST /v2/models/tiny/infer ")
    wrong = await read(
        stub, GoldenProtocol.OPEN_INFERENCE_V2, {"outputs": [scores | {"shape": [3]}]}
    )
    assert isinstance(wrong, Unanswered)


@pytest.mark.parametrize(
    ("predictions", "outputs"),
    [
        ([[0.1, 0.9]], {"predictions": ("FP32", (1, 2))}),
        ([3, 4], {"predictions": ("INT64", (2,))}),
        (["cat"], {"predictions": ("BYTES", (1,))}),
        ([{"label": "cat", "score": 0.9}], {"label": ("BYTES", (1,)), "score": ("FP32", (1, 1))}),
        ([[0.5], [0.5, 1.0]], {"predictions": ("FP32", (3, 1))}),
    ],
)
async def test_v1_predictions_are_read_whatever_they_are(
    predictions: Any, outputs: dict[str, Any], stub: Stub
) -> None:
    answer = await read(stub, GoldenProtocol.KSERVE_V1, {"predictions": predictions})
    assert isinstance(answer, Tensors)
    found = {name: (one.datatype, one.shape) for name, one in answer.outputs.items()}
    assert found == outputs
    assert stub.requests[0][0].startswith("POST /v1/models/tiny:predict ")


def test_an_item_shows_nothing_of_its_content() -> None:
    assert "{}" not in repr(items(1)[0])
