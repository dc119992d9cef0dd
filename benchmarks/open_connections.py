"""The connections of the open loop: as many as the load needs, each with one request in flight."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections import deque
from time import monotonic
from typing import cast

from benchmarks.connections import ResponseHeads
from benchmarks.load_plan import Script
from benchmarks.replies import Outcome, judge

__all__ = ["Connections", "Notes"]

REOPEN_AFTER_S = 0.05
N_OPENED_AT_ONCE = 64
"""More at once overrun the server's queue of connections, and retries of the kernel take a second."""


class Notes:
    """What is written down while requests run: one place per request in every array. Times are of `monotonic`."""

    def __init__(self, n_requests: int) -> None:
        never = array("d", [math.nan]) * n_requests
        self.picked_s, self.sent_s, self.done_s = array("d", never), array("d", never), array("d", never)
        self.outcome = bytearray(n_requests)  # Outcome.NONE
        self.reason = bytearray(n_requests)
        self.connection = array("i", [-1]) * n_requests
        self.query_id = array("q", [-1]) * n_requests
        self.reasons = {"": 0}
        self.n_surplus = 0


class Connections:
    """Sends each request it is given on an idle connection, opens one when there is none, and notes what came back.

    Invariants: a request is written at most once; what waits is sent in the order given; at most `n_max` connections
    are open or being opened; at least `n_ready` are, as far as the server lets them.
    """

    def __init__(self, address: tuple[str, int], script: Script, n_ready: int, n_max: int, takes_turns: bool) -> None:
        self._address = address
        self._script = script
        self._n_ready = n_ready
        self._n_max = max(n_ready, n_max)
        self._take_idle = deque.popleft if takes_turns else deque.pop
        self._heads = ResponseHeads()
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[int] = deque()
        self._open: set[_Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._n_numbered = 0
        self._n_unfinished = 0
        self._is_running = True
        self._all_finished = asyncio.Event()
        self.notes = Notes(len(script.requests))

    async def open(self) -> None:
        """Opens the connections that are to be ready.

        :raises OSError: the server takes none.
        """
        remaining = iter(range(self._n_ready))

        async def open_some() -> None:
            for _ in remaining:
                await self._connect()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(N_OPENED_AT_ONCE, self._n_ready)):
                    group.create_task(open_some())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    def take(self, number: int, now_s: float) -> None:
        """The request is due: send it as soon as a connection is free."""
        self.notes.picked_s[number] = now_s
        self._n_unfinished += 1
        self._waiting.append(number)
        self._send_waiting()

    async def finish(self, patience_s: float) -> None:
        """Waits until every request taken is finished, but not longer than `patience_s`; then closes everything."""
        try:
            async with asyncio.timeout(patience_s):
                while self._n_unfinished:
                    self._all_finished.clear()
                    await self._all_finished.wait()
        except TimeoutError:
            pass
        self._is_running = False
        opening = list(self._opening)
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for connection in list(self._open):
            connection.close()

    def joined(self, connection: _Connection) -> None:
        self._open.add(connection)
        connection.index = self._n_numbered
        self._n_numbered += 1
        self._idle.append(connection)
        self._send_waiting()

    def answered(self, connection: _Connection, number: int, status: int, body: bytes) -> None:
        notes = self.notes
        notes.done_s[number] = monotonic()
        outcome, reply = judge(status, body, self._script.expected[number], self._script.form)
        notes.outcome[number] = outcome
        if reply is not None:
            notes.query_id[number] = reply.query_id
            if reply.default:
                notes.reason[number] = notes.reasons.setdefault(reply.default_reason, len(notes.reasons))
        self._finished()
        self._idle.append(connection)
        self._send_waiting()

    def retire(self, connection: _Connection) -> None:
        """Nothing more is sent on a connection; it is about to be closed."""
        self._open.discard(connection)

    def unreadable(self, number: int) -> None:
        """What came is no response of known length."""
        self.notes.done_s[number] = monotonic()
        self.notes.outcome[number] = Outcome.WRONG
        self._finished()

    def lost(self, connection: _Connection, number: int) -> None:
        """A connection is closed; `number` is the request it still owed an answer, or -1."""
        self.retire(connection)
        if number >= 0:
            self._finished()
        if self._is_running and len(self._open) + len(self._opening) < self._n_ready:
            self._open_another()

    def _send_waiting(self) -> None:
        while self._waiting:
            connection = self._free_connection()
            if connection is None:
                if len(self._opening) < len(self._waiting) and len(self._open) + len(self._opening) < self._n_max:
                    self._open_another()
                return
            self._send(connection, self._waiting.popleft())

    def _free_connection(self) -> _Connection | None:
        while self._idle:
            connection = self._take_idle(self._idle)
            if connection in self._open:
                return connection
        return None

    def _send(self, connection: _Connection, number: int) -> None:
        connection.send(number, self._script.requests[number])
        self.notes.sent_s[number] = monotonic()
        self.notes.connection[number] = connection.index
        leaves_after_s = self._script.leaves_after_s.get(number)
        if leaves_after_s is not None:
            asyncio.get_running_loop().call_later(leaves_after_s, self._leave, connection, number)

    def _leave(self, connection: _Connection, number: int) -> None:
        if connection.number == number and connection in self._open:
            self.notes.outcome[number] = Outcome.CANCELLED
            connection.close()

    def _finished(self) -> None:
        self._n_unfinished -= 1
        if not self._n_unfinished:
            self._all_finished.set()

    def _open_another(self) -> None:
        task = asyncio.get_running_loop().create_task(self._keep_connecting(), name="open a connection")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _keep_connecting(self) -> None:
        while True:
            try:
                return await self._connect()
            except OSError:
                await asyncio.sleep(REOPEN_AFTER_S)

    async def _connect(self) -> None:
        host, port = self._address
        await asyncio.get_running_loop().create_connection(lambda: _Connection(self, self._heads), host, port)


class _Connection(asyncio.Protocol):
    """One keep-alive connection. `number` is the request in flight, -1 while idle."""

    __slots__ = ("_heads", "_owner", "_partial", "_transport", "index", "number")

    def __init__(self, owner: Connections, heads: ResponseHeads) -> None:
        self._owner = owner
        self._heads = heads
        self._partial = b""
        self.index = -1
        self.number = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are not instances of it
        self._owner.joined(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._owner.lost(self, self.number)

    def send(self, number: int, request: bytes) -> None:
        self.number = number
        self._transport.write(request)

    def close(self) -> None:
        self._owner.retire(self)
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.number < 0:
            self._surplus()
            return
        if self._partial:
            data = self._partial + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._partial = data
            return
        status, n_body_bytes = self._heads.read(data[:end])
        body_end = end + 4 + n_body_bytes
        if n_body_bytes >= 0 and body_end > len(data):
            self._partial = data
            return
        self._partial = b""
        number, self.number = self.number, -1
        if n_body_bytes < 0:
            self._owner.unreadable(number)
            self.close()
            return
        if body_end < len(data):
            self._surplus()
        self._owner.answered(self, number, status, data[end + 4 : body_end])

    def _surplus(self) -> None:
        self._owner.notes.n_surplus += 1
        self.close()
