"""Asking a part whether it answers: one HTTP request, or one Redis PING, over a fresh connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

__all__ = ["Probe", "http_probe", "redis_probe"]

Probe = Callable[[], Awaitable[bool]]
"""Whether the part answers as it should, now. Never raises for a part that does not; bounded in time."""

_TIMEOUT_S = 5.0


def http_probe(host: str, port: int, path: str, token: str | None = None, timeout_s: float = _TIMEOUT_S) -> Probe:
    """GET of the path is answered with 200."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}Connection: close\r\n\r\n".encode()

    async def probe() -> bool:
        line = await _first_line(lambda: asyncio.open_connection(host, port), request, timeout_s)
        return line.split(b" ")[1:2] == [b"200"]

    return probe


def redis_probe(socket_path: Path) -> Probe:
    """PING is answered with PONG (not while Redis still loads its data)."""

    async def probe() -> bool:
        line = await _first_line(lambda: asyncio.open_unix_connection(str(socket_path)), b"PING\r\n", _TIMEOUT_S)
        return line.startswith(b"+PONG")

    return probe


Opener = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def _first_line(open_connection: Opener, request: bytes, timeout_s: float) -> bytes:
    """The first line of the answer; empty if there is none in time."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await open_connection()
            try:
                writer.write(request)
                await writer.drain()
                return await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return b""
