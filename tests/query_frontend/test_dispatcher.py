"""Dispatchers against containers that behave, are slow, refuse, lie or vanish: every query gets one answer in time."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from harness.queries import FakeOwner, FakeSink, a_query
from harness.scripted_container import Peer, ScriptedContainer, sums
from skysail_container.wire import Dense, Json, Predict, Refused, Result, Strings
from skysail_container.wire.messages import RefusalCode
from skysail_frontend.dispatcher import Dispatcher
from skysail_frontend.exposition import cells_path, prometheus_text
from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.metric_cells import CellsFile
from skysail_frontend.metrics import FrontendMetrics
from skysail_frontend.prediction_recorder import PredictionRecorder
from skysail_frontend.query import DefaultReason, Query
from skysail_frontend.scheduler import SchedulerLimits
from skysail_management.store import Registry

PLENTY_S = 30.0


class Bench:
    """A dispatcher with its metrics, and queries for it."""

    def __init__(self, run_dir: Path, input_type: str = "doubles", limits: SchedulerLimits | None = None) -> None:
        self._run_dir = run_dir
        metrics = FrontendMetrics(CellsFile(cells_path(run_dir, 0)))
        self.registry = Registry.from_url("unix:///nowhere/r.sock")
        self.owner = FakeOwner()
        self.dispatcher = Dispatcher(
            "m",
            "1",
            INPUT_TYPES[input_type],
            limits or SchedulerLimits(1000, 1 << 20, 64, 1 << 20),
            metrics.model("m", "1"),
            "test",
            PredictionRecorder(self.registry, 100, metrics.unrecorded),
        )

    async def connect(self, *containers: ScriptedContainer) -> None:
        """Returns once all are connected."""
        await self.dispatcher.set_replicas({i: container.address for i, container in enumerate(containers)})
        await self.until(lambda: self.dispatcher.scheduler.n_replicas == len(containers))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110  # what sockets bring about has no event of its own
                await asyncio.sleep(0.001)

    def ask(self, *numbers: float, slo_s: float = PLENTY_S, sink: FakeSink | None = None, position: int = 0) -> Query:
        """Submits one row of doubles."""
        now_s = time.monotonic()
        payload = struct.pack(f"<{len(numbers)}d", *numbers)
        sink = sink or FakeSink()
        query = a_query(now_s + slo_s, now_s, len(payload), payload, self.owner, sink, position)
        reason = self.dispatcher.submit(query, now_s)
        if reason is not None:
            query.default(reason, now_s)
        return query

    def metric(self, line: str) -> float:
        """The value of the sample that begins with `line`."""
        (value,) = [
            one.rpartition(" ")[2]
            for one in prometheus_text(self._run_dir).decode().split("\n")
            if one.startswith(line)
        ]
        return float(value)

    async def close(self) -> None:
        await self.dispatcher.close(DefaultReason.SHUTDOWN)
        await self.registry.aclose()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.close()


@pytest.fixture
async def container() -> AsyncIterator[ScriptedContainer]:
    async with ScriptedContainer() as container:
        yield container


@pytest.fixture
async def second() -> AsyncIterator[ScriptedContainer]:
    async with ScriptedContainer() as container:
        yield container


def sink_of(query: Query) -> FakeSink:
    assert isinstance(query.sink, FakeSink)
    return query.sink


async def reason_of(query: Query) -> str:
    """Why a query got the default output, once it has."""
    answer = await sink_of(query).wait()
    assert answer["default"] is True
    return str(answer["default_reason"])


async def output_of(query: Query) -> object:
    answer = await sink_of(query).wait()
    assert answer["default"] is False
    assert answer["query_id"] == query.query_id
    return answer["output"]


# --- what goes well -------------------------------------------------------------------------------------------------


async def test_queries_of_one_turn_leave_in_one_batch_and_each_gets_its_own_output(
    bench: Bench, container: ScriptedContainer
) -> None:
    await bench.connect(container)
    bench.dispatcher.scheduler.sizer.observe(64, 0.001)  # sizes are explored from 1 otherwise
    queries = [bench.ask(number, 1.0) for number in range(20)]
    assert [await output_of(query) for query in queries] == [number + 1.0 for number in range(20)]
    assert [batch.rows.n_rows for batch in container.batches] == [20]


async def test_a_batch_carries_the_time_left_until_its_latest_deadline(
    bench: Bench, container: ScriptedContainer
) -> None:
    await bench.connect(container)
    await output_of(bench.ask(1.0, slo_s=5.0))
    assert 4_000_000 < container.batches[0].time_left_us <= 5_000_000


async def test_rows_of_different_lengths_share_a_batch(bench: Bench, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: peer.send(
        Result(batch.batch_id, 0, 10, Strings(tuple(f"row {i}" for i in range(batch.rows.n_rows))))
    )
    await bench.connect(container)
    bench.dispatcher.scheduler.sizer.observe(64, 0.001)
    queries = [bench.ask(1.0), bench.ask(1.0, 2.0)]
    assert [await output_of(query) for query in queries] == ["row 0", "row 1"]


async def test_a_row_that_failed_gets_the_default_and_its_mates_their_outputs(
    bench: Bench, container: ScriptedContainer, caplog: pytest.LogCaptureFixture
) -> None:
    container.on_predict = lambda peer, batch: peer.send(sums(batch)._replace(errors={1: "ValueError: no"}))
    await bench.connect(container)
    bench.dispatcher.scheduler.sizer.observe(64, 0.001)
    good, bad, other = bench.ask(1.0), bench.ask(2.0), bench.ask(3.0)
    assert await output_of(good) == 1.0
    assert await reason_of(bad) == DefaultReason.MODEL_ERROR
    assert await output_of(other) == 3.0
    assert "ValueError: no" in caplog.text
    assert bench.metric("skysail_row_errors_total") == 1


async def test_a_busy_replica_has_at_most_two_batches(bench: Bench, container: ScriptedContainer) -> None:
    held: list[tuple[Peer, Predict]] = []
    container.on_predict = lambda peer, batch: held.append((peer, batch))
    await bench.connect(container)
    queries = [bench.ask(float(number)) for number in range(10)]
    await container.batch(1)
    bench.dispatcher._pump()
    assert bench.dispatcher.scheduler.n_in_flight == 2
    container.on_predict = lambda peer, batch: peer.send(sums(batch))
    for peer, batch in held:
        peer.send(sums(batch))
    assert [await output_of(query) for query in queries] == [float(number) for number in range(10)]


async def test_metrics_count_batches_and_gauges_follow(bench: Bench, container: ScriptedContainer) -> None:
    await bench.connect(container)
    await output_of(bench.ask(1.0))
    await output_of(bench.ask(2.0))
    bench.dispatcher.update_gauges()
    assert bench.metric("skysail_batch_rows_count") == 2
    assert bench.metric("skysail_batch_rows_sum") == 2
    assert bench.metric("skysail_model_duration_seconds_sum") == pytest.approx(20e-6)
    assert bench.metric("skysail_replicas{") == 1
    assert bench.metric("skysail_in_flight_batches") == 0


async def test_a_container_cannot_claim_more_time_than_has_passed(bench: Bench, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: peer.send(sums(batch, 2**62)._replace(queued_us=2**62))
    await bench.connect(container)
    await output_of(bench.ask(1.0))
    assert 0 < bench.dispatcher.scheduler.sizer.latency_s(1) < 5.0
    assert bench.metric("skysail_model_duration_seconds_sum") < 5.0


# --- deadlines ------------------------------------------------------------------------------------------------------


async def test_a_slow_container_costs_its_query_the_prediction_not_the_time(
    bench: Bench, container: ScriptedContainer
) -> None:
    held: list[tuple[Peer, Predict]] = []
    container.on_predict = lambda peer, batch: held.append((peer, batch))
    await bench.connect(container)
    query = bench.ask(1.0, slo_s=0.05)
    waiting = bench.ask(2.0, slo_s=0.05)
    assert await reason_of(query) == DefaultReason.DEADLINE
    assert await reason_of(waiting) == DefaultReason.DEADLINE
    for _, seconds in bench.owner.defaults:
        assert 0.05 <= seconds < 0.5  # a busy machine; the exact bound is asserted in virtual time
    for peer, batch in held:  # late results: ignored, and the replica is free again
        peer.send(sums(batch))
    container.on_predict = lambda peer, batch: peer.send(sums(batch))
    assert await output_of(bench.ask(3.0)) == 3.0
    assert sink_of(query).answer["default"] is True


def test_on_uvloop_the_timer_is_neither_late_nor_spinning(tmp_path: Path) -> None:
    """uvloop rounds times to milliseconds; a timer armed for a fraction of one used to fire hundreds of times."""

    async def run() -> list[tuple[int, float]]:
        bench = Bench(tmp_path)
        wakes = 0
        wake = bench.dispatcher._wake

        def counted() -> None:
            nonlocal wakes
            wakes += 1
            wake()

        bench.dispatcher._wake = counted  # type: ignore[method-assign]  # counts what the timer does
        seen: list[tuple[int, float]] = []
        async with ScriptedContainer() as container:
            container.on_predict = lambda peer, batch: None
            await bench.connect(container)
            for slo_s in (0.0101, 0.0105, 0.0109, 0.02, 0.0203, 0.0207):
                wakes = 0
                await reason_of(bench.ask(1.0, slo_s=slo_s))
                seen.append((wakes, bench.owner.defaults[-1][1] - slo_s))
            await bench.close()
        return seen

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(run())
    assert all(wakes <= 6 for wakes, _ in seen), seen
    assert all(late_s >= 0 for _, late_s in seen), seen
    assert sorted(late_s for _, late_s in seen)[2] < 0.005, seen  # the middle one: the machine may be busy


async def test_a_deadline_that_comes_before_an_armed_one_moves_the_timer(
    bench: Bench, container: ScriptedContainer
) -> None:
    container.on_predict = lambda peer, batch: None
    await bench.connect(container)
    far = bench.ask(1.0, slo_s=20.0)
    await container.batch()
    near = bench.ask(2.0, slo_s=0.02)
    assert await reason_of(near) == DefaultReason.DEADLINE
    assert not far.is_done


# --- nobody to ask --------------------------------------------------------------------------------------------------


async def test_without_a_replica_the_answer_is_immediate(bench: Bench) -> None:
    query = bench.ask(1.0)
    assert sink_of(query).answer["default_reason"] == DefaultReason.NO_REPLICA


async def test_a_query_that_comes_while_the_first_replica_is_dialled_waits_for_it(
    bench: Bench, container: ScriptedContainer
) -> None:
    """So that the switch to a new version does not cost the queries of its first milliseconds."""
    await bench.dispatcher.set_replicas({0: container.address})
    assert await output_of(bench.ask(1.0)) == 1.0


async def test_a_replica_that_is_not_there_is_waited_for_until_that_is_known(bench: Bench) -> None:
    await bench.dispatcher.set_replicas({0: "unix:/nowhere/c.sock"})
    waiting = bench.ask(1.0)
    assert await reason_of(waiting) == DefaultReason.NO_REPLICA
    assert sink_of(bench.ask(2.0)).answer["default_reason"] == DefaultReason.NO_REPLICA


async def test_while_a_container_is_away_queries_are_answered_at_once_and_later_served_again(
    bench: Bench, container: ScriptedContainer
) -> None:
    await bench.connect(container)
    await container.stop()
    await bench.until(lambda: bench.dispatcher.scheduler.n_replicas == 0)
    assert sink_of(bench.ask(1.0)).answer["default_reason"] == DefaultReason.NO_REPLICA
    await container.listen()
    await bench.until(lambda: bench.dispatcher.scheduler.n_replicas == 1)
    assert await output_of(bench.ask(1.0)) == 1.0


async def test_a_hello_that_never_comes_costs_the_deadline_at_most(bench: Bench, container: ScriptedContainer) -> None:
    container.on_hello = lambda peer: None
    await bench.dispatcher.set_replicas({0: container.address})
    assert await reason_of(bench.ask(1.0, slo_s=0.03)) == DefaultReason.DEADLINE


async def test_a_full_queue_refuses_at_once(tmp_path: Path, container: ScriptedContainer) -> None:
    bench = Bench(tmp_path, limits=SchedulerLimits(3, 1 << 20, 64, 1 << 20))
    container.on_predict = lambda peer, batch: None
    await bench.connect(container)
    queries = [bench.ask(1.0) for _ in range(5)]
    assert [query.is_done for query in queries] == [False, False, False, True, True]
    assert await reason_of(queries[4]) == DefaultReason.OVERLOAD
    await bench.close()


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "n_sent", "reason"),
    [
        ("bad_rows", 1, DefaultReason.REJECTED_INPUT),
        ("expired", 1, DefaultReason.DEADLINE),
        ("overloaded", 2, DefaultReason.OVERLOAD),
    ],
)
async def test_a_refusal_has_its_reason_and_frees_the_replica(
    bench: Bench, container: ScriptedContainer, code: RefusalCode, n_sent: int, reason: str
) -> None:
    container.on_predict = lambda peer, batch: peer.send(Refused(batch.batch_id, code, "because"))
    await bench.connect(container)
    assert await reason_of(bench.ask(1.0)) == reason
    assert len(container.batches) == n_sent
    assert bench.metric(f'skysail_refused_batches_total{{code="{code}"') == n_sent
    container.on_predict = lambda peer, batch: peer.send(sums(batch))
    assert await output_of(bench.ask(2.0)) == 2.0


async def test_an_overloaded_replicas_queries_are_tried_once_more(bench: Bench, container: ScriptedContainer) -> None:
    def first_refuses(peer: Peer, batch: Predict) -> None:
        first = len(container.batches) == 1
        peer.send(Refused(batch.batch_id, "overloaded", "") if first else sums(batch))

    container.on_predict = first_refuses
    await bench.connect(container)
    assert await output_of(bench.ask(4.0)) == 4.0


async def test_a_draining_replica_gets_no_more_and_its_queries_go_to_another(
    bench: Bench, container: ScriptedContainer, second: ScriptedContainer
) -> None:
    container.on_predict = lambda peer, batch: peer.send(Refused(batch.batch_id, "draining", ""))
    await bench.connect(container, second)
    for number in range(4):
        assert await output_of(bench.ask(float(number))) == float(number)
    assert len(container.batches) == 1
    assert len(second.batches) == 4


async def test_a_refusal_of_a_batch_held_by_another_replica_is_ignored(
    bench: Bench, container: ScriptedContainer, second: ScriptedContainer
) -> None:
    held: list[tuple[Peer, Predict]] = []
    container.on_predict = lambda peer, batch: held.append((peer, batch))
    await bench.connect(container, second)
    query = bench.ask(5.0)
    batch = await container.batch()
    second.peers[0].send(Refused(batch.batch_id, "bad_rows", "not mine"))
    second.on_predict = lambda peer, other: peer.send(sums(other))
    assert await output_of(bench.ask(6.0)) == 6.0  # what the second container sent has been read
    assert not query.is_done
    held[0][0].send(sums(batch))
    assert await output_of(query) == 5.0


# --- clients that go ------------------------------------------------------------------------------------------------


async def test_a_batch_nobody_waits_for_is_cancelled(bench: Bench, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: None
    await bench.connect(container)
    bench.dispatcher.scheduler.sizer.observe(64, 0.001)
    first, second = bench.ask(1.0), bench.ask(2.0)
    batch = await container.batch()
    first.cancel()
    assert container.cancelled == []
    second.cancel()
    await container.until(lambda: container.cancelled)
    assert container.cancelled == [batch.batch_id]
    container.peers[0].send(Refused(batch.batch_id, "cancelled", ""))
    await bench.until(lambda: bench.dispatcher.scheduler.n_in_flight == 0)
    assert sink_of(first).answers == sink_of(second).answers == {}


async def test_a_cancelled_query_leaves_the_queue(bench: Bench, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: None
    await bench.connect(container)
    bench.ask(1.0)
    await container.batch()
    waiting = bench.ask(2.0)
    waiting.cancel()
    waiting.cancel()
    assert bench.dispatcher.scheduler.queue.n_rows == 0
    assert sink_of(waiting).answers == {}


# --- containers that fail -------------------------------------------------------------------------------------------


async def test_a_lost_connections_queries_go_to_another_replica(
    bench: Bench, container: ScriptedContainer, second: ScriptedContainer
) -> None:
    container.on_predict = lambda peer, batch: peer.close()
    await bench.connect(container, second)
    queries = [bench.ask(float(number)) for number in range(3)]
    assert [await output_of(query) for query in queries] == [0.0, 1.0, 2.0]


async def test_a_query_is_sent_twice_at_most(
    bench: Bench, container: ScriptedContainer, second: ScriptedContainer
) -> None:
    for each in (container, second):
        each.on_predict = lambda peer, batch: peer.close()
    await bench.connect(container, second)
    assert await reason_of(bench.ask(1.0)) == DefaultReason.CONTAINER_LOST
    assert len(container.batches) == len(second.batches) == 1


async def test_the_only_replica_lost_with_a_batch_ends_it_at_once(bench: Bench, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: peer.close()
    await bench.connect(container)
    assert await reason_of(bench.ask(1.0)) == DefaultReason.CONTAINER_LOST


def no_outputs(batch: Predict) -> Result:
    return Result(batch.batch_id, 0, 0, Strings(()))


def one_output_more(batch: Predict) -> Result:
    outputs = Dense("<i8", (batch.rows.n_rows + 1,), bytes(8 * (batch.rows.n_rows + 1)))
    return Result(batch.batch_id, 0, 0, outputs)


def unknown_batch(batch: Predict) -> Result:
    return sums(batch)._replace(batch_id=batch.batch_id + 1000)


@pytest.mark.parametrize("lie", [no_outputs, one_output_more, unknown_batch])
async def test_a_container_whose_answer_cannot_be_right_is_left_and_the_queries_go_to_another(
    bench: Bench, container: ScriptedContainer, second: ScriptedContainer, lie: Callable[[Predict], Result]
) -> None:
    container.on_predict = lambda peer, batch: peer.send(lie(batch))
    await bench.connect(container, second)
    assert await output_of(bench.ask(7.0)) == 7.0
    assert len(container.batches) == 1


async def test_a_malformed_frame_ends_the_connection_and_the_queries_go_to_another(
    bench: Bench, container: ScriptedContainer, second: ScriptedContainer
) -> None:
    container.on_predict = lambda peer, batch: peer.send_raw(b"\x00\x00\x00\x03abc")
    await bench.connect(container, second)
    assert await output_of(bench.ask(7.0)) == 7.0


async def test_a_result_given_twice_ends_the_connection_and_changes_no_answer(
    bench: Bench, container: ScriptedContainer
) -> None:
    def twice(peer: Peer, batch: Predict) -> None:
        peer.send(sums(batch))
        peer.send(sums(batch)._replace(outputs=Strings(("other",))))

    container.on_predict = twice
    await bench.connect(container)
    query = bench.ask(1.0)
    assert await output_of(query) == 1.0
    await container.until(lambda: container.n_hellos == 2)
    assert sink_of(query).answer["output"] == 1.0


async def test_an_output_that_is_not_json_is_that_rows_model_error(bench: Bench, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: peer.send(Result(batch.batch_id, 0, 0, Json((b"{", b'{"a":1}'))))
    await bench.connect(container)
    bench.dispatcher.scheduler.sizer.observe(64, 0.001)
    bad, good = bench.ask(1.0), bench.ask(2.0)
    assert await reason_of(bad) == DefaultReason.MODEL_ERROR
    assert await output_of(good) == {"a": 1}


# --- frames too large -----------------------------------------------------------------------------------------------


async def test_a_batch_too_large_for_a_containers_frames_is_sent_in_smaller_ones(bench: Bench) -> None:
    async with ScriptedContainer(max_frame_bytes=1000) as container:
        await bench.connect(container)
        bench.dispatcher.scheduler.sizer.observe(64, 0.001)
        queries = [bench.ask(*[float(number)] * 20) for number in range(40)]  # 160 bytes each
        assert [await output_of(query) for query in queries] == [20.0 * number for number in range(40)]
        assert max(batch.rows.n_rows for batch in container.batches) <= 6


async def test_a_row_too_large_for_any_frame_is_rejected_alone(bench: Bench) -> None:
    async with ScriptedContainer(max_frame_bytes=1000) as container:
        await bench.connect(container)
        bench.dispatcher.scheduler.sizer.observe(64, 0.001)
        small, large, other = bench.ask(1.0), bench.ask(*[1.0] * 200), bench.ask(2.0)
        assert await output_of(small) == 1.0
        assert await reason_of(large) == DefaultReason.REJECTED_INPUT
        assert await output_of(other) == 2.0


# --- replicas that come and go --------------------------------------------------------------------------------------


async def test_a_replica_no_longer_listed_is_closed_and_its_queries_go_to_another(
    bench: Bench, container: ScriptedContainer, second: ScriptedContainer
) -> None:
    container.on_predict = lambda peer, batch: None
    await bench.connect(container, second)
    query = bench.ask(3.0)
    await container.batch()
    await bench.dispatcher.set_replicas({1: second.address})
    assert await output_of(query) == 3.0
    assert query.n_lost == 0  # nobody holds it for poison
    await container.until(lambda: not container.peers)


async def test_a_replica_that_moved_is_dialled_at_its_new_address(
    bench: Bench, container: ScriptedContainer, second: ScriptedContainer
) -> None:
    await bench.connect(container)
    await bench.dispatcher.set_replicas({0: second.address})
    assert await output_of(bench.ask(3.0)) == 3.0
    assert len(second.batches) == 1


async def test_the_last_replica_taken_from_the_list_ends_the_waiting(
    bench: Bench, container: ScriptedContainer
) -> None:
    container.on_predict = lambda peer, batch: None
    await bench.connect(container)
    running = bench.ask(1.0)
    await container.batch()
    waiting = bench.ask(2.0)
    await bench.dispatcher.set_replicas({})
    assert await reason_of(running) == DefaultReason.CONTAINER_LOST
    assert await reason_of(waiting) == DefaultReason.NO_REPLICA


async def test_taking_away_a_replica_still_being_dialled_ends_the_waiting(
    bench: Bench, container: ScriptedContainer
) -> None:
    container.on_hello = lambda peer: None
    await bench.dispatcher.set_replicas({0: container.address})
    waiting = bench.ask(2.0)
    await bench.dispatcher.set_replicas({})
    assert await reason_of(waiting) == DefaultReason.NO_REPLICA


async def test_closing_answers_everything_with_the_reason_and_takes_in_nothing(
    bench: Bench, container: ScriptedContainer, second: ScriptedContainer
) -> None:
    for each in (container, second):
        each.on_predict = lambda peer, batch: None
    await bench.connect(container, second)
    queries = [bench.ask(float(number)) for number in range(8)]
    await container.batch()
    await bench.close()
    assert {await reason_of(query) for query in queries} == {DefaultReason.SHUTDOWN}
    assert sink_of(bench.ask(1.0)).answer["default_reason"] == DefaultReason.NO_REPLICA
    await container.until(lambda: not container.peers)
    await second.until(lambda: not second.peers)


async def test_every_query_is_answered_once_while_containers_come_and_go(bench: Bench, tmp_path: Path) -> None:
    """Half a second of trouble: connections end in mid-batch, replicas move; sinks refuse a second answer."""
    async with ScriptedContainer() as one, ScriptedContainer() as two:
        for container in (one, two):
            container.on_predict = lambda peer, batch: (
                peer.close() if batch.batch_id % 7 == 0 else peer.send(sums(batch))
            )
        await bench.connect(one, two)
        lists: list[dict[int, str]] = [{0: one.address}, {0: two.address}, {}, {1: one.address, 2: two.address}]
        queries: list[Query] = []
        for turn in range(120):
            queries += [bench.ask(float(turn), slo_s=2.0) for _ in range(5)]
            if turn % 10 == 9:
                await bench.dispatcher.set_replicas(lists[turn // 10 % 4])
            if turn % 17 == 16:
                queries[-3].cancel()
            await asyncio.sleep(0.002)
        answered = [query for query in queries if sink_of(query).answers or not query.is_done]
        for query in answered:
            await sink_of(query).wait()
        assert len(answered) >= len(queries) - 7
        assert len(bench.owner.predictions_s) + len(bench.owner.defaults) == len(answered)
        assert len(bench.owner.predictions_s) > 50
