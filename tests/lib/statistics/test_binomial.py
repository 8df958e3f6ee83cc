import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.statistics.binomial import at_least, at_most, beta_quantile, regularized_beta

shapes = st.floats(0.1, 5_000)
probabilities = st.floats(0.001, 0.999)


@pytest.mark.parametrize(
    ("x", "a", "b", "expected"),
    [  # scipy.special.betainc of SciPy 1.17.1
        (0.3, 0.5, 0.5, 0.36901011956554536),
        (0.4, 2, 3, 0.5247999999999999),
        (0.95, 10, 1, 0.5987369392383787),
        (0.99, 200, 1, 0.1339796748579617),
        (0.9, 181, 20, 0.46553847082589694),
        (0.001, 1, 500, 0.39362105513881496),
        (0.505, 5_000, 5_000, 0.8413447463710366),
        (0.8, 800_001, 200_000, 0.49960105777449987),
    ],
)
def test_regularized_beta_agrees_with_reference_values(x, a, b, expected) -> None:
    assert regularized_beta(x, a, b) == pytest.approx(expected, rel=1e-8)


@given(probabilities, shapes, shapes)
def test_regularized_beta_is_symmetric(x, a, b) -> None:
    assert regularized_beta(x, a, b) == pytest.approx(1 - regularized_beta(1 - x, b, a), abs=1e-10)


@given(shapes, shapes, st.tuples(probabilities, probabilities).map(sorted))
def test_regularized_beta_rises_with_x(a, b, xs) -> None:
    assert regularized_beta(xs[0], a, b) <= regularized_beta(xs[1], a, b) + 1e-12


@pytest.mark.parametrize(("x", "expected"), [(0, 0), (-1, 0), (1, 1), (2, 1)])
def test_regularized_beta_is_flat_beyond_its_ends(x, expected) -> None:
    assert regularized_beta(x, 2, 3) == expected


@pytest.mark.parametrize(
    ("p", "a", "b", "expected"),
    [  # scipy.special.betaincinv of SciPy 1.17.1
        (0.025, 181, 20, 0.8556233600231474),
        (0.975, 4, 197, 0.0432082819177126),
        (0.5, 2, 3, 0.3857275681323895),
    ],
)
def test_beta_quantile_agrees_with_reference_values(p, a, b, expected) -> None:
    assert beta_quantile(p, a, b) == pytest.approx(expected, rel=1e-10)


@given(st.floats(0.01, 0.99), st.floats(1, 500), st.floats(1, 500))
def test_beta_quantile_inverts_the_distribution(p, a, b) -> None:
    assert regularized_beta(beta_quantile(p, a, b), a, b) == pytest.approx(p, abs=1e-9)


@given(st.integers(1, 40), probabilities, st.data())
def test_tail_is_the_sum_of_binomial_probabilities(n, p, data) -> None:
    k = data.draw(st.integers(0, n))
    upper = math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
    assert at_least(k, n, p) == pytest.approx(upper, abs=1e-12)
    assert at_most(k - 1, n, p) == pytest.approx(1 - upper, abs=1e-12)
