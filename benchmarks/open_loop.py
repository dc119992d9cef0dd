"""An open-loop HTTP/1.1 load generator: requests are due on a schedule, whatever the server does.

Latency runs from the intended time of sending. A request that cannot be sent in time is sent late and its wait counted,
never left out. Every answer is read and compared with the output expected. The generator is a process of its own,
because it shares the machine with the server under test. From Python::

    record = run_open_loop(LoadPlan(port=1337, streams=(stream,), duration_s=10.0, result="raw.npz"))

From a shell, in the checkout (`queries.txt`: one request body per line, with the output expected behind a tab)::

    python -m benchmarks.open_loop --port 1337 --path /demo/predict --queries queries.txt --rate 500 --kind poisson
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self, get_args

import msgspec
import numpy as np
import uvloop

from benchmarks.arrivals import Arrivals, Kind, Times
from benchmarks.load_plan import LoadPlan, PlanError, Script, Stream, make_script
from benchmarks.load_record import LoadRecord
from benchmarks.load_summary import percentile_ladder, summarize
from benchmarks.open_connections import Connections, Notes
from benchmarks.precise_timer import PreciseTimer
from benchmarks.replies import TOLERANCE_S, Outcome
from benchmarks.slow_readers import SlowReaders

__all__ = ["OpenLoop", "OpenLoopError", "run_open_loop"]

CHECKOUT = Path(__file__).resolve().parents[1]
CONNECT_TIMEOUT_S = 30.0
START_IN_S = 0.1
"""From the last connection's opening to the time 0 of the schedule."""
MARGIN_S = 30.0


class OpenLoopError(Exception):
    """The load could not be generated at all."""


class OpenLoop:
    """The generator as a running process; use it as a context. `started_s` is the schedule's 0 of `time.monotonic`."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self.started_s = 0.0

    def __enter__(self) -> Self:
        """Start it and wait until its connections are open.

        :raises OpenLoopError: it ended before that.
        """
        command = [sys.executable, "-m", "benchmarks.open_loop", "--plan", "-"]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, stderr=pipe)
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(msgspec.json.encode(self._plan))
        self._child.stdin.close()
        self._child.stdin = None
        line = self._child.stdout.readline()
        if not line.startswith(b"started "):
            self._fail()
        self.started_s = float(line.split()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.communicate()

    def finish(self) -> LoadRecord:
        """Wait for the end and read the raw results.

        :raises OpenLoopError: it broke.
        """
        try:
            self._child.wait(self._plan.duration_s + self._plan.patience_s + MARGIN_S)
        except subprocess.TimeoutExpired as error:
            raise OpenLoopError("the load generator does not end") from error
        if self._child.returncode != 0:
            self._fail()
        return LoadRecord.load(Path(self._plan.result))

    def _fail(self) -> None:
        self._child.kill()
        _, errors = self._child.communicate()
        raise OpenLoopError(errors.decode().strip() or f"the load generator ended with code {self._child.returncode}")


def run_open_loop(plan: LoadPlan) -> LoadRecord:
    """Blocks for `plan.duration_s`, as long as answers are waited for, and about 0.5 s.

    :raises OpenLoopError: nothing listens there, or the plan is wrong.
    """
    with OpenLoop(plan) as running:
        return running.finish()


class _Sender:
    """Hands each request to the connections at the time it is due."""

    def __init__(self, due_s: Times, connections: Connections) -> None:
        self._due_s: list[float] = due_s.tolist()
        self._connections = connections
        self._next = 0
        self._timer = PreciseTimer(asyncio.get_running_loop(), self._send_due)
        self._done = asyncio.Event()

    async def run(self, started_s: float) -> None:
        """Returns when the last request has been handed over."""
        self._due_s = [started_s + due_s for due_s in self._due_s]
        self._timer.arm(self._due_s[0])
        try:
            await self._done.wait()
        finally:
            self._timer.close()

    def _send_due(self) -> None:
        due_s, number, n = self._due_s, self._next, len(self._due_s)
        while number < n and due_s[number] <= (now_s := monotonic()):
            self._connections.take(number, now_s)
            number += 1
        self._next = number
        if number < n:
            self._timer.arm(due_s[number])
        else:
            self._done.set()


async def _drive(plan: LoadPlan, script: Script, on_start: Callable[[float], None]) -> tuple[float, Notes]:
    """When it started, and what was noted."""
    address = (plan.host, plan.port)
    connections = Connections(address, script, plan.ready_connections, plan.max_connections, plan.takes_turns)
    slow = SlowReaders(address, plan.slow_path, plan.slow_readers)
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        await connections.open()
        await slow.start()
    started_s = monotonic() + START_IN_S
    on_start(started_s)
    sender = _Sender(script.due_s, connections)
    try:
        await sender.run(started_s)
        await connections.finish(plan.patience_s)
    finally:
        await slow.stop()
    return started_s, connections.notes


def _record(plan: LoadPlan, script: Script, started_s: float, notes: Notes, cpu_s: float) -> LoadRecord:
    slos_s = tuple(stream.slo_s for stream in plan.streams)
    done_s = np.array(notes.done_s) - started_s
    outcome = np.array(notes.outcome, dtype=np.uint8)
    is_answer = (outcome == Outcome.PREDICTED) | (outcome == Outcome.DEFAULTED)
    limit_s = np.array(slos_s)[script.stream] + TOLERANCE_S
    outcome[is_answer & (done_s - script.due_s > limit_s)] = Outcome.LATE
    return LoadRecord(
        due_s=script.due_s,
        picked_s=np.array(notes.picked_s) - started_s,
        sent_s=np.array(notes.sent_s) - started_s,
        done_s=done_s,
        outcome=outcome,
        reason=np.array(notes.reason, dtype=np.uint8),
        stream=script.stream,
        connection=np.array(notes.connection, dtype=np.int32),
        query_id=np.array(notes.query_id, dtype=np.int64),
        streams=tuple(stream.name for stream in plan.streams),
        slos_s=slos_s,
        reasons=tuple(notes.reasons),
        started_s=started_s,
        n_surplus=notes.n_surplus,
        cpu_s=cpu_s,
        duration_s=plan.duration_s,
    )


def _carry_out(plan: LoadPlan, on_start: Callable[[float], None]) -> LoadRecord:
    try:
        script = make_script(plan)
    except (OSError, ValueError) as error:
        raise PlanError(str(error)) from error
    gc.collect()
    gc.disable()  # a pause of the generator would count as the server's; what a run leaves behind is bounded
    before_s = _cpu_s()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            started_s, notes = runner.run(_drive(plan, script, on_start))
    except (OSError, TimeoutError) as error:
        raise OpenLoopError(f"cannot connect to {plan.host}:{plan.port}: {error or 'it takes too long'}") from error
    record = _record(plan, script, started_s, notes, _cpu_s() - before_s)
    record.save(Path(plan.result))
    return record


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _announce(started_s: float) -> None:
    print(f"started {started_s!r}", flush=True)


def _keep_quiet(_started_s: float) -> None:
    pass


def _print_summary(record: LoadRecord) -> None:
    summary = summarize(record)
    for field in fields(summary):
        value = getattr(summary, field.name)
        print(f"{field.name:16} {value if isinstance(value, dict) else format(value, ',')}")
    print("\nlatency from the intended time, all answers")
    for rung in percentile_ladder(record.latency_s):
        print(f"  {100 * rung.share:10.5f} %  {rung.value_ms:12.3f} ms  {rung.n_above:8,} above")
    if not summary.kept_up:
        print(f"\nthe generator could not keep up: it came {summary.lag_p99_ms:.1f} ms late (p99)")


def _plan(options: argparse.Namespace, folder: Path) -> LoadPlan:
    if options.plan:
        return msgspec.json.decode(sys.stdin.buffer.read(), type=LoadPlan)
    steps = tuple(options.steps or ())
    duration_s = sum(length_s for length_s, _ in steps) or options.duration
    arrivals = Arrivals(options.kind, options.rate, options.seed, steps)
    stream = Stream("all", options.path, options.slo_ms / 1e3, arrivals, str(options.queries))
    result = str(options.raw or folder / "raw.npz")
    return LoadPlan(
        options.port, (stream,), duration_s, result, options.host, options.connections, options.max_connections
    )


def _step(text: str) -> tuple[float, float]:
    length_s, _, rate_per_s = text.partition(":")
    return float(length_s), float(rate_per_s)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Open-loop HTTP load: requests are sent when they are due.")
    parser.add_argument("--plan", choices=["-"], help="take a LoadPlan as JSON from standard input, and nothing else")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--path", help="for example /demo/predict")
    parser.add_argument(
        "--queries", type=Path, help="a request body per line; a tab and the output expected may follow"
    )
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second (default 100)")
    parser.add_argument("--kind", choices=get_args(Kind), default="poisson", help="gaps between requests")
    parser.add_argument("--steps", type=_step, nargs="+", metavar="S:RATE", help="rates in turn, instead of --rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=10.0, help="seconds (default 10)")
    parser.add_argument("--slo-ms", type=float, default=100.0, help="later answers count as late (default 100)")
    parser.add_argument("--connections", type=int, default=64, help="opened before the start (default 64)")
    parser.add_argument("--max-connections", type=int, default=2000)
    parser.add_argument("--raw", type=Path, help="keep the raw results in this .npz file")
    options = parser.parse_args(arguments)
    if not options.plan and not (options.port and options.path and options.queries):
        parser.error("--port, --path and --queries are needed")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 with one line on stderr when no load could be generated."""
    options = _options(arguments)
    _allow_many_connections()
    try:
        with tempfile.TemporaryDirectory(prefix="open-loop-") as folder:
            record = _carry_out(_plan(options, Path(folder)), _announce if options.plan else _keep_quiet)
    except (OpenLoopError, PlanError) as error:
        print(error, file=sys.stderr)
        return 1
    if not options.plan:
        _print_summary(record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
