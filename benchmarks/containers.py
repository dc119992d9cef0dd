"""What a container costs: microseconds it adds to each batch, and what a start takes, framework by framework.

``python -m benchmarks.containers`` takes a minute and a half. Real container processes on unix sockets, no frontend.

| `--rows` | what |
|---|---|
| `overhead` | batches of 64 rows of 30 doubles, one at a time: the round trip less the model's own time, in parts |
| `load` | seconds from the start of the process until it listens, and its resident memory then |

Tables go to the screen, all figures to `benchmarks/results/`. The exit code says whether the measurement worked.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter_ns
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from benchmarks.batch_overhead import ECHO_SOURCE, BatchClient, BatchTimes, OverheadError, bare_socket_us
from benchmarks.framework_models import N_FEATURES, install, training
from benchmarks.machine import describe_machine
from benchmarks.own_time import OWN_TIME_FILE, shared_number
from benchmarks.server_process import CHECKOUT, ServerError, ServerProcess, socket_listens
from skysail_container.acceleration.choice import form_of
from skysail_container.wire import Dense, Predict, Result, encode

__all__ = ["LOADED", "OVERHEAD_MODELS", "main"]

RESULTS = Path(__file__).parent / "results"
MODELS = Path(__file__).parent / "models"
N_ROWS = 64
N_WARM_UP = 300
DEMANDED_US = 100.0
LOOK_EVERY_S = 0.005
ACCELERATED = "scikit-learn, accelerated"
OVERHEAD_MODELS = ("sum", "DataFrameModel", "scikit-learn", ACCELERATED)
LOADED = (
    "python function",
    "model folder",
    "scikit-learn",
    ACCELERATED,
    "onnx",
    "xgboost",
    "lightgbm",
    "tensorflow .keras",
    "tensorflow SavedModel",
    "mlflow",
)


@dataclass(slots=True)
class Figures:
    """What a run found, by model."""

    bare_socket: dict[str, float] = field(default_factory=dict)
    overhead: dict[str, dict[str, float]] = field(default_factory=dict)
    load: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was measured, 1 with one line on stderr when something broke, 130 when interrupted."""
    options = _options(arguments)
    machine = describe_machine()
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="sky-") as folder:
        try:
            if "overhead" in options.rows:
                _measure_overhead(Path(folder), options, figures)
            if "load" in options.rows:
                _measure_load(Path(folder), options, figures)
        except (ServerError, OverheadError, OSError, subprocess.CalledProcessError) as error:
            print(f"the benchmark broke: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; everything is stopped", file=sys.stderr)
            return 130
        finally:
            _write(options, machine, figures)
    return 0


def _measure_overhead(folder: Path, options: argparse.Namespace, figures: Figures) -> None:
    """All containers are up together and take turns, so that a busy second of the machine meets them all."""
    times = {name: BatchTimes() for name in options.models}
    cpu_s = dict.fromkeys(options.models, 0.0)
    bare_us: list[float] = []
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(1))
        clients = {name: _client(stack, folder, name) for name in options.models}
        n_request, n_answer = _frame_bytes()
        echo = folder / "echo.sock"
        command = [sys.executable, "-c", ECHO_SOURCE, str(echo), str(n_request), str(n_answer)]
        _started(stack, "echo", command, folder).wait_until(lambda: socket_listens(echo))
        for client, _ in clients.values():
            client.measure(N_WARM_UP, BatchTimes())
        for _ in range(options.rounds):
            bare_us += bare_socket_us(echo, n_request, n_answer, options.batches)
            for name, (client, container) in clients.items():
                client.measure(N_WARM_UP // 3, BatchTimes())
                cpu_s[name] -= container.cpu_s()
                client.measure(options.batches, times[name])
                cpu_s[name] += container.cpu_s()
    figures.bare_socket = {"p50_us": round(median(bare_us), 1), "p99_us": round(float(np.percentile(bare_us, 99)), 1)}
    figures.overhead = {name: found.figures(cpu_s[name]) for name, found in times.items()}
    _print_overhead(figures)


def _client(stack: ExitStack, folder: Path, name: str) -> tuple[BatchClient, ServerProcess]:
    number = len(list(folder.iterdir()))
    model, path = folder / f"model-{number}", folder / f"{number}.sock"
    model.mkdir()
    own_ns = _installed(name, model)
    container = _started(stack, f"container-{number}", _command(model, path), folder)
    container.wait_until(lambda: socket_listens(path))
    return stack.enter_context(closing(BatchClient(path, N_ROWS, N_FEATURES, own_ns))), container


def _installed(name: str, model: Path) -> Callable[[Any], int]:
    """Puts the model into its folder; what tells how many nanoseconds its own code took for the last batch."""
    if name == ACCELERATED:
        install(name, model)
        return _form_here()
    if name == "scikit-learn":
        install("scikit-learn, timed", model)
    else:
        source = {"sum": "timed_sum", "DataFrameModel": "timed_frame"}[name]
        shutil.copy(MODELS / source / "model.py", model)
    number = shared_number(model / OWN_TIME_FILE)
    return lambda _: number[0]


def _form_here() -> Callable[[Any], int]:
    """The accelerated form stands inside the container, where no model's code could time it: it is timed here instead,
    on the same rows, between two batches."""
    compute = form_of(LogisticRegression().fit(*training()), "predict", np.dtype(np.float64), 1).compute

    def own_ns(rows: Any) -> int:
        started_ns = perf_counter_ns()
        compute(rows)
        return perf_counter_ns() - started_ns

    return own_ns


def _frame_bytes() -> tuple[int, int]:
    """Length of a batch's frame and of its result's."""
    rows = Dense("<f8", (N_ROWS, N_FEATURES), bytes(8 * N_ROWS * N_FEATURES))
    outputs = Dense("<f8", (N_ROWS,), bytes(8 * N_ROWS))
    return len(encode(Predict(1000, 60_000_000, rows))), len(encode(Result(1000, 10, 10, outputs)))


def _measure_load(folder: Path, options: argparse.Namespace, figures: Figures) -> None:
    print(f"{'load':28}{'ready':>9}{'resident':>12}   medians of {options.rounds}", flush=True)
    for number, name in enumerate(options.loaded):
        model = folder / f"load-{number}"
        model.mkdir()
        _install_apart(name, model)
        starts = [_start(folder, model) for _ in range(options.rounds)]
        found = {"ready_s": [one[0] for one in starts], "resident_mib": [one[1] for one in starts]}
        figures.load[name] = found
        print(f"{name:28}{median(found['ready_s']):7.2f} s{median(found['resident_mib']):8.0f} MiB", flush=True)


def _install_apart(name: str, model: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.framework_models", name, str(model)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True)


def _start(folder: Path, model: Path) -> tuple[float, float]:
    """Seconds until the container listens, and its MiB then."""
    path = folder / "load.sock"
    with ExitStack() as stack:
        started_s = monotonic()
        container = _started(stack, "load", _command(model, path), folder)
        container.wait_until(lambda: socket_listens(path), look_every_s=LOOK_EVERY_S)
        ready_s = monotonic() - started_s
        return round(ready_s, 3), round(container.resident_bytes() / 2**20, 1)


def _command(model: Path, path: Path) -> list[str]:
    return [sys.executable, "-m", "skysail_container", "--model", str(model), "--listen", f"unix:{path}"]


def _started(stack: ExitStack, name: str, command: Sequence[str], folder: Path) -> ServerProcess:
    process = ServerProcess(name, command, folder)
    stack.callback(process.stop)
    return process


def _print_overhead(figures: Figures) -> None:
    bare = figures.bare_socket
    print(f"{N_ROWS} rows of {N_FEATURES} doubles; microseconds, medians but for the p99")
    print(f"bare socket, two processes that do nothing: {bare['p50_us']:.1f}, p99 {bare['p99_us']:.1f}")
    titles = ("round trip", "own", "overhead", "p99", "around model", "queued", "wire", "CPU")
    print(f"{'overhead':28}" + "".join(f"{title:>14}" for title in titles))
    for name, found in figures.overhead.items():
        met = "met" if found["overhead_p50_us"] < DEMANDED_US else "missed"
        cells = "".join(f"{value:14.1f}" for value in found.values())
        print(f"{name:28}{cells}   below {DEMANDED_US:.0f}: {met}", flush=True)


def _write(options: argparse.Namespace, machine: dict[str, object], figures: Figures) -> None:
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"containers-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    document = {
        "format": 1,
        "machine": machine,
        "settings": {"rounds": options.rounds, "batches": options.batches, "rows": N_ROWS, "features": N_FEATURES},
        "demanded_overhead_us": DEMANDED_US,
        "bare_socket": figures.bare_socket,
        "overhead": figures.overhead,
        "load": figures.load,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"all figures: {path}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what a container adds to a batch, and what its start takes.")
    parser.add_argument("--rows", nargs="+", choices=("overhead", "load"), default=("overhead", "load"))
    parser.add_argument("--models", nargs="+", choices=OVERHEAD_MODELS, default=OVERHEAD_MODELS, help="of `overhead`")
    parser.add_argument("--loaded", nargs="+", choices=LOADED, default=LOADED, help="of `load`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=5000, help="of each model in each round (default 5000)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
