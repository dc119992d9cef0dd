"""Following the registry: changes are served at once, and the last known copy whatever becomes of Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from harness.redis_server import RedisServer
from harness.registry_samples import an_application
from harness.scripted_container import ScriptedContainer
from harness.worker_parts import WorkerParts, eventually, served
from skysail_frontend import registry_watch
from skysail_frontend.query_ids import BLOCK_BITS
from skysail_frontend.task_ending import end_tasks
from skysail_management.store import Entry


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_watch, "LEASE_RETRY_S", 0.02)


@pytest.fixture
async def container() -> AsyncIterator[ScriptedContainer]:
    async with ScriptedContainer() as container:
        yield container


@pytest.fixture
async def parts(redis: RedisServer, tmp_path: Path) -> AsyncIterator[WorkerParts]:
    parts = WorkerParts(redis.url, tmp_path, socket_timeout_s=0.5)
    await parts.registry.initialize()
    yield parts
    await parts.close()


@pytest.fixture
async def watching(parts: WorkerParts) -> AsyncIterator[WorkerParts]:
    """The parts with a running watch that has read the registry."""
    task = asyncio.get_running_loop().create_task(parts.watch.run(), name="watch")
    await eventually(lambda: parts.watch.has_copy)
    yield parts
    assert not task.done(), task
    await end_tasks([task])


async def put(parts: WorkerParts, *entries: Entry) -> int:
    return await parts.registry.transact(lambda _: entries)


async def test_what_is_registered_is_served_and_what_is_deleted_is_not(watching: WorkerParts) -> None:
    await put(watching, Entry.put(an_application("one")), Entry.put(an_application("two")))
    await eventually(lambda: set(watching.catalog.applications) == {"one", "two"})
    revision = await put(watching, Entry.delete(an_application("one")))
    await eventually(lambda: set(watching.catalog.applications) == {"two"})
    assert watching.metric("skysail_registry_revision") == revision
    assert watching.metric("skysail_registry_connected") == 1


async def test_ids_begin_in_a_block_of_the_workers_own(redis: RedisServer, tmp_path: Path) -> None:
    blocks = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        parts = WorkerParts(redis.url, tmp_path / str(number))
        assert await parts.watch.lease_query_ids()
        blocks.append(parts.query_ids.next_id() >> BLOCK_BITS)
        await parts.close()
    assert blocks == [1, 2]


async def test_no_query_gets_an_id_before_a_block_is_leased(redis: RedisServer, tmp_path: Path) -> None:
    parts = WorkerParts(redis.url, tmp_path)
    await parts.registry.initialize()
    await put(parts, Entry.put(an_application()))
    task = asyncio.get_running_loop().create_task(parts.watch.run())
    await eventually(lambda: parts.watch.has_copy)
    assert parts.ask().answer["query_id"] >> BLOCK_BITS == 1
    await end_tasks([task])
    await parts.close()


async def test_a_worker_that_starts_without_redis_says_why_and_waits_for_it(
    redis: RedisServer, tmp_path: Path, parts: WorkerParts
) -> None:
    await put(parts, Entry.put(an_application()))
    redis.stop()
    late = WorkerParts(redis.url, tmp_path, socket_timeout_s=0.3)
    assert (late.watch.has_copy, late.watch.lost_reason) == (False, "the registry has not been read yet")
    task = asyncio.get_running_loop().create_task(late.watch.run())
    async with asyncio.timeout(10):
        await late.watch.has_tried.wait()
    assert not late.watch.has_copy
    assert "Redis does not answer" in late.watch.lost_reason
    redis.start()
    await eventually(lambda: late.watch.has_copy)
    assert late.watch.lost_reason == ""
    assert set(late.catalog.applications) == {"app"}
    await end_tasks([task])
    await late.close()


async def test_a_redis_without_a_registry_is_waited_on_and_not_taken_for_an_empty_one(
    redis: RedisServer, tmp_path: Path
) -> None:
    parts = WorkerParts(redis.url, tmp_path)
    task = asyncio.get_running_loop().create_task(parts.watch.run())
    async with asyncio.timeout(10):
        await parts.watch.has_tried.wait()
    assert not parts.watch.has_copy
    assert "no registry" in parts.watch.lost_reason
    await parts.registry.initialize()
    await eventually(lambda: parts.watch.has_copy)
    await end_tasks([task])
    await parts.close()


async def test_while_redis_is_away_the_last_known_copy_is_served_and_caught_up_afterwards(
    watching: WorkerParts, redis: RedisServer, container: ScriptedContainer
) -> None:
    await put(watching, *[Entry.put(record) for record in served(container.address)])
    await eventually(lambda: "app" in watching.catalog.applications)
    redis.kill()
    await eventually(lambda: watching.watch.lost_reason)
    assert watching.metric("skysail_registry_connected") == 0
    assert watching.watch.has_copy
    assert (await watching.ask().wait())["output"] == 3.0
    redis.start()
    await put(watching, Entry.put(an_application("later")))
    await eventually(lambda: "later" in watching.catalog.applications)
    assert watching.metric("skysail_registry_connected") == 1
    assert (await watching.ask().wait())["output"] == 3.0


async def test_a_wiped_redis_deletes_nothing(watching: WorkerParts, redis: RedisServer) -> None:
    await put(watching, Entry.put(an_application()))
    await eventually(lambda: "app" in watching.catalog.applications)
    redis.wipe()
    await eventually(lambda: watching.watch.lost_reason)
    assert set(watching.catalog.applications) == {"app"}


async def test_a_lease_that_fails_keeps_the_old_block_and_does_not_call_the_registry_lost(
    watching: WorkerParts, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = watching.query_ids.next_id()
    other = WorkerParts("unix:///nowhere/r.sock", redis.directory)
    monkeypatch.setattr(watching.watch, "_registry", other.registry)
    assert not await watching.watch.lease_query_ids()
    assert watching.query_ids.next_id() == before + 1
    assert watching.watch.lost_reason == ""
    await other.close()
