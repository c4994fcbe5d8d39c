"""The latency gate's verdicts, reasons and sentences."""

import pytest

from cutover.api.verdict import Verdict
from cutover.judge.comparison import requests_needed
from cutover.judge.evidence import Count, Evidence, Reference, accumulate
from cutover.judge.latency import LatencyRule, judge_latency
from cutover.judge.terms import Terms

FIRST_TOKEN = LatencyRule(
    "first-token", "TimeToFirstToken", edge_seconds=1.0, max_above=0.05, margin=0.025
)
LAST = Reference(0.023, 2500, 0.0, 250)
SLOW = "target requests took longer than 1 s"


def judged(evidence, weight=10.0, *, over=True, reference=None, history=0.0):
    return judge_latency(
        FIRST_TOKEN,
        evidence,
        weight=weight,
        min_requests=300,
        min_duration_over=over,
        reference=reference,
        history_correlation=history,
    )


CASES = [
    # source (requests, slow), target (requests, slow), weight → reason, sentence after the gate's name
    pytest.param(
        ((23560, 542), (2620, 63), 10),
        "WithinMargin",
        f"2.4 % of 2,620 {SLOW}, source 2.3 % of 23,560; the limit is source + 2.5 %: passes",
        id="as-good",
    ),
    pytest.param(
        ((23560, 542), (1240, 63), 5),
        "WithinMargin",
        f"5.1 % of 1,240 {SLOW}, source 2.3 % of 23,560; at weight 5 the limit is source + 5 %: passes",
        id="coarser-proof-at-small-weights",
    ),
    pytest.param(
        ((9000, 207), (1000, 120), 10),
        "WorseThanSource",
        f"12 % of 1,000 {SLOW}, source 2.3 % of 9,000; the limit is source + 2.5 %: fails",
        id="worse",
    ),
    pytest.param(
        ((90000, 4500), (10000, 700), 10),
        "OverLimit",
        f"7 % of 10,000 {SLOW}, source 5 % of 90,000; the limit is 5 % and the source does better: fails",
        id="over-the-limit-by-less-than-the-margin",
    ),
    pytest.param(
        ((90000, 7200), (10000, 800), 10),
        "WithinMargin",
        f"8 % of 10,000 {SLOW}, source 8 % of 90,000; the limit is source + 2.5 %: passes"
        " (the source itself is over the limit of 5 %)",
        id="source-breaks-the-limit-too",
    ),
    pytest.param(
        ((4500, 200), (500, 22), 10),
        "NotProven",
        f"4.4 % of 500 {SLOW}, source 4.4 % of 4,500; not yet proven, the limit is source + 2.5 %:"
        " needs about 280 more target requests",
        id="not-yet",
    ),
    pytest.param(
        ((900, 20), (0, 0), 10),
        "TooFewRequests",
        "needs about 300 more target requests",
        id="nothing-on-the-target",
    ),
    pytest.param(
        ((9900, 228), (40, 1), 1),
        "TooFewRequests",
        "needs about 35 more target requests",
        id="a-quarter-at-1-percent",
    ),
    pytest.param(
        ((0, 0), (100, 3), 10),
        "NoSourceRequests",
        "no source requests to compare 100 of the target with",
        id="nothing-on-the-source",
    ),
]


@pytest.mark.parametrize(("seen", "reason", "sentence"), CASES)
def test_one_sentence_says_what_was_seen_and_what_it_means(gather, seen, reason, sentence):
    source, target, weight = seen
    judgement = judged(gather(source, target), weight)
    assert (judgement.reason, judgement.message) == (reason, f"first-token: {sentence}")


def test_numbers_come_with_the_verdict(gather):
    passed = judged(gather((23560, 542), (1240, 63)), 5)
    assert passed.verdict is Verdict.PASS
    assert passed.value == pytest.approx(63 / 1240)
    assert passed.bound == pytest.approx(542 / 23560 + 0.05)
    assert (passed.source_count, passed.target_count) == (
        pytest.approx(23560),
        pytest.approx(1240),
    )
    assert passed.requests_missing is None

    waiting = judged(gather((4500, 200), (500, 22)))
    assert waiting.verdict is Verdict.INCONCLUSIVE
    assert waiting.requests_missing == pytest.approx(270, rel=0.1)

    failed = judged(gather((9000, 207), (1000, 120)))
    assert failed.verdict is Verdict.FAIL
    assert failed.bound == pytest.approx(0.023 + 0.025)
    assert not failed.pauses


def test_what_would_pass_waits_for_the_minimum_duration(gather):
    judgement = judged(gather((23560, 542), (2620, 63)), over=False)
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "TooSoon")
    assert judgement.message.endswith("will pass when the step's minimum duration is over")


def test_a_fail_does_not_wait_for_the_minimum_duration(gather):
    assert judged(gather((9000, 207), (1000, 120)), over=False).verdict is Verdict.FAIL


@pytest.mark.parametrize(("requests", "reason"), [(48, "TooFewRequests"), (52, "WorseThanSource")])
def test_nothing_fails_below_50_target_requests(gather, requests, reason):
    assert judged(gather((9000, 90), (requests, requests / 2))).reason == reason


@pytest.mark.parametrize(("looks", "reason"), [(1, "Burst"), (3, "Burst"), (4, "WorseThanSource")])
def test_an_excess_in_fewer_than_four_looks_is_a_burst(gather, looks, reason):
    judgement = judged(gather((9000, 207), (1000, 120), looks=looks))
    assert judgement.reason == reason
    if reason == "Burst":
        assert judgement.message.endswith(
            "too many, but in too few looks to tell it from a burst: waits"
        )


def test_one_bad_look_among_good_ones_does_not_fail():
    evidence = Evidence.EMPTY
    for look in range(20):
        evidence = accumulate(evidence, Count(900, 20), Count(100, 90 if look == 7 else 2))
    assert judged(evidence).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("weight", "slack", "needed"),
    [
        (0.5, 4, 75),
        (1, 4, 75),
        (2.5, 4, 75),
        (5, 2, 150),
        (8, 1.25, 240),
        (10, 1, 300),
        (100, 1, 300),
    ],
)
def test_slack_and_minimum_by_weight(weight, slack, needed):
    terms = Terms(weight, 300, min_duration_over=True, reference=None, history_correlation=0)
    assert terms.slack == pytest.approx(slack)
    assert terms.needed == pytest.approx(needed)


@pytest.mark.parametrize(("weight", "requests"), [(1, 75), (5, 150), (10, 300), (50, 300)])
def test_a_pass_needs_the_minimum(gather, weight, requests):
    source = (1_000_000, 0)
    assert judged(gather(source, (requests - 1, 0)), weight).reason == "TooFewRequests"
    assert judged(gather(source, (requests, 0)), weight).verdict is Verdict.PASS


def test_bursts_make_counts_worth_less(gather):
    evidence = gather((23560, 542), (2620, 63))
    assert judged(evidence).verdict is Verdict.PASS
    assert judged(evidence, history=0.05).reason == "NotProven"


class TestWithTheSourcesLastShare:
    """At weight 100 and while soaking: there is no source, only what it last was."""

    @pytest.mark.parametrize(
        ("slow", "verdict", "reason"),
        [
            pytest.param(240, Verdict.PASS, "WithinMargin", id="as-it-was"),
            pytest.param(
                440, Verdict.INCONCLUSIVE, "NotProven", id="below-the-limit-but-not-proven"
            ),
            pytest.param(640, Verdict.FAIL, "OverReferenceAndLimit", id="both-broken"),
        ],
    )
    def test_verdicts(self, gather, slow, verdict, reason):
        evidence = gather((0, 0), (10000, slow), reference=LAST)
        judgement = judged(evidence, 100, reference=LAST)
        assert (judgement.verdict, judgement.reason) == (verdict, reason)
        assert judgement.pauses is (verdict is Verdict.FAIL)
        assert judgement.source_count == 2500

    def test_below_the_limit_is_enough(self, gather):
        quick = Reference(0.001, 2500, 0.0, 250)
        evidence = gather((0, 0), (10000, 350), reference=quick)
        judgement = judged(evidence, 100, reference=quick)
        assert (judgement.verdict, judgement.reason) == (Verdict.PASS, "BelowLimit")

    def test_the_sentence_says_that_the_share_is_an_old_one(self, gather):
        judgement = judged(gather((0, 0), (10000, 640), reference=LAST), 100, reference=LAST)
        assert judgement.message == (
            f"first-token: 6.4 % of 10,000 {SLOW}, the source's last 2.3 % of 2,500; over source + 2.5 %"
            " and over the limit of 5 %: pauses, since the source's share is an old one"
        )

    def test_one_of_the_two_broken_is_no_fail(self, gather):
        slow_source = Reference(0.08, 2500, 0.0, 250)
        evidence = gather((0, 0), (10000, 900), reference=slow_source)
        assert judged(evidence, 100, reference=slow_source).verdict is not Verdict.FAIL

    def test_what_the_source_still_gets_is_not_compared_with(self, gather):
        evidence = gather((40, 40), (10000, 240), reference=LAST)
        assert judged(evidence, 100, reference=LAST).verdict is Verdict.PASS

    def test_its_correlation_still_counts(self, gather):
        bursty = Reference(0.023, 2500, 0.2, 250)
        evidence = gather((0, 0), (10000, 240), reference=bursty)
        assert judged(evidence, 100, reference=bursty).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("slow", "verdict", "reason"),
    [
        (390, Verdict.PASS, "BelowLimit"),
        (490, Verdict.INCONCLUSIVE, "NotProven"),
        (690, Verdict.FAIL, "OverLimit"),
    ],
)
def test_without_any_source_the_limit_alone_is_judged_and_a_fail_pauses(
    gather, slow, verdict, reason
):
    judgement = judged(gather((0, 0), (10000, slow)), 100)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)
    assert judgement.pauses is (verdict is Verdict.FAIL)
    assert "no source to compare with" in judgement.message


def test_requests_needed_is_when_identical_sides_pass(gather):
    needed = requests_needed(FIRST_TOKEN, share=0.045, weight=10, min_requests=300)
    assert needed is not None
    assert needed == pytest.approx(780, rel=0.1)
    half = gather((needed * 4.5, needed * 4.5 * 0.045), (needed / 2, needed / 2 * 0.045))
    double = gather((needed * 18, needed * 18 * 0.045), (needed * 2, needed * 2 * 0.045))
    assert judged(half).verdict is Verdict.INCONCLUSIVE
    assert judged(double).verdict is Verdict.PASS
    assert requests_needed(FIRST_TOKEN, share=0.001, weight=1, min_requests=300) == 75
    alone = requests_needed(FIRST_TOKEN, share=0.06, weight=100, min_requests=300)
    assert alone is None
