"""Says in the log what models do wrong, without letting a broken model fill the disk."""

import logging
from collections.abc import Callable

__all__ = ["ErrorLog"]

_log = logging.getLogger(__name__)


class ErrorLog:
    """Logs failed rows, at most one line per `interval_s`; the next line tells how many batches were left out."""

    def __init__(self, clock: Callable[[], float], interval_s: float = 1.0) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._next_s = clock()
        self._n_left_out = 0

    def batch_failed(self, n_rows: int, errors: dict[int, str]) -> None:
        """Reports a batch of `n_rows` with `errors`."""
        now_s = self._clock()
        if now_s < self._next_s:
            self._n_left_out += 1
            return
        index, text = next(iter(errors.items()))
        _log.warning(
            "%d of %d rows failed in a batch, row %d with: %s (%d failed batches not logged before it)",
            len(errors),
            n_rows,
            index,
            text,
            self._n_left_out,
        )
        self._next_s, self._n_left_out = now_s + self._interval_s, 0
