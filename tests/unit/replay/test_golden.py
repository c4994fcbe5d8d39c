"""A golden set is taken apart line by line, and the first line that is not usable is named."""

import json
from typing import Any

import pytest

from cutover.api.golden import ConfigMapKeyRef, Dataset, GoldenProtocol
from cutover.decide.asking import Asking
from cutover.decide.observation import Refusal
from cutover.judge.golden import GoldenSet
from cutover.replay.golden import LARGEST_LINE, only_value, take_apart
from cutover.replay.protocols import spelling
from cutover.replay.spelling import Spelling

CHAT = {"messages": [{"role": "user", "content": "What is the answer?"}]}
TENSOR = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}


def spelled(protocol: GoldenProtocol = GoldenProtocol.OPENAI_CHAT, **options: Any) -> Spelling:
    dataset = Dataset(config_map_key_ref=ConfigMapKeyRef(name="golden"))
    return spelling(Asking(dataset, protocol, **options))


def lines(*each: Any) -> bytes:
    return "\n".join(json.dumps(one) for one in each).encode()


async def one_body(line: Any, protocol: GoldenProtocol, **options: Any) -> dict[str, Any]:
    found = await take_apart(lines(line), spelled(protocol, **options))
    assert isinstance(found, GoldenSet), found
    body: dict[str, Any] = json.loads(found.items[0].body)
    return body


async def test_each_line_is_an_item_with_its_id_label_and_model() -> None:
    text = lines(CHAT | {"id": "greeting", "label": "hello", "model": "llama"}, CHAT) + b"\n\n"
    found = await take_apart(text, spelled())
    assert isinstance(found, GoldenSet)
    first, second = found.items
    assert (first.id, first.line, first.label, first.model) == ("greeting", 1, "hello", "llama")
    assert (second.id, second.line, second.label, second.model) == ("line 2", 2, None, None)
    assert not {"id", "label", "model"} & json.loads(first.body).keys()


async def test_the_digest_tells_sets_apart() -> None:
    digests = set()
    for text in (lines(CHAT), lines(CHAT, CHAT)):
        found = await take_apart(text, spelled())
        assert isinstance(found, GoldenSet)
        digests.add(found.digest)
    assert len(digests) == 2


async def test_chat_is_made_repeatable_and_short_and_tells_logprobs() -> None:
    body = await one_body(CHAT | {"chat_template_kwargs": {"a": 1}}, GoldenProtocol.OPENAI_CHAT)
    assert body["temperature"] == 0
    assert body["stream"] is False
    assert body["max_tokens"] == 32
    assert (body["logprobs"], body["top_logprobs"]) == (True, 5)
    assert body["chat_template_kwargs"] == {"a": 1}
    given = await one_body(
        CHAT | {"max_completion_tokens": 7, "seed": 3}, GoldenProtocol.OPENAI_CHAT
    )
    assert "max_tokens" not in given
    assert given["seed"] == 3


async def test_scoring_generates_nothing_and_scores_the_label_too() -> None:
    line = {"prompt": "2 + 2 = ", "label": "4"}
    body = await one_body(line, GoldenProtocol.OPENAI_COMPLETIONS, scoring=True)
    assert body["prompt"] == "2 + 2 = 4"
    assert (body["echo"], body["max_tokens"], body["logprobs"]) == (True, 0, 1)


INVALID: dict[str, tuple[GoldenProtocol, Any, str]] = {
    "no JSON": (GoldenProtocol.OPENAI_CHAT, None, "is no JSON"),
    "a list": (GoldenProtocol.OPENAI_CHAT, [], "is no JSON object"),
    "no messages": (GoldenProtocol.OPENAI_CHAT, {}, "messages is missing"),
    "no role": (GoldenProtocol.OPENAI_CHAT, {"messages": [{}]}, "needs a role"),
    "sampled": (GoldenProtocol.OPENAI_CHAT, CHAT | {"temperature": 0.7}, "temperature is not 0"),
    "streamed": (GoldenProtocol.OPENAI_CHAT, CHAT | {"stream": True}, "leave stream out"),
    "many answers": (GoldenProtocol.OPENAI_CHAT, CHAT | {"n": 3}, "more than one answer"),
    "an id that is a list": (GoldenProtocol.OPENAI_CHAT, CHAT | {"id": []}, "has an id"),
    "a model that is a number": (GoldenProtocol.OPENAI_CHAT, CHAT | {"model": 1}, "model"),
    "no prompt": (GoldenProtocol.OPENAI_COMPLETIONS, {"prompt": ""}, "prompt is missing"),
    "two prompts": (GoldenProtocol.OPENAI_COMPLETIONS, {"prompt": ["a", "b"]}, "more than one"),
    "no input": (GoldenProtocol.OPENAI_EMBEDDINGS, {"input": ""}, "input is missing"),
    "packed vectors": (
        GoldenProtocol.OPENAI_EMBEDDINGS,
        {"input": "a", "encoding_format": "base64"},
        "encoding_format",
    ),
    "no inputs": (GoldenProtocol.OPEN_INFERENCE_V2, {}, "inputs is missing"),
    "no data": (
        GoldenProtocol.OPEN_INFERENCE_V2,
        {"inputs": [{k: v for k, v in TENSOR.items() if k != "data"}]},
        "an input has no data",
    ),
    "no shape": (
        GoldenProtocol.OPEN_INFERENCE_V2,
        {"inputs": [TENSOR | {"shape": "2"}]},
        "shape is no list",
    ),
    "no instances": (GoldenProtocol.KSERVE_V1, {"instances": []}, "instances is missing"),
}


@pytest.mark.parametrize("case", INVALID)
async def test_an_invalid_item_names_its_line_and_not_its_content(case: str) -> None:
    protocol, line, sentence = INVALID[case]
    good: dict[GoldenProtocol, Any] = {
        GoldenProtocol.OPENAI_CHAT: CHAT,
        GoldenProtocol.OPENAI_COMPLETIONS: {"prompt": "a"},
        GoldenProtocol.OPENAI_EMBEDDINGS: {"input": "a"},
        GoldenProtocol.OPEN_INFERENCE_V2: {"inputs": [TENSOR]},
        GoldenProtocol.KSERVE_V1: {"instances": [[1.0]]},
    }
    bad = b"{not json" if line is None else json.dumps(line).encode()
    found = await take_apart(lines(good[protocol]) + b"\n" + bad, spelled(protocol))
    assert isinstance(found, Refusal)
    assert found.reason == "GoldenSetInvalid"
    assert found.message.startswith("line 2 of the golden set")
    assert sentence in found.message
    assert "What is the answer" not in found.message


async def test_equal_ids_endless_lines_and_nothing_are_refused() -> None:
    twice = await take_apart(lines(CHAT | {"id": "a"}, CHAT | {"id": "a"}), spelled())
    assert isinstance(twice, Refusal)
    assert "same id as line 1" in twice.message
    long = await take_apart(b" " * LARGEST_LINE + b"{}", spelled())
    assert isinstance(long, Refusal)
    assert "longer than" in long.message
    assert await take_apart(b"\n \n", spelled()) == Refusal(
        "GoldenSetInvalid", "the golden set is empty: write one request to a line"
    )


def test_the_only_key_is_taken_or_the_one_that_is_named() -> None:
    assert only_value({"a": "1"}, None, "ConfigMap ns/x") == b"1"
    assert only_value({"a": b"1", "b": b"2"}, "b", "Secret ns/x") == b"2"
    two = only_value({"a": "1", "b": "2"}, None, "ConfigMap ns/x")
    assert isinstance(two, Refusal)
    assert "2 keys" in two.message
    none = only_value({"a": "1"}, "b", "ConfigMap ns/x")
    assert isinstance(none, Refusal)
    assert "no key b" in none.message
