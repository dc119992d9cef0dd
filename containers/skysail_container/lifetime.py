"""From the start of a container process to its end: load, serve, drain."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine
from typing import NamedTuple

from skysail_container.address import TcpAddress, UnixAddress, bound_socket
from skysail_container.compiled import FORM
from skysail_container.errors import ListenError, ModelLoadError
from skysail_container.fork_guard import guard_forks
from skysail_container.load_report import report, write_report
from skysail_container.loading import agreed_input_type, load_checked
from skysail_container.manifest import Manifest, read_manifest
from skysail_container.metrics_file import MetricsFile
from skysail_container.model import Model
from skysail_container.server import Server
from skysail_container.service_statistics import ServiceStatistics
from skysail_container.settings import Settings
from skysail_container.watchdog import Watchdog
from skysail_container.work_queue import WorkQueue
from skysail_container.worker import Worker

__all__ = ["EXIT_CRASHED", "EXIT_IN_USE", "EXIT_NO_MODEL", "EXIT_STOPPED", "Ending", "serve"]

EXIT_STOPPED = 0
EXIT_CRASHED = 1
EXIT_IN_USE = 3
EXIT_NO_MODEL = 4

_log = logging.getLogger(__name__)


class Ending(NamedTuple):
    """How a process ended: its exit code, and whether the model's thread may still be busy."""

    exit_code: int
    is_model_busy: bool


async def serve(settings: Settings) -> Ending:
    """Serves the model of `settings` until the process is told to stop.

    SIGTERM, SIGINT or the end of the lifeline drain: batches taken in are finished, new ones are refused. A second
    signal, or `drain_timeout_s`, ends it without waiting.
    """
    try:
        return await _Lifetime(settings, read_manifest(settings.model)).run()
    except ModelLoadError as error:
        if error.__cause__ is not None:
            _log.error("the model failed to load; this is where:", exc_info=error.__cause__)
        _log.error("%s", error)  # last, for it says what to do
        return Ending(EXIT_NO_MODEL, is_model_busy=False)
    except ListenError as error:
        _log.error("%s", error)  # as above
        return Ending(EXIT_IN_USE, is_model_busy=False)


class _Lifetime:
    """One run of the process. The address is taken before the model is loaded, and listened on after."""

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self._settings = settings
        self._manifest = manifest
        self._input_type = agreed_input_type(settings.input_type, manifest)
        self._loop = asyncio.get_running_loop()
        self._loaded = asyncio.Event()
        self._load_error: ModelLoadError | None = None
        self._stop_asked = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._is_crashed = False
        statistics = ServiceStatistics(time.monotonic)
        queue = WorkQueue(settings.max_queued_batches, settings.max_queued_bytes)
        self._worker = Worker(self._load, queue, statistics, time.monotonic)
        self._server = Server(settings, self._input_type, self._worker, statistics, time.monotonic)
        self._metrics_file = MetricsFile(settings.metrics_file)
        self._watchdog = Watchdog(self._worker, settings.batch_limit_s, time.monotonic)

    async def run(self) -> Ending:
        listener = bound_socket(self._settings.listen)
        guard_forks(lambda: self._leave_to_parent(listener))
        try:
            self._watch_for_stops()
            return await self._load_and_serve(listener)
        finally:
            self._watchdog.stop()
            self._metrics_file.stop()
            self._server.stop_listening()
            listener.close()
            if isinstance(self._settings.listen, UnixAddress):
                self._settings.listen.path.unlink(missing_ok=True)

    async def _load_and_serve(self, listener: socket.socket) -> Ending:
        started_s = time.monotonic()
        self._worker.start(self._on_loaded, self._on_crashed)
        if not await _is_first(self._loaded.wait(), self._stop_asked):
            _log.info("stopped while the model was loading")
            return Ending(EXIT_STOPPED, is_model_busy=True)
        if self._load_error is not None:
            raise self._load_error
        load_s = time.monotonic() - started_s
        self._tell_report(load_s)  # before anybody can see that the model is ready
        self._server.listen(listener)
        self._watchdog.start()
        self._metrics_file.start()
        _log.info(
            "ready: model %s:%s for %s on %s, loaded and warm after %.1f s; the hot path runs %s",
            self._settings.name,
            self._settings.version,
            self._input_type,
            _actual_address(self._settings, listener),
            load_s,
            "compiled" if FORM.is_in_use() else "interpreted",
        )
        await self._stop_asked.wait()
        return await self._stop()

    async def _stop(self) -> Ending:
        if self._is_crashed:
            return Ending(EXIT_CRASHED, is_model_busy=True)
        _log.info("stopping: finishing the batches taken in")
        self._server.stop_listening()
        try:
            async with asyncio.timeout(self._settings.drain_timeout_s):
                is_drained = await _is_first(self._server.drain(), self._stop_now)
        except TimeoutError:
            is_drained = False
        if not is_drained:
            _log.error("stopped with batches unanswered")
            return Ending(EXIT_CRASHED, is_model_busy=True)
        self._worker.stop()
        await self._server.end_connections()
        _log.info("stopped")
        return Ending(EXIT_STOPPED, is_model_busy=False)

    def _tell_report(self, load_s: float) -> None:
        if self._settings.report_file is None:
            return
        try:
            write_report(self._settings.report_file, report, load_s)
        except OSError as error:  # the model serves all the same
            _log.warning("the report of the loading cannot be written: %s", error)

    def _load(self) -> Model:
        return load_checked(self._settings.model, self._manifest, self._input_type).model

    def _leave_to_parent(self, listener: socket.socket) -> None:
        """In a process that the model forked: no socket of ours stays open there, and none of our code goes on."""
        self._worker.leave_to_parent()
        self._server.leave_to_parent()
        fd = listener.detach()
        if fd >= 0:
            os.close(fd)

    def _on_loaded(self, error: ModelLoadError | None) -> None:
        self._load_error = error
        self._loop.call_soon_threadsafe(self._loaded.set)

    def _on_crashed(self) -> None:
        self._is_crashed = True
        self._loop.call_soon_threadsafe(self._stop_asked.set)

    def _watch_for_stops(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._on_signal)
        lifeline_fd = self._settings.lifeline_fd
        if lifeline_fd is not None:
            os.set_blocking(lifeline_fd, False)
            self._loop.add_reader(lifeline_fd, self._on_lifeline, lifeline_fd)

    def _on_signal(self) -> None:
        if self._stop_asked.is_set():
            self._stop_now.set()
        self._stop_asked.set()

    def _on_lifeline(self, lifeline_fd: int) -> None:
        if not os.read(lifeline_fd, 4096):
            self._loop.remove_reader(lifeline_fd)
            _log.info("the supervisor is gone")
            self._stop_asked.set()


async def _is_first(work: Coroutine[object, object, object], event: asyncio.Event) -> bool:
    """Waits for either; whether it was `work`. The other is cancelled."""
    racers = [asyncio.create_task(work, name="work"), asyncio.create_task(event.wait(), name="stop")]
    try:
        await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
        return racers[0].done()
    finally:
        for racer in racers:
            racer.cancel()


def _actual_address(settings: Settings, listener: socket.socket) -> str:
    address = settings.listen
    if isinstance(address, TcpAddress):
        return str(TcpAddress(address.host, listener.getsockname()[1]))
    return str(address)
