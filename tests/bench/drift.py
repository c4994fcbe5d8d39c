"""How long does it take to compare a million raw samples with a million? `python -m tests.bench.drift`

Each line: the best and the median of so many runs, and the processor time of the best. The samples are drawn
once; what is timed is what a judgement does with them.
"""

import os
import time
from statistics import median

import numpy as np

from cutover.api.drift import DriftMethod
from cutover.judge.distribution import Paired, of_buckets, of_labels, of_numbers
from cutover.judge.drift import DriftRule, judge_drift
from cutover.judge.histogram import Buckets
from tests.bench.figures import load

SAMPLES = 1_000_000
RUNS = 15


def measure() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=(2, SAMPLES))
    lengths = np.ceil(random.lognormal(5, 1, size=(2, SAMPLES)))
    print(f"\ndrift of {SAMPLES:,} against {SAMPLES:,} raw samples ({load()})")
    for name, pair in (("scores", scores), ("lengths", lengths)):
        for method in DriftMethod:
            rule = DriftRule(name, name, method, 0.1)
            _time(f"{name}, {method}", lambda pair=pair, rule=rule: _judge(rule, of_numbers(*pair)))
    labels = [random.integers(0, 10, SAMPLES).astype(str).tolist() for _ in range(2)]
    rule = DriftRule("labels", "labels", DriftMethod.TV, 0.1)
    numbers = [np.array(one).astype(int) for one in labels]
    _time("labels (numbers), TV", lambda: _judge(rule, of_labels(*numbers)))
    _time("labels (text), TV", lambda: _judge(rule, of_labels(*labels)))
    edges = (*(float(2**one) for one in range(20)), float("inf"))
    whole = [Buckets(edges, tuple(float((one <= e).sum()) for e in edges)) for one in lengths]
    print("\ndrift between two histograms of 21 buckets, as at a look")
    for method in DriftMethod:
        rule = DriftRule("lengths", "lengths", method, 0.1)
        _time(f"buckets, {method}", lambda rule=rule: _judge(rule, of_buckets(*whole)))


def _judge(rule: DriftRule, pair: Paired | None) -> None:
    assert pair is not None
    judge_drift(rule, pair)


def _time(name: str, run) -> None:
    took: list[tuple[float, float]] = []
    for _ in range(RUNS):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        took.append((time.perf_counter() - wall, time.process_time() - processor))
    walls = [one for one, _ in took]
    best = min(took)
    print(
        f"  {name:<24} best {best[0] * 1e3:7.2f} ms  median {median(walls) * 1e3:7.2f} ms"
        f"  processor {best[1] * 1e3:7.2f} ms"
    )


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores")
    measure()
