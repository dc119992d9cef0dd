"""The connections of the closed-loop load: raw protocols that send, check and record, and little else.

Every microsecond spent here is one the server under test does not get on a small machine: requests are encoded
beforehand, response heads are read once each, and no task or future exists per request.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import cast

__all__ = ["Load", "Requests", "ResponseHeads", "Tally"]

STALLED_AFTER_S = 1.0
"""A request still unanswered at the end counts as an error once it has waited this long; a younger one is dropped."""
RECONNECT_AFTER_S = 0.05
MAX_KNOWN_HEADS = 1024


class Tally:
    """Counts and latencies of the measured window; `measuring` is false during warm-up and after the end."""

    __slots__ = ("defaults", "errors", "latencies_s", "measuring")

    def __init__(self) -> None:
        self.measuring = False
        self.errors = 0
        self.defaults = 0
        self.latencies_s = array("d")

    def error(self) -> None:
        self.errors += self.measuring


class ResponseHeads:
    """Status and body length of response heads. Heads repeat (date and length differ), so each is read once."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, int]] = {}

    def read(self, head: bytes) -> tuple[int, int]:
        """(status, body length in bytes); the length is -1 when the head does not state it."""
        known = self._known.get(head)
        if known is None:
            if len(self._known) >= MAX_KNOWN_HEADS:
                self._known.clear()
            known = self._known[head] = _parse_head(head)
        return known


def _parse_head(head: bytes) -> tuple[int, int]:
    status_line, *lines = head.split(b"\r\n")
    parts = status_line.split(b" ", 2)
    status = int(parts[1]) if len(parts) > 1 and parts[0] == b"HTTP/1.1" and parts[1].isdigit() else 0
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and value.strip().isdigit():
            return status, int(value)
    return status, -1


class Requests:
    """The pre-encoded requests, handed out round robin over all connections."""

    __slots__ = ("_encoded", "_next")

    def __init__(self, host: str, port: int, path: str, bodies: Sequence[bytes]) -> None:
        fixed = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: "
        self._encoded = [b"%b%d\r\n\r\n%b" % (fixed.encode(), len(body), body) for body in bodies]
        self._next = 0

    def take(self) -> bytes:
        index = self._next
        self._next = index + 1 if index + 1 < len(self._encoded) else 0
        return self._encoded[index]


class _Connection(asyncio.Protocol):
    """One keep-alive connection with exactly one request in flight.

    Invariant: every request sent is recorded once, as an answer or as an error, or dropped at the end while young.
    """

    __slots__ = ("_heads", "_on_lost", "_partial", "_requests", "_tally", "_transport", "sent_at")

    def __init__(self, requests: Requests, tally: Tally, heads: ResponseHeads, on_lost: Callable[[_Connection], None]):
        self._requests = requests
        self._tally = tally
        self._heads = heads
        self._on_lost = on_lost
        self._partial = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are not instances of it
        self._send()

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._partial = data
            return
        status, n_body_bytes = self._heads.read(data[:end])
        missing = end + 4 + n_body_bytes - len(data)
        if missing > 0:
            self._partial = data
            return
        self._partial = b""
        if n_body_bytes < 0 or missing < 0:
            self._transport.abort()
            return
        self._answered(status, data)
        self._send()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._tally.error()
        self._on_lost(self)

    def close(self) -> None:
        self._transport.abort()

    def _send(self) -> None:
        self._transport.write(self._requests.take())
        self.sent_at = perf_counter()

    def _answered(self, status: int, answer: bytes) -> None:
        tally = self._tally
        if not tally.measuring:
            return
        if status != 200:
            tally.errors += 1
            return
        tally.latencies_s.append(perf_counter() - self.sent_at)
        if b'"default":true' in answer or b'"default": true' in answer:
            tally.defaults += 1


class Load:
    """All connections of one run: opens them, replaces lost ones, closes them at the end."""

    def __init__(self, host: str, port: int, requests: Requests) -> None:
        self._address = (host, port)
        self._requests = requests
        self._heads = ResponseHeads()
        self._open: set[_Connection] = set()
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._running = True
        self.tally = Tally()

    async def connect(self) -> None:
        host, port = self._address
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(self._new_connection, host, port)
        self._open.add(connection)

    def count_stalled(self) -> None:
        stalled_before = perf_counter() - STALLED_AFTER_S
        self.tally.errors += sum(connection.sent_at < stalled_before for connection in self._open)

    async def close(self) -> None:
        self._running = False
        for task in self._reconnecting:
            task.cancel()
        for connection in self._open:
            connection.close()
        await asyncio.gather(*self._reconnecting, return_exceptions=True)

    def _new_connection(self) -> _Connection:
        return _Connection(self._requests, self.tally, self._heads, self._lost)

    def _lost(self, connection: _Connection) -> None:
        if self._running:
            self._open.discard(connection)
            task = asyncio.get_running_loop().create_task(self._reconnect(), name="reconnect")
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnecting.discard)

    async def _reconnect(self) -> None:
        while True:
            await asyncio.sleep(RECONNECT_AFTER_S)
            try:
                return await self.connect()
            except OSError:
                self.tally.error()
