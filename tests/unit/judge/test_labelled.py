"""Predictions are read from answers and folded against labels, whatever the metric; a restart goes on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from cutover.api.holdout import Average, HoldoutMetric
from cutover.judge.contrast import PairedShares
from cutover.judge.golden import Answer, Item, Tensor, Tensors, Text, Unanswered, Why
from cutover.judge.labelled import LabelledFold, Silence, Task
from cutover.judge.paired import Undefined
from cutover.judge.predictions import Where, as_class, as_number, as_score, as_whole, label_text

LOST = Unanswered(Why.TOO_SLOW, "http://m answered nothing within 60 s")


def item(label: Any, line: int = 1) -> Item:
    return Item(f"q{line}", line, b"{}", label)


def numbers(*values: float, name: str = "out", shape: tuple[int, ...] = ()) -> Tensors:
    tensor = Tensor("FP32", shape or (len(values),), np.array(values))
    return Tensors({name: tensor})


def words(*values: str) -> Tensors:
    return Tensors({"out": Tensor("BYTES", (len(values),), None, values)})


CLASSES = [
    (Text(" spam \n"), Where(), "spam"),
    (Text("I think.\nAnswer: ham\nSince"), Where(after="Answer:", until="\n"), "ham"),
    (Text("Answer: a. Answer: b"), Where(after="Answer:"), "b"),
    (Text("no marker"), Where(after="Answer:"), None),
    (words("spam"), Where(), "spam"),
    (words("spam", "ham"), Where(), None),
    (numbers(3.0), Where(), "3"),
    (numbers(0.1, 0.7, 0.2), Where(), "1"),
    (numbers(0.1, 0.7, shape=(1, 2)), Where(), "1"),
    (numbers(0.1, 0.7, 0.2, 0.9, shape=(2, 2)), Where(), None),
    (Tensors({**numbers(1).outputs, **numbers(2, name="b").outputs}), Where(), None),
    (Tensors({**numbers(1).outputs, **numbers(2, name="b").outputs}), Where(output="b"), "2"),
    (numbers(1.0), Where(output="missing"), None),
    (LOST, Where(), None),
]


@pytest.mark.parametrize(("answer", "where", "expected"), CLASSES)
def test_a_class_is_read_from_an_answer(answer: Answer, where: Where, expected: str | None):
    assert as_class(answer, where) == expected


def test_numbers_scores_and_whole_answers_are_read():
    assert as_number(Text(" 4.25 "), Where()) == 4.25
    assert as_number(Text("four"), Where()) is None
    assert as_number(Text("nan"), Where()) is None
    assert as_number(numbers(1.0, 2.0), Where()) is None
    assert as_number(numbers(1.0, 2.0), Where(index=1)) == 2.0
    assert as_number(numbers(1.0, 2.0), Where(index=2)) is None
    assert as_score(numbers(0.2, 0.8), Where()) == 0.8
    assert as_score(numbers(0.2, 0.8), Where(index=0)) == 0.2
    assert as_score(numbers(0.3), Where()) == 0.3
    assert as_score(numbers(0.2, 0.3, 0.5), Where()) is None
    assert as_score(Text("0.3"), Where()) is None
    assert as_whole(numbers(1.0, 2.5), Where()) == "1 2.5"
    assert as_whole(words("a", "b "), Where()) == "a b"


def test_labels_are_written_as_predictions_are():
    labels = ["spam ", 3, 3.0, 0.5, True, [1, 2.5], ["a", "b"], None, {"a": 1}]
    read = [label_text(one) for one in labels]
    assert read == ["spam", "3", "3", "0.5", "true", "1 2.5", "a b", None, None]


def folded(task: Task, rows: Sequence[tuple[Any, Answer, Answer]]) -> LabelledFold:
    fold = LabelledFold.of(task).begun("digest", len(rows), 0)
    for line, (label, source, target) in enumerate(rows, start=1):
        fold = fold.paired(item(label, line), source, target)
    return fold


def test_accuracy_counts_who_is_right():
    yes, no = Text("yes"), Text("no")
    rows: list[tuple[Any, Answer, Answer]] = [
        ("yes", yes, yes),
        ("yes", yes, no),
        ("no", yes, no),
        ("no", yes, yes),
        ("yes", LOST, yes),
    ]
    fold = folded(Task(HoldoutMetric.ACCURACY), rows)
    assert fold.contrast() == PairedShares(4, both=1, only_source=1, only_target=1)
    assert (fold.asked, fold.source) == (5, Silence(unanswered=1, last=LOST.message))


def test_an_answer_that_holds_no_class_is_a_wrong_one():
    task = Task(HoldoutMetric.ACCURACY, where=Where(after="Answer:"))
    rows = [("a", Text("Answer: a"), Text("a")), ("", Text("Answer:"), Text(""))]
    fold = folded(task, rows)
    assert fold.contrast() == PairedShares(2, both=0, only_source=2, only_target=0)
    assert fold.target.unreadable == 2


@pytest.mark.parametrize(
    ("label", "fault"),
    [
        (None, "line 2 of the golden set has no label: give every line one"),
        ({"a": 1}, "line 2 of the golden set has a label that is no text, number or list of them"),
    ],
)
def test_a_line_without_a_usable_label_is_named_and_ends_it(label: Any, fault: str):
    answer = Text("yes")
    fold = folded(Task(HoldoutMetric.ACCURACY), [("yes", answer, answer), (label, answer, answer)])
    assert fold.is_settled
    assert fold.fault.startswith(fault)


def test_an_error_metric_needs_numbers_as_labels():
    fold = folded(Task(HoldoutMetric.MAE), [("high", Text("1"), Text("2"))])
    assert fold.fault.startswith("line 1 of the golden set has a label that is no number")


NAMES = st.sampled_from(["a", "b", "c"])
ROWS = st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=12, max_size=30)


@given(ROWS, st.sampled_from(sorted(Average)))
def test_f1_is_scikit_learns_on_both_sides(rows, average):
    task = Task(HoldoutMetric.F1, average, positive="a")
    found = folded(task, [(y, Text(s), Text(t)) for y, s, t in rows]).contrast()
    if isinstance(found, Undefined):
        assert average is Average.BINARY
        return
    for column, value in ((1, found.source), (2, found.target)):
        truth, said = [r[0] for r in rows], [r[column] for r in rows]
        if average is Average.BINARY:
            truth, said = [y == "a" for y in truth], [s == "a" for s in said]
        theirs = metrics.f1_score(truth, said, average=average.lower(), zero_division=0)
        assert value == pytest.approx(theirs, abs=1e-9)


def test_auroc_is_scikit_learns_on_both_sides():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 50)
    source, target = (np.round(labels + rng.normal(size=50), 1) for _ in "st")
    rows = [
        (int(y), numbers(1 - s, s), numbers(1 - t, t))
        for y, s, t in zip(labels, source, target, strict=True)
    ]
    found = folded(Task(HoldoutMetric.AUROC, positive="1"), rows).contrast()
    assert not isinstance(found, Undefined)
    assert found.source == pytest.approx(metrics.roc_auc_score(labels, source))
    assert found.target == pytest.approx(metrics.roc_auc_score(labels, target))


TASKS = [
    Task(HoldoutMetric.ACCURACY),
    Task(HoldoutMetric.EXACT_MATCH),
    Task(HoldoutMetric.F1, Average.BINARY, positive="1"),
    Task(HoldoutMetric.F1, Average.MICRO),
    Task(HoldoutMetric.MAE),
    Task(HoldoutMetric.RMSE),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.metric}-{task.average}")
def test_a_restart_goes_on_from_the_sums(task: Task):
    rng = np.random.default_rng(6)
    rows: list[tuple[Any, Answer, Answer]] = [
        (int(y), Text(str(s)), Text(str(t))) for y, s, t in rng.integers(0, 3, size=(60, 3))
    ]
    whole = folded(task, rows)
    half = folded(task, rows[:30])
    sums = half.numbers()
    assert 0 < len(sums) <= 22
    resumed = LabelledFold.of(task).resumed(
        sums, digest="digest", total=60, asked=30, source=half.source, target=half.target
    )
    resumed = resumed.begun("digest", 60, 0)
    assert resumed.asked == 30
    for line, (label, source, target) in enumerate(rows[30:], start=31):
        resumed = resumed.paired(item(label, line), source, target)
    assert resumed.contrast() == whole.contrast()


@pytest.mark.parametrize(
    "task",
    [Task(HoldoutMetric.AUROC, positive="1"), Task(HoldoutMetric.F1, Average.MACRO)],
    ids=lambda task: str(task.metric),
)
def test_what_takes_every_item_keeps_no_sums(task: Task):
    rows: list[tuple[Any, Answer, Answer]] = [(1, numbers(0.5), numbers(0.5))]
    assert folded(task, rows).numbers() == []


def test_another_golden_set_begins_anew():
    fold = folded(Task(HoldoutMetric.ACCURACY), [("a", Text("a"), Text("a"))])
    assert fold.begun("digest", 1, 0) == fold
    assert fold.begun("other", 7, 0) == LabelledFold.of(fold.task).begun("other", 7, 0)


def test_an_older_fold_stays_what_it_was():
    task = Task(HoldoutMetric.AUROC, positive="1")
    first = folded(task, [(1, numbers(0.9), numbers(0.1)), (0, numbers(0.1), numbers(0.9))])
    one = first.paired(item(1), numbers(0.8), numbers(0.8))
    other = first.paired(item(0), numbers(0.3), numbers(0.2))
    assert (len(first.kept), len(one.kept), len(other.kept)) == (2, 3, 3)
    assert one.kept.triples[-1] == (True, 0.8, 0.8)
    assert other.kept.triples[-1] == (False, 0.3, 0.2)


def test_texts_are_no_classes():
    rows = [(f"label {n}", Text(f"said {n}"), Text(f"said {n}")) for n in range(101)]
    found = folded(Task(HoldoutMetric.F1, Average.MACRO), rows).contrast()
    assert isinstance(found, Undefined)
    assert found.why.startswith("labels and answers hold 202 classes, more than 200")


def test_a_binary_f1_without_any_positive_is_not_defined():
    task = Task(HoldoutMetric.F1, Average.BINARY, positive="spam")
    found = folded(task, [("ham", Text("ham"), Text("ham"))] * 3).contrast()
    assert found == Undefined("neither labels nor answers hold the positive label")
