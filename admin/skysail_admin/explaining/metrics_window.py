"""What was counted between two scrapes of the same metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from skysail_admin.explaining.distribution import Distribution
from skysail_admin.prometheus_text import Sample

__all__ = ["MetricsWindow"]


class MetricsWindow:
    """The second scrape less the first. Without a first one: all since the counters began.

    A series that the first scrape did not have counts from zero. When one went backwards, the counters began anew in
    between, or another process answered: `is_reset`, and all of them count from zero.
    """

    def __init__(self, after: Iterable[Sample], before: Iterable[Sample] = ()) -> None:
        self._after = list(after)
        earlier = {_key(sample): sample.value for sample in before}
        self.is_reset = any(
            sample.value < earlier.get(_key(sample), 0.0) for sample in self._after if sample.name.endswith("_total")
        )
        self._before = {} if self.is_reset else earlier

    def counter(self, name: str, **labels: str) -> float:
        """How much a counter (named without `_total`) rose, over all series with these labels."""
        return sum(self._risen(sample) for sample in self._series(f"{name}_total", labels))

    def counters(self, name: str, by: str, **labels: str) -> Mapping[str, float]:
        """The same for each value of the label `by`; those that did not rise are left out."""
        risen: dict[str, float] = {}
        for sample in self._series(f"{name}_total", labels):
            value = sample.labels.get(by, "")
            risen[value] = risen.get(value, 0.0) + self._risen(sample)
        return {value: amount for value, amount in risen.items() if amount > 0.0}

    def gauge(self, name: str, **labels: str) -> float:
        """The value at the end; 0 if there is none."""
        return sum(sample.value for sample in self._series(name, labels))

    def histogram(self, name: str, **labels: str) -> Distribution:
        """What was observed in between, over all series with these labels."""
        buckets: dict[float, float] = {}
        for sample in self._series(f"{name}_bucket", labels):
            upper = float(sample.labels["le"])
            buckets[upper] = buckets.get(upper, 0.0) + self._risen(sample)
        n = sum(self._risen(sample) for sample in self._series(f"{name}_count", labels))
        total = sum(self._risen(sample) for sample in self._series(f"{name}_sum", labels))
        return Distribution(n, total, tuple(sorted(buckets.items())))

    def knows(self, name: str, **labels: str) -> bool:
        """Whether there is such a series, by its full name."""
        return bool(self._series(name, labels))

    def _series(self, name: str, labels: Mapping[str, str]) -> list[Sample]:
        return [sample for sample in self._after if sample.name == name and labels.items() <= sample.labels.items()]

    def _risen(self, sample: Sample) -> float:
        return sample.value - self._before.get(_key(sample), 0.0)


def _key(sample: Sample) -> tuple[str, frozenset[tuple[str, str]]]:
    return sample.name, frozenset(sample.labels.items())
