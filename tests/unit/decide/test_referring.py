"""What of the source is kept as the reference for when it gets too few requests to compare with."""

import pytest

from cutover.api.evidence import EvidenceSums, FrozenReference, GateStatus
from cutover.api.sides import Profile
from cutover.api.status import Status, Weights
from cutover.api.verdict import Verdict
from cutover.decide.counting import frozen_references
from cutover.judge.evidence import Count, Evidence, accumulate
from tests.fakes.plans import GATES
from tests.fakes.world import START


def _passed(source: Count, looks: int) -> GateStatus:
    evidence = Evidence.EMPTY
    for _ in range(looks):
        evidence = accumulate(evidence, source, Count(100.0, 1.0))
    sums = EvidenceSums(until=START, sums=evidence.numbers())
    return GateStatus(
        name="errors", verdict=Verdict.PASS, reason="WithinMargin", message="", evidence=sums
    )


def _after(
    weight: int, source: Count, *, before: FrozenReference | None = None, step: int = 3
) -> list[FrozenReference]:
    status = Status(
        weights=Weights(applied=weight),
        gates=[_passed(source, 10)],
        reference=[before] if before else [],
    )
    return frozen_references(GATES[Profile.VLLM], status, step, 300.0)


def _kept(step: int, look_size: float = 900.0) -> FrozenReference:
    return FrozenReference(
        gate="errors", share=0.01, requests=1000.0, correlation=0.0, look_size=look_size, step=step
    )


def test_a_step_counts_together_with_the_step_just_before_it() -> None:
    [found] = _after(50, Count(100.0, 3.0), before=_kept(2))
    assert (found.requests, found.step) == (2000.0, 3)
    assert found.share == pytest.approx(0.02)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(None, id="nothing-before"),
        pytest.param(_kept(1), id="a-pause-or-approval-lies-between"),
        pytest.param(_kept(2, look_size=1.0), id="measured-before-the-first-step"),
    ],
)
def test_otherwise_it_begins_anew(before: FrozenReference | None) -> None:
    [found] = _after(50, Count(100.0, 3.0), before=before)
    assert (found.requests, found.step) == (1000.0, 3)
    assert found.share == pytest.approx(0.03)


def test_a_step_with_too_few_requests_of_the_source_leaves_what_is_kept() -> None:
    assert _after(50, Count(10.0), before=_kept(2)) == [_kept(2)]
    assert _after(100, Count(100.0), before=_kept(2)) == [_kept(2)]
