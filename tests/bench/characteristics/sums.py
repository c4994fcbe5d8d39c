"""The evidence after each look, for many plans at once: what ``cutover.judge.evidence.accumulate`` adds up one by one.

A test holds both to the same numbers.
"""

from collections.abc import Sequence

import numpy as np

from cutover.judge.evidence import Evidence, Reference, SideSums
from tests.bench.characteristics.traffic import Floats, Ints


def side_sums(requests: Ints, bad: Ints) -> Floats:
    """Σn, Σx, looks, Σn², Σx²/n after each look. Axes: plan, look, gate, sum."""
    n = np.broadcast_to(requests[..., None], bad.shape).astype(float)
    x = bad.astype(float)
    each = (n, x, (n > 0).astype(float), n * n, x * x / np.maximum(n, 1.0))
    return np.asarray(np.stack(each, axis=-1).cumsum(axis=1))


def evidence_sums(
    source: tuple[Ints, Ints], target: tuple[Ints, Ints], reference_share: Floats | None = None
) -> Floats:
    """The twelve numbers of :class:`Evidence`; ``reference_share``: plan × gate, where the source is frozen."""
    there, here = side_sums(*source), side_sums(*target)
    if reference_share is None:
        share = np.minimum(1.0, there[..., 1] / np.maximum(there[..., 0], 1.0))
    else:
        share = np.broadcast_to(reference_share[:, None, :], there.shape[:-1])
    requests, bad = target
    excess = np.maximum(0.0, bad - requests[..., None] * share)
    spread = np.stack([excess, excess * excess], axis=-1).cumsum(axis=1)
    return np.concatenate([there, here, spread], axis=-1)


def as_evidence(numbers: Sequence[float]) -> Evidence:
    """What :meth:`Evidence.from_numbers` makes, without its checks."""
    return Evidence(SideSums(*numbers[:5]), SideSums(*numbers[5:10]), *numbers[10:])


def shares(references: Sequence[Sequence[Reference | None]]) -> Floats:
    """Plan × gate; 0 where there is none."""
    return np.array([[one.share if one else 0.0 for one in row] for row in references])
