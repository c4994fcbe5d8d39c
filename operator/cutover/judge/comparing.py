"""When two answers to the same golden input are the same. One function for each way to compare.

Tolerances and conventions: the table of engineering defaults by data type; near ties as vLLM's own
tests have them (``check_logprobs_close``: at the first mismatch each side's token must be among the
other's most probable); embeddings by cosine (``check_embeddings_close``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cutover.api.parity import Compare, Precision
from cutover.judge.golden import (
    Answer,
    Array,
    Scores,
    Served,
    Tensor,
    Tensors,
    Text,
    Token,
    Unanswered,
    Vectors,
    Why,
)

NEAR_TIE: Final = 0.5
"""Nats by which the two candidates' logprobs may be apart."""
MEAN_SHIFT: Final = 0.05
"""Nats a token, teacher-forced, on average over one text."""
TAIL_SHIFT: Final = 0.5
"""Nats that at most 1 % of a text's tokens may be apart."""
LEAST_COSINE: Final = 0.999

_RTOL_ATOL: Final[Mapping[Precision, tuple[float, float]]] = {
    Precision.FP32: (1e-4, 1e-6),
    Precision.FP16: (1e-2, 1e-3),
    Precision.BF16: (2e-2, 1e-2),
    Precision.FP8: (2e-2, 1e-2),
    Precision.INT8: (2e-2, 1e-2),
}
"""Relative and absolute. FP8 and INT8 have no tolerance for numbers; theirs is for near ties of labels."""
_OF_DATATYPE: Final[Mapping[str, Precision]] = {
    "FP16": Precision.FP16,
    "BF16": Precision.BF16,
}
"""Answers of other floating types are held to FP32."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What one pair of answers shows."""

    differs: bool
    near_tie: bool = False
    """The same but for a tie that either side may decide either way."""
    prompt_tokens_differ: bool = False
    distance: float = 0.0
    """Of teacher-forced text: mean |Δ logprob| in nats a token; of embeddings: 1 − cosine. Else 0."""
    places: int = 0
    """Of teacher-forced text: tokens at which both sides tell the most probable one."""
    agreeing: int = 0
    """Of these, how often it is the same."""


def compare(
    how: Compare, precision: Precision | None, source: Answer, target: Answer
) -> Compared | Unanswered:
    """Compare two answers; `Unanswered` where the answers cannot be compared this way."""
    match source, target:
        case Text(), Text():
            same = _greedy(source, target) if how is Compare.GREEDY else _exact(source, target)
            return _with_prompt(same, source.prompt_tokens, target.prompt_tokens)
        case Scores(), Scores():
            same = _teacher_forced(source, target)
            return _with_prompt(same, source.prompt_tokens, target.prompt_tokens)
        case Vectors(), Vectors():
            same = _cosine(source, target)
            return _with_prompt(same, source.prompt_tokens, target.prompt_tokens)
        case Tensors(), Tensors():
            return _tensors(how, precision, source, target)
        case _:
            return Unanswered(Why.UNREADABLE, "the two answers are of different kinds")


def _with_prompt(same: Compared, source: int | None, target: int | None) -> Compared:
    if source is None or target is None or source == target:
        return same
    return replace(same, prompt_tokens_differ=True)


def served_otherwise(source: Answer, target: Answer) -> str:
    """In what the two servers say of themselves differ, in words; empty: in nothing that both say."""
    if isinstance(source, Unanswered) or isinstance(target, Unanswered):
        return ""
    ours, theirs = source.served, target.served
    if ours.model and theirs.model and ours.model != theirs.model:
        return f"the source answers as model {_named(ours)}, the target as {_named(theirs)}"
    if ours.version and theirs.version and ours.version != theirs.version:
        return f"the source answers as version {ours.version}, the target as {theirs.version}"
    return ""


def _named(served: Served) -> str:
    return f"{served.model} ({served.version})" if served.version else served.model


# --- text ---------------------------------------------------------------------------------------


def _exact(source: Text, target: Text) -> Compared:
    return Compared(source.text != target.text)


def _greedy(source: Text, target: Text) -> Compared:
    """The same text; or a near tie at the first divergence, behind which nothing can be compared."""
    if source.text == target.text:
        return Compared(differs=False)
    for left, right in zip(source.tokens, target.tokens, strict=False):
        if left.text != right.text:
            tie = _is_near_tie(left, right) and _is_near_tie(right, left)
            return Compared(differs=not tie, near_tie=tie)
    return Compared(differs=True)  # one ends where the other goes on, or no logprobs are told


def _is_near_tie(own: Token, other: Token) -> bool:
    """Whether ``own``'s side could as well have said the other's token."""
    rival = own.top.get(other.text)
    return rival is not None and own.logprob - rival <= NEAR_TIE


def _teacher_forced(source: Scores, target: Scores) -> Compared:
    if source.tokens != target.tokens:
        return Compared(differs=True, prompt_tokens_differ=True)
    shifts = np.abs(source.logprobs - target.logprobs)
    if not shifts.size:
        return Compared(differs=False)
    mean, far = float(shifts.mean()), float((shifts > TAIL_SHIFT).mean())
    told = list(zip(source.likeliest, target.likeliest, strict=False))
    return Compared(
        differs=not (mean <= MEAN_SHIFT and far <= 0.01),
        distance=mean,
        places=len(told),
        agreeing=sum(ours == theirs for ours, theirs in told),
    )


# --- vectors ------------------------------------------------------------------------------------


def _cosine(source: Vectors, target: Vectors) -> Compared:
    if source.rows.shape != target.rows.shape:
        return Compared(differs=True, distance=1.0)
    lengths = np.linalg.norm(source.rows, axis=1) * np.linalg.norm(target.rows, axis=1)
    products = (source.rows * target.rows).sum(axis=1)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    both_empty = (~source.rows.any(axis=1)) & (~target.rows.any(axis=1))
    least = float(np.where(both_empty, 1.0, cosines).min())
    return Compared(differs=not least >= LEAST_COSINE, distance=max(0.0, 1.0 - least))


# --- tensors ------------------------------------------------------------------------------------


def _tensors(
    how: Compare, precision: Precision | None, source: Tensors, target: Tensors
) -> Compared | Unanswered:
    """Every output of the one is found in the other by its name, and is the same."""
    if source.outputs.keys() != target.outputs.keys():
        return Compared(differs=True)
    whole = Compared(differs=False)
    for name, left in source.outputs.items():
        one = _tensor(how, precision, left, target.outputs[name])
        if isinstance(one, Unanswered):
            return one
        whole = Compared(whole.differs or one.differs, whole.near_tie or one.near_tie)
    return Compared(whole.differs, whole.near_tie and not whole.differs)


def _tensor(
    how: Compare, precision: Precision | None, source: Tensor, target: Tensor
) -> Compared | Unanswered:
    if source.numbers is None or target.numbers is None:
        same = source.numbers is None and target.numbers is None and source.words == target.words
        return Compared(differs=not same)
    if source.shape != target.shape:
        return Compared(differs=True)
    exact = how is Compare.EXACT or not (_floats(source) or _floats(target))
    if exact:
        return Compared(differs=not np.array_equal(source.numbers, target.numbers, equal_nan=True))
    rtol, atol = _tolerance(precision, source, target)
    if how is Compare.LABEL:
        return _labels(source, target, rtol, atol)
    close = np.isclose(target.numbers, source.numbers, rtol=rtol, atol=atol, equal_nan=True)
    return Compared(differs=not bool(close.all()))


def _floats(tensor: Tensor) -> bool:
    return tensor.datatype.startswith(("FP", "BF"))


def _tolerance(precision: Precision | None, source: Tensor, target: Tensor) -> tuple[float, float]:
    """Of the precision that is named, or of the coarser of the two data types."""
    if precision is not None:
        return _RTOL_ATOL[precision]
    kinds = (_OF_DATATYPE.get(one.datatype, Precision.FP32) for one in (source, target))
    return max(_RTOL_ATOL[kind] for kind in kinds)


def _labels(source: Tensor, target: Tensor, rtol: float, atol: float) -> Compared | Unanswered:
    """The same largest score in each row, or a tie on both sides within the tolerance."""
    assert source.numbers is not None  # noqa: S101 - the caller looked
    assert target.numbers is not None  # noqa: S101 - the caller looked
    classes = source.shape[-1] if source.shape else 1
    if classes < 2:
        return Unanswered(
            Why.UNREADABLE,
            "an output has one number for each input, which is no choice between labels: use compare: Numeric",
        )
    left, right = source.numbers.reshape(-1, classes), target.numbers.reshape(-1, classes)
    if np.isnan(left).any() or np.isnan(right).any():
        return Compared(differs=not np.array_equal(left, right, equal_nan=True))
    first, second = left.argmax(axis=1), right.argmax(axis=1)
    other = first != second
    if not other.any():
        return Compared(differs=False)
    rows = np.flatnonzero(other)
    near = _ties(left, rows, first, second, (rtol, atol)) & _ties(
        right, rows, second, first, (rtol, atol)
    )
    return Compared(differs=not bool(near.all()), near_tie=bool(near.all()))


def _ties(
    scores: Array,
    rows: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
    own: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
    rival: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
    tolerance: tuple[float, float],
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    top = scores[rows, own[rows]]
    margin = top - scores[rows, rival[rows]]
    found: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = margin <= (
        tolerance[1] + tolerance[0] * np.abs(top)
    )
    return found
