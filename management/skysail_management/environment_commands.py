"""Running the programs that build an environment: their output goes to the log, and they end when we have to."""

import ctypes
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from skysail_management.errors import EnvironmentBuildError

__all__ = ["CommandFailedError", "Commands", "Patience", "StoppedError"]

_LOOK_AGAIN_S = 0.25
_TAIL_LINES = 40
_MAX_LINE_BYTES = 65_536
_PR_SET_PDEATHSIG = 1


class StoppedError(Exception):
    """Somebody wants this process to end."""


class CommandFailedError(Exception):
    """A program ended with another exit status than 0; `tail` is the end of its output."""

    def __init__(self, status: int, tail: Sequence[str]) -> None:
        super().__init__(f"exit status {status}")
        self.status = status
        self.tail = tail


class Patience:
    """How long to go on: until SIGTERM or SIGINT, the end of the lifeline, or the limit, whichever comes first."""

    def __init__(self, limit_s: float, lifeline_fd: int | None) -> None:
        self.limit_s = limit_s
        self._deadline_s = time.monotonic() + limit_s
        self._is_stopped = False
        self._lifeline = select.poll()
        if lifeline_fd is not None:
            self._lifeline.register(lifeline_fd, select.POLLHUP)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self._is_stopped = True

    def check(self) -> None:
        """:raises StoppedError: :raises EnvironmentBuildError: it is over."""
        if self._is_stopped or self._lifeline.poll(0):
            raise StoppedError
        if time.monotonic() > self._deadline_s:
            raise EnvironmentBuildError(f"the environment was not built within {self.limit_s:g} s (--build-limit-s)")

    def wait(self) -> None:
        """A moment, and `check`."""
        time.sleep(_LOOK_AGAIN_S)
        self.check()


class Commands:
    """Runs one program after the other, each in a process group of its own that is gone when `run` returns."""

    def __init__(self, patience: Patience, log: BinaryIO, environment: Mapping[str, str]) -> None:
        self._patience = patience
        self._log = log
        self._environment = dict(environment)

    def run(
        self,
        arguments: Sequence[str],
        directory: Path,
        heed: Callable[[str], None] = lambda _: None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Run a program to its end; `heed` gets every line of its output.

        :raises CommandFailedError: it did not end with 0.
        :raises StoppedError: :raises EnvironmentBuildError: patience came to its end first.
        :raises OSError: it cannot be started.
        """
        self._log.write(f"$ {' '.join(arguments)}\n".encode())
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment | dict(variables or {}),
            cwd=directory,
            process_group=0,
            preexec_fn=_end_with_parent,  # safe: this process has one thread
        )
        output = _Lines(child, self._log, heed)
        try:
            status = output.follow(self._patience)
        finally:
            _end_group(child)
            output.close()
        if status:
            raise CommandFailedError(status, output.tail)


class _Lines:
    """The output of a process, line by line, until the process ends; not until those end that it left behind."""

    def __init__(self, child: "subprocess.Popen[bytes]", log: BinaryIO, heed: Callable[[str], None]) -> None:
        self._child = child
        self._stream = cast("BinaryIO", child.stdout)
        os.set_blocking(self._stream.fileno(), False)
        self._log = log
        self._heed = heed
        self._begun = b""
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def follow(self, patience: Patience) -> int:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stream, selectors.EVENT_READ)
            while True:
                status = self._child.poll()
                is_open = self._take()
                if status is not None:
                    self._end_line()
                    return status
                patience.check()
                if is_open:
                    selector.select(_LOOK_AGAIN_S)
                else:
                    patience.wait()

    def _take(self) -> bool:
        """Take what is there; False at the end of the output."""
        while True:
            data = self._stream.read(_MAX_LINE_BYTES)
            if not data:
                return data is None
            self._log.write(data)
            *whole, self._begun = (self._begun + data).replace(b"\r", b"\n").split(b"\n")
            for line in whole:
                self._give(line)
            if len(self._begun) > _MAX_LINE_BYTES:
                self._end_line()

    def _end_line(self) -> None:
        if self._begun:
            line, self._begun = self._begun, b""
            self._give(line)

    def _give(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            self.tail.append(text)
            self._heed(text)

    def close(self) -> None:
        self._stream.close()
        self._log.flush()


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent dies, however it dies (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _end_group(child: "subprocess.Popen[bytes]") -> None:
    """End the process and everything that it started and left."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
