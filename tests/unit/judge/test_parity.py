"""A parity gate passes what it can prove, fails what differs beyond the source's own doubts, and says which."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from cutover.api.parity import Compare
from cutover.api.verdict import Verdict
from cutover.judge.golden import Answer, Item, Served, Text, Unanswered, Why
from cutover.judge.parity import Parity, ParityRule
from cutover.judge.verdict import Judgement

RULE = ParityRule("golden", Compare.EXACT)
YES, NO = Text("yes", prompt_tokens=3), Text("no", prompt_tokens=3)
LOST = Unanswered(Why.OVERLOADED, "http://m answered 503")


def item(number: int) -> Item:
    return Item(f"q{number}", number + 1, b"{}")


def fold(
    pairs: Iterable[tuple[Answer, Answer]],
    repeats: Iterable[tuple[Answer, Answer]] = (),
    rule: ParityRule = RULE,
) -> Parity:
    repeated, paired = list(repeats), list(pairs)
    made = Parity(rule).begun("0123456789abcdef", len(paired), len(repeated))
    for number, pair in enumerate(repeated):
        made = made.repeated(item(number), *pair)
    for number, pair in enumerate(paired):
        made = made.paired(item(number), *pair)
    return made


def counts(pairs: int, differing: int, own: int = 100, own_differing: int = 0) -> Parity:
    made = fold([], [])
    return replace(
        made,
        asked=pairs,
        total=pairs,
        calibrated=own,
        repeats=own,
        sides=replace(made.sides, pairs=pairs, differing=differing),
        itself=replace(made.itself, pairs=own, differing=own_differing),
    )


def judged(made: Parity) -> Judgement:
    return made.judge(finished=True)


def test_none_of_500_is_told_with_the_bound_it_rests_on() -> None:
    judgement = judged(counts(500, 0))
    assert judgement.verdict is Verdict.PASS
    assert judgement.message == (
        "golden: 0 of 500 differ: at most 0.6 %, 95 % sure (the limit is 1 %);"
        " 2,995 clean pairs would show 0.1 %; passes"
    )
    assert (judgement.value, judgement.bound, judgement.target_count) == (0.0, 0.01, 500.0)


def test_enough_clean_pairs_show_a_tenth_of_a_percent() -> None:
    strict = replace(counts(2995, 0), rule=replace(RULE, max_mismatch=0.001))
    assert judged(strict).verdict is Verdict.PASS
    assert "clean pairs would show" not in judged(strict).message
    few = replace(counts(2994, 0), rule=replace(RULE, max_mismatch=0.001))
    assert judged(few).verdict is Verdict.INCONCLUSIVE


def test_too_few_items_are_told_how_many_it_takes() -> None:
    judgement = judged(counts(200, 0))
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "TooFewItems")
    assert "give 299 items, of which none may differ" in judgement.message
    one = judged(counts(300, 1))
    assert "give 473 items, of which no further one may differ" in one.message


def test_many_that_differ_fail_with_examples() -> None:
    judgement = judged(fold([(YES, NO)] * 40 + [(YES, YES)] * 160, [(YES, YES)] * 40))
    assert (judgement.verdict, judgement.reason) == (Verdict.FAIL, "AnswersDiffer")
    assert judgement.message == (
        "golden: 40 of 200 differ (such as q0, q1, q2, q3, q4); the limit is 1 %: fails"
    )


def test_what_is_neither_proven_nor_refuted_is_for_a_person_to_look_at() -> None:
    judgement = judged(counts(500, 12))
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "NotProven")
    assert "too many differ to pass, too few to fail" in judgement.message


def test_a_source_that_doubts_itself_excuses_as_much_of_the_target() -> None:
    alone = judged(counts(3000, 90, own=3000, own_differing=0))
    assert alone.verdict is Verdict.FAIL
    excused = judged(counts(3000, 90, own=3000, own_differing=85))
    assert excused.verdict is not Verdict.FAIL
    assert "the source from itself in 85 of 3,000" in excused.message


def test_the_excess_may_be_proven_small_although_many_differ() -> None:
    wide = replace(counts(30000, 900, own=30000, own_differing=900), rule=RULE)
    judgement = judged(wide)
    assert judgement.verdict is Verdict.PASS
    assert "more than from itself" in judgement.message


def test_a_hopeless_target_ends_the_replay_early() -> None:
    made = fold([], [(YES, YES)] * 60)
    for number in range(500):
        made = made.paired(item(number), YES, NO)
        if made.is_settled:
            break
    assert made.is_settled
    assert made.asked < 30
    assert made.judge(finished=False).verdict is Verdict.FAIL


def test_without_calibration_a_hopeless_target_fails_as_well() -> None:
    assert judged(fold([(YES, NO)] * 30)).verdict is Verdict.FAIL


def test_prompts_counted_otherwise_fail_at_once_or_are_only_told() -> None:
    other = Text("yes", prompt_tokens=4)
    made = fold([(YES, YES)] * 10 + [(YES, other)])
    assert made.is_settled
    judgement = made.judge(finished=False)
    assert (judgement.verdict, judgement.reason) == (Verdict.FAIL, "PromptTokensDiffer")
    assert "another tokenizer or chat template" in judgement.message
    lenient = replace(made, rule=replace(RULE, prompt_tokens_equal=False))
    assert not lenient.is_settled


def test_what_was_not_answered_is_no_pair_and_is_told() -> None:
    judgement = judged(fold([(YES, YES)] * 480 + [(YES, LOST)] * 9 + [(LOST, YES)] * 2))
    assert judgement.verdict is Verdict.PASS
    assert judgement.target_count == 480.0
    assert "11 unanswered" in judgement.message


@pytest.mark.parametrize(("pair", "side"), [((YES, LOST), "target"), ((LOST, YES), "source")])
def test_too_much_silence_is_no_verdict_on_the_model(
    pair: tuple[Answer, Answer], side: str
) -> None:
    judgement = judged(fold([(YES, YES)] * 400 + [pair] * 40))
    assert (judgement.verdict, judgement.reason) == (Verdict.ERROR, "TooManyUnanswered")
    assert judgement.message == (
        f"golden: the {side} left 40 of 440 golden inputs unanswered, too many to judge by"
        " (http://m answered 503)"
    )


def test_while_it_goes_on_it_tells_how_far_it_is() -> None:
    assert "being read" in Parity(RULE).judge(finished=False).message
    calibrating = Parity(RULE).begun("d", 100, 20).repeated(item(0), YES, YES)
    assert calibrating.judge(finished=False).message == (
        "golden: asking the source twice, 1 of 20 inputs so far"
    )
    paired = calibrating.paired(item(0), YES, NO)
    judgement = replace(paired, calibrated=20).judge(finished=False)
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "Replaying")
    assert (
        judgement.message == "golden: 1 of 100 golden inputs asked on both sides, 1 differ so far"
    )


def test_another_golden_set_begins_anew_and_the_same_one_goes_on() -> None:
    made = fold([(YES, NO)] * 3)
    assert made.begun("0123456789abcdef", 3, 0) is made
    assert made.begun("another", 3, 0) == Parity(RULE, "another", 3, 0)


@pytest.mark.parametrize(("own", "excess"), [(0.0, 0.01), (0.02, 0.01)])
def test_a_target_at_the_limit_fails_seldom_however_often_it_is_looked_at(
    own: float, excess: float
) -> None:
    random = np.random.default_rng(7)
    failed = 0
    plans = 200
    for _ in range(plans):
        mine = int(random.binomial(100, own))
        hits = np.cumsum(random.random(500) < own + excess)
        made = counts(0, 0, own=100, own_differing=mine)
        looks = [
            replace(made, asked=n, sides=replace(made.sides, pairs=n, differing=int(hits[n - 1])))
            for n in range(20, 501, 20)
        ]
        failed += any(one.is_settled for one in looks) or judged(looks[-1]).verdict is Verdict.FAIL
    assert failed <= 0.02 * plans


def test_a_target_over_the_limit_seldom_passes() -> None:
    random = np.random.default_rng(8)
    passed = sum(
        judged(counts(1000, int(random.binomial(1000, 0.0101)))).verdict is Verdict.PASS
        for _ in range(1000)
    )
    assert passed <= 70


def test_who_answers_is_told_beside_the_verdict_and_kept_from_the_first_pair_on() -> None:
    ours, theirs = Text("yes", served=Served("a")), Text("yes", served=Served("b"))
    made = fold([(ours, theirs), *[(ours, ours)] * 499])
    assert judged(made).verdict is Verdict.PASS
    assert judged(made).message.endswith("(the source answers as model a, the target as b)")
