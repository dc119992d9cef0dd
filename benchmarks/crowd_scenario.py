"""The row of the table about clients: thousands of connections, some that leave, some that never read."""

from __future__ import annotations

import numpy as np

from benchmarks.lab import SLO, Lab, Sample
from benchmarks.load_record import LoadRecord
from benchmarks.plots import plot_memory
from benchmarks.replies import Outcome
from benchmarks.serving_stack import BULKY_PATH

__all__ = ["crowd"]

N_CONNECTIONS, QUICK_N_CONNECTIONS = 10_000, 200
N_SLOW_READERS, QUICK_N_SLOW_READERS = 50, 5
CANCELLED_SHARE = 0.05
LOAD = 0.5
LENGTH = 3.0
"""Of a usual run: memory is to be watched for a while."""


def crowd(lab: Lab) -> None:
    """One replica at half load, over connections that take turns; 5 % of clients leave before their answer."""
    n_connections = QUICK_N_CONNECTIONS if lab.is_quick else N_CONNECTIONS
    row = f"{n_connections:,} connections"
    behaviour = {
        "ready_connections": n_connections,
        "max_connections": n_connections + n_connections // 10,
        "takes_turns": True,
        "cancelled_share": CANCELLED_SHARE,
        "slow_readers": QUICK_N_SLOW_READERS if lab.is_quick else N_SLOW_READERS,
        "slow_path": BULKY_PATH,
    }
    with lab.stack(1, [SLO]) as stack:
        rate_per_s = LOAD * lab.capacity_per_s(stack)
        before_bytes = stack.frontend.resident_bytes()
        with lab.load("crowd", stack, [rate_per_s], LENGTH * lab.seconds, **behaviour) as load:
            pass
    seen = load.summary
    lab.find(row, "frontend's memory before, MiB", round(before_bytes / 2**20, 1))
    lab.find(row, "frontend's memory in the second and in the last quarter, MiB", _memory_mib(load.samples), load)
    lab.find(row, "clients that left", seen.cancelled, load)
    lab.find(row, "queries of the others without exactly one answer", seen.none + seen.wrong + seen.surplus, load)
    lab.find(row, "share of the others answered by SLO + 5 ms", seen.in_time_share, load)
    lab.find(row, "p99 of answered queries, ms", seen.p99_ms, load)
    lab.find(row, "connections of which every query was predicted in time", _fair_share(load.record), load)
    plot_memory(lab.results / "crowd-memory.png", load.samples)


def _memory_mib(samples: list[Sample]) -> dict[str, float]:
    quarters = np.array_split(np.array([sample.resident_bytes / 2**20 for sample in samples]), 4)
    return {
        name: round(float(np.median(quarters[i])), 1) for name, i in (("second", 1), ("last", 3)) if len(quarters[i])
    }


def _fair_share(record: LoadRecord) -> float:
    """Of the connections that asked anything and stayed."""
    stayed = (record.outcome != Outcome.CANCELLED) & (record.connection >= 0)
    asked = np.unique(record.connection[stayed])
    failed = np.unique(record.connection[stayed & (record.outcome != Outcome.PREDICTED)])
    return round(1.0 - len(failed) / max(1, len(asked)), 5)
