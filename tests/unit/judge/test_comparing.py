"""When two answers are the same: each comparison on what is plainly so, plainly not, and nearly so."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from cutover.api.parity import FITTING, Compare, Precision
from cutover.judge.comparing import Compared, compare, served_otherwise
from cutover.judge.golden import (
    Answer,
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

SAME, DIFFERENT, TIE = Compared(False), Compared(True), Compared(False, near_tie=True)


def text(*tokens: Token, prompt_tokens: int | None = None) -> Text:
    return Text("".join(token.text for token in tokens), tokens, prompt_tokens=prompt_tokens)


def token(word: str, logprob: float = -0.1, **top: float) -> Token:
    return Token(word, logprob, {word: logprob, **top})


GREEDY: list[tuple[str, Text, Text, Compared]] = [
    ("equal", text(token("a"), token("b")), text(token("a"), token("b")), SAME),
    ("near", text(token("a", -0.7, b=-1.0)), text(token("b", -0.6, a=-1.0)), TIE),
    ("far on one side", text(token("a", -0.1, b=-2.0)), text(token("b", -0.6, a=-1.0)), DIFFERENT),
    ("far on the other", text(token("a", -0.7, b=-1.0)), text(token("b", -0.1, a=-2.0)), DIFFERENT),
    ("not among the five", text(token("a", -0.7)), text(token("b", -0.6, a=-1.0)), DIFFERENT),
    (
        "what follows a tie counts for nothing",
        text(token("a", -0.7, b=-1.0), token("x")),
        text(token("b", -0.6, a=-1.0), token("y")),
        TIE,
    ),
    ("one goes on", text(token("a"), token("b")), text(token("a")), DIFFERENT),
    ("no logprobs", Text("yes"), Text("no"), DIFFERENT),
    ("no logprobs and equal", Text("yes"), Text("yes"), SAME),
]


@pytest.mark.parametrize(
    ("source", "target", "expected"), [c[1:] for c in GREEDY], ids=[c[0] for c in GREEDY]
)
def test_greedy_text_may_part_at_a_tie(source: Text, target: Text, expected: Compared) -> None:
    assert compare(Compare.GREEDY, None, source, target) == expected


def test_exact_text_may_not() -> None:
    near = text(token("a", -0.7, b=-1.0)), text(token("b", -0.6, a=-1.0))
    assert compare(Compare.EXACT, None, *near) == DIFFERENT
    assert compare(Compare.EXACT, None, Text("a"), Text("a")) == SAME


@pytest.mark.parametrize(
    ("source", "target", "differ"), [(7, 7, False), (7, 8, True), (None, 8, False)]
)
def test_prompts_are_counted_alike(source: int | None, target: int | None, differ: bool) -> None:
    found = compare(
        Compare.GREEDY, None, Text("a", prompt_tokens=source), Text("a", prompt_tokens=target)
    )
    assert found == Compared(differs=False, prompt_tokens_differ=differ)


def scores(*logprobs: float, tokens: tuple[str, ...] | None = None) -> Scores:
    return Scores(tokens or tuple("abcdefghij"[: len(logprobs) + 1]), np.array(logprobs))


def test_scored_text_may_shift_a_little_on_average_and_seldom_much() -> None:
    base = np.linspace(-3.0, -0.1, 200)
    words = tuple(map(str, range(201)))
    whole = Scores(words, base)

    def shifted(by: Any) -> Compared:
        found = compare(Compare.TEACHER_FORCED, None, whole, Scores(words, base + by))
        assert isinstance(found, Compared)
        return found

    assert not shifted(0.04).differs
    assert shifted(0.04).distance == pytest.approx(0.04)
    assert shifted(0.06).differs
    assert not shifted(np.where(np.arange(200) < 2, 0.6, 0.0)).differs
    assert shifted(np.where(np.arange(200) < 3, 0.6, 0.0)).differs
    assert shifted(np.nan).differs
    other = compare(Compare.TEACHER_FORCED, None, scores(-1.0), scores(-1.0, tokens=("a", "c")))
    assert other == Compared(differs=True, prompt_tokens_differ=True)


def test_vectors_point_the_same_way() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(3, 64))
    for noise in (0.001, 0.03, 0.1):
        moved = rows + noise * random.normal(size=rows.shape)
        found = compare(Compare.COSINE, None, Vectors(rows), Vectors(moved))
        assert isinstance(found, Compared)
        least = np.diag(cosine_similarity(rows, moved)).min()
        assert found.distance == pytest.approx(1 - least, abs=1e-12)
        assert found.differs == (least < 0.999)
    assert compare(Compare.COSINE, None, Vectors(rows), Vectors(rows[:2])) == Compared(
        True, distance=1.0
    )
    empty = Vectors(np.zeros((1, 3)))
    assert compare(Compare.COSINE, None, empty, empty) == SAME


def tensor(*values: float, datatype: str = "FP32", shape: tuple[int, ...] | None = None) -> Tensor:
    return Tensor(datatype, shape or (len(values),), np.array(values, dtype=np.float64))


def tensors(*values: float, **options: Any) -> Tensors:
    return Tensors({"out": tensor(*values, **options)})


NUMBERS: list[tuple[str, Precision | None, Tensors, Tensors, bool]] = [
    ("within fp32", None, tensors(100.0), tensors(100.009), False),
    ("beyond fp32", None, tensors(100.0), tensors(100.02), True),
    ("within fp16", None, tensors(100.0, datatype="FP16"), tensors(100.9), False),
    ("beyond fp16", None, tensors(100.0, datatype="FP16"), tensors(101.2), True),
    ("named bf16", Precision.BF16, tensors(100.0), tensors(101.9), False),
    ("beyond bf16", Precision.BF16, tensors(100.0), tensors(102.1), True),
    ("near zero", None, tensors(0.0), tensors(5e-7), False),
    (
        "whole numbers are exact",
        None,
        tensors(3, datatype="INT64"),
        tensors(4, datatype="INT64"),
        True,
    ),
    ("whole and broken", None, tensors(3, datatype="INT64"), tensors(3.0), False),
    ("no number on both", None, tensors(np.nan), tensors(np.nan), False),
    ("no number on one", None, tensors(1.0), tensors(np.nan), True),
    ("another shape", None, tensors(1.0, 2.0), tensors(1.0, 2.0, shape=(2, 1)), True),
    ("another output", None, tensors(1.0), Tensors({"other": tensor(1.0)}), True),
]


@pytest.mark.parametrize("case", NUMBERS, ids=[case[0] for case in NUMBERS])
def test_numbers_agree_within_what_their_type_can_hold(
    case: tuple[str, Precision | None, Tensors, Tensors, bool],
) -> None:
    _, precision, source, target, differs = case
    assert compare(Compare.NUMERIC, precision, source, target) == Compared(differs)


def test_words_and_exact_numbers_are_compared_as_they_are() -> None:
    cat, dog = (Tensors({"w": Tensor("BYTES", (1,), None, (word,))}) for word in ("cat", "dog"))
    assert compare(Compare.NUMERIC, None, cat, cat) == SAME
    assert compare(Compare.LABEL, None, cat, dog) == DIFFERENT
    assert compare(Compare.NUMERIC, None, cat, tensors(1.0)) == DIFFERENT
    assert compare(Compare.EXACT, None, tensors(1.0), tensors(1.0 + 1e-9)) == DIFFERENT


LABELS: list[tuple[str, Tensors, Tensors, Compared]] = [
    ("the same", tensors(0.2, 0.8), tensors(0.3, 0.7), SAME),
    ("another", tensors(0.2, 0.8), tensors(0.7, 0.3), DIFFERENT),
    ("a tie on both sides", tensors(0.5, 0.50001), tensors(0.50001, 0.5), TIE),
    ("a tie on one side", tensors(0.5, 0.50001), tensors(0.7, 0.3), DIFFERENT),
    (
        "one row of two",
        tensors(0.2, 0.8, 0.2, 0.8, shape=(2, 2)),
        tensors(0.2, 0.8, 0.9, 0.1, shape=(2, 2)),
        DIFFERENT,
    ),
    ("no number", tensors(0.2, 0.8), tensors(np.nan, 0.8), DIFFERENT),
]


@pytest.mark.parametrize(
    ("source", "target", "expected"), [c[1:] for c in LABELS], ids=[c[0] for c in LABELS]
)
def test_labels_are_the_largest_scores(
    source: Tensors, target: Tensors, expected: Compared
) -> None:
    assert compare(Compare.LABEL, None, source, target) == expected


def test_one_score_is_no_choice_of_labels() -> None:
    found = compare(Compare.LABEL, None, tensors(0.7, shape=(1, 1)), tensors(0.2, shape=(1, 1)))
    assert isinstance(found, Unanswered)
    assert "use compare: Numeric" in found.message


def test_answers_of_different_kinds_are_no_pair() -> None:
    answers: tuple[Answer, Answer] = (Text("a"), tensors(1.0))
    assert isinstance(compare(Compare.EXACT, None, *answers), Unanswered)


def test_every_protocol_has_a_comparison() -> None:
    assert {how for fitting in FITTING.values() for how in fitting} == set(Compare)


TINY = Served("tiny", "fp_1")


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (TINY, TINY, ""),
        (
            TINY,
            Served("tiny-v2", "fp_2"),
            "the source answers as model tiny (fp_1), the target as tiny-v2 (fp_2)",
        ),
        (TINY, Served("tiny", "fp_2"), "the source answers as version fp_1, the target as fp_2"),
        (TINY, Served("tiny"), ""),
        (Served(), TINY, ""),
    ],
    ids=["alike", "another model", "another version", "one tells no version", "one tells nothing"],
)
def test_what_two_servers_call_themselves_is_told_and_compares_nothing(
    source: Served, target: Served, words: str
) -> None:
    one, other = Text("yes", served=source), Text("yes", served=target)
    assert served_otherwise(one, other) == words
    assert compare(Compare.EXACT, None, one, other) == SAME
    assert served_otherwise(one, Unanswered(Why.TOO_SLOW, "nothing within 1 s")) == ""


def test_the_most_probable_tokens_are_counted_where_both_tell_them() -> None:
    words, base = tuple("abcd"), np.array([-1.0, -1.0, -1.0])
    told = Scores(words, base, likeliest=tuple("bcd"))
    other = Scores(words, base, likeliest=tuple("bcx"))
    found = compare(Compare.TEACHER_FORCED, None, told, other)
    assert isinstance(found, Compared)
    assert (found.differs, found.places, found.agreeing) == (False, 3, 2)
    silent = compare(Compare.TEACHER_FORCED, None, told, Scores(words, base))
    assert isinstance(silent, Compared)
    assert (silent.places, silent.agreeing) == (0, 0)
