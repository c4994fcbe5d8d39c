"""What does an answer of the OpenAI protocol look like, as vLLM spells it?"""

import itertools
import json
import time
from dataclasses import dataclass, replace
from typing import Any

from tests.lab.model import TinyModel, chat_prompt, decode, encode

_numbers = itertools.count(1)


@dataclass(slots=True)
class Question:
    chat: bool
    prompt: str
    prompt_tokens: int
    max_tokens: int | None
    stream: bool
    logprobs: int | None
    prompt_logprobs: int | None
    echo: bool = False


def read_question(body: dict[str, Any], *, chat: bool) -> Question:
    if chat:
        prompt, count = chat_prompt(body["messages"])
        top = int(body.get("top_logprobs") or 0) if body.get("logprobs") else None
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
    else:
        prompt = str(body["prompt"])
        count, top = len(prompt), body.get("logprobs")
        limit = body.get("max_tokens", 16)
    stream, wanted = bool(body.get("stream")), body.get("prompt_logprobs")
    echo = bool(body.get("echo"))
    return Question(chat, prompt, count, limit, stream, top, wanted, echo)


def answer(
    question: Question, model_name: str, model: TinyModel, ids: tuple[int, ...], finish: str
) -> bytes:
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "stop_reason": None}
    text = decode(ids)
    if question.chat:
        choice["message"] = {
            "role": "assistant",
            "content": text,
            "refusal": None,
            "tool_calls": [],
        }
    else:
        choice["text"] = text
    choice["logprobs"] = _logprobs(question, model, ids)
    scores = _prompt_logprobs(question, model)
    body = _envelope(question, model_name, stream=False) | {"choices": [choice]}
    if question.chat:
        body["prompt_logprobs"] = scores
    else:
        choice["prompt_logprobs"] = scores
    body["usage"] = {
        "prompt_tokens": question.prompt_tokens,
        "total_tokens": question.prompt_tokens + len(ids),
        "completion_tokens": len(ids),
        "prompt_tokens_details": None,
    }
    return json.dumps(body).encode()


def scored(question: Question, model_name: str, model: TinyModel) -> bytes:
    """The prompt itself and how likely each of its tokens was; nothing is generated."""
    ids = encode(question.prompt)
    logprobs = _logprobs(replace(question, prompt=""), model, ids)
    if logprobs is not None:
        for name in ("token_logprobs", "top_logprobs"):
            logprobs[name][:1] = [None]
    choice = {"index": 0, "text": question.prompt, "finish_reason": "length", "logprobs": logprobs}
    usage = {"prompt_tokens": len(ids), "total_tokens": len(ids), "completion_tokens": 0}
    body = _envelope(question, model_name, stream=False) | {"choices": [choice], "usage": usage}
    return json.dumps(body).encode()


def embeddings(texts: list[str], model_name: str, model: TinyModel) -> bytes:
    data = [
        {"object": "embedding", "index": n, "embedding": [float(x) for x in model.embed(text)]}
        for n, text in enumerate(texts)
    ]
    count = sum(len(text) for text in texts)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return json.dumps(
        {"object": "list", "data": data, "model": model_name, "usage": usage}
    ).encode()


def event(question: Question, model_name: str, text: str, finish: str | None) -> bytes:
    """One server-sent event with the next piece of text."""
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish}
    if question.chat:
        choice["delta"] = {"content": text}
    else:
        choice["text"] = text
    body = _envelope(question, model_name, stream=True) | {"choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def error(message: str, kind: str, code: int, param: str | None = None) -> bytes:
    content = {"message": message, "type": kind, "param": param, "code": code}
    return json.dumps({"error": content}).encode()


def models(name: str, max_model_len: int) -> bytes:
    entry = {
        "id": name,
        "object": "model",
        "created": int(time.time()),
        "owned_by": "vllm",
        "root": name,
        "parent": None,
        "max_model_len": max_model_len,
        "permission": [],
    }
    return json.dumps({"object": "list", "data": [entry]}).encode()


def _envelope(question: Question, model_name: str, *, stream: bool) -> dict[str, Any]:
    number = next(_numbers)
    if question.chat:
        kind = "chat.completion.chunk" if stream else "chat.completion"
        identity = f"chatcmpl-{number:016x}"
    else:
        kind, identity = "text_completion", f"cmpl-{number:016x}"
    return {"id": identity, "object": kind, "created": int(time.time()), "model": model_name}


def _logprobs(question: Question, model: TinyModel, ids: tuple[int, ...]) -> dict[str, Any] | None:
    if question.logprobs is None:
        return None
    rows = model.log_probabilities(question.prompt, ids)
    best = [row.argsort()[::-1][: question.logprobs] for row in rows]
    tokens = [decode((token,)) for token in ids]
    if not question.chat:
        return {
            "tokens": tokens,
            "token_logprobs": [float(row[token]) for row, token in zip(rows, ids, strict=True)],
            "top_logprobs": [
                {decode((int(t),)): float(row[t]) for t in top}
                for row, top in zip(rows, best, strict=True)
            ],
            "text_offset": list(range(len(tokens))),
        }
    content = []
    for token, row, top in zip(ids, rows, best, strict=True):
        alternatives = [_scored(int(other), float(row[other])) for other in top]
        content.append(_scored(token, float(row[token])) | {"top_logprobs": alternatives})
    return {"content": content}


def _scored(token: int, logprob: float) -> dict[str, Any]:
    text = decode((token,))
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _prompt_logprobs(question: Question, model: TinyModel) -> list[Any] | None:
    """How likely each token of the prompt was: what teacher-forced comparison reads."""
    if question.prompt_logprobs is None:
        return None
    ids = encode(question.prompt)
    rows = model.log_probabilities("", ids)
    scores: list[Any] = [None]
    for token, row in zip(ids[1:], rows[1:], strict=True):
        best = [int(t) for t in row.argsort()[::-1][: question.prompt_logprobs]]
        ranks = {t: rank for rank, t in enumerate(best, start=1)}
        ranks.setdefault(token, int((row > row[token]).sum()) + 1)
        scores.append(
            {
                str(t): {"logprob": float(row[t]), "rank": rank, "decoded_token": decode((t,))}
                for t, rank in ranks.items()
            }
        )
    return scores
