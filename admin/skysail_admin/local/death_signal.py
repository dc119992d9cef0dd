"""Replaces itself by another program that the kernel ends when its parent dies.

    python death_signal.py PARENT_PID PROGRAM ARGUMENTS...

For programs that cannot watch a lifeline pipe themselves (redis-server). Runs as a script of its own, with the
standard library alone, so that it costs a few milliseconds and then nothing: the process *is* the program.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1
"""`prctl(2)`: the signal the calling process gets when its parent dies; kept across execve."""


def main(arguments: list[str]) -> None:
    parent_pid, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent_pid:  # it died before the kernel knew whom to tell
            sys.exit(0)
    os.execv(program[0], program)  # noqa: S606 - replacing this process is the point


if __name__ == "__main__":
    main(sys.argv[1:])
