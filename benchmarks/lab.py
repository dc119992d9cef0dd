"""What the scenarios share: starting stacks, running loads, sampling the frontend meanwhile, writing results down."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from benchmarks.arrivals import Arrivals
from benchmarks.fixed_batches import SIZES, FixedBatch, best_fixed, sweep
from benchmarks.load_plan import LoadPlan, Stream, write_queries
from benchmarks.load_record import LoadRecord
from benchmarks.load_summary import LoadSummary, summarize
from benchmarks.open_loop import OpenLoop
from benchmarks.served_models import N_FEATURES, ServedModel
from benchmarks.server_process import ServerError
from benchmarks.serving_stack import ServedApplication, ServingStack, start_stack

__all__ = ["SLO", "Finding", "Lab", "RunningLoad", "Sample"]

SLO = ServedApplication("app", 0.1)
"""The application of all scenarios with one SLO."""
SAMPLE_EVERY_S = 0.2
MAX_READY_CONNECTIONS = 1_000
SWEEP_S = 0.7
QUICK_SWEEP_S = 0.1
QUICK_SIZES = (8, 64)


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of one row of the table."""

    row: str
    text: str
    value: object
    is_doubtful: bool = False
    """The generator could not keep up in the run it comes from."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The frontend at one moment. Counters since its start."""

    at_s: float
    """Since the start of the load."""
    n_batches: float
    n_rows: float
    queue_rows: float
    resident_bytes: int


@dataclass(slots=True)
class RunningLoad:
    """A load under way. `record` and `samples` are there after the context it came from has ended."""

    started_s: float
    record: LoadRecord = field(init=False)
    samples: list[Sample] = field(default_factory=list)

    @property
    def summary(self) -> LoadSummary:
        return summarize(self.record)

    def wait_until(self, at_s: float) -> float:
        """Blocks until so many seconds after the start; returns the moment, in seconds after the start."""
        sleep(max(0.0, self.started_s + at_s - monotonic()))
        return monotonic() - self.started_s


class Lab:
    """One run of the benchmark. Raw results go to `results`, findings are kept in order."""

    def __init__(self, model: ServedModel, results: Path, seconds: float, is_quick: bool) -> None:
        self.model = model
        self.results = results
        self.seconds = seconds
        self.is_quick = is_quick
        self.findings: list[Finding] = []
        self.sweep: list[FixedBatch] = []

    def capacity_per_s(self, stack: ServingStack) -> float:
        """Rows per second of one replica with the best fixed batch size for SLO.

        The first stack that is asked for is swept; its first replica must not be a rogue.
        """
        if not self.sweep:
            seconds, sizes = (QUICK_SWEEP_S, QUICK_SIZES) if self.is_quick else (SWEEP_S, SIZES)
            self.sweep = sweep(stack.replicas[0].socket, N_FEATURES, seconds, sizes)
        return self.best_fixed(SLO.slo_s).rows_per_s

    def best_fixed(self, slo_s: float) -> FixedBatch:
        return best_fixed(self.sweep, slo_s)

    def find(self, row: str, text: str, value: object, load: RunningLoad | None = None) -> None:
        """Keep a figure and show it."""
        is_doubtful = load is not None and not load.summary.kept_up
        self.findings.append(Finding(row, text, value, is_doubtful))
        doubt = "   (the generator could not keep up)" if is_doubtful else ""
        print(f"  {text:78} {shown(value)}{doubt}", flush=True)

    @contextmanager
    def stack(
        self, n_replicas: int, applications: Sequence[ServedApplication], fault: str | None = None
    ) -> Iterator[ServingStack]:
        """A stack of its own in a temporary folder. :raises ServerError: a process does not start"""
        with (
            tempfile.TemporaryDirectory(prefix="sky-") as folder,
            start_stack(Path(folder), self.model, n_replicas, applications, fault) as stack,
        ):
            yield stack

    @contextmanager
    def load(
        self, name: str, stack: ServingStack, rates_per_s: Sequence[float], seconds: float, **plan: Any
    ) -> Iterator[RunningLoad]:
        """Open-loop Poisson load on the stack's applications, each at its own rate. The caller disturbs it meanwhile.

        As many connections are open beforehand as queries may wait at once: opening them when a queue fills takes the
        generator 17 ms, and every query it then sends late looks late. The raw results go to `<name>.npz`.

        :raises OpenLoopError: no load could be generated.
        """
        with tempfile.TemporaryDirectory(prefix="queries-") as folder:
            streams = [
                self._stream(Path(folder), one, rate_per_s, seconds, seed)
                for seed, (one, rate_per_s) in enumerate(zip(stack.applications, rates_per_s, strict=True), start=1)
            ]
            result = str(self.results / f"{name}.npz")
            waiting = sum(
                rate_per_s * one.slo_s for one, rate_per_s in zip(stack.applications, rates_per_s, strict=True)
            )
            plan.setdefault("ready_connections", min(MAX_READY_CONNECTIONS, 64 + int(waiting)))
            with OpenLoop(LoadPlan(stack.port, tuple(streams), seconds, result, **plan)) as generator:
                running = RunningLoad(generator.started_s)
                with _sampling(stack, running):
                    yield running
                    running.record = generator.finish()

    def _stream(
        self, folder: Path, application: ServedApplication, rate_per_s: float, seconds: float, seed: int
    ) -> Stream:
        n_queries = int(1.2 * rate_per_s * seconds) + 200  # more than a Poisson process makes of it
        path = write_queries(folder / f"{application.name}.txt", self.model.queries(n_queries))
        arrivals = Arrivals("poisson", rate_per_s, seed)
        return Stream(application.name, application.path, application.slo_s, arrivals, str(path))


def shown(value: object) -> str:
    """A value for the table."""
    if value is None:
        return "not within the run"
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(one)}" for key, one in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,}"


@contextmanager
def _sampling(stack: ServingStack, running: RunningLoad) -> Iterator[None]:
    """Fill `running.samples` from a thread of its own."""
    stopped = threading.Event()

    def take_samples() -> None:
        while not stopped.wait(SAMPLE_EVERY_S):
            try:
                running.samples.append(_sample(stack, running.started_s))
            except ServerError:
                return  # whoever uses the stack hears of it

    thread = threading.Thread(target=take_samples, name="samples")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _sample(stack: ServingStack, started_s: float) -> Sample:
    metrics = stack.metrics()
    return Sample(
        monotonic() - started_s,
        metrics.get("skysail_batch_rows_count", 0.0),
        metrics.get("skysail_batch_rows_sum", 0.0),
        metrics.get("skysail_queue_rows", 0.0),
        stack.frontend.resident_bytes(),
    )
