"""One worker process: wires registry, catalog, lane and routes together and serves until told to stop."""

import asyncio
import contextlib
import gc
import logging
import math
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import uvicorn
from fastapi import FastAPI

from skysail_frontend.catalog import Catalog
from skysail_frontend.compiled import FORM
from skysail_frontend.dispatcher import Dispatcher
from skysail_frontend.exposition import cells_path
from skysail_frontend.fair_listener import ConnectionCounts, FairListener
from skysail_frontend.feedback import FeedbackBook
from skysail_frontend.guarded_protocol import sweep_connections
from skysail_frontend.hot_lane import hot_lane
from skysail_frontend.http_app import http_app
from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.metric_cells import CellsFile
from skysail_frontend.metrics import FrontendMetrics
from skysail_frontend.prediction_cache import PredictionCache
from skysail_frontend.prediction_recorder import FLUSH_INTERVAL_S, PredictionRecorder
from skysail_frontend.query_ids import QueryIds
from skysail_frontend.registry_watch import RegistryWatch
from skysail_frontend.scheduler import SchedulerLimits
from skysail_frontend.settings import Settings
from skysail_frontend.task_ending import end_tasks
from skysail_management.records import Version
from skysail_management.store import Registry

__all__ = ["Worker"]

logger = logging.getLogger(__name__)

HOUSEKEEPING_INTERVAL_S = 1.0
FIRST_LOOK_TIMEOUT_S = 5.0
"""Longer than Redis may take for an answer; after that the worker serves what it has: nothing, with 503."""
KEPT_HEAP_BYTES = 31 * 2**20
"""Allocating and freeing so much once makes glibc keep freed blocks up to that size, instead of giving the memory of
every large batch back to the kernel and faulting it in again (mallopt(3), M_MMAP_THRESHOLD): 4 µs per query of 784
doubles. Nothing of it is ever touched."""
GC_THRESHOLD = 20_000
"""Queries and batches leave no cycles behind, so the collector need not look after every 700 of them."""


class Worker:
    """Everything one worker holds. Built inside its event loop; `serve` returns when it has shut down gracefully."""

    def __init__(self, settings: Settings, number: int) -> None:
        self._settings = settings
        self._name = f"frontend worker {number} (pid {os.getpid()})"
        self._registry = Registry.from_url(settings.redis_url)
        self._metrics = FrontendMetrics(CellsFile(cells_path(settings.run_dir, number)))
        self._query_ids = QueryIds(0)
        per_flush = math.ceil(settings.feedback_per_s * FLUSH_INTERVAL_S)
        self._recorder = PredictionRecorder(self._registry, per_flush, self._metrics.unrecorded)
        self._limits = SchedulerLimits(
            settings.max_queue_rows, settings.max_queue_bytes, settings.max_batch_rows, settings.max_batch_bytes
        )
        cache = PredictionCache(settings.cache_bytes, settings.cache_ttl_s) if settings.cache_bytes else None
        self._catalog = Catalog(
            self._metrics, self._query_ids, self._dispatcher, settings.max_request_rows, self._recorder, cache
        )
        self._watch = RegistryWatch(self._registry, self._catalog, self._query_ids, self._metrics.registry_connected)
        self._app = http_app(self._catalog, self._watch, FeedbackBook(self._registry, self._metrics), settings)
        self._app.router.lifespan_context = self._lifespan
        self._counts: ConnectionCounts | None = None
        if settings.workers > 1:
            self._counts = ConnectionCounts(settings.run_dir / "connections", number, settings.workers)
        self._server = _Server(self._uvicorn_config(), self._counts)

    async def serve(self, listener: socket.socket, lifeline_fd: int | None) -> None:
        """Serves on `listener` until SIGTERM, SIGINT or the end of the lifeline; finishes what it took in."""
        logger.info("%s: the hot path runs %s", self._name, "compiled" if FORM.is_in_use() else "interpreted")
        if lifeline_fd is not None:
            asyncio.get_running_loop().add_reader(lifeline_fd, self._lifeline_ended, lifeline_fd)
        with contextlib.suppress(KeyboardInterrupt):
            await self._server._serve([listener])

    def stop(self, *_: object) -> None:
        """Begins the graceful shutdown."""
        self._server.should_exit = True

    def _lifeline_ended(self, fd: int) -> None:
        if os.read(fd, 1) == b"":
            logger.warning("the supervisor is gone, shutting down")
            asyncio.get_running_loop().remove_reader(fd)
            self.stop()

    def _uvicorn_config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http=hot_lane(self._catalog, self._settings),
            loop="uvloop",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=[("server", "skysail")],
            backlog=4096,
            timeout_graceful_shutdown=math.ceil(self._settings.shutdown_timeout_s),
        )

    def _dispatcher(self, record: Version) -> Dispatcher:
        metrics = self._metrics.model(record.model, record.version)
        input_type = INPUT_TYPES[record.input_type]
        limits = self._limits
        if record.batch_size > 0:  # -1: found out by the sizer
            limits = replace(limits, max_batch_rows=min(record.batch_size, limits.max_batch_rows))
        return Dispatcher(record.model, record.version, input_type, limits, metrics, self._name, self._recorder)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Starts what runs beside the queries; after the last connection has ended, stops it."""
        loop = asyncio.get_running_loop()
        bytes(KEPT_HEAP_BYTES)
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 50)
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, self.stop)
        tasks = [
            loop.create_task(self._watch.run(), name="registry watch"),
            loop.create_task(self._recorder.run(), name="prediction recorder"),
            loop.create_task(sweep_connections(self._server.server_state.connections), name="connection sweep"),
            loop.create_task(self._keep_house(), name="housekeeping"),
        ]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        try:
            await self._first_look()
            yield
        finally:
            await end_tasks(tasks)
            await self._recorder.flush()
            await self._catalog.close()
            await self._registry.aclose()

    async def _first_look(self) -> None:
        """Takes in no connection before the registry has been read, if it can be: a worker that is brought back must
        not answer that it knows no application."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK_TIMEOUT_S):
                await self._watch.has_tried.wait()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """A task that fails takes the worker down: a fresh one is better than one that no longer follows changes."""
        if not task.cancelled() and task.exception() is not None:
            logger.critical("%s failed, shutting down", task.get_name(), exc_info=task.exception())
            self.stop()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_INTERVAL_S)
            self._catalog.update_gauges()
            n_connections = len(self._server.server_state.connections)
            self._metrics.connections.set(n_connections)
            if self._counts is not None:
                self._counts.set(n_connections)
            if self._query_ids.is_half_used():
                await self._watch.lease_query_ids()


class _Server(uvicorn.Server):
    """uvicorn's server, which shares its socket fairly when there are other workers."""

    def __init__(self, config: uvicorn.Config, counts: ConnectionCounts | None) -> None:
        super().__init__(config)
        self._counts = counts

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._counts is None or sockets is None:
            await super().startup(sockets)
            return
        await super().startup([])
        for listener in sockets:
            listener.setblocking(False)
            self.servers.append(FairListener(listener, self._protocol, self._counts, self._n_connections))  # type: ignore[arg-type]  # it has the two methods that uvicorn calls

    def _protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    def _n_connections(self) -> int:
        return len(self.server_state.connections)
