"""How near Skysail comes to what a model can do: against fixed batch sizes, against the model alone, with two workers.

All of it with real models in a closed loop, in one run::

    python -m benchmarks.batching                       # everything, about ten minutes
    python -m benchmarks.batching --rows forest --rounds 5

| `--rows` | what |
|---|---|
| `fixed` | answers/s with the `deadline` policy and with each fixed size, 64 connections, for three models |
| `forest` | 64 and 256 connections against the rows/s of the forest's own `predict` in this process |
| `workers` | one frontend worker against two, on the sum, with a load that leaves them what cores it can |

Tables go to the screen, all figures to `benchmarks/results/`. The exit code says whether the measurement worked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Literal

from benchmarks.closed_loop import ClosedLoopError, Summary
from benchmarks.closed_models import CLOSED_MODELS, N_FEATURES, in_process_rate, install
from benchmarks.load import Load, LoadError, choose_load
from benchmarks.machine import describe_machine
from benchmarks.queries import write_pool
from benchmarks.rig import redis_command, start_process, write_records
from benchmarks.server_process import ServerError, answers_with, free_port, socket_listens
from skysail_management.records import Application, InputType, Link, Model, Replica, Version

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results"
NAME = "model"
PATH = f"/{NAME}/predict"
SLO_MICROS = 500_000
"""Long enough that throughput is the model's and the batches', not the deadlines'; the p99 is shown beside it."""
SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64)
WARM_UP_S = 1.0
DEADLINE: Literal["deadline"] = "deadline"


@dataclass(frozen=True, slots=True)
class Measured:
    """One setting under load for some seconds."""

    row: str
    model: str
    setting: str
    connections: int
    seen: Summary

    @property
    def answers_per_s(self) -> float:
        return (self.seen.requests - self.seen.defaults) / self.seen.duration_s


@dataclass(slots=True)
class Bench:
    """What a run needs and gathers."""

    load: Load
    folder: Path
    seconds: float
    rounds: int
    measured: list[Measured] = field(default_factory=list)
    verdicts: list[dict[str, object]] = field(default_factory=list)

    def measure(self, row: str, served: Served, setting: str, connections: int, looks: bool = True) -> float:
        """Load one setting; its answers per second."""
        pool = self.folder / "pool.txt"
        if not pool.exists():
            write_pool(pool, 5000, N_FEATURES)
        self.load.run(served.port, PATH, pool, connections, min(WARM_UP_S, self.seconds))
        seen = self.load.run(served.port, PATH, pool, connections, self.seconds, looks=looks)
        one = Measured(row, served.model, setting, connections, seen)
        self.measured.append(one)
        print(
            f"  {served.model:9}{setting:12}{connections:4} connections {one.answers_per_s:9,.0f}/s"
            f"  p50 {seen.p50_ms:7.2f}  p99 {seen.p99_ms:7.2f} ms  defaults {seen.defaults}  errors {seen.errors}",
            flush=True,
        )
        return one.answers_per_s

    def judge(self, text: str, value: float, demanded: float) -> None:
        """A ratio against what is demanded of it."""
        met = "met" if value >= demanded else "missed"
        self.verdicts.append({"text": text, "value": round(value, 4), "demanded": demanded, "met": met == "met"})
        print(f"  {met}: {text}: {value:.3f}, demanded {demanded:g}", flush=True)

    def p99_ms(self, row: str, connections: int) -> float:
        own = [one.seen.p99_ms for one in self.measured if (one.row, one.connections) == (row, connections)]
        return median(own)


@dataclass(frozen=True, slots=True)
class Served:
    """A model behind a frontend."""

    model: str
    port: int
    redis_url: str

    def set_policy(self, fixed_rows: int | None) -> None:
        """`deadline`, or `fixed` with so many rows; the frontend hears of it from the registry."""
        asyncio.run(write_records(self.redis_url, [_model_record(fixed_rows)]))


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was measured, 1 with one line on stderr when something broke, 130 when interrupted."""
    options = _options(arguments)
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="skysail-bench-") as folder:
        bench = Bench(choose_load(options.load), Path(folder), options.seconds, options.rounds)
        try:
            for row in options.rows:
                print(f"{row}:", flush=True)
                ROWS[row](bench, options)
        except (LoadError, ServerError, ClosedLoopError, OSError) as error:
            print(f"the benchmark broke: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; everything is stopped", file=sys.stderr)
            return 130
        finally:
            _write(options.results, machine, bench)
    return 0


def _against_fixed(bench: Bench, options: argparse.Namespace) -> None:
    for model in options.models:
        with _serving(bench.folder, model) as served:
            rates: dict[str, list[float]] = {}
            settings: list[int | None] = [None, *options.sizes]
            for number in range(bench.rounds):
                turn = number % len(settings)
                for size in [*settings[turn:], *settings[:turn]]:
                    served.set_policy(size)
                    setting = DEADLINE if size is None else f"fixed {size}"
                    rates.setdefault(setting, []).append(bench.measure("fixed", served, setting, 64))
            fixed = {setting: median(found) for setting, found in rates.items() if setting != DEADLINE}
            best = max(fixed, key=lambda setting: fixed[setting])
            bench.judge(
                f"{model}: answers/s against the best fixed size ({best})", median(rates[DEADLINE]) / fixed[best], 0.95
            )


def _against_itself(bench: Bench, options: argparse.Namespace) -> None:
    with _serving(bench.folder, "forest") as served:
        shares: dict[int, list[float]] = {}
        for _ in range(bench.rounds):
            for connections, n_rows in ((64, 64), (256, 128)):
                alone = in_process_rate("forest", n_rows, bench.seconds)
                print(f"  forest   in process, batches of {n_rows}: {alone:,.0f} rows/s", flush=True)
                served_rate = bench.measure("forest", served, DEADLINE, connections)
                shares.setdefault(connections, []).append(served_rate / alone)
    bench.judge("forest: 64 connections against its own rate at batch 64", median(shares[64]), 0.35)
    bench.judge("forest: 256 connections against its own rate at batch 128", median(shares[256]), 0.40)
    for connections, limit_ms in ((64, 25.0), (256, 40.0)):
        p99_ms = bench.p99_ms("forest", connections)
        bench.judge(f"forest: {connections} connections, {limit_ms:g} ms over the p99", limit_ms / p99_ms, 1.0)


def _with_workers(bench: Bench, options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        both = {n: stack.enter_context(_serving(bench.folder, "sum", n_workers=n)) for n in (1, 2)}
        ratios = []
        for _ in range(bench.rounds):
            rates = {n: bench.measure("workers", both[n], f"{n} workers", 64, looks=False) for n in (1, 2)}
            ratios.append(rates[2] / rates[1])
    bench.judge("sum: two workers against one", median(ratios), 1.6)


ROWS: dict[str, Callable[[Bench, argparse.Namespace], None]] = {
    "fixed": _against_fixed,
    "forest": _against_itself,
    "workers": _with_workers,
}


@contextmanager
def _serving(parent: Path, model: str, n_workers: int = 1) -> Iterator[Served]:
    """A Redis, one container, a frontend; each ready before the next, all stopped at the end.

    :raises ServerError: a process does not start.
    """
    folder = Path(tempfile.mkdtemp(dir=parent))
    (folder / "model").mkdir()
    install(model, folder / "model")
    with ExitStack() as stack:
        redis_socket, socket = folder / "redis.sock", folder / "c.sock"
        redis = start_process(stack, "redis", redis_command(redis_socket), folder)
        redis.wait_until(lambda: socket_listens(redis_socket))
        redis_url = f"unix://{redis_socket}?db=0"
        command = [sys.executable, "-m", "skysail_container", "--model", str(folder / "model"), "--listen"]
        command += [f"unix:{socket}", "--name", NAME, "--version", "1", "--input-type", "doubles"]
        container = start_process(stack, "container", [*command, "--log-level", "WARNING"], folder)
        container.wait_until(lambda: socket_listens(socket))
        asyncio.run(write_records(redis_url, [_model_record(None), *_records(f"unix:{socket}")]))
        port = free_port()
        command = [sys.executable, "-m", "skysail_frontend", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", str(n_workers), "--redis-url", redis_url, "--run-dir", str(folder / "f")]
        frontend = start_process(stack, "frontend", [*command, "--log-level", "error"], folder)
        probe = json.dumps({"input": [0.5] * N_FEATURES}).encode()
        frontend.wait_until(lambda: answers_with(port, PATH, probe, lambda body: b'"default":false' in body))
        yield Served(model, port, redis_url)


def _model_record(fixed_rows: int | None) -> Model:
    return Model(
        name=NAME,
        input_type=InputType.DOUBLES,
        current_version="1",
        batch_policy=DEADLINE if fixed_rows is None else "fixed",
        max_batch_rows=fixed_rows,
        created_at=datetime.fromtimestamp(0, UTC),
    )


def _records(address: str) -> list[Application | Version | Replica]:
    now = datetime.now(UTC)
    doubles = InputType.DOUBLES
    return [
        Application(
            name=NAME,
            input_type=doubles,
            default_output=None,
            latency_slo_micros=SLO_MICROS,
            links=(Link(NAME),),
            cache=False,
            created_at=now,
        ),
        Version(model=NAME, version="1", input_type=doubles, state="ready", created_at=now),
        Replica(model=NAME, version="1", replica_id=0, address=address, state="ready", since=now),
    ]


def _write(folder: Path, machine: dict[str, object], bench: Bench) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"batching-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    settings = {"load": bench.load.name, "seconds": bench.seconds, "rounds": bench.rounds}
    document = {
        "format": 1,
        "machine": machine,
        "settings": settings,
        "measured": [asdict(one) for one in bench.measured],
        "verdicts": bench.verdicts,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"all figures: {path}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure batching against fixed sizes and against the model alone.")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="default: all")
    parser.add_argument("--models", nargs="+", choices=CLOSED_MODELS, default=CLOSED_MODELS, help="of row `fixed`")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="of row `fixed`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement (default 3)")
    parser.add_argument("--load", choices=("wrk", "python"), help="default: wrk if it is installed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    started_s = monotonic()
    code = main()
    print(f"{monotonic() - started_s:.0f} s")
    sys.exit(code)
