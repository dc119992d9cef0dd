"""A server under test as a child process: started, waited for, measured, stopped; its output kept in a file."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

__all__ = ["ServerError", "ServerProcess", "answers_with", "free_port", "socket_listens"]

CHECKOUT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
LOOK_EVERY_S = 0.05
N_LOG_LINES = 15


class ServerError(Exception):
    """A server did not start, or died; the message holds the end of its output."""


class ServerProcess:
    """One child and the processes it may start itself. Stopped by `stop`, which may be called twice."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """`environment` instead of this process's own."""
        self.name = name
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                command, cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_until(
        self, ready: Callable[[], bool], timeout_s: float = START_TIMEOUT_S, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        """Poll `ready` until it is true.

        :raises ServerError: the process ended, or is not ready after `timeout_s`.
        """
        give_up_at = time.monotonic() + timeout_s
        while not ready():
            if self._child.poll() is not None:
                raise ServerError(f"{self.name} ended with code {self._child.returncode}\n{self._last_lines()}")
            if time.monotonic() > give_up_at:
                raise ServerError(f"{self.name} is not ready after {timeout_s:.0f} s\n{self._last_lines()}")
            time.sleep(look_every_s)

    def cpu_s(self) -> float:
        """User and system time so far, children included.

        :raises ServerError: it is not running any more.
        """
        try:
            process = psutil.Process(self.pid)
            times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        except psutil.NoSuchProcess as error:
            raise ServerError(f"{self.name} is gone\n{self._last_lines()}") from error
        return float(sum(one.user + one.system for one in times))

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing happens when it has ended already."""
        self._child.send_signal(number)

    def kill(self) -> None:
        """kill -9, and its end."""
        self._child.kill()
        self._child.wait()

    def resident_bytes(self) -> int:
        """Memory of the process itself, without its children.

        :raises ServerError: it is not running any more.
        """
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.NoSuchProcess as error:
            raise ServerError(f"{self.name} is gone\n{self._last_lines()}") from error

    def stop(self) -> None:
        self._child.terminate()
        self._child.send_signal(signal.SIGCONT)  # one that was stopped hears the first only then
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-N_LOG_LINES:])


def free_port() -> int:
    """A TCP port of the loopback address that nobody used a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def socket_listens(path: Path) -> bool:
    """Whether something accepts connections on a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(os.fspath(path)) == 0


def answers_with(port: int, path: str, body: bytes, accept: Callable[[bytes], bool]) -> bool:
    """Whether a POST of `body` is answered with status 200 and a body that `accept` likes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        return response.status == 200 and accept(answer)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
