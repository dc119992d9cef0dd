"""A real Redis per test module's worker, wiped for every test, and records to fill it with."""

from collections.abc import AsyncIterator, Iterator

import pytest

from harness.redis_server import RedisServer
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
