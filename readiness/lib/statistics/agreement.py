"""How well two sources of labels agree: a scorer and people, two reviewers, two models on the same items."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from readiness.lib.statistics.base import GATE_LEVEL, Estimate, Method, check_level
from readiness.lib.statistics.binomial import at_most
from readiness.lib.statistics.rates import estimate_rate, normal_quantile

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of what was flagged against what was truly to be flagged."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @classmethod
    def count(cls, pairs: Iterable[tuple[bool, bool]]) -> Self:
        """From pairs of (flagged, truth)."""
        counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
        for flagged, truth in pairs:
            counts[bool(flagged), bool(truth)] += 1
        return cls(counts[True, True], counts[True, False], counts[False, True], counts[False, False])

    @property
    def n(self) -> int:
        """All pairs."""
        return self.true_positives + self.false_positives + self.false_negatives + self.true_negatives

    @property
    def positives(self) -> int:
        """Pairs that were truly to be flagged."""
        return self.true_positives + self.false_negatives

    @property
    def flagged(self) -> int:
        """Pairs that were flagged."""
        return self.true_positives + self.false_positives

    @property
    def precision(self) -> Estimate | None:
        """Share of the flagged that were right, with Wilson's interval; None where nothing was flagged."""
        return _share(self.true_positives, self.flagged)

    @property
    def recall(self) -> Estimate | None:
        """Share of the positives that were flagged (sensitivity); None without positives."""
        return _share(self.true_positives, self.positives)

    @property
    def specificity(self) -> Estimate | None:
        """Share of the negatives that were let through; None without negatives."""
        return _share(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where nothing is positive and nothing was flagged."""
        total = self.flagged + self.positives
        return 2 * self.true_positives / total if total else None

    @property
    def trivial(self) -> Self:
        """What flagging everything would have counted: a scorer that does no better is worth nothing."""
        negatives = self.n - self.positives
        return type(self)(self.positives, negatives, 0, 0)


def _share(part: int, whole: int) -> Estimate | None:
    return estimate_rate(part, whole, method=Method.WILSON) if whole else None


def auroc(scores: Sequence[float], truths: Sequence[bool], *, level: float = GATE_LEVEL) -> Estimate | None:
    """Chance that a positive scores above a negative, ties counted half; None where either kind is absent.

    Bounds by DeLong, DeLong and Clarke-Pearson (1988) on midranks (Sun and Xu 2014), clipped to [0, 1]. They
    take the pairs for independent: several answers to one question make them too narrow. Infinite where
    either kind has one member only.
    """
    check_level(level)
    if len(scores) != len(truths):
        raise ValueError(f"{len(scores)} scores and {len(truths)} truths do not pair up.")
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(truths, dtype=bool)
    if not np.isfinite(values).all():
        raise ValueError("An AUROC needs finite scores.")
    positive, negative = values[truth], values[~truth]
    if not len(positive) or not len(negative):
        return None
    ranks = _midranks(values)
    # How often each positive beats the negatives, and each negative is beaten by the positives.
    wins = (ranks[truth] - _midranks(positive)) / len(negative)
    losses = 1 - (ranks[~truth] - _midranks(negative)) / len(positive)
    area = float(wins.mean())
    if min(len(positive), len(negative)) == 1:
        return Estimate(area, len(values), float("-inf"), float("inf"), Method.DELONG)
    variance = wins.var(ddof=1) / len(positive) + losses.var(ddof=1) / len(negative)
    reach = normal_quantile(level) * float(np.sqrt(variance))
    return Estimate(area, len(values), max(0.0, area - reach), min(1.0, area + reach), Method.DELONG)


def _midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, tied values sharing their mean."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    return ranks


def cohen_kappa(
    pairs: Sequence[tuple[str, str]], *, level: float = GATE_LEVEL, seed: int = 0
) -> Estimate | None:
    """Chance-corrected agreement of two raters (Cohen 1960) on the same items, with a bootstrap interval.

    None without items, or where both raters gave one and the same label throughout: nothing is left to
    correct. Resamples in which that happens are left out of the percentiles.
    """
    check_level(level)
    labels = sorted({label for pair in pairs for label in pair})
    if len(labels) < 2:
        return None
    index = {label: i for i, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)))
    for first, second in pairs:
        table[index[first], index[second]] += 1
    n = len(pairs)
    rng = np.random.default_rng(seed)
    tables = rng.multinomial(n, (table / n).ravel(), RESAMPLES).reshape(-1, *table.shape)
    low, high = np.nanquantile(_kappas(tables / n), [1 - level, level])
    return Estimate(
        float(_kappas(table[None] / n)[0]), n, float(low), float(high), Method.BOOTSTRAP_PERCENTILE
    )


def _kappas(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kappa of each table of label shares (tables × labels × labels); NaN where chance agrees always."""
    observed = np.trace(shares, axis1=1, axis2=2)
    expected = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    correctable = expected < 1 - 1e-12
    kappas = np.full(len(shares), np.nan)
    kappas[correctable] = (observed - expected)[correctable] / (1 - expected)[correctable]
    return kappas


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided exact p-value of McNemar's test from the discordant pairs; 1 without any.

    ``fixed`` items fail with the first and pass with the second, ``broken`` ones the other way round.
    """
    if fixed < 0 or broken < 0:
        raise ValueError("Counts of pairs are not negative.")
    return min(1.0, 2 * at_most(min(fixed, broken), fixed + broken, 0.5))
