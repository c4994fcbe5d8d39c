"""The error gate's verdicts, reasons and sentences."""

import pytest

from cutover.api.verdict import Verdict
from cutover.judge.errors import ErrorRule, judge_errors
from cutover.judge.evidence import Reference

ERRORS = ErrorRule("errors", max=0.01, ratio=2.0)


def judged(evidence, weight=10.0, *, rule=ERRORS, over=True, reference=None, history=0.0):
    return judge_errors(
        rule,
        evidence,
        weight=weight,
        min_requests=300,
        min_duration_over=over,
        reference=reference,
        history_correlation=history,
    )


CASES = [
    pytest.param(
        ((27000, 80), (3000, 10), 10),
        "BelowLimit",
        "0.33 % of 3,000 target requests failed, source 0.3 % of 27,000; the limit is 1 %: passes",
        id="below-the-limit",
    ),
    pytest.param(
        ((90000, 900), (10000, 110), 10),
        "WithinMargin",
        "1.1 % of 10,000 target requests failed, source 1 % of 90,000; the limit is 2 × source: passes",
        id="no-worse-than-a-source-at-the-limit",
    ),
    pytest.param(
        ((9900, 10), (400, 2), 1),
        "BelowLimit",
        "0.5 % of 400 target requests failed, source 0.1 % of 9,900; at weight 1 the limit is 4 %: passes",
        id="coarser-proof-at-small-weights",
    ),
    pytest.param(
        ((9000, 9), (1000, 40), 10),
        "WorseThanSource",
        "4 % of 1,000 target requests failed, source 0.1 % of 9,000; the limit is 2 × source: fails",
        id="worse",
    ),
    pytest.param(
        ((90000, 900), (10000, 190), 10),
        "OverLimit",
        "1.9 % of 10,000 target requests failed, source 1 % of 90,000;"
        " the limit is 1 % and the source does better: fails",
        id="over-the-limit-but-not-twice-as-bad",
    ),
    pytest.param(
        ((9000, 0), (100, 3), 10),
        "TooFewErrors",
        "3 % of 100 target requests failed, source 0 % of 9,000;"
        " too many, but on too few errors to judge by: waits",
        id="three-errors-are-no-proof",
    ),
    pytest.param(
        ((9000, 9), (1000, 4), 10),
        "NotProven",
        "0.4 % of 1,000 target requests failed, source 0.1 % of 9,000;"
        " not yet proven, the limit is 2 × source or 1 %: needs about 840 more target requests",
        id="not-yet",
    ),
    pytest.param(
        ((27000, 3), (180, 0), 10),
        "TooFewRequests",
        "needs about 250 more target requests",
        id="too-few",
    ),
]


@pytest.mark.parametrize(("seen", "reason", "sentence"), CASES)
def test_one_sentence_says_what_was_seen_and_what_it_means(gather, seen, reason, sentence):
    source, target, weight = seen
    judgement = judged(gather(source, target), weight)
    assert (judgement.reason, judgement.message) == (reason, f"errors: {sentence}")


@pytest.mark.parametrize(("errors", "verdict"), [(4.9, "TooFewErrors"), (5.1, "WorseThanSource")])
def test_a_fail_rests_on_five_errors(gather, errors, verdict):
    assert judged(gather((90000, 0), (1000, errors))).reason == verdict


def test_the_five_errors_are_counted_after_the_burst_correction(gather):
    evidence = gather((90000, 0), (1000, 9))
    assert judged(evidence).reason == "WorseThanSource"
    assert judged(evidence, history=0.02).verdict is Verdict.INCONCLUSIVE


def test_a_source_without_errors_and_a_target_without_errors(gather):
    judgement = judged(gather((9000, 0), (1000, 0)))
    assert (judgement.verdict, judgement.reason) == (Verdict.PASS, "BelowLimit")
    assert judgement.value == 0


def test_both_sides_down_alike_is_no_fail(gather):
    judgement = judged(gather((9000, 2700), (1000, 300)))
    assert judgement.verdict is Verdict.PASS
    assert judgement.message.endswith("(the source itself is over the limit of 1 %)")


@pytest.mark.parametrize(
    ("errors", "verdict", "reason"),
    [
        pytest.param(40, Verdict.PASS, "BelowLimit", id="below-the-limit"),
        pytest.param(98, Verdict.INCONCLUSIVE, "NotProven", id="at-the-limit"),
        pytest.param(340, Verdict.FAIL, "OverReferenceAndLimit", id="both-broken"),
    ],
)
def test_with_the_sources_last_share(gather, errors, verdict, reason):
    last = Reference(0.003, 2500, 0.0, 250)
    judgement = judged(gather((0, 0), (10000, errors), reference=last), 100, reference=last)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)
    assert judgement.pauses is (verdict is Verdict.FAIL)


def test_a_limit_of_nothing_is_broken_by_anything_but_passes_by_ratio(gather):
    none = ErrorRule("errors", max=0.0, ratio=2.0)
    assert judged(gather((90000, 90), (10000, 12)), rule=none).verdict is Verdict.INCONCLUSIVE
    assert judged(gather((90000, 90), (100000, 100)), rule=none).verdict is Verdict.PASS
    assert judged(gather((90000, 10), (10000, 100)), rule=none).verdict is Verdict.FAIL
