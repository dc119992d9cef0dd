"""The thread that loads the model and runs its batches, one at a time."""

import logging
import math
import os
from collections.abc import Callable
from threading import Lock, Thread, get_ident
from typing import NoReturn

from skysail_container.batch_execution import run_batch
from skysail_container.batch_output import BatchOutput, failed_batch
from skysail_container.error_log import ErrorLog
from skysail_container.errors import FrameTooLargeError, ModelLoadError
from skysail_container.exception_text import exception_text
from skysail_container.inlet import Inlet
from skysail_container.model import Model
from skysail_container.service_statistics import ServiceStatistics
from skysail_container.wire import RefusalCode, Refused, Result
from skysail_container.work_queue import Recipient, Work, WorkQueue

__all__ = ["EXIT_FORKED", "Worker"]

EXIT_FORKED = 1
"""Of a process that the model forked and that came back to us instead of ending by itself."""

_log = logging.getLogger(__name__)


class Worker:
    """Loads a model and runs queued batches by earliest deadline, on a thread of its own.

    The model is loaded and warmed on the same thread, because frameworks keep thread pools and sessions per thread.
    Replies are sent from it as well, and through `inlet` it reads the batches of a quick model itself: nothing waits
    for another thread to wake or to get the interpreter lock.
    Invariant: each batch that `submit` took is answered once, unless its recipient is forgotten first.
    """

    def __init__(
        self,
        load: Callable[[], Model],
        queue: WorkQueue,
        statistics: ServiceStatistics,
        clock: Callable[[], float],
    ) -> None:
        self._load = load
        self._queue = queue
        self._statistics = statistics
        self._clock = clock
        self._errors = ErrorLog(clock)
        self._lock = Lock()
        self.inlet = Inlet()
        self._thread_id = 0
        self._is_stopping = False
        self._is_running = False
        self.running_since_s = math.inf
        self.running_deadline_s = -math.inf
        self._is_forked = False
        self._when_idle: list[Callable[[], None]] = []

    def start(self, loaded: Callable[[ModelLoadError | None], None], crashed: Callable[[], None]) -> None:
        """Starts the thread. It calls `loaded` once, with what went wrong or None when the model is ready.

        It calls `crashed` should it end by an error of ours; batches are not answered from then on.
        """
        Thread(target=self._main, args=(loaded, crashed), name="model", daemon=True).start()

    def submit(self, work: Work) -> bool:
        """Takes `work` in; False when the queue is full."""
        with self._lock:
            is_queued = self._queue.put(work)
        if is_queued and get_ident() != self._thread_id:
            self.inlet.wake()
        return is_queued

    def cancel(self, recipient: Recipient, batch_id: int) -> bool:
        """Answers a batch that has not started with `cancelled`; False when there is none."""
        with self._lock:
            work = self._queue.cancel(recipient, batch_id)
        if work is not None:
            self._refuse(work, "cancelled", "the client cancelled it")
        return work is not None

    def forget(self, recipient: Recipient) -> None:
        """Drops the batches of a recipient that is gone."""
        with self._lock:
            n_dropped = self._queue.forget(recipient)
        self._statistics.count("abandoned", n_dropped)

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once on the worker's thread, as soon as nothing waits or runs."""
        with self._lock:
            self._when_idle.append(callback)
        self.inlet.wake()

    def load_figures(self) -> dict[str, int | float]:
        """What waits and runs at this moment."""
        with self._lock:
            return {
                "queued": len(self._queue),
                "queued_bytes": self._queue.n_bytes,
                "running": int(self._is_running),
            }

    def leave_to_parent(self) -> None:
        """Called in a process that the model forked: should it come back from the model, it ends."""
        self._is_forked = True

    def stop(self) -> None:
        """Ends the thread after the batches submitted so far; does not wait for it."""
        self._is_stopping = True
        self.inlet.wake()

    def _main(self, loaded: Callable[[ModelLoadError | None], None], crashed: Callable[[], None]) -> None:
        self._thread_id = get_ident()
        try:
            model = self._loaded_model()
        except ModelLoadError as error:
            self.inlet.close()
            loaded(error)
            return
        loaded(None)
        # Whatever gives the thread something to do wakes it afterwards, so nothing waits without a wake.
        is_crashed = False
        try:
            while len(self._queue) or not self._is_stopping:
                self.inlet.wait(is_idle=not len(self._queue))
                self._serve_next(model)
        except BaseException:
            _log.critical("the model's thread ended by an error of the runtime", exc_info=True)
            is_crashed = True
        self.inlet.close()
        if is_crashed:
            crashed()

    def _loaded_model(self) -> Model:
        try:
            return self._load()
        finally:
            if self._is_forked:
                self._end_fork()

    def _serve_next(self, model: Model) -> None:
        with self._lock:
            expired = self._queue.take_expired(self._clock())
            work = self._queue.take()
            self._is_running = work is not None
        for late in expired:
            self._refuse(late, "expired", "its time was up before the model was free")
        if work is not None:
            self._run(model, work)
        with self._lock:
            self._is_running = False
            callbacks: list[Callable[[], None]] = []
            if not len(self._queue):
                callbacks, self._when_idle = self._when_idle, callbacks
        for callback in callbacks:
            callback()

    def _run(self, model: Model, work: Work) -> None:
        self.running_since_s = started_s = self._clock()
        self.running_deadline_s = work.deadline_s
        n_rows = work.rows.n_rows
        self.inlet.begin_batch()
        try:
            output = run_batch(model, work.rows, lambda: self._clock() < work.deadline_s and not self._is_forked)
        except Exception as error:
            _log.exception("a batch of %d rows failed outside its model", n_rows)
            output = failed_batch(n_rows, exception_text(error))
        if self._is_forked:
            self._end_fork()
        computing_s = self._clock() - started_s
        queued_s = started_s - work.taken_in_s
        self._statistics.count_batch(n_rows, len(output.errors or ()), queued_s, computing_s)
        self._reply(work, output, queued_s, computing_s)
        if output.errors:
            self._errors.batch_failed(n_rows, output.errors)
        self.inlet.end_batch(self._clock() - started_s)
        self.running_since_s = math.inf

    def _end_fork(self) -> NoReturn:
        _log.warning("a process that the model forked came back from the model: it is ended here")
        os._exit(EXIT_FORKED)

    def _reply(self, work: Work, output: BatchOutput, queued_s: float, computing_s: float) -> None:
        result = Result(work.batch_id, int(queued_s * 1e6), int(computing_s * 1e6), output.rows, output.errors)
        try:
            work.recipient.send(result)
        except FrameTooLargeError as error:
            work.recipient.send(Refused(work.batch_id, "bad_rows", f"its outputs do not fit into a frame: {error}"))

    def _refuse(self, work: Work, code: RefusalCode, text: str) -> None:
        self._statistics.count(f"refused_{code}")
        work.recipient.send(Refused(work.batch_id, code, text))
