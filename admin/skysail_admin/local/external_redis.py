"""An external Redis, before anything is started on it: does somebody listen there?"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from skysail_admin.errors import StackError

__all__ = ["check_reachable"]

_TIMEOUT_S = 3.0
_DEFAULT_PORT = 6379


def check_reachable(url: str) -> None:
    """:raises StackError: it is no Redis URL, or nobody listens there."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "unix" and parts.path:
            _connect(socket.AF_UNIX, parts.path)
        elif parts.scheme in ("redis", "rediss") and parts.hostname:
            socket.create_connection((parts.hostname, parts.port or _DEFAULT_PORT), _TIMEOUT_S).close()
        else:
            raise StackError(f"--redis-url {url}: say redis://HOST:PORT/DB or unix:///PATH?db=0")
    except (OSError, ValueError) as error:
        raise StackError(f"no Redis answers at {_without_password(url)}: {error}; check --redis-url") from error


def _connect(family: int, address: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_TIMEOUT_S)
        probe.connect(address)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":***@") if parts.password else url
