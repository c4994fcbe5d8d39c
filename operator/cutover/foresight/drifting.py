"""What a drift gate needs in a step: so many requests that equal sides would stay below its limit.

Unlike the other gates it is judged once, when ``minDuration`` is over and there are enough; how far apart
two sides must be for it to notice depends on their distributions, which a plan does not know. Ten cells of
equal weight are taken, the most that an ordered quantity is judged by.
"""

from math import inf
from typing import Final

from cutover.api.drift import DriftGate, DriftMethod
from cutover.api.quantities import parse_ratio
from cutover.decide.drifting import FROM_WEIGHT
from cutover.foresight.chances import Setting
from cutover.judge.distances import distance
from cutover.judge.distribution import MOST_CELLS, of_buckets
from cutover.judge.histogram import Buckets

EVEN_CELLS: Final = Buckets(
    (*(float(edge) for edge in range(1, MOST_CELLS)), inf),
    tuple(1000.0 * edge for edge in range(1, MOST_CELLS + 1)),
)


def effective_size(method: DriftMethod, limit: float) -> float:
    """The size n·m/(n + m) from which ``limit`` is judged, of ten cells."""
    pair = of_buckets(EVEN_CELLS, EVEN_CELLS)
    assert pair is not None  # noqa: S101 - the edges are the same
    return distance(method, pair, limit).needed


def requests_for(drift: DriftGate, setting: Setting) -> float | None:
    """Target requests until it can be judged; None: never at this weight, where it only reports."""
    least = setting.terms(0, None).needed
    if setting.weight < FROM_WEIGHT:
        return None
    effective = effective_size(drift.method, parse_ratio(drift.max))
    if setting.weight < 100:
        return max(least, effective * 100.0 / (100.0 - setting.weight))
    frozen = setting.reference
    return max(least, effective * frozen / (frozen - effective)) if frozen > effective else None


def seconds_for(drift: DriftGate, setting: Setting) -> float | None:
    """Seconds since the weight was set until it is judged; None: not within the step, where it only reports."""
    needed = requests_for(drift, setting)
    if needed is None:
        return None
    waits = max(setting.min_duration, needed / setting.target_rate)
    looks = -(-waits // setting.interval)
    seconds = setting.settle + looks * setting.interval
    return seconds if seconds <= setting.max_duration else None
