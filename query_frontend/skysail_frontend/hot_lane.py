"""The hot lane: predict requests served inside the HTTP protocol class.

No ASGI scope, no task, no future: the body goes to the application when the request is complete, and the response is
written by the callback that brings the answer. Everything that is not a plain predict request falls through to the
ASGI application, which has the same route.

A client that keeps its connection sends the same head again and again. A head that the parser has accepted once is
kept with what followed from it, so that a request that arrives whole needs one look-up instead of a dozen parser
callbacks; figures in docs/performance.md.
"""

import asyncio
import logging
import re
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from skysail_frontend.catalog import Catalog
from skysail_frontend.guarded_protocol import GuardedProtocol
from skysail_frontend.http_response import ResponseWriter
from skysail_frontend.predict_options import PredictOptions, options_of
from skysail_frontend.request_order import KnownHeads, RequestOrder
from skysail_frontend.settings import Settings

__all__ = ["HotLane", "hot_lane"]

logger = logging.getLogger(__name__)

PREDICT_PATH = re.compile(rb"/([a-z0-9][a-z0-9._-]{0,62})/predict/?")
MAX_HEADS, MAX_HEAD_BYTES = 4096, 1024
"""Bounds of the memory of heads: 4 MiB."""


class HotLane(GuardedProtocol):
    """One client connection with the lane.

    Invariants: the lane's requests are numbered as they come (`RequestOrder`), and responses leave in that order, ASGI
    ones included: the lane is taken only while no ASGI request is in work, and an ASGI request waits in uvicorn's
    pipeline until the lane is idle. When the client goes, its queries are cancelled.
    """

    __slots__ = ("_lane_app", "_lane_body", "_lane_options", "_n_seen", "_order", "_whole")

    catalog: Catalog
    known_heads: KnownHeads
    """Shared by the connections of a worker."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._order = RequestOrder(self, self.catalog, self.writer, self.known_heads)
        self._lane_app: str | None = None  # the application of the request being received, if it is the lane's
        self._lane_body: list[bytes] = []
        self._lane_options: PredictOptions | None = None
        self._n_seen = 0  # requests and responses of the lane at the last sweep
        self._whole: bytes | None = None  # the read that began with the request being received

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        self._order.transport = transport
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.is_lingering:
            self.was_active = True
            return
        cycle = self.cycle
        if not self.is_mid_message and (cycle is None or cycle.response_complete):
            if not self.is_shutting_down and self._order.take(data):
                return
            self._whole = data
        self.was_active = True
        self.parse(data)
        self._whole = None

    def lane_is_done(self) -> None:
        """All requests are answered: goes on with what had to wait for that."""
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self.flow.resume_reading()
            self.write_refusal()

    def begin_request(self) -> None:
        app = self._lane_request()
        if app is None:
            self._begin_asgi_request()
            return
        self._lane_app = app
        self._lane_body = []
        self._lane_options = options_of(self.headers)
        if self.expect_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def take_body(self, body: bytes) -> None:
        if self._lane_app is None:
            super().take_body(body)
        else:
            self._lane_body.append(body)

    def end_request(self) -> None:
        if self._lane_app is None:
            super().end_request()
            return
        app, self._lane_app = self._lane_app, None
        body, self._lane_body = b"".join(self._lane_body), []
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        if self._whole is not None and keep_alive:
            self._remember_head(app, len(body))
        self._whole = None
        keep_alive = keep_alive and not self.is_shutting_down
        if not keep_alive:
            self.is_lingering = True  # what follows the last request is not looked at
            self._order.last = self._order.n_asked
        self._order.ask(app, body, self._lane_options)

    def drop_request(self) -> bool:
        if self._lane_app is None:
            return super().drop_request()
        self._lane_app = None
        self._lane_body = []
        return False

    def write_refusal(self) -> None:
        if self._order.is_idle:
            super().write_refusal()
        else:
            self._order.is_awaited = True

    def paused_reading(self) -> None:
        self._order.is_awaited = True

    def is_full(self) -> bool:
        return self._order.is_full or super().is_full()

    def is_idle(self) -> bool:
        return self._order.is_idle and super().is_idle()

    def shutdown(self) -> None:
        super().shutdown()
        if not self._order.is_idle and not self.is_mid_message and self._is_lane_free():
            self._order.last = self._order.n_asked - 1

    def sweep(self, now_s: float) -> None:
        n_seen = self._order.n_asked + self._order.n_written
        if n_seen != self._n_seen:
            self._n_seen = n_seen
            self.was_active = True
        super().sweep(now_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._order.cancel()
        super().connection_lost(exc)

    def _is_lane_free(self) -> bool:
        """No ASGI request is in work on this connection."""
        return self.cycle is None or self.cycle.response_complete

    def _lane_request(self) -> str | None:
        """The application's name if the request whose head is complete belongs to the lane."""
        if self.parser.get_method() != b"POST" or not self._is_lane_free():
            return None
        if self.expect_100_continue and not self._order.is_idle:
            return None  # a 100 may not overtake the responses before it; the pipeline keeps the order
        match = PREDICT_PATH.fullmatch(self.url)
        return None if match is None else match[1].decode("ascii")

    def _begin_asgi_request(self) -> None:
        self._lane_app = None
        if self._order.is_idle:
            super().begin_request()
            return
        self.cycle = _Busy()  # type: ignore[assignment]  # uvicorn looks at response_complete alone
        super().begin_request()

    def _remember_head(self, app: str, n_body_bytes: int) -> None:
        whole = self._whole
        if whole is None or self.parser.should_upgrade() or self.expect_100_continue:
            return
        n_head = whole.find(b"\r\n\r\n") + 4
        names = [name for name, _ in self.headers]
        if n_head > MAX_HEAD_BYTES or len(whole) - n_head != n_body_bytes or b"transfer-encoding" in names:
            return
        if len(self.known_heads) >= MAX_HEADS:
            self.known_heads.clear()
        self.known_heads[whole[:n_head]] = (app, n_body_bytes, self._lane_options)


class _Busy:
    """Stands for the lane's requests where uvicorn asks whether one is in work."""

    response_complete = False


def hot_lane(catalog: Catalog, settings: Settings) -> type[GuardedProtocol]:
    """The protocol class for `uvicorn.Config(http=...)`, bound to a worker's catalog."""
    bound: dict[str, Any] = {"settings": settings, "writer": ResponseWriter()}
    if not settings.lane:
        return type("BoundGuardedProtocol", (GuardedProtocol,), bound)
    return type("BoundHotLane", (HotLane,), {**bound, "__slots__": (), "catalog": catalog, "known_heads": {}})
