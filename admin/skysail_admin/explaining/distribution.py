"""What was observed of one duration or size: how many times, in all, and in which buckets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from skysail_admin.prometheus_text import quantile_s

__all__ = ["Distribution"]


@dataclass(frozen=True)
class Distribution:
    """`buckets` are (upper bound, cumulative count), rising, the last bound infinite; empty when nothing is known."""

    n: float = 0.0
    total: float = 0.0
    buckets: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of_values(cls, values: Iterable[float]) -> Distribution:
        """Of values that are known one by one: each is a bound of its own."""
        ordered = sorted(values)
        return cls(len(ordered), sum(ordered), tuple((value, rank + 1.0) for rank, value in enumerate(ordered)))

    @property
    def mean(self) -> float:
        """0 when nothing was observed."""
        return self.total / self.n if self.n else 0.0

    @property
    def largest(self) -> float:
        """The bound that nothing observed was above; the highest finite one if something was."""
        return self.quantile(1.0) or 0.0

    @property
    def n_used_buckets(self) -> int:
        """How many buckets hold something."""
        return len(self._counts())

    @property
    def mean_by_size(self) -> float:
        """The mean in which a value counts as many times as it is large: the batch that a row finds itself in is
        larger than the mean batch. Each bucket stands for its middle; never below the mean."""
        middles = [(middle, count) for middle, count in self._counts() if middle != float("inf")]
        total = sum(middle * count for middle, count in middles)
        weighed = sum(middle * middle * count for middle, count in middles) / total if total else 0.0
        return max(self.mean, weighed)

    def quantile(self, quantile: float) -> float | None:
        """Linear within its bucket; None when nothing was observed."""
        return quantile_s(self.buckets, quantile)

    def _counts(self) -> list[tuple[float, float]]:
        """Middle and own count of every bucket that holds something. Sizes are whole: a bucket begins one above."""
        found = []
        lower, below = 0.0, 0.0
        for upper, count in self.buckets:
            if count > below:
                found.append(((lower + 1.0 + upper) / 2.0 if upper != float("inf") else lower, count - below))
            lower, below = upper, count
        return found
