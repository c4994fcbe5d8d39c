"""What holds for every evidence, whatever the numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cutover.api.verdict import Verdict
from cutover.judge.errors import ErrorRule, judge_errors
from cutover.judge.evidence import Count, Evidence, Reference, accumulate
from cutover.judge.latency import LatencyRule, judge_latency
from cutover.judge.verdict import Judgement

Judge = Callable[..., Judgement]


def latency(evidence: Evidence, **terms: object) -> Judgement:
    rule = LatencyRule("first-token", "TimeToFirstToken", 1.0, max_above=0.05, margin=0.025)
    return judge_latency(rule, evidence, min_requests=300, **terms)  # type: ignore[arg-type]


def errors(evidence: Evidence, **terms: object) -> Judgement:
    rule = ErrorRule("errors", max=0.01, ratio=2.0)
    return judge_errors(rule, evidence, min_requests=300, **terms)  # type: ignore[arg-type]


JUDGES = [pytest.param(latency, id="latency"), pytest.param(errors, id="errors")]
ORDER = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}

weights = st.sampled_from([1, 2, 5, 10, 25, 50, 75, 99])
shares = st.one_of(st.just(0.0), st.floats(1e-6, 0.2), st.floats(1e-6, 1))
references = st.none() | st.builds(
    Reference, shares, st.floats(1, 1e5), st.floats(0, 0.2), st.floats(1, 1000)
)
one_look = st.tuples(st.floats(0, 3000), shares, st.floats(0, 3000), shares)


def gathered(rows: list[Any], reference: Reference | None = None) -> Evidence:
    evidence = Evidence.EMPTY
    for n_s, p_s, n_t, p_t in rows:
        evidence = accumulate(evidence, Count(n_s, n_s * p_s), Count(n_t, n_t * p_t), reference)
    return evidence


@pytest.mark.parametrize("judge", JUDGES)
@given(
    rows=st.lists(one_look, max_size=15),
    weight=st.sampled_from([1, 5, 10, 50, 100]),
    over=st.booleans(),
    reference=references,
    history=st.floats(0, 1),
)
def test_every_judgement_is_whole(judge, *, rows, weight, over, reference, history):
    evidence = gathered(rows, reference)
    judgement = judge(
        evidence,
        weight=weight,
        min_duration_over=over,
        reference=reference,
        history_correlation=history,
    )
    requests = evidence.target.n
    assert judgement.verdict is not Verdict.ERROR
    assert judgement.message
    assert "nan" not in judgement.message
    assert "inf" not in judgement.message
    if judgement.verdict is Verdict.PASS:
        assert over
        assert requests >= 300 / min(4, max(1, 10 / weight))
        assert evidence.source.n or reference or weight == 100
    if judgement.verdict is Verdict.FAIL:
        assert requests >= 50
        assert evidence.spread >= 4 - 1e-6
        assert judgement.pauses is (reference is not None or weight == 100)
        assert judgement.value > judgement.bound - 1e-9
    if judgement.requests_missing is not None:
        assert judgement.requests_missing >= 0
        assert judgement.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("judge", JUDGES)
@given(
    looks=st.integers(4, 20),
    source=st.tuples(st.integers(100, 3000), shares),
    target=st.tuples(st.integers(10, 3000), shares, shares),
    weight=weights,
    reference=references,
)
@settings(max_examples=200)
def test_more_bad_on_the_target_never_makes_a_verdict_better(
    judge, *, looks, source, target, weight, reference
):
    """At equal looks: an uneven rise also shows that bad requests come in bursts, which takes proof away."""
    n_s, s = source
    n_t, t, more = target
    better, worse = (
        judge(
            gathered([(n_s, s, n_t, share)] * looks, reference),
            weight=weight,
            min_duration_over=True,
            reference=reference,
        )
        for share in sorted((t, more))
    )
    assert ORDER[better.verdict] <= ORDER[worse.verdict]


@given(
    looks=st.integers(4, 20),
    size=st.integers(20, 1000),
    share=st.floats(0.1, 0.5),
    burst=st.integers(1, 1000),
)
def test_a_burst_on_top_of_a_fail_never_makes_a_pass_at_full_proof(looks, size, share, burst):
    rows = [(9 * size, 0.03, size, share)] * looks
    assume(latency(gathered(rows), weight=10, min_duration_over=True).verdict is Verdict.FAIL)
    rows.append((9 * size, 0.03, size + burst, (0.03 * size + burst) / (size + burst)))
    assert latency(gathered(rows), weight=10, min_duration_over=True).verdict is not Verdict.PASS


@pytest.mark.parametrize("judge", JUDGES)
@given(n=st.integers(50, 5000), s=shares, t=shares, looks=st.integers(4, 20), weight=weights)
def test_of_two_sides_at_most_one_is_worse(judge, *, n, s, t, looks, weight):
    terms = {"weight": weight, "min_duration_over": True}
    there = judge(gathered([(n, s, n, t)] * looks), **terms)
    back = judge(gathered([(n, t, n, s)] * looks), **terms)
    assert Verdict.FAIL not in (there.verdict, back.verdict) or there.verdict != back.verdict


@pytest.mark.parametrize("judge", JUDGES)
@given(n=st.integers(1, 5000), share=shares, looks=st.integers(1, 20), weight=weights)
def test_an_equal_target_never_fails_whatever_the_source_does(judge, n, share, looks, weight):
    evidence = gathered([(n, share, n, share)] * looks)
    assert judge(evidence, weight=weight, min_duration_over=True).verdict is not Verdict.FAIL


@pytest.mark.parametrize("judge", JUDGES)
@given(rows=st.lists(one_look, min_size=1, max_size=15), weight=weights, history=st.floats(0, 1))
def test_known_bursts_never_prove_more(judge, rows, weight, history):
    evidence = gathered(rows)
    plain = judge(evidence, weight=weight, min_duration_over=True)
    careful = judge(evidence, weight=weight, min_duration_over=True, history_correlation=history)
    if careful.verdict is not Verdict.INCONCLUSIVE and plain.verdict is not careful.verdict:
        # Fewer effective errors may lift the Fail that held a Pass back; never the other way round.
        assert (plain.verdict, careful.verdict) != (Verdict.PASS, Verdict.FAIL)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("weight", [1, 50, 100])
def test_nothing_seen_never_passes_and_never_fails(judge, weight):
    for reference in (None, Reference(0.0, 10000)):
        judgement = judge(
            Evidence.EMPTY, weight=weight, min_duration_over=True, reference=reference
        )
        assert judgement.verdict is Verdict.INCONCLUSIVE
        assert judgement.value is None


@pytest.mark.parametrize(
    ("correlation", "judge", "share"),
    [
        pytest.param(0.0, latency, 0.045, id="latency-near-its-limit"),
        pytest.param(0.0, errors, 0.005, id="errors"),
        pytest.param(0.05, errors, 0.005, id="errors-in-bursts"),
    ],
)
def test_identical_sides_are_not_told_apart_in_an_hour_of_looks(correlation, judge, share):
    rng = np.random.default_rng(11)
    fails = 0
    for _ in range(60):
        evidence = Evidence.EMPTY
        size = 1 / correlation - 1 if correlation else 0
        for _look in range(80):
            source, target = (
                rng.beta(share * size, (1 - share) * size, 2) if size else (share, share)
            )
            evidence = accumulate(
                evidence,
                Count(900, int(rng.binomial(900, source))),
                Count(100, int(rng.binomial(100, target))),
            )
            if judge(evidence, weight=10, min_duration_over=False).verdict is Verdict.FAIL:
                fails += 1
                break
    assert fails == 0


@pytest.mark.parametrize(
    ("judge", "good", "bad"),
    [
        pytest.param(latency, 0.02, 0.12, id="latency"),
        pytest.param(errors, 0.003, 0.05, id="errors"),
    ],
)
@pytest.mark.parametrize("weight", [1, 5, 10, 50])
def test_a_target_that_is_really_worse_fails_within_the_hour(judge, good, bad, weight):
    rng = np.random.default_rng(3)
    for _ in range(5):
        evidence = Evidence.EMPTY
        verdicts = []
        for _look in range(116):
            n_t = 10 * weight
            evidence = accumulate(
                evidence,
                Count(1000 - n_t, int(rng.binomial(1000 - n_t, good))),
                Count(n_t, int(rng.binomial(n_t, bad))),
            )
            verdicts.append(judge(evidence, weight=weight, min_duration_over=True).verdict)
            if verdicts[-1] is Verdict.FAIL:
                break
        assert verdicts[-1] is Verdict.FAIL
