"""Where the model's thread waits: for another thread's wake, and for batches on connections that were lent to it.

Two threads that take turns cost 60 us a batch in wakes and in handing on the interpreter lock. So a quick model's
thread reads its batches itself while it has nothing to run, and the event loop only sees to the rest: new connections,
other messages, everything beside a batch that takes long.
"""

import os
import select
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from skysail_container.batch_timer import BatchTimer

__all__ = ["LONG_S", "N_QUICK", "READ_BYTES", "Inlet", "Lendable"]

LONG_S = 0.001
"""A batch that takes longer, with its reply, gives the connections back to the event loop, so that no health check
waits for it."""
N_QUICK = 8
"""So many batches in a row below LONG_S, and connections are lent (again)."""
READ_BYTES = 256 * 1024
"""Most bytes read at once; a 64 MiB frame takes 256 reads."""
_MAX_EVENTS = 64


class Lendable(Protocol):
    """A connection that can be read by the model's thread."""

    def read_batches(self, buffer: bytearray) -> bool:
        """Reads once, and queues the batches that are complete. False: the event loop must go on from here."""
        ...

    def give_back(self) -> None:
        """Called by the model's thread: it is not read here any more, because `read_batches` said False or the thread
        ends."""
        ...


class Inlet:
    """The model's thread calls `wait`, `begin_batch` and `end_batch`; the event loop's thread all else.

    Invariants: a connection is read by one thread at a time; one that is lent is read under the lock under which it is
    taken back. While connections are lent and a batch runs, `long_batch` is set, whichever came first; the event loop
    then takes them back. A loan ends once: taken back, or given back by the model's thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._lent: dict[int, Lendable] = {}
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        self._buffer = bytearray(READ_BYTES)
        self.is_closed = False  # written under the lock
        self._is_running = False
        self._is_timed = False
        self._n_quick = 0
        self._has_offers = False
        self._on_quick: Callable[[], None] | None = None
        self.long_batch = BatchTimer(LONG_S)

    @property
    def n_lent(self) -> int:
        """Connections that the model's thread reads."""
        return len(self._lent)

    def wake(self) -> None:
        """Makes `wait` return. From any thread."""
        with self._lock:
            if not self.is_closed:
                os.eventfd_write(self._wake_fd, 1)

    def wait(self, is_idle: bool) -> None:
        """Reads what has come; when `is_idle`, waits until something comes."""
        for fd, _ in self._epoll.poll(-1 if is_idle else 0, _MAX_EVENTS):
            if fd == self._wake_fd:
                os.eventfd_read(fd)
            else:
                self._read(fd)

    def begin_batch(self) -> None:
        """The model's thread will be busy; it reads nothing until `end_batch`."""
        self._is_running = True  # before it looks at what is lent: `lend` looks the other way round
        if self._lent:
            self._set_timer()

    def end_batch(self, seconds: float) -> None:
        """A batch kept the model's thread for `seconds`."""
        self._is_running = False
        if self._is_timed:
            self._is_timed = False
            self.long_batch.clear()
        if seconds >= LONG_S:
            self._n_quick = 0
            return
        self._n_quick += 1
        if self._n_quick >= N_QUICK and self._has_offers and self._on_quick is not None:
            self._has_offers = False
            self._on_quick()

    def when_quick(self, callback: Callable[[], None]) -> None:
        """Calls `callback` on the model's thread whenever the model is quick and connections are on offer."""
        self._on_quick = callback

    def offer(self) -> None:
        """There is a connection that may be lent, once the model has shown (again) that it is quick."""
        self._n_quick = 0
        self._has_offers = True

    def lend(self, fd: int, connection: Lendable) -> bool:
        """The model's thread reads `connection`, whose socket is `fd`, from now on; False when it cannot."""
        with self._lock:
            if self.is_closed:
                return False
            try:
                self._epoll.register(fd, select.EPOLLIN)
            except OSError:  # the kernel has no room for another entry; the event loop reads as well
                return False
            self._lent[fd] = connection
            if self._is_running:
                self._set_timer()
            return True

    def take_back(self, fd: int) -> bool:
        """The model's thread does not read it any more; False when it has given it back itself."""
        with self._lock:
            return self._end_loan(fd)

    def close(self) -> None:
        """Nothing is read or woken any more; what is lent is given back. Called by the model's thread as it ends."""
        with self._lock:
            self.is_closed = True
            given_back = list(self._lent.values())
            self._lent.clear()
            self._epoll.close()
            os.close(self._wake_fd)
            self.long_batch.clear()
        for connection in given_back:
            connection.give_back()

    def _read(self, fd: int) -> None:
        with self._lock:
            connection = self._lent.get(fd)
            if connection is None or connection.read_batches(self._buffer):
                return
            self._end_loan(fd)
        connection.give_back()

    def _set_timer(self) -> None:
        # By either thread. Should one set it while the other clears it, it goes off beside a quick batch: no harm.
        self._is_timed = True
        self.long_batch.set()

    def _end_loan(self, fd: int) -> bool:
        if self._lent.pop(fd, None) is None:
            return False
        self._epoll.unregister(fd)
        return True
