"""A timer that costs next to nothing to set and to clear, as every batch does."""

import ctypes
import os
from time import CLOCK_MONOTONIC

__all__ = ["BatchTimer"]

# PyDLL keeps the interpreter lock: to give it up would cost more than the call.
_libc = ctypes.PyDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class BatchTimer:
    """A kernel timer that an event loop waits for like for a socket (timerfd(2), which `os` has from Python 3.13 on).

    Setting or clearing it is one system call, from any thread, and wakes nobody.

    It is there for as long as its process.

    :param delay_s: from `set` until the descriptor becomes readable
    """

    def __init__(self, delay_s: float) -> None:
        self._fd = _libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._settime = _libc.timerfd_settime
        self._set = ctypes.byref(_TimerSpec(_Timespec(), _Timespec(*divmod(round(delay_s * 1e9), 10**9))))
        self._clear = ctypes.byref(_TimerSpec())

    def fileno(self) -> int:
        return int(self._fd)

    def set(self) -> None:
        """Goes off `delay_s` from now, unless it is cleared or set anew."""
        self._settime(self._fd, 0, self._set, None)

    def clear(self) -> None:
        """Does not go off any more."""
        self._settime(self._fd, 0, self._clear, None)

    def has_gone_off(self) -> bool:
        """Whether it has, since this was last asked, and was not cleared since."""
        try:
            return bool(os.read(self._fd, 8))
        except BlockingIOError:
            return False
