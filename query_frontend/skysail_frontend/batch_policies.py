"""How large the next batch is: the policies a model can name. Pure, no clock.

``deadline`` is `BatchSizer`. ``aimd`` and ``fixed`` are there to be compared with it, and for those who know better.
"""

from collections.abc import Sequence
from typing import Protocol

from skysail_frontend.query import Query

__all__ = ["Aimd", "BatchPolicy", "Fixed"]

ADDITIVE_ROWS = 2
BACKOFF = 0.9
"""Clipper's paper backs off by a tenth (NSDI'17, section 4.3.1)."""


class BatchPolicy(Protocol):
    """Chooses from the queue, and hears of every batch that was computed."""

    def choose(self, waiting: Sequence[Query], now_s: float, overhead_s: float) -> tuple[int, int]:
        """How many of the earliest deadlines to skip, and how many rows to send from there on; one at least.

        `waiting` is sorted by deadline and not empty; `overhead_s` is what a batch spends outside the model.
        """
        ...

    def observe(self, n_rows: int, seconds: float) -> None:
        """A batch of `n_rows` computed for `seconds`."""
        ...


class Fixed:
    """Batches of one size, or of what there is when that is less. Nothing is skipped."""

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows

    def choose(self, waiting: Sequence[Query], now_s: float, overhead_s: float) -> tuple[int, int]:
        return 0, min(len(waiting), self._n_rows)

    def observe(self, n_rows: int, seconds: float) -> None:
        pass


class Aimd:
    """Additive increase, multiplicative decrease of the largest batch, by whether the last one kept to the objective.

    The objective is the shortest among the batch's queries, as the paper has one per model. Nothing is skipped.
    Invariant: ``1 <= limit_rows <= max_rows``.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._slo_s = float("inf")
        self.limit_rows = 1.0

    def choose(self, waiting: Sequence[Query], now_s: float, overhead_s: float) -> tuple[int, int]:
        n_rows = min(len(waiting), int(self.limit_rows))
        self._slo_s = min([query.deadline_s - query.arrival_s for query in waiting[:n_rows]])
        return 0, n_rows

    def observe(self, n_rows: int, seconds: float) -> None:
        if seconds > self._slo_s:
            self.limit_rows = max(1.0, BACKOFF * self.limit_rows)
        elif n_rows >= int(self.limit_rows):  # a batch that was not full says nothing of larger ones
            self.limit_rows = min(float(self._max_rows), self.limit_rows + ADDITIVE_ROWS)
