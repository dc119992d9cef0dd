"""Workers that share one listening socket take in about equally many connections.

Left to themselves they do not: whoever wakes first takes all that wait, so that of 64 connections that come together
one worker often serves 60. A socket per worker (SO_REUSEPORT) shares them out blindly and leaves those of a worker that
died waiting until it is back. So a worker that has more than its share lets the others go first for a moment.
"""

import asyncio
import logging
import mmap
import socket
from collections.abc import Callable
from pathlib import Path

__all__ = ["YIELD_S", "ConnectionCounts", "FairListener", "has_more_than_its_share"]

YIELD_S = 0.002
"""So long a worker with more than its share leaves a connection to the others; then it takes it in itself, for the
others may be busy or dead."""
SLACK_SHARE = 8
"""An eighth more than another worker, and two, is no more than a share."""

_COUNT_BYTES = 8
_log = logging.getLogger(__name__)


def has_more_than_its_share(own: int, others: list[int]) -> bool:
    """Whether a worker with `own` connections should leave the next one to the others."""
    return bool(others) and own > min(others) + 2 + own // SLACK_SHARE


class ConnectionCounts:
    """How many connections each worker has, in a small file that all of them map. One worker writes one count."""

    def __init__(self, path: Path, number: int, n_workers: int) -> None:
        with path.open("a+b") as file:
            file.truncate(_COUNT_BYTES * n_workers)
            self._map = mmap.mmap(file.fileno(), _COUNT_BYTES * n_workers)
        self._counts = memoryview(self._map).cast("q")
        self._number = number
        self.set(0)

    def set(self, n_connections: int) -> None:
        """What this worker has."""
        self._counts[self._number] = n_connections

    def others(self) -> list[int]:
        """What the other workers have; a dead one's count is the last it wrote."""
        return [count for number, count in enumerate(self._counts) if number != self._number]


class FairListener:
    """Accepts connections of a socket that other processes accept from too. Looks like an asyncio server to uvicorn.

    :param n_connections: those that this worker has now
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        counts: ConnectionCounts,
        n_connections: Callable[[], int],
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._counts = counts
        self._n_connections = n_connections
        self._loop = asyncio.get_running_loop()
        self._resume: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._loop.add_reader(listener, self._on_readable)

    def close(self) -> None:
        """Takes in no connection any more; those that were taken in go on."""
        self._loop.remove_reader(self._listener)
        if self._resume is not None:
            self._resume.cancel()

    async def wait_closed(self) -> None:
        """Returns when every connection that was being taken in is there, or gone."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _on_readable(self) -> None:
        own = self._n_connections() + len(self._opening)
        self._counts.set(own)
        if has_more_than_its_share(own, self._counts.others()):
            self._loop.remove_reader(self._listener)
            self._resume = self._loop.call_later(YIELD_S, self._go_on)
        else:
            self._accept()

    def _go_on(self) -> None:
        self._resume = None
        self._loop.add_reader(self._listener, self._on_readable)
        self._accept()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was quicker, or the client left
        except OSError as error:
            self._pause(error)
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._open(connection), name="open connection")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:
            connection.close()  # the client left at once

    def _pause(self, error: OSError) -> None:
        """Out of file descriptors or memory: trying on at once would only keep a core busy."""
        _log.error("cannot take in a connection, trying again in 0.5 s: %s", error.strerror)
        self._loop.remove_reader(self._listener)
        if self._resume is not None:
            self._resume.cancel()
        self._resume = self._loop.call_later(0.5, self._go_on)
