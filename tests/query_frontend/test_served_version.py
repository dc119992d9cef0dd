"""A model version behind its cache: what is known is not asked again, and equal queries in flight are asked once.

Through a real socket to a container that does what the test says.
"""

import asyncio
import gc
import json
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.registry_samples import a_model, a_replica, a_version, an_application
from harness.scripted_container import ScriptedContainer, sums
from harness.worker_parts import ResponseSink, WorkerParts, eventually, served, snapshot_of
from skysail_container.wire import Dense, Predict, Refused, Result, Strings
from skysail_frontend import compiled
from skysail_frontend.prediction_cache import PredictionCache
from skysail_frontend.query import Query
from skysail_frontend.served_version import MAX_FOLLOWERS
from skysail_management.records import Link, Record

ROW = [1.0, 2.0]


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[WorkerParts]:
    parts = WorkerParts("unix:///nowhere/r.sock", tmp_path, cache=PredictionCache(1 << 20, 3600.0))
    yield parts
    await parts.close()


@pytest.fixture
async def container() -> AsyncIterator[ScriptedContainer]:
    async with ScriptedContainer() as container:
        yield container


async def adopt(parts: WorkerParts, *records: Record, revision: int = 1) -> None:
    await parts.catalog.adopt(snapshot_of(*records, revision=revision))


def metric(parts: WorkerParts, name: str) -> float:
    parts.catalog.update_gauges()
    return parts.metric(f'skysail_{name}{{model="m",version="1"}}')


def rows_of(*batches: Predict) -> list[list[float]]:
    """All rows that came to the container, in order."""
    rows: list[list[float]] = []
    for batch in batches:
        assert isinstance(batch.rows, Dense)
        n_rows, width = batch.rows.shape
        numbers = struct.unpack(f"<{n_rows * width}d", batch.rows.data)
        rows += [list(numbers[i * width : (i + 1) * width]) for i in range(n_rows)]
    return rows


class Asked:
    """One request that can be cancelled."""

    def __init__(self, parts: WorkerParts, app: str = "app", **body: Any) -> None:
        self.sink = ResponseSink()
        data = json.dumps(body or {"input": ROW}).encode()
        self.queries = parts.catalog.ask(app, data, self.sink, 0, time.monotonic())

    def cancel(self) -> None:
        for query in self.queries:
            query.cancel()

    async def output(self) -> object:
        answer = await self.sink.wait()
        assert answer["default"] is False, answer
        return answer["output"]

    async def reason(self) -> object:
        return (await self.sink.wait())["default_reason"]


async def in_flight(parts: WorkerParts, container: ScriptedContainer, **body: Any) -> Asked:
    """A query that the container has and keeps."""
    container.on_predict = lambda peer, batch: None
    n_before = len(container.batches)
    leader = Asked(parts, **body)
    await container.batch(n_before)
    return leader


def answer_all(container: ScriptedContainer) -> None:
    """From now on batches are answered; so is every one that came before."""
    container.on_predict = lambda peer, batch: peer.send(sums(batch))
    for batch in container.batches:
        container.peers[0].send(sums(batch))


# --- the cache ----------------------------------------------------------------------------------------------------


async def test_an_equal_query_is_answered_without_the_model_in_the_same_form(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    await adopt(parts, *served(container.address))
    first = await Asked(parts).sink.wait()
    again = Asked(parts).sink.answer  # at once
    assert again == first | {"query_id": again["query_id"]}
    assert list(again) == list(first)
    assert again["query_id"] != first["query_id"]
    assert rows_of(*container.batches) == [ROW]
    assert [metric(parts, f"cache_{name}_total") for name in ("hits", "misses", "followers", "evictions")] == [
        1,
        1,
        0,
        0,
    ]
    assert parts.metric('skysail_request_duration_seconds_count{app="app"}') == 2
    assert 0 < metric(parts, "cache_bytes") < 1000


async def test_known_rows_of_a_batch_are_not_sent(parts: WorkerParts, container: ScriptedContainer) -> None:
    await adopt(parts, *served(container.address))
    await Asked(parts, input=[1.0]).sink.wait()
    answer = await Asked(parts, input_batch=[[1.0], [2.0], [1.0], [3.0]]).sink.wait()
    assert [one["output"] for one in answer["batch_predictions"]] == [1.0, 2.0, 1.0, 3.0]
    assert rows_of(*container.batches) == [[1.0], [2.0], [3.0]]


async def test_what_is_known_is_answered_when_the_model_is_away(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    app, model, version, replica = served(container.address)
    await adopt(parts, app, model, version, replica)
    await Asked(parts).output()
    await adopt(parts, app, model, version, revision=2)
    assert await Asked(parts).output() == 3.0
    assert await Asked(parts, input=[5.0]).reason() == "no_replica"


async def test_neither_default_outputs_nor_row_errors_are_kept(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    def fail(batch: Predict) -> Result:
        return Result(batch.batch_id, 0, 1, Strings(("1",) * batch.rows.n_rows), errors={0: "ValueError: no"})

    container.on_predict = lambda peer, batch: peer.send(fail(batch))
    await adopt(parts, *served(container.address))
    assert await Asked(parts).reason() == "model_error"
    container.on_predict = lambda peer, batch: peer.send(Refused(batch.batch_id, "bad_rows", ""))
    assert await Asked(parts).reason() == "rejected_input"
    container.on_predict = lambda peer, batch: peer.send(sums(batch))
    assert await Asked(parts).output() == 3.0
    assert len(container.batches) == 3


async def test_a_prediction_that_comes_too_late_is_kept_for_the_next_query(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    await adopt(parts, *served(container.address))
    late = await in_flight(parts, container, input=ROW, timeout_ms=200)  # a busy machine sends it before that
    assert await late.reason() == "deadline"
    answer_all(container)
    await eventually(lambda: parts.catalog.versions["m", "1"]._shelf.entries)  # type: ignore[union-attr]  # it has one
    assert await Asked(parts).output() == 3.0
    assert len(container.batches) == 1


@pytest.mark.parametrize("body", [{"cache": False}, {"cache": False, "version": "1"}])
async def test_a_query_may_pass_the_cache_by_and_leaves_nothing_in_it(
    parts: WorkerParts, container: ScriptedContainer, body: dict[str, Any]
) -> None:
    await adopt(parts, *served(container.address))
    for _ in range(2):
        assert await Asked(parts, input=ROW, **body).output() == 3.0
    assert await Asked(parts).output() == 3.0
    assert len(container.batches) == 3
    assert metric(parts, "cache_misses_total") == 1


async def test_an_application_may_do_without(parts: WorkerParts, container: ScriptedContainer) -> None:
    await adopt(parts, *served(container.address, cache=False))
    for _ in range(2):
        assert await Asked(parts, input=ROW, cache=True).output() == 3.0
    assert len(container.batches) == 2
    assert metric(parts, "cache_misses_total") == 0


async def test_without_a_cache_every_query_reaches_the_model(tmp_path: Path, container: ScriptedContainer) -> None:
    parts = WorkerParts("unix:///nowhere/r.sock", tmp_path)
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container)
    equal = Asked(parts)
    answer_all(container)
    assert [await asked.output() for asked in (leader, equal)] == [3.0, 3.0]
    assert len(rows_of(*container.batches)) == 2
    await parts.close()


async def test_a_new_version_starts_without_the_old_ones_outputs(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    async with ScriptedContainer(version="2") as newer:
        newer.on_predict = lambda peer, batch: peer.send(Result(batch.batch_id, 0, 1, Strings(("new",))))
        app, _, version, replica = served(container.address)
        await adopt(parts, app, a_model(current_version="1"), version, replica)
        assert await Asked(parts).output() == 3.0
        second = a_version(version="2"), a_replica(version="2", address=newer.address)
        await adopt(parts, app, a_model(current_version="2"), version, replica, *second, revision=2)
        assert await Asked(parts).output() == "new"
        assert await Asked(parts, input=ROW, version="1").output() == 3.0  # pinned, and known
        assert len(container.batches) == 1


async def test_the_outputs_of_a_deleted_version_are_gone(parts: WorkerParts, container: ScriptedContainer) -> None:
    await adopt(parts, *served(container.address))
    await Asked(parts).output()
    app, model, *_ = served(container.address)
    await adopt(parts, app, model, revision=2)
    assert await Asked(parts).reason() == "no_link"
    await adopt(parts, *served(container.address), revision=3)
    assert await Asked(parts).output() == 3.0
    assert len(container.batches) == 2


# --- single-flight ------------------------------------------------------------------------------------------------


async def test_equal_queries_in_flight_reach_the_container_once(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    """Of two applications, one by one and in a batch; all get the answer, each its own."""
    other = an_application("other", links=(Link("m"),), latency_slo_micros=30_000_000)
    await adopt(parts, *served(container.address), other)
    leader = await in_flight(parts, container)
    followers = [Asked(parts), Asked(parts, "other"), Asked(parts, input_batch=[ROW, [7.0, 1.0], ROW])]
    answer_all(container)
    answers = [await asked.sink.wait() for asked in (leader, *followers)]
    batch = answers.pop()["batch_predictions"]
    assert [one["output"] for one in batch] == [3.0, 8.0, 3.0]
    assert [one["output"] for one in answers] == [3.0, 3.0, 3.0]
    assert len({one["query_id"] for one in answers + batch}) == 6
    await container.until(lambda: len(container.batches) == 2)
    assert rows_of(*container.batches) == [ROW, [7.0, 1.0]]
    assert metric(parts, "cache_followers_total") == 4
    assert parts.metric('skysail_request_duration_seconds_count{app="other"}') == 1


async def test_wide_rows_are_told_apart_and_their_equals_are_known(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    """They are looked up by a hash."""
    await adopt(parts, *served(container.address))
    one, other = [1.0] * 200, [1.0] * 199 + [2.0]
    leader = await in_flight(parts, container, input=one)
    flying = [Asked(parts, input=other), Asked(parts, input=one)]
    answer_all(container)
    assert [await asked.output() for asked in (leader, *flying)] == [200.0, 201.0, 200.0]
    assert [await Asked(parts, input=row).output() for row in (other, one)] == [201.0, 200.0]
    assert rows_of(*container.batches) == [one, other]
    assert (metric(parts, "cache_followers_total"), metric(parts, "cache_hits_total")) == (1, 2)


@pytest.mark.skipif(compiled.FORM.is_in_use(), reason="compiled modules call each other without a look-up")
async def test_different_rows_of_one_key_do_not_follow_each_other(
    parts: WorkerParts, container: ScriptedContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skysail_frontend.served_version.payload_key", lambda payload: 7)
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container)
    other = Asked(parts, input=[7.0, 1.0])
    answer_all(container)
    assert (await leader.output(), await other.output()) == (3.0, 8.0)


async def test_when_the_leaders_client_goes_the_followers_are_asked_for(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container)
    followers = [Asked(parts) for _ in range(3)]
    container.on_predict = lambda peer, batch: peer.send(sums(batch))
    leader.cancel()
    assert [await asked.output() for asked in followers] == [3.0] * 3
    assert len(rows_of(*container.batches)) == 4
    assert leader.sink.answers == {}


async def test_when_the_leader_gets_its_default_output_the_followers_go_on(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container, input=ROW, timeout_ms=60)
    follower = Asked(parts)
    container.on_predict = lambda peer, batch: peer.send(sums(batch))
    assert await leader.reason() == "deadline"
    assert await follower.output() == 3.0
    assert len(container.batches) == 2


async def test_when_the_model_fails_on_the_leaders_row_each_follower_is_tried_on_its_own(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container)
    followers = [Asked(parts) for _ in range(2)]
    failed = Result(container.batches[0].batch_id, 0, 1, Strings(("1",)), errors={0: "ValueError: no"})
    container.on_predict = lambda peer, batch: peer.send(sums(batch))
    container.peers[0].send(failed)
    assert await leader.reason() == "model_error"
    assert [await asked.output() for asked in followers] == [3.0, 3.0]


async def test_a_follower_that_goes_takes_nobody_along(parts: WorkerParts, container: ScriptedContainer) -> None:
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container)
    gone, stays = Asked(parts), Asked(parts)
    gone.cancel()
    answer_all(container)
    assert [await asked.output() for asked in (leader, stays)] == [3.0, 3.0]
    assert gone.sink.answers == {}
    assert container.cancelled == []
    assert len(container.batches) == 1


async def test_a_query_with_an_earlier_deadline_does_not_follow(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container)
    hasty = Asked(parts, input=ROW, timeout_ms=50)
    assert await hasty.reason() == "deadline"
    answer_all(container)
    assert await leader.output() == 3.0


async def test_a_follower_has_its_own_deadline_when_its_leader_had_an_earlier_one(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container, input=ROW, timeout_ms=30)
    follower = Asked(parts, input=ROW, timeout_ms=90)
    assert await leader.reason() == "deadline"
    assert follower.sink.answers == {}
    assert await follower.reason() == "deadline"


async def test_a_query_follows_none_that_counts_less(parts: WorkerParts, container: ScriptedContainer) -> None:
    low, *others = served(container.address, priority="low")
    high = an_application("high", links=(Link("m"),), latency_slo_micros=10_000_000, priority="high")
    await adopt(parts, low, high, *others)
    await in_flight(parts, container)
    Asked(parts, "high")
    Asked(parts)  # and this one follows the one that counts more
    assert metric(parts, "cache_followers_total") == 1


async def test_the_followers_of_a_version_that_goes_are_answered(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container)
    follower = Asked(parts)
    app, model, *_ = served(container.address)
    await adopt(parts, app, model, revision=2)
    assert [await asked.reason() for asked in (leader, follower)] == ["no_replica", "no_replica"]


async def test_the_followers_of_a_version_nobody_has_reached_yet_are_answered_at_the_end(
    parts: WorkerParts,
) -> None:
    never = asyncio.Event()

    async def say_no_word(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await never.wait()

    server = await asyncio.start_server(say_no_word, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await adopt(parts, *served(f"tcp:127.0.0.1:{port}"))
    leader, follower = Asked(parts), Asked(parts)
    await parts.catalog.close()
    assert [await asked.reason() for asked in (leader, follower)] == ["shutdown", "shutdown"]
    never.set()
    server.close()
    await server.wait_closed()


async def test_more_followers_than_are_allowed_are_submitted(parts: WorkerParts, container: ScriptedContainer) -> None:
    await adopt(parts, *served(container.address))
    leader = await in_flight(parts, container)
    version = parts.catalog.versions["m", "1"]
    version._n_followers = MAX_FOLLOWERS - 1
    followers = [Asked(parts), Asked(parts)]
    assert metric(parts, "cache_followers_total") == 1
    answer_all(container)
    assert [await asked.output() for asked in (leader, *followers)] == [3.0] * 3
    assert len(rows_of(*container.batches)) == 2


@pytest.mark.parametrize("ending", ["predicted", "cancelled", "late"])
async def test_neither_leaders_nor_followers_are_left_to_the_garbage_collector(
    parts: WorkerParts, container: ScriptedContainer, ending: str
) -> None:
    await adopt(parts, *served(container.address))
    gc.collect()
    gc.disable()
    try:
        asked = [await in_flight(parts, container, input=ROW, timeout_ms=200 if ending == "late" else None)]
        asked += [Asked(parts) for _ in range(2)]
        for one in asked if ending == "cancelled" else []:
            one.cancel()
        if ending == "late":
            assert await asked[0].reason() == "deadline"
        answer_all(container)
        for one in asked[ending == "late" :] if ending != "cancelled" else []:
            assert await one.output() == 3.0
        await eventually(lambda: not parts.catalog.versions["m", "1"].dispatcher.scheduler.n_in_flight)
        del asked, one
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert [found for found in gc.garbage if isinstance(found, Query)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
