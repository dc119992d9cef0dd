"""One contestant, one model, one round: start it, compare a sample of its answers, put it under load, stop it."""

from __future__ import annotations

import http.client
import itertools
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psutil

from benchmarks.arrivals import Arrivals
from benchmarks.closed_loop import Summary
from benchmarks.load import Load
from benchmarks.load_plan import LoadPlan, Stream, write_queries
from benchmarks.load_summary import LoadSummary, summarize
from benchmarks.machine import machine_busy_s
from benchmarks.open_loop import run_open_loop
from benchmarks.peers.compared_models import ComparedModel
from benchmarks.peers.contestants import Contestant, RunningServer
from benchmarks.peers.questions import Questions
from benchmarks.replies import Outcome, judge

__all__ = ["Durations", "Failure", "Measurement", "measure"]

N_CONNECTIONS = 64
N_SAMPLE = 512
SAMPLE_TIMEOUT_S = 30.0
OPEN_SHARE = 0.8
MAX_OPEN_PER_S = 6000.0
"""What the Python load can send without taking the cores from the server: faster contestants get this rate."""
MIN_OPEN_REQUESTS = 20
"""Slower contestants get a rate that comes to so many."""
PATIENCE_S = 10.0
ANY_TIME_S = 1e3


@dataclass(frozen=True, slots=True)
class Durations:
    """How long each part of a measurement takes, in seconds."""

    warm_up_s: float
    closed_s: float
    lone_s: float
    open_s: float

    @property
    def total_s(self) -> float:
        return self.warm_up_s + self.closed_s + self.lone_s + self.open_s


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one contestant did in one round."""

    contestant: str
    model: str
    round: int
    start_s: float
    """From starting its processes to its first right answer."""
    sample: dict[str, int]
    """A sample sent over 64 connections, each answer compared with the model's own output: counts by outcome."""
    closed: Summary
    """64 connections, closed loop."""
    defaults: int
    """Default outputs among the answers of `closed`."""
    predictions_per_s: float
    lone: Summary
    """1 connection."""
    open: LoadSummary
    """80 % of `predictions_per_s`, but at most MAX_OPEN_PER_S: Poisson arrivals, every answer compared."""
    memory_bytes: int
    """Proportional set size of all its processes after the closed loop."""
    cpu_s: float
    """Of all its processes during the closed loop."""
    foreign_cpu_share: float
    """Share of the machine's CPU taken meanwhile by processes that are neither the contestant nor the load."""

    @property
    def n_wrong(self) -> int:
        """Other outputs than the model's own, in the sample and in the open loop."""
        return self.sample.get(Outcome.WRONG.name.lower(), 0) + self.open.wrong

    @property
    def n_default_outputs(self) -> int:
        """In the sample, the closed loop and the open loop."""
        in_open = sum(self.open.defaulted.values())
        return self.sample.get(Outcome.DEFAULTED.name.lower(), 0) + self.defaults + in_open

    @property
    def n_errors(self) -> int:
        """Other statuses, broken connections, timeouts: in the sample, the closed loops and the open loop."""
        in_sample = sum(self.sample.get(one.name.lower(), 0) for one in (Outcome.HTTP_ERROR, Outcome.NONE))
        return in_sample + self.closed.errors + self.lone.errors + self.open.http_errors + self.open.none


@dataclass(frozen=True, slots=True)
class Failure:
    """A contestant that could not be measured."""

    contestant: str
    model: str
    round: int
    reason: str


def measure(
    contestant: Contestant, model: ComparedModel, questions: Questions, load: Load, durations: Durations, folder: Path
) -> Measurement:
    """Blocks for its start, `durations` and some seconds. `round` of what it returns is 0. `folder` is empty.

    :raises ServerError: it does not start or dies; LoadError, ClosedLoopError, OpenLoopError: the load broke.
    """
    began_at = monotonic()
    with contestant.start(model, questions, folder) as server:
        start_s = monotonic() - began_at
        sample = _compare(server, questions.ask(N_SAMPLE, server.form))
        pool = questions.write_pool(folder / "pool.txt", server.form)
        load.run(server.port, server.path, pool, N_CONNECTIONS, durations.warm_up_s)
        defaults_before = server.n_defaults()
        cpu_before_s, busy_before_s, closed_at = _cpu_s(), machine_busy_s(), monotonic()
        closed = load.run(server.port, server.path, pool, N_CONNECTIONS, durations.closed_s, looks=False)
        elapsed_s, machine_s, cpu_s = monotonic() - closed_at, machine_busy_s() - busy_before_s, _cpu_s() - cpu_before_s
        defaults = server.n_defaults() - defaults_before
        memory_bytes = _memory_bytes()
        predictions_per_s = max(0.0, (closed.requests - defaults) / closed.duration_s)
        lone = load.run(server.port, server.path, pool, 1, durations.lone_s, looks=False)
        seen = _open_loop(server, questions, OPEN_SHARE * predictions_per_s, durations.open_s, folder)
    foreign_s = machine_s - cpu_s - closed.client_cpu_s
    return Measurement(
        contestant=contestant.name,
        model=model.name,
        round=0,
        start_s=round(start_s, 2),
        sample={outcome.name.lower(): count for outcome, count in sample.items()},
        closed=closed,
        defaults=defaults,
        predictions_per_s=round(predictions_per_s, 1),
        lone=lone,
        open=seen,
        memory_bytes=memory_bytes,
        cpu_s=round(cpu_s, 3),
        foreign_cpu_share=round(max(0.0, foreign_s) / elapsed_s / (psutil.cpu_count() or 1), 4),
    )


def _compare(server: RunningServer, asked: Sequence[tuple[str, object]]) -> Counter[Outcome]:
    """Send them over 64 connections, so that they share batches, and compare every output."""
    shares = [asked[number::N_CONNECTIONS] for number in range(N_CONNECTIONS)]
    with ThreadPoolExecutor(N_CONNECTIONS) as threads:
        outcomes = threads.map(lambda share: _compare_on_one(server, share), shares)
        return Counter(itertools.chain.from_iterable(outcomes))


def _compare_on_one(server: RunningServer, asked: Sequence[tuple[str, object]]) -> list[Outcome]:
    """An outcome for each of them; what a broken connection leaves has none."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SAMPLE_TIMEOUT_S)
    outcomes = []
    try:
        for body, output in asked:
            connection.request("POST", server.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            outcomes.append(judge(response.status, response.read(), output, server.form)[0])
    except (OSError, http.client.HTTPException):
        outcomes += [Outcome.NONE] * (len(asked) - len(outcomes))
    finally:
        connection.close()
    return outcomes


def _open_loop(
    server: RunningServer, questions: Questions, rate_per_s: float, duration_s: float, folder: Path
) -> LoadSummary:
    rate_per_s = min(MAX_OPEN_PER_S, max(MIN_OPEN_REQUESTS / duration_s, rate_per_s))
    asked = questions.ask(round(1.2 * rate_per_s * duration_s) + 100, server.form)
    queries = write_queries(folder / "open.txt", asked)
    stream = Stream("open", server.path, ANY_TIME_S, Arrivals("poisson", rate_per_s), str(queries))
    result = str(folder / "open.npz")
    plan = LoadPlan(server.port, (stream,), duration_s, result, patience_s=PATIENCE_S, form=server.form)
    return summarize(run_open_loop(plan))


def _processes() -> list[psutil.Process]:
    """Of the contestant: between two loads, nothing else that this process has started is running."""
    return psutil.Process().children(recursive=True)


def _cpu_s() -> float:
    total_s = 0.0
    for process in _processes():
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total_s += times.user + times.system
    return total_s


def _memory_bytes() -> int:
    total = 0
    for process in _processes():
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total
