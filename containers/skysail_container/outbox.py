"""The sending side of one connection, for use from any thread."""

import logging
import socket
from collections import deque
from collections.abc import Callable
from threading import Lock

__all__ = ["Outbox"]

_log = logging.getLogger(__name__)


class Outbox:
    """Writes frames to a non-blocking socket at once, and keeps what the socket does not take.

    Invariants: frames leave whole and in the order they were sent; at most `max_bytes` are kept, beyond them the
    outbox breaks; it writes nothing once it is closed, so that the socket's number can be used again.
    `on_backlog` and `on_broken` are called on the sending thread, with no lock held: the first when bytes are left
    over (call `flush` when the socket is writable), the second once when the peer is gone or too slow.
    """

    def __init__(
        self,
        sock: socket.socket,
        max_bytes: int,
        on_backlog: Callable[[], None],
        on_broken: Callable[[str], None],
    ) -> None:
        self._sock = sock
        self._max_bytes = max_bytes
        self._on_backlog = on_backlog
        self._on_broken = on_broken
        self._lock = Lock()
        self._backlog: deque[memoryview] = deque()
        self._n_backlog_bytes = 0
        self._is_closed = False

    @property
    def n_backlog_bytes(self) -> int:
        """Bytes that wait for the peer to read."""
        return self._n_backlog_bytes

    def send(self, frame: bytes) -> None:
        """Writes `frame`, or keeps it; does nothing once the outbox is closed or broken."""
        with self._lock:
            if self._is_closed:
                return
            was_empty = not self._backlog
            left = memoryview(frame)
            problem = None
            if was_empty:
                left, problem = self._written(left)
            if problem is None and left:
                problem = self._keep(left)
            if problem is not None:
                self._shut()
        if problem is not None:
            self._on_broken(problem)
        elif left and was_empty:
            self._on_backlog()

    def flush(self) -> bool:
        """Writes what waits; True when nothing waits any more."""
        with self._lock:
            problem = None
            while self._backlog and problem is None:
                frame = self._backlog[0]
                left, problem = self._written(frame)
                self._n_backlog_bytes -= len(frame) - len(left)
                if left:
                    self._backlog[0] = left
                    break
                self._backlog.popleft()
            if problem is not None:
                self._shut()
            is_empty = not self._backlog
        if problem is not None:
            self._on_broken(problem)
        return is_empty

    def close(self) -> None:
        """Drops what waits and writes nothing more."""
        with self._lock:
            self._shut()

    def _written(self, frame: memoryview) -> tuple[memoryview, str | None]:
        """What the socket did not take of `frame`, and what is wrong with the peer."""
        try:
            n_bytes = self._sock.send(frame)
        except (BlockingIOError, InterruptedError):
            return frame, None
        except OSError as error:
            return frame, f"the client is gone: {error.strerror or error}"
        return frame[n_bytes:], None

    def _keep(self, frame: memoryview) -> str | None:
        if self._n_backlog_bytes + len(frame) > self._max_bytes:
            return f"the client does not read: more than {self._max_bytes} bytes of replies wait for it"
        self._backlog.append(frame)
        self._n_backlog_bytes += len(frame)
        return None

    def _shut(self) -> None:
        self._is_closed = True
        self._backlog.clear()
        self._n_backlog_bytes = 0
