"""uvicorn's httptools protocol with limits: what a client may send, how much and how slowly.

Holds for every route. What is refused here gets an error object and the end of its connection:
400 for what is not HTTP, 408 for a request that takes too long to arrive, 413 for a body and 431 for headers too large.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
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
HTTP_ERROR = "HTTP error"


class GuardedProtocol(HttpToolsProtocol):
    """One client connection.

    Invariants: bytes held per connection are bounded by ``max_header_bytes + max_body_bytes`` and one read; no timer
    exists per connection or request (`sweep_connections` looks at all of them twice a second).
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
        self._is_mid_head = False
        self._n_head_bytes = 0
        self._n_body_bytes = 0
        self._receiving_since_s = 0.0
        self._refusal: bytes | None = None
        self.was_active = True
        self._quiet_since_s = 0.0

    # What arrives

    def data_received(self, data: bytes) -> None:
        self.was_active = True
        if not self.is_lingering:
            self.parse(data)

    def parse(self, data: bytes) -> None:
        """Feeds the parser; bounds a head that does not end."""
        if self._is_mid_head:
            self._n_head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]  # the upgrade is not taken; the connection goes on as HTTP/1.1
            if rest and not self.is_lingering:
                self.parse(rest)
        except httptools.HttpParserError as error:
            if not self.is_lingering:
                self._failed_to_parse(error)
        else:
            if self._is_mid_head and self._n_head_bytes > self.settings.max_header_bytes:
                self._refuse_head()

    def on_message_begin(self) -> None:
        self.is_mid_message = self._is_mid_head = True
        self._n_head_bytes = self._n_body_bytes = 0
        self._receiving_since_s = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_mid_head = False
        if self.is_lingering:
            return
        n_head_bytes = len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])
        if n_head_bytes > self.settings.max_header_bytes:
            self._refuse_head()
        elif self.content_length() > self.settings.max_body_bytes:
            self._refuse_body()
        else:
            self.begin_request()

    def begin_request(self) -> None:
        """The head is complete and within the limits."""
        super().on_headers_complete()
        if self.is_shutting_down:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if self.is_lingering:
            return
        self._n_body_bytes += len(body)
        if self._n_body_bytes > self.settings.max_body_bytes:
            self._refuse_body()
        else:
            self.take_body(body)

    def take_body(self, body: bytes) -> None:
        """A piece of a body that is within the limits."""
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.is_mid_message = False
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
        """Drops the request being received, answers `status` after everything taken in before, ends the connection."""
        others_in_work = bool(self.pipeline) or self._is_answering()
        self.is_lingering = True
        self.is_mid_message = False
        self._receiving_since_s = 0.0
        if self.drop_request():
            self.transport.close()
            return
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
        self.refuse(431, f"the request line and headers are larger than {limit} bytes")

    def _refuse_body(self) -> None:
        self.refuse(413, f"the body is larger than {self.settings.max_body_bytes} bytes")

    def drop_request(self) -> bool:
        """Forgets the request that is being received. True: its response has begun already."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.more_body:
            return False
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
        cycle.disconnected = True
        cycle.message_event.set()
        return cycle.response_started

    def _is_answering(self) -> bool:
        """An ASGI request has arrived whole and is in work."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    # What ends

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
        """Ends what takes too long to arrive and what has been idle for too long."""
        if self.was_active:
            self.was_active = False
            self._quiet_since_s = now_s
        since_s = self._receiving_since_s
        if since_s and not self.is_lingering and not self.flow.read_paused:
            if now_s - since_s > self.settings.receive_timeout_s:
                self.refuse(408, f"the request did not arrive within {self.settings.receive_timeout_s:g} s")
        elif self.is_idle() and now_s - self._quiet_since_s > self.settings.idle_timeout_s:
            self.transport.close()


async def sweep_connections(connections: Iterable[object]) -> None:
    """Looks after the timeouts of all connections, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_INTERVAL_S)
        now_s = loop.time()
        for connection in list(connections):
            if isinstance(connection, GuardedProtocol):
                connection.sweep(now_s)
