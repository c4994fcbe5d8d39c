"""A gateway that breaks long answers off is told of before the first step, where answers are long or may be."""

from math import inf
from typing import Any

import pytest

from cutover.api.preflight import CheckState
from cutover.api.sides import Profile
from cutover.decide.answering import answer_limit_checks
from cutover.decide.readings import Gap, Missing, Reading, SideReading, WindowReading
from cutover.decide.route import AnswerLimit
from cutover.judge.histogram import Buckets
from tests.unit.decide.test_feasible import plan

LIMIT = AnswerLimit(15.0, "Envoy under Contour", "spec.rules[].timeouts.request", "0s")
NOTHING = Gap(Missing.NO_DATA, "nothing")


def source(slowest: float | None) -> Reading:
    """Its 99th percentile is at most so many seconds."""
    if slowest is None:
        return NOTHING
    edges = (slowest, inf) if slowest < inf else (10.0, inf)
    counts = (100.0, 100.0) if slowest < inf else (0.0, 100.0)
    window = WindowReading(600.0, 100.0, 0.0, {"EndToEnd": Buckets(edges, counts)})
    return SideReading((window,), 15.0, None)


@pytest.mark.parametrize(
    ("slowest", "profile", "state", "words"),
    [
        (0.5, Profile.VLLM, CheckState.PASSED, "99 % of the source's answers take less than 0.5 s"),
        (8.0, Profile.TRITON, CheckState.WARNING, "up to 8 s long (99th percentile): set it to 0s"),
        (inf, Profile.TRITON, CheckState.WARNING, "longer than its histogram can tell"),
        (None, Profile.VLLM, CheckState.WARNING, "the source's are unmeasured: set it to 0s"),
    ],
)
def test_a_default_that_nobody_chose_is_told_of(
    slowest: float | None, profile: Profile, state: CheckState, words: str
) -> None:
    of = plan().model_copy(update={"profile": profile})
    [found] = answer_limit_checks(LIMIT, source(slowest), of)
    assert found.state is state
    assert not found.holds_back
    assert words in found.message
    assert "Envoy under Contour breaks an answer off after 15 s" in found.message


def test_where_nothing_says_that_answers_are_long_nothing_is_said() -> None:
    of = plan().model_copy(update={"profile": Profile.TRITON})
    assert not list(answer_limit_checks(LIMIT, source(None), of))


def test_the_sides_own_profile_counts() -> None:
    of = plan()
    changes: dict[str, Any] = {"profile": Profile.TRITON}
    of = of.model_copy(update={"source": of.source.model_copy(update=changes)})
    assert not list(answer_limit_checks(LIMIT, source(None), of))
