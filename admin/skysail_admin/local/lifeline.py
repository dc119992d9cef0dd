"""A pipe that ties every process of a stack to its supervisor, and tells whether any of them is left.

The supervisor alone holds the write end: when it dies, however it dies, whoever holds the read end sees the end of
file and shuts down by itself. The read end is one locked descriptor, inherited all the way down to the models'
containers: whoever can lock the file knows that no process of an earlier stack is left. The kernel keeps both promises;
nothing can be stale.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from skysail_admin.errors import StackError
from skysail_admin.local.open_files import processes_with

__all__ = ["Lifeline", "is_anybody_left"]

_POLL_INTERVAL_S = 0.05


class Lifeline:
    """Invariant: from `hold` to `cut`, this process is the only writer, so the end of file means that it is gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_fd: int | None = None
        self._write_fd: int | None = None

    def __repr__(self) -> str:
        return f"Lifeline({self._path}, {'held' if self._write_fd is not None else 'cut'})"

    def hold(self) -> bool:
        """Takes the pipe; False if processes of an earlier stack still have it.

        :raises StackError: the file system has no named pipes.
        """
        self._make()
        read_fd = _locked(self._path)
        if read_fd is None:
            return False
        self._read_fd, self._write_fd = read_fd, os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        os.set_blocking(read_fd, True)
        return True

    def _make(self) -> None:
        try:
            os.mkfifo(self._path, 0o600)
        except FileExistsError:
            return
        except OSError as error:
            raise StackError(
                f"{self._path.parent} cannot hold a named pipe ({error.strerror}); choose another place with --data-dir"
            ) from error

    def hold_within(self, timeout_s: float) -> bool:
        """Blocks until the pipe is free; whether it was in time."""
        deadline_s = time.monotonic() + timeout_s
        while not self.hold():
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(_POLL_INTERVAL_S)
        return True

    @property
    def read_fd(self) -> int:
        """To be inherited by the parts.

        :raises StackError: it is not held.
        """
        if self._read_fd is None:
            raise StackError(f"{self._path} is not held")
        return self._read_fd

    def cut(self) -> None:
        """Lets go: everybody who still holds the read end shuts down."""
        for fd in (self._write_fd, self._read_fd):
            if fd is not None:
                os.close(fd)
        self._write_fd = self._read_fd = None

    async def cut_and_wait(self, grace_s: float) -> None:
        """Returns when nobody is left; after the grace whoever is left is killed."""
        self.cut()
        deadline_s = time.monotonic() + grace_s
        while is_anybody_left(self._path):
            if time.monotonic() >= deadline_s:
                _kill_all(self._path)
            await asyncio.sleep(_POLL_INTERVAL_S)


def is_anybody_left(path: Path) -> bool:
    """Whether any process of a stack still holds the lifeline."""
    if not path.exists():
        return False
    fd = _locked(path)
    if fd is None:
        return True
    os.close(fd)
    return False


def _locked(path: Path) -> int | None:
    """A read end with the lock; None if somebody has it. Never opens a write end, which would keep others alive."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _kill_all(path: Path) -> None:
    for pid in processes_with({str(path.resolve())}):
        if pid != os.getpid():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
