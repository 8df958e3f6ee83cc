"""Latency histograms with logarithmic buckets, which merge exactly: minutes into hours, models into one.

Bucket i holds the milliseconds from 1.08^i up to 1.08^(i+1) and stands for its geometric middle, so that a
quantile is at most 3.93 % (the square root of 1.08) away from the measured value of that rank. Counts and sum
are whole numbers: merging is associative, and what was added can be subtracted without a trace.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

GROWTH = 1.08
RELATIVE_ERROR = math.sqrt(GROWTH) - 1
"""Of a quantile, at worst; exact for values below ``SMALLEST_MS``, which count as 0."""
SMALLEST_MS = 0.001
_LOG_GROWTH = math.log(GROWTH)
_ZERO = "zero"
_SUM = "sum_us"


@dataclass(slots=True)
class Histogram:
    """How often which duration was measured."""

    buckets: dict[int, int] = field(default_factory=dict)
    """Bucket index to its count; never 0."""
    zeros: int = 0
    """Count of values below ``SMALLEST_MS``."""
    sum_us: int = 0
    """Sum of all values in whole microseconds."""

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The histogram of durations in milliseconds."""
        histogram = cls()
        for value in values:
            histogram.add(value)
        return histogram

    @classmethod
    def from_json(cls, data: Mapping[str, int]) -> Self:
        """From what ``to_json`` gave."""
        return cls.merged([data])

    @classmethod
    def merged(cls, rows: Iterable[Mapping[str, int]]) -> Self:
        """The histogram of many stored ones: all keys of the stored form are sums, so they just add up."""
        totals: dict[str, int] = {}
        for row in rows:
            for key, amount in row.items():
                totals[key] = totals.get(key, 0) + amount
        zeros, sum_us = totals.pop(_ZERO, 0), totals.pop(_SUM, 0)
        return cls({int(key): count for key, count in totals.items() if count}, zeros, sum_us)

    def to_json(self) -> dict[str, int]:
        """Bucket index to count, with ``zero`` and ``sum_us`` beside them; ``{}`` when empty."""
        data = {str(index): self.buckets[index] for index in sorted(self.buckets)}
        if self.zeros:
            data[_ZERO] = self.zeros
        if self.sum_us:
            data[_SUM] = self.sum_us
        return data

    @property
    def count(self) -> int:
        """How many values were added."""
        return self.zeros + sum(self.buckets.values())

    @property
    def sum_ms(self) -> float:
        """Sum of all values in milliseconds, each rounded to a microsecond."""
        return self.sum_us / 1000

    def add(self, value_ms: float) -> None:
        """Count one duration in milliseconds. ValueError for a negative or infinite one."""
        if not 0 <= value_ms < math.inf:
            raise ValueError(f"A duration is a finite number of milliseconds from 0 on, not {value_ms}.")
        self.sum_us += round(value_ms * 1000)
        if value_ms < SMALLEST_MS:
            self.zeros += 1
            return
        index = math.floor(math.log(value_ms) / _LOG_GROWTH)
        self.buckets[index] = self.buckets.get(index, 0) + 1

    def merge(self, other: Self) -> None:
        """Add all that ``other`` counted."""
        for index, count in other.buckets.items():
            self.buckets[index] = self.buckets.get(index, 0) + count
        self.zeros += other.zeros
        self.sum_us += other.sum_us

    def subtract(self, other: Self) -> None:
        """Take back all that ``other`` counted. ValueError, and no change, where it was never added here."""
        left = {index: self.buckets.get(index, 0) - count for index, count in other.buckets.items()}
        if (
            self.zeros < other.zeros
            or self.sum_us < other.sum_us
            or any(count < 0 for count in left.values())
        ):
            raise ValueError("A histogram cannot give back values that were never added to it.")
        for index, count in left.items():
            if count:
                self.buckets[index] = count
            else:
                del self.buckets[index]
        self.zeros -= other.zeros
        self.sum_us -= other.sum_us

    def quantile(self, q: float) -> float | None:
        """Milliseconds of the smallest value with at least the share ``q`` at or below it, within
        ``RELATIVE_ERROR``; None when empty. ValueError unless 0 ≤ q ≤ 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"A quantile lies between 0 and 1, not at {q}.")
        count = self.count
        if count == 0:
            return None
        rank = max(1, math.ceil(q * count - 1e-9))
        seen = self.zeros
        if rank <= seen:
            return 0.0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if rank <= seen:
                break
        return float(GROWTH ** (index + 0.5))
