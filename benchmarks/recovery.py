"""When a disturbance began to be felt, and when it was over: pure arithmetic on raw results."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrivals import Times
from benchmarks.load_record import LoadRecord
from benchmarks.replies import Outcome

__all__ = ["BIN_S", "bin_edges", "first_lasting", "predicted_shares", "seconds_until_normal"]

BIN_S = 0.1
N_LASTING = 5
"""Bins in a row, half a second: a state that lasts so long is believed."""
NORMAL_OF_BEFORE = 0.95
"""A bin is normal when its share of predictions in time is at least this part of the share before the disturbance."""


def bin_edges(duration_s: float, bin_s: float = BIN_S) -> Times:
    """Edges of the bins of a run; the last bin ends at or before its end."""
    return np.arange(0.0, duration_s + 1e-9, bin_s)


def predicted_shares(record: LoadRecord, edges_s: Times) -> Times:
    """The share of requests due in each bin that were predicted in time; NaN in a bin without a request."""
    n_due, _ = np.histogram(record.due_s, edges_s)
    n_predicted, _ = np.histogram(record.due_s[record.outcome == Outcome.PREDICTED], edges_s)
    with np.errstate(invalid="ignore"):
        shares: Times = n_predicted / n_due
    return shares


def seconds_until_normal(record: LoadRecord, event_s: float, disturbed_s: float | None = None) -> float | None:
    """From `event_s` until the share of predictions in time is normal and stays so; 0.0 when it never suffers.

    What is normal is seen before `disturbed_s`, when the disturbance began; that is `event_s` unless said otherwise.
    None: it is not normal again within the record, or was nothing before.
    """
    edges_s = bin_edges(record.duration_s)
    shares = predicted_shares(record, edges_s)
    before = record.between(0.0, event_s if disturbed_s is None else disturbed_s)
    share_before = before.count(Outcome.PREDICTED) / max(1, before.n)
    if not share_before:
        return None
    is_normal = np.isnan(shares) | (shares >= NORMAL_OF_BEFORE * share_before)
    return first_lasting(is_normal, edges_s, event_s)


def first_lasting(states: NDArray[np.bool_], edges_s: Times, from_s: float) -> float | None:
    """Seconds from `from_s` to the first bin, that with `from_s` in it included, from which N_LASTING are true."""
    first = max(0, int(np.searchsorted(edges_s, from_s, side="right")) - 1)
    for i in range(first, len(states) - N_LASTING + 1):
        if states[i : i + N_LASTING].all():
            return max(0.0, round(float(edges_s[i]) - from_s, 3))
    return None
