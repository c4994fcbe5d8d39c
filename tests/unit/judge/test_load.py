"""A comparison is refused only where the loads differ too much and speak for its outcome."""

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.verdict import Verdict
from cutover.judge.evidence import Count, Evidence, accumulate
from cutover.judge.latency import LatencyRule, judge_latency
from cutover.judge.load import Load, SideLoad, load_of
from cutover.judge.terms import Reason

RULE = LatencyRule("first-token", "TimeToFirstToken", 1.0, max_above=0.05, margin=0.025)


def load(
    source_servers: float, target_servers: float, weight: float, *, slower: float = 1.0
) -> Load:
    """A hundred requests a second of a second each; ``slower``: how many times as long the target takes."""
    left, right = 100.0 - weight, weight
    found = load_of(
        (left, right * slower),
        (source_servers, target_servers),
        (Count(60 * left), Count(60 * right)),
        weight,
    )
    assert found is not None
    return found


@pytest.mark.parametrize("weight", [1.0, 5.0, 10.0, 25.0, 50.0, 74.0])
def test_equal_servers_may_be_compared_at_every_usual_weight(weight: float) -> None:
    """At 1 % each target server has a hundredth of the load, and that is what a rollout is."""
    found = load(8, 8, weight)
    assert not found.target_is_emptier
    assert not found.target_is_fuller


@pytest.mark.parametrize(
    ("servers", "weight", "slower", "emptier", "fuller"),
    [
        ((2, 7), 5.0, 1.0, True, False),
        ((2, 6), 50.0, 1.0, False, False),
        ((2, 7), 50.0, 1.0, True, False),
        ((7, 2), 50.0, 1.0, False, True),
        ((6, 2), 50.0, 1.0, False, False),
        ((2, 2), 90.0, 1.0, False, True),
        ((7, 2), 5.0, 1.0, False, False),
        ((2, 2), 50.0, 20.0, False, False),
        ((2, 2), 50.0, 0.05, False, False),
    ],
    ids=[
        "many more target servers at 5 %",
        "three times as many is not more than that",
        "many more target servers at half",
        "few target servers",
        "a third is not less than that",
        "hardly anything left for the source",
        "few target servers with little to do yet",
        "a slow target has more running because it is slow",
        "a fast target has less running because it is fast",
    ],
)
def test_too_different_are_loads_that_were_sent(
    servers: tuple[int, int], weight: float, slower: float, emptier: bool, fuller: bool
) -> None:
    found = load(*servers, weight, slower=slower)
    assert (found.target_is_emptier, found.target_is_fuller) == (emptier, fuller)


@pytest.mark.parametrize("weight", [0.0, 100.0])
def test_with_everything_on_one_side_there_is_no_load_to_compare(weight: float) -> None:
    assert load_of((1.0, 1.0), (2.0, 2.0), (Count(9.0), Count(9.0)), weight) is None


def test_a_side_without_servers_has_no_load() -> None:
    assert load_of((1.0, 0.0), (2.0, 0.0), (Count(9.0), Count(9.0)), 50.0) is None


EMPTIER = Load(SideLoad(20.0, 900.0), SideLoad(2.0, 90.0), 50.0)
FULLER = Load(SideLoad(2.0, 90.0), SideLoad(20.0, 900.0), 50.0)


def judged(source: float, target: float, found: Load | None) -> tuple[Verdict, str, str]:
    evidence = Evidence.EMPTY
    for _ in range(20):
        evidence = accumulate(
            evidence, Count(1000.0, 1000 * source), Count(1000.0, 1000 * target), None
        )
    said = judge_latency(
        RULE, evidence, weight=50.0, min_requests=300, min_duration_over=True, load=found
    )
    return said.verdict, said.reason, said.message


@pytest.mark.parametrize(
    ("source", "target", "found", "reason"),
    [
        (0.04, 0.05, None, Reason.WITHIN_MARGIN),
        (0.04, 0.05, FULLER, Reason.WITHIN_MARGIN),
        (0.04, 0.05, EMPTIER, Reason.LOAD_DIFFERS),
        (0.02, 0.02, EMPTIER, Reason.BELOW_LIMIT),
        (0.005, 0.04, None, Reason.WORSE_THAN_SOURCE),
        (0.005, 0.04, EMPTIER, Reason.WORSE_THAN_SOURCE),
        (0.005, 0.04, FULLER, Reason.LOAD_DIFFERS),
        (0.005, 0.08, FULLER, Reason.OVER_LIMIT),
    ],
    ids=[
        "passes",
        "passes though it has more to do",
        "passes with less to do: says little",
        "keeps the limit",
        "fails",
        "fails though it has less to do",
        "fails with more to do: says little",
        "breaks the limit, whatever it has to do",
    ],
)
def test_what_the_load_speaks_for_is_refused_and_nothing_else(
    source: float, target: float, found: Load | None, reason: Reason
) -> None:
    verdict, told, message = judged(source, target, found)
    assert told == reason
    assert verdict is reason.verdict
    numbers = "20 requests run on each target server, 2 on each of the source"
    if reason is Reason.LOAD_DIFFERS and found is FULLER:
        assert numbers in message
        assert "set spec.analysis.allowLoadMismatch" in message


shares = st.floats(0.0, 0.2)
side_loads = st.builds(SideLoad, st.floats(0.01, 1e4), st.floats(0.01, 1e4))


@given(shares, shares, side_loads, side_loads)
def test_a_load_never_makes_a_verdict_of_none_nor_turns_one_round(
    source: float, target: float, one: SideLoad, other: SideLoad
) -> None:
    """It refuses, or (with the limit kept) lets the limit decide; it never fails and never passes what was refused."""
    without, _, _ = judged(source, target, None)
    verdict, reason, _ = judged(source, target, Load(one, other, 50.0))
    if verdict is not without:
        assert reason in (Reason.LOAD_DIFFERS, Reason.BELOW_LIMIT, Reason.OVER_LIMIT)
    assert {verdict, without} != {Verdict.PASS, Verdict.FAIL}


def test_numbers_that_are_none_are_no_load() -> None:
    found = Load(SideLoad(nan, nan), SideLoad(1.0, 1.0), 50.0)
    assert not found.target_is_emptier
    assert not found.target_is_fuller
