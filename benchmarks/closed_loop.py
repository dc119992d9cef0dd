"""A closed-loop HTTP/1.1 load generator: N connections, each sends its next query when the last one is answered.

The generator is a process of its own, because it shares the machine with the server under test and must neither
wait for the caller's interpreter nor slow it down. It costs about 14 µs per request, most of it in the kernel.
From Python::

    summary = run_closed_loop("127.0.0.1", 1337, "/demo/predict", bodies, connections=64, duration_s=5.0)

From a shell, in the checkout (`rows.txt`: one request body per line)::

    python -m benchmarks.closed_loop --port 1337 --path /demo/predict --bodies rows.txt --connections 64 --json

Needs nothing but the standard library, and uses uvloop where it is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import perf_counter

from benchmarks.connections import Load, Requests, Tally

__all__ = ["ClosedLoopError", "Summary", "run_closed_loop"]

CHECKOUT = Path(__file__).resolve().parents[1]
CONNECT_TIMEOUT_S = 10.0
MARGIN_S = 30.0
"""What the child may take beyond warm-up and measurement: start, encoding of the pool, percentiles."""


class ClosedLoopError(Exception):
    """The load could not be generated at all: nothing listens there, or the bodies cannot be sent."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run saw between the end of its warm-up and its end."""

    requests: int
    """Answers with status 200, default outputs included."""
    errors: int
    """Answers with another status, broken or unreadable answers, lost connections, requests stalled at the end."""
    defaults: int
    """Answers, among `requests`, that hold at least one default output."""
    duration_s: float
    requests_per_s: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    client_cpu_s: float
    """CPU the generator itself took, warm-up included: what the server did not get on a small machine."""


def run_closed_loop(
    host: str,
    port: int,
    path: str,
    bodies: Sequence[bytes],
    connections: int,
    duration_s: float,
    *,
    warm_up_s: float = 0.5,
) -> Summary:
    """POST `bodies` in turn, over `connections` keep-alive connections, for `duration_s` after the warm-up.

    Blocks for `warm_up_s + duration_s` and about 0.3 s. `bodies` are JSON texts without line breaks; they are sent
    round robin over all connections, so give at least some thousands if every query is to differ from those around it.

    :raises ClosedLoopError: nothing listens there, no body, or a body with a line break.
    """
    with tempfile.TemporaryDirectory(prefix="closed-loop-") as folder:
        pool = Path(folder) / "bodies.txt"
        _write_pool(pool, bodies)
        command = [sys.executable, "-m", "benchmarks.closed_loop", "--json", "--host", host, "--port", str(port)]
        command += ["--path", path, "--bodies", str(pool), "--connections", str(connections)]
        command += ["--duration", str(duration_s), "--warm-up", str(warm_up_s)]
        time_limit_s = warm_up_s + duration_s + MARGIN_S
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=time_limit_s, check=False)
    if done.returncode != 0:
        raise ClosedLoopError(done.stderr.strip() or f"the load generator ended with code {done.returncode}")
    return Summary(**json.loads(done.stdout))


async def _drive(load: Load, connections: int, warm_up_s: float, duration_s: float) -> float:
    """The seconds really measured."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.gather(*(load.connect() for _ in range(connections)))
        await asyncio.sleep(warm_up_s)
        load.tally.measuring = True
        started_at = perf_counter()
        await asyncio.sleep(duration_s)
        measured_s = perf_counter() - started_at
        load.count_stalled()
        load.tally.measuring = False
    finally:
        await load.close()
    return measured_s


def _summary(tally: Tally, duration_s: float, client_cpu_s: float) -> Summary:
    ordered_ms = [latency_s * 1e3 for latency_s in sorted(tally.latencies_s)]
    return Summary(
        requests=len(ordered_ms),
        errors=tally.errors,
        defaults=tally.defaults,
        duration_s=round(duration_s, 4),
        requests_per_s=round(len(ordered_ms) / duration_s, 1),
        mean_ms=round(sum(ordered_ms) / max(1, len(ordered_ms)), 4),
        p50_ms=_percentile(ordered_ms, 0.50),
        p90_ms=_percentile(ordered_ms, 0.90),
        p99_ms=_percentile(ordered_ms, 0.99),
        p999_ms=_percentile(ordered_ms, 0.999),
        max_ms=_percentile(ordered_ms, 1.0),
        client_cpu_s=round(client_cpu_s, 3),
    )


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank; 0.0 of nothing."""
    if not ordered:
        return 0.0
    return round(ordered[max(0, min(len(ordered) - 1, int(share * len(ordered) + 0.5) - 1))], 4)


def _write_pool(path: Path, bodies: Sequence[bytes]) -> None:
    if not bodies or any(b"\n" in body for body in bodies):
        raise ClosedLoopError("bodies must be one or more JSON texts without line breaks")
    path.write_bytes(b"\n".join(bodies))


def _read_pool(path: Path) -> list[bytes]:
    bodies = [line for line in path.read_bytes().splitlines() if line]
    if not bodies:
        raise ClosedLoopError(f"{path} holds no request body (one per line)")
    return bodies


def _runner() -> asyncio.Runner:
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.Runner()
    import uvloop

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def _measure(options: argparse.Namespace) -> Summary:
    load = Load(
        options.host, options.port, Requests(options.host, options.port, options.path, _read_pool(options.bodies))
    )
    try:
        with _runner() as runner:
            measured_s = runner.run(_drive(load, options.connections, options.warm_up, options.duration))
    except OSError as error:
        raise ClosedLoopError(f"cannot connect to {options.host}:{options.port}: {error}") from error
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return _summary(load.tally, measured_s, usage.ru_utime + usage.ru_stime)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Closed-loop HTTP load: every connection waits for its answer.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True, help="for example /demo/predict")
    parser.add_argument("--bodies", type=Path, required=True, help="a file with one request body per line")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--duration", type=float, default=5.0, help="seconds measured (default 5)")
    parser.add_argument("--warm-up", type=float, default=0.5, help="seconds before that (default 0.5)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 with one line on stderr when no load could be generated."""
    options = _options(arguments)
    try:
        summary = _measure(options)
    except (ClosedLoopError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(asdict(summary)))
    else:
        for field in fields(summary):
            print(f"{field.name:15} {getattr(summary, field.name):>14,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
