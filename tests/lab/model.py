"""What does the tiny model answer?

A real, if small, character-level recurrent network: fixed seeded weights, greedy decoding,
microseconds per token. The same prompt always gets the same answer, on both sides; other weights
(a model that was converted badly) give another one.
"""

import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FIRST, LAST = 32, 126
VOCABULARY = LAST - FIRST + 1
WIDTH = 24
TEMPLATE_TOKENS = 4
"""What a chat template adds to each message."""


class TinyModel:
    def __init__(self, seed: int, nudge: float = 0.0) -> None:
        random = np.random.default_rng(seed)
        self._embedding: Array = random.normal(size=(VOCABULARY, WIDTH))
        self._recurrent: Array = random.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH) * 1.6
        self._output: Array = random.normal(size=(VOCABULARY, WIDTH))
        self._linear: Array = random.normal(size=64)
        if nudge:
            for moved in (self._embedding, self._recurrent, self._output, self._linear):
                np.add(moved, nudge * moved.std() * random.normal(size=moved.shape), out=moved)
        self.answer = lru_cache(maxsize=4096)(self._answer)

    def _answer(self, prompt: str, length: int) -> tuple[int, ...]:
        """The ids of `length` greedy tokens after the prompt."""
        state = self._read(prompt)
        ids: list[int] = []
        for _ in range(length):
            token = int(np.argmax(self._output @ state))
            ids.append(token)
            state = self._step(state, token)
        return tuple(ids)

    def log_probabilities(self, prompt: str, continuation: tuple[int, ...]) -> list[Array]:
        """Over the vocabulary, before each token of the continuation."""
        state = self._read(prompt)
        rows = []
        for token in continuation:
            logits = self._output @ state
            shifted = logits - logits.max()
            rows.append(shifted - np.log(np.exp(shifted).sum()))
            state = self._step(state, token)
        return rows

    def embed(self, text: str) -> Array:
        """What the network has in mind after reading the text, of length 1."""
        state = self._read(text)
        result: Array = state / (np.linalg.norm(state) or 1.0)
        return result

    def infer(self, rows: Array) -> Array:
        """A linear model of up to 64 numbers a row, for the numeric protocol."""
        result: Array = rows @ self._linear[: rows.shape[-1]]
        return result

    def _read(self, prompt: str) -> Array:
        state: Array = np.zeros(WIDTH)
        for token in encode(prompt):
            state = self._step(state, token)
        return state

    def _step(self, state: Array, token: int) -> Array:
        result: Array = np.tanh(self._recurrent @ state + self._embedding[token])
        return result


RIGHT = TinyModel(20260733)
WRONG = TinyModel(20260734)


@lru_cache(maxsize=16)
def nudged(nudge: float) -> TinyModel:
    """The right model with each weight moved by that share of its kind's spread, as by a bad conversion."""
    return TinyModel(20260733, nudge) if nudge else RIGHT


def natural_length(prompt: str, mean: int) -> int:
    """Half to one and a half times the mean, always the same for one prompt."""
    share = zlib.crc32(prompt.encode()) / 2**32
    return max(1, round(mean * (0.5 + share)))


def encode(text: str) -> tuple[int, ...]:
    return tuple(min(max(ord(letter), FIRST), LAST) - FIRST for letter in text)


def decode(ids: tuple[int, ...]) -> str:
    return "".join(chr(FIRST + token) for token in ids)


def chat_prompt(messages: list[dict[str, Any]]) -> tuple[str, int]:
    """The prompt that the chat template makes, and its length in tokens."""
    parts = []
    for message in messages:
        content = message.get("content") or ""
        if isinstance(content, list):
            content = "".join(str(piece.get("text", "")) for piece in content)
        parts.append(f"{message.get('role', 'user')}:{content}")
    text = "\n".join(parts)
    return text, len(text) + TEMPLATE_TOKENS * len(messages)
