"""Where the frontend's microseconds go: Skysail under the benchmark's load, sampled from outside by py-spy.

py-spy is no dependency of the project; a throw-away environment does::

    python -m venv /tmp/py-spy && /tmp/py-spy/bin/pip install py-spy
    python -m benchmarks.profile_frontend --py-spy /tmp/py-spy/bin/py-spy

Sampling needs the right to trace processes (root, or `kernel.yama.ptrace_scope` 0). With `--native` the time inside
uvloop, httptools and msgspec is told apart too.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.closed_loop import ClosedLoopError
from benchmarks.demands import CASES, SKYSAIL, Case
from benchmarks.load import Load, LoadError, choose_load
from benchmarks.queries import write_pool
from benchmarks.rig import PREDICT_PATH, Contestant, start_contestants
from benchmarks.server_process import ServerError

__all__ = ["main", "time_by_function"]

WARM_UP_S = 2
MARGIN_S = 2
"""The load goes on for this long after the sampling, so that only a loaded frontend is sampled."""
SAMPLES_PER_S = 250


class ProfilerError(Exception):
    """py-spy is not there or may not trace."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 with one line on stderr when there is no profile."""
    options = _options(arguments)
    try:
        _profile(options)
    except (ProfilerError, ServerError, LoadError, ClosedLoopError, OSError) as error:
        print(f"no profile: {error}", file=sys.stderr)
        return 1
    return 0


def time_by_function(stacks: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """(own, inclusive) numbers of samples per function, of stacks written as `outer;inner;... count`."""
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in stacks:
        stack, _, n_samples = line.rpartition(" ")
        functions = stack.split(";")
        own[functions[-1]] += int(n_samples)
        for function in set(functions):
            inclusive[function] += int(n_samples)
    return own, inclusive


def _profile(options: argparse.Namespace) -> None:
    if options.py_spy is None:
        raise ProfilerError("py-spy is not on PATH; see the head of this file for a throw-away environment")
    load = choose_load(options.load)
    (case,) = (case for case in CASES if case.name == options.case)
    with tempfile.TemporaryDirectory(prefix="skysail-profile-") as folder:
        pool = write_pool(Path(folder) / "queries.txt", case.n_queries, case.n_doubles)
        with start_contestants([SKYSAIL], Path(folder)) as contestants:
            skysail = contestants[SKYSAIL]
            load.run(skysail.port, PREDICT_PATH, pool, case.connections, WARM_UP_S)
            us_per_query = _cpu_us_per_query(skysail, load, case, pool, options.seconds)
            stacks = _sample_under_load(skysail, load, case, pool, options)
    _show(stacks, us_per_query, options.top)


def _cpu_us_per_query(skysail: Contestant, load: Load, case: Case, pool: Path, seconds: int) -> float:
    """The frontend's CPU per query without the profiler, which slows what it looks at."""
    frontend = skysail.processes[0]
    before_s = frontend.cpu_s()
    seen = load.run(skysail.port, PREDICT_PATH, pool, case.connections, seconds)
    return 1e6 * (frontend.cpu_s() - before_s) / max(1, seen.requests)


def _sample_under_load(
    skysail: Contestant, load: Load, case: Case, pool: Path, options: argparse.Namespace
) -> list[str]:
    raw = pool.with_name("stacks.txt")
    command = [options.py_spy, "record", "--pid", str(skysail.processes[0].pid), "--subprocesses", "--format", "raw"]
    command += ["--duration", str(options.seconds), "--rate", str(SAMPLES_PER_S), "--function", "--output", str(raw)]
    command += ["--native"] if options.native else []
    load_s = options.seconds + MARGIN_S
    with ThreadPoolExecutor(max_workers=1) as pool_of_one:
        loading = pool_of_one.submit(load.run, skysail.port, PREDICT_PATH, pool, case.connections, load_s)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        loading.result()
    if done.returncode != 0:
        raise ProfilerError(f"py-spy ended with code {done.returncode}: {done.stderr.strip()}")
    return raw.read_text().splitlines()


def _show(stacks: Sequence[str], us_per_query: float, n_top: int) -> None:
    own, inclusive = time_by_function(stacks)
    n_samples = sum(own.values())
    print(f"frontend: {us_per_query:.1f} µs of CPU per query; {n_samples} samples")
    for title, times in (("own time", own), ("with all it calls", inclusive)):
        print(f"\n{title}\n  {'share':>6}  {'µs per query':>12}")
        for function, n in times.most_common(n_top):
            share = n / max(1, n_samples)
            print(f"  {100 * share:5.1f} %  {us_per_query * share:12.2f}  {function}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Sample the frontend under the benchmark's load.")
    parser.add_argument("--py-spy", default=shutil.which("py-spy"), help="the program; default: the one on PATH")
    parser.add_argument("--native", action="store_true", help="frames of compiled extensions too")
    parser.add_argument("--case", choices=[case.name for case in CASES], default=CASES[0].name)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--top", type=int, default=25, help="how many functions to print")
    parser.add_argument("--load", choices=("wrk", "python"), help="default: wrk if it is installed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
