"""What the scheduler costs per query: admitting, batching, arming the timer, completing, answering; no sockets.

``python -m benchmarks.scheduler_cost`` prints microseconds for queues of several lengths, with one objective and with
two. Medians of many rounds: a minimum would hide the garbage collector.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter

from skysail_frontend import compiled
from skysail_frontend.query import Query
from skysail_frontend.scheduler import Scheduler, SchedulerLimits

__all__ = ["cost_us", "main"]

N_ROWS = 64
FIXED_S, ROW_S = 0.005, 0.0005
BACKLOGS = (10, 100, 1000, 10_000)
ONE_OBJECTIVE, TWO_OBJECTIVES = (1e6,), (5e5, 1e6)
"""Seconds: so long that nothing is shed and the queue keeps its length."""


class Nobody:
    """Owner and sink of queries whose answers nobody reads."""

    name = "nobody"

    def observe_prediction(self, seconds: float) -> None: ...

    def count_fallback(self) -> None: ...

    def default_answer(self, query_id: int, reason: str, seconds: float, explanation: str | None = None) -> bytes:
        raise AssertionError(f"query {query_id} was not predicted: {reason}")

    def refused(self, query: Query, reason: str, now_s: float) -> None:
        raise AssertionError(f"{query} was refused: {reason}")

    def answered(self, position: int, answer: bytes) -> None: ...


def cost_us(n_backlog: int, objectives_s: Sequence[float], n_rounds: int = 100) -> float:
    """Microseconds per query with `n_backlog` queries waiting, batches of N_ROWS, one replica."""
    scheduler = Scheduler(SchedulerLimits(2 * n_backlog + 2 * N_ROWS, 1 << 40, N_ROWS, 1 << 40))
    scheduler.add_replica(0)
    for i in range(200):
        scheduler.sizer.observe(1 + i % N_ROWS, FIXED_S + ROW_S * (1 + i % N_ROWS))
    nobody = Nobody()
    now_s = 0.0

    def queries(n: int) -> list[Query]:
        return [Query(b"", 80, now_s, now_s + objectives_s[i % len(objectives_s)], i, nobody, nobody) for i in range(n)]

    for query in queries(n_backlog):
        scheduler.submit(query, now_s)
    rounds_s = []
    for _ in range(n_rounds):
        new = queries(N_ROWS)
        started_s = perf_counter()
        for query in new:
            scheduler.submit(query, now_s)
        batch = scheduler.next_batch(now_s)
        assert batch is not None
        scheduler.wake_at_s()
        scheduler.finished(batch, 0.0, FIXED_S + ROW_S * batch.n_rows, now_s + 0.04)
        for query in batch.queries:
            query.predict(b"1", now_s + 0.04)
        rounds_s.append((perf_counter() - started_s) / N_ROWS)
        assert batch.n_rows == N_ROWS
        now_s += 0.04
    return 1e6 * median(rounds_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, or with --json one object."""
    parser = argparse.ArgumentParser(description="Measure what the scheduler costs per query.")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args(arguments)
    form = "compiled" if compiled.FORM.is_in_use() else "interpreted"
    costs = {n: (cost_us(n, ONE_OBJECTIVE), cost_us(n, TWO_OBJECTIVES)) for n in BACKLOGS}
    if options.json:
        print(json.dumps({"form": form, "us_per_query": {str(n): pair for n, pair in costs.items()}}))
        return 0
    print(f"scheduler cost per query, {form}, batches of {N_ROWS}")
    print("  queue   one objective   two objectives")
    for n, (one, two) in costs.items():
        print(f"{n:7,}{one:13.2f} µs{two:14.2f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
