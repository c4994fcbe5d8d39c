"""What a past shows of bursts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.judge.evidence import Count, SideSums, correlation
from cutover.judge.past import FEWEST_LOOKS, clustering

counts = st.builds(
    lambda total, share: Count(total, total * share), st.floats(0, 1e5), st.floats(0, 1)
)


def drawn(shares: np.ndarray, seed: int) -> list[Count]:
    rng = np.random.default_rng(seed)
    requests = rng.poisson(300, len(shares))
    return [
        Count(float(n), float(x))
        for n, x in zip(requests, rng.binomial(requests, shares), strict=True)
    ]


@given(st.lists(counts, max_size=3 * FEWEST_LOOKS))
def test_it_is_a_share_or_unknown(looks: list[Count]) -> None:
    found = clustering(looks)
    assert found.looks == sum(one.total >= 1e-6 for one in looks)
    if found.looks < FEWEST_LOOKS:
        assert found.correlation is None
    else:
        assert found.correlation is not None
        assert 0.0 <= found.correlation <= 1.0


@given(st.lists(counts, min_size=FEWEST_LOOKS, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_the_looks_does_not_matter(looks: list[Count], random) -> None:
    shuffled = list(looks)
    random.shuffle(shuffled)
    one, other = clustering(looks).correlation, clustering(shuffled).correlation
    assert (one is None) == (other is None)
    assert one == pytest.approx(other, abs=1e-6) if one is not None else other is None


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_steady_errors_show_next_to_none(share: float, seed: int) -> None:
    found = clustering(drawn(np.full(1440, share), seed)).correlation
    assert found is not None
    assert found < 0.0005


@pytest.mark.parametrize("seed", range(3))
def test_the_correlation_of_a_beta_binomial_is_found_again(seed: int) -> None:
    r, mean = 0.05, 0.01
    rng = np.random.default_rng(seed)
    shares = rng.beta(mean * (1 / r - 1), (1 - mean) * (1 / r - 1), 20_000)
    assert clustering(drawn(shares, seed)).correlation == pytest.approx(r, rel=0.15)


def test_it_is_the_correlation_of_the_sums() -> None:
    looks = drawn(np.tile([0.0, 0.2], FEWEST_LOOKS), 1)
    sums = SideSums()
    for look in looks:
        sums = sums.add(look)
    assert clustering(looks).correlation == correlation(sums) > 0.05
