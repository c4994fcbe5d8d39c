"""What a model said, read from its answer: a class, a number, or how sure it is of a class.

None: the answer holds nothing of that kind. That says something about the model, and is counted.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from cutover.judge.golden import Answer, Tensor, Tensors, Text


@dataclass(frozen=True, slots=True)
class Where:
    """Where in an answer the prediction is."""

    after: str = ""
    """In a text: behind the last of these words; empty: from its beginning."""
    until: str = ""
    """In a text: before the first of these words that follow; empty: to its end."""
    output: str = ""
    """Of several outputs: the one of this name; empty: the only one."""
    index: int | None = None
    """In an output of several numbers: which of them is the score, from 0."""


def as_class(answer: Answer, where: Where) -> str | None:
    """A class as text: what was written, the only value of an output, or the place of its largest number."""
    match answer:
        case Text():
            return cut_out(answer.text, where)
        case Tensors():
            tensor = _output(answer, where)
            if tensor is None:
                return None
            if tensor.numbers is None:
                return tensor.words[0].strip() if len(tensor.words) == 1 else None
            if tensor.numbers.size == 1:
                return plain(float(tensor.numbers[0]))
            return str(int(np.argmax(tensor.numbers))) if _is_one_row(tensor) else None
        case _:
            return None


def as_whole(answer: Answer, where: Where) -> str | None:
    """All that was said, as text: for exact match."""
    match answer:
        case Text():
            return cut_out(answer.text, where)
        case Tensors():
            tensor = _output(answer, where)
            if tensor is None:
                return None
            numbers = tensor.words if tensor.numbers is None else map(plain, tensor.numbers)
            return " ".join(str(one).strip() for one in numbers)
        case _:
            return None


def as_number(answer: Answer, where: Where) -> float | None:
    """A finite number."""
    match answer:
        case Text():
            return _number(cut_out(answer.text, where))
        case Tensors():
            tensor = _output(answer, where)
            if tensor is None or tensor.numbers is None:
                return None
            place = where.index if where.index is not None else 0
            if where.index is None and tensor.numbers.size != 1:
                return None
            return _finite(tensor.numbers[place]) if place < tensor.numbers.size else None
        case _:
            return None


def as_score(answer: Answer, where: Where) -> float | None:
    """How sure the model is of the positive class: the only number, the second of two, or the one named."""
    if not isinstance(answer, Tensors):
        return None
    tensor = _output(answer, where)
    if tensor is None or tensor.numbers is None or where.index is not None:
        return as_number(answer, where)
    if tensor.numbers.size == 2 and _is_one_row(tensor):
        return _finite(tensor.numbers[1])
    return as_number(answer, where)


def label_text(label: Any) -> str | None:
    """A label of a golden set as text, written as predictions are."""
    match label:
        case str():
            return label.strip()
        case bool():
            return "true" if label else "false"
        case int() | float():
            return plain(float(label))
        case list() if all(isinstance(one, str | int | float) for one in label):
            return " ".join(str(label_text(one)) for one in label)
        case _:
            return None


def label_number(label: Any) -> float | None:
    """A label of a golden set as a finite number."""
    match label:
        case bool():
            return float(label)
        case int() | float():
            return _finite(label)
        case str():
            return _number(label)
        case _:
            return None


def cut_out(text: str, where: Where) -> str | None:
    """The part of a text that counts, without white space around it; None where ``after`` is not in it."""
    if where.after:
        _, found, text = text.rpartition(where.after)
        if not found:
            return None
    text = text.strip()
    return text.partition(where.until)[0].strip() if where.until else text


def plain(number: float) -> str:
    """A number as text: 3 and not 3.0."""
    return str(int(number)) if isfinite(number) and number == int(number) else repr(float(number))


def _output(answer: Tensors, where: Where) -> Tensor | None:
    if where.output:
        return answer.outputs.get(where.output)
    return next(iter(answer.outputs.values())) if len(answer.outputs) == 1 else None


def _is_one_row(tensor: Tensor) -> bool:
    """One item's scores, not those of a batch."""
    return all(size == 1 for size in tensor.shape[:-1])


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else _finite(float(text))
    except ValueError:
        return None


def _finite(number: float) -> float | None:
    return float(number) if isfinite(number) else None
