"""Ends a process whose model blocks, after writing to its log what every thread was doing.

Two guards, because a model can block in two ways. A batch that takes too long is seen by the event loop. A model that
keeps the interpreter lock, in native code, stops the event loop as well: for that one there is a timer of
faulthandler's, on a thread that needs no lock, and the event loop puts it off for as long as it lives.
"""

import asyncio
import faulthandler
import logging
import os
import sys
from collections.abc import Callable
from typing import Protocol

from skysail_container.thread_census import ThreadCensus

__all__ = ["EXIT_BLOCKED", "RunningBatch", "Watchdog"]

EXIT_BLOCKED = 6
"""Of the first guard. The second cannot choose: faulthandler exits with 1, after a line that begins with `Timeout`."""

_LOOK_EVERY_S = 5.0
_LOOKS_PER_LIMIT = 10

_log = logging.getLogger(__name__)


class RunningBatch(Protocol):
    """Whoever runs the batches. Both are read from the event loop's thread while another writes them."""

    running_since_s: float
    """When the batch that runs was begun; infinity while none runs."""
    running_deadline_s: float
    """Its deadline: until then somebody waits for it."""


class Watchdog:
    """A batch may take `limit_s`, or until its deadline if that is later. Nothing is done per batch.

    Latency: what blocks is ended at most a tenth of the limit, or five seconds, after it was due.
    """

    def __init__(self, worker: RunningBatch, limit_s: float, clock: Callable[[], float]) -> None:
        self._worker = worker
        self._limit_s = limit_s
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._census = ThreadCensus()
        self._next_look: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to watch; the model is loaded and idle."""
        self._look()

    def stop(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
            faulthandler.cancel_dump_traceback_later()

    def _look(self) -> None:
        now_s = self._clock()
        blocked_s = now_s - self._worker.running_since_s
        left_s = self._worker.running_deadline_s - now_s
        if blocked_s >= self._limit_s and left_s <= 0:
            self._end(blocked_s)
        faulthandler.dump_traceback_later(max(self._limit_s, left_s), exit=True)
        warning = self._census.take()
        if warning is not None:
            _log.warning("%s", warning)
        self._next_look = self._loop.call_later(min(_LOOK_EVERY_S, self._limit_s / _LOOKS_PER_LIMIT), self._look)

    def _end(self, blocked_s: float) -> None:
        faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr, all_threads=True)
        _log.critical(
            "the model has been busy with one batch for %.1f s, longer than the %g s that one may take: ending the "
            "process; above is what its threads were doing",
            blocked_s,
            self._limit_s,
        )
        os._exit(EXIT_BLOCKED)
