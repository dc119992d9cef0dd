"""A timer of the event loop that fires to the microsecond.

The loops' own timers count whole milliseconds, which would turn a Poisson process into small bursts: several requests
per tick, and they would travel in one batch. Linux only (timerfd_create(2); Python has it from 3.13 on).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable

__all__ = ["PreciseTimer"]

CLOCK_MONOTONIC = 1
TFD_NONBLOCK = os.O_NONBLOCK
TFD_CLOEXEC = os.O_CLOEXEC
TFD_TIMER_ABSTIME = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class PreciseTimer:
    """Calls `callback` in the loop at the times it is armed for; one at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        """:raises OSError: the kernel gives no timer."""
        self._loop = loop
        self._callback = callback
        self._fd = _libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        loop.add_reader(self._fd, self._fired)

    def arm(self, at_s: float) -> None:
        """Fire once at `at_s` of `time.monotonic`, at once if that is past. Replaces what it was armed for."""
        nanoseconds = max(1, int(at_s * 1e9))
        spec = _TimerSpec(value=_Timespec(*divmod(nanoseconds, 1_000_000_000)))
        if _libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, ctypes.byref(spec), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _fired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # armed anew since the loop was told
            return
        self._callback()
