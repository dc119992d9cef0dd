"""Counters and histograms of a model's own.

    from skysail_container.metrics import counter, histogram

    refused = counter("refused_rows", "Rows that the model would not judge", labels=["reason"])
    refused.add(1, reason="too old")

They appear at management's /metrics as `skysail_user_refused_rows_total`, with the labels model, version and replica
besides their own. prometheus_client is imported with the first of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from threading import Lock
from typing import Any, TypeVar

__all__ = ["MAX_SERIES", "Counter", "Histogram", "counter", "exposition", "histogram"]

PREFIX = "skysail_user_"
MAX_SERIES = 100
"""Label combinations of all metrics of a process together. What comes beyond is counted under `OTHER`."""
MAX_BUCKETS = 20
MAX_LABELS = 5
MAX_VALUE_CHARACTERS = 64
"""Longer label values are cut."""
OTHER = "other"
DEFAULT_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 100.0)

_RESERVED = frozenset({"model", "version", "replica", "le", "quantile"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")


class _Metric:
    """One metric with its label combinations. Safe to use from several threads.

    Invariant: over all metrics of a process there are at most `MAX_SERIES` combinations, and one of `OTHER` per metric.
    """

    def __init__(self, metric: Any, labels: Sequence[str], series: _Series) -> None:
        self._metric = metric
        self._labels = tuple(labels)
        self._series = series
        self._children: dict[tuple[str, ...], Any] = {}
        if not self._labels:
            self._child({})

    def _child(self, values: dict[str, object]) -> Any:
        if values.keys() != set(self._labels):
            raise ValueError(f"labels {sorted(values)} are given, {list(self._labels)} are declared")
        combination = tuple([str(values[name])[:MAX_VALUE_CHARACTERS] for name in self._labels])
        child = self._children.get(combination)
        if child is None:
            child = self._new_child(combination)
        return child

    def _new_child(self, combination: tuple[str, ...]) -> Any:
        with self._series.lock:
            if not self._series.is_room():
                return self._metric.labels(*[OTHER] * len(self._labels))
            self._series.take()
            child = self._metric.labels(*combination) if self._labels else self._metric
            self._children[combination] = child
            return child


M = TypeVar("M", bound=_Metric)


class Counter(_Metric):
    """A sum that only grows."""

    def add(self, amount: float = 1, **labels: object) -> None:
        """:raises ValueError: `amount` is negative, or the labels are not the declared ones."""
        self._child(labels).inc(amount)


class Histogram(_Metric):
    """How values are distributed over buckets."""

    def observe(self, value: float, **labels: object) -> None:
        """:raises ValueError: the labels are not the declared ones."""
        self._child(labels).observe(value)


class _Series:
    """All metrics of the process."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.metrics: dict[str, _Metric] = {}
        self.registry: Any = None
        self._n_taken = 0

    def is_room(self) -> bool:
        return self._n_taken < MAX_SERIES

    def take(self) -> None:
        self._n_taken += 1

    def client(self) -> Any:
        """prometheus_client, imported now if it was not before."""
        client = import_module("prometheus_client")
        if self.registry is None:
            client.disable_created_metrics()
            self.registry = client.CollectorRegistry()
        return client


_series = _Series()


def counter(name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
    """A counter of this name; the same one when it was declared before.

    :raises ValueError: a name or label is not one, there are too many, or the name is taken by something else.
    :raises ModuleNotFoundError: prometheus_client is not installed.
    """
    known = _known(name, labels, Counter)
    if known is not None:
        return known
    metric = _series.client().Counter(PREFIX + name, help_text, tuple(labels), registry=_series.registry)
    made = _series.metrics[name] = Counter(metric, labels, _series)
    return made


def histogram(
    name: str, help_text: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
) -> Histogram:
    """A histogram of this name; the same one when it was declared before.

    :param buckets: upper bounds, rising; infinity is added.
    :raises ValueError: as for a counter, or there are too many buckets, or they do not rise.
    :raises ModuleNotFoundError: prometheus_client is not installed.
    """
    known = _known(name, labels, Histogram)
    if known is not None:
        return known
    if not 0 < len(buckets) <= MAX_BUCKETS:
        raise ValueError(f"histogram {name!r} has {len(buckets)} buckets; 1 to {MAX_BUCKETS} are allowed")
    metric = _series.client().Histogram(
        PREFIX + name, help_text, tuple(labels), buckets=tuple(buckets), registry=_series.registry
    )
    made = _series.metrics[name] = Histogram(metric, labels, _series)
    return made


def exposition() -> bytes | None:
    """All metrics of the process as Prometheus text; None while there are none."""
    if not _series.metrics:
        return None
    text: bytes = import_module("prometheus_client").generate_latest(_series.registry)
    return text


def _known(name: str, labels: Sequence[str], kind: type[M]) -> M | None:
    """The metric that was declared so before."""
    wrong = [word for word in (name, *labels) if not _NAME.fullmatch(word)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not a name of lower-case letters, digits and underscores")
    if reserved := _RESERVED & set(labels):
        raise ValueError(f"the label {min(reserved)!r} is added by Skysail")
    if len(labels) > MAX_LABELS:
        raise ValueError(f"{name!r} has {len(labels)} labels; {MAX_LABELS} are allowed")
    known = _series.metrics.get(name)
    if known is None:
        if not _series.is_room():
            raise ValueError(f"a model may have {MAX_SERIES} series of its own, and has them already")
        return None
    if not isinstance(known, kind) or known._labels != tuple(labels):
        raise ValueError(f"a metric {name!r} with another kind or other labels is declared already")
    return known
