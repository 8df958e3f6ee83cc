import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.statistics import clopper_pearson, confidence_sequence
from readiness.lib.statistics.sequences import log_evidence

counts = st.integers(1, 1_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def _chance_to_exclude(p: float, looks: int, level: float) -> float:
    """Exact chance that the lower bound exceeds the true rate p at any of the first looks."""
    needed = -math.log1p(-level)
    alive, excluded = {0: 1.0}, 0.0
    for n in range(1, looks + 1):
        following: dict[int, float] = {}
        for successes, chance in alive.items():
            following[successes] = following.get(successes, 0.0) + chance * (1 - p)
            following[successes + 1] = following.get(successes + 1, 0.0) + chance * p
        alive = {}
        for successes, chance in following.items():
            if log_evidence(successes, n - successes, p) >= needed:
                excluded += chance
            else:
                alive[successes] = chance
    return excluded


@pytest.mark.parametrize("p", [0.05, 0.5, 0.8, 0.95])
def test_true_rate_is_rarely_excluded_at_any_look(p) -> None:
    assert _chance_to_exclude(p, looks=200, level=0.975) <= 0.025


def test_plain_bound_excludes_the_true_rate_too_often_when_looked_at_repeatedly() -> None:
    """What the sequence is for: the same looks at the exact bound err more often than its level."""
    p, excluded, alive = 0.8, 0.0, {0: 1.0}
    for n in range(1, 101):
        following: dict[int, float] = {}
        for successes, chance in alive.items():
            following[successes] = following.get(successes, 0.0) + chance * (1 - p)
            following[successes + 1] = following.get(successes + 1, 0.0) + chance * p
        alive = following
        if n % 10 == 0:
            out = [successes for successes in alive if clopper_pearson(successes, n).low > p]
            excluded += sum(alive.pop(successes) for successes in out)
    assert excluded > 0.04


@given(counts, st.floats(0.01, 0.99))
def test_lower_bound_is_where_the_evidence_suffices(count, p0) -> None:
    successes, n = count
    refuted = log_evidence(successes, n - successes, p0) >= -math.log1p(-0.975)
    assert refuted == (confidence_sequence(successes, n).low >= p0)


@given(counts)
def test_sequence_is_wider_than_the_bound_for_one_look(count) -> None:
    sequence, exact = confidence_sequence(*count), clopper_pearson(*count)
    assert sequence.low <= exact.low + 1e-12
    assert exact.high <= sequence.high + 1e-12


@given(counts)
def test_sequence_mirrors_failures(count) -> None:
    successes, n = count
    interval, mirrored = confidence_sequence(successes, n), confidence_sequence(n - successes, n)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - interval.high, 1 - interval.low), abs=1e-9)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_one_more_success_never_lowers_the_bounds(count) -> None:
    successes, n = count
    before, after = confidence_sequence(successes, n), confidence_sequence(successes + 1, n + 1)
    assert before.low <= after.low
    assert before.high <= after.high


def test_evidence_is_the_average_likelihood_ratio() -> None:
    """Against the midpoint rule over all higher rates, the definition itself."""
    successes, failures, p0, steps = 18, 2, 0.7, 20_000
    rates = [p0 + (1 - p0) * (step + 0.5) / steps for step in range(steps)]
    ratios = [(p / p0) ** successes * ((1 - p) / (1 - p0)) ** failures for p in rates]
    assert log_evidence(successes, failures, p0) == pytest.approx(
        math.log(math.fsum(ratios) / steps), abs=1e-6
    )


def test_nothing_seen_leaves_everything_possible() -> None:
    interval = confidence_sequence(0, 0)
    assert (interval.low, interval.high) == (0, 1)
