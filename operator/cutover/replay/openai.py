"""How OpenAI's interfaces are spelled and read: generated text, scored text, embeddings."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np

from cutover.judge.golden import Answer, Scores, Served, Text, Token, Vectors
from cutover.replay.spelling import Body, UnfitAnswer, UnfitRequest, name_of

MOST_TOKENS: Final = 32
"""Tokens to generate where a line says nothing: one flipped token changes all that follow it, so that
long answers differ between equal models."""
TOP: Final = 5


def _greedy(body: Body) -> Body:
    """Refuse what makes answers differ from one time to the next, and settle the rest."""
    if body.get("stream"):
        raise UnfitRequest("stream is set: golden answers are read whole, so leave stream out")
    if body.get("n", 1) != 1 or body.get("best_of", 1) != 1:
        raise UnfitRequest("it asks for more than one answer: leave n and best_of out")
    if body.get("temperature", 0) != 0:
        raise UnfitRequest(
            "temperature is not 0: sampled answers differ by chance, so leave it out or write 0"
        )
    return {"seed": 0, **body, "temperature": 0, "stream": False}


def _text(answer: Mapping[str, Any], content: str, tokens: tuple[Token, ...]) -> Text:
    finish = _choice(answer).get("finish_reason")
    if not isinstance(finish, str):
        raise UnfitAnswer("choices[0].finish_reason is missing, as if the answer was cut short")
    return Text(content, tokens, finish, _prompt_tokens(answer), _served(answer))


def _choice(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise UnfitAnswer("choices[0] is missing")
    return choices[0]


class Chat:
    """OpenAI chat completions."""

    def __init__(self, *, logprobs: bool = True) -> None:
        self._logprobs = logprobs

    def path(self, model: str | None) -> str:  # noqa: ARG002 - others need it
        """Where requests go."""
        return "/v1/chat/completions"

    def prepared(self, body: Body, label: Any) -> Body:  # noqa: ARG002 - others need it
        """Complete a request."""
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise UnfitRequest("messages is missing or empty")
        if not all(isinstance(one, dict) and isinstance(one.get("role"), str) for one in messages):
            raise UnfitRequest("each of messages needs a role")
        whole = _greedy(body)
        if "max_tokens" not in whole and "max_completion_tokens" not in whole:
            # Deprecated by its author, and the one that every server of the field reads.
            whole["max_tokens"] = MOST_TOKENS
        if self._logprobs:
            whole |= {"logprobs": True, "top_logprobs": TOP}
        return whole

    def read(self, answer: Mapping[str, Any]) -> Answer:
        """Take an answer apart."""
        choice = _choice(answer)
        message = choice.get("message")
        if not isinstance(message, Mapping):
            raise UnfitAnswer("choices[0].message is missing")
        content, calls = message.get("content"), message.get("tool_calls") or []
        if content is None and not calls and not message.get("reasoning_content"):
            content = ""
        text = (content if isinstance(content, str) else "") + _calls(calls)
        return _text(answer, text, _chat_tokens(choice))


def _calls(calls: Any) -> str:
    """Tool calls as one text that does not depend on ids, key order or white space."""
    if not calls:
        return ""
    if not isinstance(calls, list):
        raise UnfitAnswer("choices[0].message.tool_calls is no list")
    plain: list[Any] = []
    for call in calls:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            raise UnfitAnswer("a tool call has no function")
        arguments = function.get("arguments")
        with suppress(ValueError):  # cut short by max_tokens, or invalid: compared as it is
            arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        plain.append([function.get("name"), arguments])
    return "\n" + json.dumps(plain, sort_keys=True)


def _chat_tokens(choice: Mapping[str, Any]) -> tuple[Token, ...]:
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list):
        return ()
    try:
        return tuple(
            Token(
                str(one["token"]),
                float(one["logprob"]),
                {str(t["token"]): float(t["logprob"]) for t in one.get("top_logprobs") or ()},
            )
            for one in content
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnfitAnswer("choices[0].logprobs is not as the protocol has it") from None


def _one_prompt(body: Body) -> str | list[int]:
    prompt = body.get("prompt")
    if isinstance(prompt, str) and prompt:
        return prompt
    if isinstance(prompt, list) and prompt:
        if all(isinstance(one, int) and not isinstance(one, bool) for one in prompt):
            return prompt
        if len(prompt) == 1 and isinstance(prompt[0], str) and prompt[0]:
            return prompt[0]
    raise UnfitRequest("prompt is missing, empty, or more than one: write one prompt to a line")


class Completions:
    """OpenAI completions."""

    def __init__(self, *, logprobs: bool = True) -> None:
        self._logprobs = logprobs

    def path(self, model: str | None) -> str:  # noqa: ARG002 - others need it
        """Where requests go."""
        return "/v1/completions"

    def prepared(self, body: Body, label: Any) -> Body:  # noqa: ARG002 - others need it
        """Complete a request."""
        whole = {"max_tokens": MOST_TOKENS, **_greedy(body), "prompt": _one_prompt(body)}
        if self._logprobs:
            whole["logprobs"] = TOP
        return whole

    def read(self, answer: Mapping[str, Any]) -> Answer:
        """Take an answer apart."""
        choice = _choice(answer)
        text = choice.get("text")
        if not isinstance(text, str):
            raise UnfitAnswer("choices[0].text is missing")
        return _text(answer, text, _completion_tokens(choice))


def _completion_tokens(choice: Mapping[str, Any]) -> tuple[Token, ...]:
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, Mapping) or not isinstance(logprobs.get("tokens"), list):
        return ()
    words, own = logprobs["tokens"], logprobs.get("token_logprobs")
    tops = logprobs.get("top_logprobs") or [None] * len(words)
    try:
        return tuple(
            Token(str(word), float(value), {str(t): float(p) for t, p in (top or {}).items()})
            for word, value, top in zip(words, own or (), tops, strict=True)
        )
    except (TypeError, ValueError, AttributeError):
        raise UnfitAnswer("choices[0].logprobs is not as the protocol has it") from None


class Scoring:
    """OpenAI completions that generate nothing, and say how probable the prompt is, token by token.

    ``echo`` with ``max_tokens: 0``, as vLLM and others of its kind understand it. Where a line has a
    text as its ``label``, that text is scored behind the prompt.
    """

    def path(self, model: str | None) -> str:  # noqa: ARG002 - others need it
        """Where requests go."""
        return "/v1/completions"

    def prepared(self, body: Body, label: Any) -> Body:
        """Complete a request."""
        prompt = _one_prompt(body)
        if isinstance(label, str) and isinstance(prompt, str):
            prompt += label
        scored = {"prompt": prompt, "echo": True, "max_tokens": 0, "logprobs": 1}
        return _greedy(body) | scored

    def read(self, answer: Mapping[str, Any]) -> Answer:
        """Take an answer apart."""
        choice = _choice(answer)
        logprobs = choice.get("logprobs")
        logprobs = logprobs if isinstance(logprobs, Mapping) else {}
        words, own = logprobs.get("tokens"), logprobs.get("token_logprobs")
        if not isinstance(words, list) or not isinstance(own, list) or len(words) != len(own):
            raise UnfitAnswer(
                "choices[0].logprobs of the prompt is missing: this server cannot score a text (echo with"
                " max_tokens 0), so use another comparison"
            )
        try:
            values = np.array([float(one) for one in own[1:]])
            likeliest = _likeliest(logprobs.get("top_logprobs"), len(values))
        except (TypeError, ValueError, AttributeError):
            raise UnfitAnswer("choices[0].logprobs is not as the protocol has it") from None
        return Scores(
            tuple(map(str, words)), values, _prompt_tokens(answer), likeliest, _served(answer)
        )


def _likeliest(tops: Any, places: int) -> tuple[str, ...]:
    """The most probable token at each place but the first, where the server tells all of them."""
    if not isinstance(tops, list) or len(tops) != places + 1 or not all(tops[1:]):
        return ()
    return tuple(str(max(top, key=lambda word: float(top[word]))) for top in tops[1:])


def _served(answer: Mapping[str, Any]) -> Served:
    return Served(name_of(answer.get("model")), name_of(answer.get("system_fingerprint")))


def _prompt_tokens(answer: Mapping[str, Any]) -> int | None:
    usage = answer.get("usage")
    count = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else None


class Embeddings:
    """OpenAI embeddings."""

    def path(self, model: str | None) -> str:  # noqa: ARG002 - others need it
        """Where requests go."""
        return "/v1/embeddings"

    def prepared(self, body: Body, label: Any) -> Body:  # noqa: ARG002 - others need it
        """Complete a request."""
        if not isinstance(body.get("input"), str | list) or not body["input"]:
            raise UnfitRequest("input is missing or empty")
        if body.get("encoding_format", "float") != "float":
            raise UnfitRequest("encoding_format is not float: leave it out")
        return body | {"encoding_format": "float"}

    def read(self, answer: Mapping[str, Any]) -> Answer:
        """Take an answer apart."""
        found = answer.get("data")
        if not isinstance(found, list) or not found:
            raise UnfitAnswer("data is missing or empty")
        try:
            ordered = sorted(found, key=lambda one: int(one.get("index", 0)))
            rows = np.array([one["embedding"] for one in ordered], dtype=np.float64)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UnfitAnswer("data[].embedding is not as the protocol has it") from None
        if rows.ndim != 2 or not np.isfinite(rows).all():
            raise UnfitAnswer("data[].embedding holds no vectors of finite numbers")
        return Vectors(rows, _prompt_tokens(answer), _served(answer))
