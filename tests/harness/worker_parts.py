"""The parts of a frontend worker, wired as it wires them, without its HTTP server and its tasks."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.queries import FakeSink
from harness.registry_samples import a_model, a_replica, a_version, an_application
from skysail_frontend.catalog import Catalog
from skysail_frontend.dispatcher import Dispatcher
from skysail_frontend.exposition import cells_path, prometheus_text
from skysail_frontend.feedback import FeedbackBook
from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.metric_cells import CellsFile
from skysail_frontend.metrics import FrontendMetrics
from skysail_frontend.prediction_cache import PredictionCache
from skysail_frontend.prediction_recorder import PredictionRecorder
from skysail_frontend.query_ids import QueryIds
from skysail_frontend.registry_watch import RegistryWatch
from skysail_frontend.scheduler import SchedulerLimits
from skysail_management.records import Application, Link, Model, Record, Replica, Snapshot, Version
from skysail_management.store import Entry, Registry

__all__ = ["ResponseSink", "WorkerParts", "eventually", "served", "snapshot_of"]

LIMITS = SchedulerLimits(1000, 1 << 20, 64, 1 << 20)


class ResponseSink(FakeSink):
    """The sink of one request: an answer, or a refusal."""

    def __init__(self) -> None:
        super().__init__()
        self.refusal: tuple[int, dict[str, Any]] | None = None

    def refused(self, position: int, status: int, body: bytes) -> None:
        assert self.refusal is None
        assert not self.answers
        self.refusal = (status, json.loads(body))


class WorkerParts:
    """Needs a running loop. `close` ends what was opened."""

    def __init__(
        self,
        redis_url: str,
        run_dir: Path,
        max_per_flush: int = 400,
        socket_timeout_s: float = 2.0,
        cache: PredictionCache | None = None,
    ) -> None:
        self._run_dir = run_dir
        self.registry = Registry.from_url(redis_url, socket_timeout_s=socket_timeout_s)
        self.metrics = FrontendMetrics(CellsFile(cells_path(run_dir, 0)))
        self.query_ids = QueryIds(0)
        self.recorder = PredictionRecorder(self.registry, max_per_flush, self.metrics.unrecorded)
        self.catalog = Catalog(self.metrics, self.query_ids, self._dispatcher, 100, self.recorder, cache)
        self.watch = RegistryWatch(self.registry, self.catalog, self.query_ids, self.metrics.registry_connected)
        self.feedback = FeedbackBook(self.registry, self.metrics)

    def _dispatcher(self, record: Version) -> Dispatcher:
        metrics = self.metrics.model(record.model, record.version)
        input_type = INPUT_TYPES[record.input_type]
        return Dispatcher(record.model, record.version, input_type, LIMITS, metrics, "test", self.recorder)

    def ask(self, app: str = "app", **body: Any) -> ResponseSink:
        """One request; its fields are given by name."""
        return self.ask_raw(app, json.dumps(body or {"input": [1.0, 2.0]}).encode())

    def ask_raw(self, app: str, body: bytes) -> ResponseSink:
        sink = ResponseSink()
        self.catalog.ask(app, body, sink, 0, time.monotonic())
        return sink

    def page(self) -> str:
        """What Prometheus would scrape."""
        return prometheus_text(self._run_dir).decode()

    def metric(self, series: str) -> float:
        """The value of the sample that begins with `series`."""
        (value,) = [line.rpartition(" ")[2] for line in self.page().split("\n") if line.startswith(series)]
        return float(value)

    async def close(self) -> None:
        await self.catalog.close()
        await self.registry.aclose()


def served(address: str, version: str = "1", **application: Any) -> list[Record]:
    """The records of an application `app` that is linked to one model `m` with one replica."""
    return [
        an_application(links=(Link("m"),), latency_slo_micros=20_000_000, **application),
        a_model(current_version=version),
        a_version(version=version),
        a_replica(version=version, address=address),
    ]


def snapshot_of(*records: Record, revision: int = 1) -> Snapshot:
    """A snapshot that holds these records."""
    empty = Snapshot("r", revision)
    assert all(isinstance(record, Application | Model | Version | Replica) for record in records)
    return empty.with_entries([Entry.put(record) for record in records], revision)


async def eventually(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Returns once the condition holds, which something in this loop or behind a socket brings about."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # there is no one event for all that is waited for
            await asyncio.sleep(0.005)
