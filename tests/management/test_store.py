"""The registry on a real Redis: transactions, snapshots, query ids and the log of predictions."""

import asyncio
from collections.abc import Sequence

import pytest

from harness.redis_server import RedisServer
from harness.registry_samples import a_model, a_version, an_application
from skysail_management import keys
from skysail_management.errors import ConflictError
from skysail_management.prediction_log import MAX_OUTPUT_BYTES, RING_SLOTS, WINDOW_SIZE
from skysail_management.records import Entry, Link, PredictionRecord, Snapshot
from skysail_management.registry_json import encode_record
from skysail_management.store import OutcomeSummary, Registry, RegistryEmptyError, RegistryUnavailableError


async def current(registry: Registry) -> Snapshot:
    snapshot = await registry.snapshot()
    assert snapshot is not None
    return snapshot


async def put(registry: Registry, *entries: Entry) -> int:
    return await registry.transact(lambda _: entries)


async def test_an_empty_redis_is_no_registry(redis_server: RedisServer) -> None:
    registry = Registry.from_url(redis_server.url)
    assert await registry.snapshot() is None
    with pytest.raises(RegistryEmptyError):
        await put(registry, Entry.put(an_application()))
    assert await registry.snapshot() is None
    await registry.aclose()


async def test_initializing_twice_keeps_the_registry(registry: Registry) -> None:
    before = await current(registry)
    await put(registry, Entry.put(an_application()))
    after = await registry.initialize()
    assert after.registry_id == before.registry_id
    assert list(after.applications) == ["app"]


async def test_a_transaction_writes_all_its_entries_under_one_revision(registry: Registry) -> None:
    revision = await put(registry, Entry.put(an_application()), Entry.put(a_model()), Entry.put(a_version()))
    snapshot = await current(registry)
    assert snapshot.revision == revision == 1
    assert snapshot.applications["app"] == an_application()
    assert snapshot.versions["m", "1"] == a_version()


async def test_a_decision_that_raises_writes_nothing(registry: Registry) -> None:
    def refuse(_: Snapshot) -> Sequence[Entry]:
        raise ConflictError("taken")

    with pytest.raises(ConflictError):
        await registry.transact(refuse)
    assert (await current(registry)).revision == 0


async def test_no_entries_no_revision(registry: Registry) -> None:
    assert await put(registry) == 0


async def test_racing_writers_never_lose_each_others_work(registry: Registry, redis_server: RedisServer) -> None:
    other = Registry.from_url(redis_server.url)
    await put(registry, Entry.put(an_application()))

    async def link(writer: Registry, model: str) -> None:
        def decide(snapshot: Snapshot) -> Sequence[Entry]:
            links = snapshot.applications["app"].links
            return [Entry.put(an_application(links=(*links, Link(model))))]

        await writer.transact(decide)

    await asyncio.gather(
        *(link(writer, f"{name}{n}") for n in range(20) for name, writer in zip("ab", (registry, other), strict=True))
    )
    snapshot = await current(registry)
    assert len(snapshot.applications["app"].links) == 40
    assert snapshot.revision == 41
    await other.aclose()


async def test_corrupt_records_are_left_out_named_and_logged_once(
    registry: Registry, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    await put(registry, Entry.put(an_application("good")))
    with redis_server.client() as client:
        hostile = {
            b"half": b'{"name": "half"',
            b"moved": encode_record(an_application("elsewhere")),
            b"newer": encode_record(an_application("newer")).replace(b'"schema":1', b'"schema":99'),
            b"\xff": b"\x00",
        }
        client.hset(keys.RECORDS["application"], mapping=hostile)  # type: ignore[arg-type]  # its stub wants str keys
        client.hset(keys.RECORDS["replica"], "m:1:x", b"[]")
    snapshot = await current(registry)
    await registry.snapshot()
    assert list(snapshot.applications) == ["good"]
    assert [text.split(":")[0] for text in snapshot.corrupt] == [
        "application \\xff",
        "application half",
        "application moved",
        "application newer",
        "replica m",
    ]
    assert len([record for record in caplog.records if "corrupt" in record.message]) == 5


async def test_query_id_blocks_are_never_given_twice(registry: Registry, redis_server: RedisServer) -> None:
    other = Registry.from_url(redis_server.url)
    leased = await asyncio.gather(*(r.lease_query_ids() for _ in range(10) for r in (registry, other)))
    assert sorted(leased) == list(range(1, 21))
    await other.aclose()


async def test_a_prediction_is_taken_once_and_only_by_its_own_query_id(registry: Registry) -> None:
    await put(registry, Entry.put(an_application()))
    large_id = (1 << 53) - 1
    items = [PredictionRecord(n, "m", "1", b"0.5", n % 2 == 0) for n in (*range(1200), large_id)]
    await registry.record_predictions("app", items)
    assert await registry.take_prediction("app", 7 + RING_SLOTS) is None, "same slot, another query"
    taken = await asyncio.gather(*(registry.take_prediction("app", 7) for _ in range(4)))
    assert [record for record in taken if record] == [PredictionRecord(7, "m", "1", b"0.5", False)]
    assert await registry.take_prediction("app", large_id) == items[-1]
    assert await registry.take_prediction("other", 8) is None


async def test_newer_predictions_take_the_place_of_older_ones(registry: Registry, redis_server: RedisServer) -> None:
    await put(registry, Entry.put(an_application()))
    for query_id in (3, 3 + RING_SLOTS):
        await registry.record_predictions("app", [PredictionRecord(query_id, "m", "1", b"1", False)])
    assert await registry.take_prediction("app", 3) is None
    with redis_server.client() as client:
        assert client.hlen(keys.prediction_ring("app")) == 1


async def test_predictions_with_huge_outputs_are_not_kept(registry: Registry) -> None:
    await put(registry, Entry.put(an_application()))
    huge = b'"' + b"x" * MAX_OUTPUT_BYTES + b'"'
    await registry.record_predictions("app", [PredictionRecord(1, "m", "1", huge, False)])
    assert await registry.take_prediction("app", 1) is None


async def test_outcomes_are_the_rolling_means_of_the_newest(registry: Registry) -> None:
    await put(registry, Entry.put(an_application()), Entry.put(a_version()))
    for value in (1.0, 1.0, 0.0, 1.0):
        await registry.record_outcome("app", "m", "1", value, "accuracy")
    for value in [1e9] * 5 + [0.25] * WINDOW_SIZE:
        await registry.record_outcome("app", "m", "1", value, "absolute_error")
    assert await registry.outcomes() == {("app", "m", "1"): OutcomeSummary(0.75, 4, 0.25, WINDOW_SIZE)}


async def test_deleting_an_application_or_a_version_deletes_its_predictions_and_outcomes(
    registry: Registry, redis_server: RedisServer
) -> None:
    await put(
        registry,
        *(Entry.put(an_application(name)) for name in ("app", "app2")),
        *(Entry.put(a_version(version=version)) for version in ("1", "2")),
    )
    for app in ("app", "app2"):
        await registry.record_predictions(app, [PredictionRecord(1, "m", "1", b"1", False)])
        for version in ("1", "2"):
            await registry.record_outcome(app, "m", version, 1.0, "accuracy")
    await put(registry, Entry.delete(an_application("app")))
    assert set(await registry.outcomes()) == {("app2", "m", "1"), ("app2", "m", "2")}
    await put(registry, Entry.delete(a_version(version="1")))
    assert set(await registry.outcomes()) == {("app2", "m", "2")}
    await registry.record_predictions("app", [PredictionRecord(2, "m", "1", b"1", False)])
    await registry.record_outcome("app2", "m", "1", 1.0, "accuracy")
    with redis_server.client() as client:
        names = {bytes(key).decode() for key in client.scan_iter("skysail:*")}
    assert {name for name in names if "predictions" in name or "outcomes" in name} == {
        "skysail:predictions:app2",
        "skysail:outcomes:app2:m:2:accuracy",
    }, "a late frontend brings nothing back"


async def test_what_was_acknowledged_survives_a_killed_redis(own_redis: RedisServer) -> None:
    registry = Registry.from_url(own_redis.url)
    await registry.initialize()
    for n in range(50):
        await put(registry, Entry.put(an_application(f"app{n}")))
    own_redis.kill()
    with pytest.raises(RegistryUnavailableError, match="Redis does not answer"):
        await put(registry, Entry.put(an_application("lost")))
    own_redis.start()
    snapshot = await current(registry)
    assert (len(snapshot.applications), snapshot.revision) == (50, 50)
    assert await put(registry, Entry.put(an_application("more"))) == 51
    await registry.aclose()


async def test_a_frozen_redis_is_an_error_within_the_socket_timeout(own_redis: RedisServer) -> None:
    registry = Registry.from_url(own_redis.url, socket_timeout_s=0.2)
    await registry.initialize()
    own_redis.freeze()
    async with asyncio.timeout(3):
        with pytest.raises(RegistryUnavailableError):
            await put(registry, Entry.put(an_application()))
        with pytest.raises(RegistryUnavailableError):
            await registry.lease_query_ids()
    own_redis.thaw()
    assert await registry.lease_query_ids() >= 1
    await registry.aclose()


async def test_a_redis_that_is_out_of_memory_is_unavailable_and_says_why(own_redis: RedisServer) -> None:
    registry = Registry.from_url(own_redis.url)
    await registry.initialize()
    with own_redis.client() as client:
        await put(registry, Entry.put(an_application("before")))
        client.config_set("maxmemory", "1")
    with pytest.raises(RegistryUnavailableError, match=r"Redis refuses to serve: .*maxmemory"):
        await put(registry, Entry.put(an_application()))
    assert list((await current(registry)).applications) == ["before"], "it can still be read"
    await registry.aclose()


async def test_writers_do_not_queue_up_behind_a_frozen_redis(own_redis: RedisServer) -> None:
    registry = Registry.from_url(own_redis.url)
    await registry.initialize()
    own_redis.freeze()
    async with asyncio.timeout(6):
        writes = (put(registry, Entry.put(an_application(f"a{n}"))) for n in range(20))
        results = await asyncio.gather(*writes, return_exceptions=True)
    assert {type(result) for result in results} == {RegistryUnavailableError}
    own_redis.thaw()
    await registry.aclose()


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "", "redis://host:port/x"])
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        Registry.from_url(url)
