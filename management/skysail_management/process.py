"""One management process from start to end: socket, Redis, containers, HTTP, and the way back."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version as distribution_version

import uvicorn
from starlette.types import ASGIApp

from skysail_management.api.app import build_app
from skysail_management.artifacts import ArtifactStore
from skysail_management.backend import Backend
from skysail_management.container_limits import ContainerLimits
from skysail_management.container_log import ContainerLogs
from skysail_management.data_directory import DataDirectory
from skysail_management.environments import Environments
from skysail_management.errors import RegistryUnavailableError
from skysail_management.local_backend import LocalBackend
from skysail_management.metrics import Metrics
from skysail_management.reconciler import Reconciler, RegistryCopy
from skysail_management.service import Service
from skysail_management.settings import Settings, SettingsError, without_password
from skysail_management.store import Registry

__all__ = ["PortInUseError", "RedisMissingError", "bind", "run"]

logger = logging.getLogger(__name__)

_RETRY_REDIS_S = 0.5
_GRACEFUL_HTTP_S = 5
_KILL_LIMIT_S = 5.0
"""For containers to be gone after they were killed."""

_FORGOTTEN_AGE_S = 86_400.0
"""An archive of yesterday that no version refers to was forgotten."""


class PortInUseError(Exception):
    """Somebody else listens at our port."""


class RedisMissingError(Exception):
    """Redis did not answer within the time that was set."""


def bind(settings: Settings) -> socket.socket:
    """The listening socket.

    :raises PortInUseError: the port is taken.
    :raises SettingsError: the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"--host {settings.host}: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if isinstance(error, PermissionError) or not settings.port or "in use" not in str(error):
            raise SettingsError(f"--host {settings.host} --port {settings.port}: {error.strerror}") from error
        raise PortInUseError(
            f"port {settings.port} is in use: stop what listens there, or choose another with --port"
        ) from error
    return listener


class _Server(uvicorn.Server):
    """uvicorn, but with signals left to us: it would die of the signal instead of exiting with 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(settings: Settings, directory: DataDirectory, listener: socket.socket) -> None:
    """Serve until SIGTERM, SIGINT or the end of the lifeline, then stop the containers.

    :raises RedisMissingError: Redis did not answer at the start.
    :raises SettingsError: the Redis URL has no meaning.
    """
    stop = _stop_event(settings.lifeline_fd)
    async with AsyncExitStack() as stack:
        registry = _registry(settings)
        stack.push_async_callback(registry.aclose)
        if not await _wait_for_redis(registry, settings, stop):
            return
        parts = await _Parts.over(registry, directory, settings)
        reconciler = None
        if settings.backend == "local":
            backend = await stack.enter_async_context(parts.local_backend(directory, settings))
            reconciler = parts.reconciler(backend, settings)
        limit_s = settings.drain_limit_s + _KILL_LIMIT_S
        await _serve(parts.app(settings), listener, parts.copy, reconciler, stop, limit_s=limit_s)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What one process is made of."""

    registry: Registry
    artifacts: ArtifactStore
    logs: ContainerLogs
    service: Service
    copy: RegistryCopy
    metrics: Metrics

    @classmethod
    async def over(cls, registry: Registry, directory: DataDirectory, settings: Settings) -> "_Parts":
        artifacts = ArtifactStore(directory.artifacts, max_archive_bytes=settings.max_artifact_bytes)
        await asyncio.to_thread(artifacts.prepare)
        logs = ContainerLogs(directory.logs)
        service = Service(registry, artifacts, logs)
        await service.remove_forgotten_artifacts(_FORGOTTEN_AGE_S)
        copy = RegistryCopy(registry)
        return cls(registry, artifacts, logs, service, copy, Metrics(copy, artifacts.total_bytes, directory.sockets))

    def local_backend(self, directory: DataDirectory, settings: Settings) -> LocalBackend:
        return LocalBackend(
            self.artifacts,
            self.logs,
            directory.sockets,
            drain_limit_s=settings.drain_limit_s,
            tcp_host=settings.container_host,
            lifeline_fd=settings.lifeline_fd,
            limits=ContainerLimits(settings.memory_limit_mb, settings.batch_limit_s),
            environments=Environments(directory.environments, settings.build_limit_s, settings.index_options),
        )

    def reconciler(self, backend: Backend, settings: Settings) -> Reconciler:
        observe = self.metrics.reconcile_duration.observe
        return Reconciler(
            self.registry,
            self.copy,
            backend,
            self.logs,
            start_limit_s=settings.start_limit_s,
            build_limit_s=settings.build_limit_s,
            observe_duration_s=observe,
        )

    def app(self, settings: Settings) -> ASGIApp:
        return build_app(
            service=self.service,
            registry=self.registry,
            copy=self.copy,
            metrics=self.metrics,
            version=distribution_version("skysail-management"),
            backend=settings.backend,
            token=settings.token,
            max_archive_bytes=settings.max_artifact_bytes,
        )


def _registry(settings: Settings) -> Registry:
    try:
        return Registry.from_url(settings.redis_url)
    except ValueError as error:
        raise SettingsError(f"--redis-url {without_password(settings.redis_url)}: {error}") from error


def _stop_event(lifeline_fd: int | None) -> asyncio.Event:
    """Set by SIGTERM, SIGINT and the end of the lifeline."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline_fd is not None:

        def on_lifeline() -> None:
            if not os.read(lifeline_fd, 1024):
                logger.info("the supervisor is gone: stopping")
                loop.remove_reader(lifeline_fd)
                stop.set()

        loop.add_reader(lifeline_fd, on_lifeline)
    return stop


async def _wait_for_redis(registry: Registry, settings: Settings, stop: asyncio.Event) -> bool:
    """Begin or find the registry; False if we were asked to stop before."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + settings.redis_wait_s
    is_told = False
    while not stop.is_set():
        try:
            snapshot = await registry.initialize()
        except RegistryUnavailableError as error:
            if loop.time() >= deadline_s:
                url = without_password(settings.redis_url)
                raise RedisMissingError(
                    f"Redis at {url} did not answer within {settings.redis_wait_s:g} s: {error}"
                ) from error
            if not is_told:
                logger.warning("waiting up to %g s for Redis: %s", settings.redis_wait_s, error)
                is_told = True
            with suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_REDIS_S):
                    await stop.wait()
        else:
            logger.info("registry %s at revision %d", snapshot.registry_id, snapshot.revision)
            return True
    return False


async def _serve(
    app: ASGIApp,
    listener: socket.socket,
    copy: RegistryCopy,
    reconciler: Reconciler | None,
    stop: asyncio.Event,
    *,
    limit_s: float,
) -> None:
    """HTTP, the registry's copy and the reconciler until `stop`; a fault in one of them ends all."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=_GRACEFUL_HTTP_S
    )
    server = _Server(config)
    try:
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(copy.run(), name="registry copy")]
            if reconciler is not None:
                following.append(tasks.create_task(reconciler.run(), name="reconciler"))
            serving = tasks.create_task(server.serve([listener]), name="http")
            host, port = listener.getsockname()[:2]
            logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
            await stop.wait()
            logger.info("stopping")
            server.should_exit = True
            await serving
            for task in following:
                task.cancel()
    finally:
        if reconciler is not None:
            await reconciler.shut_down(limit_s)
    logger.info("stopped")
