"""Accepts clients and acts on their messages."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from skysail_container.connection import Connection
from skysail_container.errors import ListenError, UnusableRowsError
from skysail_container.inlet import READ_BYTES
from skysail_container.input_types import InputType, check_rows
from skysail_container.rows_memory import memory_bytes
from skysail_container.service_statistics import ServiceStatistics
from skysail_container.settings import Settings
from skysail_container.wire import (
    PROTOCOL_VERSION,
    Cancel,
    ClientMessage,
    Drain,
    Drained,
    Health,
    HealthReply,
    Hello,
    Predict,
    RefusalCode,
    Refused,
    Statistics,
    StatisticsRequest,
    Welcome,
)
from skysail_container.work_queue import Work
from skysail_container.worker import Worker

__all__ = ["Server"]

_ACCEPT_PAUSE_S = 0.5
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_log = logging.getLogger(__name__)


class Server:
    """The container's side of the protocol. It runs on the event loop's thread, and nothing blocks that; batches of
    connections that were lent (see `Inlet`) are taken in on the model's.

    Invariants: every Predict is answered once, by Result or Refused, unless its connection goes first; once draining
    it takes in no batch any more, and Drained is sent when everything taken in has been answered.
    """

    def __init__(
        self,
        settings: Settings,
        input_type: InputType,
        worker: Worker,
        statistics: ServiceStatistics,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._input_type: InputType = input_type
        self._worker = worker
        self._statistics = statistics
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = None
        self._connections: set[Connection] = set()
        self._all_closed = asyncio.Event()
        self._is_draining = False
        self._read_buffer = bytearray(READ_BYTES)
        self._inlet = worker.inlet
        self._inlet.when_quick(self._on_quick)
        self._loop.add_reader(self._inlet.long_batch.fileno(), self._take_connections_back)

    def listen(self, listener: socket.socket) -> None:
        """Begins to take in clients on a bound socket, which belongs to the server from now on.

        :raises ListenError: another process came first.
        """
        try:
            listener.listen(128)
        except OSError as error:
            raise ListenError(f"cannot listen: {error.strerror or error}") from error
        self._listener = listener
        self._loop.add_reader(listener, self._accept)
        self._check_patience()

    def stop_listening(self) -> None:
        """Takes in no client any more."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def leave_to_parent(self) -> None:
        """Called in a process that the model forked: closes its copies of the clients' sockets, and only these."""
        for connection in self._connections:
            connection.leave_to_parent()

    async def drain(self) -> None:
        """Refuses new batches and returns when those taken in have been answered."""
        self._is_draining = True
        drained = asyncio.Event()

        def on_idle() -> None:
            self._loop.call_soon_threadsafe(drained.set)

        self._worker.when_idle(on_idle)
        await drained.wait()

    async def end_connections(self) -> None:
        """Ends every connection and returns when all are closed, some seconds later at most."""
        for connection in list(self._connections):
            connection.end()
        if self._connections:
            self._all_closed.clear()
            await self._all_closed.wait()

    # --- what connections call ----------------------------------------------------------------------------------------

    def handle(self, connection: Connection, message: ClientMessage) -> None:
        match message:
            case Predict():
                self._predict(connection, message)
            case Hello():
                connection.send(self._welcome())
            case Cancel(batch_id):
                self._worker.cancel(connection, batch_id)
            case Health(nonce):
                connection.send(HealthReply(nonce, "draining" if self._is_draining else "ok"))
            case Drain():
                self._drain_for(connection)
            case StatisticsRequest():
                connection.send(self._current_statistics())

    def protocol_error(self) -> None:
        self._statistics.count("protocol_errors")

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._worker.forget(connection)
        if not self._connections:
            self._all_closed.set()

    # --- messages -----------------------------------------------------------------------------------------------------

    def _predict(self, connection: Connection, message: Predict) -> None:
        now_s = self._clock()
        batch_id, time_left_us, rows = message
        if self._is_draining:
            self._refuse(connection, batch_id, "draining", "the container is about to stop")
            return
        if not time_left_us:
            self._refuse(connection, batch_id, "expired", "its time was up when it came")
            return
        try:
            check_rows(rows, self._input_type)
        except UnusableRowsError as error:
            self._refuse(connection, batch_id, "bad_rows", str(error))
            return
        work = Work(connection, batch_id, rows, memory_bytes(rows), now_s, now_s + time_left_us / 1e6)
        if not self._worker.submit(work):
            self._refuse(connection, batch_id, "overloaded", "too many batches wait for the model")

    def _refuse(self, connection: Connection, batch_id: int, code: RefusalCode, text: str) -> None:
        self._statistics.count(f"refused_{code}")
        connection.send(Refused(batch_id, code, text))

    def _welcome(self) -> Welcome:
        settings = self._settings
        return Welcome(PROTOCOL_VERSION, settings.name, settings.version, self._input_type, settings.max_frame_bytes)

    def _drain_for(self, connection: Connection) -> None:
        _log.info("%s asks for a drain", connection.peer)
        self._is_draining = True
        self._worker.when_idle(lambda: connection.send(Drained()))

    def _current_statistics(self) -> Statistics:
        figures = {**self._statistics.snapshot(), **self._worker.load_figures(), "connections": len(self._connections)}
        return Statistics(figures)

    # --- connections --------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                self._pause_accepting(error)
            return  # the peer went away between its connect and our accept, or the wake was spurious
        if len(self._connections) >= self._settings.max_connections:
            _log.warning("a connection beyond %d is closed at once", self._settings.max_connections)
            sock.close()
            return
        _prepare(sock)
        connection = Connection(sock, self, self._settings, self._loop, self._clock, self._read_buffer, self._inlet)
        self._connections.add(connection)
        connection.open()

    def _on_quick(self) -> None:
        self._loop.call_soon_threadsafe(self._lend_connections)

    def _lend_connections(self) -> None:
        for connection in self._connections:
            connection.lend()

    def _take_connections_back(self) -> None:
        if self._inlet.long_batch.has_gone_off():
            for connection in list(self._connections):
                connection.take_back()

    def _pause_accepting(self, error: OSError) -> None:
        _log.error("cannot accept a connection, trying again in %g s: %s", _ACCEPT_PAUSE_S, error.strerror)
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._loop.call_later(_ACCEPT_PAUSE_S, self._resume_accepting)

    def _resume_accepting(self) -> None:
        if self._listener is not None:
            self._loop.add_reader(self._listener, self._accept)

    def _check_patience(self) -> None:
        now_s = self._clock()
        for connection in list(self._connections):
            connection.check_patience(now_s)
        shortest_s = min(self._settings.hello_timeout_s, self._settings.frame_timeout_s)
        self._loop.call_later(shortest_s / 4, self._check_patience)


def _prepare(sock: socket.socket) -> None:
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A peer that vanished without a word is found after a minute: 30 s of silence, then 3 probes 10 s apart.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
