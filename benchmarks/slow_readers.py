"""Clients that ask without end and read a drop at a time: what they cost must be bounded, and only they may feel it."""

from __future__ import annotations

import asyncio
import socket

__all__ = ["SlowReaders"]

RECEIVE_BUFFER_BYTES = 4096
N_AT_ONCE = 16
EVERY_S = 0.05
READ_BYTES = 1024
"""Every EVERY_S: 20 kB a second."""


class SlowReaders:
    """`n` connections; each sends as many requests as the server takes, at most N_AT_ONCE every EVERY_S."""

    def __init__(self, address: tuple[str, int], path: str, n: int) -> None:
        host, port = address
        body = b'{"input":[1.0]}'
        head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._burst = N_AT_ONCE * (head.encode() + body)
        self._address = address
        self._unsent: dict[socket.socket, bytes] = {}
        self._n = n
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """:raises OSError: the server takes no connection."""
        loop = asyncio.get_running_loop()
        for _ in range(self._n):
            reader = socket.socket()
            self._unsent[reader] = b""
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            reader.setblocking(False)
            await loop.sock_connect(reader, self._address)
        self._working = loop.create_task(self._work(), name="slow readers")

    async def stop(self) -> None:
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        for reader in self._unsent:
            reader.close()

    async def _work(self) -> None:
        while True:
            for reader in list(self._unsent):
                try:
                    self._step(reader)
                except BlockingIOError:
                    pass  # nothing to read, or no room to write: it is slow, after all
                except OSError:  # the server has had enough of it
                    del self._unsent[reader]
                    reader.close()
            await asyncio.sleep(EVERY_S)

    def _step(self, reader: socket.socket) -> None:
        unsent = self._unsent[reader] or self._burst
        self._unsent[reader] = unsent[reader.send(unsent) :]
        if not reader.recv(READ_BYTES):
            raise ConnectionResetError("the server closed the connection")
