"""Whole HTTP/1.1 responses as bytes, with the headers the ASGI route would send, in its order."""

from collections.abc import Sequence
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

__all__ = ["ResponseWriter"]

Headers = Sequence[tuple[bytes, bytes]]


def _length(n_bytes: int) -> bytes:
    """The end of a head, from the length on."""
    return b"%d\r\ncontent-type: application/json\r\n\r\n" % n_bytes


N_LENGTHS: Final = 512
LENGTHS: Final = tuple([_length(n_bytes) for n_bytes in range(N_LENGTHS)])
"""Of the usual answers."""


class ResponseWriter:
    """Writes JSON responses. uvicorn's default headers change once a second; what follows from them is kept."""

    __slots__ = ("_ok_prefix", "_source")

    def __init__(self) -> None:
        self._source: Headers | None = None
        self._ok_prefix = b""

    def ok(self, body: bytes, default_headers: Headers) -> bytes:
        """200 on a connection that stays open."""
        if default_headers is not self._source:
            self._source = default_headers
            self._ok_prefix = _prefix(200, default_headers)
        n_bytes = len(body)
        rest = LENGTHS[n_bytes] if n_bytes < N_LENGTHS else _length(n_bytes)
        return b"".join((self._ok_prefix, rest, body))

    def response(self, status: int, body: bytes, default_headers: Headers, keep_alive: bool) -> bytes:
        """Any status; `keep_alive` False announces that the connection ends with it."""
        close = b"" if keep_alive else b"connection: close\r\n"
        prefix = _prefix(status, default_headers)
        return b"%b%d\r\ncontent-type: application/json\r\n%b\r\n%b" % (prefix, len(body), close, body)


def _prefix(status: int, default_headers: Headers) -> bytes:
    lines = [STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in default_headers), b"content-length: "]
    return b"".join(lines)
