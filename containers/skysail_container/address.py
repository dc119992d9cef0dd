"""Addresses a container listens on: `unix:/path`, `tcp:HOST:PORT` or `HOST:PORT`."""

import errno
import socket
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from skysail_container.errors import ListenError

__all__ = ["Address", "TcpAddress", "UnixAddress", "bound_socket", "parse_address"]

MAX_UNIX_PATH_BYTES = 107
"""What fits into sockaddr_un.sun_path with its closing zero (unix(7))."""


class UnixAddress(NamedTuple):
    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


class TcpAddress(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp:{self.host}:{self.port}"


Address = UnixAddress | TcpAddress


def parse_address(text: str) -> Address:
    """The address that `text` names; an IPv6 host stands in brackets.

    :raises ValueError: it names none.
    """
    if text.startswith("unix:"):
        return _unix_address(text.removeprefix("unix:"))
    host, separator, port = text.removeprefix("tcp:").rpartition(":")
    if not separator or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError(f"{text!r} is not an address: unix:/path, tcp:HOST:PORT or HOST:PORT is expected")
    return TcpAddress(host.removeprefix("[").removesuffix("]"), int(port))


def _unix_address(path: str) -> UnixAddress:
    if not path.startswith("/"):
        raise ValueError(f"unix:{path} is not an address: the path must be absolute")
    if len(path.encode()) > MAX_UNIX_PATH_BYTES:
        raise ValueError(f"the path of a unix socket has at most {MAX_UNIX_PATH_BYTES} bytes: {path}")
    return UnixAddress(Path(path))


def bound_socket(address: Address) -> socket.socket:
    """A non-blocking socket bound to `address` that does not listen yet: peers are refused until it does.

    A socket file that a dead process left behind is replaced. The new one is for this user alone.

    :raises ListenError: the address is taken or not to be had.
    """
    try:
        return _bound_unix_socket(address) if isinstance(address, UnixAddress) else _bound_tcp_socket(address)
    except OSError as error:
        raise ListenError(_explanation(address, error)) from error


def _bound_tcp_socket(address: TcpAddress) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _bound(listener, place)


def _bound_unix_socket(address: UnixAddress) -> socket.socket:
    path = address.path
    if path.is_socket() and not _is_served(path):
        path.unlink()
    listener = _bound(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(path))
    path.chmod(0o600)
    return listener


def _bound(listener: socket.socket, place: object) -> socket.socket:
    try:
        listener.setblocking(False)
        listener.bind(place)  # type: ignore[arg-type]  # typeshed's address type is private
    except OSError:
        listener.close()
        raise
    return listener


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(ConnectionRefusedError):
        probe.settimeout(1.0)
        probe.connect(str(path))
        return True
    return False


def _explanation(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{address} is in use by another process: stop it or choose another address"
    return f"cannot listen on {address}: {error.strerror or error}"
