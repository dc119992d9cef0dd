"""The model's thread, with a clock and recipients of the test's own."""

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from skysail_container.errors import FrameTooLargeError, ModelLoadError
from skysail_container.function_model import FunctionModel
from skysail_container.model import Model
from skysail_container.service_statistics import ServiceStatistics
from skysail_container.wire import ContainerMessage, Refused, Result, Strings
from skysail_container.work_queue import Work, WorkQueue
from skysail_container.worker import Worker

TIMEOUT_S = 10.0


class Client:
    """Keeps what it is sent; refuses results when told that they are too large."""

    def __init__(self, takes_results: bool = True) -> None:
        self.received: SimpleQueue[ContainerMessage] = SimpleQueue()
        self._takes_results = takes_results

    def send(self, message: ContainerMessage) -> None:
        if isinstance(message, Result) and not self._takes_results:
            raise FrameTooLargeError(2, 1)
        self.received.put(message)

    def next(self) -> ContainerMessage:
        return self.received.get(timeout=TIMEOUT_S)


class Rig:
    """A worker whose model is held inside its first batch until `release`."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.is_inside = threading.Event()
        self.release = threading.Event()
        self.crashed = threading.Event()
        self.seen: list[str] = []
        self.statistics = ServiceStatistics(self.clock)
        self.worker = Worker(lambda: FunctionModel(self._predict), WorkQueue(10, 1000), self.statistics, self.clock)
        self.worker.start(self._loaded, self.crashed.set)

    def clock(self) -> float:
        return self.now_s

    def work(self, client: Client, batch_id: int, deadline_s: float, text: str = "x") -> Work:
        return Work(client, batch_id, Strings((text,)), 1, self.now_s, deadline_s)

    def occupy(self, client: Client) -> None:
        assert self.worker.submit(self.work(client, 0, 1e9, "first"))
        assert self.is_inside.wait(TIMEOUT_S)

    def _loaded(self, error: ModelLoadError | None) -> None:
        assert error is None

    def _predict(self, rows: Any) -> object:
        self.seen += rows
        self.is_inside.set()
        assert self.release.wait(TIMEOUT_S)
        self.now_s += 0.25
        return rows


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.release.set()
    rig.worker.stop()
    assert not rig.crashed.is_set()


def test_a_reply_carries_the_time_queued_and_the_time_computed(rig: Rig) -> None:
    client = Client()
    rig.occupy(client)
    rig.worker.submit(rig.work(client, 1, 1e9))
    rig.release.set()
    first, second = client.next(), client.next()
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    assert (first.queued_us, first.computed_us) == (0, 250_000)
    assert (second.queued_us, second.computed_us) == (250_000, 250_000)


def test_batches_that_expire_behind_a_long_one_are_refused_in_front_of_the_next(rig: Rig) -> None:
    client = Client()
    rig.occupy(client)
    rig.worker.submit(rig.work(client, 1, 0.2, "late"))
    rig.worker.submit(rig.work(client, 2, 9.0, "kept"))
    rig.release.set()
    replies = [client.next() for _ in range(3)]
    assert [type(reply) for reply in replies] == [Result, Refused, Result]
    assert rig.seen == ["first", "kept"]
    assert rig.statistics.snapshot()["refused_expired"] == 1


def test_when_idle_calls_back_after_everything_is_answered(rig: Rig) -> None:
    client = Client()
    rig.occupy(client)
    rig.worker.submit(rig.work(client, 1, 9.0))
    n_answered_when_idle: SimpleQueue[int] = SimpleQueue()
    rig.worker.when_idle(lambda: n_answered_when_idle.put(client.received.qsize()))
    rig.release.set()
    assert n_answered_when_idle.get(timeout=TIMEOUT_S) == 2
    rig.worker.when_idle(lambda: n_answered_when_idle.put(-1))  # idle already: at once
    assert n_answered_when_idle.get(timeout=TIMEOUT_S) == -1


def test_when_idle_does_not_wait_for_batches_that_were_cancelled_or_forgotten(rig: Rig) -> None:
    client, gone = Client(), Client()
    rig.occupy(client)
    rig.worker.submit(rig.work(client, 1, 9.0))
    rig.worker.submit(rig.work(gone, 1, 9.0))
    idle = threading.Event()
    rig.worker.when_idle(idle.set)
    assert rig.worker.cancel(client, 1)
    assert not rig.worker.cancel(client, 1)
    rig.worker.forget(gone)
    rig.release.set()
    assert idle.wait(TIMEOUT_S)
    assert rig.seen == ["first"]
    counted = rig.statistics.snapshot()
    assert (counted["refused_cancelled"], counted["abandoned"], counted["batches"]) == (1, 1, 1)


def test_outputs_too_large_for_a_frame_are_refused(rig: Rig) -> None:
    client = Client(takes_results=False)
    rig.release.set()
    rig.worker.submit(rig.work(client, 5, 9.0))
    reply = client.next()
    assert isinstance(reply, Refused)
    assert (reply.batch_id, reply.code) == (5, "bad_rows")


def started(load: Callable[[], Model]) -> tuple[Worker, ModelLoadError | None]:
    loaded: SimpleQueue[ModelLoadError | None] = SimpleQueue()
    statistics = ServiceStatistics(lambda: 0.0)
    worker = Worker(load, WorkQueue(10, 1000), statistics, lambda: 0.0)
    worker.start(loaded.put, lambda: None)
    return worker, loaded.get(timeout=TIMEOUT_S)


def test_a_model_is_loaded_on_the_thread_that_runs_it() -> None:
    names: list[str] = []

    def predict(rows: object) -> object:
        names.append(threading.current_thread().name)
        return rows

    def load() -> Model:
        names.append(threading.current_thread().name)
        return FunctionModel(predict)

    worker, error = started(load)
    assert error is None
    client = Client()
    worker.submit(Work(client, 1, Strings(("a",)), 1, 0.0, 9.0))
    client.next()
    worker.stop()
    assert names == ["model", "model"]


def test_what_goes_wrong_while_loading_is_reported() -> None:
    def load() -> Model:
        raise ModelLoadError("no model")

    _, error = started(load)
    assert str(error) == "no model"


def test_an_error_of_the_runtime_is_reported_so_that_the_process_can_end() -> None:
    class Broken:
        def send(self, message: ContainerMessage) -> None:
            raise ZeroDivisionError

    crashed = threading.Event()
    worker = Worker(
        lambda: FunctionModel(lambda rows: rows), WorkQueue(10, 1000), ServiceStatistics(lambda: 0.0), lambda: 0.0
    )
    worker.start(lambda error: None, crashed.set)
    worker.submit(Work(Broken(), 1, Strings(("a",)), 1, 0.0, 9.0))
    assert crashed.wait(TIMEOUT_S)
