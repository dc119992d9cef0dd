"""Several workers on one port: starts them, brings back any that dies, stops them together."""

import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Workers"]

logger = logging.getLogger(__name__)

FIRST_RESTART_S, LAST_RESTART_S = 0.1, 10.0
STABLE_S = 10.0
"""A worker that lived this long starts again at once when it dies; others wait twice as long each time."""
GRACEFUL_CODES = (0, -signal.SIGTERM)
"""A worker told to stop before it has set up its handler ends by the signal itself: it had taken in nothing."""


@dataclass
class _Slot:
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    restart_at_s: float = 0.0
    delay_s: float = FIRST_RESTART_S


class Workers:
    """Supervises one process per command; they inherit `fds`, and a lifeline that ends when this process does.

    `fds` belong to this object: they are closed when it stops, so that a port is let go as soon as the workers do.

    Sleeps until a child dies, a signal comes or the lifeline ends; no polling. Told to stop, it gives the workers
    `stop_timeout_s` and kills those that still run.
    """

    def __init__(
        self, commands: Sequence[list[str]], fds: Sequence[int], lifeline_fd: int | None, stop_timeout_s: float
    ) -> None:
        self._lifeline_in, self._lifeline_out = os.pipe()  # the workers inherit the first alone
        self._commands = [[*command, "--lifeline-fd", str(self._lifeline_in)] for command in commands]
        self._fds = [*fds, self._lifeline_in]
        self._lifeline_fd = lifeline_fd
        self._stop_timeout_s = stop_timeout_s
        self._slots = [_Slot() for _ in commands]
        self._is_stopping = False
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_out, False)

    def run(self) -> int:
        """Until told to stop. Returns the exit code: 0 when all workers ended gracefully."""
        signal.set_wakeup_fd(self._wake_out, warn_on_full_buffer=False)
        for signal_number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(signal_number, self._signalled)
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_in, selectors.EVENT_READ)
            if self._lifeline_fd is not None:
                selector.register(self._lifeline_fd, selectors.EVENT_READ)
            while not self._is_stopping:
                self._start_due(time.monotonic())
                for key, _ in selector.select(self._wait_s(time.monotonic())):
                    self._heard(key.fd)
                self._reap(time.monotonic())
        return self._stop()

    def _signalled(self, signal_number: int, _: object) -> None:
        if signal_number != signal.SIGCHLD:
            self._is_stopping = True

    def _heard(self, fd: int) -> None:
        if os.read(fd, 4096) == b"" and fd == self._lifeline_fd:
            logger.warning("the supervisor is gone, shutting down")
            self._is_stopping = True

    def _start_due(self, now_s: float) -> None:
        for slot, command in zip(self._slots, self._commands, strict=True):
            if slot.process is None and slot.restart_at_s <= now_s:
                slot.process = subprocess.Popen(command, pass_fds=self._fds, stdin=subprocess.DEVNULL)
                slot.started_s = now_s

    def _reap(self, now_s: float) -> None:
        for number, slot in enumerate(self._slots):
            if slot.process is None or slot.process.poll() is None:
                continue
            if now_s - slot.started_s >= STABLE_S:
                slot.delay_s = FIRST_RESTART_S
            logger.error("worker %d ended with %d, restarting in %.1f s", number, slot.process.returncode, slot.delay_s)
            slot.process, slot.restart_at_s = None, now_s + slot.delay_s
            slot.delay_s = min(LAST_RESTART_S, 2 * slot.delay_s)

    def _wait_s(self, now_s: float) -> float | None:
        due = [slot.restart_at_s - now_s for slot in self._slots if slot.process is None]
        return max(0.0, min(due)) if due else None

    def _stop(self) -> int:
        for fd in self._fds:
            os.close(fd)
        running = [slot.process for slot in self._slots if slot.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline_s = time.monotonic() + self._stop_timeout_s
        codes = [_exit_code(process, deadline_s - time.monotonic()) for process in running]
        return 0 if all(code in GRACEFUL_CODES for code in codes) else 1


def _exit_code(process: subprocess.Popen[bytes], timeout_s: float) -> int:
    """Waits for the end of a process that was told to; kills it when that takes too long."""
    try:
        return process.wait(max(0.0, timeout_s))
    except subprocess.TimeoutExpired:
        logger.error("worker with pid %d does not end, killing it", process.pid)  # noqa: TRY400  # no stack helps here
        process.kill()
        return process.wait()


def worker_command(arguments: Sequence[str], number: int, fd: int) -> list[str]:
    """The command line of worker `number`, which serves the listening socket `fd`."""
    return [sys.executable, "-m", "skysail_frontend", *arguments, "--worker-number", str(number), "--fd", str(fd)]
