"""Several workers: brought back when they die, stopped together, never left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.frontend_process import FrontendProcess, started_frontend
from harness.raw_http import post
from harness.redis_server import RedisServer
from harness.wait_until import wait_until

SUPERVISOR = """
import json, sys
from skysail_frontend.workers import Workers
options = json.loads(sys.argv[1])
commands = [[sys.executable, "-I", "-S", "-c", options["worker"], options["folder"], str(i)] for i in range(2)]
sys.exit(Workers(commands, [], options["lifeline_fd"], options["stop_timeout_s"]).run())
"""
NOTE = "import os, signal, sys; folder, number = sys.argv[1:3]; lifeline = int(sys.argv[4])\n"
STARTED = "open(f'{folder}/{number}.{os.getpid()}', 'w').close()\n"
GRACEFUL = NOTE + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n" + STARTED + "os.read(lifeline, 1)"
BY_SIGNAL = NOTE + STARTED + "os.read(lifeline, 1)"
STUBBORN = NOTE + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STARTED + "os.read(lifeline, 1)"


class Supervised:
    """A process that runs `Workers` over two small scripts."""

    def __init__(self, folder: Path, worker: str, lifeline_fd: int | None, stop_timeout_s: float) -> None:
        self._folder = folder
        options = {
            "worker": worker,
            "folder": str(folder),
            "lifeline_fd": lifeline_fd,
            "stop_timeout_s": stop_timeout_s,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, json.dumps(options)],
            pass_fds=[] if lifeline_fd is None else [lifeline_fd],
            stderr=subprocess.DEVNULL,
        )

    def pids(self, number: int) -> list[int]:
        """Of the processes that worker `number` has had so far."""
        return [int(path.suffix[1:]) for path in self._folder.glob(f"{number}.*")]

    def wait_started(self, n_starts: int = 1) -> list[int]:
        """The first worker's processes, once it has been started so often and the second once."""
        wait_until(lambda: len(self.pids(0)) >= n_starts and self.pids(1), "workers", interval_s=0.01)
        return self.pids(0)


@contextmanager
def supervised(
    folder: Path, worker: str = GRACEFUL, lifeline_fd: int | None = None, stop_timeout_s: float = 20.0
) -> Iterator[Supervised]:
    supervised = Supervised(folder, worker, lifeline_fd, stop_timeout_s)
    try:
        yield supervised
    finally:
        supervised.process.kill()
        supervised.process.wait()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_worker_that_dies_is_brought_back_and_the_other_left_alone(tmp_path: Path) -> None:
    with supervised(tmp_path) as workers:
        (first,) = workers.wait_started()
        os.kill(first, signal.SIGKILL)
        workers.wait_started(2)
        assert len(workers.pids(1)) == 1


@pytest.mark.parametrize("worker", [GRACEFUL, BY_SIGNAL], ids=["by its handler", "before it has one"])
def test_told_to_stop_all_end_and_the_exit_code_is_0(tmp_path: Path, worker: str) -> None:
    with supervised(tmp_path, worker) as workers:
        workers.wait_started()
        workers.process.terminate()
        assert workers.process.wait(20) == 0
        assert is_gone(workers.pids(0)[0])
        assert is_gone(workers.pids(1)[0])


def test_a_worker_that_does_not_end_is_killed_and_the_exit_code_tells(tmp_path: Path) -> None:
    with supervised(tmp_path, STUBBORN, stop_timeout_s=0.1) as workers:
        workers.wait_started()
        workers.process.terminate()
        assert workers.process.wait(20) == 1
        assert is_gone(workers.pids(0)[0])


def test_the_end_of_the_lifeline_stops_all(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    with supervised(tmp_path, lifeline_fd=read_end) as workers:
        os.close(read_end)
        workers.wait_started()
        os.close(write_end)
        assert workers.process.wait(20) == 0


def test_workers_whose_supervisor_is_killed_end_by_themselves(tmp_path: Path) -> None:
    with supervised(tmp_path) as workers:
        pids = [*workers.wait_started(), *workers.pids(1)]
        workers.process.kill()
        workers.process.wait()
        wait_until(lambda: all(is_gone(pid) for pid in pids), "the end of the workers")


@pytest.fixture
def two_workers() -> Iterator[FrontendProcess]:
    """A real frontend with two workers over a real registry."""
    with RedisServer() as redis, tempfile.TemporaryDirectory(prefix="skw-") as folder:
        with redis.client() as client:
            client.mset({"skysail:registry_id": "r", "skysail:revision": 0})
        with started_frontend(redis.url, Path(folder), "--workers=2") as frontend:
            yield frontend.wait_ready()


def asked(frontend: FrontendProcess) -> float:
    """How many requests for an unknown application the workers have counted together."""
    return frontend.metric("skysail_request_errors_total", app="")


def test_counts_of_all_workers_are_added_up_and_outlive_a_killed_one(two_workers: FrontendProcess) -> None:
    frontend = two_workers
    wait_until(lambda: len(frontend.worker_pids()) == 2, "both workers")
    for _ in range(40):
        assert frontend.ask(post("/nobody/predict", {"input": 1})).status == 404
    assert asked(frontend) == 40
    killed, other = frontend.worker_pids()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(set(frontend.worker_pids()) - {killed}) == 2, "a new worker")
    wait_until(frontend.is_ready, "a frontend that is ready")
    for _ in range(10):
        assert frontend.ask(post("/nobody/predict", {"input": 1})).status == 404
    assert asked(frontend) == 50
    frontend.process.terminate()
    assert frontend.wait_exit() == 0
    assert is_gone(other)


def test_a_frontend_killed_with_its_supervisor_process_frees_its_port(two_workers: FrontendProcess) -> None:
    frontend = two_workers
    wait_until(lambda: len(frontend.worker_pids()) == 2, "both workers")
    pids = frontend.worker_pids()
    os.kill(frontend.process.pid, signal.SIGKILL)
    frontend.process.wait()
    wait_until(lambda: all(is_gone(pid) for pid in pids), "the end of the workers")
