"""Query frontends as real processes."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from harness.raw_http import Response, ask, get
from harness.wait_until import wait_until

__all__ = ["FrontendProcess", "run_frontend", "started_frontend"]

LISTENING = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")
START_LIMIT_S = 40.0


class FrontendProcess:
    """A started frontend, its workers included."""

    def __init__(self, process: "subprocess.Popen[bytes]", log_path: Path) -> None:
        self.process = process
        self._log_path = log_path

    @property
    def log(self) -> str:
        """What it wrote to its standard output and error so far."""
        return self._log_path.read_text(errors="replace")

    @property
    def port(self) -> int:
        match = LISTENING.search(self.log)
        assert match is not None, self.log
        return int(match[1])

    @property
    def rss_bytes(self) -> int:
        """Resident memory of the first process."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def cpu_s(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def worker_pids(self) -> list[int]:
        """The processes that serve, when there are several."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def ask(self, request: bytes) -> Response:
        """One request on a connection of its own."""
        return ask(self.port, request)

    def is_ready(self) -> bool:
        try:
            return self.ask(get("/readyz")).status == 200
        except OSError:
            return False

    def wait_ready(self) -> "FrontendProcess":
        """Returns once it serves its copy of the registry."""
        wait_until(lambda: LISTENING.search(self.log) or self.process.poll() is not None, "a port", START_LIMIT_S)
        assert self.process.poll() is None, f"the frontend exited with {self.process.returncode}:\n{self.log}"
        wait_until(self.is_ready, "a frontend that is ready", START_LIMIT_S)
        return self

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric that carry these labels."""
        total = 0.0
        for line in self.ask(get("/metrics")).body.decode().splitlines():
            sample, _, value = line.rpartition(" ")
            wanted = all(f'{key}="{text}"' in sample for key, text in labels.items())
            if sample.partition("{")[0] == name and wanted:
                total += float(value)
        return total

    def terminate(self) -> None:
        """Asks it to shut down gracefully."""
        self.process.send_signal(signal.SIGTERM)

    def wait_exit(self, timeout_s: float = 20.0) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(timeout_s)

    def end(self) -> None:
        """Stops it gracefully, by force if that takes too long."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self._kill_all()

    def _kill_all(self) -> None:
        for pid in self.worker_pids():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


@contextmanager
def started_frontend(
    redis_url: str, folder: Path, *flags: str, pass_fds: tuple[int, ...] = ()
) -> Iterator[FrontendProcess]:
    """A frontend on a free port that may still be starting; its log and cells go to `folder`.

    It is stopped at the end should it still run, and may not have logged an exception until then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder / "log"
    command = [sys.executable, "-m", "skysail_frontend", "--port=0", f"--redis-url={redis_url}"]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--run-dir={folder}/run", *flags],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            pass_fds=pass_fds,
        )
    frontend = FrontendProcess(process, log_path)
    try:
        yield frontend
    finally:
        frontend.end()
    assert "Traceback" not in frontend.log, frontend.log


def run_frontend(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a frontend that is expected to end by itself."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SKYSAIL_")}
    return subprocess.run(
        [sys.executable, "-m", "skysail_frontend", *arguments],
        env={**plain, **environment},
        capture_output=True,
        text=True,
        timeout=START_LIMIT_S,
        check=False,
    )
