"""Evidence in the shape that a test needs."""

from collections.abc import Callable

import pytest

from cutover.judge.evidence import Count, Evidence, Reference, accumulate


def gather(
    source: tuple[float, float],
    target: tuple[float, float],
    looks: int = 10,
    reference: Reference | None = None,
) -> Evidence:
    """(requests, bad) of both sides, the same in each of so many looks: no correlation, an even excess."""
    evidence = Evidence.EMPTY
    for _ in range(looks):
        evidence = accumulate(
            evidence,
            Count(source[0] / looks, source[1] / looks),
            Count(target[0] / looks, target[1] / looks),
            reference,
        )
    return evidence


@pytest.fixture(name="gather", scope="session")
def _gather() -> Callable[..., Evidence]:
    return gather
