"""What arrives on a connection: parsed in pieces, within limits, and no faster than it can be worked off."""

import asyncio
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from skysail_frontend.settings import Settings

__all__ = ["GuardedInput"]

PIECE_BYTES = 16 * 1024
"""A read is worked off in pieces: the many small requests that one can hold would cost a hundred times its size."""


class GuardedFlow(FlowControl):
    """Reads on only when what was read before has been worked off and its answers are being read.

    uvicorn reads on whenever a request asks for its body, so a client that sends without end and reads nothing would
    fill the pipeline without end.
    """

    def __init__(self, transport: asyncio.Transport, connection: "GuardedInput") -> None:
        super().__init__(transport)
        self._connection = connection

    def pause_reading(self) -> None:
        self._connection.paused_reading()
        super().pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused and not self._connection.is_full() and not self._connection.holds_input():
            super().resume_reading()


class GuardedInput(HttpToolsProtocol):
    """uvicorn's httptools protocol with bounds on what it takes in; who subclasses it says how to `refuse`.

    Invariant: bytes held per connection are bounded by ``max_header_bytes + max_body_bytes``, one read, and the
    requests in one piece of it with their answers. ``is_mid_message``: a request has begun to arrive and is not all
    here; ``is_begun``: it is in work already; ``is_lingering``: whatever else arrives is not looked at.
    """

    # Slots, for with more than 30 attributes in its dict every look-up on an instance takes CPython's slow way.
    __slots__ = ("_held", "_is_upgrade", "_n_body_bytes", "_n_overhead_bytes", "is_begun", "is_lingering",
                 "is_mid_message", "is_shutting_down", "receiving_since_s", "was_active")  # fmt: skip

    settings: Settings

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
        self.was_active = True
        self.receiving_since_s = 0.0
        self.is_begun = False
        self._is_upgrade = False
        self._n_overhead_bytes = 0
        self._n_body_bytes = 0
        self._held = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self.flow = GuardedFlow(transport, self)

    def refuse(self, status: int, cause: str) -> None:
        """Answers the request being received with an error object and ends the connection."""
        raise NotImplementedError

    def failed_to_parse(self, error: httptools.HttpParserError) -> None:
        """What arrived is not HTTP, or a callback failed."""
        raise NotImplementedError

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

    def paused_reading(self) -> None:
        """Nothing more is read until `flow.resume_reading`, which may be tried at any time."""

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
                self.failed_to_parse(error)
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
        self.is_begun = self._is_upgrade = False
        self._n_overhead_bytes = self._n_body_bytes = 0
        self.receiving_since_s = self.loop.time()
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
        self.is_begun = True
        super().on_headers_complete()
        self.headers = self.headers.copy()  # what comes after the body is not among the request's headers
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
        self.is_mid_message = self.is_begun = False
        self.receiving_since_s = 0.0
        if not self.is_lingering:
            self.end_request()

    def end_request(self) -> None:
        """The whole request is here."""
        super().on_message_complete()

    def content_length(self) -> int:
        """The announced length of the body, 0 without one. The parser has checked that it is a number."""
        return next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()  # who does not read answers may not ask more

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flow.resume_reading()

    def _refuse_head(self) -> None:
        limit = self.settings.max_header_bytes
        self.refuse(431, f"the request line and headers (or trailers) are larger than {limit} bytes")

    def _refuse_body(self) -> None:
        self.refuse(413, f"the body is larger than {self.settings.max_body_bytes} bytes")


def _has_path(url: bytes) -> bool:
    if url.startswith(b"/"):
        return True
    try:
        return httptools.parse_url(url).path is not None
    except httptools.HttpParserInvalidURLError:
        return False
