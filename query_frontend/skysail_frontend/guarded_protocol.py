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
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from skysail_frontend.application import error_body
from skysail_frontend.guarded_input import GuardedInput
from skysail_frontend.http_response import ResponseWriter

__all__ = ["LINGER_S", "GuardedProtocol", "sweep_connections"]

logger = logging.getLogger(__name__)

LINGER_S = 2.0
"""After a refusal the rest of the request is read and thrown away for this long. Closing at once would reset the
connection, and most clients then report the reset instead of the answer (RFC 9112, section 9.6)."""
SWEEP_INTERVAL_S = 0.5
HTTP_ERROR = "HTTP error"


class GuardedProtocol(GuardedInput):
    """One client connection.

    Invariants: every request is answered once, in order; no timer exists per connection or request
    (`sweep_connections` looks at all of them twice a second).
    """

    __slots__ = ("_active", "_n_unsent_bytes", "_quiet_since_s", "refusal")

    writer: ResponseWriter

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.refusal: bytes | None = None
        self._quiet_since_s = 0.0
        self._n_unsent_bytes = 0
        self._active: RequestResponseCycle | None = None

    # What is refused

    def refuse(self, status: int, cause: str) -> None:
        """Drops the request being received, answers `status` after everything taken in before, ends the connection.

        A request that has been answered before all of it was here does not get a second answer.
        """
        others_in_work = bool(self.pipeline) or self._is_answering()
        self.is_lingering = True
        self.is_mid_message = False
        self.receiving_since_s = 0.0
        if self.drop_request():
            self.refusal = b""
        else:
            body = error_body(HTTP_ERROR, cause)
            self.refusal = self.writer.response(status, body, self.server_state.default_headers, keep_alive=False)
        if not others_in_work:  # else on_response_complete comes back to it
            self.write_refusal()

    def write_refusal(self) -> None:
        """Writes the refusal that is due and lingers until the client has read it."""
        if self.refusal is None or self.transport.is_closing():
            return
        refusal, self.refusal = self.refusal, None
        self.flow.resume_reading()
        self.transport.write(refusal)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, msg)

    def failed_to_parse(self, error: httptools.HttpParserError) -> None:
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
            logger.error("a request failed in the frontend", exc_info=cause)
            self.refuse(500, "internal error; the frontend's log has the details")
        else:
            self.refuse(400, f"not a valid HTTP request: {error}")

    def drop_request(self) -> bool:
        """Forgets the request that is being received. True: it has been answered already."""
        cycle = self.cycle
        if not self.is_begun or cycle.response_complete:
            return self.is_begun
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

    def on_response_complete(self) -> None:
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
        since_s = self.receiving_since_s
        if since_s and not self.is_lingering and not self.flow.read_paused:
            if now_s - since_s > self.settings.receive_timeout_s:
                self.refuse(408, f"the request did not arrive within {self.settings.receive_timeout_s:g} s")
        elif now_s - self._quiet_since_s > self.settings.idle_timeout_s:
            if n_unsent_bytes:
                self.transport.abort()  # the client has stopped reading; closing would wait for it
            elif self.is_idle():
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
