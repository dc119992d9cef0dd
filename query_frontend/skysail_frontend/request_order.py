"""The lane's requests of one connection: numbered as they come, answered in that order."""

import time
from collections.abc import Sequence
from typing import Any, Final

from skysail_frontend.catalog import Catalog
from skysail_frontend.http_response import ResponseWriter
from skysail_frontend.predict_options import PredictOptions
from skysail_frontend.query import Query

__all__ = ["MAX_OPEN", "NEVER", "KnownHeads", "RequestOrder"]

MAX_OPEN: Final = 256
"""Pipelined requests in work on one connection; beyond, reading pauses until answers have gone out."""
NEVER: Final = -1
KnownHeads = dict[bytes, tuple[str, int, PredictOptions | None]]
"""Request head to application name, body length and what else it asks for."""


class RequestOrder:
    """Asks the catalog, and is the sink of what it answers. A part of its connection (`HotLane`) that can be compiled.

    Invariants: a request with a number below ``n_written`` has its response; any other is in ``_open`` with its
    queries, or in ``_ready`` with a response whose turn has not come.

    ``is_awaited``: something waits until all is answered, which the connection is then told through ``lane_is_done``.
    A connection sees from ``n_asked`` and ``n_written`` that it is alive.
    """

    def __init__(self, connection: Any, catalog: Catalog, writer: ResponseWriter, known_heads: KnownHeads) -> None:
        self.n_asked = 0
        self.n_written = 0
        self.last = NEVER
        """The connection ends with the response to this request."""
        self.is_awaited = False
        self.transport: Any = None
        self._connection = connection
        self._state = connection.server_state
        self._catalog = catalog
        self._writer = writer
        self._known_heads = known_heads
        self._n_head = 0
        self._clock = time.monotonic
        self._open: dict[int, Sequence[Query]] = {}
        self._ready: dict[int, bytes] = {}

    @property
    def is_idle(self) -> bool:
        """Every request has its response."""
        return self.n_written == self.n_asked

    @property
    def is_full(self) -> bool:
        return self.n_asked - self.n_written >= MAX_OPEN

    def take(self, data: bytes) -> bool:
        """Asks what `data` is if that is one whole request with a known head; else False, and nothing happened."""
        n_head = self._n_head  # of the last one: what is found under so many bytes is a head, and no search is needed
        known = self._known_heads.get(data[:n_head])
        if known is None:
            n_head = data.find(b"\r\n\r\n") + 4
            known = self._known_heads.get(data[:n_head])
            if known is None:
                return False
            self._n_head = n_head
        if len(data) - n_head != known[1]:
            return False
        self.ask(known[0], data[n_head:], known[2])
        return True

    def ask(self, app: str, body: bytes, options: PredictOptions | None) -> None:
        """Takes in the next request."""
        number = self.n_asked
        self.n_asked = number + 1
        self._open[number] = ()
        queries = self._catalog.ask(app, body, self, number, self._clock(), options)
        if number in self._open:  # not answered at once
            self._open[number] = queries
            if number - self.n_written >= MAX_OPEN - 1:
                self._connection.flow.pause_reading()

    def answered(self, position: int, answer: bytes) -> None:
        """`answer` is the whole body of the 200 for request number `position`."""
        if self._open.pop(position, None) is None:
            return  # the client is gone
        headers = self._state.default_headers
        transport = self.transport
        if position != self.n_written or position == self.last or transport.is_closing():
            self._respond(position, self._writer.response(200, answer, headers, position != self.last))
            return
        self.n_written = position + 1
        transport.write(self._writer.ok(answer, headers))
        if self._ready:
            self._flush()
        elif self.is_awaited and not self._open:
            self._is_done()

    def refused(self, position: int, status: int, body: bytes) -> None:
        """`body` is an error object."""
        if self._open.pop(position, None) is not None:
            headers = self._state.default_headers
            self._respond(position, self._writer.response(status, body, headers, position != self.last))

    def cancel(self) -> None:
        """The client is gone: no answer is wanted any more."""
        unanswered, self._open = self._open, {}
        for queries in unanswered.values():
            for query in queries:
                query.cancel()
        self._connection = None  # it holds this object: nothing is left to the garbage collector

    def _respond(self, number: int, response: bytes) -> None:
        self._ready[number] = response
        self._flush()

    def _flush(self) -> None:
        """Writes the responses whose turn has come."""
        responses: list[bytes] = []
        while (response := self._ready.pop(self.n_written, None)) is not None:
            responses.append(response)
            self.n_written += 1
        if not responses or self.transport.is_closing():
            return
        self.transport.write(b"".join(responses))
        if self.n_written - 1 == self.last:
            self.transport.close()
        elif self.is_awaited and self.is_idle:
            self._is_done()

    def _is_done(self) -> None:
        self.is_awaited = False
        self._connection.lane_is_done()
