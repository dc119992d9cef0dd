"""HTTP/1.1 on a plain socket: what is sent is chosen byte by byte, what comes back is parsed strictly."""

import json
import re
import socket
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

__all__ = [
    "TIMEOUT_S",
    "ConnectionEndedError",
    "RawClient",
    "Response",
    "ask",
    "chunked",
    "get",
    "post",
    "predict",
    "timed",
]

TIMEOUT_S = 30.0
READ_BYTES = 1 << 18

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\Z")


class ConnectionEndedError(Exception):
    """The server ended the connection before a whole response had come; `args` hold what had come."""


class Response(NamedTuple):
    """One response as it came; header names and values as they were sent, in order."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header that must not be there twice."""
        values = [value for key, value in self.headers if key.decode() == name]
        assert len(values) <= 1, self.headers
        return values[0].decode() if values else None

    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """One connection. A context manager; every wait is bounded."""

    def __init__(self, port: int, timeout_s: float = TIMEOUT_S, receive_buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(timeout_s)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> Self:
        """Sends every piece in a write of its own."""
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def send_until_refused(self, piece: bytes, n_times: int) -> int:
        """Sends a piece again and again until the server ends the connection; how often it went out."""
        for n_sent in range(n_times):
            try:
                self.socket.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                return n_sent
        return n_times

    def response(self, *, is_head: bool = False) -> Response:
        """The next final response. Interim ones (100) are passed over.

        :raises ConnectionEndedError: the connection ended first.
        """
        while True:
            response = self.any_response(is_head=is_head)
            if response.status >= 200:
                return response

    def any_response(self, *, is_head: bool = False) -> Response:
        """The next response, interim ones included."""
        head = self._take_until(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        match = _STATUS.match(status_line)
        assert match is not None, f"not a status line: {status_line!r}"
        headers = tuple((name, value) for name, _, value in (line.partition(b": ") for line in lines))
        status = int(match[1])
        lengths = [int(value) for name, value in headers if name == b"content-length"]
        if status < 200 or is_head:
            return Response(status, headers, b"")
        assert len(lengths) == 1, f"a response without its length: {head!r}"
        return Response(status, headers, self._take(lengths[0]))

    def responses(self, n: int) -> list[Response]:
        return [self.response() for _ in range(n)]

    def until_end(self) -> bytes:
        """Everything until the server ends the connection, politely or not."""
        try:
            while self._read():
                pass
        except ConnectionResetError:
            pass
        came, self._came = bytes(self._came), bytearray()
        return came

    def is_ended(self) -> bool:
        """Whether the server ends the connection, and has sent nothing before."""
        return self.until_end() == b""

    def has_news_within(self, seconds: float) -> bool:
        """Whether anything comes, be it the end of the connection, within `seconds`."""
        self.socket.settimeout(seconds)
        try:
            return bool(self._came) or self.socket.recv(1, socket.MSG_PEEK) is not None
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(TIMEOUT_S)

    def finish_sending(self) -> None:
        """Half-closes: no more bytes will come from here."""
        self.socket.shutdown(socket.SHUT_WR)

    def _take_until(self, mark: bytes) -> bytes:
        while (end := self._came.find(mark)) < 0:
            self._read_more()
        taken = bytes(self._came[:end])
        del self._came[: end + len(mark)]
        return taken

    def _take(self, n_bytes: int) -> bytes:
        while len(self._came) < n_bytes:
            self._read_more()
        taken = bytes(self._came[:n_bytes])
        del self._came[:n_bytes]
        return taken

    def _read_more(self) -> None:
        try:
            is_open = self._read()
        except ConnectionResetError:
            is_open = False
        if not is_open:
            raise ConnectionEndedError(bytes(self._came))

    def _read(self) -> bool:
        data = self.socket.recv(READ_BYTES)
        self._came += data
        return bool(data)


def post(path: str, body: bytes | str | object, *headers: str) -> bytes:
    """A POST as most clients send it. A body that is neither bytes nor text is sent as its JSON."""
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: skysail", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def predict(app: str, row: object, *headers: str) -> bytes:
    """A predict request for one example."""
    return post(f"/{app}/predict", {"input": row}, *headers)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: skysail", *headers]).encode() + b"\r\n\r\n"


def chunked(path: str, *chunks: bytes, headers: tuple[str, ...] = ()) -> bytes:
    """A POST whose body comes in chunks."""
    lines = [f"POST {path} HTTP/1.1", "Host: skysail", *headers, "Transfer-Encoding: chunked"]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask(port: int, request: bytes, timeout_s: float = TIMEOUT_S) -> Response:
    """One request on a connection of its own."""
    with RawClient(port, timeout_s) as client:
        return client.send(request).response()


def timed(port: int, request: bytes) -> tuple[Response, float]:
    """One request on a connection of its own, and the seconds until its response was there."""
    with RawClient(port) as client:
        start_s = time.monotonic()
        response = client.send(request).response()
        return response, time.monotonic() - start_s
