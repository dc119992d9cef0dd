"""The counters of one container process."""

from collections.abc import Callable
from threading import Lock

__all__ = ["ServiceStatistics"]


class ServiceStatistics:
    """Counts what became of every batch, from any thread.

    Invariant: every batch that was answered is counted once, in `batches` or in one of the `refused_` counters.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started_s = clock()
        self._lock = Lock()
        self._values: dict[str, int | float] = {
            "batches": 0,
            "rows": 0,
            "row_errors": 0,
            "refused_expired": 0,
            "refused_draining": 0,
            "refused_overloaded": 0,
            "refused_cancelled": 0,
            "refused_bad_rows": 0,
            "abandoned": 0,
            "protocol_errors": 0,
            "queued_s": 0.0,
            "computing_s": 0.0,
        }

    def count(self, name: str, n: int = 1) -> None:
        """Adds `n` to the counter `name`."""
        with self._lock:
            self._values[name] += n

    def count_batch(self, n_rows: int, n_row_errors: int, queued_s: float, computing_s: float) -> None:
        """Counts a batch that the model ran."""
        values = self._values
        with self._lock:
            values["batches"] += 1
            values["rows"] += n_rows
            values["row_errors"] += n_row_errors
            values["queued_s"] += queued_s
            values["computing_s"] += computing_s

    def snapshot(self) -> dict[str, int | float]:
        """The counters and the seconds since the process started to count."""
        with self._lock:
            return {**self._values, "uptime_s": self._clock() - self._started_s}
