"""The two generators of the load: `wrk`, where it is installed, and the Python one of `closed_loop.py`."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from benchmarks.closed_loop import MARGIN_S, Summary, run_closed_loop

__all__ = ["Load", "LoadError", "PythonLoad", "WrkLoad", "choose_load", "how_to_install_wrk"]

HOST = "127.0.0.1"
WRK_SCRIPT = Path(__file__).with_name("queries.lua")
MAX_QUERIES_PER_RUN = 10_000_000
"""Each run of wrk numbers its queries in a block of its own, so that queries differ between runs too."""


class LoadError(Exception):
    """The generator broke: it gave no figures."""


class Load(Protocol):
    """Something that keeps N connections busy with the queries of a pool and says what it saw."""

    name: str

    def run(self, port: int, path: str, pool: Path, connections: int, duration_s: float, looks: bool = True) -> Summary:
        """Blocks for `duration_s` and the generator's own start. Statuses are always counted; `looks` False lets it
        leave the answers unread where that is dear, and `defaults` is 0 then.

        :raises LoadError: no figures.
        """
        ...


class WrkLoad:
    """wrk with one thread and `queries.lua`: every query of all runs differs. It runs whole seconds, at least one."""

    name = "wrk"

    def __init__(self) -> None:
        self._blocks = itertools.count()

    def run(self, port: int, path: str, pool: Path, connections: int, duration_s: float, looks: bool = True) -> Summary:
        command = ["wrk", "--threads", "1", "--connections", str(connections)]
        command += [
            "--duration",
            f"{max(1.0, duration_s):.0f}s",
            "--timeout",
            "10s",
            "--script",
            str(WRK_SCRIPT),
            f"http://{HOST}:{port}{path}",
        ]
        command += ["--", str(pool), str(next(self._blocks) * MAX_QUERIES_PER_RUN), *(["look"] if looks else [])]
        cpu_before_s = _children_cpu_s()
        done = subprocess.run(command, capture_output=True, text=True, timeout=duration_s + MARGIN_S, check=False)
        if done.returncode != 0 or not done.stdout.rstrip().endswith("}"):
            raise LoadError(f"wrk ended with code {done.returncode}: {(done.stderr or done.stdout).strip()}")
        return _wrk_summary(done.stdout.splitlines()[-1], _children_cpu_s() - cpu_before_s)


class PythonLoad:
    """The closed loop of this folder: no program to install, about as cheap; queries repeat after the pool."""

    name = "python"

    def run(self, port: int, path: str, pool: Path, connections: int, duration_s: float, looks: bool = True) -> Summary:
        bodies = pool.read_bytes().splitlines()
        return run_closed_loop(HOST, port, path, bodies, connections, duration_s, warm_up_s=0.0)


def choose_load(name: str | None) -> Load:
    """The generator of that name; without a name wrk if it is on PATH.

    :raises LoadError: wrk is asked for and missing.
    """
    if name == "python" or (name is None and shutil.which("wrk") is None):
        return PythonLoad()
    if shutil.which("wrk") is None:
        raise LoadError(f"wrk is not on PATH; {how_to_install_wrk()}, or use --load python")
    return WrkLoad()


def how_to_install_wrk() -> str:
    """The command for this user on Debian and its kin."""
    return "install it with: " + ("apt-get install wrk" if os.geteuid() == 0 else "sudo apt-get install wrk")


def _wrk_summary(line: str, client_cpu_s: float) -> Summary:
    seen = json.loads(line)
    requests_per_s = round(seen["requests"] / seen["duration_s"], 1)
    return Summary(**seen, requests_per_s=requests_per_s, client_cpu_s=round(client_cpu_s, 3))


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
