"""What the raw results of an open loop amount to: counts, shares, and percentiles of all values, not of buckets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.arrivals import Times
from benchmarks.load_record import LoadRecord
from benchmarks.replies import Outcome

__all__ = ["LoadSummary", "Percentile", "percentile_ladder", "percentile_ms", "summarize"]

MAX_LAG_P99_S = 0.005
"""A generator that came later than this to one in a hundred requests did not offer the load it was told to."""


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """Requests counted by outcome; latencies of all answered ones, default outputs too, from the intended time."""

    n_requests: int
    offered_per_s: float
    goodput_per_s: float
    """Predictions in time per second of intended load."""
    predicted: int
    defaulted: dict[str, int]
    """In time, by reason."""
    late: int
    http_errors: int
    wrong: int
    none: int
    cancelled: int
    surplus: int
    """Answers to no request."""
    repeated_ids: int
    """Answers with a query id that another answer has too."""
    predicted_share: float
    """Of the requests whose client did not leave."""
    in_time_share: float
    """Answered in time, with a prediction or a default output."""
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    lag_p99_ms: float
    """Of the generator itself: from the intended time to when it came to a request."""
    client_cpu_s: float

    @property
    def kept_up(self) -> bool:
        return self.lag_p99_ms <= 1e3 * MAX_LAG_P99_S

    @property
    def one_answer_each(self) -> bool:
        """Every request had exactly one answer, a right one with a query id of its own."""
        return self.none == self.wrong == self.surplus == self.repeated_ids == 0


@dataclass(frozen=True, slots=True)
class Percentile:
    """One rung of the ladder: `share` of the values are at most `value_ms`; `n_above` are greater."""

    share: float
    value_ms: float
    n_above: int


def summarize(record: LoadRecord) -> LoadSummary:
    counts = {outcome: record.count(outcome) for outcome in Outcome}
    n_staying = max(1, record.n - counts[Outcome.CANCELLED])
    in_time = counts[Outcome.PREDICTED] + counts[Outcome.DEFAULTED]
    latency_s = _sorted(record.latency_s)
    ids = record.query_id[record.query_id >= 0]
    return LoadSummary(
        n_requests=record.n,
        offered_per_s=round(record.n / max(1e-9, record.duration_s), 3),
        goodput_per_s=round(counts[Outcome.PREDICTED] / max(1e-9, record.duration_s), 3),
        predicted=counts[Outcome.PREDICTED],
        defaulted=_defaults_by_reason(record),
        late=counts[Outcome.LATE],
        http_errors=counts[Outcome.HTTP_ERROR],
        wrong=counts[Outcome.WRONG],
        none=counts[Outcome.NONE],
        cancelled=counts[Outcome.CANCELLED],
        surplus=record.n_surplus,
        repeated_ids=len(ids) - len(np.unique(ids)),
        predicted_share=round(counts[Outcome.PREDICTED] / n_staying, 5),
        in_time_share=round(in_time / n_staying, 5),
        p50_ms=percentile_ms(latency_s, 0.5),
        p99_ms=percentile_ms(latency_s, 0.99),
        p999_ms=percentile_ms(latency_s, 0.999),
        max_ms=percentile_ms(latency_s, 1.0),
        lag_p99_ms=percentile_ms(_sorted(record.picked_s - record.due_s), 0.99),
        client_cpu_s=round(record.cpu_s, 3),
    )


def percentile_ms(ordered_s: Times, share: float) -> float:
    """Nearest rank, in milliseconds; 0.0 of nothing."""
    if not len(ordered_s):
        return 0.0
    return round(1e3 * float(ordered_s[_rank(len(ordered_s), share)]), 4)


def percentile_ladder(values_s: Times, shares: Sequence[float] | None = None) -> list[Percentile]:
    """The distribution as HdrHistogram prints it: each rung halves what is above, up to the greatest value.

    Exact: from all values. NaN is left out.
    """
    ordered_s = _sorted(values_s)
    n = len(ordered_s)
    if shares is None:
        shares = [1.0 - 0.5**k for k in range(1, n.bit_length())] + [1.0]
    return [Percentile(share, percentile_ms(ordered_s, share), n - 1 - _rank(n, share)) for share in shares if n]


def _rank(n: int, share: float) -> int:
    return max(0, min(n - 1, int(np.ceil(share * n - 1e-9)) - 1))


def _sorted(values_s: Times) -> Times:
    return np.sort(values_s[~np.isnan(values_s)])


def _defaults_by_reason(record: LoadRecord) -> dict[str, int]:
    reasons = record.reason[record.outcome == Outcome.DEFAULTED]
    counts = np.bincount(reasons, minlength=len(record.reasons))
    return {name: int(count) for name, count in zip(record.reasons, counts, strict=True) if count}
