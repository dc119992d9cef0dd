"""A blocking client of the container's protocol: one connection, no thread."""

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from skysail_container.wire import (
    ClientMessage,
    ContainerMessage,
    Dense,
    FrameDecoder,
    Hello,
    Predict,
    Refused,
    Result,
    Rows,
    Welcome,
    decode_from_container,
    encode,
)

__all__ = ["ContainerClient", "connected", "doubles", "doubles_of", "open_socket"]

TIMEOUT_S = 20.0
PLENTY_US = 20_000_000

_M = TypeVar("_M")


def open_socket(address: str) -> socket.socket:
    """A socket connected to `unix:/path` or `tcp:host:port`."""
    kind, _, place = address.partition(":")
    if kind == "unix":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        target: str | tuple[str, int] = place
    else:
        host, _, port = place.rpartition(":")
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        target = (host, int(port))
    sock.settimeout(TIMEOUT_S)
    try:
        sock.connect(target)
    except OSError:
        sock.close()
        raise
    return sock


class ContainerClient:
    """Sends messages and gives what comes back, in order."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._decoder = FrameDecoder()
        self._received: list[bytes] = []

    def send(self, message: ClientMessage) -> None:
        self.sock.sendall(encode(message))

    def receive(self) -> ContainerMessage:
        """The next message.

        :raises EOFError: the container closed the connection.
        """
        while not self._received:
            data = self.sock.recv(1 << 18)
            if not data:
                raise EOFError
            self._received += self._decoder.feed(data)
        return decode_from_container(self._received.pop(0))

    def ask(self, message: ClientMessage, expected: type[_M]) -> _M:
        """Sends `message`; the next reply, which must be of type `expected`."""
        self.send(message)
        return self.expect(expected)

    def expect(self, expected: type[_M]) -> _M:
        reply = self.receive()
        assert isinstance(reply, expected), reply
        return reply

    def hello(self) -> Welcome:
        return self.ask(Hello(1, "test"), Welcome)

    def predict(self, rows: Rows, batch_id: int = 1, time_left_us: int = PLENTY_US) -> Result:
        return self.ask(Predict(batch_id, time_left_us, rows), Result)

    def refusal(self, rows: Rows, batch_id: int = 1, time_left_us: int = PLENTY_US) -> Refused:
        return self.ask(Predict(batch_id, time_left_us, rows), Refused)

    def is_closed_by_peer(self) -> bool:
        """Whether the container has closed the connection, nothing unread on it."""
        return not self._received and self.sock.recv(1) == b""


@contextmanager
def connected(address: str, greet: bool = True) -> Iterator[ContainerClient]:
    """A client with its hello done."""
    with open_socket(address) as sock:
        client = ContainerClient(sock)
        if greet:
            client.hello()
        yield client


def doubles(rows: Sequence[Sequence[float]]) -> Dense:
    """Rows of equally many doubles."""
    numbers = [number for row in rows for number in row]
    return Dense("<f8", (len(rows), len(rows[0])), struct.pack(f"<{len(numbers)}d", *numbers))


def doubles_of(rows: Rows) -> list[float]:
    """The numbers in Dense rows of doubles."""
    assert isinstance(rows, Dense)
    assert rows.dtype == "<f8"
    return list(struct.unpack(f"<{len(rows.data) // 8}d", rows.data))
