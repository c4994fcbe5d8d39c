"""Golden inputs, what model servers answer to them, and how a gate's rule adds up what it sees.

A gate that replays golden inputs is one `Fold`: the replay asks both sides, item by item, and folds
each pair of answers into it, in the order of the golden set, whatever order the answers came in.
So a fold is always of the first ``asked`` items, and a replay that was broken off goes on from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# --- one golden input ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a golden set; its content never leaves the process but to the two model servers."""

    id: str
    """Its ``id``, or "line 7"."""
    line: int
    """Counted from 1."""
    body: bytes = field(repr=False)
    """The request as a JSON object, without ``id``, ``label`` and ``model``."""
    label: Any = field(default=None, repr=False)
    """The truth, where the line has one: any JSON value."""
    model: str | None = None
    """The model that the line names; what a side's endpoint names takes its place."""


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """All of them, as read."""

    digest: str
    """The first 16 hexadecimal digits of the SHA-256 of its bytes."""
    items: tuple[Item, ...]


# --- what a server answers ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer."""

    text: str
    logprob: float
    """Natural logarithm of its probability, in nats."""
    top: Mapping[str, float] = field(default_factory=dict)
    """The most probable tokens at this place and their logprobs; empty where the server tells none."""


@dataclass(frozen=True, slots=True)
class Served:
    """As what a server says that it answered; empty where it does not say. Told, never judged."""

    model: str = ""
    version: str = ""
    """OpenAI's ``system_fingerprint``, Open Inference's ``model_version``."""


UNSAID: Final = Served()


@dataclass(frozen=True, slots=True)
class Text:
    """Generated text: chat and completions."""

    text: str
    """The content, and tool calls as canonical JSON after it."""
    tokens: tuple[Token, ...] = ()
    """Empty where the server tells no logprobs."""
    finish: str = ""
    prompt_tokens: int | None = None
    served: Served = UNSAID


@dataclass(frozen=True, slots=True)
class Scores:
    """How probable a given text was, token by token (teacher-forced); nothing was generated."""

    tokens: tuple[str, ...]
    logprobs: Array
    """Nats; one for each token but the first."""
    prompt_tokens: int | None = None
    likeliest: tuple[str, ...] = ()
    """The most probable token at each of these places; empty where the server does not tell."""
    served: Served = UNSAID


@dataclass(frozen=True, slots=True)
class Vectors:
    """Embeddings, one row for each input."""

    rows: Array
    prompt_tokens: int | None = None
    served: Served = UNSAID


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named output."""

    datatype: str
    """As the Open Inference Protocol writes it: FP32, INT64, BYTES, …"""
    shape: tuple[int, ...]
    numbers: Array | None
    """Flat; None for BYTES."""
    words: tuple[str, ...] = ()
    """Of BYTES."""


@dataclass(frozen=True, slots=True)
class Tensors:
    """Outputs by name (Open Inference Protocol V2, KServe V1)."""

    outputs: Mapping[str, Tensor]
    served: Served = UNSAID


class Why(StrEnum):
    """Why there is no answer. None of these says anything about the model."""

    UNREACHABLE = "Unreachable"
    """No connection, or it ended without an answer."""
    TOO_SLOW = "TooSlow"
    """Nothing within the deadline."""
    OVERLOADED = "Overloaded"
    """429, 502, 503 or 504."""
    UNAUTHORISED = "Unauthorised"
    """401 or 403, or credentials that cannot be used."""
    REFUSED = "Refused"
    """Any other status than 200, or an error object."""
    UNREADABLE = "Unreadable"
    """HTML, a redirect, a truncated answer, or one that lacks what the protocol promises."""
    TOO_LARGE = "TooLarge"


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer: a transport failure, counted and never compared."""

    why: Why
    message: str
    """One sentence without any content of the request, of the answer or of a Secret."""


Answer = Text | Scores | Vectors | Tensors | Unanswered


# --- what is made of them -----------------------------------------------------------------------


class Fold(Protocol):
    """What one gate has made of the answers so far: immutable, each step returns the next."""

    @property
    def digest(self) -> str:
        """Of the golden set it was made from, 16 hexadecimal digits; empty before the first."""

    @property
    def calibrated(self) -> int:
        """How many items of the calibration are done (asked twice on the source)."""

    @property
    def asked(self) -> int:
        """How many items are done on both sides, from the first on."""

    @property
    def is_settled(self) -> bool:
        """Whether further answers cannot change the verdict: the replay ends early."""

    def begun(self, digest: str, total: int, repeats: int) -> Self:
        """The golden set was read: ``total`` items, ``repeats`` of them for the calibration.

        With another digest than before everything starts anew.
        """

    def repeated(self, item: Item, first: Answer, second: Answer) -> Self:
        """The source was asked the same twice."""

    def paired(self, item: Item, source: Answer, target: Answer) -> Self:
        """Both sides were asked."""
