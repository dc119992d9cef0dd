"""Following the registry through gaps, foreign messages, a dying Redis and a Redis that lost its data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from harness.redis_server import RedisServer
from harness.registry_samples import an_application
from skysail_management import keys
from skysail_management.records import Change, Entry, Lost, Snapshot
from skysail_management.registry_json import encode_change
from skysail_management.store import Registry

Event = Snapshot | Change | Lost


class Follower:
    """The events of one follow, each awaited with a limit."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self._events = events

    async def next(self, limit_s: float = 10) -> Event:
        async with asyncio.timeout(limit_s):
            return await anext(self._events)

    async def snapshot(self) -> Snapshot:
        event = await self.next()
        assert isinstance(event, Snapshot), event
        return event

    async def change(self) -> Change:
        event = await self.next()
        assert isinstance(event, Change), event
        return event

    async def lost(self) -> Lost:
        event = await self.next()
        assert isinstance(event, Lost), event
        return event


@asynccontextmanager
async def following(url: str) -> AsyncIterator[Follower]:
    registry = Registry.from_url(url, socket_timeout_s=0.5)
    async with aclosing(registry.follow()) as events:
        yield Follower(events)
    await registry.aclose()


async def put(registry: Registry, name: str) -> int:
    return await registry.transact(lambda _: [Entry.put(an_application(name))])


async def test_a_follower_gets_a_snapshot_and_then_every_change(registry: Registry, redis_server: RedisServer) -> None:
    await put(registry, "a")
    async with following(redis_server.url) as follower:
        copy: Snapshot = await follower.snapshot()
        for name in "bcd":
            await put(registry, name)
        for _ in range(3):
            change = await follower.change()
            assert change.revision == copy.revision + 1
            copy = copy.with_entries(change.entries, change.revision)
        assert copy == await registry.snapshot()


async def test_a_gap_gives_a_new_snapshot(registry: Registry, redis_server: RedisServer) -> None:
    async with following(redis_server.url) as follower:
        first = await follower.snapshot()
        with redis_server.client() as client:
            client.incrby(keys.REVISION, 5)
        await put(registry, "a")
        after = await follower.snapshot()
        assert (first.revision, after.revision) == (0, 6)
        assert list(after.applications) == ["a"]


@pytest.mark.parametrize(
    "message",
    [b"", b"{", b'{"registry_id":1}', b"\xff\xfe", encode_change(Change("another", 1, ()))],
)
async def test_an_unreadable_or_foreign_message_gives_a_new_snapshot(
    registry: Registry, redis_server: RedisServer, message: bytes
) -> None:
    async with following(redis_server.url) as follower:
        first = await follower.snapshot()
        with redis_server.client() as client:
            client.publish(registry.channel, message)
        assert await follower.snapshot() == first
        await put(registry, "a")
        assert (await follower.change()).revision == 1


async def test_a_change_whose_announcement_was_lost_is_found_by_the_heartbeat(
    registry: Registry, redis_server: RedisServer
) -> None:
    async with following(redis_server.url) as follower:
        await follower.snapshot()
        with redis_server.client() as client:
            client.incr(keys.REVISION)
        assert (await follower.snapshot()).revision == 1


async def test_changes_already_in_the_snapshot_are_not_given_again(
    registry: Registry, redis_server: RedisServer
) -> None:
    await put(registry, "a")
    async with following(redis_server.url) as follower:
        snapshot = await follower.snapshot()
        with redis_server.client() as client:
            client.publish(registry.channel, encode_change(Change(snapshot.registry_id, 1, ())))
        await put(registry, "b")
        assert (await follower.change()).revision == 2


async def test_a_killed_redis_is_lost_once_and_then_a_snapshot_again(own_redis: RedisServer) -> None:
    writer = Registry.from_url(own_redis.url)
    await writer.initialize()
    async with following(own_redis.url) as follower:
        await follower.snapshot()
        own_redis.kill()
        assert "Redis does not answer" in (await follower.lost()).reason
        waiting = asyncio.ensure_future(follower.next())
        own_redis.start()
        await put(writer, "a")
        event = await waiting
        assert isinstance(event, Snapshot)
        if not event.applications:
            assert (await follower.change()).revision == 1
        await put(writer, "b")
        assert (await follower.change()).revision == 2
    await writer.aclose()


async def test_a_frozen_redis_is_lost_within_seconds(own_redis: RedisServer) -> None:
    writer = Registry.from_url(own_redis.url)
    await writer.initialize()
    async with following(own_redis.url) as follower:
        await follower.snapshot()
        own_redis.freeze()
        await follower.next(limit_s=4)
        own_redis.thaw()
        await follower.snapshot()
    await writer.aclose()


async def test_a_redis_that_lost_its_data_is_never_a_snapshot(registry: Registry, redis_server: RedisServer) -> None:
    await put(registry, "a")
    async with following(redis_server.url) as follower:
        known = await follower.snapshot()
        redis_server.wipe()
        assert "no registry" in (await follower.lost()).reason
        fresh = await registry.initialize()
        assert fresh.registry_id != known.registry_id
        waiting = asyncio.ensure_future(follower.next())
        done, _ = await asyncio.wait([waiting], timeout=1.5)
        assert not done, "an empty registry of another id must not replace a known one"
        await put(registry, "b")
        event = await waiting
        assert isinstance(event, Snapshot)
        assert list(event.applications) == ["b"]


async def test_a_new_follower_takes_a_fresh_empty_registry(registry: Registry, redis_server: RedisServer) -> None:
    async with following(redis_server.url) as follower:
        assert (await follower.snapshot()).is_empty


async def test_databases_of_one_redis_do_not_hear_each_other(redis_server: RedisServer) -> None:
    first, second = (Registry.from_url(redis_server.url.replace("db=0", f"db={n}")) for n in (0, 1))
    assert first.channel != second.channel
    await first.aclose()
    await second.aclose()
