"""The real management process, to be used, stopped, killed and started again on the same data."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from skysail_management.container_process import find_containers

__all__ = ["ManagementServer", "wait_until"]

T = TypeVar("T")

_LISTENING = re.compile(r"listening on (http://\S+)")


def wait_until(look: Callable[[], T | None], limit_s: float = 20.0, what: str = "it") -> T:
    """What `look` gives as soon as it gives something true; for processes, that nobody can await."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"{what} did not happen within {limit_s:g} s")


class ManagementServer:
    """One management process over one data directory, on a free port.

    A context manager: the process, its containers and its directory are gone at the end.
    """

    def __init__(
        self,
        redis_url: str,
        *flags: str,
        environment: Mapping[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="skm-", dir="/tmp"))  # unix socket paths are short
        self._flags = ("--port", "0", "--redis-url", redis_url, "--data-dir", str(self.directory), *flags)
        self._environment = dict(environment or {})
        self._pass_fds = pass_fds
        self._log = self.directory / "test-management.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.session = requests.Session()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.clean_up()

    def clean_up(self) -> None:
        """End everything and remove the directory."""
        self.session.close()
        if self._process is not None:
            self.kill()
        for container in find_containers(self.directory / "artifacts"):
            os.kill(container.pid, signal.SIGKILL)
        shutil.rmtree(self.directory)

    def start(self) -> None:
        """Start and wait until it serves."""
        self.begin()
        self.wait_until_serving()

    def begin(self) -> None:
        """Start, and do not wait."""
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "skysail_management", *self._flags],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                pass_fds=self._pass_fds,
                env=os.environ | self._environment,
            )

    def wait_until_serving(self) -> None:
        self.url = wait_until(self._served_at, what=f"listening ({self._log})")

    def _served_at(self) -> str | None:
        found = _LISTENING.search(self.log())
        if found is None and self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"management ended at once:\n{self.log()}")
        return found[1] if found else None

    def log(self) -> str:
        return self._log.read_text()

    @property
    def pid(self) -> int:
        assert self._process is not None, "management is not running"
        return self._process.pid

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "management is not running"
        self._process.send_signal(number)
        return self.wait()

    def wait(self, limit_s: float = 20.0) -> int:
        """Wait for its end; the exit code."""
        assert self._process is not None, "management is not running"
        code = self._process.wait(limit_s)
        self._process = None
        return code

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=15, **options)

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.request("GET", path)
        assert answer.ok, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        """The JSON of a POST that must succeed."""
        answer = self.request("POST", path, json=body)
        assert answer.ok, answer.text
        return answer.json()

    def deploy(self, archive: bytes, sha256: str, *, model: str = "m", version: str = "1", **facts: Any) -> Any:
        """Upload an archive and register it as a version."""
        assert self.request("PUT", f"/api/v1/artifacts/{sha256}", data=archive).ok
        body = {"version": version, "input_type": "doubles", "artifact": sha256, **facts}
        return self.post(f"/api/v1/models/{model}/versions", body)

    def wait_for_state(self, state: str, *, model: str = "m", version: str = "1") -> Any:
        """The version once it is in this state."""

        def look() -> Any:
            found = self.get(f"/api/v1/models/{model}/versions/{version}")
            return found if found["state"] == state else None

        return wait_until(look, what=f"{model}:{version} {state}")
