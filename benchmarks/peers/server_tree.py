"""A peer's server with all the processes it starts, some of which leave their parents."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psutil

from benchmarks.server_process import ServerProcess

__all__ = ["ServerTree"]

MARK = "SKYSAIL_BENCHMARK_TREE"
END_S = 10.0


class ServerTree(ServerProcess):
    """Every process that descends from the server bears a mark in its environment; by it `stop` finds those that the
    server leaves behind, and ends them, and no others."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, variables: dict[str, str]) -> None:
        self._mark = uuid4().hex
        super().__init__(name, command, folder, os.environ | variables | {MARK: self._mark})

    def stop(self) -> None:
        """The server is asked first; what is left then is terminated, and killed if it stays."""
        started = self._processes()
        super().stop()
        left = [process for process in {*started, *self._marked()} if process.is_running()]
        for process in left:
            _end(process.terminate)
        _, stubborn = psutil.wait_procs(left, END_S)
        for process in stubborn:
            _end(process.kill)
        psutil.wait_procs(stubborn, END_S)

    def _processes(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _marked(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if _has_mark(process, self._mark)]


def _has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


def _end(send_signal: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        send_signal()
