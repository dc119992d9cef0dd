"""Whether a port is free, and who has it if not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from skysail_admin.errors import PortInUseError, StackError
from skysail_admin.local.open_files import PROC, processes_with

__all__ = ["check_free", "owner_of"]

_LISTENING = "0A"


def check_free(host: str, port: int, flag: str) -> None:
    """:raises PortInUseError: somebody listens there; says who, and which flag chooses another port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(in_use_text(port, flag), port=port) from error
            raise StackError(f"cannot listen on {host}:{port}: {error.strerror}; choose another with {flag}") from error
        except OverflowError as error:
            raise StackError(f"{port} is not a port; choose one from 1 to 65535 with {flag}") from error


def in_use_text(port: int, flag: str) -> str:
    owner = owner_of(port)
    who = f" by {owner}" if owner else ""
    return f"port {port} is in use{who}; stop that, or choose another with {flag} PORT"


def owner_of(port: int) -> str | None:
    """The process that listens on the port, as "name (pid 123)"; None where that cannot be found out."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    pid = next(processes_with(sockets), None) if sockets else None
    return None if pid is None else f"{_name_of(PROC / str(pid))} (pid {pid})"


def _listening_inodes(port: int) -> Iterator[str]:
    """Inodes of sockets listening on the port. /proc/net/tcp: local address is field 1, state 3, inode 9."""
    for table in (PROC / "net" / "tcp", PROC / "net" / "tcp6"):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rsplit(":", 1)[1], 16) == port:
                yield fields[9]


def _name_of(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "a process"
    command = " ".join(word for word in words if word)
    return command if len(command) <= 60 else command[:57] + "..."
