"""A real Redis per worker, wiped for every test, and management's parts over it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from harness.redis_server import RedisServer
from skysail_management.api.app import build_app
from skysail_management.artifacts import ArtifactStore
from skysail_management.container_log import ContainerLogs
from skysail_management.metrics import Metrics
from skysail_management.reconciler import RegistryCopy
from skysail_management.service import Service
from skysail_management.store import Registry


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One server for all tests of this worker that do not stop it."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """The shared server, empty."""
    shared_redis.wipe()
    return shared_redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server of the test's own, to be stopped, killed and frozen."""
    with RedisServer() as server:
        yield server


@pytest.fixture
async def registry(redis_server: RedisServer) -> AsyncIterator[Registry]:
    """An initialized, empty registry."""
    registry = Registry.from_url(redis_server.url)
    await registry.initialize()
    yield registry
    await registry.aclose()


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    """An empty artifact store."""
    store = ArtifactStore(tmp_path / "artifacts", max_archive_bytes=4 << 20)
    store.prepare()
    return store


@pytest.fixture
def logs(tmp_path: Path) -> ContainerLogs:
    """Logs of no container yet."""
    return ContainerLogs(tmp_path / "logs")


@pytest.fixture
async def copy(registry: Registry) -> AsyncIterator[RegistryCopy]:
    """A followed copy of the registry."""
    copy = RegistryCopy(registry)
    following = asyncio.ensure_future(copy.run())
    while copy.snapshot is None:
        await copy.changed.wait()
        copy.changed.clear()
    yield copy
    following.cancel()
    await asyncio.wait([following])


@pytest.fixture
def build(
    registry: Registry, copy: RegistryCopy, artifacts: ArtifactStore, logs: ContainerLogs
) -> Callable[[str | None], ASGIApp]:
    """The application over all of the above, with this token."""

    def build(token: str | None) -> ASGIApp:
        return build_app(
            service=Service(registry, artifacts, logs),
            registry=registry,
            copy=copy,
            metrics=Metrics(copy, artifacts.total_bytes),
            version="0.0",
            backend="none",
            token=token,
            max_archive_bytes=4 << 20,
        )

    return build


@pytest.fixture
async def client(build: Callable[[str | None], ASGIApp]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application without a token, without a network between."""
    transport = httpx.ASGITransport(build(None))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1338") as client:
        yield client
