"""uvicorn's httptools protocol with limits: what a client may send, how much and how slowly.

Holds for every route. What is refused here gets an error object and the end of its connection:
400 for what is not HTTP, 408 for a request that takes too long to arrive, 413 for a body and 431 for headers too large.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from skysail_frontend.application import error_body
from skysail_frontend.http_response import ResponseWriter
from skysail_frontend.settings import Settings

__all__ = ["LINGER_S", "GuardedProtocol", "sweep_connections"]

logger = logging.getLogger(__name__)

LINGER_S = 2.0
"""After a refusal the rest of the request is read and thrown away for this long. Closing at once would reset the
connection, and most clients then report the reset instead of the answer (RFC 9112, section 9.6)."""
SWEEP_INTERVAL_S = 0.5
PIECE_BYTES = 16 * 1024
"""A read is worked off in pieces: the many small requests that one can hold would cost a hundred times its size."""
HTTP_ERROR = "HTTP error"


class GuardedFlow(FlowControl):
    """Reads on only when what was read before has been worked off and its answers are being read.

    uvicorn reads on whenever a request asks for its body, so a client that sends without end and reads nothing would
    fill the pipeline without end.
    """

    def __init__(self, transport: asyncio.Transport, connection: "GuardedProtocol") -> None:
        super().__init__(transport)
        self._connection = connection

    def resume_reading(self) -> None:
        if self.read_paused and not self._connection.is_full() and not self._connection.holds_input():
            super().resume_reading()


class GuardedProtocol(HttpToolsProtocol):
    """One client connection.

    Invariants: bytes held per connection are bounded by ``max_header_bytes + max_body_bytes``, one read, and the
    requests in one piece of it with their answers; no timer exists per connection or request (`sweep_connections`
    looks at all of them twice a second).
    """

    settings: Settings
    writer: ResponseWriter

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.is_mid_message = False
        self.is_lingering = False
        self.is_shutting_down = False
        self._is_begun = False
        self._is_upgrade = False
        self._n_overhead_bytes = 0
        self._n_body_bytes = 0
        self._receiving_since_s = 0.0
        self._refusal: bytes | None = None
        self.was_active = True
        self._quiet_since_s = 0.0
        self._n_unsent_bytes = 0
        self._held = b""
        self._active: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self.flow = GuardedFlow(transport, self)

    # What arrives

    def data_received(self, data: bytes) -> None:
        self.was_active = True
        if not self.is_lingering:
            self.parse(data)

    def parse(self, data: bytes | memoryview) -> None:
        """Feeds the parser until the connection is full; the rest waits until it is not."""
        rest = memoryview(data)
        while rest and not self.is_lingering:
            if self.is_full():
                self._held = bytes(rest)
                self.flow.pause_reading()
                return
            piece = rest[:PIECE_BYTES]
            rest = rest[self._feed_within_limits(piece) :]

    def is_full(self) -> bool:
        """Enough is in work, or enough answers wait to be read; nothing more is taken in until that has changed."""
        return self.flow.write_paused or bool(self.pipeline)

    def holds_input(self) -> bool:
        """Input waits to be parsed. Sees to it that it will be."""
        if self._held:
            self.loop.call_soon(self._go_on)
        return bool(self._held)

    def _go_on(self) -> None:
        if self.is_full() or self.transport.is_closing():
            return
        held, self._held = self._held, b""
        self.parse(held)
        self.flow.resume_reading()

    def _feed_within_limits(self, piece: memoryview) -> int:
        """Bounds heads, chunk extensions and trailers, none of which need ever end. Returns the bytes taken."""
        if self.is_mid_message:
            self._n_overhead_bytes += len(piece)
        n_taken = self._feed(piece)
        if self.is_mid_message and self._n_overhead_bytes > self.settings.max_header_bytes and not self.is_lingering:
            self._refuse_head()
        return n_taken

    def _feed(self, data: memoryview) -> int:
        """Feeds the parser, which stops at a request to upgrade. Returns the bytes taken."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._is_upgrade:
                self._parse_as_plain()
            return int(upgrade.args[0])
        except httptools.HttpParserError as error:
            if not self.is_lingering:
                self._failed_to_parse(error)
        return len(data)

    def _parse_as_plain(self) -> None:
        """Parses the head of a request to upgrade again, without the upgrade.

        No upgrade is ever taken; the request is then meant as it stands (RFC 9110, section 7.8), its body included,
        which the parser would leave out. Java's HttpClient asks for HTTP/2 in this way.
        """
        lines = [b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._feed(memoryview(b"".join([*lines, b"\r\n"])))

    def on_message_begin(self) -> None:
        self.is_mid_message = True
        self._is_begun = self._is_upgrade = False
        self._n_overhead_bytes = self._n_body_bytes = 0
        self._receiving_since_s = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.is_lingering:
            return
        n_head_bytes = len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])
        if n_head_bytes > self.settings.max_header_bytes:
            self._refuse_head()
        elif self.content_length() > self.settings.max_body_bytes:
            self._refuse_body()
        elif self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._is_upgrade = True
        elif not _has_path(self.url):
            self.refuse(400, "the request's target is not a path, nor a URL with one")
        else:
            self.begin_request()

    def begin_request(self) -> None:
        """The head is complete and within the limits."""
        self._is_begun = True
        super().on_headers_complete()
        if self.is_shutting_down:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if self.is_lingering:
            return
        self._n_overhead_bytes = 0
        self._n_body_bytes += len(body)
        if self._n_body_bytes > self.settings.max_body_bytes:
            self._refuse_body()
        else:
            self.take_body(body)

    def take_body(self, body: bytes) -> None:
        """A piece of a body that is within the limits."""
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_upgrade:
            return  # only its head was here
        self.is_mid_message = self._is_begun = False
        self._receiving_since_s = 0.0
        if not self.is_lingering:
            self.end_request()

    def end_request(self) -> None:
        """The whole request is here."""
        super().on_message_complete()

    def content_length(self) -> int:
        """The announced length of the body, 0 without one. The parser has checked that it is a number."""
        return next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    # What is refused

    def refuse(self, status: int, cause: str) -> None:
        """Drops the request being received, answers `status` after everything taken in before, ends the connection.

        A request that has been answered before all of it was here does not get a second answer.
        """
        others_in_work = bool(self.pipeline) or self._is_answering()
        self.is_lingering = True
        self.is_mid_message = False
        self._receiving_since_s = 0.0
        if self.drop_request():
            self._refusal = b""
        else:
            body = error_body(HTTP_ERROR, cause)
            self._refusal = self.writer.response(status, body, self.server_state.default_headers, keep_alive=False)
        if not others_in_work:  # else on_response_complete comes back to it
            self.write_refusal()

    def write_refusal(self) -> None:
        """Writes the refusal that is due and lingers until the client has read it."""
        if self._refusal is None or self.transport.is_closing():
            return
        refusal, self._refusal = self._refusal, None
        self.flow.resume_reading()
        self.transport.write(refusal)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, msg)

    def _failed_to_parse(self, error: httptools.HttpParserError) -> None:
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
            logger.error("a request failed in the frontend", exc_info=cause)
            self.refuse(500, "internal error; the frontend's log has the details")
        else:
            self.refuse(400, f"not a valid HTTP request: {error}")

    def _refuse_head(self) -> None:
        limit = self.settings.max_header_bytes
        self.refuse(431, f"the request line and headers (or trailers) are larger than {limit} bytes")

    def _refuse_body(self) -> None:
        self.refuse(413, f"the body is larger than {self.settings.max_body_bytes} bytes")

    def drop_request(self) -> bool:
        """Forgets the request that is being received. True: it has been answered already."""
        cycle = self.cycle
        if not self._is_begun or cycle.response_complete:
            return self._is_begun
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
        cycle.disconnected = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        return cycle.response_started

    def _is_answering(self) -> bool:
        """An ASGI request has arrived whole and is in work."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    # What is in work

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    # What ends

    def connection_lost(self, exc: Exception | None) -> None:
        if self._active is not None and not self._active.response_complete:
            self._active.disconnected = True  # uvicorn tells the newest request alone
            self._active.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()  # who does not read answers may not ask more

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flow.resume_reading()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self.was_active = True
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self.write_refusal()

    def is_idle(self) -> bool:
        """Nothing is being received, worked on or written."""
        return not self.is_mid_message and (self.cycle is None or self.cycle.response_complete)

    def shutdown(self) -> None:
        self.is_shutting_down = True
        if self.is_idle():
            self.transport.close()
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def sweep(self, now_s: float) -> None:
        """Ends what takes too long to arrive, to be read, or to begin."""
        n_unsent_bytes = self.transport.get_write_buffer_size()
        if self.was_active or n_unsent_bytes != self._n_unsent_bytes:
            self.was_active = False
            self._quiet_since_s = now_s
            self._n_unsent_bytes = n_unsent_bytes
        since_s = self._receiving_since_s
        if since_s and not self.is_lingering and not self.flow.read_paused:
            if now_s - since_s > self.settings.receive_timeout_s:
                self.refuse(408, f"the request did not arrive within {self.settings.receive_timeout_s:g} s")
        elif now_s - self._quiet_since_s > self.settings.idle_timeout_s:
            if n_unsent_bytes:
                self.transport.abort()  # the client has stopped reading; closing would wait for it
            elif self.is_idle():
                self.transport.close()


def _has_path(url: bytes) -> bool:
    if url.startswith(b"/"):
        return True
    try:
        return httptools.parse_url(url).path is not None
    except httptools.HttpParserInvalidURLError:
        return False


async def sweep_connections(connections: Iterable[object]) -> None:
    """Looks after the timeouts of all connections, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_INTERVAL_S)
        now_s = loop.time()
        for connection in list(connections):
            if isinstance(connection, GuardedProtocol):
                connection.sweep(now_s)
