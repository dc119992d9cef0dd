"""Clients that ask and ask and never read an answer: what they cost must be bounded, and only they may feel it."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

__all__ = ["SlowReaders"]

RECEIVE_BUFFER_BYTES = 4096
N_AT_ONCE = 16
EVERY_S = 0.05


class SlowReaders:
    """`n` connections, each of which writes N_AT_ONCE requests every EVERY_S for as long as the server takes them."""

    def __init__(self, address: tuple[str, int], path: str, n: int) -> None:
        host, port = address
        body = b'{"input":[1.0]}'
        head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._burst = N_AT_ONCE * (head.encode() + body)
        self._address = address
        self._n = n
        self._readers: list[_SlowReader] = []
        self._writing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """:raises OSError: the server takes no connection."""
        loop = asyncio.get_running_loop()
        for _ in range(self._n):
            connected = socket.socket()
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            connected.setblocking(False)
            await loop.sock_connect(connected, self._address)
            _, reader = await loop.create_connection(_SlowReader, sock=connected)
            self._readers.append(reader)
        self._writing = loop.create_task(self._write(), name="slow readers")

    async def stop(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        for reader in self._readers:
            reader.transport.abort()

    async def _write(self) -> None:
        while True:
            for reader in self._readers:
                if reader.may_write:
                    reader.transport.write(self._burst)
            await asyncio.sleep(EVERY_S)


class _SlowReader(asyncio.Protocol):
    def __init__(self) -> None:
        self.may_write = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not instances of it
        self.transport.pause_reading()
        self.may_write = True

    def pause_writing(self) -> None:
        self.may_write = False

    def resume_writing(self) -> None:
        self.may_write = True

    def connection_lost(self, _exc: Exception | None) -> None:
        self.may_write = False
