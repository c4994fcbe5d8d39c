"""Both sides' requests, failures and latencies at each look of one step, for many plans at once.

Real traffic: the load swings by the time of day (±40 %, each plan begins at its own hour) and arrivals are Poisson;
log latencies are normal (σ 0.6) about a level that rises with the load (to the power 0.15) and wanders (AR(1), 0.8
from look to look), on both sides together and on each side alone. Each latency gate has levels of its own.
"""

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tests.bench.characteristics.worlds import LATENCY_GATES, LOOK_SECONDS, World

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SWING = 0.4
WITH_LOAD = 0.15
SIGMA = 0.6
MEMORY = 0.8
EDGES = (0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
"""Bucket edges (seconds) around the gates' threshold of 1 s, as vLLM has them."""
AT = EDGES.index(1.0)


@dataclass(frozen=True)
class Looks:
    """One step of many plans. Axes: plan, look, gate; the last gate's bad requests are the failed ones."""

    source: Ints
    target: Ints
    source_bad: Ints
    target_bad: Ints
    source_slow: Floats
    """The share above each edge from which the slow requests were drawn; axes: plan, look, latency gate."""
    target_slow: Floats

    def of(self, plans: Ints, looks: slice) -> "Looks":
        return Looks(
            self.source[plans, looks],
            self.target[plans, looks],
            self.source_bad[plans, looks],
            self.target_bad[plans, looks],
            self.source_slow[plans, looks],
            self.target_slow[plans, looks],
        )


def draw(
    rng: np.random.Generator,
    world: World,
    weight: float,
    shape: tuple[int, int],
    hours: Floats,
) -> Looks:
    """Draw plans × looks. ``weight`` in percent; ``hours``: each plan's time of day (0-24) at the first look."""
    load = _load(hours, shape[1]) if world.wander else np.ones(shape)
    requests = (
        rng.poisson(world.requests * load)
        if world.wander
        else np.full(shape, round(world.requests))
    )
    target = rng.binomial(requests, weight / 100.0)
    failing = _failing(rng, world, shape)
    slow = _slow(rng, world, load)
    if world.slow_with_errors:
        slow = [share + (1 - share) * failed for share, failed in zip(slow, failing, strict=True)]
    counts = [requests - target, target]
    bad = [
        rng.binomial(count[..., None], np.concatenate([share, failed], axis=2))
        for count, share, failed in zip(counts, slow, failing, strict=True)
    ]
    return Looks(counts[0], counts[1], bad[0], bad[1], slow[0], slow[1])


def _load(hours: Floats, looks: int) -> Floats:
    at = hours[:, None] + np.arange(looks) * LOOK_SECONDS / 3600
    return np.asarray(1 + SWING * np.sin(2 * pi * at / 24))


def _failing(rng: np.random.Generator, world: World, shape: tuple[int, int]) -> list[Floats]:
    target = world.errors if world.target_errors is None else world.target_errors
    shares = [_drawn(rng, mean, world.correlation, (*shape, 1)) for mean in (world.errors, target)]
    return [shares[0], shares[0]] if world.both_at_once else shares


def _slow(rng: np.random.Generator, world: World, load: Floats) -> list[Floats]:
    shape = (*load.shape, LATENCY_GATES)
    means = np.full((2, LATENCY_GATES), world.latency)
    if world.target_latency is not None:
        means[1, 0] = world.target_latency
    if world.wander is None:
        return [_drawn(rng, mean, world.latency_correlation, shape) for mean in means]
    shared, alone = world.wander.shared, world.wander.alone
    common = WITH_LOAD * np.log(load)[..., None] + wandering(rng, shape, shared)
    whole = sqrt(SIGMA**2 + shared**2 + alone**2)
    return [
        ndtr((common + wandering(rng, shape, alone) + whole * ndtri(mean)) / SIGMA)
        for mean in means
    ]


def _drawn(
    rng: np.random.Generator, mean: float | Floats, correlation: float, shape: tuple[int, ...]
) -> Floats:
    """Each look's share: the mean itself, or drawn from the Beta with that within-look correlation."""
    if not correlation:
        return np.broadcast_to(mean, shape)
    size = 1 / correlation - 1
    return rng.beta(mean * size, (1 - mean) * size, shape)


def wandering(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> Floats:
    """AR(1) along the second axis, stationary from the first look on."""
    steps = rng.normal(0.0, deviation, shape)
    steps[:, 1:] *= sqrt(1 - MEMORY**2)
    for look in range(1, shape[1]):
        steps[:, look] += MEMORY * steps[:, look - 1]
    return steps


@dataclass(frozen=True)
class Buckets:
    """What a histogram counts in each look. Axes: plan, look, gate[, edge]."""

    requests: Ints
    cumulative: Ints
    """Requests at or below each of :data:`EDGES`."""

    def trailing(self, looks: int) -> "Buckets":
        """Sums over the last ``looks`` looks, or as many as there were."""
        return Buckets(trailing(self.requests, looks), trailing(self.cumulative, looks))

    def percentile_95(self) -> Floats:
        """``histogram_quantile(0.95, …)`` in seconds; NaN without requests.

        As Prometheus does: linear within the bucket; the highest finite edge where it lies above.
        """
        n, cumulative = self.requests, self.cumulative
        rank = 0.95 * n
        bucket = (cumulative < rank[..., None]).sum(axis=-1)
        edges = np.array([0.0, *EDGES, EDGES[-1]])
        counts = np.concatenate([np.zeros_like(n)[..., None], cumulative, n[..., None]], axis=-1)
        low = np.take_along_axis(counts, bucket[..., None], -1)[..., 0]
        high = np.take_along_axis(counts, bucket[..., None] + 1, -1)[..., 0]
        part = (rank - low) / np.maximum(high - low, 1)
        value = edges[bucket] + (edges[bucket + 1] - edges[bucket]) * part
        return np.where(n > 0, value, np.nan)


def trailing(counts: Ints, looks: int) -> Ints:
    """Sums over the last ``looks`` looks (second axis), or as many as there were."""
    total = counts.cumsum(axis=1)
    total[:, looks:] -= total[:, :-looks].copy()
    return total


def bucket_counts(rng: np.random.Generator, requests: Ints, slow: Ints, share: Floats) -> Buckets:
    """``slow`` of the requests are above 1 s; the other buckets are drawn from the lognormal with that share."""
    n = np.broadcast_to(requests[..., None], slow.shape)
    level = ndtri(np.clip(share, 1e-12, 1 - 1e-12))
    above = [ndtr(level - log(edge) / SIGMA) for edge in EDGES]
    counts: list[Ints] = [slow] * len(EDGES)
    for i in range(AT + 1, len(EDGES)):
        counts[i] = rng.binomial(counts[i - 1], _ratio(above[i], above[i - 1]))
    for i in range(AT - 1, -1, -1):
        more = _ratio(above[i] - above[i + 1], 1 - above[i + 1])
        counts[i] = counts[i + 1] + rng.binomial(n - counts[i + 1], more)
    return Buckets(n, np.stack([n - count for count in counts], axis=-1))


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.clip(part / np.maximum(whole, 1e-300), 0.0, 1.0)
