"""A weight in the route's own numbers: `decide.weights`."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cutover.decide.route import RuleWeights
from cutover.decide.weights import inexpressible, matches, restored, scaled, weights_at

weights = st.integers(0, 100)
numbers = st.integers(0, 1_000_000)


@st.composite
def rules(draw: st.DrawFn, *, target: st.SearchStrategy[int] = numbers) -> tuple[RuleWeights, ...]:
    count = draw(st.integers(1, 4))
    others = st.one_of(st.just(0), numbers)
    return tuple(
        RuleWeights(index, draw(numbers), draw(target), draw(others)) for index in range(count)
    )


@given(rules(), weights)
def test_the_sum_beside_others_is_kept_and_the_target_never_gets_more_than_its_share(
    original: tuple[RuleWeights, ...], weight: int
) -> None:
    for before, after in zip(original, weights_at(original, weight), strict=True):
        total = after.source + after.target
        assert after.rule == before.rule
        assert after.others == before.others
        assert after.source >= 0
        assert 0 <= after.target * 100 <= weight * total
        if before.others:
            assert total == before.source + before.target


@given(rules(), weights)
def test_what_is_expressible_is_exact(original: tuple[RuleWeights, ...], weight: int) -> None:
    assume(inexpressible(original, [weight]) is None)
    for after in weights_at(original, weight):
        assert after.target * 100 == weight * (after.source + after.target)


@given(rules(), weights)
def test_what_was_written_matches(original: tuple[RuleWeights, ...], weight: int) -> None:
    assert matches(weights_at(original, weight), original, weight)


@given(rules(target=st.just(0)), weights)
def test_zero_and_a_rollback_give_the_original_numbers(
    original: tuple[RuleWeights, ...], weight: int
) -> None:
    assert weights_at(original, 0) == original
    assert restored(weights_at(original, weight), original) == original


@given(rules(), rules())
def test_a_rollback_of_anything_leaves_nothing_on_the_target(
    seen: tuple[RuleWeights, ...], original: tuple[RuleWeights, ...]
) -> None:
    back = restored(seen, original)
    assert [rule.rule for rule in back] == [rule.rule for rule in seen]
    assert all(rule.target == 0 for rule in back)


def test_a_rule_that_is_not_known_keeps_its_sum() -> None:
    seen = (RuleWeights(0, 60, 40), RuleWeights(1, 3, 1, 4))
    assert restored(seen, [RuleWeights(0, 1, 0)]) == (RuleWeights(0, 1, 0), RuleWeights(1, 4, 0, 4))


@pytest.mark.parametrize(
    ("seen", "weight", "expected"),
    [
        pytest.param(RuleWeights(0, 1, 1), 50, True, id="same-share-other-numbers"),
        pytest.param(RuleWeights(0, 94, 6), 5, False, id="another-share"),
        pytest.param(RuleWeights(0, 0, 0), 0, False, id="nothing-declared"),
        pytest.param(RuleWeights(0, 5, 0), 0, True, id="zero-in-other-numbers"),
        pytest.param(RuleWeights(0, 95, 5, 1), 5, False, id="a-third-backend-appeared"),
        pytest.param(RuleWeights(1, 95, 5), 5, False, id="another-rule"),
    ],
)
def test_what_matches(seen: RuleWeights, weight: int, expected: bool) -> None:
    assert matches([seen], [RuleWeights(0, 100, 0)], weight) is expected


def test_a_further_rule_does_not_match() -> None:
    assert not matches([RuleWeights(0, 95, 5), RuleWeights(1, 1, 0)], [RuleWeights(0, 100, 0)], 5)


@pytest.mark.parametrize(
    ("rule", "steps", "words"),
    [
        pytest.param(RuleWeights(0, 1, 0, 1), (25, 50), "25 %", id="first-weight-is-named"),
        pytest.param(RuleWeights(2, 10, 0, 10), (10, 25), "rule 2", id="rule-is-named"),
        pytest.param(RuleWeights(0, 1, 0, 1), (25, 50), "by 4", id="factor"),
        pytest.param(RuleWeights(0, 0, 0, 7), (5,), "both weights are 0", id="nothing-to-share"),
        pytest.param(RuleWeights(0, 0, 0), (5,), "both weights are 0", id="nothing-at-all"),
        pytest.param(
            RuleWeights(0, 999_999, 0, 1), (1,), "add up to 100", id="factor-would-be-too-large"
        ),
    ],
)
def test_what_cannot_be_expressed(rule: RuleWeights, steps: tuple[int, ...], words: str) -> None:
    sentence = inexpressible([rule], steps)
    assert sentence is not None
    assert words in sentence


@given(st.integers(1, 5000), st.lists(weights, min_size=1), st.integers(1, 5000))
def test_the_factor_named_is_the_smallest_that_helps(
    total: int, steps: list[int], others: int
) -> None:
    sentence = inexpressible([RuleWeights(0, total, 0, others)], steps)
    assume(sentence is not None and "multiply" in sentence)
    assert sentence is not None
    factor = int(sentence.rsplit(" ", 1)[1])
    helps = [
        each
        for each in range(1, factor + 1)
        if inexpressible([RuleWeights(0, total * each, 0, others * each)], steps) is None
    ]
    assert helps == [factor]
    assert math.gcd(factor, 100) == factor


@given(rules(), st.integers(1, 1_000_000))
def test_numbers_of_a_whole_add_up_to_it_and_never_favour_the_target(
    original: tuple[RuleWeights, ...], whole: int
) -> None:
    for rule in original:
        after = scaled(rule, whole)
        total = rule.source + rule.target
        assert (after.rule, after.others) == (rule.rule, rule.others)
        if rule.others or not total:
            assert after == rule
        else:
            assert after.source + after.target == whole
            assert after.source >= 0
            assert after.target * total <= rule.target * whole
    assert [scaled(rule, None) for rule in original] == list(original)


@given(st.integers(1, 1_000_000), weights)
def test_of_a_whole_what_is_expressible_is_exact(whole: int, weight: int) -> None:
    rule = RuleWeights(0, whole, 0)
    sentence = inexpressible([rule], [weight], whole)
    (wanted,) = weights_at([rule], weight)
    exact = scaled(wanted, whole).target * 100 == weight * whole
    assert exact is (sentence is None)
    assert restored([scaled(wanted, whole)], [rule]) == (rule,)


def test_a_whole_too_small_for_a_step_is_refused_with_the_weights_that_fit() -> None:
    sentence = inexpressible([RuleWeights(0, 20, 0)], [5, 12, 100], 20)
    assert sentence == (
        "100 % is 20 in the route's numbers, and 12 % of that is no whole number: use weights that"
        " are multiples of 5, or a route whose numbers are finer"
    )
