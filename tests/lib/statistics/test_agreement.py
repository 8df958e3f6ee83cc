import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.statistics import Confusion, Method, auroc, cohen_kappa, mcnemar, wilson

labelled = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60)


def _auroc_by_definition(scores, truths) -> float:
    pairs = [
        (p, n)
        for p, t in zip(scores, truths, strict=True)
        if t
        for n, u in zip(scores, truths, strict=True)
        if not u
    ]
    return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)


def test_confusion_counts_pairs_of_flag_and_truth() -> None:
    pairs = [(True, True)] * 3 + [(True, False)] * 2 + [(False, True)] + [(False, False)] * 4
    assert Confusion.count(pairs) == Confusion(3, 2, 1, 4)


def test_confusion_gives_precision_recall_and_specificity_with_intervals() -> None:
    confusion = Confusion(30, 10, 20, 40)
    assert confusion.precision is not None
    assert (confusion.precision.value, confusion.precision.high) == (0.75, wilson(30, 40).high)
    assert confusion.recall is not None
    assert (confusion.recall.value, confusion.recall.n) == (0.6, 50)
    assert confusion.specificity is not None
    assert confusion.specificity.value == 0.8


def test_f1_is_the_harmonic_mean() -> None:
    assert Confusion(30, 10, 20, 40).f1 == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


def test_shares_of_nothing_are_absent() -> None:
    nothing = Confusion(0, 0, 0, 5)
    assert (nothing.precision, nothing.recall, nothing.f1) == (None, None, None)
    assert Confusion(1, 0, 1, 0).specificity is None


def test_trivial_row_flags_everything() -> None:
    trivial = Confusion(30, 10, 20, 40).trivial
    assert trivial == Confusion(50, 50, 0, 0)
    assert trivial.f1 == pytest.approx(2 / 3)


def test_auroc_of_a_perfect_order_is_one_and_of_its_reverse_zero() -> None:
    perfect = auroc([1, 2, 3, 4], [False, False, True, True])
    reverse = auroc([4, 3, 2, 1], [False, False, True, True])
    assert perfect is not None
    assert reverse is not None
    assert (perfect.value, reverse.value) == (1, 0)


@given(labelled)
def test_auroc_is_the_share_of_pairs_in_order_with_ties_halved(pairs) -> None:
    scores, truths = zip(*pairs, strict=True)
    estimate = auroc(scores, truths)
    if len(set(truths)) == 1:
        assert estimate is None
    else:
        assert estimate is not None
        assert estimate.value == pytest.approx(_auroc_by_definition(scores, truths))


@given(labelled)
def test_auroc_lies_within_its_bounds(pairs) -> None:
    scores, truths = zip(*pairs, strict=True)
    estimate = auroc(scores, truths)
    if estimate is not None:
        assert estimate.low - 1e-12 <= estimate.value <= estimate.high + 1e-12


def test_auroc_bounds_agree_with_placements_by_hand() -> None:
    """DeLong's variance from the placement values, written out for three against three."""
    estimate = auroc([1, 3, 5, 2, 4, 6], [False, False, False, True, True, True])
    wins, losses = [1 / 3, 2 / 3, 1], [1, 2 / 3, 1 / 3]
    error = math.sqrt(np.var(wins, ddof=1) / 3 + np.var(losses, ddof=1) / 3)
    assert estimate is not None
    assert estimate.method is Method.DELONG
    assert estimate.low == pytest.approx(2 / 3 - 1.959964 * error, abs=1e-6)


def test_auroc_bounds_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    truths = [True] * 60 + [False] * 90
    # The AUROC of two unit normals one apart is Φ(1/√2).
    truth = 0.5 * math.erfc(-0.5)
    estimates = [auroc(np.r_[rng.normal(1, 1, 60), rng.normal(0, 1, 90)], truths) for _ in range(400)]
    covered = sum(estimate is not None and estimate.low <= truth <= estimate.high for estimate in estimates)
    assert 0.92 <= covered / 400 <= 0.98


def test_auroc_with_a_single_positive_is_unbounded() -> None:
    estimate = auroc([1, 2, 3], [False, False, True])
    assert estimate is not None
    assert (estimate.low, estimate.high) == (-math.inf, math.inf)


@pytest.mark.parametrize(("scores", "truths"), [([1.0], [True, False]), ([math.nan, 1.0], [True, False])])
def test_auroc_of_unpaired_or_missing_scores_is_refused(scores, truths) -> None:
    with pytest.raises(ValueError, match=r"pair up|finite"):
        auroc(scores, truths)


def _pairs(table: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    return list(Counter(table).elements())


def test_kappa_agrees_with_published_values() -> None:
    # Fleiss, Statistical Methods for Rates and Proportions, 3rd ed. 2003, table 18.1: 100 patients.
    table = {
        ("psychotic", "psychotic"): 75,
        ("psychotic", "neurotic"): 1,
        ("psychotic", "organic"): 4,
        ("neurotic", "psychotic"): 5,
        ("neurotic", "neurotic"): 4,
        ("neurotic", "organic"): 1,
        ("organic", "organic"): 10,
    }
    estimate = cohen_kappa(_pairs(table))
    assert estimate is not None
    assert estimate.value == pytest.approx(0.676, abs=0.001)
    # Fleiss gives a standard error of .087.
    assert (estimate.low, estimate.high) == pytest.approx((0.676 - 0.172, 0.676 + 0.172), abs=0.04)


def test_kappa_of_full_agreement_is_one_and_of_chance_zero() -> None:
    full = cohen_kappa([("a", "a")] * 5 + [("b", "b")] * 5)
    chance = cohen_kappa([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")] * 10)
    assert full is not None
    assert chance is not None
    assert (full.value, chance.value) == pytest.approx((1, 0))


def test_kappa_without_any_variation_is_absent() -> None:
    assert cohen_kappa([("a", "a")] * 9) is None
    assert cohen_kappa([]) is None


def test_kappa_does_not_depend_on_who_is_named_first() -> None:
    pairs = [("a", "b")] * 7 + [("a", "a")] * 20 + [("b", "b")] * 11 + [("b", "a")] * 2
    first, second = cohen_kappa(pairs), cohen_kappa([(b, a) for a, b in pairs])
    assert first is not None
    assert second is not None
    assert first.value == pytest.approx(second.value)


@pytest.mark.parametrize(
    ("fixed", "broken", "p"),
    # scipy.stats.binomtest(fixed, fixed + broken).pvalue of SciPy 1.17.1
    [(1, 9, 0.021484375), (5, 5, 1.0), (3, 12, 0.03515625), (0, 6, 0.03125), (0, 0, 1.0)],
)
def test_mcnemar_agrees_with_reference_values(fixed, broken, p) -> None:
    assert mcnemar(fixed, broken) == pytest.approx(p)
    assert mcnemar(broken, fixed) == pytest.approx(p)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="not negative"):
        mcnemar(-1, 3)
