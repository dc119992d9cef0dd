"""Recording predictions: bounded, joined later by query id, and never in a query's way."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from harness.queries import FakeOwner, a_query
from harness.redis_server import RedisServer
from harness.registry_samples import an_application
from harness.scripted_container import ScriptedContainer
from harness.worker_parts import WorkerParts, eventually, served, snapshot_of
from skysail_frontend import prediction_recorder
from skysail_frontend.query import Query
from skysail_frontend.task_ending import end_tasks
from skysail_management.store import Entry


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def parts(redis: RedisServer, tmp_path: Path) -> AsyncIterator[WorkerParts]:
    parts = WorkerParts(redis.url, tmp_path, max_per_flush=10, socket_timeout_s=0.3)
    await parts.registry.initialize()
    await parts.registry.transact(lambda _: [Entry.put(an_application("app")), Entry.put(an_application("b"))])
    yield parts
    await parts.close()


def queries(n: int, app: str = "app") -> list[Query]:
    owner = FakeOwner(app)
    return [a_query(owner=owner) for _ in range(n)]


async def is_on_record(parts: WorkerParts, query: Query, app: str = "app") -> bool:
    return await parts.registry.take_prediction(app, query.query_id) is not None


async def test_a_recorded_prediction_is_found_by_its_query_id_and_application(parts: WorkerParts) -> None:
    (query,), (other,) = queries(1), queries(1, "b")
    parts.recorder.record("m", "1", [query, other], [b"0.5", b'{"a":1}'])
    await parts.recorder.flush()
    record = await parts.registry.take_prediction("app", query.query_id)
    assert record is not None
    assert (record.model, record.version, record.output_json, record.is_default) == ("m", "1", b"0.5", False)
    assert not await is_on_record(parts, other, "app")
    assert await is_on_record(parts, other, "b")


async def test_failed_rows_and_queries_answered_already_are_left_out(parts: WorkerParts) -> None:
    failed, late, good = queries(3)
    late.is_done = True
    parts.recorder.record("m", "1", [failed, late, good], [None, b"1", b"2"])
    await parts.recorder.flush()
    assert [await is_on_record(parts, query) for query in (failed, late, good)] == [False, False, True]


async def test_beyond_the_budget_predictions_are_counted_and_forgotten(parts: WorkerParts) -> None:
    many = queries(25)
    for start in range(0, 25, 5):
        parts.recorder.record("m", "1", many[start : start + 5], [b"1"] * 5)
    parts.recorder.record("m", "1", queries(1), [b"1"])
    assert parts.metrics.unrecorded is not None
    assert parts.metric("skysail_predictions_unrecorded_total") == 16
    await parts.recorder.flush()
    assert [await is_on_record(parts, query) for query in many] == [True] * 10 + [False] * 15


async def test_after_a_flush_there_is_room_again(parts: WorkerParts) -> None:
    parts.recorder.record("m", "1", queries(10), [b"1"] * 10)
    await parts.recorder.flush()
    (query,) = queries(1)
    parts.recorder.record("m", "1", [query], [b"1"])
    await parts.recorder.flush()
    assert await is_on_record(parts, query)


async def test_one_batch_larger_than_the_budget_is_recorded_in_part(parts: WorkerParts) -> None:
    many = queries(64)
    parts.recorder.record("m", "1", many, [b"1"] * 64)
    assert parts.metric("skysail_predictions_unrecorded_total") == 54


async def test_without_a_budget_nothing_is_kept(redis: RedisServer, tmp_path: Path) -> None:
    parts = WorkerParts(redis.url, tmp_path, max_per_flush=0)
    parts.recorder.record("m", "1", queries(3), [b"1"] * 3)
    await parts.recorder.flush()
    assert parts.metric("skysail_predictions_unrecorded_total") == 3
    await parts.close()


async def test_what_redis_does_not_take_is_counted_and_no_error(parts: WorkerParts, redis: RedisServer) -> None:
    parts.recorder.record("m", "1", queries(4), [b"1"] * 4)
    redis.stop()
    await parts.recorder.flush()
    assert parts.metric("skysail_predictions_unrecorded_total") == 4
    redis.start()
    (query,) = queries(1)
    parts.recorder.record("m", "1", [query], [b"1"])
    await parts.recorder.flush()
    assert await is_on_record(parts, query)


async def test_predictions_of_a_deleted_application_leave_nothing_behind(
    parts: WorkerParts, redis: RedisServer
) -> None:
    parts.recorder.record("m", "1", queries(1, "deleted"), [b"1"])
    await parts.recorder.flush()
    with redis.client() as client:
        assert client.exists("skysail:predictions:deleted") == 0


async def test_running_it_writes_by_itself(
    parts: WorkerParts, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_recorder, "FLUSH_INTERVAL_S", 0.01)
    task = asyncio.get_running_loop().create_task(parts.recorder.run())
    (query,) = queries(1)
    parts.recorder.record("m", "1", [query], [b"1"])
    with redis.client() as client:
        await eventually(lambda: client.exists("skysail:predictions:app"))
    await end_tasks([task])
    assert await is_on_record(parts, query)


async def test_a_frozen_redis_neither_slows_nor_fails_a_query(
    parts: WorkerParts, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_recorder, "FLUSH_INTERVAL_S", 0.01)
    async with ScriptedContainer() as container:
        await parts.catalog.adopt(snapshot_of(*served(container.address)))
        await parts.ask().wait()
        task = asyncio.get_running_loop().create_task(parts.recorder.run())
        redis.freeze()
        durations_s = []
        for _ in range(50):
            start_s = time.monotonic()
            assert (await parts.ask().wait())["default"] is False
            durations_s.append(time.monotonic() - start_s)
        redis.thaw()
        await end_tasks([task])
    assert sorted(durations_s)[25] < 0.1  # a blocked query would take the socket's 0.3 s
