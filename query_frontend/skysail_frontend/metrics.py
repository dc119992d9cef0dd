"""Every metric of the query frontend, declared once; children are bound when an application or model appears.

Labels are application, model and version, and the few words of a reason; all come from the registry or from this
code, so that no request can create a series.
"""

import logging
from bisect import bisect_left
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from skysail_container.wire import RefusalCode
from skysail_frontend.batch import CAUSES, Batch
from skysail_frontend.metric_cells import Cells, CellsFile, CellsFullError, unmapped_cells
from skysail_frontend.query import EXPLANATIONS, DefaultReason
from skysail_frontend.scheduler import Scheduler

__all__ = [
    "DESCRIPTIONS",
    "SECONDS_BUCKETS",
    "ApplicationMetrics",
    "Description",
    "FrontendMetrics",
    "Histogram",
    "ModelMetrics",
    "SeriesBinder",
    "Value",
]

logger = logging.getLogger(__name__)

SECONDS_BUCKETS = tuple(base * 10.0**power for power in range(-4, 1) for base in (1.0, 2.5, 5.0))  # 0.1 ms to 5 s
REFUSAL_REASONS = (DefaultReason.OVERLOAD, DefaultReason.NO_TIME, DefaultReason.POISON)
ROWS_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


@dataclass(frozen=True, slots=True)
class Description:
    """What a metric is. `merge` says how the values of several workers become one."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    buckets: Sequence[float] = ()
    merge: Literal["sum", "max", "min"] = "sum"

    @property
    def n_cells(self) -> int:
        """One; a histogram's are its buckets, +Inf among them, and the sum."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1


DESCRIPTIONS = {
    "skysail_request_duration_seconds": Description(
        "histogram", "From a query's arrival to its answer, default outputs included", SECONDS_BUCKETS
    ),
    "skysail_queries": Description("counter", "Queries taken in and answered"),
    "skysail_defaults": Description("counter", "Queries answered with the default output, by reason"),
    "skysail_fallbacks": Description("counter", "Queries answered by the application's fallback model"),
    "skysail_request_errors": Description("counter", "Requests answered with an error object"),
    "skysail_feedback": Description("counter", "Feedback that was joined with its prediction"),
    "skysail_feedback_unmatched": Description("counter", "Feedback whose query id is not, or no longer, on record"),
    "skysail_predictions_unrecorded": Description(
        "counter", "Answers not put on record for feedback, above the budget"
    ),
    "skysail_batch_rows": Description("histogram", "Rows per batch", ROWS_BUCKETS),
    "skysail_queue_duration_seconds": Description(
        "histogram", "How long the oldest query of a batch waited in the frontend", SECONDS_BUCKETS
    ),
    "skysail_model_duration_seconds": Description("histogram", "How long the model computed a batch", SECONDS_BUCKETS),
    "skysail_rpc_duration_seconds": Description(
        "histogram", "From sending a batch to its outputs, less the time the model computed", SECONDS_BUCKETS
    ),
    "skysail_row_errors": Description("counter", "Rows the model failed on"),
    "skysail_refused_batches": Description("counter", "Batches a container refused, by code"),
    "skysail_cache_hits": Description("counter", "Queries answered from the prediction cache"),
    "skysail_cache_misses": Description("counter", "Queries that the prediction cache had no output for"),
    "skysail_cache_followers": Description(
        "counter", "Misses not sent to the model because they waited for an equal query's output"
    ),
    "skysail_cache_evictions": Description("counter", "Outputs that left the prediction cache for want of room"),
    "skysail_cache_bytes": Description("gauge", "What the prediction cache holds"),
    "skysail_batches": Description("counter", "Batches sent, by why they left when they did"),
    "skysail_refused_queries": Description("counter", "Queries a model version did not take in, by reason"),
    "skysail_ejections": Description(
        "counter", "Times a replica was taken out of rotation for failing, stalling or lagging"
    ),
    "skysail_poison_rows": Description(
        "counter", "Rows that were on two containers when they died; refused for a minute"
    ),
    "skysail_fit_fixed_seconds": Description("gauge", "Fitted fixed cost of a batch", merge="max"),
    "skysail_fit_row_seconds": Description("gauge", "Fitted cost of a row", merge="max"),
    "skysail_fit_residual_ratio": Description(
        "gauge", "How much longer than fitted 95 of 100 batches take at most, as a share", merge="max"
    ),
    "skysail_overhead_seconds": Description("gauge", "What a batch spends outside the model", merge="max"),
    "skysail_replicas_in_rotation": Description("gauge", "Replicas that get batches as usual", merge="min"),
    "skysail_queue_rows": Description("gauge", "Queries waiting for a batch"),
    "skysail_in_flight_batches": Description("gauge", "Batches sent to a container and not yet back"),
    "skysail_replicas": Description("gauge", "Replicas the frontend is connected to", merge="min"),
    "skysail_registry_revision": Description("gauge", "Revision of the registry copy in use", merge="min"),
    "skysail_registry_connected": Description("gauge", "1 while changes of the registry are followed", merge="min"),
    "skysail_connections": Description("gauge", "Open client connections"),
}


class Value:
    """A counter or gauge: one cell."""

    __slots__ = ("_cells",)

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def add(self, amount: float) -> None:
        self._cells[0] += amount

    def set(self, value: float) -> None:
        self._cells[0] = value

    def detach(self) -> None:
        """From now on what is counted goes nowhere."""
        self._cells = unmapped_cells(1)


class Histogram:
    """Buckets (the last one is +Inf) and, in the last cell, the sum."""

    __slots__ = ("_cells", "_uppers")

    def __init__(self, cells: Cells, uppers: Sequence[float]) -> None:
        self._cells = cells
        self._uppers = uppers

    def observe(self, value: float) -> None:
        cells = self._cells
        cells[bisect_left(self._uppers, value)] += 1.0
        cells[-1] += value

    def detach(self) -> None:
        """From now on what is observed goes nowhere."""
        self._cells = unmapped_cells(len(self._cells))


class SeriesBinder:
    """Binds the series of one owner, an application or a model version, to cells of this worker's file.

    Series of the same labels share their cells. After `release` none of them is exported, and an owner that still
    answers its last queries counts into cells that nobody reads, never into those of a series that came after.
    """

    def __init__(self, file: CellsFile, **labels: str) -> None:
        self._file = file
        self._labels = labels
        self._bound: list[tuple[str, dict[str, str], Value | Histogram]] = []

    def value(self, name: str, **labels: str) -> Value:
        """A counter, which goes on where a killed worker stopped, or a gauge, which begins at 0."""
        labels = self._labels | labels
        value = Value(self._cells(name, labels))
        if DESCRIPTIONS[name].kind == "gauge":
            value.set(0.0)
        self._bound.append((name, labels, value))
        return value

    def histogram(self, name: str) -> Histogram:
        histogram = Histogram(self._cells(name, self._labels), DESCRIPTIONS[name].buckets)
        self._bound.append((name, self._labels, histogram))
        return histogram

    def release(self) -> None:
        for name, labels, series in self._bound:
            series.detach()
            self._file.free(name, labels)
        self._bound.clear()

    def _cells(self, name: str, labels: dict[str, str]) -> Cells:
        n_cells = DESCRIPTIONS[name].n_cells
        try:
            return self._file.cells(name, labels, n_cells)
        except CellsFullError as error:
            logger.warning("%s; %s%s is not exported", error, name, labels)
            return unmapped_cells(n_cells)


class ApplicationMetrics:
    """The series of one application."""

    def __init__(self, binder: SeriesBinder) -> None:
        self.request_duration = binder.histogram("skysail_request_duration_seconds")
        self.errors = binder.value("skysail_request_errors")
        self.feedback_unmatched = binder.value("skysail_feedback_unmatched")
        self.fallbacks = binder.value("skysail_fallbacks")
        self.defaults = {reason: binder.value("skysail_defaults", reason=reason) for reason in EXPLANATIONS}


class ModelMetrics:
    """The series of one model version."""

    def __init__(self, binder: SeriesBinder) -> None:
        self.batch_rows = binder.histogram("skysail_batch_rows")
        self.queue_duration = binder.histogram("skysail_queue_duration_seconds")
        self.model_duration = binder.histogram("skysail_model_duration_seconds")
        self.rpc_duration = binder.histogram("skysail_rpc_duration_seconds")
        self.row_errors = binder.value("skysail_row_errors")
        self.cache_hits = binder.value("skysail_cache_hits")
        self.cache_misses = binder.value("skysail_cache_misses")
        self.cache_followers = binder.value("skysail_cache_followers")
        self.cache_evictions = binder.value("skysail_cache_evictions")
        self.cache_bytes = binder.value("skysail_cache_bytes")
        self.queue_rows = binder.value("skysail_queue_rows")
        self.in_flight_batches = binder.value("skysail_in_flight_batches")
        self.replicas = binder.value("skysail_replicas")
        self.batches = {cause: binder.value("skysail_batches", cause=cause) for cause in CAUSES}
        self._refused_queries = {
            reason: binder.value("skysail_refused_queries", reason=reason) for reason in REFUSAL_REASONS
        }
        self._ejections = binder.value("skysail_ejections")
        self._poison_rows = binder.value("skysail_poison_rows")
        self._fit_fixed = binder.value("skysail_fit_fixed_seconds")
        self._fit_row = binder.value("skysail_fit_row_seconds")
        self._fit_residual = binder.value("skysail_fit_residual_ratio")
        self._overhead = binder.value("skysail_overhead_seconds")
        self._in_rotation = binder.value("skysail_replicas_in_rotation")
        self._n_ejections = self._n_poison_rows = 0
        self._refused = {code: binder.value("skysail_refused_batches", code=code) for code in get_args(RefusalCode)}

    def observe_batch(self, batch: Batch, queued_s: float, computed_s: float, now_s: float) -> None:
        """A batch is back; `queued_s` and `computed_s` are the container's own figures."""
        self.batch_rows.observe(len(batch.queries))
        self.queue_duration.observe(batch.sent_s - min([query.arrival_s for query in batch.queries]))
        self.model_duration.observe(computed_s)
        self.rpc_duration.observe(max(0.0, now_s - batch.sent_s - computed_s))

    def count_refusal(self, code: str) -> None:
        """A container refused a batch."""
        self._refused[code].add(1.0)

    def count_refused_query(self, reason: str) -> None:
        """The scheduler refused a query."""
        self._refused_queries[reason].add(1.0)

    def show(self, scheduler: Scheduler) -> None:
        """Writes what is read off the scheduler now and then, not per query."""
        self.queue_rows.set(scheduler.queue.n_rows)
        self.in_flight_batches.set(scheduler.n_in_flight)
        self._in_rotation.set(scheduler.n_in_rotation)
        self._fit_fixed.set(scheduler.sizer.alpha_s)
        self._fit_row.set(scheduler.sizer.beta_s)
        self._fit_residual.set(scheduler.sizer.residual_p95)
        self._overhead.set(scheduler.overhead_s)
        self._ejections.add(scheduler.n_ejections - self._n_ejections)
        self._poison_rows.add(scheduler.n_poison_rows - self._n_poison_rows)
        self._n_ejections, self._n_poison_rows = scheduler.n_ejections, scheduler.n_poison_rows


class FrontendMetrics:
    """The series of one worker. Those of an application or a model version go with it."""

    def __init__(self, file: CellsFile) -> None:
        self._file = file
        self._applications: dict[str, SeriesBinder] = {}
        self._models: dict[tuple[str, str], SeriesBinder] = {}
        self._feedback: dict[tuple[str, str, str], tuple[SeriesBinder, Value]] = {}
        worker = SeriesBinder(file)
        self.revision = worker.value("skysail_registry_revision")
        self.registry_connected = worker.value("skysail_registry_connected")
        self.connections = worker.value("skysail_connections")
        self.unrecorded = worker.value("skysail_predictions_unrecorded")
        self.unknown_application_errors = worker.value("skysail_request_errors", app="")

    def application(self, app: str) -> ApplicationMetrics:
        return ApplicationMetrics(self._applications.setdefault(app, SeriesBinder(self._file, app=app)))

    def model(self, model: str, version: str) -> ModelMetrics:
        binder = SeriesBinder(self._file, model=model, version=version)
        return ModelMetrics(self._models.setdefault((model, version), binder))

    def feedback(self, app: str, model: str, version: str) -> Value:
        """Counts feedback of these three; feedback that comes after one of them is gone goes nowhere."""
        known = self._feedback.get((app, model, version))
        if known is None:
            if app not in self._applications or (model, version) not in self._models:
                return Value(unmapped_cells(1))
            binder = SeriesBinder(self._file, app=app, model=model, version=version)
            known = self._feedback[app, model, version] = (binder, binder.value("skysail_feedback"))
        return known[1]

    def forget_application(self, app: str) -> None:
        """The series of an application end. Unknown ones are ignored."""
        if binder := self._applications.pop(app, None):
            binder.release()
        self._forget_feedback([key for key in self._feedback if key[0] == app])

    def forget_model(self, model: str, version: str) -> None:
        """The series of a model version end. Unknown ones are ignored."""
        if binder := self._models.pop((model, version), None):
            binder.release()
        self._forget_feedback([key for key in self._feedback if key[1:] == (model, version)])

    def forget_all_but(self, apps: Container[str], versions: Container[tuple[str, str]]) -> None:
        """Ends what the file still holds of applications and versions that went while no worker was there to see."""
        for name, labels in self._file.series():
            is_gone = labels.get("app", "") != "" and labels["app"] not in apps
            if is_gone or ("model" in labels and (labels["model"], labels["version"]) not in versions):
                self._file.free(name, labels)

    def _forget_feedback(self, keys: Iterable[tuple[str, str, str]]) -> None:
        for key in keys:
            self._feedback.pop(key)[0].release()
