"""A container inside the test's process: its event loop in one thread, its model, maybe a closure, in another."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.container_client import ContainerClient, doubles
from harness.container_process import short_folder
from harness.wait_until import wait_until
from skysail_container.address import Address, TcpAddress, bound_socket, parse_address
from skysail_container.errors import ModelLoadError
from skysail_container.function_model import FunctionModel
from skysail_container.server import Server
from skysail_container.service_statistics import ServiceStatistics
from skysail_container.settings import Settings
from skysail_container.work_queue import WorkQueue
from skysail_container.worker import Worker

__all__ = ["ServedModel", "served_model"]

TIMEOUT_S = 20.0


class ServedModel:
    """What a container process wires, without the process. Read what it knows of itself from any thread."""

    def __init__(self, predict: Callable[[Any], object], listen: str, settings: dict[str, Any]) -> None:
        self._settings = Settings(model=Path("none"), listen=parse_address(listen), **settings)
        self._predict = predict
        self._is_up = threading.Event()
        self._is_stopping = False
        self.address = ""
        self.crashed = threading.Event()

    def run(self) -> None:
        """Serves until `stop` was called."""
        asyncio.run(self._serve())

    def wait_up(self) -> None:
        assert self._is_up.wait(TIMEOUT_S)

    def stop(self) -> None:
        """Lets `run` finish what was taken in, close all connections and return; once."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._loop.call_soon_threadsafe(self._stop.set)

    @property
    def n_lent(self) -> int:
        """Connections that the model's thread reads."""
        return self._worker.inlet.n_lent

    def count(self, name: str) -> int | float:
        """A figure of the container's statistics."""
        return {**self._statistics.snapshot(), **self._worker.load_figures()}[name]

    def lend(self, *clients: ContainerClient) -> None:
        """Sends small batches over each until the model's thread reads all connections there are, which are these."""

        def is_lent() -> bool:
            for client in clients:
                client.predict(doubles([[0]]))
            wait_until(lambda: not self.count("running"), "a model at rest", interval_s=0)
            return self.n_lent == len(clients)

        wait_until(is_lent, f"{len(clients)} connections on loan", interval_s=0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps the model's thread from reading and from running anything."""
        is_held, release = threading.Event(), threading.Event()

        def hold() -> None:
            is_held.set()
            release.wait(TIMEOUT_S)

        self._worker.when_idle(hold)
        assert is_held.wait(TIMEOUT_S)
        try:
            yield
        finally:
            release.set()

    async def _serve(self) -> None:
        settings = self._settings
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._statistics = ServiceStatistics(time.monotonic)
        queue = WorkQueue(settings.max_queued_batches, settings.max_queued_bytes)
        self._worker = Worker(lambda: FunctionModel(self._predict), queue, self._statistics, time.monotonic)
        server = Server(settings, "doubles", self._worker, self._statistics, time.monotonic)
        listener = bound_socket(settings.listen)
        loaded = asyncio.Event()

        def on_loaded(error: ModelLoadError | None) -> None:
            assert error is None
            self._loop.call_soon_threadsafe(loaded.set)

        self._worker.start(on_loaded, self.crashed.set)
        await loaded.wait()
        server.listen(listener)
        self.address = actual_address(settings.listen, listener)
        self._is_up.set()
        await self._stop.wait()
        server.stop_listening()
        await server.drain()
        self._worker.stop()
        await server.end_connections()


def actual_address(listen: Address, listener: socket.socket) -> str:
    if isinstance(listen, TcpAddress):
        return str(TcpAddress(listen.host, listener.getsockname()[1]))
    return str(listen)


@contextmanager
def served_model(predict: Callable[[Any], object], listen: str | None = None, **settings: Any) -> Iterator[ServedModel]:
    """A model on a unix socket, unless `listen` says otherwise. At the end it is stopped; it may not have crashed."""
    with short_folder() as folder:
        model = ServedModel(predict, listen or f"unix:{folder}/rpc.sock", settings)
        thread = threading.Thread(target=model.run, name="served model")
        thread.start()
        try:
            model.wait_up()
            yield model
        finally:
            model.stop()
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()
    assert not model.crashed.is_set()
