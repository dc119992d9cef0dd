"""File locks that the kernel gives up with their holders, so that none is ever stale.

The stack's lock is held by its supervisor alone: whoever gets it may start. Redis' lock is inherited by redis-server:
whoever gets it knows that no server of an earlier stack still writes to the data.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from skysail_admin.errors import StackError

__all__ = ["FileLock", "is_held"]

_POLL_INTERVAL_S = 0.05


class FileLock:
    """An exclusive lock on a file, held until `release` by this process and by every child that inherited it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def __repr__(self) -> str:
        return f"FileLock({self._path}, {'held' if self._fd is not None else 'free'})"

    @property
    def fd(self) -> int:
        """The descriptor to hand to children.

        :raises StackError: it is not held.
        """
        if self._fd is None:
            raise StackError(f"{self._path} is not locked")
        return self._fd

    def acquire(self) -> bool:
        """Whether it was free. Does not wait."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def acquire_within(self, timeout_s: float) -> bool:
        """Whether it became free in time. Blocks."""
        deadline_s = time.monotonic() + timeout_s
        while not self.acquire():
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(_POLL_INTERVAL_S)
        return True

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_held(path: Path) -> bool:
    """Whether some process holds the lock now."""
    if not path.exists():
        return False
    lock = FileLock(path)
    if not lock.acquire():
        return True
    lock.release()
    return False
