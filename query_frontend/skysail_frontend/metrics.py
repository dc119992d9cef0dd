"""Every metric of the query frontend, declared once; children are bound when an application or model appears.

Labels are application, model and version, and the few words of a reason; all come from the registry or from this
code, so that no request can create a series.
"""

import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from skysail_frontend.batch import Batch
from skysail_frontend.metric_cells import Cells, CellsFile, CellsFullError, unmapped_cells
from skysail_frontend.query import EXPLANATIONS

__all__ = [
    "DESCRIPTIONS",
    "SECONDS_BUCKETS",
    "ApplicationMetrics",
    "Description",
    "FrontendMetrics",
    "Histogram",
    "ModelMetrics",
    "Value",
]

logger = logging.getLogger(__name__)

SECONDS_BUCKETS = tuple(base * 10.0**power for power in range(-4, 1) for base in (1.0, 2.5, 5.0))  # 0.1 ms to 5 s
ROWS_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


@dataclass(frozen=True, slots=True)
class Description:
    """What a metric is. `merge` says how the values of several workers become one."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    buckets: Sequence[float] = ()
    merge: Literal["sum", "max", "min"] = "sum"


DESCRIPTIONS = {
    "skysail_request_duration_seconds": Description(
        "histogram", "From a query's arrival to its answer, default outputs included", SECONDS_BUCKETS
    ),
    "skysail_queries": Description("counter", "Queries taken in and answered"),
    "skysail_defaults": Description("counter", "Queries answered with the default output, by reason"),
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


class ApplicationMetrics:
    """The series of one application."""

    def __init__(self, book: "FrontendMetrics", app: str) -> None:
        labels = {"app": app}
        self.request_duration = book.histogram("skysail_request_duration_seconds", labels)
        self.errors = book.value("skysail_request_errors", labels)
        self.feedback_unmatched = book.value("skysail_feedback_unmatched", labels)
        self.defaults = {
            reason: book.value("skysail_defaults", {**labels, "reason": reason}) for reason in EXPLANATIONS
        }


class ModelMetrics:
    """The series of one model version."""

    def __init__(self, book: "FrontendMetrics", model: str, version: str) -> None:
        labels = {"model": model, "version": version}
        self.batch_rows = book.histogram("skysail_batch_rows", labels)
        self.queue_duration = book.histogram("skysail_queue_duration_seconds", labels)
        self.model_duration = book.histogram("skysail_model_duration_seconds", labels)
        self.rpc_duration = book.histogram("skysail_rpc_duration_seconds", labels)
        self.row_errors = book.value("skysail_row_errors", labels)
        self.queue_rows = book.value("skysail_queue_rows", labels)
        self.in_flight_batches = book.value("skysail_in_flight_batches", labels)
        self.replicas = book.value("skysail_replicas", labels)
        self._refused = {
            code: book.value("skysail_refused_batches", {**labels, "code": code})
            for code in ("expired", "draining", "overloaded", "cancelled", "bad_rows")
        }

    def observe_batch(self, batch: Batch, queued_s: float, computed_s: float, now_s: float) -> None:
        """A batch is back; `queued_s` and `computed_s` are the container's own figures."""
        self.batch_rows.observe(len(batch.queries))
        self.queue_duration.observe(batch.sent_s - min([query.arrival_s for query in batch.queries]))
        self.model_duration.observe(computed_s)
        self.rpc_duration.observe(max(0.0, now_s - batch.sent_s - computed_s))

    def count_refusal(self, code: str) -> None:
        self._refused[code].add(1.0)


@dataclass
class FrontendMetrics:
    """Binds series to cells of this worker's file; series of the same labels share their cells."""

    file: CellsFile
    _bound: dict[tuple[str, ...], list[tuple[str, dict[str, str]]]] = field(default_factory=dict)
    _owner: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.revision = self.value("skysail_registry_revision", {})
        self.registry_connected = self.value("skysail_registry_connected", {})
        self.connections = self.value("skysail_connections", {})
        self.unrecorded = self.value("skysail_predictions_unrecorded", {})
        self.unknown_application_errors = self.value("skysail_request_errors", {"app": ""})

    def application(self, app: str) -> ApplicationMetrics:
        self._owner = ("app", app)
        return ApplicationMetrics(self, app)

    def model(self, model: str, version: str) -> ModelMetrics:
        self._owner = ("model", model, version)
        return ModelMetrics(self, model, version)

    def feedback(self, app: str, model: str, version: str) -> Value:
        """One more feedback for these three, all of them names in the registry."""
        self._owner = ("app", app)
        return self.value("skysail_feedback", {"app": app, "model": model, "version": version})

    def forget_application(self, app: str) -> None:
        self._forget(("app", app))

    def forget_model(self, model: str, version: str) -> None:
        self._forget(("model", model, version))

    def value(self, name: str, labels: dict[str, str]) -> Value:
        return Value(self._cells(name, labels, 1))

    def histogram(self, name: str, labels: dict[str, str]) -> Histogram:
        uppers = DESCRIPTIONS[name].buckets
        return Histogram(self._cells(name, labels, len(uppers) + 2), uppers)

    def _cells(self, name: str, labels: dict[str, str], n_cells: int) -> Cells:
        self._bound.setdefault(self._owner, []).append((name, labels))
        try:
            return self.file.cells(name, labels, n_cells)
        except CellsFullError as error:
            logger.warning("%s; %s%s is not exported", error, name, labels)
            return unmapped_cells(n_cells)

    def _forget(self, owner: tuple[str, ...]) -> None:
        for name, labels in self._bound.pop(owner, []):
            self.file.free(name, labels)
