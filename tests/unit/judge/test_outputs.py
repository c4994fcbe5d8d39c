"""Golden outputs are gathered as one quantity a side and judged by its distribution when all are in."""

from typing import Any

import numpy as np
import pytest

from cutover.api.drift import DriftMethod, Output
from cutover.api.verdict import Verdict
from cutover.judge.drift import DriftRule
from cutover.judge.golden import Answer, Item, Tensor, Tensors, Text, Unanswered, Why
from cutover.judge.outputs import OutputsFold
from cutover.judge.predictions import Where

LOST = Unanswered(Why.TOO_SLOW, "http://m answered nothing within 60 s")
PSI = DriftRule("g", "the answers' lengths", DriftMethod.PSI, 0.2, unit="answers")
TV = DriftRule("g", "the answers' labels", DriftMethod.TV, 0.2, unit="answers")
KS = DriftRule("g", "the answers' scores", DriftMethod.KS, 0.2, unit="answers")


def score(*values: float) -> Tensors:
    return Tensors({"p": Tensor("FP32", (len(values),), np.array(values))})


def folded(
    output: Output, source: list[Answer], target: list[Answer], where: Where | None = None
) -> OutputsFold:
    fold = OutputsFold(output, where or Where()).begun("d", len(source), 0)
    for line, pair in enumerate(zip(source, target, strict=True), start=1):
        fold = fold.paired(Item(f"q{line}", line, b"{}"), *pair)
    return fold


def test_answers_cut_short_have_drifted() -> None:
    whole: list[Answer] = [Text("word " * (5 + n % 20)) for n in range(300)]
    short: list[Answer] = [Text("word " * min(8, 5 + n % 20)) for n in range(300)]
    assert folded(Output.LENGTH, whole, whole).judge(PSI).verdict is Verdict.PASS
    found = folded(Output.LENGTH, whole, short).judge(PSI)
    assert (found.verdict, found.reason) == (Verdict.FAIL, "Drifted")


def test_scores_are_compared_by_order() -> None:
    rng = np.random.default_rng(1)
    source: list[Answer] = [score(1 - p, p) for p in rng.uniform(size=400)]
    alike: list[Answer] = [score(1 - p, p) for p in rng.uniform(size=400)]
    moved: list[Answer] = [score(1 - p, p) for p in rng.uniform(size=400) ** 3]
    assert folded(Output.SCORE, source, alike).judge(KS).verdict is Verdict.PASS
    assert folded(Output.SCORE, source, moved).judge(KS).verdict is Verdict.FAIL


def test_a_target_that_gives_no_label_has_drifted_and_a_source_that_gives_none_is_asked_wrongly() -> (
    None
):
    where = Where(after="Answer:")
    good: list[Answer] = [Text("Answer: a" if n % 2 else "Answer: b") for n in range(200)]
    bad: list[Answer] = [Text("I do not know")] * 200
    fold = folded(Output.LABEL, good, bad, where)
    assert fold.fault() is None
    assert fold.judge(TV).verdict is Verdict.FAIL
    fault = folded(Output.LABEL, bad, good, where).fault()
    assert fault == "200 of 200 answers of the source hold no label: correct golden.prediction"


def test_free_text_is_no_label() -> None:
    texts: list[Answer] = [Text(f"answer {n}") for n in range(300)]
    fault = folded(Output.LABEL, texts, texts).fault()
    assert fault is not None
    assert "300 labels, more than 200" in fault


def test_what_one_side_did_not_answer_is_counted_and_compared_on_neither() -> None:
    fold = folded(Output.LENGTH, [Text("a"), LOST, Text("b")], [LOST, Text("a"), Text("b")])
    assert (fold.source.unanswered, fold.target.unanswered, len(fold.kept)) == (1, 1, 1)


@pytest.mark.parametrize("method", [DriftMethod.PSI, DriftMethod.KS, DriftMethod.WASSERSTEIN])
def test_as_many_items_as_it_says_would_do(method: DriftMethod) -> None:
    rule = DriftRule("g", "lengths", method, 0.15, unit="answers")

    def judged(items: int) -> Any:
        answers: list[Answer] = [Text("x" * (n % 5)) for n in range(items)]
        return folded(Output.LENGTH, answers, answers).judge(rule)

    found = judged(40)
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "TooFewItems")
    assert found.requests_missing is None
    would = int(found.message.rpartition("about ")[2].removesuffix(" would"))
    assert judged(-(-would // 5) * 5).verdict is Verdict.PASS


def test_another_golden_set_begins_anew() -> None:
    fold = folded(Output.LENGTH, [Text("a")], [Text("a")])
    assert fold.begun("d", 1, 0) == fold
    assert fold.begun("e", 1, 0).asked == 0
    assert len(fold.begun("e", 1, 0).kept) == 0
