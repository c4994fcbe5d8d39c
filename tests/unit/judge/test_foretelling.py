"""What is foretold in closed form, against steps that are simulated and judged by the rule itself."""

import numpy as np
import pytest

from cutover.foresight.chances import Setting, quantile, simulate
from cutover.judge.errors import ErrorRule
from cutover.judge.evidence import Reference
from cutover.judge.foretelling import requests_for_a_pass
from cutover.judge.latency import LatencyRule

LATENCY = LatencyRule("first-token", "TimeToFirstToken", 1.0, max_above=0.05, margin=0.025)
ERRORS = ErrorRule("errors", max=0.01, ratio=2.0)
MIN_REQUESTS = 300


@pytest.mark.parametrize("weight", [1, 5, 10, 25])
@pytest.mark.parametrize(
    ("rule", "share"),
    [(LATENCY, 0.001), (LATENCY, 0.02), (LATENCY, 0.04), (ERRORS, 0.0), (ERRORS, 0.002)],
    ids=str,
)
def test_nine_in_ten_simulated_steps_pass_on_about_as_many_requests(
    rule: LatencyRule | ErrorRule, share: float, weight: int
) -> None:
    setting = Setting(float(weight), 3.0, 30.0, 0.0, 0.0, 86_400.0, MIN_REQUESTS)
    rng = np.random.default_rng(3)
    passed = simulate(rule, setting, share, share, rng=rng, runs=60).passed
    simulated = quantile(passed, 0.9) * setting.target_rate
    foretold = requests_for_a_pass(
        rule, share=share, weight=float(weight), min_requests=MIN_REQUESTS
    )
    assert foretold is not None
    assert 0.65 < foretold / simulated < 1.5


def test_never_fewer_than_the_spec_asks_for() -> None:
    for weight, least in ((1.0, 75), (5.0, 150), (10.0, 300), (50.0, 300)):
        needed = requests_for_a_pass(LATENCY, share=0.0, weight=weight, min_requests=300)
        assert needed is not None
        assert needed >= least


def test_a_source_near_its_limit_takes_longer() -> None:
    near, far = (
        requests_for_a_pass(ERRORS, share=share, weight=10.0, min_requests=300)
        for share in (0.006, 0.001)
    )
    assert near is not None
    assert far is not None
    assert near > 2 * far


def test_at_100_percent_a_reference_stands_in_for_the_source() -> None:
    without = requests_for_a_pass(LATENCY, share=0.06, weight=100.0, min_requests=300)
    against = requests_for_a_pass(
        LATENCY, share=0.06, weight=100.0, min_requests=300, reference=Reference(0.06, 50_000.0)
    )
    assert without is None
    assert against is not None
