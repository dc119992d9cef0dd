"""One client's connection: frames in, messages to the service, replies out."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Protocol

from skysail_container.errors import FrameTooLargeError, UnsupportedVersionError, WireError
from skysail_container.inlet import Inlet
from skysail_container.outbox import Outbox
from skysail_container.settings import Settings
from skysail_container.wire import (
    ClientMessage,
    ContainerMessage,
    FrameDecoder,
    Hello,
    Predict,
    ProtocolError,
    decode_from_client,
    encode,
)

__all__ = ["LINGER_S", "Connection", "Service"]

LINGER_S = 1.0
"""A connection reads on for so long after its last frame: closing with bytes unread destroys that frame on its way
(RFC 1122, 4.2.2.13)."""

FLUSH_S = 5.0
"""A peer has so long to read what was sent to it before its connection was ended."""

_log = logging.getLogger(__name__)


class Service(Protocol):
    """What connections bring their messages to, on the event loop's thread; a Predict also on the model's."""

    def handle(self, connection: "Connection", message: ClientMessage) -> None:
        """Acts on a message; the first of a connection is its Hello, and no later one is."""
        ...

    def protocol_error(self) -> None:
        """Counts a peer that broke the protocol."""
        ...

    def closed(self, connection: "Connection") -> None:
        """The connection is gone; called once."""
        ...


class Connection:
    """Lives on the event loop's thread. `send` may be called from any thread; while it is lent (see `Inlet`), the
    model's thread reads it and gives it back at the first thing that is not a batch.

    Invariants: messages reach the service in the order they came, a Hello first; a peer that breaks the protocol
    gets one Error frame, nothing it sent later is acted on, and only its own connection is closed; an end of file
    closes the connection in both directions.
    """

    def __init__(
        self,
        sock: socket.socket,
        service: Service,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        read_buffer: bytearray,
        inlet: Inlet,
    ) -> None:
        self._sock = sock
        # Lent by the service to all its connections: a buffer of this size for every read costs 12 us (malloc maps it).
        self._read_buffer = read_buffer
        self._inlet = inlet
        self._is_lent = False
        self._undispatched: list[bytes] = []
        self._flaw: WireError | None = None
        self._service = service
        self._settings = settings
        self._loop = loop
        self._clock = clock
        self._decoder = FrameDecoder(settings.max_frame_bytes)
        self._outbox = Outbox(
            sock,
            settings.max_outgoing_bytes,
            on_backlog=lambda: self._on_loop(self._start_writing),
            on_broken=lambda why: self._on_loop(partial(self._close_because, why)),
        )
        self._waiting_since_s: float | None = clock()
        self._has_greeted = False
        self._is_ending = False
        self._is_closed = False
        self.peer = "a client"

    def open(self) -> None:
        """Begins to read."""
        self._loop.add_reader(self._sock, self._on_readable)

    def send(self, message: ContainerMessage) -> None:
        """Sends `message`, from any thread; it is dropped when the connection is gone.

        :raises FrameTooLargeError: it is longer than a frame may be; nothing was sent.
        """
        self._outbox.send(encode(message, self._settings.max_frame_bytes))

    def check_patience(self, now_s: float) -> None:
        """Ends the connection when its hello, or the rest of a frame, is overdue at `now_s`."""
        limit_s = self._settings.frame_timeout_s if self._has_greeted else self._settings.hello_timeout_s
        if self._has_waited_since(now_s - limit_s):
            self.take_back()
            if self._has_waited_since(now_s - limit_s):  # still, now that no other thread reads
                awaited = "the rest of a frame" if self._has_greeted else "HELLO"
                self._fail("timeout", f"{awaited} did not come within {limit_s:g} seconds")

    def end(self) -> None:
        """Closes the connection once everything sent has left; what the peer sends from now on is not acted on."""
        if self._is_closed or self._is_ending:
            return
        self.take_back()
        self._is_ending = True
        self._waiting_since_s = None
        if self._outbox.n_backlog_bytes:
            self._loop.call_later(FLUSH_S, self.close)
        else:
            self._shut_down_writing()

    def leave_to_parent(self) -> None:
        """Called in a forked process: closes its copy of the socket and nothing else."""
        fd = self._sock.detach()
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Closes the connection at once."""
        if self._is_closed:
            return
        self.take_back()
        self._is_closed = True
        self._outbox.close()
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        self._service.closed(self)

    # --- on loan to the model's thread --------------------------------------------------------------------------------

    def lend(self) -> None:
        """Lets the model's thread read it from now on, if it is one that can be expected to send batches."""
        if self._has_greeted and not (self._is_lent or self._is_ending or self._is_closed):
            self._loop.remove_reader(self._sock)
            self._is_lent = self._inlet.lend(self._sock.fileno(), self)
            if not self._is_lent:
                self._loop.add_reader(self._sock, self._on_readable)

    def take_back(self) -> None:
        """Reads it on the event loop's thread from now on."""
        if self._is_lent and self._inlet.take_back(self._sock.fileno()):
            self._read_on_loop()

    def read_batches(self, buffer: bytearray) -> bool:
        """Reads once and brings the service the batches that came, on the model's thread; see `Lendable`."""
        try:
            n_bytes = self._sock.recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False  # what is wrong, or the end of file after it, is found again on the loop
        if not n_bytes:
            return False
        try:
            bodies = self._decoder.feed(memoryview(buffer)[:n_bytes])
        except WireError as error:
            self._flaw = error
            return False
        for index, body in enumerate(bodies):
            message = _batch_in(body)
            if message is None:
                self._undispatched = bodies[index:]
                return False
            self._service.handle(self, message)
        self._note_partial_frame(is_another=bool(bodies))
        return True

    def give_back(self) -> None:
        """The event loop goes on where `read_batches` stopped."""
        self._on_loop(self._read_on_loop)

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read_on_loop(self) -> None:
        self._is_lent = False
        if self._is_closed:
            return
        bodies, self._undispatched = self._undispatched, []
        if not self._is_ending and self._flaw is not None:
            self._break_off(self._flaw)
        elif not self._is_ending:
            self._dispatch_all(bodies)
        if not self._is_closed:
            self._loop.add_reader(self._sock, self._on_readable)
            self._inlet.offer()

    def _on_readable(self) -> None:
        try:
            n_bytes = self._sock.recv_into(self._read_buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._close_because(f"reading failed: {error.strerror or error}")
            return
        if not n_bytes:
            self.close()
            return
        if not self._is_ending:
            self._take_in(memoryview(self._read_buffer)[:n_bytes])
        # uvloop calls once for a socket that was reset and never again, though there may have been bytes to read first.
        if not self._is_closed and (errno := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            self._close_because(f"reading failed: {os.strerror(errno)}")

    def _take_in(self, data: memoryview) -> None:
        try:
            bodies = self._decoder.feed(data)
        except WireError as error:
            self._break_off(error)
        else:
            self._dispatch_all(bodies)

    def _dispatch_all(self, bodies: list[bytes]) -> None:
        try:
            for body in bodies:
                self._dispatch(decode_from_client(body))
                if self._is_ending or self._is_closed:
                    return
        except WireError as error:
            self._break_off(error)
            return
        if self._has_greeted:
            self._note_partial_frame(is_another=bool(bodies))

    def _has_waited_since(self, since_s: float) -> bool:
        waiting_since_s = self._waiting_since_s
        return waiting_since_s is not None and waiting_since_s < since_s

    def _note_partial_frame(self, is_another: bool) -> None:
        """:param is_another: the one that was there before, if any, is complete"""
        if not self._decoder.n_buffered_bytes:
            self._waiting_since_s = None
        elif is_another or self._waiting_since_s is None:
            self._waiting_since_s = self._clock()

    def _dispatch(self, message: ClientMessage) -> None:
        if isinstance(message, ProtocolError):
            self._close_because(f"it reports a protocol error: {message.code}: {message.text}")
        elif isinstance(message, Hello) == self._has_greeted:
            self._fail("unexpected", "HELLO comes first and only once")
        else:
            if isinstance(message, Hello):
                self._has_greeted = True
                self.peer = message.client
                self._inlet.offer()
            self._service.handle(self, message)

    def _break_off(self, error: WireError) -> None:
        self._fail(_error_code(error), str(error))

    def _fail(self, code: str, text: str) -> None:
        _log.warning("%s broke the protocol: %s: %s", self.peer, code, text)
        self._service.protocol_error()
        self.send(ProtocolError(code, text))
        self.end()

    def _close_because(self, why: str) -> None:
        if not self._is_closed:
            _log.info("closing the connection of %s: %s", self.peer, why)
            self.close()

    def _start_writing(self) -> None:
        if not self._is_closed:
            self._loop.add_writer(self._sock, self._on_writable)

    def _on_writable(self) -> None:
        if self._outbox.flush() and not self._is_closed:
            self._loop.remove_writer(self._sock)
            if self._is_ending:
                self._shut_down_writing()

    def _shut_down_writing(self) -> None:
        self._loop.call_later(LINGER_S, self.close)
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._close_because(f"it is gone: {error.strerror or error}")

    def _on_loop(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(callback)


def _batch_in(body: bytes) -> Predict | None:
    """The message when it is a valid PREDICT."""
    try:
        message = decode_from_client(body)
    except WireError:
        return None
    return message if isinstance(message, Predict) else None


def _error_code(error: WireError) -> str:
    if isinstance(error, FrameTooLargeError):
        return "frame_too_large"
    return "unsupported_version" if isinstance(error, UnsupportedVersionError) else "malformed"
